//! Files of tables, before anyone has put them.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use noctuary_packet::schema::Fingerprint;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;

use crate::error::Result;
use crate::log::{DataFile, FileStats};
use crate::paths;
use crate::tables::{Table, writer_properties};

/// A file that nobody has put yet.
pub(crate) type File = (DataFile, Bytes);

/// A writer of files of a table.
///
/// # Errors
/// When the schema has a type that Parquet has not.
pub(crate) fn writer(table: Table, schema: &SchemaRef) -> Result<ArrowWriter<Vec<u8>>> {
    // Of hundreds of columns Parquet says the types itself: to say them once more takes room, and is not read.
    let options = ArrowWriterOptions::new().with_properties(writer_properties(table, schema, false)?);
    let options = options.with_skip_arrow_metadata(true);
    Ok(ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(schema), options)?)
}

/// What the log says of a file. `of` is the survey and the schema of its rows, where they are of one; `record` where
/// records of its columns stand in a packet.
pub(crate) fn file(
    table: Table,
    of: Option<(&str, Fingerprint)>,
    group: &str,
    record: Option<String>,
    rows: usize,
    stats: FileStats,
    bytes: Vec<u8>,
) -> File {
    let survey = of.map(|(survey, _)| survey.to_owned());
    let file = DataFile {
        table,
        path: paths::data(table, survey.as_deref(), group, record.as_deref()).to_string(),
        survey,
        schema: of.map(|(_, schema)| schema.to_hex()),
        group: group.to_owned(),
        record,
        bytes: bytes.len() as u64,
        rows: rows as u64,
        checksum: crate::checksum::of(&bytes),
        stats,
        level: 0,
        commits: None,
        pieces: Vec::new(),
        commit: 0,
    };
    (file, bytes.into())
}
