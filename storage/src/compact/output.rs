//! Files that are put while they are written, so that none of them has to fit into memory.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use parquet::arrow::AsyncArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::errors::ParquetError;
use tokio::io::AsyncWriteExt;

use crate::checksum::Running;
use crate::error::Result;
use crate::log::{DataFile, FileStats};
use crate::tables::{Table, writer_properties};

/// Encoded bytes of a row group, at most: what a writer holds before they are put.
const GROUP_BYTES: usize = 32 << 20;

/// A file in the making, which begins with its first rows: they say which columns it has.
pub(crate) struct Output {
    store: Arc<dyn ObjectStore>,
    file: DataFile,
    begun: Option<Begun>,
}

/// A file that has rows.
struct Begun {
    writer: AsyncArrowWriter<Put>,
    told: Arc<Mutex<Told>>,
}

/// What is known of the bytes so far.
struct Told {
    checksum: Running,
    bytes: u64,
}

impl Begun {
    fn new(store: &Arc<dyn ObjectStore>, file: &DataFile, schema: &SchemaRef) -> Result<Self> {
        let told = Arc::new(Mutex::new(Told { checksum: Running::default(), bytes: 0 }));
        let path = Path::from(file.path.as_str());
        let put = Put { writer: BufWriter::new(Arc::clone(store), path), told: Arc::clone(&told) };
        let options = ArrowWriterOptions::new().with_properties(writer_properties(file.table, schema, true)?);
        let options = options.with_skip_arrow_metadata(true);
        let writer = AsyncArrowWriter::try_new_with_options(put, Arc::clone(schema), options)?;
        Ok(Self { writer, told })
    }
}

impl Output {
    /// Prepares a file of which everything but its rows is known.
    pub fn new(store: &Arc<dyn ObjectStore>, file: DataFile) -> Self {
        Self { store: Arc::clone(store), file, begun: None }
    }

    /// Appends rows.
    ///
    /// # Errors
    /// When they cannot be put, or the first have a type that Parquet has not.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let begun = match &mut self.begun {
            Some(begun) => begun,
            None => self.begun.insert(Begun::new(&self.store, &self.file, &batch.schema())?),
        };
        self.file.rows += batch.num_rows() as u64;
        begun.writer.write(batch).await?;
        let payload = matches!(self.file.table, Table::Packets | Table::Cutouts | Table::Quarantine);
        if payload && begun.writer.in_progress_size() >= GROUP_BYTES {
            begun.writer.flush().await?;
        }
        Ok(())
    }

    /// Ends the file, which is there from now on, though nobody knows of it; `None` if nothing was written.
    ///
    /// # Errors
    /// When the last of it cannot be put.
    pub async fn end(self, stats: FileStats) -> Result<Option<DataFile>> {
        let Some(Begun { mut writer, told }) = self.begun else { return Ok(None) };
        writer.finish().await?;
        let told = told.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(DataFile { bytes: told.bytes, checksum: told.checksum.told(), stats, ..self.file }))
    }
}

/// The way of the bytes to the store.
struct Put {
    writer: BufWriter,
    told: Arc<Mutex<Told>>,
}

impl AsyncFileWriter for Put {
    fn write(&mut self, bytes: Bytes) -> BoxFuture<'_, Result<(), ParquetError>> {
        {
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.checksum.update(&bytes);
            told.bytes += bytes.len() as u64;
        }
        async move { self.writer.put(bytes).await.map_err(|e| ParquetError::External(Box::new(e))) }.boxed()
    }

    fn complete(&mut self) -> BoxFuture<'_, Result<(), ParquetError>> {
        async move { self.writer.shutdown().await.map_err(|e| ParquetError::External(Box::new(e))) }.boxed()
    }
}
