//! A notation for the structure of a schema: a line per field, and no prose.
//!
//! The surveys' own schema files come with descriptions under licences that forbid copying them. Names, types, order,
//! defaults and units are facts; this notation holds those and nothing else:
//!
//! ```text
//! # A comment runs to the end of its line.
//! schema lsst.v11_1.alert id 1101
//!
//! record alert
//!   diaSourceId    long
//!   diaSource      diaSource
//!   prvDiaSources  [diaSource]?
//!
//! record diaSource
//!   midpointMjdTai  double  d
//!   exposureTime    float?  s
//! ```
//!
//! - `schema` names the datum, in full, and its id in the survey's registry if it has one.
//! - `record` begins a record; its full name has the prefix of the datum's (`lsst.v11_1.diaSource`). The first record
//!   is the datum and has its name.
//! - An indented line is a field: name, type and, to the end of the line, its physical unit.
//! - A type is an Avro primitive, a logical type (`timestamp-micros`), a record of the file, which may stand before or
//!   after, or `[T]`, an array. `T?` is a union of null and `T`; a field of such a type is null by default.
//!
//! Enums, maps, fixed, records that hold themselves and other defaults have no notation: no definition here needs one.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

/// Avro's primitives except `null`, which the notation writes as `?`.
const PRIMITIVES: [&str; 7] = ["boolean", "int", "long", "float", "double", "bytes", "string"];
/// Logical types, each with the one primitive that Avro lets it stand on.
const LOGICAL: [(&str, &str); 2] = [("timestamp-millis", "long"), ("timestamp-micros", "long")];
/// Arrays and records inside each other. A record takes four levels of JSON, and `serde_json` reads no more than 128.
const MAX_DEPTH: usize = 16;

const SCHEMA_LINE: &str = "`schema` and a dotted name, then `id` and a whole number if the survey registered it";
const RECORD_LINE: &str = "`record` and a name of letters, digits and `_`";
const FIELD_LINE: &str = "a name of letters, digits and `_`, a type, and a unit if there is one";
const TYPE: &str = "a name, `[T]` for an array or `T?` for a value that may be null";
const MARGIN: &str = "`schema` or `record` at the margin, or indent the line to make it a field";

/// What a definition in the compact notation says.
#[derive(Debug, Clone, PartialEq)]
pub struct CompactSchema {
    /// The full name of the outermost record (`lsst.v11_1.alert`).
    pub name: String,
    /// Its id in the survey's schema registry.
    pub registry_id: Option<u32>,
    /// The Avro schema: every record declared where it is first used and referred to by its full name after that,
    /// the unit of a field as its attribute `unit`.
    pub json: Value,
}

/// Why a text is not a definition in the compact notation. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CompactError {
    /// A line, or a part of it, that has another form than its place asks for.
    #[error("line {line}: cannot read `{found}`; write {wanted}")]
    Malformed {
        /// Where.
        line: usize,
        /// What stands there.
        found: String,
        /// What may stand there.
        wanted: &'static str,
    },
    /// The text ends before it has said what it must.
    #[error("line {line}: the text ends too early; add {wanted}")]
    Incomplete {
        /// The last line.
        line: usize,
        /// What is missing.
        wanted: &'static str,
    },
    /// A name that is taken: a field of the same record, a record of the same file or an Avro type.
    #[error("line {line}: the name `{name}` is taken {by}; choose another or remove this line")]
    Taken {
        /// Where it stands for the second time.
        line: usize,
        /// The name.
        name: String,
        /// What has it already.
        by: String,
    },
    /// A type that is neither Avro's nor a record of the file.
    #[error(
        "line {line}: `{name}` is neither an Avro type nor a record of this file; correct it or add `record {name}`"
    )]
    UnknownType {
        /// Where it is asked for.
        line: usize,
        /// The name.
        name: String,
    },
    /// The first record is not the one that the `schema` line names.
    #[error(
        "line {line}: the first record is `{found}`; begin with `record {wanted}`, which the schema is named after"
    )]
    FirstRecord {
        /// Where the first record begins.
        line: usize,
        /// Its name.
        found: String,
        /// The last part of the schema's name.
        wanted: String,
    },
    /// A record without a field.
    #[error("line {line}: the record `{name}` has no fields; add one below it or remove it")]
    EmptyRecord {
        /// Where it begins.
        line: usize,
        /// Its name.
        name: String,
    },
    /// A record that no field asks for, which the Avro form has no place for.
    #[error("line {line}: no field holds the record `{name}`; refer to it or remove it")]
    UnusedRecord {
        /// Where it begins.
        line: usize,
        /// Its name.
        name: String,
    },
    /// A record that holds itself, which no set of columns can show.
    #[error("line {line}: this field makes the record `{name}` hold itself; give it another type")]
    Recursive {
        /// The field that closes the circle.
        line: usize,
        /// The record.
        name: String,
    },
    /// Nesting that other readers of the Avro form would refuse.
    #[error("line {line}: arrays and records are nested more than {MAX_DEPTH} deep; make the schema flatter")]
    TooDeep {
        /// The field that goes too far.
        line: usize,
    },
}

