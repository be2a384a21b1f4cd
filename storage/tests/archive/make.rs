//! Packets of our own making: any schema, filled with what says least except where a test says otherwise.

use std::sync::Arc;

use noctuary_packet::container::{Header, put_block_prefix};
use noctuary_packet::cursor::put_long;
use noctuary_packet::schema::{NodeId, Schema, Shape, known_lsst};

/// What to put at a path of the schema (`diaSource.ra`, `history[].flux`).
#[derive(Debug, Clone)]
pub enum Value {
    Null,
    Whole(i64),
    Real(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// A list of so many elements.
    Items(usize),
    /// The value in each element of the innermost list.
    Each(Vec<Value>),
    /// These very bytes instead of the value, right or wrong.
    Raw(Vec<u8>),
}

impl From<i64> for Value {
    fn from(v: i64) -> Self {
        Self::Whole(v)
    }
}

impl From<f64> for Value {
    fn from(v: f64) -> Self {
        Self::Real(v)
    }
}

impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Self::Text(v.into())
    }
}

/// One datum.
pub fn datum(schema: &Schema, values: &[(&str, Value)]) -> Vec<u8> {
    for (path, _) in values {
        assert!(schema.find(&path.replace("[]", "")).is_some(), "{} has no {path}", schema.label());
    }
    let mut out = Vec::new();
    Filler { schema, values, index: 0 }.fill(NodeId::ROOT, &mut out);
    out
}

struct Filler<'a> {
    schema: &'a Schema,
    values: &'a [(&'a str, Value)],
    /// Element of the innermost list.
    index: usize,
}

impl Filler<'_> {
    fn value(&self, path: &str) -> Option<Value> {
        let (_, value) = self.values.iter().rev().find(|(p, _)| *p == path)?;
        Some(match value {
            Value::Each(values) => values.get(self.index).cloned().unwrap_or(Value::Null),
            value => value.clone(),
        })
    }

    fn fill(&mut self, id: NodeId, out: &mut Vec<u8>) {
        let node = self.schema.node(id);
        let value = self.value(&node.path);
        if let Some(Value::Raw(bytes)) = &value {
            out.extend_from_slice(bytes);
            return;
        }
        match (&node.shape, value) {
            (Shape::Null, _) => {}
            (Shape::Boolean, v) => out.push(matches!(v, Some(Value::Whole(1))).into()),
            (Shape::Int | Shape::Long, Some(Value::Whole(v))) => put_long(out, v),
            (Shape::Float, v) => out.extend_from_slice(&(real(v) as f32).to_le_bytes()),
            (Shape::Double, v) => out.extend_from_slice(&real(v).to_le_bytes()),
            (Shape::String, Some(Value::Text(v))) => put_counted(out, v.as_bytes()),
            (Shape::Bytes, Some(Value::Bytes(v))) => put_counted(out, &v),
            (Shape::Fixed(size), _) => out.resize(out.len() + size, 0),
            (Shape::Enum(symbols), Some(Value::Text(v))) => {
                put_long(out, symbols.iter().position(|s| **s == *v).unwrap() as i64);
            }
            (Shape::Array(item), Some(Value::Items(n))) => {
                if n > 0 {
                    put_long(out, n as i64);
                    let outer = self.index;
                    for index in 0..n {
                        self.index = index;
                        self.fill(*item, out);
                    }
                    self.index = outer;
                }
                out.push(0);
            }
            (Shape::Record(fields), _) => fields.iter().for_each(|f| self.fill(f.node, out)),
            (Shape::Union(branches), value) => {
                let branch = self.branch(&node.path, branches, value.as_ref());
                put_long(out, branch as i64);
                self.fill(branches[branch], out);
            }
            // Zero, no bytes, no text, the first symbol, no items: one byte each.
            _ => out.push(0),
        }
    }

    /// The first branch that can hold the value; null where there is none and null is allowed.
    fn branch(&self, path: &str, branches: &[NodeId], value: Option<&Value>) -> usize {
        let inside =
            self.values.iter().any(|(p, _)| p.strip_prefix(path).is_some_and(|rest| rest.starts_with(['.', '['])));
        let fits = |id: &NodeId| match (&self.schema.node(*id).shape, value) {
            (Shape::Null, Some(Value::Null)) => true,
            (Shape::Null, None) => !inside,
            (Shape::Int | Shape::Long | Shape::Boolean, Some(Value::Whole(_)))
            | (Shape::Float | Shape::Double, Some(Value::Real(_)))
            | (Shape::String | Shape::Enum(_), Some(Value::Text(_)))
            | (Shape::Bytes, Some(Value::Bytes(_)))
            | (Shape::Array(_), Some(Value::Items(_))) => true,
            (Shape::Record(_) | Shape::Array(_), None) => inside,
            _ => false,
        };
        branches.iter().position(fits).unwrap_or(0)
    }
}

fn real(value: Option<Value>) -> f64 {
    match value {
        Some(Value::Real(v)) => v,
        _ => 0.0,
    }
}

fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

/// A Confluent frame.
pub fn framed(id: u32, datum: &[u8]) -> Vec<u8> {
    let mut packet = vec![0];
    packet.extend_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(datum);
    packet
}

