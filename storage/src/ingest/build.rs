//! From a batch to the files of a commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, FixedSizeBinaryBuilder, Float64Array, Int32Array, Int64Array,
    LargeBinaryBuilder, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use noctuary_packet::container::Header;
use noctuary_packet::decode::Decoder;
use noctuary_packet::frame::Frame;
use noctuary_packet::id::Id;
use noctuary_packet::reason::Rejection;
use noctuary_packet::schema::Fingerprint;
use parquet::arrow::ArrowWriter;

use super::batch::{Batch, RefusedRow, StoredRow, TallyKey};
use super::resolve::Resolved;
use super::stats;
use crate::error::{Result, StorageError};
use crate::log::{Counts, DataFile, FileStats};
use crate::paths;
use crate::tables::{IdType, Table, alert_keys, ledger_columns, packet_columns, quarantine_columns, writer_properties};

/// Packets of a row group of `packets`, in bytes.
const PACKET_GROUP_BYTES: usize = 32 << 20;
/// Packets are put in columns and handed to the writers in batches of about this many bytes: what is in work at a time
/// stays small, and so does the memory that is asked for and given back.
const PORTION_BYTES: usize = 4 << 20;

/// The files of a commit, ready to be put.
#[derive(Debug, Default)]
pub(super) struct Built {
    pub files: Vec<(DataFile, Bytes)>,
    /// Headers of containers by digest of their shared part.
    pub headers: BTreeMap<String, Arc<Header>>,
    /// Schemas of the stored packets.
    pub resolved: BTreeMap<Fingerprint, Arc<Resolved>>,
}

/// Builds the files. `name` makes their names unique to the run and the commit. A batch that is built `alone` has its
/// two large files made side by side, which takes more memory and half the time.
///
/// # Errors
/// When a packet that has been walked cannot be put in columns, which no schema that was accepted should lead to.
pub(super) fn build(batch: Batch, name: &str, now: DateTime<Utc>, alone: bool) -> Result<Built> {
    let mut built = Built::default();
    ledger(&batch.tallies, name, &mut built)?;
    quarantine(&batch.refused, name, now, &mut built)?;
    let mut groups: BTreeMap<(String, Fingerprint), Vec<StoredRow>> = BTreeMap::new();
    for row in batch.stored {
        let resolved = &row.accepted.resolved;
        groups.entry((resolved.survey.name.clone(), resolved.schema.fingerprint())).or_default().push(row);
    }
    for (index, ((_, fingerprint), mut rows)) in groups.into_iter().enumerate() {
        rows.sort_by_key(|row| {
            let keys = &row.accepted.keys;
            (keys.night, keys.visit, keys.detector, row.seq)
        });
        let resolved = Arc::clone(&rows[0].accepted.resolved);
        let group = format!("{name}-{index}");
        let stats = stats::of(&resolved, &rows);
        if alone {
            let mut beside = Built::default();
            std::thread::scope(|scope| {
                let beside = scope.spawn(|| packets(&resolved, &rows, &group, stats.clone(), &mut beside));
                alerts(&resolved, &rows, &group, stats.clone(), &mut built)?;
                beside.join().map_err(|_| StorageError::internal("a thread that builds files ended early"))?
            })?;
            built.files.append(&mut beside.files);
            built.headers.append(&mut beside.headers);
        } else {
            alerts(&resolved, &rows, &group, stats.clone(), &mut built)?;
            packets(&resolved, &rows, &group, stats, &mut built)?;
        }
        built.resolved.insert(fingerprint, resolved);
    }
    Ok(built)
}