/// Reads a definition in the compact notation.
///
/// # Errors
/// When a line has the wrong form or the records do not fit together; the error names the line and what to do there.
pub fn parse(text: &str) -> Result<CompactSchema, CompactError> {
    let source = Source::read(text)?;
    let mut layout = Layout { source: &source, places: vec![Place::Unused; source.records.len()] };
    let json = layout.record(0, source.line, 0)?;
    for (record, place) in source.records.iter().zip(&layout.places) {
        if *place == Place::Unused {
            return Err(CompactError::UnusedRecord { line: record.line, name: record.name.to_owned() });
        }
    }
    Ok(CompactSchema { name: source.name.to_owned(), registry_id: source.registry_id, json })
}

/// The text as it stands, with records in its order and references unresolved.
struct Source<'a> {
    line: usize,
    name: &'a str,
    registry_id: Option<u32>,
    records: Vec<Record<'a>>,
}

struct Record<'a> {
    line: usize,
    name: &'a str,
    fields: Vec<Field<'a>>,
}

struct Field<'a> {
    line: usize,
    name: &'a str,
    kind: Type<'a>,
    unit: &'a str,
}

enum Type<'a> {
    Named(&'a str),
    Array(Box<Type<'a>>),
    Nullable(Box<Type<'a>>),
}

impl<'a> Source<'a> {
    fn read(text: &'a str) -> Result<Self, CompactError> {
        let mut head: Option<Self> = None;
        let mut line = 0;
        for written in text.lines() {
            line += 1;
            let (content, _) = written.split_once('#').unwrap_or((written, ""));
            let content = content.trim_end();
            if content.is_empty() {
                continue;
            }
            match &mut head {
                None => head = Some(Self::schema_line(line, content)?),
                Some(head) if content.starts_with(char::is_whitespace) => head.field(line, content.trim_start())?,
                Some(head) => head.margin(line, content)?,
            }
        }
        let line = line.max(1);
        let source = head.ok_or(CompactError::Incomplete { line, wanted: SCHEMA_LINE })?;
        source.check_records(line)?;
        Ok(source)
    }

    fn schema_line(line: usize, content: &'a str) -> Result<Self, CompactError> {
        if content.starts_with(char::is_whitespace) {
            return Err(malformed(line, content.trim_start(), SCHEMA_LINE));
        }
        let words: Vec<&str> = content.split_whitespace().collect();
        let (name, registry_id) = match words[..] {
            ["schema", name] => (name, None),
            ["schema", name, "id", id] => (name, Some(id.parse().map_err(|_| malformed(line, id, SCHEMA_LINE))?)),
            _ => return Err(malformed(line, content, SCHEMA_LINE)),
        };
        if !name.split('.').all(is_name) {
            return Err(malformed(line, name, SCHEMA_LINE));
        }
        Ok(Self { line, name, registry_id, records: Vec::new() })
    }

    fn margin(&mut self, line: usize, content: &'a str) -> Result<(), CompactError> {
        let (keyword, rest) = word(content);
        match keyword {
            "record" if is_name(rest) => {
                if let Some(first) = self.records.iter().find(|r| r.name == rest) {
                    return Err(taken(line, rest, format!("by a record on line {}", first.line)));
                }
                if rest == "null" || PRIMITIVES.contains(&rest) {
                    return Err(taken(line, rest, "by an Avro type".to_owned()));
                }
                self.records.push(Record { line, name: rest, fields: Vec::new() });
                Ok(())
            }
            "record" => Err(malformed(line, content, RECORD_LINE)),
            "schema" => Err(malformed(line, content, "one `schema` line only, above all others")),
            _ => Err(malformed(line, content, MARGIN)),
        }
    }

    fn field(&mut self, line: usize, content: &'a str) -> Result<(), CompactError> {
        let Some(record) = self.records.last_mut() else {
            return Err(malformed(line, content, "`record` and a name above the first field"));
        };
        let (name, rest) = word(content);
        let (kind, unit) = word(rest);
        if !is_name(name) || kind.is_empty() {
            return Err(malformed(line, content, FIELD_LINE));
        }
        if let Some(first) = record.fields.iter().find(|f| f.name == name) {
            return Err(taken(line, name, format!("by a field on line {}", first.line)));
        }
        let kind = Type::read(line, kind, 0)?;
        record.fields.push(Field { line, name, kind, unit });
        Ok(())
    }

    fn check_records(&self, last_line: usize) -> Result<(), CompactError> {
        let first = self.records.first().ok_or(CompactError::Incomplete { line: last_line, wanted: RECORD_LINE })?;
        let wanted = self.name.rsplit('.').next().unwrap_or(self.name);
        if first.name != wanted {
            let (found, wanted) = (first.name.to_owned(), wanted.to_owned());
            return Err(CompactError::FirstRecord { line: first.line, found, wanted });
        }
        match self.records.iter().find(|r| r.fields.is_empty()) {
            Some(empty) => Err(CompactError::EmptyRecord { line: empty.line, name: empty.name.to_owned() }),
            None => Ok(()),
        }
    }

    fn full_name(&self, record: &str) -> String {
        match self.name.rsplit_once('.') {
            Some((prefix, _)) => format!("{prefix}.{record}"),
            None => record.to_owned(),
        }
    }
}

impl<'a> Type<'a> {
    fn read(line: usize, text: &'a str, depth: usize) -> Result<Self, CompactError> {
        if depth > MAX_DEPTH {
            return Err(CompactError::TooDeep { line });
        }
        if let Some(inner) = text.strip_suffix('?') {
            // A union cannot hold a union.
            if inner.ends_with('?') {
                return Err(malformed(line, text, TYPE));
            }
            return Ok(Self::Nullable(Box::new(Self::read(line, inner, depth)?)));
        }
        if let Some(items) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
            return Ok(Self::Array(Box::new(Self::read(line, items, depth + 1)?)));
        }
        if text == "null" || !is_name(text) && logical(text).is_none() {
            return Err(malformed(line, text, TYPE));
        }
        Ok(Self::Named(text))
    }
}

/// How far a record has come on its way into the Avro form.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Unused,
    Open,
    Declared,
}