/// The marker of our containers.
pub const SYNC: [u8; 16] = *b"made for testing";

/// The header of a container.
pub fn header(schema: &str, codec: &str) -> Vec<u8> {
    Header::write(schema, codec, &SYNC)
}

/// A container with these blocks: how many records each says it holds, and their bytes.
pub fn container(schema: &str, codec: &str, blocks: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut file = header(schema, codec);
    let codec = Header::parse(&file).unwrap().0.codec();
    for (records, bytes) in blocks {
        let packed = codec.compress(bytes).unwrap();
        put_block_prefix(&mut file, *records, packed.len());
        file.extend_from_slice(&packed);
        file.extend_from_slice(&SYNC);
    }
    file
}

/// LSST 11.1, as it comes with the program.
pub fn lsst() -> Arc<Schema> {
    known_lsst("11.1").unwrap()
}

/// The values that make an alert of LSST whole.
pub fn lsst_values(id: i64) -> Vec<(&'static str, Value)> {
    vec![
        ("diaSourceId", id.into()),
        ("diaSource.diaSourceId", id.into()),
        ("diaSource.diaObjectId", (id / 10).into()),
        ("diaSource.visit", (2_026_040_700_000 + id % 3).into()),
        ("diaSource.detector", (id % 2).into()),
        ("diaSource.midpointMjdTai", (61_138.06 + (id % 3) as f64).into()),
        ("diaSource.ra", (100.0 + (id % 50) as f64 * 0.1).into()),
        ("diaSource.dec", (-30.0 + (id % 50) as f64 * 0.1).into()),
        ("diaSource.psfFlux", (id as f64).into()),
    ]
}

/// A datum of LSST 11.1, changed where a test wants it.
pub fn lsst_datum(id: i64, changes: &[(&'static str, Value)]) -> Vec<u8> {
    let mut values = lsst_values(id);
    values.extend(changes.iter().cloned());
    datum(&lsst(), &values)
}

/// A packet of LSST 11.1.
pub fn lsst_packet(id: i64) -> Vec<u8> {
    framed(1101, &lsst_datum(id, &[]))
}

/// The schema of a survey that nobody has heard of, with text for ids.
pub const LANTERN_SCHEMA: &str = r#"{"type": "record", "name": "lantern.v1_0.alert", "fields": [
    {"name": "alertName", "type": "string"},
    {"name": "star", "type": ["null", "string"]},
    {"name": "seen", "type": {"type": "record", "name": "sighting", "fields": [
        {"name": "when", "type": "double", "unit": "s"},
        {"name": "where_ra", "type": "double", "unit": "deg"},
        {"name": "where_dec", "type": "double", "unit": "deg"},
        {"name": "plate", "type": "long"},
        {"name": "eye", "type": "int"},
        {"name": "light", "type": ["null", "float"]},
        {"name": "access", "type": {"type": "enum", "name": "access", "symbols": ["open", "friends", "nobody"]}}]}},
    {"name": "before", "type": {"type": "array", "items": {"type": "record", "name": "earlier", "fields": [
        {"name": "when", "type": "double"}, {"name": "light", "type": ["null", "float"]},
        {"name": "access", "type": "string"}]}}},
    {"name": "mood", "type": ["null", "string", "long"]},
    {"name": "extras", "type": {"type": "map", "values": "string"}},
    {"name": "picture", "type": ["null", "bytes"]}
]}"#;

/// Its mapping.
pub const LANTERN_MAPPING: &str = r#"
name = "lantern"
title = "An invented survey"
[[recognise]]
fields = ["alertName", "seen.where_ra"]
[ids]
alert = ["alertName"]
object = ["star"]
[position]
ra = ["seen.where_ra"]
dec = ["seen.where_dec"]
[time]
field = ["seen.when"]
form = "unix"
scale = "utc"
[exposure]
visit = ["seen.plate"]
detector = ["seen.eye"]
[night]
utc_offset_hours = 2.0
[records]
trigger = ["seen"]
history = ["before"]
[[cutouts]]
kind = "science"
field = "picture"
[rights]
levels = ["public", "friends", "sealed"]
fields = ["seen.access", "before.access"]
values = { open = "public", friends = "friends" }
"#;

/// A datum of the invented survey.
pub fn lantern_datum(name: &str, number: i64, changes: &[(&'static str, Value)]) -> Vec<u8> {
    let mut values = vec![
        ("alertName", name.into()),
        ("star", format!("star-{}", number / 3).as_str().into()),
        ("seen.when", (1_775_600_000.0 + number as f64 * 40.0).into()),
        ("seen.where_ra", ((number % 360) as f64).into()),
        ("seen.where_dec", ((number % 90) as f64).into()),
        ("seen.plate", (number / 4).into()),
        ("seen.eye", (number % 4).into()),
        ("seen.light", 12.5.into()),
    ];
    values.extend(changes.iter().cloned());
    datum(&lantern(), &values)
}

/// Its schema.
pub fn lantern() -> Arc<Schema> {
    Arc::new(Schema::parse(LANTERN_SCHEMA).unwrap())
}
