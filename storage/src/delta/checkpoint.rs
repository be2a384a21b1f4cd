//! What a Delta log adds up to, in one file.

use std::io::Cursor;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

use crate::error::{Result, StorageError};

/// Actions that are written at a time.
const AT_A_TIME: usize = 8_192;

/// A checkpoint of these actions, as Parquet.
///
/// # Errors
/// When an action is not of the kinds that are written here.
pub(super) fn of(actions: &[Value]) -> Result<Vec<u8>> {
    let mut lines = String::new();
    for action in actions {
        lines.push_str(&action.to_string());
        lines.push('\n');
    }
    let schema = columns();
    let reader = ReaderBuilder::new(Arc::clone(&schema)).with_batch_size(AT_A_TIME).build(Cursor::new(lines))?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?;
    for batch in reader {
        writer
            .write(&batch.map_err(|e| StorageError::internal(format!("a checkpoint could not be written ({e})")))?)?;
    }
    Ok(writer.into_inner()?)
}

/// The columns that readers want.
fn columns() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let long = |name: &str| Field::new(name, DataType::Int64, true);
    let flag = |name: &str| Field::new(name, DataType::Boolean, true);
    let map = |name: &str| {
        let pair =
            Fields::from(vec![Field::new("key", DataType::Utf8, false), Field::new("value", DataType::Utf8, true)]);
        let pair = Field::new("key_value", DataType::Struct(pair), false);
        Field::new(name, DataType::Map(Arc::new(pair), false), true)
    };
    let list =
        |name: &str| Field::new(name, DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))), true);
    let record = |name: &str, fields: Vec<Field>| Field::new(name, DataType::Struct(fields.into()), true);
    Arc::new(Schema::new(vec![
        record(
            "protocol",
            vec![
                Field::new("minReaderVersion", DataType::Int32, true),
                Field::new("minWriterVersion", DataType::Int32, true),
            ],
        ),
        record(
            "metaData",
            vec![
                text("id"),
                text("name"),
                record("format", vec![text("provider"), map("options")]),
                text("schemaString"),
                list("partitionColumns"),
                map("configuration"),
            ],
        ),
        record("txn", vec![text("appId"), long("version"), long("lastUpdated")]),
        record(
            "add",
            vec![
                text("path"),
                map("partitionValues"),
                long("size"),
                long("modificationTime"),
                flag("dataChange"),
                text("stats"),
            ],
        ),
        record("remove", vec![text("path"), long("deletionTimestamp"), flag("dataChange")]),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::actions;

    #[test]
    fn every_action_has_its_columns() {
        let columns = crate::delta::schema::Columns::default();
        let actions = [
            actions::protocol(),
            actions::meta_data("id", "name", &columns).unwrap(),
            actions::txn(7),
            actions::remove("x.parquet", 1),
        ];
        let file = bytes::Bytes::from(of(&actions).unwrap());
        let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 100).unwrap();
        let batches: Vec<_> = reader.collect::<Result<_, _>>().unwrap();
        assert_eq!(batches[0].num_rows(), 4);
        for (row, column) in ["protocol", "metaData", "txn", "remove"].into_iter().enumerate() {
            let column = batches[0].column_by_name(column).unwrap();
            assert_eq!((column.is_valid(row), column.null_count()), (true, 3), "{row}");
        }
    }
}
