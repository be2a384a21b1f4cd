//! One set of columns for all writer schemas of a survey.
//!
//! Records are merged field by field, the newest schema's order first, what only older ones have after it. A field
//! whose type grew without loss (int to long, float to double) has the larger type. A field that changed its type
//! otherwise becomes two columns: the newest keeps the name, the older is `name_type` (`flags_string`), so that no
//! version's values are converted away.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields};

/// A column, or a field of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// Its name in SQL.
    pub(crate) name: String,
    /// Its name in the files.
    pub(crate) stored: String,
    /// What it holds.
    pub(crate) kind: Kind,
    /// Which schemas have it, by their position among those merged.
    pub(crate) schemas: Vec<usize>,
}

/// What a place holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A value, or something that is taken as a whole.
    Value(DataType),
    /// Fields.
    Record(Vec<Place>),
    /// Elements of one kind.
    List(Box<Kind>),
}

impl Place {
    /// The Arrow field.
    pub(crate) fn field(&self) -> Field {
        Field::new(&self.name, self.kind.data_type(), true)
    }
}

impl Kind {
    /// The kind of a file's column, all of it as schema number `schema` has it.
    fn of(data_type: &DataType, schema: usize) -> Self {
        match data_type {
            DataType::Struct(fields) => Self::Record(places(fields, schema)),
            DataType::List(item) => Self::List(Box::new(Self::of(item.data_type(), schema))),
            other => Self::Value(other.clone()),
        }
    }

    /// The Arrow type.
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Value(data_type) => data_type.clone(),
            Self::Record(fields) => DataType::Struct(fields.iter().map(Place::field).collect()),
            Self::List(item) => DataType::List(Arc::new(Field::new("item", item.data_type(), true))),
        }
    }

    /// True if a file's column of this type holds values of this kind, to be widened at most.
    pub(crate) fn reads(&self, stored: &DataType) -> bool {
        match (self, stored) {
            (Self::Record(_), DataType::Struct(_)) => true,
            (Self::List(item), DataType::List(field)) => item.reads(field.data_type()),
            (Self::Value(own), stored) => wider(own, stored).as_ref() == Some(own),
            _ => false,
        }
    }

    /// The kind with just the fields of a narrower type, in its order; `None` if the type is no part of it.
    pub(crate) fn only(&self, wanted: &DataType) -> Option<Self> {
        match (self, wanted) {
            (Self::Record(places), DataType::Struct(fields)) => {
                let pick = |field: &FieldRef| {
                    let place = places.iter().find(|p| p.name == *field.name())?;
                    Some(Place { kind: place.kind.only(field.data_type())?, ..place.clone() })
                };
                Some(Self::Record(fields.iter().map(pick).collect::<Option<_>>()?))
            }
            (Self::List(item), DataType::List(field)) => Some(Self::List(Box::new(item.only(field.data_type())?))),
            (Self::Value(own), wanted) => (own == wanted).then(|| self.clone()),
            _ => None,
        }
    }

    /// The part of a file's type that this kind is read from; of a record at least one field, for its nulls.
    pub(crate) fn clip(&self, own: &DataType) -> DataType {
        match (self, own) {
            (Self::Record(places), DataType::Struct(fields)) => {
                let used = |field: &FieldRef| {
                    let place = places.iter().find(|p| p.stored == *field.name() && p.kind.reads(field.data_type()))?;
                    Some(Arc::new(field.as_ref().clone().with_data_type(place.kind.clip(field.data_type()))))
                };
                let mut kept: Vec<FieldRef> = fields.iter().filter_map(used).collect();
                if kept.is_empty() {
                    kept.extend(fields.iter().find(|f| !f.data_type().is_nested()).or(fields.first()).cloned());
                }
                DataType::Struct(kept.into())
            }
            (Self::List(item), DataType::List(field)) => {
                let inner = item.clip(field.data_type());
                DataType::List(Arc::new(field.as_ref().clone().with_data_type(inner)))
            }
            _ => own.clone(),
        }
    }

    fn fits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Record(_), Self::Record(_)) => true,
            (Self::List(a), Self::List(b)) => a.fits(b),
            (Self::Value(a), Self::Value(b)) => wider(a, b).is_some(),
            _ => false,
        }
    }

    fn join(&mut self, other: Self) {
        match (self, other) {
            (Self::Record(ours), Self::Record(theirs)) => merge(ours, theirs),
            (Self::List(ours), Self::List(theirs)) => ours.join(*theirs),
            (Self::Value(ours), Self::Value(theirs)) => {
                if let Some(wide) = wider(ours, &theirs) {
                    *ours = wide;
                }
            }
            _ => {}
        }
    }

    /// A word for it in the name of a column that changed its type.
    fn word(&self) -> &'static str {
        match self {
            Self::Record(_) => "record",
            Self::List(_) => "list",
            Self::Value(data_type) => word(data_type),
        }
    }
}

