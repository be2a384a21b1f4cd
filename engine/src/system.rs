//! Tables that are made from the snapshot itself: versions, files, schemas, surveys.

use std::sync::Arc;

use arrow::array::Array;
use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema as ArrowSchema};
use noctuary_packet::schema::Fingerprint;
use noctuary_storage::log::Counts;
use noctuary_storage::state::VersionInfo;
use noctuary_storage::{Access, Snapshot, Table};

use crate::describe::Described;
use crate::error::Result;

type Column = (&'static str, ArrayRef);

fn table(columns: Vec<Column>) -> Result<RecordBatch> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, data)| Field::new(*name, data.data_type().clone(), true)).collect();
    let data = columns.into_iter().map(|(_, data)| data).collect();
    Ok(RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), data)?)
}

fn count(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// One row per version. Its counts and its story tell of rows of all rights, so they are null for whoever may not see
/// all.
pub(crate) fn versions(versions: &[VersionInfo], access: &Access) -> Result<RecordBatch> {
    let all = access.is_everything();
    let counts = |of: fn(&Counts) -> i64| -> ArrayRef {
        Arc::new(versions.iter().map(|v| all.then(|| of(&v.counts))).collect::<Int64Array>())
    };
    let at: TimestampMicrosecondArray = versions.iter().map(|v: &VersionInfo| Some(v.at.timestamp_micros())).collect();
    table(vec![
        ("version", Arc::new(versions.iter().map(|v| Some(count(v.version))).collect::<Int64Array>())),
        ("at", Arc::new(at.with_timezone("UTC"))),
        ("what", Arc::new(versions.iter().map(|v| all.then_some(v.what.as_str())).collect::<StringArray>())),
        ("received", counts(|c| c.received)),
        ("stored", counts(|c| c.stored)),
        ("duplicate", counts(|c| c.duplicate)),
        ("quarantined", counts(|c| c.quarantined)),
        ("revisions", counts(|c| c.revisions)),
        ("flagged", counts(|c| c.flagged)),
        ("inline", counts(|c| c.inline)),
        ("bytes", counts(|c| c.bytes)),
        ("undone", Arc::new(versions.iter().map(|v| Some(v.undone)).collect::<BooleanArray>())),
    ])
}

/// The tables whose files are told of, in this order.
pub(crate) const WITH_FILES: [Table; 8] = [
    Table::Alerts,
    Table::Packets,
    Table::Sources,
    Table::Forced,
    Table::Objects,
    Table::Cutouts,
    Table::Ledger,
    Table::Quarantine,
];

/// One row per file of some tables.
pub(crate) fn files(snapshot: &Snapshot, tables: &[Table]) -> Result<RecordBatch> {
    let files: Vec<_> = tables.iter().flat_map(|t| snapshot.files(*t, None)).collect();
    let label = |hex: &str| {
        Fingerprint::from_hex(hex).and_then(|f| snapshot.schemas().get(f)).map_or_else(|| hex.to_owned(), |s| s.label())
    };
    let number = |of: &dyn Fn(usize) -> u64| -> ArrayRef {
        Arc::new((0..files.len()).map(|i| Some(count(of(i)))).collect::<Int64Array>())
    };
    table(vec![
        ("path", Arc::new(files.iter().map(|f| Some(f.path.as_str())).collect::<StringArray>())),
        ("table", Arc::new(files.iter().map(|f| Some(f.table.to_string())).collect::<StringArray>())),
        ("survey", Arc::new(files.iter().map(|f| f.survey.as_deref()).collect::<StringArray>())),
        ("schema", Arc::new(files.iter().map(|f| f.schema.as_deref().map(label)).collect::<StringArray>())),
        ("rows", number(&|i| files[i].rows)),
        ("bytes", number(&|i| files[i].bytes)),
        ("commit", number(&|i| files[i].commit)),
        ("first_night", Arc::new(files.iter().map(|f| f.stats.night.map(|n| n.0)).collect::<Date32Array>())),
        ("last_night", Arc::new(files.iter().map(|f| f.stats.night.map(|n| n.1)).collect::<Date32Array>())),
    ])
}

/// Rows of a survey's alerts that may be seen.
fn visible_rows(snapshot: &Snapshot, survey: &str, schema: Option<&str>, access: &Access) -> u64 {
    let files =
        snapshot.files(Table::Alerts, Some(survey)).filter(|f| schema.is_none() || f.schema.as_deref() == schema);
    let rows = files.map(|f| match access {
        Access::Everything => snapshot.rows(f),
        Access::Labels(_) => {
            snapshot.rights(f).iter().filter(|(label, _)| access.allows(Some(label))).map(|(_, rows)| *rows).sum()
        }
    });
    rows.sum()
}

/// True if a survey has alerts, or rows that were loaded without any, that may be seen.
pub(crate) fn has_rows(snapshot: &Snapshot, survey: &str, access: &Access) -> bool {
    let tables = [Table::Alerts, Table::Sources, Table::Forced, Table::Objects];
    let mut files = tables.into_iter().flat_map(|table| snapshot.files(table, Some(survey)));
    files.any(|file| snapshot.rights(file).keys().any(|label| access.allows(Some(label))))
}

/// One row per schema that is known, or just the columns of such rows.
pub(crate) fn schemas(snapshot: &Snapshot, access: &Access, just_columns: bool) -> Result<RecordBatch> {
    let mut schemas = snapshot.schemas().list();
    if just_columns {
        schemas.clear();
    }
    let surveys: Vec<Option<String>> =
        schemas.iter().map(|s| snapshot.surveys().recognise(s).map(|r| r.name.clone())).collect();
    let rows = schemas.iter().zip(&surveys).map(|(schema, survey)| {
        let fingerprint = schema.fingerprint().to_hex();
        survey.as_deref().map(|s| count(visible_rows(snapshot, s, Some(&fingerprint), access)))
    });
    let ids = schemas.iter().map(|s| snapshot.registry_id(s.fingerprint()).map(|id| i64::from(id.0)));
    table(vec![
        ("survey", Arc::new(surveys.iter().map(Option::as_deref).collect::<StringArray>())),
        ("name", Arc::new(schemas.iter().map(|s| Some(s.name())).collect::<StringArray>())),
        ("version", Arc::new(schemas.iter().map(|s| s.version()).collect::<StringArray>())),
        ("id", Arc::new(ids.collect::<Int64Array>())),
        ("fingerprint", Arc::new(schemas.iter().map(|s| Some(s.fingerprint().to_hex())).collect::<StringArray>())),
        ("alerts", Arc::new(rows.collect::<Int64Array>())),
    ])
}

/// One row per survey that is known, or just the columns of such rows.
pub(crate) fn surveys(snapshot: &Snapshot, access: &Access, just_columns: bool) -> Result<RecordBatch> {
    let surveys = if just_columns { &[] } else { snapshot.surveys().list() };
    let rows = surveys.iter().map(|s| Some(count(visible_rows(snapshot, &s.name, None, access))));
    table(vec![
        ("survey", Arc::new(surveys.iter().map(|s| Some(s.name.as_str())).collect::<StringArray>())),
        ("title", Arc::new(surveys.iter().map(|s| Some(s.title.as_str())).collect::<StringArray>())),
        ("alerts", Arc::new(rows.collect::<Int64Array>())),
    ])
}

/// Quarantined packets that were stored after all.
pub(crate) fn released(snapshot: &Snapshot) -> Result<RecordBatch> {
    let released = snapshot.released();
    table(vec![
        ("released_id", Arc::new(released.keys().map(|id| Some(id.as_str())).collect::<StringArray>())),
        ("released", Arc::new(released.values().map(|commit| Some(count(*commit))).collect::<Int64Array>())),
    ])
}

/// A table with its columns, by schema and name.
pub(crate) type Listed = (String, String, Arc<Vec<Described>>);

/// One row per column, or leaf of one, of some tables.
pub(crate) fn columns(tables: &[Listed]) -> Result<RecordBatch> {
    let rows: Vec<(&Listed, &Described)> =
        tables.iter().flat_map(|table| table.2.iter().map(move |column| (table, column))).collect();
    let text = |of: &dyn Fn(&(&Listed, &Described)) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    table(vec![
        ("schema", text(&|(table, _)| Some(table.0.clone()))),
        ("table", text(&|(table, _)| Some(table.1.clone()))),
        ("column", text(&|(_, column)| Some(column.column.clone()))),
        ("type", text(&|(_, column)| Some(column.data_type.clone()))),
        ("unit", text(&|(_, column)| column.unit.clone())),
        ("description", text(&|(_, column)| column.description.clone())),
    ])
}
