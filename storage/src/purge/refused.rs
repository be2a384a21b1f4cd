//! Packets that were refused first, and stored later: the quarantine keeps their bytes as well.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::take;
use futures::TryStreamExt;
use parquet::arrow::ProjectionMask;

use crate::archive::Archive;
use crate::compact::Output;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::DataFile;
use crate::packets::text;
use crate::paths;
use crate::snapshot::Snapshot;
use crate::tables::Table;

/// Rows that are in memory at a time: each may hold a whole packet.
const BATCH_ROWS: usize = 64;

/// Files before and after.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    pub add: Vec<DataFile>,
    pub remove: Vec<String>,
}

/// Writes files of the quarantine anew in which packets of these digests lie, without their bytes.
///
/// # Errors
/// When a file cannot be read, or a new one not be put.
pub(super) async fn without(archive: &Archive, snapshot: &Snapshot, hashes: &HashSet<&str>) -> Result<Rewritten> {
    let mut rewritten = Rewritten::default();
    for file in snapshot.state.files.iter().filter(|file| file.table == Table::Quarantine) {
        if holds(archive, file, hashes).await? {
            rewritten.remove.push(file.path.clone());
            rewritten.add.push(rewrite(archive, file, hashes).await?);
        }
    }
    Ok(rewritten)
}

async fn holds(archive: &Archive, file: &DataFile, hashes: &HashSet<&str>) -> Result<bool> {
    let builder = archive.rows(file).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["sha256"]);
    let mut batches = batches(file, builder.with_projection(mask))?;
    while let Some(batch) = batches.try_next().await? {
        if text(&batch, "sha256", file)?.iter().flatten().any(|hash| hashes.contains(hash)) {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn rewrite(archive: &Archive, file: &Arc<DataFile>, hashes: &HashSet<&str>) -> Result<DataFile> {
    let group = format!("purge-{}", paths::new_run());
    let path = paths::data(file.table, None, &group, None).to_string();
    let target = DataFile { path, group, bytes: 0, rows: 0, ..DataFile::clone(file) };
    let mut batches = batches(file, archive.rows(file).await?.with_batch_size(BATCH_ROWS))?;
    let mut output = Output::new(archive.store(), target);
    let mut commits = file.commits;
    while let Some(batch) = batches.try_next().await? {
        let (batch, stamped) = crate::compact::stamped(&batch, file)?;
        commits = commits.or(stamped);
        let sha256 = text(&batch, "sha256", file)?;
        let gone: Vec<bool> = (0..batch.num_rows()).map(|row| hashes.contains(sha256.value(row))).collect();
        output.write(&emptied(&batch, &gone)?).await?;
    }
    let rewritten = output.end(file.stats.clone()).await?;
    let rewritten = rewritten.ok_or_else(|| StorageError::damaged(format!("{} has no rows", file.path)))?;
    Ok(DataFile { commits, ..rewritten })
}

/// A batch of the quarantine without the bytes in some of its rows.
fn emptied(batch: &RecordBatch, gone: &[bool]) -> Result<RecordBatch> {
    let rows: UInt32Array = (0..batch.num_rows()).map(|row| u32::try_from(row).ok().filter(|_| !gone[row])).collect();
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| match field.name().as_str() {
        "packet" => Ok::<ArrayRef, StorageError>(take(column, &rows, None)?),
        "complete" => {
            let complete = column.as_boolean_opt().ok_or_else(|| StorageError::damaged("complete is no flag"))?;
            let still = (0..gone.len()).map(|row| Some(complete.value(row) && !gone[row]));
            let still: ArrayRef = Arc::new(still.collect::<BooleanArray>());
            Ok(still)
        }
        _ => Ok(Arc::clone(column)),
    });
    Ok(RecordBatch::try_new(Arc::clone(&schema), columns.collect::<Result<_>>()?)?)
}
