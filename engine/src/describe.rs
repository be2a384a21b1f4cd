//! What `DESCRIBE` says: every leaf with its type, unit, meaning, and the schemas that have it.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Fields, Schema as ArrowSchema};
use noctuary_packet::Columns;
use noctuary_packet::schema::{Field as PacketField, NodeId, Schema, Shape};
use noctuary_storage::tables::alert_keys;

use crate::catalog::ALERTS;
use crate::columns::AlertColumns;
use crate::error::Result;
use crate::meanings::MEANINGS;
use crate::merge::{Kind, Place, word};
use crate::records::{RecordColumns, shown_keys};

/// A column or leaf of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Described {
    /// Dotted path; `[]` stands for the elements of a list: `prvDiaSources[].ra`.
    pub(crate) column: String,
    /// `long`, `double`, `string`, `timestamp`, ...
    pub(crate) data_type: String,
    /// Physical unit, where one is stated.
    pub(crate) unit: Option<String>,
    /// What it means, where it is stated.
    pub(crate) description: Option<String>,
    /// Versions of the writer schema that have it, newest first; `None` for columns of the archive itself.
    pub(crate) schemas: Option<String>,
}

/// The columns of a survey's alerts.
pub(crate) fn alerts(columns: &AlertColumns) -> Vec<Described> {
    table(ALERTS, &alert_keys(columns.ids), packets(columns).fields(&columns.places))
}

/// One column of a survey's alerts; `None` if it has fields of its own.
pub(crate) fn alert_column(columns: &AlertColumns, place: &Place) -> Option<Described> {
    let Kind::Value(data_type) = &place.kind else { return None };
    Some(packets(columns).leaf(place, &[&place.stored], place.name.clone(), data_type))
}

fn packets(columns: &AlertColumns) -> Origin<'_> {
    Origin { schemas: &columns.schemas, records: vec![vec![NodeId::ROOT]; columns.schemas.len()] }
}

/// The columns of a survey's records of a kind.
pub(crate) fn records(name: &str, alerts: &AlertColumns, columns: &RecordColumns) -> Vec<Described> {
    let origin = Origin { schemas: &alerts.schemas, records: columns.records.clone() };
    table(name, &shown_keys(alerts.ids), origin.fields(&columns.places))
}

/// The columns of a table of a survey: keys, what packets hold, and the commit.
pub(crate) fn table(name: &str, keys: &Fields, own: Vec<Described>) -> Vec<Described> {
    let commit = Fields::from(vec![AlertColumns::commit_field()]);
    plain(name, keys).into_iter().chain(own).chain(plain(name, &commit)).collect()
}

/// The columns that the archive itself gives a table.
pub(crate) fn plain(table: &str, fields: &Fields) -> Vec<Described> {
    let describe = |field: &Arc<Field>| {
        let of = |name: &str| MEANINGS.iter().find(|(known, _, _)| *known == name);
        let known = of(&format!("{table}.{}", field.name())).or_else(|| of(field.name()));
        Described {
            column: field.name().clone(),
            data_type: word(field.data_type()).to_owned(),
            unit: known.and_then(|(_, unit, _)| (!unit.is_empty()).then(|| (*unit).to_owned())),
            description: known.map(|(_, _, text)| (*text).to_owned()),
            schemas: None,
        }
    };
    fields.iter().map(describe).collect()
}

/// Where it is written down what fields are.
#[derive(Debug)]
pub(crate) struct Origin<'s> {
    /// The schemas that were merged.
    pub(crate) schemas: &'s [Arc<Schema>],
    /// In each of them, the records that columns are fields of.
    pub(crate) records: Vec<Vec<NodeId>>,
}

impl Origin<'_> {
    /// Every leaf of some columns.
    pub(crate) fn fields(&self, places: &[Place]) -> Vec<Described> {
        let mut out = Vec::new();
        for place in places {
            self.leaves(place, &mut Vec::new(), "", &mut out);
        }
        out
    }

    fn leaves<'p>(&self, place: &'p Place, stored: &mut Vec<&'p str>, prefix: &str, out: &mut Vec<Described>) {
        stored.push(&place.stored);
        let mut path = format!("{prefix}{}", place.name);
        let mut kind = &place.kind;
        while let Kind::List(item) = kind {
            path.push_str("[]");
            kind = item;
        }
        match kind {
            Kind::Record(fields) => {
                let prefix = format!("{path}.");
                for field in fields {
                    self.leaves(field, stored, &prefix, out);
                }
            }
            Kind::Value(data_type) => out.push(self.leaf(place, stored, path, data_type)),
            Kind::List(_) => {}
        }
        stored.pop();
    }

    fn leaf(&self, place: &Place, stored: &[&str], path: String, data_type: &DataType) -> Described {
        let having = || place.schemas.iter().filter_map(|at| Some((self.schemas.get(*at)?, self.records.get(*at)?)));
        let fields =
            || having().filter_map(|(schema, records)| records.iter().find_map(|record| find(schema, *record, stored)));
        let versions: Vec<String> =
            having().map(|(s, _)| s.version().map_or_else(|| s.fingerprint().short(), str::to_owned)).collect();
        Described {
            column: path,
            data_type: word(data_type).to_owned(),
            unit: fields().find_map(|f| f.unit.as_deref()).map(str::to_owned),
            description: fields().find_map(|f| f.doc.as_deref()).map(str::to_owned),
            schemas: Some(versions.join(", ")),
        }
    }
}

/// The field of a record whose column is found at a path.
fn find<'s>(schema: &'s Schema, root: NodeId, path: &[&str]) -> Option<&'s PacketField> {
    let (first, inner) = path.split_first()?;
    let record = |at: NodeId| -> &'s [PacketField] {
        let mut at = schema.unwrap_nullable(at).0;
        while let Shape::Array(item) = schema.node(at).shape {
            at = schema.unwrap_nullable(item).0;
        }
        match &schema.node(at).shape {
            Shape::Record(fields) => fields,
            _ => &[],
        }
    };
    let mut field = record(root).iter().find(|f| Columns::path(&f.name) == *first)?;
    for name in inner {
        field = record(field.node).iter().find(|f| &*f.name == *name)?;
    }
    Some(field)
}

/// The answer to `DESCRIBE`.
pub(crate) fn batch(rows: &[Described]) -> Result<RecordBatch> {
    let text = |of: &dyn Fn(&Described) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let fields = ["column", "type", "unit", "description", "schemas"];
    let schema = ArrowSchema::new(
        fields
            .iter()
            .map(|name| Field::new(*name, DataType::Utf8, !matches!(*name, "column" | "type")))
            .collect::<Vec<_>>(),
    );
    let columns = vec![
        text(&|d| Some(&d.column)),
        text(&|d| Some(&d.data_type)),
        text(&|d| d.unit.as_deref()),
        text(&|d| d.description.as_deref()),
        text(&|d| d.schemas.as_deref()),
    ];
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}
