//! The writer schema as ZTF's files have it, and what goes around the datum of a file.

use noctuary_packet::container::{MAGIC, put_block_prefix};
use noctuary_packet::cursor::put_long;
use noctuary_packet::schema::{Schema, known_ztf};
use serde_json::{Map, Value, json};

/// Bytes of the marker behind the header and behind each block.
pub(super) const SYNC: usize = 16;

/// The head that all files of a version have in common.
pub(super) struct FileHead {
    /// Magic and metadata, up to the marker.
    head: Vec<u8>,
    pub(super) schema: Schema,
}

impl FileHead {
    /// `None` if the version is not among those that come with the program.
    pub(super) fn new(version: &str) -> Option<Self> {
        let structure: Value = serde_json::from_str(known_ztf(version)?.json()).ok()?;
        let text = Dialect { version }.record(&structure, true).to_string();
        let mut head = MAGIC.to_vec();
        put_long(&mut head, 2);
        for (key, value) in [("avro.codec", "null"), ("avro.schema", &text)] {
            for part in [key, value] {
                put_long(&mut head, part.len() as i64);
                head.extend_from_slice(part.as_bytes());
            }
        }
        head.push(0);
        Some(Self { head, schema: Schema::parse(&text).ok()? })
    }

    /// A file with one datum.
    pub(super) fn file(&self, sync: &[u8; SYNC], datum: &[u8]) -> Vec<u8> {
        let mut file = Vec::with_capacity(self.head.len() + datum.len() + 2 * SYNC + 8);
        file.extend_from_slice(&self.head);
        file.extend_from_slice(sync);
        put_block_prefix(&mut file, 1, datum.len());
        file.extend_from_slice(datum);
        file.extend_from_slice(sync);
        file
    }
}

/// How ZTF writes down what a definition says: each record with its version, all but the outermost in a namespace of
/// their own, and, until version 4, null behind the type in each union.
struct Dialect<'a> {
    version: &'a str,
}

impl Dialect<'_> {
    fn record(&self, record: &Value, outermost: bool) -> Value {
        let name = record["name"].as_str().unwrap_or_default().rsplit('.').next().unwrap_or_default();
        let namespace = if outermost { "ztf" } else { "ztf.alert" };
        let fields: Vec<_> = record["fields"].as_array().into_iter().flatten().map(|f| self.field(f)).collect();
        json!({"type": "record", "version": self.version, "name": name, "namespace": namespace, "fields": fields})
    }

    fn field(&self, field: &Value) -> Value {
        let mut own = Map::new();
        for key in ["name", "type", "default"] {
            if let Some(value) = field.get(key) {
                own.insert(key.to_owned(), if key == "type" { self.kind(value) } else { value.clone() });
            }
        }
        Value::Object(own)
    }

    fn kind(&self, kind: &Value) -> Value {
        match kind {
            Value::Array(branches) => {
                let mut own: Vec<_> = branches.iter().map(|b| self.kind(b)).collect();
                if self.version.starts_with('3') {
                    own.reverse();
                }
                Value::Array(own)
            }
            Value::Object(object) if object.contains_key("fields") => self.record(kind, false),
            Value::Object(object) => {
                let own =
                    object.iter().map(|(key, v)| (key.clone(), if key == "items" { self.kind(v) } else { v.clone() }));
                Value::Object(own.collect())
            }
            // A record that was declared before.
            Value::String(name) => match name.strip_prefix("ztf.") {
                Some(name) => format!("ztf.alert.{name}").into(),
                None => kind.clone(),
            },
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_begin_as_those_of_ztf_do() {
        for (version, union) in [("3.3", json!(["float", "null"])), ("4.02", json!(["null", "float"]))] {
            let head = FileHead::new(version).unwrap();
            assert!(head.head.starts_with(b"Obj\x01\x04\x14avro.codec\x08null\x16avro.schema"));
            let text: Value = serde_json::from_str(head.schema.json()).unwrap();
            assert_eq!((&text["namespace"], &text["name"]), (&json!("ztf"), &json!("alert")));
            let candidate = &text["fields"][4]["type"];
            assert_eq!((&candidate["namespace"], &candidate["version"]), (&json!("ztf.alert"), &json!(version)));
            assert_eq!(candidate["fields"][3]["type"], union);
            assert!(head.schema.json().contains("\"ztf.alert.cutout\""));
            assert_eq!(head.schema.version(), Some(version));
        }
        assert!(FileHead::new("2.0").is_none());
    }
}
