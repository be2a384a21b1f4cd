//! Comma-separated values (RFC 4180): a header line, empty for NULL.

use std::sync::Arc;

use arrow::csv::{Writer, WriterBuilder};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;

use super::nested;
use super::{RowWriter, Sink};
use crate::error::Result;

/// Writes CSV.
pub struct CsvWriter<'s> {
    /// The columns as they are written, records and lists as text.
    flat: SchemaRef,
    writer: Writer<&'s mut Sink>,
    begun: bool,
}

impl<'s> CsvWriter<'s> {
    /// Writes rows of this schema.
    pub fn new(schema: &Schema, sink: &'s mut Sink) -> Self {
        let flat = Arc::new(Schema::new(schema.fields().iter().map(|f| nested::text_field(f)).collect::<Vec<_>>()));
        Self { flat, writer: WriterBuilder::new().with_header(true).build(sink), begun: false }
    }
}

impl RowWriter for CsvWriter<'_> {
    fn write(&mut self, batch: &RecordBatch) -> Result<bool> {
        let schema = batch.schema();
        let columns = batch
            .columns()
            .iter()
            .zip(schema.fields())
            .map(|(column, field)| {
                if nested::is_nested(field.data_type()) {
                    nested::as_text(field, column)
                } else {
                    Ok(Arc::clone(column))
                }
            })
            .collect::<Result<Vec<_>>>()?;
        let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        self.writer.write(&RecordBatch::try_new_with_options(Arc::clone(&self.flat), columns, &options)?)?;
        self.begun = true;
        Ok(true)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if !self.begun {
            // A result without rows still has columns.
            self.writer.write(&RecordBatch::new_empty(Arc::clone(&self.flat)))?;
        }
        Ok(())
    }
}
