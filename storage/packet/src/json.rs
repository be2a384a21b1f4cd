//! A datum as JSON, for people and for filters in other languages.
//!
//! Bytes are shown by their length, `{"bytes": n}`; NaN and infinities, which JSON has not, are null. For the exact
//! values there is the packet itself.

use std::ops::Range;

use serde_json::{Map, Number, Value};

use crate::reason::Rejection;
use crate::schema::{NodeId, Schema, Shape};
use crate::walk::{Leaf, Visitor, walk};

/// Shows a datum as JSON in the writer's own field names and order.
///
/// # Errors
/// As [`walk`].
pub fn to_json(schema: &Schema, datum: &[u8]) -> Result<Value, Rejection> {
    let mut builder = Builder { schema, open: Vec::new(), keys: Vec::new(), done: Value::Null };
    walk(schema, datum, &mut builder)?;
    Ok(builder.done)
}

struct Builder<'s> {
    schema: &'s Schema,
    open: Vec<Value>,
    /// For each open record or map, the key of the value that comes next.
    keys: Vec<String>,
    done: Value,
}

impl Builder<'_> {
    fn put(&mut self, value: Value) {
        match self.open.last_mut() {
            Some(Value::Object(object)) => {
                let key = self.keys.last().cloned().unwrap_or_default();
                object.insert(key, value);
            }
            Some(Value::Array(list)) => list.push(value),
            _ => self.done = value,
        }
    }
}

impl Visitor for Builder<'_> {
    fn leaf(&mut self, _: NodeId, value: Leaf<'_>, _: Range<usize>) {
        let value = match value {
            Leaf::Null => Value::Null,
            Leaf::Boolean(v) => v.into(),
            Leaf::Int(v) => v.into(),
            Leaf::Long(v) => v.into(),
            // Shortest digits that read back as the same single, not those of the double next to it.
            Leaf::Float(v) => {
                v.to_string().parse::<f64>().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
            }
            Leaf::Double(v) => Number::from_f64(v).map_or(Value::Null, Value::Number),
            Leaf::Bytes(bytes) => serde_json::json!({ "bytes": bytes.len() }),
            Leaf::Text(text) => text.into(),
        };
        self.put(value);
    }

    fn enter(&mut self, node: NodeId, _: usize) {
        let list = matches!(self.schema.node(node).shape, Shape::Array(_));
        self.open.push(if list { Value::Array(Vec::new()) } else { Value::Object(Map::new()) });
        self.keys.push(String::new());
    }

    fn leave(&mut self, _: NodeId, _: Range<usize>) {
        self.keys.pop();
        if let Some(value) = self.open.pop() {
            self.put(value);
        }
    }

    fn element(&mut self, _: NodeId, _: u64, key: Option<&str>, _: usize) {
        if let (Some(key), Some(slot)) = (key, self.keys.last_mut()) {
            key.clone_into(slot);
        }
    }

    fn field(&mut self, node: NodeId, index: usize) {
        if let (Shape::Record(fields), Some(slot)) = (&self.schema.node(node).shape, self.keys.last_mut()) {
            fields[index].name.as_ref().clone_into(slot);
        }
    }
}
