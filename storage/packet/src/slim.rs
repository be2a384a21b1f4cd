//! Packets with less in them: chosen fields of a datum, as the datum of a schema that has no others.
//!
//! Values are copied as they were written, in the writer's order; nothing is converted.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::cursor::{Cursor, put_long};
use crate::reason::{Reason, Rejection};
use crate::schema::{NodeId, Schema, SchemaError, Shape};

/// What becomes of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// It is left out.
    Nothing,
    /// Some of what is in it.
    Some,
    /// All of it.
    All,
}

/// Chosen fields of one writer schema.
///
/// ```
/// use std::sync::Arc;
///
/// use noctuary_packet::schema::Schema;
/// use noctuary_packet::slim::Slim;
///
/// let text = r#"{"type":"record","name":"alert","fields":[{"name":"id","type":"long"},{"name":"flux","type":"float"}]}"#;
/// let slim = Slim::new(&Arc::new(Schema::parse(text)?), &["id".to_owned()])?.expect("the schema has an id");
/// assert_eq!(slim.datum(&[14, 0, 0, 128, 63])?, [14]);
/// assert_eq!(slim.schema().fields().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Slim {
    writer: Arc<Schema>,
    schema: Arc<Schema>,
    keep: Box<[Keep]>,
}

impl Slim {
    /// Chooses fields by their paths (`diaSource.psfFlux`; `prvDiaSources.ra` is that of every element; a record or
    /// list is kept with all that it holds). `None` if the schema has none of them.
    ///
    /// # Errors
    /// When the schema contains itself, or has no name for what is left, which would be a fault of this program.
    pub fn new(writer: &Arc<Schema>, fields: &[String]) -> Result<Option<Self>, SchemaError> {
        let mut keep = vec![Keep::Nothing; writer.len()];
        if writer.is_recursive() {
            return Ok(None);
        }
        let mut any = false;
        for field in fields {
            let path: Vec<&str> = field.split('.').collect();
            any |= choose(writer, NodeId::ROOT, &path, &mut keep);
        }
        if !any {
            return Ok(None);
        }
        let mut names = Vec::new();
        let mut json = emit(writer, NodeId::ROOT, &keep, &mut names);
        if let (Value::Object(root), Some(version)) = (&mut json, writer.version()) {
            root.insert("version".into(), version.into());
        }
        let schema = Arc::new(Schema::parse(&json.to_string())?);
        Ok(Some(Self { writer: Arc::clone(writer), schema, keep: keep.into() }))
    }

    /// True if a schema has what a path names.
    #[must_use]
    pub fn has(schema: &Schema, field: &str) -> bool {
        let path: Vec<&str> = field.split('.').collect();
        choose(schema, NodeId::ROOT, &path, &mut vec![Keep::Nothing; schema.len()])
    }

    /// The schema of what is left.
    #[must_use]
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// True if lists or bytes are kept: what packets may share with others.
    #[must_use]
    pub fn keeps_lists_or_bytes(&self) -> bool {
        (0..).map(NodeId).zip(&self.keep).any(|(id, keep)| {
            *keep != Keep::Nothing && matches!(self.writer.node(id).shape, Shape::Array(_) | Shape::Bytes)
        })
    }

    /// What is kept of a datum of the writer schema.
    ///
    /// # Errors
    /// As [`walk`](crate::walk::walk), if it is not one.
    pub fn datum(&self, datum: &[u8]) -> Result<Vec<u8>, Rejection> {
        let mut copy = Copy { slim: self, cursor: Cursor::new(datum), datum, out: Vec::with_capacity(256) };
        copy.value(NodeId::ROOT).map_err(|e| e.under(self.writer.label()))?;
        Ok(copy.out)
    }
}

