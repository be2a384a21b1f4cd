//! Packets read one by one and looked at as JSON: the other way to the same answer, without columns or SQL.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use noctuary_packet::blocks::Blocks;
use noctuary_packet::frame::{self, Form};
use noctuary_packet::json::to_json;
use noctuary_packet::schema::{Schema, SchemaStore};
use serde_json::Value;

/// Every alert below a folder that can be read without being told its schema.
pub fn alerts(folder: &Path) -> Vec<Value> {
    let known = SchemaStore::with_known();
    let mut by_text: BTreeMap<String, Arc<Schema>> = BTreeMap::new();
    let mut paths = Vec::new();
    files(folder, &mut paths);
    let mut out = Vec::new();
    for path in paths {
        let mut bytes = std::fs::read(&path).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
            bytes = plain;
        }
        match frame::form_of(&bytes) {
            Form::Container => {
                let blocks = Blocks::open(&bytes[..]).unwrap();
                let text = blocks.header().schema().to_owned();
                let schema = by_text.entry(text.clone()).or_insert_with(|| Arc::new(Schema::parse(&text).unwrap()));
                out.extend(blocks.map(|block| to_json(schema, &block.unwrap().bytes).unwrap()));
            }
            Form::Confluent => {
                let Ok((id, datum)) = frame::confluent(&bytes) else { continue };
                let Some(schema) = known.by_id(id) else { continue };
                out.extend(to_json(schema, &bytes[datum]));
            }
            _ => {}
        }
    }
    out
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, out);
        } else if path.to_string_lossy().contains(".avro") {
            out.push(path);
        }
    }
}

/// A value of SQL: null is `None`.
pub type Sql<T> = Option<T>;

/// The value at a dotted path; a field of what is null is null.
pub fn at<'v>(alert: &'v Value, path: &str) -> &'v Value {
    path.split('.').fold(alert, |value, name| value.get(name).unwrap_or(&Value::Null))
}

/// A number, as the float that was sent.
pub fn float(alert: &Value, path: &str) -> Sql<f32> {
    at(alert, path).as_f64().map(|v| v as f32)
}

/// A number.
pub fn double(alert: &Value, path: &str) -> Sql<f64> {
    at(alert, path).as_f64()
}

/// A truth value.
pub fn flag(alert: &Value, path: &str) -> Sql<bool> {
    at(alert, path).as_bool()
}

/// SQL's AND: false wins over null.
pub fn and(values: &[Sql<bool>]) -> Sql<bool> {
    if values.contains(&Some(false)) {
        Some(false)
    } else if values.contains(&None) {
        None
    } else {
        Some(true)
    }
}

/// SQL's OR: true wins over null.
pub fn or(values: &[Sql<bool>]) -> Sql<bool> {
    not(and(&values.iter().map(|v| not(*v)).collect::<Vec<_>>()))
}

/// SQL's NOT.
pub fn not(value: Sql<bool>) -> Sql<bool> {
    value.map(|v| !v)
}
