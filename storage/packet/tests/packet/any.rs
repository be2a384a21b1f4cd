//! Any schema and any datum of it.

use std::sync::Arc;

use noctuary_packet::cursor::put_long;
use noctuary_packet::decode::Decoder;
use noctuary_packet::json::to_json;
use noctuary_packet::reason::Reason;
use noctuary_packet::schema::{NodeId, Schema, Shape, diff};
use noctuary_packet::walk::{Validate, walk, walk_prefix};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Types of any shape, not deeper than four; named ones get their names afterwards.
pub fn types() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["boolean", "int", "long", "float", "double", "bytes", "string"])
            .prop_map(Value::from),
        (1..9u64).prop_map(|size| json!({"type": "fixed", "name": "?", "size": size})),
        (1..5usize).prop_map(|n| {
            let symbols: Vec<String> = (0..n).map(|i| format!("S{i}")).collect();
            json!({"type": "enum", "name": "?", "symbols": symbols})
        }),
        Just(json!({"type": "long", "logicalType": "timestamp-micros"})),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|items| json!({"type": "array", "items": items})),
            inner.clone().prop_map(|values| json!({"type": "map", "values": values})),
            inner.clone().prop_filter("no union in a union", |t| !t.is_array()).prop_map(|t| json!(["null", t])),
            inner.clone().prop_filter("no union in a union", |t| !t.is_array()).prop_map(|t| json!([t, "null"])),
            // Several branches, of which no two are of one type.
            inner.clone().prop_map(|t| json!(["null", "string", "int", {"type": "array", "items": t}])),
            prop::collection::vec(inner, 1..4).prop_map(record),
        ]
    })
}

pub fn record(types: Vec<Value>) -> Value {
    let fields: Vec<Value> =
        types.into_iter().enumerate().map(|(i, t)| json!({"name": format!("f{i}"), "type": t})).collect();
    json!({"type": "record", "name": "?", "fields": fields})
}

pub fn name_types(json: &mut Value, next: &mut usize) {
    match json {
        Value::Object(object) => {
            if object.get("name").is_some_and(|n| n == "?") {
                object.insert("name".into(), format!("t{next}").into());
                *next += 1;
            }
            object.values_mut().for_each(|v| name_types(v, next));
        }
        Value::Array(list) => list.iter_mut().for_each(|v| name_types(v, next)),
        _ => {}
    }
}

pub fn schemas() -> impl Strategy<Value = Arc<Schema>> {
    prop::collection::vec(types(), 1..6).prop_map(|types| {
        let mut json = record(types);
        name_types(&mut json, &mut 0);
        Arc::new(Schema::parse(&json.to_string()).unwrap())
    })
}

/// Draws bits without end from a few.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // The generator of Knuth's MMIX.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// How lists are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// In one block.
    Usual,
    /// In any number of blocks, with or without their size.
    Any,
}

