//! The columns of a table as Delta writes them down.
//!
//! Files of one table were written under several schemas of a survey. Readers of Delta find columns by name, fill what
//! a file has not got with null, and widen numbers; so the columns of a table are those of all its files. What they
//! cannot do is read a name that means one type here and another there: such columns are left out, and listed.

use std::collections::BTreeSet;

use arrow::datatypes::{DataType, Field as ArrowField, Fields, TimeUnit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A type of Delta.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Type {
    /// `long`, `double`, `string` and so on.
    Simple(String),
    /// One with parts.
    Nested(Nested),
}

/// A type with parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub(super) enum Nested {
    /// Fields by name.
    Struct { fields: Vec<Field> },
    /// Elements.
    Array { element_type: Box<Type>, contains_null: bool },
    /// Values by key.
    Map { key_type: Box<Type>, value_type: Box<Type>, value_contains_null: bool },
}

/// A column, or a field of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Field {
    name: String,
    #[serde(rename = "type")]
    kind: Type,
    nullable: bool,
    metadata: Map<String, Value>,
}

/// The columns of a table, and the paths of those that cannot be among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Columns {
    pub fields: Vec<Field>,
    pub left_out: BTreeSet<String>,
}

impl Columns {
    /// As they stand in a Delta log.
    pub fn parse(schema: &str, left_out: &str) -> serde_json::Result<Self> {
        let fields = match serde_json::from_str(schema)? {
            Type::Nested(Nested::Struct { fields }) => fields,
            _ => Vec::new(),
        };
        Ok(Self { fields, left_out: left_out.split(',').filter(|p| !p.is_empty()).map(str::to_owned).collect() })
    }

    /// As a Delta log has them.
    pub fn schema(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Type::Nested(Nested::Struct { fields: self.fields.clone() }))
    }

    /// The paths of those that are left out, separated by commas.
    pub fn left_out(&self) -> String {
        self.left_out.iter().map(String::as_str).collect::<Vec<_>>().join(",")
    }

    /// Adds the columns of a file, but for those that tell only the archive something.
    pub fn add(&mut self, file: &Fields, is_inner: impl Fn(&str) -> bool) {
        let own: Fields = file.iter().filter(|field| !is_inner(field.name())).cloned().collect();
        join(&mut self.fields, &own, "", &mut self.left_out);
    }
}

fn join(known: &mut Vec<Field>, own: &Fields, above: &str, left_out: &mut BTreeSet<String>) {
    for field in own {
        let path = if above.is_empty() { field.name().clone() } else { format!("{above}.{}", field.name()) };
        if left_out.contains(&path) {
            continue;
        }
        let Some(at) = known.iter().position(|known| known.name.eq_ignore_ascii_case(field.name())) else {
            match Type::of(field.data_type(), &path, left_out) {
                Some(kind) => {
                    known.push(Field { name: field.name().clone(), kind, nullable: true, metadata: Map::new() })
                }
                None => {
                    left_out.insert(path);
                }
            }
            continue;
        };
        // Delta tells names apart only by their letters.
        if known[at].name != *field.name() {
            left_out.insert(path);
        } else if !known[at].kind.join(field, &path, left_out) {
            known.remove(at);
            left_out.insert(path);
        }
    }
}

