//! Rows of which a table shows one for each value of a key.
//!
//! A source stands in the packet that it caused, in later packets as history, and again in revisions of them; an object
//! in the packet of each of its alerts. Of all rows with one value that the reader may see one is shown, whatever else
//! a question asks: so an answer does not depend on how the rows were found.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use futures::TryStreamExt;
use noctuary_packet::id::Id;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::schema::types::SchemaDescriptor;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::AT_A_TIME;
use super::hidden::Hidden;
use crate::access::Access;
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::ingest::TRIGGER;
use crate::load::LOADED;
use crate::log::DataFile;
use crate::packets::ids_of;
use crate::rows::selected;
use crate::snapshot::Snapshot;
use crate::tables::{COMMIT, RIGHTS};
use crate::visible::Commits;

/// What one row is shown of, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Each {
    /// Columns, or leaves of records by their dotted paths, of which the first that a file has is the key; without any,
    /// every row is shown. So is a row whose key is null.
    pub key: Vec<String>,
    /// Which rows there are.
    pub of: RowsOf,
}

/// The rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsOf {
    /// Alerts: the latest by time of observation is shown, then by arrival. A key means the same in all of them.
    Alerts,
    /// Records of both triggers and histories: of each object and key the trigger that came last, else what was loaded
    /// last, else the history that came last. A record without an object stands for its place.
    Sources,
    /// Of these, triggers and what was loaded.
    Triggers,
    /// Of these, histories.
    History,
    /// Forced photometry: what came last.
    Forced,
}

/// The greatest is shown: what it is, its time, its commit, its place in that, and in the files.
type Rank = (u8, u64, u64, Arrival, usize);
/// Where a row stands among those of its commit. Records of an object come as they arrived, those of each schema by
/// themselves.
type Arrival = (u64, u64);

/// Of some rows of files, `None` being all, those that are shown.
///
/// # Errors
/// When a file cannot be read.
pub async fn one_of_each(
    archive: &Archive,
    snapshot: &Snapshot,
    files: &[Arc<DataFile>],
    access: &Access,
    each: &Each,
    rows: &[Option<RowSelection>],
) -> Result<Vec<Option<RowSelection>>> {
    let mut hidden = Hidden::of(files.len());
    let of = |at: usize| rows.get(at).and_then(Option::as_ref);
    let count = |(at, file): (usize, &Arc<DataFile>)| of(at).map_or(file.rows, |rows| rows.row_count() as u64);
    let parts = files.iter().enumerate().map(count).sum::<u64>().div_ceil(AT_A_TIME).max(1);
    for part in 0..parts {
        let mut best = HashMap::new();
        for (at, file) in files.iter().enumerate() {
            if of(at).is_none_or(RowSelection::selects_any) {
                let look = Look { snapshot, access, each, part: u128::from(part), parts: u128::from(parts) };
                look.at(archive, (file, at), of(at), &mut best, &mut hidden).await?;
            }
        }
    }
    let shown = hidden.shown(files).into_iter().enumerate();
    Ok(shown
        .map(|(at, shown)| match (shown, of(at)) {
            (Some(shown), Some(rows)) => Some(rows.intersection(&shown)),
            (shown, rows) => shown.or_else(|| rows.cloned()),
        })
        .collect())
}

/// What is looked at, and for whom.
struct Look<'a> {
    snapshot: &'a Snapshot,
    access: &'a Access,
    each: &'a Each,
    /// Of keys, those that leave this when divided by the number of parts.
    part: u128,
    parts: u128,
}

impl Look<'_> {
    async fn at(
        &self,
        archive: &Archive,
        (file, number): (&Arc<DataFile>, usize),
        rows: Option<&RowSelection>,
        best: &mut HashMap<u128, (Rank, usize)>,
        hidden: &mut Hidden,
    ) -> Result<()> {
        let builder = archive.rows(file).await?;
        let key = self.each.key.iter().find(|path| has(builder.parquet_schema(), path));
        let of_alerts = self.each.of == RowsOf::Alerts;
        let own: &[&str] = if of_alerts { &["_mjd_tai", "_seq"] } else { &["_object", "_anchor", "_origin"] };
        let wanted = own.iter().copied().chain([RIGHTS, COMMIT]).chain(key.map(String::as_str));
        let mask = ProjectionMask::columns(builder.parquet_schema(), wanted);
        let mut builder = builder.with_projection(mask);
        let all = usize::try_from(file.rows).unwrap_or(usize::MAX);
        let whole = RowSelection::from_consecutive_ranges(std::iter::once(0..all), all);
        if let Some(rows) = rows {
            builder = builder.with_row_selection(rows.clone());
        }
        let mut numbers = selected(rows.unwrap_or(&whole));
        let mut batches = batches(file, builder)?;
        while let Some(batch) = batches.try_next().await? {
            let damaged = |name: &str| StorageError::damaged(format!("{}: no column {name}", file.path));
            let labels = batch.column_by_name(RIGHTS).and_then(|c| c.as_string_opt::<i32>());
            let labels = labels.ok_or_else(|| damaged(RIGHTS))?;
            let commits = Commits::of(&batch, file)?;
            let values = key.map(|path| values(&batch, path).ok_or_else(|| damaged(path))).transpose()?;
            let stands = if of_alerts { Stands::of_alerts(&batch) } else { Stands::of_records(&batch) };
            let stands = stands.ok_or_else(|| damaged(own.first().copied().unwrap_or_default()))?;
            let schema = xxh3_64(file.schema.as_deref().unwrap_or_default().as_bytes());
            let mut bytes = Vec::new();
            for (row, place) in (0..batch.num_rows()).zip(numbers.by_ref()) {
                let label = labels.is_valid(row).then(|| labels.value(row));
                let commit = commits.get(row);
                if !self.access.allows(label) || !self.snapshot.visible().shows(commit) {
                    continue;
                }
                let Some(what) = stands.what(row, self.each.of) else {
                    hidden.hide(number, place);
                    continue;
                };
                let Some(values) = values.as_ref().filter(|values| values.is_valid(row)) else { continue };
                bytes.clear();
                value(values, row, &mut bytes);
                stands.for_whom(row, &mut bytes);
                let key = xxh3_128(&bytes);
                if key % self.parts != self.part {
                    continue;
                }
                let (time, arrival) = stands.when(row, (schema, place as u64));
                let own = ((what, time, commit, arrival, number), place);
                let known = best.entry(key).or_insert(own);
                if *known != own {
                    let ((.., file), row) = own.min(*known);
                    *known = own.max(*known);
                    hidden.hide(file, row);
                }
            }
        }
        Ok(())
    }
}

