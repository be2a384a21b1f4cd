//! Lists of records that the files of alerts do not hold themselves.
//!
//! An alert repeats the history of its object. Every record of it stands once, as a row of another file, and the file
//! of alerts says which rows a list is made of. Which columns these are is a matter of each file: the same list may be
//! held apart under one schema and with the alert under another.

use std::collections::BTreeMap;
use std::sync::Arc;

use noctuary_packet::Columns;
use noctuary_packet::apart::{Anatomy, RecordKind};
use noctuary_storage::Snapshot;
use noctuary_storage::log::DataFile;
use noctuary_storage::tables::{list_record, table_of};

use crate::columns::AlertColumns;
use crate::merge::Kind;

/// The kinds of records that are held apart.
pub(crate) const KINDS: [RecordKind; 2] = [RecordKind::History, RecordKind::Forced];

/// A column of lists that some file holds apart.
#[derive(Debug, Clone)]
pub(crate) struct Apart {
    /// Its name.
    pub(crate) column: String,
    /// What the lists are of, as the table has it.
    pub(crate) item: Kind,
    /// For every file of alerts, in their order: where its records are, unless it holds the lists itself.
    pub(crate) files: Vec<Option<Held>>,
}

/// Where the records of a file's lists are.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// Their kind.
    pub(crate) kind: RecordKind,
    /// The file that they are rows of; there is none if all lists are empty.
    pub(crate) records: Option<Arc<DataFile>>,
}

/// The lists that some of these files hold apart.
pub(crate) fn of_files(snapshot: &Snapshot, columns: &AlertColumns, files: &[Arc<DataFile>]) -> Vec<Arc<Apart>> {
    let by_fingerprint: BTreeMap<String, (usize, Anatomy)> = columns
        .schemas
        .iter()
        .enumerate()
        .map(|(at, schema)| (schema.fingerprint().to_hex(), (at, Anatomy::new(&columns.survey, schema))))
        .collect();
    let schema_of = |file: &DataFile| file.schema.as_ref().and_then(|s| by_fingerprint.get(s));
    let mut records: BTreeMap<(&str, RecordKind), &Arc<DataFile>> = BTreeMap::new();
    for kind in KINDS {
        for file in snapshot.files(table_of(kind), Some(&columns.survey.name)) {
            // Beside the records of a list there may be a file of triggers, to which no list points.
            if schema_of(file).is_some_and(|(_, anatomy)| {
                file.record.as_deref().is_some_and(|path| list_record(anatomy.schema(), path).is_some())
            }) {
                records.insert((&file.group, kind), file);
            }
        }
    }
    let mut apart: Vec<Apart> = Vec::new();
    for (at, file) in files.iter().enumerate() {
        let Some((schema, anatomy)) = schema_of(file) else { continue };
        for kind in KINDS {
            let records = records.get(&(file.group.as_str(), kind)).copied();
            // What was held apart when the file was written counts, should the mapping say otherwise by now.
            let mapped = || anatomy.list(kind).map(|list| anatomy.path(list.record));
            let Some(path) = records.and_then(|file| file.record.clone()).or_else(mapped) else { continue };
            let stored = Columns::path(&path);
            let mut places = columns.places.iter().filter(|p| p.stored == stored && p.schemas.contains(schema));
            let Some((column, item)) = places.find_map(|place| match &place.kind {
                Kind::List(item) if matches!(**item, Kind::Record(_)) => Some((&place.name, item)),
                _ => None,
            }) else {
                continue;
            };
            let known = apart.iter().position(|list| list.column == *column).unwrap_or_else(|| {
                let files = vec![None; files.len()];
                apart.push(Apart { column: column.clone(), item: (**item).clone(), files });
                apart.len() - 1
            });
            apart[known].files[at] = Some(Held { kind, records: records.cloned() });
        }
    }
    apart.into_iter().map(Arc::new).collect()
}
