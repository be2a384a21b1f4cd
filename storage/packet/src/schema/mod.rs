//! Writer schemas: what the bytes of a packet mean.
//!
//! A [`Schema`] is an Avro schema laid out as a tree in which every node has one place and one path, so that
//! "the `ra` of the trigger" and "the `ra` of a history record" are different nodes even where the writer declared
//! their record once and referred to it by name. The walker, the survey mapping and the Arrow decoder all speak in
//! these nodes.

mod compact;
mod diff;
mod known;
mod normalise;
mod parse;
mod store;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};

pub use compact::{CompactError, CompactSchema};
pub use diff::{Change, diff};
pub use known::{known_lsst, known_schemas, known_ztf};
pub use normalise::decoder_schema;
pub use parse::SchemaError;
pub use store::{RegistryId, SchemaStore, StoreError};

/// Index of a node in its [`Schema`]; the root is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The node of the whole datum.
    pub const ROOT: Self = Self(0);

    /// Position in tables that hold one entry per node.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One place in a schema.
#[derive(Debug, Clone)]
pub struct Node {
    /// What values at this place look like.
    pub shape: Shape,
    /// The logical type the writer declared, as written (`timestamp-micros`).
    pub logical: Option<Box<str>>,
    /// Path from the datum to here: `diaSource.psfFlux`, `prvDiaSources[].ra`, `tags{}`.
    pub path: Box<str>,
}

/// The shapes of Avro.
#[derive(Debug, Clone)]
pub enum Shape {
    /// No bytes at all.
    Null,
    /// One byte, 0 or 1.
    Boolean,
    /// Zigzag varint that fits 32 bits.
    Int,
    /// Zigzag varint that fits 64 bits.
    Long,
    /// IEEE 754 single, little endian.
    Float,
    /// IEEE 754 double, little endian.
    Double,
    /// Length and bytes.
    Bytes,
    /// Length and UTF-8.
    String,
    /// Exactly this many bytes.
    Fixed(usize),
    /// Index into these symbols.
    Enum(Box<[Box<str>]>),
    /// Blocks of items.
    Array(NodeId),
    /// Blocks of string keys and values.
    Map(NodeId),
    /// Branch index, then the branch.
    Union(Box<[NodeId]>),
    /// Fields in the order of the writer.
    Record(Box<[Field]>),
    /// A record that contains itself: the place where it began.
    Recursion(NodeId),
}

/// A field of a record.
#[derive(Debug, Clone)]
pub struct Field {
    /// The writer's name for it.
    pub name: Box<str>,
    /// Where its values lie.
    pub node: NodeId,
    /// What the writer says of it, without the unit.
    pub doc: Option<Box<str>>,
    /// Physical unit (`nJy`, `deg`), where the writer states one.
    pub unit: Option<Box<str>>,
    /// The writer's default.
    pub default: Option<Value>,
}

/// SHA-256 over the structure of a schema: names, types, order, defaults, logical types and version. Prose does not
/// count, so a definition of our own and the survey's file with its descriptions are the same schema.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The whole digest in hexadecimal.
    #[must_use]
    pub fn to_hex(self) -> String {
        crate::hash::hex(&self.0)
    }

    /// Twelve hexadecimal digits, for people.
    #[must_use]
    pub fn short(self) -> String {
        crate::hash::hex(&self.0[..6])
    }

    /// Reads what [`Fingerprint::to_hex`] wrote.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        crate::hash::unhex(text).map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", self.short())
    }
}

/// A writer schema.
#[derive(Debug, Clone)]
pub struct Schema {
    nodes: Vec<Node>,
    name: String,
    version: Option<String>,
    fingerprint: Fingerprint,
    json: Arc<str>,
}

impl Schema {
    /// Reads an Avro schema in its JSON form (`.avsc`, or `avro.schema` of a container's header).
    ///
    /// # Errors
    /// When the text is not JSON or not an Avro schema; the error names the path inside the schema.
    pub fn parse(json: &str) -> Result<Self, SchemaError> {
        let value: Value = serde_json::from_str(json).map_err(|e| SchemaError::json(&e))?;
        let parsed = parse::Parser::parse(&value)?;
        let version = parse::version_of(&value, &parsed.name);
        let mut schema = Self {
            nodes: parsed.nodes,
            name: parsed.name,
            version,
            fingerprint: Fingerprint([0; 32]),
            json: json.into(),
        };
        schema.fingerprint = schema.digest();
        Ok(schema)
    }

    /// The full name of the outermost record (`lsst.v11_1.alert`).
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version that the schema states of itself: its `version` attribute (ZTF) or a `vN_M` in its name (LSST).
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// What to sort by for the newest schema last: `10.0` comes after `9.0`, and any version after none.
    #[must_use]
    pub fn version_order(&self) -> Vec<u64> {
        self.version().map(|v| v.split('.').map(|part| part.parse().unwrap_or(0)).collect()).unwrap_or_default()
    }

    /// Name and version for people: `lsst.v11_1.alert 11.1`.
    #[must_use]
    pub fn label(&self) -> String {
        match &self.version {
            Some(v) => format!("{} {v}", self.name),
            None => format!("{} {}", self.name, self.fingerprint.short()),
        }
    }