/// From records in the order of the text to records nested where they are first used.
struct Layout<'a> {
    source: &'a Source<'a>,
    places: Vec<Place>,
}

impl Layout<'_> {
    /// The declaration of a record the first time, its full name after that. `line` is the field that asks for it.
    fn record(&mut self, index: usize, line: usize, depth: usize) -> Result<Value, CompactError> {
        let source = self.source;
        let record = &source.records[index];
        let full_name = source.full_name(record.name);
        match self.places[index] {
            Place::Declared => return Ok(Value::String(full_name)),
            Place::Open => return Err(CompactError::Recursive { line, name: record.name.to_owned() }),
            Place::Unused => self.places[index] = Place::Open,
        }
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            fields.push(self.field(field, depth)?);
        }
        self.places[index] = Place::Declared;
        Ok(json!({"type": "record", "name": full_name, "fields": fields}))
    }

    fn field(&mut self, field: &Field<'_>, depth: usize) -> Result<Value, CompactError> {
        let mut json = Map::new();
        json.insert("name".to_owned(), field.name.into());
        json.insert("type".to_owned(), self.kind(&field.kind, field.line, depth + 1)?);
        if matches!(field.kind, Type::Nullable(_)) {
            json.insert("default".to_owned(), Value::Null);
        }
        if !field.unit.is_empty() {
            json.insert("unit".to_owned(), field.unit.into());
        }
        Ok(Value::Object(json))
    }

    fn kind(&mut self, kind: &Type<'_>, line: usize, depth: usize) -> Result<Value, CompactError> {
        if depth > MAX_DEPTH {
            return Err(CompactError::TooDeep { line });
        }
        match kind {
            Type::Nullable(inner) => Ok(json!(["null", self.kind(inner, line, depth)?])),
            Type::Array(items) => Ok(json!({"type": "array", "items": self.kind(items, line, depth + 1)?})),
            Type::Named(name) if PRIMITIVES.contains(name) => Ok(Value::from(*name)),
            Type::Named(name) => {
                if let Some(primitive) = logical(name) {
                    return Ok(json!({"type": primitive, "logicalType": name}));
                }
                match self.source.records.iter().position(|r| r.name == *name) {
                    Some(index) => self.record(index, line, depth),
                    None => Err(CompactError::UnknownType { line, name: (*name).to_owned() }),
                }
            }
        }
    }
}

/// The primitive below a logical type.
fn logical(name: &str) -> Option<&'static str> {
    LOGICAL.iter().find(|(logical, _)| *logical == name).map(|(_, primitive)| *primitive)
}

/// What Avro accepts as a name without dots.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The first word and what follows it.
fn word(text: &str) -> (&str, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (first, rest.trim_start())
}

fn malformed(line: usize, found: &str, wanted: &'static str) -> CompactError {
    CompactError::Malformed { line, found: found.to_owned(), wanted }
}

fn taken(line: usize, name: &str, by: String) -> CompactError {
    CompactError::Taken { line, name: name.to_owned(), by }
}
