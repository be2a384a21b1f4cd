//! Avro datums, field by field in the order of a schema.
//!
//! A record is compiled once: for every field of the schema its filler is looked up by name, values that never change
//! are encoded there and then, and fields that no filler is known for get what says least: null, NaN, 0, nothing.

use noctuary_packet::cursor::put_long;
use noctuary_packet::schema::{NodeId, Schema, Shape};

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    Whole(i64),
    Real(f64),
    Text(&'a str),
}

type Filler<T> = Box<dyn for<'a> Fn(&'a T) -> Value<'a> + Send + Sync>;

/// Where the value of a field comes from.
pub(crate) enum Fill<T> {
    Always(Value<'static>),
    Of(Filler<T>),
}

/// A filler that looks at the thing described.
pub(crate) fn of<T>(filler: impl for<'a> Fn(&'a T) -> Value<'a> + Send + Sync + 'static) -> Option<Fill<T>> {
    Some(Fill::Of(Box::new(filler)))
}

/// A filler that gives the same value every time.
pub(crate) fn always<T>(value: Value<'static>) -> Option<Fill<T>> {
    Some(Fill::Always(value))
}

enum Step<T> {
    Bytes(Vec<u8>),
    Field(Slot, Filler<T>),
}

/// Writes records of one type.
pub(crate) struct RecordWriter<T> {
    steps: Vec<Step<T>>,
}

impl<T> RecordWriter<T> {
    /// Compiles the record at a node; `None` if there is no record.
    pub(crate) fn compile(schema: &Schema, node: NodeId, fill: impl Fn(&str) -> Option<Fill<T>>) -> Option<Self> {
        let Shape::Record(fields) = &schema.node(node).shape else { return None };
        let mut steps = Vec::with_capacity(fields.len());
        let mut same = Vec::new();
        for field in fields {
            let slot = Slot::new(schema, field.node);
            match fill(&field.name) {
                Some(Fill::Of(filler)) => {
                    steps.push(Step::Bytes(std::mem::take(&mut same)));
                    steps.push(Step::Field(slot, filler));
                }
                Some(Fill::Always(value)) => slot.write(&mut same, value),
                None => same.extend_from_slice(&slot.nothing),
            }
        }
        steps.push(Step::Bytes(same));
        steps.retain(|step| !matches!(step, Step::Bytes(bytes) if bytes.is_empty()));
        Some(Self { steps })
    }

