//! Pieces of images of several groups as those of one, each once.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use futures::TryStreamExt;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::output::Output;
use super::records::{Moved, NOWHERE};
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::{DataFile, FileStats};
use crate::parts::Pieces;

/// Bytes of pieces that are in memory at a time, about.
const BATCH_BYTES: u64 = 8 << 20;

/// Rows of a file of pieces that are in memory at a time.
pub(crate) fn rows_at_a_time(file: &DataFile) -> usize {
    usize::try_from(BATCH_BYTES * file.rows / file.bytes.max(1)).unwrap_or(1).clamp(1, 4_096)
}

/// Writes the file of pieces, in the order of the inputs, and says where they have gone. Where an input says which of
/// its pieces are needed, only these are written.
///
/// # Errors
/// When a file cannot be read, or the new one not be put.
pub(super) async fn merge(
    archive: &Archive,
    inputs: Vec<Option<Arc<DataFile>>>,
    needed: Vec<Vec<bool>>,
    target: DataFile,
) -> Result<(Option<DataFile>, Moved)> {
    let mut output = Output::new(archive.store(), target);
    let mut known: HashMap<u128, u32> = HashMap::new();
    let mut moved: Moved = Vec::with_capacity(inputs.len());
    for (number, input) in inputs.iter().enumerate() {
        let Some(file) = input else {
            moved.push(Vec::new());
            continue;
        };
        let mut places = Vec::with_capacity(usize::try_from(file.rows).unwrap_or_default());
        let rows = archive.rows(file).await?.with_batch_size(rows_at_a_time(file));
        let mut rows = batches(file, rows)?;
        while let Some(batch) = rows.try_next().await? {
            let is_new = new_ones(&batch, file, needed.get(number), &mut known, &mut places)?;
            let kept = filter_record_batch(&batch, &is_new)?;
            if kept.num_rows() == 0 {
                continue;
            }
            output.write(&kept).await?;
        }
        moved.push(places);
    }
    Ok((output.end(FileStats::default()).await?, moved))
}

/// Which rows of a batch have not been seen before, and where every one of them will be.
fn new_ones(
    batch: &RecordBatch,
    file: &DataFile,
    needed: Option<&Vec<bool>>,
    known: &mut HashMap<u128, u32>,
    places: &mut Vec<u32>,
) -> Result<BooleanArray> {
    let damaged = || StorageError::damaged(format!("{}: not the columns of pieces of images", file.path));
    let pieces = Pieces::of(batch).ok_or_else(damaged)?;
    let kinds = batch.column_by_name("kind").and_then(|c| c.as_string_opt::<i32>()).ok_or_else(damaged)?;
    let mut is_new = Vec::with_capacity(batch.num_rows());
    let mut bytes = Vec::new();
    for row in 0..batch.num_rows() {
        if needed.is_some_and(|needed| needed.get(places.len()) != Some(&true)) {
            places.push(NOWHERE);
            is_new.push(false);
            continue;
        }
        bytes.clear();
        pieces.put(row, &mut bytes);
        let next = u32::try_from(known.len()).map_err(|_| StorageError::internal("more pieces than can be counted"))?;
        // The same bytes as a header and as values are two pieces, for they lie in different columns.
        let seed = kinds.value(row).bytes().fold(pieces.column(row), |seed, byte| seed * 257 + u64::from(byte));
        let place = *known.entry(xxh3_128_with_seed(&bytes, seed)).or_insert(next);
        places.push(place);
        is_new.push(place == next);
    }
    Ok(BooleanArray::from(is_new))
}
