//! The files with one row per packet: what is asked of it, and what gives it back.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, Date32Array, FixedSizeBinaryBuilder, Float64Array, Int32Array, Int32Builder, Int64Array,
    LargeBinaryBuilder, ListBuilder, RecordBatch, StringArray,
};
use arrow::datatypes::{Schema, SchemaRef};
use noctuary_packet::apart::{Rebuild, Runs};
use noctuary_packet::container::Header;
use noctuary_packet::decode::Decoder;
use noctuary_packet::frame::Frame;

use super::apart::PacketParts;
use super::batch::StoredRow;
use super::build::{ids, not_as_walked, portions};
use super::resolve::Resolved;
use super::stats;
use crate::error::Result;
use crate::files::{File, file, writer};
use crate::log::FileStats;
use crate::tables::{Table, alert_keys, alert_lists, packet_columns};

/// Packets of a row group of `packets`, in bytes of what is left of them.
const PACKET_GROUP_BYTES: usize = 32 << 20;

/// The file of `alerts`: keys, the packet's own columns, and where its lists of records are.
pub(super) fn alerts(
    resolved: &Resolved,
    rows: &[StoredRow],
    parts: &[PacketParts],
    group: &str,
    stats: FileStats,
) -> Result<File> {
    let lists = resolved.anatomy.lists().iter().map(|list| list.list);
    let left_out: Vec<_> = resolved.cutouts.iter().copied().chain(lists).collect();
    let mut decoder = Decoder::new(&resolved.schema, &left_out, rows.len()).map_err(not_as_walked)?;
    let mut fields: Vec<_> = alert_keys(resolved.ids).iter().cloned().collect();
    fields.extend(alert_lists().iter().cloned());
    fields.extend(decoder.arrow_schema().fields().iter().cloned());
    let schema = Arc::new(Schema::new(fields));
    let mut writer = writer(Table::Alerts, &schema)?;
    for Range { start, end } in portions(parts, |parts| parts.rest.len()) {
        for parts in &parts[start..end] {
            decoder.push(&hollow(parts)).map_err(not_as_walked)?;
        }
        let mut columns = key_columns(resolved, &rows[start..end])?;
        columns.push(runs(parts[start..end].iter().map(|parts| parts.history.as_ref())));
        columns.push(runs(parts[start..end].iter().map(|parts| parts.forced.as_ref())));
        columns.extend(decoder.finish().map_err(not_as_walked)?.columns().iter().cloned());
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
    }
    Ok(file(Table::Alerts, Some(resolved.of()), group, None, rows.len(), stats, writer.into_inner()?))
}

/// A datum with nothing in its holes: what it has beside lists and images, at a tenth of the work.
fn hollow(parts: &PacketParts) -> Vec<u8> {
    let holes = &parts.recipe.holes;
    let mut rebuild = Rebuild::new(&parts.rest, parts.rest.len() + holes.len());
    for hole in holes {
        rebuild.nothing(hole.at as usize);
    }
    rebuild.finish()
}

/// The first row and the number of rows of each run.
pub(crate) fn runs<'r>(lists: impl Iterator<Item = Option<&'r Runs>>) -> ArrayRef {
    let mut out = ListBuilder::new(Int32Builder::new());
    let number = |n: u32| i32::try_from(n).ok();
    for list in lists {
        for (first, count) in list.iter().flat_map(|runs| &runs.0) {
            out.values().append_option(number(*first));
            out.values().append_option(number(*count));
        }
        out.append(list.is_some());
    }
    Arc::new(out.finish())
}

fn key_columns(resolved: &Resolved, rows: &[StoredRow]) -> Result<Vec<ArrayRef>> {
    let keys = || rows.iter().map(|r| &r.accepted.keys);
    let rights = &resolved.survey.rights;
    let mut hashes = FixedSizeBinaryBuilder::with_capacity(rows.len(), 32);
    for row in rows {
        hashes.append_value(row.hash().0)?;
    }
    let schema = resolved.schema.label();
    Ok(vec![
        ids(resolved.ids.alert, keys().map(|k| Some(&k.alert))),
        ids(resolved.ids.object, keys().map(|k| k.object.as_ref())),
        Arc::new(rows.iter().map(|r| Some(r.revision)).collect::<Int32Array>()),
        Arc::new(keys().map(|k| k.night.map(|n| n.0)).collect::<Date32Array>()),
        Arc::new(keys().map(|k| k.visit).collect::<Int64Array>()),
        Arc::new(keys().map(|k| k.detector).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| Some(r.seq)).collect::<Int32Array>()),
        Arc::new(keys().map(|k| k.time.map(|t| t.0)).collect::<Float64Array>()),
        Arc::new(keys().map(|k| k.ra).collect::<Float64Array>()),
        Arc::new(keys().map(|k| k.dec).collect::<Float64Array>()),
        Arc::new(keys().map(stats::cell).collect::<Int64Array>()),
        Arc::new(keys().map(|k| Some(rights.label(k.rights))).collect::<StringArray>()),
        Arc::new(keys().map(|k| (!k.flags.is_empty()).then(|| k.flags.to_string())).collect::<StringArray>()),
        Arc::new(hashes.finish()),
        Arc::new(rows.iter().map(|_| Some(&schema)).collect::<StringArray>()),
        Arc::new(rows.iter().map(|r| Some(r.locator())).collect::<StringArray>()),
        Arc::new(rows.iter().map(|r| i64::try_from(r.offset).ok()).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|r| i64::try_from(r.accepted.transmitted).ok()).collect::<Int64Array>()),
    ])
}