/// Marks what a path names below a node; false if there is nothing.
fn choose(schema: &Schema, at: NodeId, path: &[&str], keep: &mut [Keep]) -> bool {
    let Some((name, rest)) = path.split_first() else {
        all(schema, at, keep);
        return true;
    };
    let found = match &schema.node(at).shape {
        Shape::Record(fields) => {
            fields.iter().find(|f| &*f.name == *name).is_some_and(|f| choose(schema, f.node, rest, keep))
        }
        Shape::Array(item) => choose(schema, *item, path, keep),
        Shape::Union(branches) => {
            let mut found = false;
            for branch in branches {
                found |= choose(schema, *branch, path, keep);
            }
            if found {
                // The other branches are values that the place can have.
                for branch in branches.iter().filter(|b| keep[b.index()] == Keep::Nothing).collect::<Vec<_>>() {
                    all(schema, *branch, keep);
                }
            }
            found
        }
        _ => false,
    };
    if found && keep[at.index()] == Keep::Nothing {
        keep[at.index()] = Keep::Some;
    }
    found
}

fn all(schema: &Schema, at: NodeId, keep: &mut [Keep]) {
    keep[at.index()] = Keep::All;
    match &schema.node(at).shape {
        Shape::Record(fields) => fields.iter().for_each(|f| all(schema, f.node, keep)),
        Shape::Array(item) | Shape::Map(item) => all(schema, *item, keep),
        Shape::Union(branches) => branches.iter().for_each(|b| all(schema, *b, keep)),
        _ => {}
    }
}

/// The schema of what is kept. Every record gets a name of its own: the writer may have used one at several places, of
/// which different fields are kept.
fn emit(schema: &Schema, id: NodeId, keep: &[Keep], names: &mut Vec<String>) -> Value {
    let node = schema.node(id);
    let primitive = |name: &str| match &node.logical {
        Some(logical) => json!({"type": name, "logicalType": **logical}),
        None => json!(name),
    };
    match &node.shape {
        Shape::Null => json!("null"),
        Shape::Boolean => json!("boolean"),
        Shape::Int => primitive("int"),
        Shape::Long => primitive("long"),
        Shape::Float => json!("float"),
        Shape::Double => json!("double"),
        Shape::Bytes => json!("bytes"),
        Shape::String => json!("string"),
        Shape::Fixed(size) => json!({"type": "fixed", "name": name(schema, id, names), "size": size}),
        Shape::Enum(symbols) => {
            let symbols: Vec<&str> = symbols.iter().map(|s| &**s).collect();
            json!({"type": "enum", "name": name(schema, id, names), "symbols": symbols})
        }
        Shape::Array(item) => json!({"type": "array", "items": emit(schema, *item, keep, names)}),
        Shape::Map(value) => json!({"type": "map", "values": emit(schema, *value, keep, names)}),
        Shape::Union(branches) => branches.iter().map(|b| emit(schema, *b, keep, names)).collect(),
        Shape::Record(fields) => {
            let own = name(schema, id, names);
            let mut kept = Vec::new();
            for field in fields.iter().filter(|f| keep[f.node.index()] != Keep::Nothing) {
                let mut value = json!({"name": &*field.name, "type": emit(schema, field.node, keep, names)});
                if let Value::Object(value) = &mut value {
                    value.extend(field.doc.as_deref().map(|doc| ("doc".to_owned(), doc.into())));
                    value.extend(field.unit.as_deref().map(|unit| ("unit".to_owned(), unit.into())));
                    let whole = keep[field.node.index()] == Keep::All;
                    value.extend(field.default.clone().filter(|_| whole).map(|v| ("default".to_owned(), v)));
                }
                kept.push(value);
            }
            let mut record = json!({"type": "record", "name": own, "fields": kept});
            if let (Value::Object(record), NodeId::ROOT) = (&mut record, id) {
                record.insert("namespace".into(), "noctuary.slim".into());
            }
            record
        }
        // Schemas that contain themselves are not taken.
        Shape::Recursion(_) => json!("null"),
    }
}