/// Columns of files written under schema number `schema`.
pub(crate) fn places(fields: &Fields, schema: usize) -> Vec<Place> {
    fields
        .iter()
        .map(|field| Place {
            name: field.name().clone(),
            stored: field.name().clone(),
            kind: Kind::of(field.data_type(), schema),
            schemas: vec![schema],
        })
        .collect()
}

/// Adds the columns of an older schema to those of newer ones.
pub(crate) fn merge(newer: &mut Vec<Place>, older: Vec<Place>) {
    for mut place in older {
        if let Some(same) = newer.iter_mut().find(|n| n.stored == place.stored && n.kind.fits(&place.kind)) {
            same.kind.join(place.kind);
            // Two records of one schema may have the same field.
            place.schemas.retain(|schema| !same.schemas.contains(schema));
            same.schemas.extend(place.schemas);
            continue;
        }
        let taken = |name: &str| newer.iter().any(|n| n.name == name);
        if taken(&place.name) {
            let base = format!("{}_{}", place.name, place.kind.word());
            let free = (2..).map(|n| format!("{base}{n}")).find(|name| !taken(name));
            place.name = if taken(&base) { free.unwrap_or(base) } else { base };
        }
        newer.push(place);
    }
}

/// The field of a file that holds a place's values.
pub(crate) fn stored<'f>(place: &Place, fields: &'f Fields) -> Option<(usize, &'f FieldRef)> {
    let (at, field) = fields.find(&place.stored)?;
    place.kind.reads(field.data_type()).then_some((at, field))
}

/// The type that holds the values of both without loss.
fn wider(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{Float32, Float64, Int32, Int64};
    match (a, b) {
        _ if a == b => Some(a.clone()),
        (Int32, Int64) | (Int64, Int32) => Some(Int64),
        (Float32 | Int32, Float64) | (Float64, Float32 | Int32) => Some(Float64),
        // A single has 24 bits for what an int needs 32 for.
        (Int32, Float32) | (Float32, Int32) => Some(Float64),
        _ => None,
    }
}

/// A type in one word, as `DESCRIBE` shows it.
pub(crate) fn word(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 | DataType::Int32 => "int",
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => "uint",
        DataType::Int64 => "long",
        DataType::Float16 | DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Timestamp(..) => "timestamp",
        DataType::Time32(_) | DataType::Time64(_) => "time",
        DataType::Map(..) => "map",
        DataType::Struct(_) => "record",
        DataType::List(_) | DataType::LargeList(_) => "list",
        DataType::Binary | DataType::LargeBinary | DataType::FixedSizeBinary(_) | DataType::BinaryView => "bytes",
        _ => "value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: Vec<(&str, DataType)>) -> Fields {
        fields.into_iter().map(|(name, t)| Field::new(name, t, true)).collect()
    }

    fn merged(newest_first: &[Fields]) -> Vec<Place> {
        let mut out = Vec::new();
        for (at, fields) in newest_first.iter().enumerate() {
            merge(&mut out, places(fields, at));
        }
        out
    }

    fn shown(places: &[Place]) -> Vec<String> {
        places.iter().map(|p| format!("{}<{} {}", p.name, p.stored, p.kind.data_type())).collect()
    }

    #[test]
    fn newest_order_first_and_lossless_widening() {
        let new = schema(vec![("b", DataType::Int64), ("a", DataType::Float32)]);
        let old = schema(vec![("a", DataType::Float64), ("gone", DataType::Utf8), ("b", DataType::Int32)]);
        let places = merged(&[new, old]);
        assert_eq!(shown(&places), ["b<b Int64", "a<a Float64", "gone<gone Utf8"]);
        assert_eq!(places[0].schemas, [0, 1]);
    }

    #[test]
    fn a_conflict_becomes_two_columns() {
        let newest = schema(vec![("flags", DataType::Int64)]);
        let middle = schema(vec![("flags", DataType::Utf8), ("flags_string", DataType::Boolean)]);
        let oldest = schema(vec![("flags", DataType::Int32)]);
        let places = merged(&[newest, middle, oldest]);
        assert_eq!(
            shown(&places),
            ["flags<flags Int64", "flags_string<flags Utf8", "flags_string_boolean<flags_string Boolean"]
        );
        assert_eq!(places[0].schemas, [0, 2]);
    }

    #[test]
    fn records_in_lists_are_merged_too() {
        let list = |fields| DataType::List(Arc::new(Field::new("item", DataType::Struct(fields), true)));
        let new = schema(vec![("h", list(schema(vec![("x", DataType::Float64), ("t", DataType::Float64)])))]);
        let old = schema(vec![("h", list(schema(vec![("t", DataType::Utf8), ("x", DataType::Float32)])))]);
        let places = merged(&[new, old.clone()]);
        let Kind::List(item) = &places[0].kind else { panic!("a list") };
        let Kind::Record(fields) = &**item else { panic!("of records") };
        assert_eq!(shown(fields), ["x<x Float64", "t<t Float64", "t_string<t Utf8"]);
        assert!(stored(&places[0], &old).is_some());
    }
}
