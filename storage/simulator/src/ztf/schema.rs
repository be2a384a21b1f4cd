//! The writer schema as ZTF's files have it.

use noctuary_packet::schema::{Schema, known_ztf};
use serde_json::{Map, Value, json};

/// The schema of a version; `None` if it is not among those that come with the program.
pub(super) fn schema(version: &str) -> Option<Schema> {
    let structure: Value = serde_json::from_str(known_ztf(version)?.json()).ok()?;
    Schema::parse(&Dialect { version }.record(&structure, true).to_string()).ok()
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
    fn names_and_unions_are_as_those_of_ztf() {
        for (version, union) in [("3.3", json!(["float", "null"])), ("4.02", json!(["null", "float"]))] {
            let schema = schema(version).unwrap();
            let text: Value = serde_json::from_str(schema.json()).unwrap();
            assert_eq!((&text["namespace"], &text["name"]), (&json!("ztf"), &json!("alert")));
            let candidate = &text["fields"][4]["type"];
            assert_eq!((&candidate["namespace"], &candidate["version"]), (&json!("ztf.alert"), &json!(version)));
            assert_eq!(candidate["fields"][3]["type"], union);
            assert!(schema.json().contains("\"ztf.alert.cutout\""));
            assert_eq!(schema.version(), Some(version));
        }
        assert!(schema("2.0").is_none());
    }
}