/// A name for a type: the path of its place.
fn name(schema: &Schema, id: NodeId, names: &mut Vec<String>) -> String {
    let path = &schema.node(id).path;
    let path = if path.is_empty() { schema.name().rsplit('.').next().unwrap_or("alert") } else { path };
    let mut name: String = path.replace("[]", "_item").replace("{}", "_value");
    name.retain(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    let mut name = name.replace('.', "_");
    if names.contains(&name) || !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        name = format!("{name}_{}", id.index());
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert(0, '_');
        }
    }
    names.push(name.clone());
    name
}

struct Copy<'s, 'd> {
    slim: &'s Slim,
    cursor: Cursor<'d>,
    datum: &'d [u8],
    out: Vec<u8>,
}

impl Copy<'_, '_> {
    /// Copies what is kept of the value at the cursor, which stands behind it then.
    fn value(&mut self, id: NodeId) -> Result<(), Rejection> {
        let slim = self.slim;
        match (slim.keep[id.index()], &slim.writer.node(id).shape) {
            (Keep::Nothing, _) => self.pass(id),
            (Keep::Some, Shape::Record(fields)) => fields.iter().try_for_each(|field| self.value(field.node)),
            (Keep::Some, Shape::Union(branches)) => {
                let index = self.cursor.long()?;
                put_long(&mut self.out, index);
                let branch = branch(branches, index)?;
                self.value(branch)
            }
            (Keep::Some, Shape::Array(item)) => loop {
                let count = self.block()?;
                put_long(&mut self.out, count);
                if count == 0 {
                    return Ok(());
                }
                for _ in 0..count {
                    self.value(*item)?;
                }
            },
            _ => {
                let from = self.cursor.position();
                self.pass(id)?;
                self.out.extend_from_slice(&self.datum[from..self.cursor.position()]);
                Ok(())
            }
        }
    }

    /// The number of items in the block that begins here.
    fn block(&mut self) -> Result<i64, Rejection> {
        let count = self.cursor.long()?;
        if count < 0 {
            self.cursor.long()?;
        }
        i64::try_from(count.unsigned_abs())
            .map_err(|_| Rejection::new(Reason::BadLength, "a list of more items than there are numbers"))
    }

    /// Passes over a value.
    fn pass(&mut self, id: NodeId) -> Result<(), Rejection> {
        match &self.slim.writer.node(id).shape {
            Shape::Null | Shape::Recursion(_) => {}
            Shape::Boolean => {
                self.cursor.take(1)?;
            }
            Shape::Int | Shape::Long | Shape::Enum(_) => {
                self.cursor.long()?;
            }
            Shape::Float => {
                self.cursor.take(4)?;
            }
            Shape::Double => {
                self.cursor.take(8)?;
            }
            Shape::Bytes | Shape::String => {
                self.cursor.counted()?;
            }
            Shape::Fixed(size) => {
                self.cursor.take(*size)?;
            }
            Shape::Array(item) | Shape::Map(item) => {
                let keyed = matches!(self.slim.writer.node(id).shape, Shape::Map(_));
                loop {
                    let count = self.block()?;
                    if count == 0 {
                        break;
                    }
                    for _ in 0..count {
                        if keyed {
                            self.cursor.counted()?;
                        }
                        self.pass(*item)?;
                    }
                }
            }
            Shape::Union(branches) => {
                let index = self.cursor.long()?;
                let branch = branch(branches, index)?;
                self.pass(branch)?;
            }
            Shape::Record(fields) => fields.iter().try_for_each(|field| self.pass(field.node))?,
        }
        Ok(())
    }
}

