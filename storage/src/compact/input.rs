//! What goes into a merge: groups of files, and the order of their packets.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Date32Type, Int32Type, Int64Type};
use futures::TryStreamExt;
use noctuary_packet::apart::RecordKind;
use noctuary_packet::id::Id;
use noctuary_packet::schema::{Fingerprint, Schema};
use parquet::arrow::ProjectionMask;

use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::DataFile;
use crate::packets::ids_of;
use crate::snapshot::Snapshot;
use crate::tables::{COMMIT, Table, list_record, table_of};
use crate::visible::Commits;

/// The files of a group of packets.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub alerts: Arc<DataFile>,
    pub packets: Arc<DataFile>,
    /// Records of all kinds.
    pub records: Vec<Arc<DataFile>>,
    /// The group's own pieces of images, while they have not been merged: these are merged with the packets.
    pub pieces: Option<Arc<DataFile>>,
}

impl Input {
    /// The files beside a file of packets.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Damaged`] if it has no alerts.
    pub fn of(snapshot: &Snapshot, packets: &Arc<DataFile>) -> Result<Self> {
        let beside = |table| snapshot.beside(packets, table).cloned();
        let alerts = beside(Table::Alerts).next();
        let alerts =
            alerts.ok_or_else(|| StorageError::damaged(format!("{} has no file of alerts beside it", packets.path)))?;
        let records = beside(Table::Sources).chain(beside(Table::Forced)).collect();
        let pieces = if packets.level == 0 { beside(Table::Cutouts).next() } else { None };
        Ok(Self { alerts, packets: Arc::clone(packets), records, pieces })
    }

    /// Files that are not read any more once they are merged.
    pub fn files(&self) -> impl Iterator<Item = &Arc<DataFile>> {
        [&self.alerts, &self.packets].into_iter().chain(&self.records).chain(&self.pieces)
    }

    /// The group of the pieces by the numbers in its packets, where these stay as they are.
    pub fn kept_pieces(&self) -> &[String] {
        match (&self.pieces, self.packets.pieces.as_slice()) {
            (Some(_), _) => &[],
            (None, []) => std::slice::from_ref(&self.packets.group),
            (None, groups) => groups,
        }
    }

    /// The file that lists of a kind point to.
    pub fn list(&self, schema: &Schema, kind: RecordKind) -> Option<&Arc<DataFile>> {
        let of_list = |file: &&Arc<DataFile>| {
            file.table == table_of(kind) && file.record.as_deref().is_some_and(|p| list_record(schema, p).is_some())
        };
        self.records.iter().find(of_list)
    }
}

/// The schema of a file.
///
/// # Errors
/// [`crate::error::ErrorKind::Damaged`] if the archive has not got it.
pub(super) fn schema_of(snapshot: &Snapshot, file: &DataFile) -> Result<Arc<Schema>> {
    let schema = file.schema.as_deref().and_then(Fingerprint::from_hex).and_then(|f| snapshot.schemas().get(f));
    schema.cloned().ok_or_else(|| StorageError::damaged(format!("{}: its schema is not in the archive", file.path)))
}

/// A packet that goes into a merge.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Among the inputs.
    pub input: u32,
    /// Of the input.
    pub row: u32,
    pub night: Option<i32>,
    visit: Option<i64>,
    detector: Option<i64>,
    pub commit: u64,
    seq: i32,
    /// The place where it lies in the sky: that of its object, or its own.
    pub anchor: Option<i64>,
}

impl Row {
    /// The order of a replay.
    pub fn order(&self, other: &Self) -> Ordering {
        let place = |row: &Self| (row.night, row.visit, row.detector, row.commit, row.seq);
        place(self).cmp(&place(other))
    }
}

/// Where objects are for good: where the first commit that had them saw them.
#[derive(Debug, Default)]
pub(super) struct Anchors(HashMap<Id, (u64, i64)>);

impl Anchors {
    /// Learns where a commit saw an object.
    pub fn see(&mut self, object: Id, commit: u64, cell: i64) {
        let known = self.0.entry(object).or_insert((commit, cell));
        *known = (*known).min((commit, cell));
    }

    /// The place of something that an object may have.
    pub fn of(&self, object: Option<&Id>, cell: Option<i64>) -> Option<i64> {
        object.and_then(|object| self.0.get(object)).map(|(_, cell)| *cell).or(cell)
    }
}

