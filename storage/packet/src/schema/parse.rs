//! From the JSON of an Avro schema to a [`super::Schema`] tree.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{Field, Node, NodeId, Shape};

/// A schema of alerts has a few hundred nodes. Records that refer to each other can ask for exponentially many.
const MAX_NODES: usize = 100_000;
/// Deeper nesting than any survey's by an order of magnitude, and far from the end of a thread's stack.
const MAX_DEPTH: usize = 64;

/// Why a text is not an Avro schema.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("invalid Avro schema at {}: {detail}", if path.is_empty() { "its top" } else { path.as_str() })]
pub struct SchemaError {
    /// Where in the schema, as a path of field names.
    pub path: String,
    /// What is wrong there.
    pub detail: String,
}

impl SchemaError {
    pub(super) fn json(error: &serde_json::Error) -> Self {
        Self { path: String::new(), detail: format!("not JSON ({error})") }
    }

    fn at(path: &str, detail: impl Into<String>) -> Self {
        Self { path: path.to_owned(), detail: detail.into() }
    }
}

/// The version that a schema states: a `version` attribute, else `vN_M` as a part of its dotted name.
pub(super) fn version_of(json: &Value, full_name: &str) -> Option<String> {
    if let Some(version) = json.get("version").and_then(Value::as_str) {
        return Some(version.to_owned());
    }
    full_name.split('.').find_map(|part| {
        let digits = part.strip_prefix('v')?;
        let numeric =
            !digits.is_empty() && digits.split('_').all(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()));
        numeric.then(|| digits.replace('_', "."))
    })
}

pub(super) struct Parsed {
    pub nodes: Vec<Node>,
    pub name: String,
}

pub(super) struct Parser<'a> {
    nodes: Vec<Node>,
    /// Every named type by full name, with the namespace that was in force where it was declared.
    named: HashMap<String, (&'a Map<String, Value>, String)>,
    /// Named records that are being laid out, outermost first.
    open: Vec<(String, NodeId)>,
}

impl<'a> Parser<'a> {
    pub fn parse(json: &'a Value) -> Result<Parsed, SchemaError> {
        let mut parser = Self { nodes: Vec::new(), named: HashMap::new(), open: Vec::new() };
        parser.collect(json, "", "", 0)?;
        parser.node(json, "", "", 0)?;
        let name =
            json.as_object().and_then(|o| full_name(o, "")).map_or_else(|| "unnamed".to_owned(), |(name, _)| name);
        Ok(Parsed { nodes: parser.nodes, name })
    }