fn branch(branches: &[NodeId], index: i64) -> Result<NodeId, Rejection> {
    let branch = usize::try_from(index).ok().and_then(|index| branches.get(index)).copied();
    branch.ok_or_else(|| Rejection::new(Reason::UnionIndex, format!("branch {index} of a union of {}", branches.len())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::to_json;

    const WRITER: &str = r#"{"type":"record","name":"a.b.alert","version":"3.1","fields":[
        {"name":"id","type":"long","doc":"its id"},
        {"name":"trigger","type":{"type":"record","name":"source","fields":[
            {"name":"flux","type":"float"},{"name":"band","type":["null","string"]}]}},
        {"name":"history","type":["null",{"type":"array","items":"source"}]},
        {"name":"image","type":["null","bytes"]},
        {"name":"kind","type":{"type":"enum","name":"kind","symbols":["x","y"]}}]}"#;

    /// Id 7, a trigger of flux 1 in band g, two of history (one in two blocks with a size), three bytes, kind y.
    fn datum() -> Vec<u8> {
        let mut datum = vec![14];
        let source = |flux: f32, band: Option<u8>, out: &mut Vec<u8>| {
            out.extend(flux.to_le_bytes());
            match band {
                Some(band) => out.extend([2, 2, band]),
                None => out.push(0),
            }
        };
        source(1.0, Some(b'g'), &mut datum);
        datum.push(2);
        // A block of one item that says its size, seven bytes, and one that does not.
        datum.extend([1, 14]);
        source(2.0, Some(b'r'), &mut datum);
        datum.push(2);
        source(3.0, None, &mut datum);
        datum.push(0);
        datum.extend([2, 6, 1, 2, 3]);
        datum.push(2);
        datum
    }

    fn shown(fields: &[&str]) -> Value {
        let writer = Arc::new(Schema::parse(WRITER).unwrap());
        let fields: Vec<String> = fields.iter().map(|f| (*f).to_owned()).collect();
        let slim = Slim::new(&writer, &fields).unwrap().unwrap();
        to_json(slim.schema(), &slim.datum(&datum()).unwrap()).unwrap()
    }

    #[test]
    fn what_is_kept_is_what_was_there() {
        let writer = Schema::parse(WRITER).unwrap();
        let whole = to_json(&writer, &datum()).unwrap();
        assert_eq!(shown(&["id", "trigger", "history", "image", "kind"]), whole);
        assert_eq!(shown(&["id"]), json!({"id": 7}));
        assert_eq!(shown(&["kind", "trigger.flux"]), json!({"trigger": {"flux": 1.0}, "kind": "y"}));
        assert_eq!(shown(&["history.band"]), json!({"history": [{"band": "r"}, {"band": null}]}));
        // The writer has one name for both records, of which different fields are kept.
        assert_eq!(
            shown(&["history.flux", "trigger"]),
            json!({"trigger": {"flux": 1.0, "band": "g"}, "history": [{"flux": 2.0}, {"flux": 3.0}]})
        );
    }

    #[test]
    fn schemas_say_what_they_are() {
        let writer = Arc::new(Schema::parse(WRITER).unwrap());
        let slim = |field: &str| Slim::new(&writer, &[field.to_owned()]).unwrap();
        let id = slim("id").unwrap();
        assert_eq!((id.schema().name(), id.schema().version()), ("noctuary.slim.alert", Some("3.1")));
        assert_eq!(id.schema().fields()[0].doc.as_deref(), Some("its id"));
        assert!(!id.keeps_lists_or_bytes() && !slim("trigger.band").unwrap().keeps_lists_or_bytes());
        assert!(slim("history.flux").unwrap().keeps_lists_or_bytes() && slim("image").unwrap().keeps_lists_or_bytes());
        for nothing in ["", "ID", "trigger.", "trigger.flux.x", "other"] {
            assert!(slim(nothing).is_none() && !Slim::has(&writer, nothing), "{nothing}");
        }
    }

    #[test]
    fn what_is_no_datum_is_refused() {
        let writer = Arc::new(Schema::parse(WRITER).unwrap());
        let slim = Slim::new(&writer, &["kind".to_owned()]).unwrap().unwrap();
        let whole = datum();
        for end in 0..whole.len() {
            assert!(slim.datum(&whole[..end]).is_err(), "{end}");
        }
    }
}