fn alerts(resolved: &Resolved, rows: &[StoredRow], group: &str, stats: FileStats, built: &mut Built) -> Result<()> {
    let mut decoder = Decoder::new(&resolved.schema, &resolved.cutouts, rows.len()).map_err(not_as_walked)?;
    let mut fields: Vec<_> = alert_keys(resolved.ids).iter().cloned().collect();
    fields.extend(decoder.arrow_schema().fields().iter().cloned());
    let schema = Arc::new(Schema::new(fields));
    let mut writer = writer(Table::Alerts, &schema)?;
    for some in portions(rows) {
        for row in some {
            decoder.push(row.datum()).map_err(not_as_walked)?;
        }
        let mut columns = key_columns(resolved, some)?;
        columns.extend(decoder.finish().map_err(not_as_walked)?.columns().iter().cloned());
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns)?)?;
    }
    built.add(Table::Alerts, Some(resolved), group, rows.len(), stats, writer.into_inner()?);
    Ok(())
}

/// Every packet has been walked, and its schema been found to have columns.
fn not_as_walked(rejection: Rejection) -> StorageError {
    StorageError::internal(format!("a packet that was accepted cannot be put in columns: {rejection}"))
}

/// Cuts rows where their packets make up [`PORTION_BYTES`].
fn portions(mut rows: &[StoredRow]) -> impl Iterator<Item = &[StoredRow]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let count = rows
            .iter()
            .take_while(|row| {
                let room = bytes < PORTION_BYTES;
                bytes += row.datum().len();
                room
            })
            .count();
        let (now, later) = rows.split_at(count);
        rows = later;
        (!now.is_empty()).then_some(now)
    })
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

fn ids<'a>(kind: IdType, ids: impl Iterator<Item = Option<&'a Id>>) -> ArrayRef {
    match kind {
        IdType::Number => Arc::new(
            ids.map(|id| match id {
                Some(Id::Number(n)) => Some(*n),
                _ => None,
            })
            .collect::<Int64Array>(),
        ),
        IdType::Text => Arc::new(ids.map(|id| id.map(Id::to_string)).collect::<StringArray>()),
    }
}

fn packets(resolved: &Resolved, rows: &[StoredRow], group: &str, stats: FileStats, built: &mut Built) -> Result<()> {
    let schema = packet_columns(resolved.ids);
    let mut writer = writer(Table::Packets, &schema)?;
    let mut in_group = 0;
    for some in portions(rows) {
        writer.write(&packet_batch(resolved, some, &schema, built)?)?;
        in_group += some.iter().map(|row| row.datum().len()).sum::<usize>();
        if in_group >= PACKET_GROUP_BYTES {
            writer.flush()?;
            in_group = 0;
        }
    }
    built.add(Table::Packets, Some(resolved), group, rows.len(), stats, writer.into_inner()?);
    Ok(())
}

