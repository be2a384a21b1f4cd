//! One JSON object per line. NULL is written out, whole numbers are exact, bytes are hexadecimal.

use arrow::json::writer::{LineDelimited, Writer, WriterBuilder};
use arrow::record_batch::RecordBatch;

use super::{RowWriter, Sink};
use crate::error::Result;

/// Writes lines of JSON.
pub struct JsonWriter<'s> {
    writer: Writer<&'s mut Sink, LineDelimited>,
}

impl<'s> JsonWriter<'s> {
    /// Writes rows of any schema.
    pub fn new(sink: &'s mut Sink) -> Self {
        Self { writer: WriterBuilder::new().with_explicit_nulls(true).build(sink) }
    }
}

impl RowWriter for JsonWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<bool> {
        self.writer.write(batch)?;
        Ok(true)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        Ok(self.writer.finish()?)
    }
}
