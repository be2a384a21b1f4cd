//! A Parquet file, written as the rows come.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{RowWriter, Sink};
use crate::error::Result;

/// A row group is closed when it holds this much: what an open file costs in memory.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// Writes Parquet.
pub struct ParquetWriter<'s> {
    writer: ArrowWriter<&'s mut Sink>,
}

impl<'s> ParquetWriter<'s> {
    /// Writes rows of this schema.
    ///
    /// # Errors
    /// When Parquet has no such type.
    pub fn new(schema: &SchemaRef, sink: &'s mut Sink) -> Result<Self> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_created_by(format!("noctuary {}", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { writer: ArrowWriter::try_new(sink, Arc::clone(schema), Some(properties))? })
    }
}

impl RowWriter for ParquetWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<bool> {
        self.writer.write(batch)?;
        if self.writer.in_progress_size() >= ROW_GROUP_BYTES {
            self.writer.flush()?;
        }
        Ok(true)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.writer.close()?;
        Ok(())
    }
}
