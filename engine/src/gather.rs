//! Records of lists, read from the files that hold them: the rows that are asked for, and of these the fields that are
//! used.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StructArray, UInt32Array};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::Schema;
use datafusion::error::{DataFusionError, Result};
use datafusion::physical_plan::metrics::Count;
use futures::TryStreamExt;
use noctuary_packet::Columns;
use noctuary_storage::log::DataFile;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::errors::ParquetError;

use crate::convert::{convert, known};
use crate::error::{ErrorKind, parquet_kind, plain};
use crate::kept;
use crate::merge::{Kind, Place, stored};
use crate::reader::{Reader, Readers};
use crate::runs::Rows;

/// Reads files of records.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) readers: Arc<Readers>,
    /// Bytes that were read.
    pub(crate) bytes: Count,
}

/// A file of records, opened for some of their fields.
#[derive(Debug)]
pub(crate) struct Records {
    file: Arc<DataFile>,
    rows: usize,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    /// What a record is to become, by the names of the file's columns.
    item: Kind,
}

impl Source {
    fn reader(&self, file: &DataFile) -> Reader {
        self.readers.open(Path::from(file.path.as_str()), file.bytes, self.bytes.clone())
    }

    /// Opens a file; `None` if it has none of the fields.
    ///
    /// # Errors
    /// When it cannot be read, or is not what the log says.
    pub(crate) async fn open(&self, file: &Arc<DataFile>, item: &Kind) -> Result<Option<Records>> {
        let options = ArrowReaderOptions::new();
        let metadata = ArrowReaderMetadata::load_async(&mut self.reader(file), options).await;
        let metadata = metadata.map_err(|e| unreadable(file, e))?;
        let rows = metadata.metadata().file_metadata().num_rows();
        if u64::try_from(rows).ok() != Some(file.rows) {
            return Err(damaged(&file.path, &format!("it has {rows} rows, and {} were put there", file.rows)));
        }
        let item = by_columns(item);
        let fields = metadata.schema().fields();
        let roots: Vec<usize> = match &item {
            Kind::Record(places) => places.iter().filter_map(|place| Some(stored(place, fields)?.0)).collect(),
            _ => Vec::new(),
        };
        if roots.is_empty() {
            return Ok(None);
        }
        let mask = ProjectionMask::roots(metadata.parquet_schema(), roots);
        let rows = usize::try_from(rows).unwrap_or(usize::MAX);
        Ok(Some(Records { file: Arc::clone(file), rows, metadata, mask, item }))
    }

    /// The records of these runs, one after the other.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) async fn gather(&self, records: &Records, runs: Vec<Range<usize>>) -> Result<ArrayRef> {
        let rows = Rows::of(runs.clone(), records.rows);
        let batch = self.read(records, &rows).await?;
        let read: ArrayRef = Arc::new(StructArray::from(batch));
        let read = known(&convert(&records.item, &read)?)?;
        let count = runs.iter().map(Range::len).sum();
        let mut places: Vec<u32> = Vec::with_capacity(count);
        for run in runs.iter().filter(|run| !run.is_empty()) {
            let place = rows
                .place(run.start)
                .and_then(|first| Some(u32::try_from(first).ok()?..u32::try_from(first + run.len()).ok()?));
            let Some(place) = place else { return Err(damaged(&records.file.path, "it has too many rows")) };
            places.extend(place);
        }
        let as_read = places.len() == read.len() && places.iter().zip(0..).all(|(place, at)| *place == at);
        Ok(if as_read { read } else { take(&read, &UInt32Array::from(places), None)? })
    }

    async fn read(&self, records: &Records, rows: &Rows) -> Result<RecordBatch> {
        let file = &records.file;
        let reader = self.reader(file);
        let mut builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, records.metadata.clone())
            .with_projection(records.mask.clone())
            .with_batch_size(rows.count().max(1));
        if let Some(selection) = rows.selection(records.rows) {
            builder = builder.with_row_selection(selection);
        }
        let batches = builder.build().map_err(|e| unreadable(file, e))?;
        let schema = Arc::clone(batches.schema());
        let batches: Vec<RecordBatch> = batches.try_collect().await.map_err(|e| unreadable(file, e))?;
        let batch = concat_batches(&schema, &batches)?;
        if batch.num_rows() != rows.count() {
            return Err(damaged(&file.path, &format!("{} of {} rows were found", batch.num_rows(), rows.count())));
        }
        Ok(batch)
    }
}

/// The leaves of Parquet that are read of a file for records of a kind, by their numbers.
pub(crate) fn leaves(item: &Kind, file: &Schema) -> Vec<usize> {
    let Kind::Record(places) = by_columns(item) else { return Vec::new() };
    let roots = places.iter().filter_map(|place| stored(place, file.fields()));
    kept::leaves(file, &roots.map(|(at, field)| (at, field.data_type().clone())).collect::<Vec<_>>())
}

/// So many records of which nothing is known.
///
/// # Errors
/// Never, for what a kind of records is.
pub(crate) fn blank(item: &Kind, count: usize) -> Result<ArrayRef> {
    let empty: ArrayRef = Arc::new(StructArray::new_empty_fields(count, None));
    convert(item, &empty)
}

/// A record as the columns of a file of records, which are named as those of packets are.
fn by_columns(item: &Kind) -> Kind {
    match item {
        Kind::Record(places) => {
            let column = |place: &Place| Place { stored: Columns::path(&place.stored).into_owned(), ..place.clone() };
            Kind::Record(places.iter().map(column).collect())
        }
        other => other.clone(),
    }
}

/// An outage is told as it is; else the file is not what was put there.
fn unreadable(file: &DataFile, error: ParquetError) -> DataFusionError {
    match parquet_kind(&error) {
        ErrorKind::Damaged => damaged(&file.path, &plain(&error.to_string())),
        _ => DataFusionError::from(error),
    }
}

/// A file that is not what was put there.
pub(crate) fn damaged(path: &str, what: &str) -> DataFusionError {
    DataFusionError::from(ParquetError::General(format!("{path}: {what}; run `noctuary verify`")))
}
