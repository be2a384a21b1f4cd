//! Packets that were refused: kept, shown, and tried again.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;

use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::ingest::{IngestOptions, Report, Retry};
use crate::log::DataFile;
use crate::packets::text;
use crate::snapshot::Snapshot;
use crate::tables::Table;
use crate::visible::Commits;

/// A packet that was refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Quarantined {
    /// Its name in the quarantine.
    pub id: String,
    /// Where it came from.
    pub source: String,
    /// Name inside a tar.
    pub member: Option<String>,
    /// Byte in the file or member at which it begins.
    pub offset: u64,
    /// The kind of fault, as [`noctuary_packet::reason::Reason::as_str`] has it.
    pub reason: String,
    /// What is wrong, in words.
    pub detail: String,
    /// Byte of the packet at which it shows.
    pub byte: Option<u64>,
    /// The schema it was read with.
    pub schema: Option<String>,
    /// The field at which it shows.
    pub field: Option<String>,
    /// Length of the packet.
    pub length: u64,
    /// SHA-256 of the packet.
    pub sha256: String,
    /// True if `packet` is all of it; of packets over the size limit only the beginning is kept.
    pub complete: bool,
    /// The bytes.
    pub packet: Vec<u8>,
    /// The commit that stored it after all.
    pub released: Option<u64>,
}

/// Reads one refused packet.
///
/// # Errors
/// [`crate::error::ErrorKind::NotFound`] if nothing in the quarantine has that name.
pub async fn read(archive: &Archive, snapshot: &Snapshot, id: &str) -> Result<Quarantined> {
    // The name begins with that of the file that it was put in, so one file is read and not all, until they are merged.
    let may_hold = |f: &&Arc<DataFile>| f.level > 0 || id.starts_with(&f.group);
    for file in snapshot.files(Table::Quarantine, None).filter(may_hold) {
        if let Some(found) = read_file(archive, snapshot, file).await?.into_iter().find(|q| q.id == id) {
            return Ok(found);
        }
    }
    Err(StorageError::not_found(format!("nothing in the quarantine is called {id}; see `noctuary quarantine list`")))
}

/// Tries refused packets again, now that a schema or a survey has been added. Those that are accepted are stored and
/// released; the others stay, and the ledger is unchanged for them.
///
/// # Errors
/// When an id is not in the quarantine, or storage fails.
pub async fn retry(archive: &Archive, ids: Option<&[String]>, options: &IngestOptions) -> Result<Report> {
    let snapshot = archive.snapshot().await?;
    let mut retry = Retry::new(archive, &snapshot, options);
    let waits = |q: &Quarantined| q.released.is_none() && q.complete && !q.packet.is_empty();
    match ids {
        Some(ids) => {
            for id in ids.iter().collect::<BTreeSet<_>>() {
                let one = read(archive, &snapshot, id).await?;
                retry.take(vec![one].into_iter().filter(waits).collect()).await?;
            }
        }
        None => {
            for file in snapshot.files(Table::Quarantine, None) {
                let rows = read_file(archive, &snapshot, file).await?;
                retry.take(rows.into_iter().filter(waits).collect()).await?;
            }
        }
    }
    retry.finish().await
}

async fn read_file(archive: &Archive, snapshot: &Snapshot, file: &DataFile) -> Result<Vec<Quarantined>> {
    let mut batches = batches(file, archive.rows(file).await?.with_batch_size(64))?;
    let mut rows = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        rows.extend(decode(file, &batch, snapshot)?);
    }
    Ok(rows)
}

fn decode(file: &DataFile, batch: &RecordBatch, snapshot: &Snapshot) -> Result<Vec<Quarantined>> {
    let damaged = |name: &str| StorageError::damaged(format!("{}: no column {name}", file.path));
    let number = |name: &str| {
        batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<Int64Type>()).ok_or_else(|| damaged(name))
    };
    let texts = |name: &str| text(batch, name, file);
    let (ids, sources, members) = (texts("id")?, texts("source")?, texts("member")?);
    let (reasons, details, schemas) = (texts("reason")?, texts("detail")?, texts("schema")?);
    let (fields, digests) = (texts("field")?, texts("sha256")?);
    let (offsets, bytes, lengths) = (number("offset")?, number("byte")?, number("length")?);
    let complete =
        batch.column_by_name("complete").and_then(|c| c.as_boolean_opt()).ok_or_else(|| damaged("complete"))?;
    let packets =
        batch.column_by_name("packet").and_then(|c| c.as_binary_opt::<i64>()).ok_or_else(|| damaged("packet"))?;
    let optional = |array: &arrow::array::StringArray, row| array.is_valid(row).then(|| array.value(row).to_owned());
    let commits = Commits::of(batch, file)?;
    Ok((0..batch.num_rows())
        .filter(|row| snapshot.visible().shows(commits.get(*row)))
        .map(|row| Quarantined {
            id: ids.value(row).to_owned(),
            source: sources.value(row).to_owned(),
            member: optional(members, row),
            offset: offsets.value(row).unsigned_abs(),
            reason: reasons.value(row).to_owned(),
            detail: details.value(row).to_owned(),
            byte: bytes.is_valid(row).then(|| bytes.value(row).unsigned_abs()),
            schema: optional(schemas, row),
            field: optional(fields, row),
            length: lengths.value(row).unsigned_abs(),
            sha256: digests.value(row).to_owned(),
            complete: complete.value(row),
            packet: packets.value(row).to_vec(),
            released: snapshot.released().get(ids.value(row)).copied(),
        })
        .collect())
}
