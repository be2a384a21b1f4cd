//! The schemas that the first byte of an input chooses among.

use std::sync::{Arc, OnceLock};

use noctuary_packet::schema::{Schema, known_schemas};

/// Every shape of Avro at least once.
const SHAPES: &str = r#"{"type": "record", "name": "shapes", "fields": [
    {"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["a", "b", "c"]}},
    {"name": "tags", "type": {"type": "map", "values": ["null", "long"]}},
    {"name": "digest", "type": {"type": "fixed", "name": "digest", "size": 4}},
    {"name": "many", "type": ["null", "int", "string", {"type": "array", "items": "float"}]},
    {"name": "grid", "type": {"type": "array", "items": {"type": "array", "items": "double"}}},
    {"name": "flag", "type": "boolean"},
    {"name": "blob", "type": ["bytes", "null"]},
    {"name": "day", "type": {"type": "int", "logicalType": "date"}},
    {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
    {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "inner", "type": {"type": "array", "items": {"type": "record", "name": "inner", "fields": [
        {"name": "x", "type": "double"}, {"name": "names", "type": {"type": "map", "values": "string"}}]}}}
]}"#;

/// Lists and maps of what takes no bytes.
const NOTHING: &str = r#"{"type": "record", "name": "nothing", "fields": [
    {"name": "nulls", "type": {"type": "array", "items": "null"}},
    {"name": "empty", "type": {"type": "array", "items": {"type": "record", "name": "empty", "fields": [
        {"name": "a", "type": "null"}, {"name": "b", "type": {"type": "fixed", "name": "f", "size": 0}}]}}},
    {"name": "map", "type": {"type": "map", "values": "null"}}
]}"#;

/// A record that holds itself, through a union and through a list.
const RECURSIVE: &str = r#"{"type": "record", "name": "tree", "fields": [
    {"name": "value", "type": "long"},
    {"name": "left", "type": ["null", "tree"]},
    {"name": "more", "type": {"type": "array", "items": "tree"}}
]}"#;

/// What ZTF sends, shortened.
const ZTF: &str = r#"{"type": "record", "name": "alert", "namespace": "ztf", "version": "3.3", "fields": [
    {"name": "schemavsn", "type": "string"},
    {"name": "objectId", "type": "string"},
    {"name": "candid", "type": "long"},
    {"name": "candidate", "type": {"type": "record", "name": "ztf.alert.candidate", "fields": [
        {"name": "jd", "type": "double"}, {"name": "fid", "type": "int"}, {"name": "programid", "type": "int"},
        {"name": "candid", "type": "long"}, {"name": "rcid", "type": ["int", "null"]},
        {"name": "ra", "type": "double"}, {"name": "dec", "type": "double"}, {"name": "magpsf", "type": "float"}]}},
    {"name": "prv_candidates", "type": ["null", {"type": "array", "items": {"type": "record",
        "name": "ztf.alert.prv_candidate", "fields": [
        {"name": "jd", "type": "double"}, {"name": "programid", "type": "int"},
        {"name": "candid", "type": ["long", "null"]}, {"name": "magpsf", "type": ["float", "null"]}]}}]},
    {"name": "cutoutScience", "type": ["null", {"type": "record", "name": "ztf.alert.cutout", "fields": [
        {"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}]}]}
]}"#;

/// The schemas, those that come with the program behind those of our own.
pub fn all() -> &'static [Arc<Schema>] {
    static ALL: OnceLock<Vec<Arc<Schema>>> = OnceLock::new();
    ALL.get_or_init(|| {
        let own =
            [SHAPES, NOTHING, RECURSIVE, ZTF].map(|json| Arc::new(Schema::parse(json).expect("a schema of our own")));
        own.into_iter().chain(known_schemas().iter().map(|(_, schema)| Arc::clone(schema))).collect()
    })
}
