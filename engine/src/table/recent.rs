//! Files of recent commits, kept in memory column by column.
//!
//! What was just loaded lies in many small files until they are merged, and opening one takes longer than finding its
//! rows. The columns that questions use of them are kept as they were read, in the types of the table, so that a
//! question finds the same in memory as it would in the files.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{BatchCoalescer, concat_batches, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::Session;
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use moka::sync::Cache;
use noctuary_storage::log::DataFile;
use noctuary_storage::selected;
use parquet::arrow::arrow_reader::RowSelection;

use super::recent_rows::RecentRows;
use super::{FILE, FileTable};
use crate::assemble::by_file;
use crate::gather::damaged;
use crate::kept::table_of;

/// Columns of files that are kept take so many bytes at most.
const KEPT_BYTES: u64 = 128 << 20;
/// A table with so many of them is worth it.
const FEWEST: usize = 8;
/// Files of more rows are read as those that were merged are.
const MOST_ROWS: u64 = 8_192;
/// A question takes so many values from memory at most, rows times columns.
const MOST_VALUES: u64 = 8 << 20;
/// Rows of a batch.
const BATCH: usize = 8_192;

/// A column of a file, in the type of a table.
type Column = (String, String, DataType);

/// Columns that were read before.
#[derive(Debug)]
pub(crate) struct Recent(Cache<Column, ArrayRef>);

impl Default for Recent {
    fn default() -> Self {
        let weigh = |column: &Column, values: &ArrayRef| {
            let bytes = values.get_array_memory_size() + column.0.len() + column.1.len() + 64;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(KEPT_BYTES).weigher(weigh).build())
    }
}

/// Files with their numbers.
pub(super) type Files<'t> = Vec<(usize, &'t Arc<DataFile>)>;

/// Files of recent commits among these, if the table has enough of them, and the others.
pub(super) fn split<'t>(all: &[Arc<DataFile>], files: &Files<'t>, columns: usize) -> (Files<'t>, Files<'t>) {
    let small = |file: &DataFile| file.level == 0 && file.rows <= MOST_ROWS;
    if all.iter().filter(|file| small(file)).nth(FEWEST - 1).is_none() {
        return (Vec::new(), files.clone());
    }
    let mut left = MOST_VALUES / (columns as u64).max(1);
    let mut recent = BTreeSet::new();
    for (number, file) in files.iter().rev().filter(|(_, file)| small(file)) {
        let Some(rest) = left.checked_sub(file.rows) else { break };
        left = rest;
        recent.insert(*number);
    }
    files.iter().copied().partition(|(number, _)| recent.contains(number))
}

