//! Rows of several files in one order, which is that of each file as well.

use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::compute::{concat_batches, interleave_record_batch};
use arrow::datatypes::DataType;
use futures::TryStreamExt;
use futures::stream::BoxStream;

use crate::archive::Archive;
use crate::compact::Columns;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::DataFile;
use crate::rows::RowMap;
use crate::tables::{COMMIT, PIECES, Table};

/// Memory for the rows of a file that are read ahead.
const BATCH_BYTES: u64 = 16 << 20;

/// A row, by the number of its file and its own.
pub(crate) type Place = (u32, u32);

/// Rows of files, read in the order in which they are asked for.
pub(crate) struct Lanes {
    archive: Archive,
    files: Vec<Arc<DataFile>>,
    /// Rows that will be asked for, by file; taken when its first one is.
    wanted: Vec<Vec<u32>>,
    open: Vec<Option<Lane>>,
    batch_rows: usize,
}

/// The columns that all files of a table have, whether they have been merged before or not.
fn alike(batch: &RecordBatch, table: Table) -> Result<RecordBatch> {
    let mut columns = Columns::of(batch);
    columns.remove(COMMIT);
    if table == Table::Packets {
        let numbers = columns.remove(PIECES);
        columns.put(PIECES, numbers.unwrap_or_else(|| new_null_array(&DataType::Int32, batch.num_rows())));
    }
    columns.batch()
}

/// Rows of a batch that are held in memory while their file is read: some megabytes, should they take four times the
/// room that they take as a file.
fn fitting(file: &DataFile) -> usize {
    let row = (file.bytes * 4 / file.rows.max(1)).max(1);
    usize::try_from(BATCH_BYTES / row).unwrap_or(usize::MAX).max(1)
}

/// One file.
struct Lane {
    rows: BoxStream<'static, Result<RecordBatch>>,
    /// Rows that have been read and not yet been asked for.
    ready: Option<RecordBatch>,
    left: usize,
}

impl Lanes {
    /// Of these files, these places will be read in this order, which has to be that of rows in each file.
    ///
    /// # Errors
    /// If it is not.
    pub fn new(
        archive: &Archive,
        files: Vec<Arc<DataFile>>,
        places: impl Iterator<Item = Place>,
        batch_rows: usize,
    ) -> Result<Self> {
        let mut wanted: Vec<Vec<u32>> = files.iter().map(|_| Vec::new()).collect();
        for (file, row) in places {
            let rows = wanted.get_mut(file as usize).ok_or_else(|| StorageError::internal("a row of no file"))?;
            if rows.last().is_some_and(|last| *last >= row) {
                let path = &files[file as usize].path;
                return Err(StorageError::damaged(format!("{path}: its rows are not in the order of a replay")));
            }
            rows.push(row);
        }
        let open = files.iter().map(|_| None).collect();
        Ok(Self { archive: archive.clone(), files, wanted, open, batch_rows })
    }

    /// The next rows.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn next(&mut self, places: &[Place]) -> Result<RecordBatch> {
        let mut counts: Vec<(u32, usize)> = Vec::new();
        let mut picked = Vec::with_capacity(places.len());
        for (file, _) in places {
            let at = counts.iter().position(|(known, _)| known == file).unwrap_or_else(|| {
                counts.push((*file, 0));
                counts.len() - 1
            });
            picked.push((at, counts[at].1));
            counts[at].1 += 1;
        }
        let mut parts = Vec::with_capacity(counts.len());
        for (file, count) in counts {
            parts.push(alike(&self.take(file as usize, count).await?, self.files[file as usize].table)?);
        }
        if let [one] = parts.as_slice() {
            return Ok(one.clone());
        }
        let parts: Vec<&RecordBatch> = parts.iter().collect();
        Ok(interleave_record_batch(&parts, &picked)?)
    }

    /// The next rows of one file, with the columns that it has.
    ///
    /// # Errors
    /// When they cannot be read, or are not there.
    pub async fn take(&mut self, number: usize, count: usize) -> Result<RecordBatch> {
        let file = &self.files[number];
        let short = || StorageError::damaged(format!("{} has fewer rows than it had", file.path));
        if self.open[number].is_none() {
            let rows = std::mem::take(&mut self.wanted[number]);
            let left = rows.len();
            let map = RowMap::of(rows.into_iter().map(|row| row..row + 1).collect());
            let selection = map.selection(usize::try_from(file.rows).unwrap_or(usize::MAX)).ok_or_else(short)?;
            let builder = self.archive.rows(file).await?;
            let batch_rows = self.batch_rows.min(fitting(file));
            let builder = builder.with_batch_size(batch_rows).with_row_selection(selection);
            self.open[number] = Some(Lane { rows: batches(file, builder)?, ready: None, left });
        }
        let Some(lane) = &mut self.open[number] else { return Err(short()) };
        let mut parts = Vec::new();
        let mut missing = count;
        while missing > 0 {
            let batch = match lane.ready.take() {
                Some(batch) => batch,
                None => lane.rows.try_next().await?.ok_or_else(short)?,
            };
            let taken = missing.min(batch.num_rows());
            parts.push(batch.slice(0, taken));
            if taken < batch.num_rows() {
                lane.ready = Some(batch.slice(taken, batch.num_rows() - taken));
            }
            missing -= taken;
        }
        lane.left = lane.left.saturating_sub(count);
        // What is read to its end need not be held any longer.
        if lane.left == 0 {
            self.open[number] = None;
        }
        let Some(first) = parts.first() else { return Err(StorageError::internal("no rows were asked for")) };
        Ok(concat_batches(&first.schema(), &parts)?)
    }
}
