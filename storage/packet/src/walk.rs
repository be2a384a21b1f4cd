//! Following a datum to its last byte.
//!
//! The walk is what makes a packet trustworthy: arrow-avro cannot undo a row that turned out to be broken, so every
//! datum is walked before it is decoded. On the way a [`Visitor`] learns where each record, list element and value
//! lies, which is all that key extraction, JSON output, cutouts and rebuilding need.

use std::ops::Range;

use crate::cursor::Cursor;
use crate::reason::{Reason, Rejection};
use crate::schema::{NodeId, Schema, Shape};

/// Nesting of values; schemas are at most as deep, and a recursive one is stopped here.
const MAX_DEPTH: usize = 128;
/// Values in all lists of one datum whose items take no bytes, so that a count alone cannot keep us busy.
const MAX_EMPTY_VALUES: u64 = 1_000_000;

/// A value of a primitive type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Leaf<'a> {
    /// The null branch of a union, or a null.
    Null,
    /// A boolean.
    Boolean(bool),
    /// An int.
    Int(i32),
    /// A long.
    Long(i64),
    /// A float; NaN is what surveys send for "unknown".
    Float(f32),
    /// A double.
    Double(f64),
    /// Bytes, or a fixed.
    Bytes(&'a [u8]),
    /// Text, or the symbol of an enum.
    Text(&'a str),
}

impl Leaf<'_> {
    /// The value as a whole number, if it is one.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Int(v) => Some(i64::from(v)),
            Self::Long(v) => Some(v),
            _ => None,
        }
    }

    /// The value as a double, if it is a number. Ids must not pass through here.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::Int(v) => Some(f64::from(v)),
            Self::Float(v) => Some(f64::from(v)),
            Self::Double(v) => Some(v),
            Self::Long(v) => Some(v as f64),
            _ => None,
        }
    }
}

/// Takes part in a walk. Spans are byte ranges of the datum; every method may be left out.
pub trait Visitor {
    /// A value; the span includes its length prefix, and not the branch index of a union around it.
    #[inline]
    fn leaf(&mut self, node: NodeId, value: Leaf<'_>, span: Range<usize>) {
        let _ = (node, value, span);
    }

    /// A record, list or map begins at this byte.
    #[inline]
    fn enter(&mut self, node: NodeId, at: usize) {
        let _ = (node, at);
    }

    /// A record, list or map that began has ended.
    #[inline]
    fn leave(&mut self, node: NodeId, span: Range<usize>) {
        let _ = (node, span);
    }

    /// The next thing is element `index` of the list or map `node`; `key` is its key in a map.
    #[inline]
    fn element(&mut self, node: NodeId, index: u64, key: Option<&str>, at: usize) {
        let _ = (node, index, key, at);
    }

    /// The next thing is field `index` of the record `node`.
    #[inline]
    fn field(&mut self, node: NodeId, index: usize) {
        let _ = (node, index);
    }
}

/// A visitor that looks away: validation alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Validate;

impl Visitor for Validate {}

/// Walks one datum, which must fill the bytes exactly.
///
/// # Errors
/// A [`Rejection`] that names the byte, the field and the schema. What the visitor was told up to there stands.
///
/// ```
/// use noctuary_packet::schema::Schema;
/// use noctuary_packet::walk::{Validate, walk};
///
/// let schema = Schema::parse(r#"{"type":"record","name":"r","fields":[{"name":"n","type":"long"}]}"#)?;
/// assert!(walk(&schema, &[0x02], &mut Validate).is_ok());
/// assert_eq!(walk(&schema, &[0x02, 0x00], &mut Validate).unwrap_err().reason.as_str(), "trailing-bytes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn walk<V: Visitor>(schema: &Schema, datum: &[u8], visitor: &mut V) -> Result<(), Rejection> {
    let end = walk_prefix(schema, datum, visitor)?;
    if end < datum.len() {
        return Err(Rejection::new(
            Reason::TrailingBytes,
            format!("the datum ends and {} bytes follow", datum.len() - end),
        )
        .at(end)
        .under(schema.label()));
    }
    Ok(())
}

/// Walks one datum at the beginning of the bytes and says where it ends.
///
/// # Errors
/// As [`walk`], except that bytes may follow.
pub fn walk_prefix<V: Visitor>(schema: &Schema, bytes: &[u8], visitor: &mut V) -> Result<usize, Rejection> {
    let mut walker = Walker { schema, cursor: Cursor::new(bytes), visitor, empty_values: 0 };
    match walker.value(NodeId::ROOT, 0) {
        Ok(()) => Ok(walker.cursor.position()),
        Err((at, rejection)) => {
            let path = &schema.node(at).path;
            let rejection = if path.is_empty() { *rejection } else { rejection.in_field(&**path) };
            Err(rejection.under(schema.label()))
        }
    }
}

struct Walker<'s, 'd, 'v, V> {
    schema: &'s Schema,
    cursor: Cursor<'d>,
    visitor: &'v mut V,
    empty_values: u64,
}

/// The node at which it went wrong, and what did. Boxed: it is rare, and the walk returns one of these per value.
type Failure = (NodeId, Box<Rejection>);

