//! Reading Parquet files of the archive, with their footers kept in memory.
//!
//! A footer of a table with hundreds of columns takes half a megabyte once it is read, and every query wants it; it
//! is kept with its page index, without which a selection of rows reads whole column chunks.

use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Fields, Schema};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use moka::future::Cache;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use crate::error::StorageError;
use crate::log::DataFile;
use crate::tables::Table;

/// Footers are read in one request if they are no longer than this,
const PREFETCH_BYTES: u64 = 256 << 10;
/// or than this part of a large file: page indices of flat rows take 1 % of it.
const PREFETCH_PART: u64 = 96;
/// But never more at once than this.
const PREFETCH_MOST: u64 = 16 << 20;

/// Footers by file name. Files never change, so neither do these.
#[derive(Debug, Clone)]
pub struct Footers {
    cache: Cache<String, Arc<ParquetMetaData>>,
}

impl Footers {
    /// Keeps footers of up to this many bytes in memory.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let weigh = |_: &String, footer: &Arc<ParquetMetaData>| u32::try_from(footer.memory_size()).unwrap_or(u32::MAX);
        Self { cache: Cache::builder().max_capacity(bytes).weigher(weigh).build() }
    }

    /// True if the footer of a file is in memory.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.cache.contains_key(path)
    }

    /// A reader of one file.
    #[must_use]
    pub fn reader(&self, store: &Arc<dyn ObjectStore>, path: Path, size: u64) -> ParquetFile {
        ParquetFile { store: Arc::clone(store), path, size, footers: self.clone() }
    }
}

/// One Parquet file of the archive.
#[derive(Debug, Clone)]
pub struct ParquetFile {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
    footers: Footers,
}

impl ParquetFile {
    async fn load(&self) -> Result<Arc<ParquetMetaData>> {
        let prefetch = (self.size / PREFETCH_PART).clamp(PREFETCH_BYTES, PREFETCH_MOST);
        let metadata = ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Optional)
            .with_prefetch_hint(usize::try_from(prefetch).ok())
            .load_and_finish(Fetch { store: &self.store, path: &self.path }, self.size)
            .await?;
        Ok(Arc::new(metadata))
    }
}

/// How the columns of a table's file are read: as Parquet itself says, since what Arrow would say once more could be
/// damaged unnoticed; and packets with room for more than 2 GiB of them at a time.
///
/// # Errors
/// When the footer is not one of a file of ours.
pub(crate) fn columns(table: Table, footer: Arc<ParquetMetaData>) -> Result<ArrowReaderMetadata> {
    let plain = parquet_to_arrow_schema(footer.file_metadata().schema_descr(), None)?;
    let payload = matches!(table, Table::Packets | Table::Cutouts | Table::Quarantine);
    let fields = plain.fields().iter().map(|field| match field.data_type() {
        DataType::Binary if payload => Arc::new(field.as_ref().clone().with_data_type(DataType::LargeBinary)),
        _ => Arc::clone(field),
    });
    let schema = Arc::new(Schema::new(fields.collect::<Fields>()));
    ArrowReaderMetadata::try_new(footer, ArrowReaderOptions::new().with_schema(schema))
}

/// The batches of a file. At some damage the reader of Parquet ends the thread; here that is an error like any other.
///
/// # Errors
/// When the selection does not fit the file.
pub(crate) fn batches(
    file: &DataFile,
    builder: ParquetRecordBatchStreamBuilder<ParquetFile>,
) -> crate::error::Result<BoxStream<'static, crate::error::Result<RecordBatch>>> {
    let path = file.path.clone();
    let batches = AssertUnwindSafe(builder.build()?).catch_unwind();
    let told = batches.map(move |batch| match batch {
        Ok(batch) => batch.map_err(|e| StorageError::from(e).during(format!("reading {path}"))),
        Err(_) => Err(StorageError::damaged(format!("{path}: not what was put there"))),
    });
    Ok(told.boxed())
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

struct Fetch<'a> {
    store: &'a Arc<dyn ObjectStore>,
    path: &'a Path,
}

impl parquet::arrow::async_reader::MetadataFetch for Fetch<'_> {
    fn fetch(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { self.store.get_range(self.path, range).await.map_err(external) }.boxed()
    }
}

impl AsyncFileReader for ParquetFile {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move { self.store.get_range(&self.path, range).await.map_err(external) }.boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        _: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        async move {
            let key = self.path.to_string();
            let load = async { self.load().await.map_err(StorageError::from) };
            let loaded = self.footers.cache.try_get_with(key, load).await;
            loaded.map_err(|e: Arc<StorageError>| {
                ParquetError::External(Box::new(StorageError::new(e.kind(), e.to_string())))
            })
        }
        .boxed()
    }
}
