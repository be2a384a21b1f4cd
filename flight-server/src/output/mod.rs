//! How rows are shown and written.

mod csv;
mod json;
mod nested;
mod parquet;
pub mod plot;
pub mod sink;
pub mod table;

use std::path::Path;

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use clap::ValueEnum;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;

pub use sink::Sink;
pub use table::Shown;

use crate::error::{Failure, Result};

/// The forms that rows can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns for people; shows the first rows only.
    Table,
    /// Comma-separated values with a header line; records and lists are JSON text.
    Csv,
    /// One JSON object per line; ids stay exact whole numbers.
    Json,
    /// An Apache Parquet file.
    Parquet,
}

impl Format {
    /// The form that is asked for: as it is named, else by the name of the file, else a table.
    ///
    /// # Errors
    /// When the file's name says nothing: a table holds the first rows only, and would pass for the whole answer there.
    pub fn chosen(named: Option<Self>, output: Option<&Path>) -> Result<Self> {
        match (named, output.filter(|path| path.as_os_str() != "-")) {
            (Some(format), _) => Ok(format),
            (None, None) => Ok(Self::Table),
            (None, Some(path)) => Self::of_path(path).ok_or_else(|| {
                Failure::request(format!(
                    "the name {} does not say how to write rows: end it with .csv, .json, .jsonl, .ndjson or .parquet, \
                     or choose with --format",
                    path.display()
                ))
            }),
        }
    }

    fn of_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "json" | "jsonl" | "ndjson" => Some(Self::Json),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }
}

/// Takes batches one after the other and keeps no more than it must.
trait RowWriter {
    /// Takes a batch. False if no more are wanted.
    fn write(&mut self, batch: &RecordBatch) -> Result<bool>;
    /// Writes what is left.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Writes the rows of a stream: all of them, or as many as the table shows. The memory it takes does not grow with
/// their number, but for a table, whose columns are as wide as the widest value shown.
///
/// # Errors
/// When the query or the writing fails.
pub async fn write_rows(rows: SendableRecordBatchStream, format: Format, shown: Shown, sink: &mut Sink) -> Result<()> {
    let result = write_all(rows, format, shown, sink).await;
    result.map_err(|failure| sink.cause_of(failure))
}

async fn write_all(mut rows: SendableRecordBatchStream, format: Format, shown: Shown, sink: &mut Sink) -> Result<()> {
    let schema: SchemaRef = rows.schema();
    if format == Format::Parquet {
        sink.refuse_terminal("Parquet")?;
    }
    let mut writer: Box<dyn RowWriter + '_> = match format {
        Format::Table => Box::new(table::TableWriter::new(&schema, shown, sink)),
        Format::Csv => Box::new(csv::CsvWriter::new(&schema, sink)),
        Format::Json => Box::new(json::JsonWriter::new(sink)),
        Format::Parquet => Box::new(parquet::ParquetWriter::new(&schema, sink)?),
    };
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(Failure::from)?;
        if !writer.write(&batch)? {
            break;
        }
    }
    writer.finish()
}

#[cfg(test)]
mod tests;