    /// Appends one record.
    pub(crate) fn write(&self, out: &mut Vec<u8>, thing: &T) {
        for step in &self.steps {
            match step {
                Step::Bytes(bytes) => out.extend_from_slice(bytes),
                Step::Field(slot, filler) => slot.write(out, filler(thing)),
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    Whole,
    Float,
    Double,
    Text,
    /// Nothing that a [`Value`] could fill.
    Other,
}

/// How one place of the schema is written.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    kind: Kind,
    /// What goes before a value: the branch of its union, if it is one.
    pub(crate) before: Vec<u8>,
    /// Null where null is allowed, else the emptiest value of the type.
    pub(crate) nothing: Vec<u8>,
}

impl Slot {
    pub(crate) fn new(schema: &Schema, node: NodeId) -> Self {
        let (value, nullable) = schema.unwrap_nullable(node);
        let mut before = Vec::new();
        if nullable
            && let Shape::Union(branches) = &schema.node(node).shape
            && let Some(branch) = branches.iter().position(|b| *b == value)
        {
            put_long(&mut before, branch as i64);
        }
        let kind = match &schema.node(value).shape {
            Shape::Boolean => Kind::Boolean,
            Shape::Int | Shape::Long => Kind::Whole,
            Shape::Float => Kind::Float,
            Shape::Double => Kind::Double,
            Shape::Bytes | Shape::String => Kind::Text,
            _ => Kind::Other,
        };
        let mut nothing = Vec::new();
        write_nothing(schema, node, &mut nothing);
        Self { kind, before, nothing }
    }

    fn write(&self, out: &mut Vec<u8>, value: Value<'_>) {
        match (self.kind, value) {
            (Kind::Float, Value::Real(v)) => {
                out.extend_from_slice(&self.before);
                write_float(out, v);
            }
            (Kind::Double, Value::Real(v)) => {
                out.extend_from_slice(&self.before);
                write_double(out, v);
            }
            (Kind::Boolean, Value::Bool(v)) => {
                out.extend_from_slice(&self.before);
                out.push(u8::from(v));
            }
            (Kind::Whole, Value::Whole(v)) => {
                out.extend_from_slice(&self.before);
                put_long(out, v);
            }
            (Kind::Text, Value::Text(v)) => {
                out.extend_from_slice(&self.before);
                put_long(out, v.len() as i64);
                out.extend_from_slice(v.as_bytes());
            }
            _ => out.extend_from_slice(&self.nothing),
        }
    }
}

/// The value of a type that says least.
fn write_nothing(schema: &Schema, node: NodeId, out: &mut Vec<u8>) {
    match &schema.node(node).shape {
        Shape::Null => {}
        Shape::Boolean => out.push(0),
        // Zero, no bytes, no text, the first symbol, no items: one byte each.
        Shape::Int | Shape::Long | Shape::Bytes | Shape::String => out.push(0),
        Shape::Enum(_) | Shape::Array(_) | Shape::Map(_) | Shape::Recursion(_) => out.push(0),
        Shape::Float => write_float(out, f64::NAN),
        Shape::Double => write_double(out, f64::NAN),
        Shape::Fixed(size) => out.resize(out.len() + size, 0),
        Shape::Record(fields) => fields.iter().for_each(|f| write_nothing(schema, f.node, out)),
        Shape::Union(branches) => {
            let null = branches.iter().position(|b| matches!(schema.node(*b).shape, Shape::Null));
            let branch = null.unwrap_or(0);
            put_long(out, branch as i64);
            write_nothing(schema, branches[branch], out);
        }
    }
}

/// Which NaN a conversion makes is the machine's choice; in packets it is this one.
fn write_float(out: &mut Vec<u8>, value: f64) {
    let bits = if value.is_nan() { 0x7fc0_0000 } else { (value as f32).to_bits() };
    out.extend_from_slice(&bits.to_le_bytes());
}

fn write_double(out: &mut Vec<u8>, value: f64) {
    let bits = if value.is_nan() { 0x7ff8_0000_0000_0000 } else { value.to_bits() };
    out.extend_from_slice(&bits.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type": "record", "name": "t", "fields": [
        {"name": "b", "type": ["null", "int"]},
        {"name": "a", "type": "long"},
        {"name": "unknownFloat", "type": "float"},
        {"name": "unknownText", "type": "string"},
        {"name": "c", "type": ["string", "null"]},
        {"name": "d", "type": "float"},
        {"name": "unknownNull", "type": ["null", "double"]}
    ]}"#;

    fn fill(name: &str) -> Option<Fill<(i64, f64)>> {
        match name {
            "a" => of(|t: &(i64, f64)| Value::Whole(t.0)),
            "b" => always(Value::Whole(-1)),
            "c" => always(Value::Text("xy")),
            "d" => of(|t: &(i64, f64)| Value::Real(t.1)),
            _ => None,
        }
    }

    #[test]
    fn fields_are_filled_by_name_in_the_order_of_the_schema() {
        let schema = Schema::parse(SCHEMA).unwrap();
        let writer = RecordWriter::compile(&schema, NodeId::ROOT, fill).unwrap();
        let mut out = Vec::new();
        writer.write(&mut out, &(300, 1.5));
        let mut expected = vec![2, 1, 0xd8, 4];
        expected.extend_from_slice(&0x7fc0_0000_u32.to_le_bytes());
        expected.push(0);
        expected.extend_from_slice(&[0, 4, b'x', b'y']);
        expected.extend_from_slice(&1.5_f32.to_le_bytes());
        expected.push(0);
        assert_eq!(out, expected);
    }
}
