//! Reading the archive's files for DataFusion, with footers kept in memory and bytes counted.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::ParquetFileMetrics;
use datafusion::physical_plan::metrics::{Count, ExecutionPlanMetricsSet};
use futures::future::BoxFuture;
use noctuary_storage::Archive;
use noctuary_storage::footers::ParquetFile;
use noctuary_storage::log::DataFile;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::Result;
use parquet::file::metadata::ParquetMetaData;

use crate::table::Recent;

/// Opens files of one archive.
#[derive(Debug)]
pub(crate) struct Readers {
    archive: Archive,
    recent: Recent,
}

impl Readers {
    pub(crate) fn new(archive: Archive) -> Self {
        Self { archive, recent: Recent::default() }
    }

    /// The archive.
    pub(crate) fn archive(&self) -> &Archive {
        &self.archive
    }

    /// What is in memory of files of recent commits.
    pub(crate) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Has the footer of a file in memory, if it can be read. Whoever needs it is told why it cannot.
    pub(crate) async fn prepare(&self, file: &DataFile) {
        if self.archive.footers().has(&file.path) {
            return;
        }
        let mut reader = self.open(Path::from(file.path.as_str()), file.bytes, Count::new());
        // To take it apart is work for another thread.
        let load = tokio::spawn(async move { reader.get_metadata(None).await.map(drop) });
        let _ = load.await;
    }

    /// A file by its name and length; what is read of it is added to `bytes`.
    pub(crate) fn open(&self, path: Path, length: u64, bytes: Count) -> Reader {
        Reader { file: self.archive.footers().reader(self.archive.store(), path, length), bytes }
    }
}

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        _: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::error::Result<Box<dyn AsyncFileReader + Send>> {
        let meta = file.object_meta;
        let metrics = ParquetFileMetrics::new(partition, meta.location.as_ref(), metrics);
        Ok(Box::new(self.open(meta.location, meta.size, metrics.bytes_scanned)))
    }
}

/// Reads one file.
#[derive(Debug)]
pub(crate) struct Reader {
    file: ParquetFile,
    bytes: Count,
}

impl Reader {
    fn count(&self, bytes: u64) {
        self.bytes.add(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        self.count(range.end - range.start);
        self.file.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        self.count(ranges.iter().map(|r| r.end - r.start).sum());
        self.file.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        self.file.get_metadata(options)
    }
}