impl FileTable {
    /// The rows of files of recent commits, with these columns, in as many parts as there are threads.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) async fn recent(
        &self,
        state: &dyn Session,
        columns: &[usize],
        files: &Files<'_>,
        rows: &[Option<RowSelection>],
        counted: bool,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = Arc::new(self.read.table_schema().project(columns)?);
        let table = files.first().map_or_else(String::new, |(_, file)| table_of(&file.path));
        if columns.is_empty() {
            let count = |(number, file): &(usize, &Arc<DataFile>)| match rows.get(*number).and_then(Option::as_ref) {
                Some(rows) => rows.row_count(),
                None => usize::try_from(file.rows).unwrap_or(usize::MAX),
            };
            let options = RecordBatchOptions::new().with_row_count(Some(files.iter().map(count).sum()));
            let batch = RecordBatch::try_new_with_options(Arc::clone(&schema), Vec::new(), &options)?;
            return Ok(Arc::new(RecentRows::new(table, files.len(), schema, vec![vec![batch]], counted)));
        }
        let kept = self.in_memory(state, columns, files).await?;
        let mut whole =
            BatchCoalescer::new(Arc::clone(&schema), BATCH).with_biggest_coalesce_batch_size(Some(BATCH / 2));
        for (number, file) in files {
            let batch = self.batch(columns, &schema, *number, file, &kept)?;
            match rows.get(*number).and_then(Option::as_ref) {
                None => whole.push_batch(batch)?,
                Some(rows) => {
                    let rows = selected(rows).map(|row| u32::try_from(row).unwrap_or(u32::MAX));
                    let rows = UInt32Array::from_iter_values(rows);
                    whole.push_batch(take_record_batch(&batch, &rows)?)?;
                }
            }
        }
        whole.finish_buffered_batch()?;
        let mut partitions: Vec<Vec<RecordBatch>> = Vec::new();
        let threads = state.config().target_partitions();
        let mut next = 0;
        while let Some(batch) = whole.next_completed_batch() {
            match partitions.get_mut(next % threads.max(1)) {
                Some(partition) => partition.push(batch),
                None => partitions.push(vec![batch]),
            }
            next += 1;
        }
        if partitions.is_empty() {
            partitions.push(Vec::new());
        }
        Ok(Arc::new(RecentRows::new(table, files.len(), schema, partitions, counted)))
    }

    /// By file and column what is in memory, what was not read before too.
    async fn in_memory(
        &self,
        state: &dyn Session,
        columns: &[usize],
        files: &Files<'_>,
    ) -> Result<HashMap<(usize, usize), ArrayRef>> {
        let fields = self.read.file_schema().fields();
        let wanted: BTreeSet<usize> = columns.iter().copied().filter(|column| *column < fields.len()).collect();
        let key = |file: &DataFile, column: usize| {
            (file.path.clone(), fields[column].name().clone(), fields[column].data_type().clone())
        };
        let cache = &self.readers.recent().0;
        let mut kept = HashMap::new();
        let mut missing: Files<'_> = Vec::new();
        for (number, file) in files {
            for column in &wanted {
                match cache.get(&key(file, *column)) {
                    Some(values) => {
                        kept.insert((*number, *column), values);
                    }
                    None if missing.last().is_some_and(|(last, _)| last == number) => {}
                    None => missing.push((*number, *file)),
                }
            }
        }
        if missing.is_empty() {
            return Ok(kept);
        }
        let mut read: Vec<usize> = wanted.iter().copied().collect();
        read.push(self.read.table_schema().index_of(FILE)?);
        let number_of_file = read.len() - 1;
        let scan = self.files(state, read, &missing, None, false, None)?;
        let mut batches: HashMap<usize, Vec<RecordBatch>> = HashMap::new();
        for batch in datafusion::physical_plan::collect(scan, state.task_ctx()).await? {
            for (number, part) in by_file(&batch, number_of_file)? {
                batches.entry(number).or_default().push(part);
            }
        }
        for (number, file) in missing {
            let parts = batches.remove(&number).unwrap_or_default();
            let found: usize = parts.iter().map(RecordBatch::num_rows).sum();
            let Some(first) = parts.first().filter(|_| found as u64 == file.rows) else {
                return Err(damaged(&file.path, &format!("{found} of {} rows were found", file.rows)));
            };
            let whole = concat_batches(&first.schema(), &parts)?;
            for (column, values) in wanted.iter().zip(whole.columns()) {
                cache.insert(key(file, *column), Arc::clone(values));
                kept.insert((number, *column), Arc::clone(values));
            }
        }
        Ok(kept)
    }

    /// All rows of a file.
    fn batch(
        &self,
        columns: &[usize],
        schema: &SchemaRef,
        number: usize,
        file: &DataFile,
        kept: &HashMap<(usize, usize), ArrayRef>,
    ) -> Result<RecordBatch> {
        let rows = usize::try_from(file.rows).unwrap_or(usize::MAX);
        let width = self.read.file_schema().fields().len();
        let own = self.of_file(number, file);
        let column = |column: &usize| match kept.get(&(number, *column)) {
            Some(values) => Arc::clone(values),
            None => {
                let value = own.get(column.wrapping_sub(width)).copied().flatten();
                Arc::new(Int64Array::from(vec![value; rows])) as ArrayRef
            }
        };
        let values = columns.iter().map(column).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), values, &options)?)
    }
}