fn fill(schema: &Schema, id: NodeId, writer: Writer, dice: &mut Dice, out: &mut Vec<u8>) {
    match &schema.node(id).shape {
        Shape::Null => {}
        Shape::Boolean => out.push(dice.roll(2) as u8),
        Shape::Int => put_long(out, dice.roll(1 << 31) as i64 - (1 << 30)),
        Shape::Long => put_long(out, ((dice.roll(1 << 31) << 31 | dice.roll(1 << 31)) as i64).wrapping_mul(3)),
        Shape::Float => out.extend(match dice.roll(4) {
            0 => (dice.roll(1 << 31) as u32 | 0x7fc0_0000).to_le_bytes(),
            _ => (dice.roll(1000) as f32 / 7.0).to_le_bytes(),
        }),
        Shape::Double => out.extend([f64::NAN, -0.0, 1e300, 0.5][dice.roll(4) as usize].to_le_bytes()),
        Shape::Bytes | Shape::String => {
            let length = dice.roll(200);
            put_long(out, length as i64);
            out.extend((0..length).map(|_| b'a' + dice.roll(26) as u8));
        }
        Shape::Fixed(size) => out.extend((0..*size).map(|_| dice.roll(256) as u8)),
        Shape::Enum(symbols) => put_long(out, dice.roll(symbols.len() as u64) as i64),
        Shape::Array(item) | Shape::Map(item) => {
            for _ in 0..dice.roll(if writer == Writer::Usual { 2 } else { 3 }) {
                let count = 1 + dice.roll(3);
                let mut block = Vec::new();
                for _ in 0..count {
                    if matches!(schema.node(id).shape, Shape::Map(_)) {
                        put_long(&mut block, 1);
                        block.push(b'a' + dice.roll(26) as u8);
                    }
                    fill(schema, *item, writer, dice, &mut block);
                }
                if writer == Writer::Usual || dice.roll(2) == 0 {
                    put_long(out, count as i64);
                } else {
                    put_long(out, -(count as i64));
                    put_long(out, block.len() as i64);
                }
                out.extend(block);
            }
            out.push(0);
        }
        Shape::Union(branches) => {
            let branch = dice.roll(branches.len() as u64);
            put_long(out, branch as i64);
            fill(schema, branches[branch as usize], writer, dice, out);
        }
        Shape::Record(fields) => fields.iter().for_each(|f| fill(schema, f.node, writer, dice, out)),
        Shape::Recursion(_) => unreachable!("none is made here"),
    }
}

/// A datum.
pub fn datum(schema: &Schema, seed: u64, writer: Writer) -> Vec<u8> {
    let mut out = Vec::new();
    fill(schema, NodeId::ROOT, writer, &mut Dice(seed), &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_datum_is_walked_to_its_last_byte_and_decoded(schema in schemas(), seeds in prop::collection::vec(any::<u64>(), 1..5)) {
        let mut decoder = Decoder::new(&schema, &[], 8).unwrap();
        for seed in &seeds {
            let datum = datum(&schema, *seed, Writer::Any);
            prop_assert_eq!(walk(&schema, &datum, &mut Validate), Ok(()));
            prop_assert!(to_json(&schema, &datum).unwrap().is_object());
            for cut in 0..datum.len() {
                prop_assert!(walk(&schema, &datum[..cut], &mut Validate).is_err(), "{} of {}", cut, datum.len());
            }
            let mut longer = datum.clone();
            longer.push(0);
            prop_assert_eq!(walk(&schema, &longer, &mut Validate).unwrap_err().reason, Reason::TrailingBytes);
            prop_assert_eq!(walk_prefix(&schema, &longer, &mut Validate), Ok(datum.len()));
            decoder.push(&datum).unwrap();
        }
        prop_assert_eq!(decoder.finish().unwrap().num_rows(), seeds.len());
        decoder.push(&datum(&schema, 1, Writer::Any)).unwrap();
        prop_assert_eq!(decoder.finish().unwrap().num_rows(), 1);
    }

    #[test]
    fn a_damaged_datum_is_refused_or_decoded(schema in schemas(), seed: u64, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut datum = datum(&schema, seed, Writer::Any);
        prop_assume!(!datum.is_empty());
        for (at, byte) in damage {
            let at = at.index(datum.len());
            datum[at] = byte;
        }
        if walk(&schema, &datum, &mut Validate).is_ok() {
            let mut decoder = Decoder::new(&schema, &[], 1).unwrap();
            decoder.push(&datum).unwrap();
            prop_assert_eq!(decoder.finish().unwrap().num_rows(), 1);
        }
    }

    #[test]
    fn a_schema_is_itself(schema in schemas(), other in schemas()) {
        prop_assert!(diff(&schema, &schema).is_empty());
        let again = Schema::parse(schema.json()).unwrap();
        prop_assert_eq!(again.fingerprint(), schema.fingerprint());
        // Described with other words it is still the same; of another structure it is not.
        let mut json: Value = serde_json::from_str(schema.json()).unwrap();
        json["doc"] = "words".into();
        prop_assert_eq!(Schema::parse(&json.to_string()).unwrap().fingerprint(), schema.fingerprint());
        if !diff(&schema, &other).is_empty() {
            prop_assert_ne!(other.fingerprint(), schema.fingerprint());
        }
    }
}