impl Type {
    /// The type of an Arrow column; `None` if there is none.
    fn of(data_type: &DataType, path: &str, left_out: &mut BTreeSet<String>) -> Option<Self> {
        let simple = |name: &str| Some(Self::Simple(name.to_owned()));
        match data_type {
            DataType::Boolean => simple("boolean"),
            DataType::Int8 => simple("byte"),
            DataType::Int16 => simple("short"),
            DataType::Int32 => simple("integer"),
            DataType::Int64 => simple("long"),
            DataType::Float32 => simple("float"),
            DataType::Float64 => simple("double"),
            DataType::Utf8 | DataType::LargeUtf8 => simple("string"),
            DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) => simple("binary"),
            DataType::Date32 => simple("date"),
            DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Millisecond, Some(_)) => simple("timestamp"),
            DataType::Struct(own) => {
                let mut fields = Vec::new();
                join(&mut fields, own, path, left_out);
                (!fields.is_empty()).then_some(Self::Nested(Nested::Struct { fields }))
            }
            DataType::List(item) => {
                let element_type = Box::new(Self::of(item.data_type(), path, left_out)?);
                Some(Self::Nested(Nested::Array { element_type, contains_null: true }))
            }
            DataType::Map(entries, _) => {
                let DataType::Struct(pair) = entries.data_type() else { return None };
                let [key, value] = pair.iter().collect::<Vec<_>>()[..] else { return None };
                let key_type = Box::new(Self::of(key.data_type(), path, left_out)?);
                let value_type = Box::new(Self::of(value.data_type(), path, left_out)?);
                Some(Self::Nested(Nested::Map { key_type, value_type, value_contains_null: true }))
            }
            // Times of day, and times without a zone, which need more of a reader than most have.
            _ => None,
        }
    }

    /// Makes this a type that holds another as well; false if there is none.
    fn join(&mut self, other: &ArrowField, path: &str, left_out: &mut BTreeSet<String>) -> bool {
        match (&mut *self, other.data_type()) {
            (Self::Nested(Nested::Struct { fields }), DataType::Struct(own)) => {
                join(fields, own, path, left_out);
                !fields.is_empty()
            }
            (Self::Nested(Nested::Array { element_type, .. }), DataType::List(item)) => {
                element_type.join(item, path, left_out)
            }
            (_, data_type) => match Self::of(data_type, path, left_out) {
                Some(other) => match wider(self, &other) {
                    Some(wide) => {
                        *self = wide;
                        true
                    }
                    None => false,
                },
                None => false,
            },
        }
    }
}

/// The type that readers read both as without loss.
fn wider(a: &Type, b: &Type) -> Option<Type> {
    const WIDER: [[&str; 2]; 2] = [["integer", "long"], ["float", "double"]];
    if a == b {
        return Some(a.clone());
    }
    let (Type::Simple(a), Type::Simple(b)) = (a, b) else { return None };
    let pair = WIDER.iter().find(|pair| pair.contains(&a.as_str()) && pair.contains(&b.as_str()))?;
    Some(Type::Simple(pair[1].to_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn fields(of: Vec<(&str, DataType)>) -> Fields {
        of.into_iter().map(|(name, kind)| ArrowField::new(name, kind, true)).collect()
    }

    fn record(of: Vec<(&str, DataType)>) -> DataType {
        DataType::Struct(fields(of))
    }

    #[test]
    fn columns_of_files_become_those_of_the_table() {
        let list = |of| DataType::List(Arc::new(ArrowField::new("item", of, true)));
        let first = fields(vec![
            ("_alert", DataType::Int64),
            ("_runs", list(DataType::Int32)),
            ("source", record(vec![("n", DataType::Int32), ("x", DataType::Float32), ("odd", DataType::Utf8)])),
            ("flags", list(record(vec![("a", DataType::Boolean)]))),
        ]);
        let later = fields(vec![
            ("source", record(vec![("new", DataType::Date32), ("n", DataType::Int64), ("odd", DataType::Int32)])),
            ("flags", list(record(vec![("b", DataType::Boolean)]))),
            ("Source", DataType::Utf8),
            ("at", DataType::Time32(TimeUnit::Millisecond)),
        ]);
        let mut columns = Columns::default();
        for file in [&first, &later, &first] {
            columns.add(file, |name| name == "_runs");
        }
        let schema: Value = serde_json::from_str(&columns.schema().unwrap()).unwrap();
        let names = |fields: &Value| -> Vec<String> {
            fields.as_array().unwrap().iter().map(|f| format!("{} {}", f["name"], f["type"])).collect()
        };
        let source = &schema["fields"][1]["type"]["fields"];
        assert_eq!(names(source), [r#""n" "long""#, r#""x" "float""#, r#""new" "date""#]);
        assert_eq!(
            names(&schema["fields"][2]["type"]["elementType"]["fields"]),
            [r#""a" "boolean""#, r#""b" "boolean""#]
        );
        assert_eq!(columns.left_out(), "Source,at,source.odd");
        assert_eq!(Columns::parse(&columns.schema().unwrap(), &columns.left_out()).unwrap(), columns);
    }
}