/// What is known of rows beside their key.
enum Stands<'b> {
    Alerts { times: &'b ArrayRef, seqs: &'b ArrayRef },
    Records { objects: Box<dyn Fn(usize) -> Option<Id> + 'b>, cells: &'b ArrayRef, origins: &'b ArrayRef },
}

impl<'b> Stands<'b> {
    fn of_alerts(batch: &'b RecordBatch) -> Option<Self> {
        let (times, seqs) = (batch.column_by_name("_mjd_tai")?, batch.column_by_name("_seq")?);
        (times.as_primitive_opt::<Float64Type>()).zip(seqs.as_primitive_opt::<Int32Type>())?;
        Some(Self::Alerts { times, seqs })
    }

    fn of_records(batch: &'b RecordBatch) -> Option<Self> {
        let (cells, origins) = (batch.column_by_name("_anchor")?, batch.column_by_name("_origin")?);
        (cells.as_primitive_opt::<Int64Type>()).zip(origins.as_string_opt::<i32>())?;
        Some(Self::Records { objects: Box::new(ids_of(batch.column_by_name("_object")?)?), cells, origins })
    }

    /// How much a row counts by what it is; `None` if there is no such row in the table.
    fn what(&self, row: usize, of: RowsOf) -> Option<u8> {
        let Self::Records { origins, .. } = self else { return Some(0) };
        match (origins.as_string::<i32>().value(row), of) {
            (TRIGGER, RowsOf::Sources | RowsOf::Triggers) => Some(2),
            (LOADED, RowsOf::Sources | RowsOf::Triggers | RowsOf::Forced) => Some(1),
            (TRIGGER | LOADED, _) | (_, RowsOf::Triggers) => None,
            _ => Some(0),
        }
    }

    /// The object of a record, or its place.
    fn for_whom(&self, row: usize, key: &mut Vec<u8>) {
        let Self::Records { objects, cells, .. } = self else { return };
        match objects(row) {
            Some(Id::Number(number)) => key.extend(number.to_le_bytes()),
            Some(Id::Text(text)) => key.extend(text.as_bytes()),
            None => {
                let cells = cells.as_primitive::<Int64Type>();
                key.extend(if cells.is_valid(row) { cells.value(row) } else { -1 }.to_le_bytes());
                key.push(0);
            }
        }
    }

    /// The time of an alert, in an order that numbers have, and where it stands among those of its commit.
    fn when(&self, row: usize, place: Arrival) -> (u64, Arrival) {
        let Self::Alerts { times, seqs } = self else { return (0, place) };
        let (times, seqs) = (times.as_primitive::<Float64Type>(), seqs.as_primitive::<Int32Type>());
        let time = if times.is_valid(row) { times.value(row) } else { f64::NEG_INFINITY };
        // Times of alerts are finite or null.
        let bits = time.to_bits();
        let ordered = if time.is_sign_negative() { !bits } else { bits | 1 << 63 };
        (ordered, (u64::from(seqs.value(row).unsigned_abs()), 0))
    }
}

fn has(schema: &SchemaDescriptor, path: &str) -> bool {
    schema.columns().iter().any(|column| column.path().string() == path)
}

/// The values of a column or of a leaf of records, whole numbers as 64 bits and all else as text: a survey's schemas may
/// count an id in different ways.
fn values(batch: &RecordBatch, path: &str) -> Option<ArrayRef> {
    let mut names = path.split('.');
    let mut values = Arc::clone(batch.column_by_name(names.next()?)?);
    for name in names {
        values = Arc::clone(values.as_struct_opt()?.column_by_name(name)?);
    }
    let wanted = if values.data_type().is_integer() { DataType::Int64 } else { DataType::Utf8 };
    cast(&values, &wanted).ok()
}

fn value(values: &ArrayRef, row: usize, key: &mut Vec<u8>) {
    if let Some(numbers) = values.as_primitive_opt::<Int64Type>() {
        key.extend(numbers.value(row).to_le_bytes());
    } else if let Some(texts) = values.as_string_opt::<i32>() {
        key.extend(texts.value(row).as_bytes());
        key.push(0);
    }
}
