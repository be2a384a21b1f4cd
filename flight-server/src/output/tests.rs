//! Rows that are awkward to write, in every form.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, ListArray, StringArray, StructArray};
use arrow::datatypes::{DataType, Field, Int32Type};
use arrow::record_batch::RecordBatch;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

use super::*;

fn rows(count: usize) -> RecordBatch {
    let ids = Int64Array::from_iter_values((0..count as i64).map(|n| 170_239_611_403_501_617 + n));
    let flux: Float64Array = (0..count).map(|n| (n % 2 == 0).then_some(n as f64 / 3.0)).collect();
    let name = StringArray::from_iter_values((0..count).map(|n| format!("a \"{n}\",\nb")));
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>((0..count).map(|n| Some(vec![Some(n as i32), None])));
    let record = StructArray::from(vec![(
        Arc::new(Field::new("ra", DataType::Float64, true)),
        Arc::new(flux.clone()) as ArrayRef,
    )]);
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(ids) as ArrayRef, true),
        ("flux", Arc::new(flux), true),
        ("name", Arc::new(name), true),
        ("list", Arc::new(list), true),
        ("record", Arc::new(record), true),
    ])
    .unwrap()
}

fn written(format: Format, batches: &[RecordBatch], rows: usize) -> Vec<u8> {
    written_as(format, batches, Shown { rows, ..Shown::ALL_ROWS })
}

fn written_as(format: Format, batches: &[RecordBatch], shown: Shown) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let schema = batches.first().map_or_else(|| rows(1).schema(), RecordBatch::schema);
    let batches: Vec<_> = batches.iter().cloned().map(Ok).collect();
    let stream = futures::stream::iter(batches);
    let stream = Box::pin(RecordBatchStreamAdapter::new(schema, stream));
    let mut sink = Sink::open(Some(&path)).unwrap();
    futures::executor::block_on(write_rows(stream, format, shown, &mut sink)).unwrap();
    sink.finish().unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn json_keeps_ids_and_nulls() {
    let text = String::from_utf8(written(Format::Json, &[rows(1), rows(1)], 0)).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["id"].as_i64(), Some(170_239_611_403_501_617));
    assert_eq!(lines[0]["list"], serde_json::json!([0, null]));
    let second = String::from_utf8(written(Format::Json, &[rows(2)], 0)).unwrap();
    assert!(second.lines().nth(1).unwrap().contains("\"flux\":null"), "{second}");
}

#[test]
fn csv_quotes_and_flattens() {
    let text = String::from_utf8(written(Format::Csv, &[rows(2)], 0)).unwrap();
    assert!(text.starts_with("id,flux,name,list,record\n"), "{text}");
    assert!(text.contains("170239611403501618,,\"a \"\"1\"\",\nb\",\"[1,null]\""), "{text}");
    assert_eq!(written(Format::Csv, &[], 0), b"id,flux,name,list,record\n");
}

#[test]
fn parquet_reads_back() {
    let bytes = written(Format::Parquet, &[rows(3), rows(2)], 0);
    let reader = ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))
        .unwrap()
        .build()
        .unwrap();
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().unwrap();
    assert_eq!(arrow::compute::concat_batches(&rows(1).schema(), &batches).unwrap().num_rows(), 5);
    assert_eq!(batches[0].slice(0, 3), rows(3));
}

#[test]
fn tables_say_when_rows_are_left_out() {
    let all = String::from_utf8(written(Format::Table, &[rows(3)], 0)).unwrap();
    assert!(all.contains("(3 rows)") && all.contains("170239611403501617"), "{all}");
    let exact = String::from_utf8(written(Format::Table, &[rows(2), rows(1)], 3)).unwrap();
    assert!(exact.contains("(3 rows)"), "{exact}");
    let cut = String::from_utf8(written(Format::Table, &[rows(2), rows(3)], 4)).unwrap();
    assert!(cut.contains("170239611403501618") && !cut.contains("rows)"), "{cut}");
    assert_eq!(cut.lines().count(), 2 + 4, "{cut}");
    assert!(!cut.contains("\nb"), "a line feed inside a value broke the table: {cut}");
}

#[test]
fn whole_values_keep_their_lines() {
    let text =
        "first line\n  indented, and longer than what fits into a cell of a table that people are to read at once";
    let plan: ArrayRef = Arc::new(StringArray::from(vec![text, "one"]));
    let kind: ArrayRef = Arc::new(StringArray::from(vec!["logical", "physical"]));
    let batch = RecordBatch::try_from_iter_with_nullable([("kind", kind, true), ("plan", plan, true)]).unwrap();
    let whole = Shown { whole: true, ..Shown::ALL_ROWS };
    let shown = String::from_utf8(written_as(Format::Table, &[batch], whole)).unwrap();
    assert!(shown.contains("logical   first line\n            indented, and longer"), "{shown}");
    assert!(shown.contains("read at once\nphysical  one\n(2 rows)\n"), "{shown}");
}

#[test]
fn the_name_of_a_file_chooses_the_form() {
    let chosen = |named, path: Option<&str>| Format::chosen(named, path.map(Path::new));
    assert_eq!(chosen(None, None), Ok(Format::Table));
    assert_eq!(chosen(None, Some("-")), Ok(Format::Table));
    assert_eq!(chosen(None, Some("a/b.JSONL")), Ok(Format::Json));
    assert_eq!(chosen(Some(Format::Csv), Some("all.tsv")), Ok(Format::Csv));
    for unknown in ["all.tsv", "all", "all.parquet.old"] {
        let refused = chosen(None, Some(unknown)).unwrap_err();
        assert_eq!(refused.kind, crate::error::Kind::Request);
        assert!(refused.message.contains(unknown) && refused.message.contains(".parquet"), "{refused}");
    }
}
