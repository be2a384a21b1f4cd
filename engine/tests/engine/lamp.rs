//! An invented survey of lamps, in two versions that differ in every way in which versions can.

use std::sync::Arc;

use noctuary_packet::schema::{RegistryId, Schema};
use noctuary_storage::Archive;

use crate::make::{Value, datum, framed};
use crate::support::empty;

pub const MAPPING: &str = r#"
name = "lamp"
title = "Lamps of the town"
[[recognise]]
fields = ["lampId", "glow.mjd"]
[ids]
alert = ["lampId"]
object = ["glow.post"]
[position]
ra = ["glow.ra"]
dec = ["glow.dec"]
[time]
field = ["glow.mjd"]
form = "mjd"
scale = "tai"
[exposure]
visit = ["glow.visit"]
[night]
utc_offset_hours = 0.0
[records]
trigger = ["glow"]
history = ["trail"]
object = ["body"]
[rights]
levels = ["public", "private"]
fields = ["access"]
values = { open = "public", closed = "private" }
"#;

const V1: &str = r#"{"type": "record", "name": "lamp", "version": "1.0", "fields": [
 {"name": "lampId", "type": "long"},
 {"name": "access", "type": "string"},
 {"name": "glow", "type": {"type": "record", "name": "glow", "fields": [
   {"name": "mjd", "type": "double", "doc": "middle of the exposure"},
   {"name": "ra", "type": "double"}, {"name": "dec", "type": "double"},
   {"name": "post", "type": ["null", "long"]}, {"name": "visit", "type": "int"},
   {"name": "brightFlux", "type": ["null", "float"], "unit": "lm"},
   {"name": "flags", "type": "string"}, {"name": "oldName", "type": "int"}]}},
 {"name": "body", "type": ["null", {"type": "record", "name": "body", "fields": [
   {"name": "size", "type": "int"}, {"name": "colour", "type": "string"},
   {"name": "base", "type": {"type": "record", "name": "base", "fields": [{"name": "weight", "type": "float"}]}}]}]},
 {"name": "trail", "type": {"type": "array", "items": {"type": "record", "name": "step", "fields": [
   {"name": "t", "type": "double"}, {"name": "code", "type": "string"}, {"name": "v", "type": "float"}]}}},
 {"name": "onlyOld", "type": ["null", "string"]}]}"#;

const V2: &str = r#"{"type": "record", "name": "lamp", "version": "2.0", "fields": [
 {"name": "glow", "type": {"type": "record", "name": "glow", "fields": [
   {"name": "flags", "type": "long"}, {"name": "newName", "type": "int"},
   {"name": "brightFlux", "type": ["null", "double"], "unit": "klm", "doc": "how bright it is"},
   {"name": "visit", "type": "long"}, {"name": "post", "type": ["null", "long"]},
   {"name": "dec", "type": "double"}, {"name": "ra", "type": "double"}, {"name": "mjd", "type": "double"}]}},
 {"name": "trail", "type": {"type": "array", "items": {"type": "record", "name": "step", "fields": [
   {"name": "v", "type": "double"}, {"name": "code", "type": "long"}, {"name": "t", "type": "double"}]}}},
 {"name": "body", "type": ["null", {"type": "record", "name": "body", "fields": [
   {"name": "base", "type": {"type": "record", "name": "base", "fields": [
     {"name": "weight", "type": "double"}, {"name": "height", "type": "float"}]}},
   {"name": "size", "type": "long"}, {"name": "colour", "type": "string"}]}]},
 {"name": "access", "type": "string"},
 {"name": "lampId", "type": "long"},
 {"name": "onlyNew", "type": ["null", "int"]}]}"#;

/// One of the versions.
pub fn schema(version: u32) -> Arc<Schema> {
    Arc::new(Schema::parse(if version == 1 { V1 } else { V2 }).unwrap())
}

/// An archive that knows lamps.
pub async fn archive() -> Archive {
    let archive = empty().await;
    archive.add_survey(MAPPING).await.unwrap();
    let schemas = [(schema(1), Some(RegistryId(1))), (schema(2), Some(RegistryId(2)))];
    archive.add_schemas(&schemas).await.unwrap();
    archive
}

/// A lamp as version 1 or 2 sends it; `more` overrides.
pub fn lamp(version: u32, id: i64, more: &[(&str, Value)]) -> Vec<u8> {
    let mut values: Vec<(&str, Value)> = vec![
        ("lampId", id.into()),
        ("access", "open".into()),
        ("glow.mjd", (60_000.0 + id as f64).into()),
        ("glow.ra", (id as f64 % 360.0).into()),
        ("glow.dec", (id as f64 % 90.0).into()),
        ("glow.post", (id / 10).into()),
        ("glow.visit", (id * 100).into()),
        ("glow.brightFlux", (id as f64 * 1.5).into()),
        ("trail", Value::Items(2)),
        ("trail[].t", Value::Each(vec![1.0.into(), 2.0.into()])),
        ("trail[].v", Value::Each(vec![0.5.into(), 0.25.into()])),
    ];
    if version == 1 {
        let codes = vec!["a".into(), "b".into()];
        values.extend([
            ("glow.flags", "odd".into()),
            ("glow.oldName", id.into()),
            ("trail[].code", Value::Each(codes)),
        ]);
    } else {
        let codes = vec![7.into(), 8.into()];
        values.extend([("glow.flags", 5.into()), ("glow.newName", id.into()), ("trail[].code", Value::Each(codes))]);
    }
    values.extend(more.iter().cloned());
    framed(version, &datum(&schema(version), &values))
}