impl<V: Visitor> Walker<'_, '_, '_, V> {
    fn value(&mut self, id: NodeId, depth: usize) -> Result<(), Failure> {
        if depth > MAX_DEPTH {
            return Err(self.fail(id, Reason::TooDeep, format!("nested more than {MAX_DEPTH} levels deep")));
        }
        let schema = self.schema;
        let start = self.cursor.position();
        let at = |rejection| (id, Box::new(rejection));
        let leaf = match &schema.node(id).shape {
            Shape::Null => Leaf::Null,
            Shape::Boolean => match self.cursor.array::<1>().map_err(at)? {
                [0] => Leaf::Boolean(false),
                [1] => Leaf::Boolean(true),
                [other] => {
                    return Err(at(Rejection::new(Reason::BadValue, format!("a boolean of {other}")).at(start)));
                }
            },
            Shape::Int => Leaf::Int(self.cursor.int().map_err(at)?),
            Shape::Long => Leaf::Long(self.cursor.long().map_err(at)?),
            Shape::Float => Leaf::Float(f32::from_le_bytes(self.cursor.array().map_err(at)?)),
            Shape::Double => Leaf::Double(f64::from_le_bytes(self.cursor.array().map_err(at)?)),
            Shape::Bytes => Leaf::Bytes(self.cursor.counted().map_err(at)?),
            Shape::String => {
                let bytes = self.cursor.counted().map_err(at)?;
                Leaf::Text(
                    std::str::from_utf8(bytes)
                        .map_err(|_| at(Rejection::new(Reason::BadValue, "text that is not UTF-8").at(start)))?,
                )
            }
            Shape::Fixed(size) => Leaf::Bytes(self.cursor.take(*size).map_err(at)?),
            Shape::Enum(symbols) => {
                let index = self.cursor.int().map_err(at)?;
                let symbol = usize::try_from(index).ok().and_then(|i| symbols.get(i)).ok_or_else(|| {
                    at(Rejection::new(Reason::BadValue, format!("symbol {index} of an enum of {}", symbols.len()))
                        .at(start))
                })?;
                Leaf::Text(symbol)
            }
            Shape::Union(branches) => {
                let index = self.cursor.long().map_err(at)?;
                let branch = usize::try_from(index).ok().and_then(|i| branches.get(i)).ok_or_else(|| {
                    at(Rejection::new(Reason::UnionIndex, format!("branch {index} of a union of {}", branches.len()))
                        .at(start))
                })?;
                return self.value(*branch, depth + 1);
            }
            Shape::Record(fields) => {
                self.visitor.enter(id, start);
                for (index, field) in fields.iter().enumerate() {
                    self.visitor.field(id, index);
                    self.value(field.node, depth + 1)?;
                }
                self.visitor.leave(id, start..self.cursor.position());
                return Ok(());
            }
            Shape::Array(item) => return self.blocks(id, *item, false, depth),
            Shape::Map(value) => return self.blocks(id, *value, true, depth),
            Shape::Recursion(to) => return self.value(*to, depth + 1),
        };
        self.visitor.leaf(id, leaf, start..self.cursor.position());
        Ok(())
    }

    /// The blocks of a list or map: `count items`, or `-count size items`, ended by a count of zero.
    fn blocks(&mut self, id: NodeId, item: NodeId, keyed: bool, depth: usize) -> Result<(), Failure> {
        let start = self.cursor.position();
        let at = |rejection| (id, Box::new(rejection));
        self.visitor.enter(id, start);
        let mut index = 0;
        loop {
            let block = self.cursor.position();
            let count = self.cursor.long().map_err(at)?;
            if count == 0 {
                break;
            }
            let stated = if count < 0 { Some(self.cursor.long().map_err(at)?) } else { None };
            let count = count.unsigned_abs();
            let left = self.cursor.left() as u64;
            // Items take at least a byte each, except for those of no bytes, which are counted below.
            if count > left + MAX_EMPTY_VALUES {
                let what = format!("a list of {count} items where {left} bytes are left");
                return Err(at(Rejection::new(Reason::BadLength, what).at(block)));
            }
            let first = self.cursor.position();
            for _ in 0..count {
                let before = self.cursor.position();
                if keyed {
                    let key = self.cursor.counted().map_err(at)?;
                    let key = std::str::from_utf8(key)
                        .map_err(|_| at(Rejection::new(Reason::BadValue, "a key that is not UTF-8").at(before)))?;
                    self.visitor.element(id, index, Some(key), before);
                } else {
                    self.visitor.element(id, index, None, before);
                }
                self.value(item, depth + 1)?;
                if self.cursor.position() == before {
                    // An item without lists and unions holds at most as many values as its schema has places.
                    self.empty_values += self.schema.len() as u64;
                    if self.empty_values > MAX_EMPTY_VALUES {
                        let what = format!("a list of {count} items of no bytes");
                        return Err(at(Rejection::new(Reason::BadLength, what).at(block)));
                    }
                }
                index += 1;
            }
            let length = self.cursor.position() - first;
            if stated.is_some_and(|s| usize::try_from(s) != Ok(length)) {
                let what = format!("a block of {length} bytes that says {} of itself", stated.unwrap_or_default());
                return Err(at(Rejection::new(Reason::BadLength, what).at(block)));
            }
        }
        self.visitor.leave(id, start..self.cursor.position());
        Ok(())
    }

    fn fail(&self, id: NodeId, reason: Reason, detail: String) -> Failure {
        (id, Box::new(Rejection::new(reason, detail).at(self.cursor.position())))
    }
}
