//! What changed from one schema to another.

use std::collections::BTreeMap;

use super::{NodeId, Schema, Shape};

/// One difference between two schemas. Paths are those of [`super::Node::path`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Only the second has it.
    Added {
        /// Where.
        path: String,
        /// Its type.
        to: String,
    },
    /// Only the first has it.
    Dropped {
        /// Where.
        path: String,
        /// Its type.
        from: String,
    },
    /// The type, or whether it may be null, differs.
    Retyped {
        /// Where.
        path: String,
        /// Type in the first.
        from: String,
        /// Type in the second.
        to: String,
    },
    /// The unit differs.
    Unit {
        /// Where.
        path: String,
        /// Unit in the first, empty if none is stated.
        from: String,
        /// Unit in the second.
        to: String,
    },
    /// The same fields in another order; bytes of one cannot be read as the other.
    Reordered {
        /// The record whose fields moved; empty for the datum itself.
        path: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    kind: String,
    unit: String,
}

/// Lists what was added, dropped, re-typed, reordered or given another unit, in the order of paths.
#[must_use]
pub fn diff(from: &Schema, to: &Schema) -> Vec<Change> {
    let (a, b) = (places(from), places(to));
    let mut changes = Vec::new();
    for (path, old) in &a {
        match b.get(path) {
            None if !covered(path, |parent| a.contains_key(parent) && !b.contains_key(parent)) => {
                changes.push(Change::Dropped { path: path.clone(), from: old.kind.clone() });
            }
            Some(new) if old.kind != new.kind => {
                changes.push(Change::Retyped { path: path.clone(), from: old.kind.clone(), to: new.kind.clone() })
            }
            Some(new) if old.unit != new.unit => {
                changes.push(Change::Unit { path: path.clone(), from: old.unit.clone(), to: new.unit.clone() });
            }
            _ => {}
        }
    }
    for (path, new) in &b {
        if !a.contains_key(path) && !covered(path, |parent| b.contains_key(parent) && !a.contains_key(parent)) {
            changes.push(Change::Added { path: path.clone(), to: new.kind.clone() });
        }
    }
    for (path, old) in orders(from) {
        let Some(new) = orders(to).remove(&path) else { continue };
        let common = |these: &[String], those: &[String]| -> Vec<String> {
            these.iter().filter(|n| those.contains(n)).cloned().collect()
        };
        if common(&old, &new) != common(&new, &old) {
            changes.push(Change::Reordered { path });
        }
    }
    changes
}

/// A record that came or went as a whole is one change, not one for each of its fields.
fn covered(path: &str, changed: impl Fn(&str) -> bool) -> bool {
    path.rmatch_indices('.').any(|(at, _)| changed(path[..at].trim_end_matches("[]").trim_end_matches("{}")))
}

fn places(schema: &Schema) -> BTreeMap<String, Place> {
    let mut out = BTreeMap::new();
    each_record(schema, |path, fields| {
        for field in fields {
            let place = Place {
                kind: schema.type_name(field.node),
                unit: field.unit.as_deref().unwrap_or_default().to_owned(),
            };
            let at = if path.is_empty() { field.name.to_string() } else { format!("{path}.{}", field.name) };
            out.insert(at, place);
        }
    });
    out
}

fn orders(schema: &Schema) -> BTreeMap<String, Vec<String>> {
    let mut out = BTreeMap::new();
    each_record(schema, |path, fields| {
        out.insert(path.to_owned(), fields.iter().map(|f| f.name.to_string()).collect());
    });
    out
}

fn each_record(schema: &Schema, mut visit: impl FnMut(&str, &[super::Field])) {
    for node in &schema.nodes {
        if let Shape::Record(fields) = &node.shape {
            visit(&node.path, fields);
        }
    }
}

impl Schema {
    /// The type at a place in words: `float?` may be null, `[record]` is a list.
    #[must_use]
    pub fn type_name(&self, id: NodeId) -> String {
        let (value, nullable) = self.unwrap_nullable(id);
        let node = self.node(value);
        let name = match (&node.shape, node.logical.as_deref()) {
            (Shape::Int | Shape::Long | Shape::Bytes | Shape::String, Some(logical)) => logical.to_owned(),
            (shape, _) => match shape {
                Shape::Null => "null".to_owned(),
                Shape::Boolean => "boolean".to_owned(),
                Shape::Int => "int".to_owned(),
                Shape::Long => "long".to_owned(),
                Shape::Float => "float".to_owned(),
                Shape::Double => "double".to_owned(),
                Shape::Bytes => "bytes".to_owned(),
                Shape::String => "string".to_owned(),
                Shape::Fixed(size) => format!("fixed({size})"),
                Shape::Enum(symbols) => format!("enum({})", symbols.join(", ")),
                Shape::Array(item) => format!("[{}]", self.type_name(*item)),
                Shape::Map(value) => format!("{{{}}}", self.type_name(*value)),
                Shape::Union(branches) => branches.iter().map(|b| self.type_name(*b)).collect::<Vec<_>>().join("|"),
                Shape::Record(_) | Shape::Recursion(_) => "record".to_owned(),
            },
        };
        if nullable { format!("{name}?") } else { name }
    }
}