    /// Identity of the structure.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The JSON it was read from, descriptions included.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.json
    }

    /// One node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// How many nodes there are; ids run from 0 to one less.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never true: a schema has at least its root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Fields of the outermost record, empty if the datum is not a record.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        match &self.node(NodeId::ROOT).shape {
            Shape::Record(fields) => fields,
            _ => &[],
        }
    }

    /// The node itself, or the value branch if it is a union of null and one other type.
    #[must_use]
    pub fn unwrap_nullable(&self, id: NodeId) -> (NodeId, bool) {
        if let Shape::Union(branches) = &self.node(id).shape
            && let [a, b] = **branches
        {
            if matches!(self.node(a).shape, Shape::Null) {
                return (b, true);
            }
            if matches!(self.node(b).shape, Shape::Null) {
                return (a, true);
            }
        }
        (id, false)
    }

    /// Finds `diaSource.psfFlux`, or `prv_candidates.programid` for the field of every element of a list.
    /// Null branches are passed through; names match exactly.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<NodeId> {
        let mut at = NodeId::ROOT;
        for name in path.split('.') {
            at = self.unwrap_nullable(at).0;
            if let Shape::Array(item) = self.node(at).shape {
                at = self.unwrap_nullable(item).0;
            }
            let Shape::Record(fields) = &self.node(at).shape else { return None };
            at = fields.iter().find(|f| &*f.name == name)?.node;
        }
        Some(self.unwrap_nullable(at).0)
    }

    /// True if the values of two places are written alike: the same shapes in the same order under the same names.
    #[must_use]
    pub fn alike(&self, a: NodeId, b: NodeId) -> bool {
        let (a, b) = (self.node(a), self.node(b));
        let all = |a: &[NodeId], b: &[NodeId]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| self.alike(*a, *b));
        a.logical == b.logical
            && match (&a.shape, &b.shape) {
                (Shape::Array(a), Shape::Array(b)) | (Shape::Map(a), Shape::Map(b)) => self.alike(*a, *b),
                (Shape::Union(a), Shape::Union(b)) => all(a, b),
                (Shape::Record(a), Shape::Record(b)) => {
                    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.name == b.name && self.alike(a.node, b.node))
                }
                (Shape::Fixed(a), Shape::Fixed(b)) => a == b,
                (Shape::Enum(a), Shape::Enum(b)) => a == b,
                // A record that contains itself is like no other.
                (Shape::Recursion(_), _) => false,
                (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
            }
    }

    /// The null branch of the union that a node is a branch of, if there is one.
    pub(crate) fn null_beside(&self, id: NodeId) -> Option<NodeId> {
        let is_null = |branch: &&NodeId| matches!(self.node(**branch).shape, Shape::Null);
        self.nodes.iter().find_map(|node| match &node.shape {
            Shape::Union(branches) if branches.contains(&id) => branches.iter().find(is_null).copied(),
            _ => None,
        })
    }

    /// True if a record contains itself, which no set of columns can show.
    #[must_use]
    pub fn is_recursive(&self) -> bool {
        self.nodes.iter().any(|n| matches!(n.shape, Shape::Recursion(_)))
    }

    /// True if there are values of which only the number is known: a list or map of nulls, a fixed of no bytes.
    #[must_use]
    pub fn has_empty_values(&self) -> bool {
        self.nodes.iter().any(|n| match n.shape {
            Shape::Array(item) | Shape::Map(item) => matches!(self.node(item).shape, Shape::Null),
            Shape::Fixed(size) => size == 0,
            _ => false,
        })
    }

    /// True if a place holds one of several types, null not counted.
    #[must_use]
    pub fn has_unions(&self) -> bool {
        (0..)
            .map(NodeId)
            .zip(&self.nodes)
            .any(|(id, node)| matches!(node.shape, Shape::Union(_)) && self.unwrap_nullable(id).0 == id)
    }

    fn digest(&self) -> Fingerprint {
        let mut text = String::with_capacity(16 * 1024);
        text.push_str(&self.name);
        text.push('\u{1f}');
        text.push_str(self.version.as_deref().unwrap_or(""));
        self.structure(NodeId::ROOT, &mut text);
        Fingerprint(Sha256::digest(text.as_bytes()).into())
    }

    fn structure(&self, id: NodeId, out: &mut String) {
        use std::fmt::Write as _;
        let node = self.node(id);
        if let Some(logical) = &node.logical {
            // Writing to a String cannot fail.
            let _ = write!(out, "~{logical}~");
        }
        match &node.shape {
            Shape::Null => out.push('0'),
            Shape::Boolean => out.push('b'),
            Shape::Int => out.push('i'),
            Shape::Long => out.push('l'),
            Shape::Float => out.push('f'),
            Shape::Double => out.push('d'),
            Shape::Bytes => out.push('y'),
            Shape::String => out.push('s'),
            Shape::Fixed(size) => {
                let _ = write!(out, "x{size};");
            }
            Shape::Enum(symbols) => {
                let _ = write!(out, "e{symbols:?}");
            }
            Shape::Array(item) => {
                out.push('[');
                self.structure(*item, out);
                out.push(']');
            }
            Shape::Map(value) => {
                out.push('{');
                self.structure(*value, out);
                out.push('}');
            }
            Shape::Union(branches) => {
                out.push('(');
                for branch in branches {
                    self.structure(*branch, out);
                    out.push('|');
                }
                out.push(')');
            }
            Shape::Record(fields) => {
                out.push('<');
                for field in fields {
                    let _ = write!(out, "{:?}:", field.name);
                    self.structure(field.node, out);
                    if let Some(default) = &field.default {
                        let _ = write!(out, "={default}");
                    }
                    out.push(',');
                }
                out.push('>');
            }
            Shape::Recursion(to) => {
                let _ = write!(out, "^{};", to.0);
            }
        }
    }
}