/// The packets of all inputs that a version shows, in the order of a replay, and where their objects are.
///
/// # Errors
/// When a file cannot be read.
pub(super) async fn rows(archive: &Archive, snapshot: &Snapshot, inputs: &[Input]) -> Result<(Vec<Row>, Anchors)> {
    let mut rows = Vec::new();
    let mut objects: Vec<Option<Id>> = Vec::new();
    let mut anchors = Anchors::default();
    for (number, input) in inputs.iter().enumerate() {
        let file = &input.alerts;
        let builder = archive.rows(file).await?;
        let wanted = ["_night", "_visit", "_detector", "_seq", "_object", "_healpix_29", COMMIT];
        let mask = ProjectionMask::columns(builder.parquet_schema(), wanted);
        let mut batches = batches(file, builder.with_projection(mask))?;
        let mut first = 0;
        while let Some(batch) = batches.try_next().await? {
            let damaged = |name: &str| StorageError::damaged(format!("{}: no column {name}", file.path));
            let column = |name: &str| batch.column_by_name(name).ok_or_else(|| damaged(name));
            let nights = column("_night")?.as_primitive_opt::<Date32Type>().ok_or_else(|| damaged("_night"))?;
            let long = |name: &str| column(name)?.as_primitive_opt::<Int64Type>().ok_or_else(|| damaged(name));
            let (visits, detectors, cells) = (long("_visit")?, long("_detector")?, long("_healpix_29")?);
            let seqs = column("_seq")?.as_primitive_opt::<Int32Type>().ok_or_else(|| damaged("_seq"))?;
            let ids = ids_of(column("_object")?).ok_or_else(|| damaged("_object"))?;
            let commits = Commits::of(&batch, file)?;
            for row in (0..batch.num_rows()).filter(|row| snapshot.visible().shows(commits.get(*row))) {
                let (object, commit) = (ids(row), commits.get(row));
                let cell = cells.is_valid(row).then(|| cells.value(row));
                if let (Some(object), Some(cell)) = (&object, cell) {
                    anchors.see(object.clone(), commit, cell);
                }
                objects.push(object);
                rows.push(Row {
                    input: u32::try_from(number).unwrap_or(u32::MAX),
                    row: u32::try_from(first + row).unwrap_or(u32::MAX),
                    night: nights.is_valid(row).then(|| nights.value(row)),
                    visit: visits.is_valid(row).then(|| visits.value(row)),
                    detector: detectors.is_valid(row).then(|| detectors.value(row)),
                    commit,
                    seq: seqs.value(row),
                    anchor: cell,
                });
            }
            first += batch.num_rows();
        }
    }
    for (row, object) in rows.iter_mut().zip(&objects) {
        row.anchor = anchors.of(object.as_ref(), row.anchor);
    }
    rows.sort_by(Row::order);
    Ok((rows, anchors))
}

/// A range of the sky, in the order of cells; packets without a place are in the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tile(pub Range<i64>);

impl Tile {
    /// True if something at a place lies in it.
    pub fn holds(&self, anchor: Option<i64>) -> bool {
        anchor.map_or(self.0.start == i64::MIN, |cell| self.0.contains(&cell))
    }
}

/// The order of cells in which a place is told to within half a second of arc.
const ORDER: u32 = 29;
/// Tiles of this order are not divided: 51 seconds of arc.
const FINEST: u32 = 12;

/// Divides the sky so that no tile holds more than `most` of these places, if that can be done: a cell that holds more
/// is cut into four, and neighbours that together hold less are one.
pub(super) fn tiles(places: impl Iterator<Item = Option<i64>>, most: usize) -> Vec<Tile> {
    let mut cells: Vec<i64> = places.map(|place| place.unwrap_or(i64::MIN)).collect();
    cells.sort_unstable();
    let mut ends = Vec::new();
    divide(&cells, 0, most.max(1), &mut ends);
    ends.sort_unstable();
    ends.dedup();
    let mut tiles = Vec::new();
    let (mut from, mut first) = (i64::MIN, 0);
    for (at, end) in ends.iter().enumerate() {
        let next = ends.get(at + 1).copied().unwrap_or(i64::MAX);
        let after = cells.partition_point(|cell| *cell < next);
        let here = cells.partition_point(|cell| cell < end);
        // The tile ends here if what follows would be too much, and there is something on both sides.
        if after - first > most && (first + 1..cells.len()).contains(&here) {
            tiles.push(Tile(from..*end));
            from = *end;
            first = here;
        }
    }
    tiles.push(Tile(from..i64::MAX));
    tiles
}

/// Adds the ends of the cells of an order, and of finer ones where they weigh too much.
fn divide(cells: &[i64], order: u32, most: usize, ends: &mut Vec<i64>) {
    if cells.len() <= most || order > FINEST {
        return;
    }
    let shift = 2 * (ORDER - order);
    for cell in cells.chunk_by(|a, b| a >> shift == b >> shift) {
        let Some(end) = cell.first().and_then(|first| ((first >> shift) + 1).checked_mul(1 << shift)) else { continue };
        ends.push(end);
        divide(cell, order + 1, most, ends);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_field_is_divided_and_an_empty_sky_is_not() {
        let sparse = (0..192).map(|cell| Some(cell << 54));
        let deep = (0..1_000).map(|n| Some((7 << 54) + (n << 30)));
        let places: Vec<Option<i64>> = sparse.chain(deep).chain([None]).collect();
        let tiles = tiles(places.iter().copied(), 100);
        for pair in tiles.windows(2) {
            assert_eq!(pair[0].0.end, pair[1].0.start);
        }
        let weight = |tile: &Tile| places.iter().filter(|place| tile.holds(**place)).count();
        let weights: Vec<usize> = tiles.iter().map(weight).collect();
        assert_eq!(weights.iter().sum::<usize>(), places.len());
        assert!(weights.iter().all(|w| (1..=100).contains(w)), "{weights:?}");
        assert!(tiles.len() < 30, "{weights:?}");
        assert_eq!(super::tiles(places.iter().copied(), 10_000), [Tile(i64::MIN..i64::MAX)]);
        // What lies in one place stays together.
        assert_eq!(super::tiles((0..50).map(|_| Some(12)), 10).len(), 1);
    }

    #[test]
    fn an_object_is_where_it_was_seen_first() {
        let mut anchors = Anchors::default();
        anchors.see(1.into(), 7, 100);
        anchors.see(1.into(), 5, 101);
        anchors.see(1.into(), 6, 99);
        assert_eq!(anchors.of(Some(&1.into()), Some(3)), Some(101));
        assert_eq!(anchors.of(Some(&2.into()), Some(3)), Some(3));
        assert_eq!(anchors.of(None, None), None);
    }
}