/// The file of `packets`: what is left of each, or the whole of those that could not be put together again.
pub(super) fn packets(
    resolved: &Resolved,
    rows: &[StoredRow],
    parts: &[PacketParts],
    inline: &[usize],
    group: &str,
    stats: FileStats,
    headers: &mut BTreeMap<String, Arc<Header>>,
) -> Result<File> {
    let schema = packet_columns(resolved.ids);
    let mut writer = writer(Table::Packets, &schema)?;
    let mut in_group = 0;
    let kept: Vec<Kept<'_>> = (rows.iter().zip(parts).enumerate())
        .map(|(at, (row, parts))| match inline.binary_search(&at).is_ok() {
            true => Kept { row, datum: row.datum(), holes: None },
            false => Kept { row, datum: &parts.rest, holes: Some(parts.recipe.encode()) },
        })
        .collect();
    for range in portions(&kept, |kept| kept.datum.len()) {
        in_group += kept[range.clone()].iter().map(|kept| kept.datum.len()).sum::<usize>();
        writer.write(&packet_batch(resolved, &kept[range], &schema, headers)?)?;
        if in_group >= PACKET_GROUP_BYTES {
            writer.flush()?;
            in_group = 0;
        }
    }
    Ok(file(Table::Packets, Some(resolved.of()), group, None, rows.len(), stats, writer.into_inner()?))
}

/// What is kept of a packet.
struct Kept<'r> {
    row: &'r StoredRow,
    datum: &'r [u8],
    holes: Option<Vec<u8>>,
}

fn packet_batch(
    resolved: &Resolved,
    kept: &[Kept<'_>],
    schema: &SchemaRef,
    known: &mut BTreeMap<String, Arc<Header>>,
) -> Result<RecordBatch> {
    let rows: Vec<&StoredRow> = kept.iter().map(|kept| kept.row).collect();
    let mut hashes = FixedSizeBinaryBuilder::with_capacity(rows.len(), 32);
    let mut syncs = FixedSizeBinaryBuilder::with_capacity(rows.len(), 16);
    let mut headers: Vec<Option<String>> = Vec::with_capacity(rows.len());
    let length = kept.iter().map(|kept| kept.datum.len()).sum();
    let mut datums = LargeBinaryBuilder::with_capacity(rows.len(), length);
    let mut holes = BinaryBuilder::new();
    for Kept { row, datum, holes: recipe } in kept {
        hashes.append_value(row.hash().0)?;
        datums.append_value(datum);
        holes.append_option(recipe.as_ref());
        match &row.accepted.frame {
            Frame::Container { header } => {
                syncs.append_value(header.sync())?;
                let digest = header.digest().to_hex();
                known.entry(digest.clone()).or_insert_with(|| Arc::clone(header));
                headers.push(Some(digest));
            }
            _ => {
                syncs.append_null();
                headers.push(None);
            }
        }
    }
    let rights = &resolved.survey.rights;
    let columns: Vec<ArrayRef> = vec![
        ids(resolved.ids.alert, rows.iter().map(|r| Some(&r.accepted.keys.alert))),
        Arc::new(rows.iter().map(|r| Some(r.revision)).collect::<Int32Array>()),
        Arc::new(rows.iter().map(|r| Some(rights.label(r.accepted.keys.rights))).collect::<StringArray>()),
        Arc::new(hashes.finish()),
        Arc::new(rows.iter().map(|r| Some(r.accepted.frame.kind())).collect::<StringArray>()),
        Arc::new(
            rows.iter()
                .map(|r| match r.accepted.frame {
                    Frame::Confluent(id) => Some(i64::from(id.0)),
                    _ => None,
                })
                .collect::<Int64Array>(),
        ),
        Arc::new(headers.into_iter().collect::<StringArray>()),
        Arc::new(syncs.finish()),
        Arc::new(datums.finish()),
        Arc::new(holes.finish()),
    ];
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

impl StoredRow {
    /// Where it came from, for people: the source, and the member of a tar.
    fn locator(&self) -> String {
        match &self.member {
            Some(member) => format!("{}!{member}", self.source.url),
            None => self.source.url.clone(),
        }
    }
}