fn packet_batch(resolved: &Resolved, rows: &[StoredRow], schema: &SchemaRef, built: &mut Built) -> Result<RecordBatch> {
    let mut hashes = FixedSizeBinaryBuilder::with_capacity(rows.len(), 32);
    let mut syncs = FixedSizeBinaryBuilder::with_capacity(rows.len(), 16);
    let mut headers: Vec<Option<String>> = Vec::with_capacity(rows.len());
    let length = rows.iter().map(|r| r.datum().len()).sum();
    let mut datums = LargeBinaryBuilder::with_capacity(rows.len(), length);
    for row in rows {
        hashes.append_value(row.hash().0)?;
        datums.append_value(row.datum());
        match &row.accepted.frame {
            Frame::Container { header } => {
                syncs.append_value(header.sync())?;
                let digest = header.digest().to_hex();
                built.headers.entry(digest.clone()).or_insert_with(|| Arc::clone(header));
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
    ];
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

fn ledger(tallies: &BTreeMap<TallyKey, Counts>, name: &str, built: &mut Built) -> Result<()> {
    if tallies.is_empty() {
        return Ok(());
    }
    let text = |of: fn(&TallyKey) -> Option<&String>| -> ArrayRef {
        Arc::new(tallies.keys().map(of).collect::<StringArray>())
    };
    let count = |of: fn(&Counts) -> i64| -> ArrayRef {
        Arc::new(tallies.values().map(|c| Some(of(c))).collect::<Int64Array>())
    };
    let columns = vec![
        text(|k| Some(&k.source)),
        text(|k| k.survey.as_ref()),
        text(|k| k.schema.as_ref()),
        Arc::new(tallies.keys().map(|k| k.night).collect::<Date32Array>()),
        Arc::new(tallies.keys().map(|k| k.visit).collect::<Int64Array>()),
        count(|c| c.received),
        count(|c| c.stored),
        count(|c| c.duplicate),
        count(|c| c.quarantined),
        count(|c| c.revisions),
        count(|c| c.flagged),
        count(|c| c.bytes),
        text(|k| k.note.as_ref()),
    ];
    let schema = ledger_columns();
    let mut writer = writer(Table::Ledger, &schema)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    let mut stats = FileStats::default();
    stats.night = stats::range(tallies.keys().filter_map(|k| k.night));
    built.add(Table::Ledger, None, name, tallies.len(), stats, writer.into_inner()?);
    Ok(())
}

fn quarantine(rows: &[RefusedRow], name: &str, now: DateTime<Utc>, built: &mut Built) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let schema = quarantine_columns();
    let mut writer = writer(Table::Quarantine, &schema)?;
    let text = |of: &dyn Fn(&RefusedRow) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let number = |of: &dyn Fn(&RefusedRow) -> Option<u64>| -> ArrayRef {
        Arc::new(rows.iter().map(|r| of(r).and_then(|n| i64::try_from(n).ok())).collect::<Int64Array>())
    };
    let mut packets = LargeBinaryBuilder::new();
    for row in rows {
        packets.append_value(&row.broken.bytes);
    }
    let at = now.timestamp_micros();
    let columns: Vec<ArrayRef> = vec![
        Arc::new((0..rows.len()).map(|i| Some(format!("{name}-{i}"))).collect::<StringArray>()),
        Arc::new(TimestampMicrosecondArray::from_value(at, rows.len()).with_timezone("UTC")),
        text(&|r| Some(r.source.url.clone())),
        text(&|r| r.member.as_deref().map(str::to_owned)),
        number(&|r| Some(r.offset)),
        text(&|r| Some(r.broken.rejection.reason.to_string())),
        text(&|r| Some(r.broken.rejection.detail.clone())),
        number(&|r| r.broken.rejection.offset),
        text(&|r| r.broken.rejection.schema.clone()),
        text(&|r| r.broken.rejection.field.clone()),
        number(&|r| Some(r.broken.length)),
        text(&|r| Some(r.broken.hash.to_hex())),
        Arc::new(rows.iter().map(|r| Some(r.broken.complete())).collect::<BooleanArray>()),
        Arc::new(packets.finish()),
    ];
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    built.add(Table::Quarantine, None, name, rows.len(), FileStats::default(), writer.into_inner()?);
    Ok(())
}

fn writer(table: Table, schema: &SchemaRef) -> Result<ArrowWriter<Vec<u8>>> {
    Ok(ArrowWriter::try_new(Vec::new(), Arc::clone(schema), Some(writer_properties(table, schema)?))?)
}

impl Built {
    fn add(
        &mut self,
        table: Table,
        resolved: Option<&Resolved>,
        group: &str,
        rows: usize,
        stats: FileStats,
        bytes: Vec<u8>,
    ) {
        let survey = resolved.map(|r| r.survey.name.clone());
        let file = DataFile {
            table,
            path: paths::data(table, survey.as_deref(), group).to_string(),
            survey,
            schema: resolved.map(|r| r.schema.fingerprint().to_hex()),
            group: group.to_owned(),
            bytes: bytes.len() as u64,
            rows: rows as u64,
            checksum: crate::checksum::of(&bytes),
            stats,
            commit: 0,
        };
        self.files.push((file, bytes.into()));
    }
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
