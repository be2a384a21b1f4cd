//! The columns of records that stand apart from alerts: `sources` and `forced` of a survey in one snapshot.
//!
//! Records of triggers and of histories are rows of one table, as are those of all schemas. Their columns are merged as
//! those of alerts are, of each schema those of a history first.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{Field, Fields, Schema as ArrowSchema, SchemaRef};
use noctuary_packet::apart::{Anatomy, RecordKind};
use noctuary_packet::schema::NodeId;
use noctuary_packet::survey::RowsAre;
use noctuary_storage::tables::{DIGEST, IdTypes, record_columns, record_keys, record_node, table_of};
use noctuary_storage::{Snapshot, Table};

use crate::columns::AlertColumns;
use crate::merge::{Place, merge, places};

/// The keys of records that questions see. Where an object lies is a matter of the files: it changes when these are
/// merged.
pub(crate) fn shown_keys(ids: IdTypes) -> Fields {
    record_keys(ids).iter().filter(|key| !matches!(key.name().as_str(), "_anchor" | DIGEST)).cloned().collect()
}

/// What the records of a kind look like.
#[derive(Debug, Clone)]
pub(crate) struct RecordColumns {
    /// The table that they are rows of.
    pub(crate) table: Table,
    /// Of every schema of the alerts, the records that are rows here.
    pub(crate) records: Vec<Vec<NodeId>>,
    /// The records' own columns.
    pub(crate) places: Vec<Place>,
}

impl RecordColumns {
    /// Merges the records of the schemas of a survey's alerts; `None` if none has such records, or if no schema is
    /// known and the mapping does not speak of them.
    pub(crate) fn of(snapshot: &Snapshot, alerts: &AlertColumns, kind: RecordKind) -> Option<Self> {
        let files = || snapshot.files(table_of(kind), Some(&alerts.survey.name));
        let stored: BTreeSet<(Option<&str>, Option<&str>)> =
            files().map(|f| (f.schema.as_deref(), f.record.as_deref())).collect();
        let mut columns = Self { table: table_of(kind), records: Vec::new(), places: Vec::new() };
        for (at, schema) in alerts.schemas.iter().enumerate() {
            let anatomy = Anatomy::new(&alerts.survey, schema);
            let list = anatomy.list(kind).map(|list| list.record);
            let trigger = anatomy.trigger().filter(|_| kind == RecordKind::History);
            let mut paths: Vec<String> = list.into_iter().chain(trigger).map(|node| anatomy.path(node)).collect();
            // What files hold counts, should the mapping say otherwise by now.
            let fingerprint = schema.fingerprint().to_hex();
            let own = stored.iter().filter(|(of, _)| *of == Some(fingerprint.as_str()));
            for path in own.filter_map(|(_, path)| *path) {
                if !paths.iter().any(|known| known == path) {
                    paths.push(path.to_owned());
                }
            }
            for path in &paths {
                let fields = record_columns(schema, path).unwrap_or_default();
                merge(&mut columns.places, places(&fields, at));
            }
            columns.records.push(paths.iter().filter_map(|path| record_node(schema, path)).collect());
        }
        let records = &alerts.survey.records;
        let mapped = match kind {
            RecordKind::History => records.history.iter().chain(&records.trigger).next(),
            RecordKind::Forced => records.forced.first(),
        };
        let unknown = alerts.schemas.is_empty() && mapped.is_some();
        (unknown || !columns.places.is_empty()).then_some(columns)
    }

    /// The columns of those records of a kind that are rows of a table with the survey's own name.
    pub(crate) fn of_rows(snapshot: &Snapshot, alerts: &AlertColumns, rows: RowsAre) -> Option<Self> {
        let kind = if rows == RowsAre::Forced { RecordKind::Forced } else { RecordKind::History };
        if matches!(rows, RowsAre::Sources | RowsAre::Forced) {
            return Self::of(snapshot, alerts, kind);
        }
        let mut columns = Self { table: table_of(kind), records: Vec::new(), places: Vec::new() };
        for (at, schema) in alerts.schemas.iter().enumerate() {
            let anatomy = Anatomy::new(&alerts.survey, schema);
            let list = || anatomy.list(kind).map(|list| list.record);
            let node = if rows == RowsAre::Triggers { anatomy.trigger() } else { list() };
            let path = node.map(|node| anatomy.path(node));
            let fields = path.as_ref().and_then(|path| record_columns(schema, path)).unwrap_or_default();
            merge(&mut columns.places, places(&fields, at));
            columns.records.push(path.iter().filter_map(|path| record_node(schema, path)).collect());
        }
        (!columns.places.is_empty()).then_some(columns)
    }

    /// The columns of objects that were loaded without packets; `None` if there are none.
    pub(crate) fn of_loaded_objects(snapshot: &Snapshot, alerts: &AlertColumns) -> Option<Self> {
        let mut columns = Self { table: Table::Objects, records: Vec::new(), places: Vec::new() };
        for (at, schema) in alerts.schemas.iter().enumerate() {
            let fingerprint = schema.fingerprint().to_hex();
            let files = snapshot.files(Table::Objects, Some(&alerts.survey.name));
            let own = files.filter(|file| file.schema.as_deref() == Some(fingerprint.as_str()));
            let paths: BTreeSet<&str> = own.filter_map(|file| file.record.as_deref()).collect();
            for path in &paths {
                merge(&mut columns.places, places(&record_columns(schema, path).unwrap_or_default(), at));
            }
            columns.records.push(paths.iter().filter_map(|path| record_node(schema, path)).collect());
        }
        (!columns.places.is_empty()).then_some(columns)
    }

    /// The columns that files hold, as SQL names them.
    pub(crate) fn file_schema(&self, ids: IdTypes) -> SchemaRef {
        let keys = shown_keys(ids);
        let fields = keys.iter().map(|f| f.as_ref().clone()).chain(self.places.iter().map(Place::field));
        Arc::new(ArrowSchema::new(fields.collect::<Vec<Field>>()))
    }
}