    /// Finds all named types first, so that a reference may precede its declaration.
    fn collect(&mut self, json: &'a Value, namespace: &str, path: &str, depth: usize) -> Result<(), SchemaError> {
        too_deep(path, depth)?;
        match json {
            Value::Array(branches) => {
                for branch in branches {
                    self.collect(branch, namespace, path, depth + 1)?;
                }
            }
            Value::Object(object) => {
                let mut inner = namespace.to_owned();
                if let Some("record" | "error" | "enum" | "fixed") = object.get("type").and_then(Value::as_str) {
                    let (name, own) = full_name(object, namespace)
                        .ok_or_else(|| SchemaError::at(path, "a named type has no \"name\""))?;
                    inner.clone_from(&own);
                    if self.named.insert(name.clone(), (object, own)).is_some() {
                        return Err(SchemaError::at(path, format!("the type {name} is declared twice")));
                    }
                }
                for key in ["type", "items", "values"] {
                    if let Some(value @ (Value::Object(_) | Value::Array(_))) = object.get(key) {
                        self.collect(value, &inner, path, depth + 1)?;
                    }
                }
                for field in object.get("fields").and_then(Value::as_array).into_iter().flatten() {
                    let name = field.get("name").and_then(Value::as_str).unwrap_or("?");
                    if let Some(value) = field.get("type") {
                        self.collect(value, &inner, &join(path, name), depth + 1)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn node(&mut self, json: &'a Value, namespace: &str, path: &str, depth: usize) -> Result<NodeId, SchemaError> {
        too_deep(path, depth)?;
        let id = self.reserve(path)?;
        let (shape, logical) = match json {
            Value::String(name) => (self.by_name(id, name, namespace, path, depth)?, None),
            Value::Array(branches) => {
                let mut ids = Vec::with_capacity(branches.len());
                for branch in branches {
                    if branch.is_array() {
                        return Err(SchemaError::at(path, "a union holds a union"));
                    }
                    ids.push(self.node(branch, namespace, path, depth + 1)?);
                }
                if ids.is_empty() {
                    return Err(SchemaError::at(path, "a union without branches"));
                }
                (Shape::Union(ids.into()), None)
            }
            Value::Object(object) => {
                let logical = object.get("logicalType").and_then(Value::as_str).map(Box::from);
                (self.by_object(id, object, namespace, path, depth)?, logical)
            }
            other => return Err(SchemaError::at(path, format!("{other} is not a type"))),
        };
        let node = &mut self.nodes[id.index()];
        node.shape = shape;
        // `{"type": {"type": "long", "logicalType": ...}}` states it one level further in.
        if logical.is_some() {
            node.logical = logical;
        }
        Ok(id)
    }

    fn reserve(&mut self, path: &str) -> Result<NodeId, SchemaError> {
        if self.nodes.len() >= MAX_NODES {
            return Err(SchemaError::at(path, format!("more than {MAX_NODES} places; is this an alert schema?")));
        }
        let id = NodeId(u32::try_from(self.nodes.len()).map_err(|_| SchemaError::at(path, "too large"))?);
        self.nodes.push(Node { shape: Shape::Null, logical: None, path: path.into() });
        Ok(id)
    }

    fn by_name(
        &mut self,
        id: NodeId,
        name: &str,
        namespace: &str,
        path: &str,
        depth: usize,
    ) -> Result<Shape, SchemaError> {
        if let Some(primitive) = primitive(name) {
            return Ok(primitive);
        }
        let qualified =
            if name.contains('.') || namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") };
        let full = if self.named.contains_key(&qualified) { qualified } else { name.to_owned() };
        if let Some((_, start)) = self.open.iter().find(|(open, _)| *open == full) {
            return Ok(Shape::Recursion(*start));
        }
        let Some((object, own)) = self.named.get(&full).cloned() else {
            return Err(SchemaError::at(path, format!("the type {name} is not declared")));
        };
        let logical = object.get("logicalType").and_then(Value::as_str).map(Box::from);
        self.nodes[id.index()].logical = logical;
        self.by_declaration(id, object, &full, &own, path, depth)
    }

    fn by_object(
        &mut self,
        id: NodeId,
        object: &'a Map<String, Value>,
        namespace: &str,
        path: &str,
        depth: usize,
    ) -> Result<Shape, SchemaError> {
        match object.get("type") {
            Some(Value::String(kind)) => match kind.as_str() {
                "array" => {
                    let items =
                        object.get("items").ok_or_else(|| SchemaError::at(path, "an array without \"items\""))?;
                    Ok(Shape::Array(self.node(items, namespace, &format!("{path}[]"), depth + 1)?))
                }
                "map" => {
                    let values =
                        object.get("values").ok_or_else(|| SchemaError::at(path, "a map without \"values\""))?;
                    Ok(Shape::Map(self.node(values, namespace, &format!("{path}{{}}"), depth + 1)?))
                }
                "record" | "error" | "enum" | "fixed" => {
                    let (full, own) = full_name(object, namespace)
                        .ok_or_else(|| SchemaError::at(path, "a named type has no \"name\""))?;
                    self.by_declaration(id, object, &full, &own, path, depth)
                }
                name => self.by_name(id, name, namespace, path, depth),
            },
            Some(inner @ (Value::Object(_) | Value::Array(_))) => {
                // A wrapper around the real type: lay the real type out in this very place.
                let inner_id = self.node(inner, namespace, path, depth + 1)?;
                let node = self.nodes[inner_id.index()].clone();
                self.nodes[id.index()].logical = node.logical;
                Ok(node.shape)
            }
            _ => Err(SchemaError::at(path, "a type without \"type\"")),
        }
    }

    fn by_declaration(
        &mut self,
        id: NodeId,
        object: &'a Map<String, Value>,
        full: &str,
        namespace: &str,
        path: &str,
        depth: usize,
    ) -> Result<Shape, SchemaError> {
        match object.get("type").and_then(Value::as_str) {
            Some("enum") => {
                let symbols: Vec<Box<str>> = object
                    .get("symbols")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(Box::from)
                    .collect();
                if symbols.is_empty() {
                    return Err(SchemaError::at(path, "an enum without \"symbols\""));
                }
                Ok(Shape::Enum(symbols.into()))
            }
            Some("fixed") => {
                let size = object.get("size").and_then(Value::as_u64).and_then(|s| usize::try_from(s).ok());
                size.map(Shape::Fixed).ok_or_else(|| SchemaError::at(path, "a fixed without \"size\""))
            }
            _ => {
                self.open.push((full.to_owned(), id));
                let shape = self.record(object, namespace, path, depth);
                self.open.pop();
                shape
            }
        }
    }

    fn record(
        &mut self,
        object: &'a Map<String, Value>,
        namespace: &str,
        path: &str,
        depth: usize,
    ) -> Result<Shape, SchemaError> {
        let declared = object
            .get("fields")
            .and_then(Value::as_array)
            .ok_or_else(|| SchemaError::at(path, "a record without \"fields\""))?;
        let mut fields: Vec<Field> = Vec::with_capacity(declared.len());
        for json in declared {
            let name = json
                .get("name")
                .and_then(Value::as_str)
                .ok_or_else(|| SchemaError::at(path, "a field without \"name\""))?;
            let at = join(path, name);
            if fields.iter().any(|f| &*f.name == name) {
                return Err(SchemaError::at(&at, "the field is declared twice"));
            }
            let kind = json.get("type").ok_or_else(|| SchemaError::at(&at, "a field without \"type\""))?;
            let node = self.node(kind, namespace, &at, depth + 1)?;
            let (doc, unit) = describe(json);
            fields.push(Field { name: name.into(), node, doc, unit, default: json.get("default").cloned() });
        }
        Ok(Shape::Record(fields.into()))
    }
}

fn too_deep(path: &str, depth: usize) -> Result<(), SchemaError> {
    if depth > MAX_DEPTH {
        return Err(SchemaError::at(path, format!("nested more than {MAX_DEPTH} levels deep")));
    }
    Ok(())
}

fn primitive(name: &str) -> Option<Shape> {
    Some(match name {
        "null" => Shape::Null,
        "boolean" => Shape::Boolean,
        "int" => Shape::Int,
        "long" => Shape::Long,
        "float" => Shape::Float,
        "double" => Shape::Double,
        "bytes" => Shape::Bytes,
        "string" => Shape::String,
        _ => return None,
    })
}

/// Full name and the namespace in force inside the type.
fn full_name(object: &Map<String, Value>, enclosing: &str) -> Option<(String, String)> {
    let name = object.get("name")?.as_str()?;
    if let Some((namespace, _)) = name.rsplit_once('.') {
        return Some((name.to_owned(), namespace.to_owned()));
    }
    let namespace = object.get("namespace").and_then(Value::as_str).unwrap_or(enclosing);
    let full = if namespace.is_empty() { name.to_owned() } else { format!("{namespace}.{name}") };
    Some((full, namespace.to_owned()))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Description and unit of a field. Surveys write the unit as an attribute, or in brackets at the end of the text:
/// `... [nJy].`
fn describe(field: &Value) -> (Option<Box<str>>, Option<Box<str>>) {
    let text = field.get("doc").and_then(Value::as_str).map(str::trim).filter(|t| !t.is_empty());
    let stated = field.get("unit").and_then(Value::as_str).map(str::trim).filter(|u| !u.is_empty());
    let Some(text) = text else { return (None, stated.map(Box::from)) };
    if stated.is_some() {
        return (Some(text.into()), stated.map(Box::from));
    }
    let bare = text.trim_end_matches('.').trim_end();
    if let Some(start) = bare.strip_suffix(']').and_then(|t| t.rfind('[')) {
        let unit = bare[start + 1..bare.len() - 1].trim();
        let doc = bare[..start].trim();
        // `[0, 1]` is a range and a sentence is not a unit.
        let looks_like_a_unit = unit.starts_with(|c: char| c.is_alphabetic() || c == '%')
            && unit.len() <= 24
            && !unit.contains(',')
            && !doc.is_empty();
        if looks_like_a_unit {
            return (Some(doc.into()), Some(unit.into()));
        }
    }
    (Some(text.into()), None)
}
