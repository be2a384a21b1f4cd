//! The form of a schema that arrow-avro can read.
//!
//! arrow-avro 59 cannot resolve dotted record names, fails late on logical types whose values do not fit, and shares
//! one decoder between places that refer to one record. All three go away when every place gets a declaration of its
//! own under a plain, unique name, and only logical types that cannot fail are kept.

use serde_json::{Value, json};

use super::{NodeId, Schema, Shape};

/// The writer schema at a node, as arrow-avro is to read it.
#[must_use]
pub fn decoder_schema(schema: &Schema, root: NodeId) -> Value {
    emit(schema, root)
}

fn emit(schema: &Schema, id: NodeId) -> Value {
    let node = schema.node(id);
    match &node.shape {
        Shape::Null => json!("null"),
        Shape::Boolean => json!("boolean"),
        Shape::Int => with_logical("int", node.logical.as_deref(), &["date", "time-millis"]),
        Shape::Long => with_logical(
            "long",
            node.logical.as_deref(),
            &[
                "time-micros",
                "timestamp-millis",
                "timestamp-micros",
                "local-timestamp-millis",
                "local-timestamp-micros",
            ],
        ),
        Shape::Float => json!("float"),
        Shape::Double => json!("double"),
        Shape::Bytes => json!("bytes"),
        Shape::String => json!("string"),
        Shape::Fixed(size) => json!({"type": "fixed", "name": unique("fixed", id), "size": size}),
        Shape::Enum(symbols) => {
            let symbols: Vec<&str> = symbols.iter().map(|s| &**s).collect();
            json!({"type": "enum", "name": unique("enum", id), "symbols": symbols})
        }
        Shape::Array(item) => json!({"type": "array", "items": emit(schema, *item)}),
        Shape::Map(value) => json!({"type": "map", "values": emit(schema, *value)}),
        Shape::Union(branches) => branches.iter().map(|b| emit(schema, *b)).collect(),
        Shape::Record(fields) => {
            let fields: Vec<Value> =
                fields.iter().map(|f| json!({"name": &*f.name, "type": emit(schema, f.node)})).collect();
            json!({"type": "record", "name": unique("record", id), "fields": fields})
        }
        // Refused before decoding; a name that nothing declares keeps it an error if it ever is not.
        Shape::Recursion(to) => json!(unique("recursion", *to)),
    }
}

fn unique(kind: &str, id: NodeId) -> String {
    format!("{kind}{}", id.0)
}

fn with_logical(primitive: &str, logical: Option<&str>, safe: &[&str]) -> Value {
    match logical {
        Some(logical) if safe.contains(&logical) => json!({"type": primitive, "logicalType": logical}),
        _ => json!(primitive),
    }
}
