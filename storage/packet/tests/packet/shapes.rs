//! Every shape of Avro, from bytes put together by hand.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use noctuary_packet::decode::Decoder;
use noctuary_packet::json::to_json;
use noctuary_packet::reason::Reason;
use noctuary_packet::schema::Schema;
use noctuary_packet::walk::{Validate, walk};
use serde_json::json;

fn schema(fields: &str) -> Arc<Schema> {
    Arc::new(Schema::parse(&format!(r#"{{"type": "record", "name": "r", "fields": [{fields}]}}"#)).unwrap())
}

fn batch(schema: &Arc<Schema>, datums: &[&[u8]]) -> arrow::array::RecordBatch {
    let mut decoder = Decoder::new(schema, &[], 16).unwrap();
    for datum in datums {
        walk(schema, datum, &mut Validate).unwrap();
        decoder.push(datum).unwrap();
    }
    let batch = decoder.finish().unwrap();
    assert_eq!(batch.num_rows(), datums.len());
    assert_eq!(batch.schema(), *decoder.arrow_schema());
    batch
}

fn refused(schema: &Schema, datum: &[u8]) -> (Reason, Option<u64>, Option<String>) {
    let rejection = walk(schema, datum, &mut Validate).unwrap_err();
    (rejection.reason, rejection.offset, rejection.field)
}

#[test]
fn primitives() {
    let schema = schema(
        r#"{"name": "b", "type": "boolean"}, {"name": "i", "type": "int"}, {"name": "l", "type": "long"},
        {"name": "f", "type": "float"}, {"name": "d", "type": "double"}, {"name": "y", "type": "bytes"},
        {"name": "s", "type": "string"}, {"name": "n", "type": "null"}"#,
    );
    let mut datum = vec![1, 0x01, 0xfe, 0xff, 0xff, 0xff, 0x0f];
    datum.extend(1.5f32.to_le_bytes());
    datum.extend(f64::NAN.to_le_bytes());
    datum.extend([4, 0, 0xff, 4, 0xc3, 0xa9]);
    let json = to_json(&schema, &datum).unwrap();
    let expected = json!({"b": true, "i": -1, "l": 2_147_483_647_i64, "f": 1.5, "d": null, "y": {"bytes": 2}, "s": "é",
        "n": null});
    assert_eq!(json, expected);
    let batch = batch(&schema, &[&datum]);
    // A column of nothing is none.
    assert_eq!(batch.num_columns(), 7);
    assert!(batch.column_by_name("b").unwrap().as_boolean().value(0));
    assert_eq!(batch.column_by_name("i").unwrap().as_primitive::<Int32Type>().value(0), -1);
    assert_eq!(batch.column_by_name("l").unwrap().as_primitive::<Int64Type>().value(0), 2_147_483_647);
    assert!(batch.column_by_name("d").unwrap().is_null(0), "NaN is null");
    assert_eq!(batch.column_by_name("y").unwrap().as_binary::<i32>().value(0), [0, 0xff]);
    assert_eq!(batch.column_by_name("s").unwrap().as_string::<i32>().value(0), "é");
    assert!(batch.schema().fields().iter().all(|f| f.is_nullable()));
    for cut in 0..datum.len() {
        assert!(walk(&schema, &datum[..cut], &mut Validate).is_err());
    }
    assert_eq!(refused(&schema, &[2]), (Reason::BadValue, Some(0), Some("b".into())));
}

#[test]
fn floats_are_shown_with_their_own_digits() {
    let schema = schema(r#"{"name": "f", "type": "float"}, {"name": "d", "type": "double"}"#);
    let datum = [&0.1f32.to_le_bytes()[..], &0.1f64.to_le_bytes()].concat();
    assert_eq!(to_json(&schema, &datum).unwrap().to_string(), r#"{"f":0.1,"d":0.1}"#);
    let odd = [&f32::NEG_INFINITY.to_le_bytes()[..], &f64::INFINITY.to_le_bytes()].concat();
    assert_eq!(to_json(&schema, &odd).unwrap(), json!({"f": null, "d": null}));
    // In columns an infinity is one.
    let batch = batch(&schema, &[&odd]);
    assert_eq!(batch.column(0).as_primitive::<Float32Type>().value(0), f32::NEG_INFINITY);
    assert_eq!(batch.column(1).as_primitive::<Float64Type>().value(0), f64::INFINITY);
}

#[test]
fn enums_are_their_symbols() {
    let schema = schema(r#"{"name": "e", "type": {"type": "enum", "name": "e", "symbols": ["red", "blue"]}}"#);
    assert_eq!(to_json(&schema, &[2]).unwrap(), json!({"e": "blue"}));
    let batch = batch(&schema, &[&[2], &[0]]);
    let column = batch.column(0).as_string::<i32>();
    assert_eq!((column.value(0), column.value(1)), ("blue", "red"));
    for bad in [4, 1] {
        assert_eq!(refused(&schema, &[bad]), (Reason::BadValue, Some(0), Some("e".into())));
    }
}

#[test]
fn fixed_values_have_their_length() {
    let schema = schema(r#"{"name": "x", "type": {"type": "fixed", "name": "x", "size": 3}}"#);
    let batch = batch(&schema, &[&[1, 2, 3]]);
    assert_eq!(batch.column(0).as_fixed_size_binary().value(0), [1, 2, 3]);
    assert_eq!(refused(&schema, &[1, 2]).0, Reason::Truncated);
    assert_eq!(refused(&schema, &[1, 2, 3, 4]).0, Reason::TrailingBytes);
}

#[test]
fn maps_keep_their_keys() {
    let schema = schema(r#"{"name": "m", "type": {"type": "map", "values": ["null", "float"]}}"#);
    let mut datum = vec![4, 2, b'a', 2];
    datum.extend(2.5f32.to_le_bytes());
    datum.extend([4, b'b', b'c', 0, 0]);
    assert_eq!(to_json(&schema, &datum).unwrap(), json!({"m": {"a": 2.5, "bc": null}}));
    let batch = batch(&schema, &[&datum, &[0]]);
    let maps = batch.column(0).as_map();
    assert_eq!((maps.value_length(0), maps.value_length(1)), (2, 0));
    assert_eq!(maps.keys().as_string::<i32>().value(1), "bc");
    assert!(maps.values().is_null(1));
    assert_eq!(refused(&schema, &[2, 2, 0xff, 0, 0]).0, Reason::BadValue);
}

#[test]
fn lists_come_in_blocks() {
    let schema = schema(
        r#"{"name": "grid", "type": {"type": "array", "items": {"type": "array", "items": "int"}}},
        {"name": "after", "type": "int"}"#,
    );
    // [[1, 2], []] and [[3]] in two blocks, the second with its size.
    let datum = [4, 4, 2, 4, 0, 0, 1, 6, 2, 6, 0, 0, 14];
    assert_eq!(to_json(&schema, &datum).unwrap(), json!({"grid": [[1, 2], [], [3]], "after": 7}));
    let batch = batch(&schema, &[&datum]);
    let grid = batch.column(0).as_list::<i32>().value(0);
    let grid = grid.as_list::<i32>();
    assert_eq!((grid.value_length(0), grid.value_length(1), grid.value_length(2)), (2, 0, 1));
    assert_eq!(grid.values().as_primitive::<Int32Type>().values().to_vec(), [1, 2, 3]);
    let wrong_size = [1, 4, 2, 6, 0, 0, 14];
    assert_eq!(refused(&schema, &wrong_size), (Reason::BadLength, Some(0), Some("grid".into())));
    let huge = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(refused(&schema, &huge), (Reason::BadLength, Some(0), Some("grid".into())));
}

#[test]
fn unions_of_several_are_structs_of_their_branches() {
    let schema = schema(
        r#"{"name": "u", "type": ["null", "int", "string", {"type": "record", "name": "p", "fields": [
            {"name": "x", "type": "double"}]}]},
        {"name": "first", "type": ["string", "null"]}, {"name": "only", "type": ["int"]}"#,
    );
    let rows: [Vec<u8>; 4] = [
        vec![0, 2, 6],
        vec![2, 84, 0, 2, b'x', 0, 6],
        vec![4, 4, b'h', b'i', 2, 0, 6],
        [&[6][..], &1.25f64.to_le_bytes(), &[2, 0, 6]].concat(),
    ];
    let mut rows = rows.to_vec();
    rows[0] = vec![0, 2, 0, 6];
    let rows: Vec<&[u8]> = rows.iter().map(Vec::as_slice).collect();
    let json: Vec<_> = rows.iter().map(|r| to_json(&schema, r).unwrap()).collect();
    assert_eq!(json[0], json!({"u": null, "first": null, "only": 3}));
    assert_eq!(json[1], json!({"u": 42, "first": "x", "only": 3}));
    assert_eq!(json[3], json!({"u": {"x": 1.25}, "first": null, "only": 3}));
    let batch = batch(&schema, &rows);
    let u = batch.column(0).as_struct();
    assert_eq!(u.column_names(), ["int", "string", "record"]);
    assert!(u.is_null(0) && !u.is_null(1));
    assert_eq!(u.column(0).as_primitive::<Int32Type>().value(1), 42);
    assert_eq!(u.column(1).as_string::<i32>().value(2), "hi");
    assert!(u.column(1).is_null(1));
    assert_eq!(u.column(2).as_struct().column(0).as_primitive::<Float64Type>().value(3), 1.25);
    assert_eq!(batch.column(1).as_string::<i32>().value(1), "x");
    for bad in [8, 1] {
        assert_eq!(refused(&schema, &[bad]), (Reason::UnionIndex, Some(0), Some("u".into())));
    }
    // One batch after the other from the same decoder.
    let mut decoder = Decoder::new(&schema, &[], 4).unwrap();
    for row in &rows {
        decoder.push(row).unwrap();
        assert_eq!(decoder.finish().unwrap().num_rows(), 1);
        assert_eq!(decoder.finish().unwrap().num_rows(), 0);
    }
}

#[test]
fn logical_types_that_cannot_fail_are_kept() {
    let schema = schema(
        r#"{"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}}"#,
    );
    let batch = batch(&schema, &[&[2, 2, 4, 4, b'n', b'o', 2, 9]]);
    assert_eq!(batch.column(0).as_primitive::<Date32Type>().value(0), 1);
    assert_eq!(batch.column(1).as_primitive::<TimestampMicrosecondType>().value(0), 2);
    assert_eq!(batch.column(1).data_type(), &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
    assert_eq!(batch.column(2).as_string::<i32>().value(0), "no");
    assert_eq!(batch.column(3).as_binary::<i32>().value(0), [9]);
}

#[test]
fn depth_has_an_end() {
    let tree = Schema::parse(
        r#"{"type": "record", "name": "t", "fields": [{"name": "v", "type": "int"}, {"name": "n", "type": ["null", "t"]}]}"#,
    )
    .unwrap();
    let nested = |depth: usize| [[0, 2].repeat(depth), vec![0, 0]].concat();
    assert!(walk(&tree, &nested(40), &mut Validate).is_ok());
    for depth in [200, 1_000_000] {
        let (reason, offset, _) = refused(&tree, &nested(depth));
        assert_eq!(reason, Reason::TooDeep);
        assert!(offset.unwrap() < 300);
    }
    assert!(to_json(&tree, &nested(1_000_000)).is_err());
    let refused = Decoder::new(&Arc::new(tree), &[], 1).unwrap_err();
    assert_eq!(refused.reason, Reason::NotColumns);
    // One that holds itself without end, and takes no bytes for it.
    let endless = Schema::parse(r#"{"type": "record", "name": "e", "fields": [{"name": "e", "type": "e"}]}"#).unwrap();
    assert_eq!(walk(&endless, &[], &mut Validate).unwrap_err().reason, Reason::TooDeep);
}

#[test]
fn items_of_no_bytes_are_counted() {
    let nulls = schema(r#"{"name": "n", "type": {"type": "array", "items": "null"}}"#);
    assert_eq!(to_json(&nulls, &[6, 0]).unwrap(), json!({"n": [null, null, null]}));
    // A million records of a thousand nulls each.
    let fields: Vec<String> = (0..1_000).map(|i| format!(r#"{{"name": "f{i}", "type": "null"}}"#)).collect();
    let record = format!(r#"{{"type": "record", "name": "x", "fields": [{}]}}"#, fields.join(","));
    let records = schema(&format!(r#"{{"name": "n", "type": {{"type": "array", "items": {record}}}}}"#));
    let million = [0x80, 0x89, 0x7a, 0];
    for schema in [&nulls, &records] {
        let started = std::time::Instant::now();
        assert_eq!(walk(schema, &million, &mut Validate).unwrap_err().reason, Reason::BadLength);
        assert!(started.elapsed().as_secs() < 5);
    }
    let fixed = schema(r#"{"name": "x", "type": {"type": "fixed", "name": "x", "size": 0}}"#);
    assert_eq!(walk(&fixed, &[], &mut Validate), Ok(()));
    for schema in [&nulls, &fixed] {
        assert_eq!(Decoder::new(schema, &[], 1).unwrap_err().reason, Reason::NotColumns);
    }
}

#[test]
fn schemas_that_are_none_are_refused_with_their_place() {
    let cases = [
        ("{", ""),
        ("17", ""),
        (r#"{"type": "record", "name": "r", "fields": [{"name": "a", "type": "flaot"}]}"#, "a"),
        (r#"{"type": "record", "name": "r", "fields": [{"name": "a", "type": {"type": "array"}}]}"#, "a"),
        (r#"{"type": "record", "name": "r", "fields": [{"name": "a", "type": [["null"]]}]}"#, "a"),
        (r#"{"type": "record", "name": "r", "fields": [{"name": "a", "type": []}]}"#, "a"),
        (
            r#"{"type": "record", "name": "r", "fields": [{"name": "a", "type": "int"}, {"name": "a", "type": "int"}]}"#,
            "a",
        ),
        (r#"{"type": "enum", "name": "e"}"#, ""),
        (r#"{"type": "fixed", "name": "f", "size": -1}"#, ""),
    ];
    for (text, path) in cases {
        assert_eq!(Schema::parse(text).unwrap_err().path, path, "{text}");
    }
    let deep = format!("{}\"int\"{}", r#"{"type": "array", "items": "#.repeat(10_000), "}".repeat(10_000));
    assert!(Schema::parse(&deep).is_err());
    // Records that refer to each other, so that each doubles the places of the one before.
    let mut fields = vec![r#"{"name": "f0", "type": {"type": "record", "name": "r0", "fields": []}}"#.to_owned()];
    for i in 1..40 {
        let (a, b) = (i - 1, i - 1);
        fields.push(format!(
            r#"{{"name": "f{i}", "type": {{"type": "record", "name": "r{i}", "fields": [
                {{"name": "a", "type": "r{a}"}}, {{"name": "b", "type": "r{b}"}}]}}}}"#
        ));
    }
    let doubling = format!(r#"{{"type": "record", "name": "r", "fields": [{}]}}"#, fields.join(","));
    assert!(Schema::parse(&doubling).unwrap_err().detail.contains("places"));
}
