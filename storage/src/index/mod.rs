//! Where the rows of an object, and of a place on the sky, stand in a file of records.
//!
//! Records lie in the order of their anchors, so the rows of an object are a run or a few. What is told of each run, its
//! place, its object, and how far its rows lie from that place, is enough to know which rows of a file can belong to an
//! object or lie in a circle: those and no others are read. All of it is derived from the file: an index that is not
//! there is made from it again, and one that is not the file's is not believed.

mod build;
mod cover;
mod sidecar;
mod whole;

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use moka::future::Cache;
use noctuary_packet::id::Id;
use noctuary_packet::survey::Survey;

pub(crate) use build::Builder;
pub use cover::{Cover, Touch};
pub(crate) use sidecar::put;
pub use sidecar::{put_missing, remove_dead};

use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::log::DataFile;
use crate::snapshot::Snapshot;
use crate::tables::Table;

/// Rows of a file, in order, ends excluded, without overlaps.
pub type Rows = Vec<Range<u32>>;

/// Columns of records that say of what object and where they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnColumns {
    /// The id of the object; what `_object` says of the alert that brought the record is another matter.
    pub object: Option<String>,
    /// Right ascension, degrees.
    pub ra: Option<String>,
    /// Declination, degrees.
    pub dec: Option<String>,
}

impl OwnColumns {
    /// What a survey's mapping calls them in triggers, by the last part of their paths: records of all kinds call them
    /// the same or have no such column.
    #[must_use]
    pub fn of(survey: &Survey) -> Self {
        let last = |paths: &[String]| Some(paths.iter().find(|p| p.contains('.'))?.rsplit('.').next()?.to_owned());
        Self { object: last(&survey.ids.object), ra: last(&survey.position.ra), dec: last(&survey.position.dec) }
    }
}

/// Consecutive rows of one object at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Run {
    /// HEALPix cell, order 29, NESTED; `None` if it has no place.
    cell: Option<i64>,
    first: u32,
    rows: u32,
    /// The farthest that a row with a position lies from the middle of the cell, degrees; rows without one are nowhere.
    spread: f32,
}

/// The index of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct RowIndex {
    /// Columns that it speaks of.
    own: OwnColumns,
    /// In the order of rows.
    runs: Vec<Run>,
    /// Objects in order, with the numbers of their runs beside them.
    objects: Objects,
    of_objects: Vec<u32>,
    /// Which of these a run is of, told when first asked.
    whose: OnceLock<Vec<u32>>,
    /// Every row whose own column names an object names that of `_object`.
    is_own: bool,
    /// Runs by their cells: numbers of those with a place and a spread of up to [`NEAR`].
    by_cell: Vec<u32>,
    /// All others.
    far: Vec<u32>,
}

/// Ids in order.
#[derive(Debug, Clone, PartialEq)]
enum Objects {
    Numbers(Vec<i64>),
    Texts(Vec<Box<str>>),
}

/// Runs that spread wider than this, in degrees, are looked at one by one: a survey's sources lie within some seconds of
/// arc of their object.
const NEAR: f64 = 10.0 / 3_600.0;

/// What an object is asked for by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// `_object`: what the alert said.
    Alert,
    /// The record's own column.
    Record,
}

/// A circle on the sky, degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Circle {
    /// Right ascension of its middle.
    pub ra: f64,
    /// Declination of its middle.
    pub dec: f64,
    /// Its radius.
    pub radius: f64,
}

impl RowIndex {
    /// The columns that it speaks of.
    #[must_use]
    pub fn own(&self) -> &OwnColumns {
        &self.own
    }

    /// Rows that may be of these objects; `None` if that cannot be told by the column that is meant.
    #[must_use]
    pub fn of_objects<'i>(&self, by: By, ids: impl Iterator<Item = &'i Id>) -> Option<Rows> {
        if by == By::Record && !self.is_own {
            return None;
        }
        let mut rows = Rows::new();
        for id in ids {
            let span = match (&self.objects, id) {
                (Objects::Numbers(all), Id::Number(id)) => span(all, |known| known.cmp(id)),
                (Objects::Texts(all), Id::Text(id)) => span(all, |known| (**known).cmp(id)),
                // Ids of another kind are compared in another way.
                _ => return None,
            };
            rows.extend(self.of_objects.get(span).into_iter().flatten().map(|run| self.rows(*run)));
        }
        Some(merged(rows))
    }

    /// Rows that may lie in a region, by the record's own position; `None` if records have none.
    #[must_use]
    pub fn within(&self, region: &Cover) -> Option<Rows> {
        (self.own.ra.as_ref()).zip(self.own.dec.as_ref())?;
        let mut rows = Rows::new();
        if region.cells().is_empty() {
            return Some(rows);
        }
        for cells in region.cells() {
            let from = self.by_cell.partition_point(|run| self.cell(*run) < cells.start);
            let near = self.by_cell.get(from..).unwrap_or_default();
            let near = near.iter().take_while(|run| self.cell(**run) < cells.end);
            rows.extend(near.filter(|run| self.reaches(**run, region.circle())).map(|run| self.rows(*run)));
        }
        rows.extend(self.far.iter().filter(|run| self.reaches(**run, region.circle())).map(|run| self.rows(*run)));
        Some(merged(rows))
    }

    /// Objects, runs and bytes in memory.
    #[must_use]
    pub fn weight(&self) -> u32 {
        let ids = match &self.objects {
            Objects::Numbers(ids) => ids.len() * 8,
            Objects::Texts(ids) => ids.iter().map(|id| id.len() + 16).sum(),
        };
        let runs =
            self.runs.len() * size_of::<Run>() + (2 * self.of_objects.len() + self.by_cell.len() + self.far.len()) * 4;
        u32::try_from(ids + runs + 256).unwrap_or(u32::MAX)
    }

    fn rows(&self, run: u32) -> Range<u32> {
        self.runs.get(run as usize).map_or(0..0, |run| run.first..run.first.saturating_add(run.rows))
    }

    fn cell(&self, run: u32) -> i64 {
        self.runs.get(run as usize).and_then(|run| run.cell).unwrap_or(i64::MIN)
    }

    /// True if a row of a run can lie in a circle.
    fn reaches(&self, run: u32, circle: &Circle) -> bool {
        let Some(run) = self.runs.get(run as usize) else { return false };
        let Some((ra, dec)) = run.cell.and_then(centre) else { return true };
        let apart = angle((ra, dec), (circle.ra, circle.dec));
        // A run without positions has a spread below zero, and reaches nothing.
        run.spread >= 0.0 && apart <= circle.radius + f64::from(run.spread) + SLACK
    }
}

/// Far below any instrument, far above rounding: degrees.
const SLACK: f64 = 1e-7;

/// The middle of a cell, degrees.
fn centre(cell: i64) -> Option<(f64, f64)> {
    let cell = u64::try_from(cell).ok().filter(|cell| *cell < cdshealpix::n_hash(29))?;
    let (lon, lat) = cdshealpix::nested::get(29).center(cell);
    Some((lon.to_degrees(), lat.to_degrees()))
}

/// The angle between two points, degrees (Vincenty's form for a sphere, as the functions of SQL have it).
fn angle(a: (f64, f64), b: (f64, f64)) -> f64 {
    let (sin_ra, cos_ra) = (b.0 - a.0).to_radians().sin_cos();
    let (sin1, cos1) = a.1.to_radians().sin_cos();
    let (sin2, cos2) = b.1.to_radians().sin_cos();
    let across = (cos2 * sin_ra).hypot(cos1 * sin2 - sin1 * cos2 * cos_ra);
    across.atan2(sin1 * sin2 + cos1 * cos2 * cos_ra).to_degrees()
}

fn span<T>(all: &[T], order: impl Fn(&T) -> std::cmp::Ordering) -> Range<usize> {
    let from = all.partition_point(|known| order(known).is_lt());
    from..from + all.get(from..).unwrap_or_default().partition_point(|known| order(known).is_eq())
}

/// Ranges in order and apart from each other: those that overlap or touch are one, and empty ones are left out.
#[must_use]
pub fn merged<T: Ord + Copy>(mut ranges: Vec<Range<T>>) -> Vec<Range<T>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
    ranges
}

/// Indices of files, by the names of these.
pub(crate) type Indices = Cache<String, Arc<RowIndex>>;

/// Room for indices of up to this many bytes.
pub(crate) fn indices(bytes: u64) -> Indices {
    Cache::builder().max_capacity(bytes).weigher(|_: &String, index: &Arc<RowIndex>| index.weight()).build()
}

/// True for tables whose files are in the order of the sky.
pub(crate) fn has_index(table: Table) -> bool {
    matches!(table, Table::Sources | Table::Forced)
}

impl Archive {
    /// The index of a file of records: the one that lies beside it if it is the file's, or one that is made from it
    /// now; `None` if files of its table have none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn row_index(&self, snapshot: &Snapshot, file: &DataFile) -> Result<Option<Arc<RowIndex>>> {
        let survey = file.survey.as_deref().and_then(|survey| snapshot.survey(survey));
        let Some(survey) = survey.filter(|_| has_index(file.table) && file.rows > 0) else { return Ok(None) };
        let own = OwnColumns::of(survey);
        // A survey may get another mapping.
        let key = format!("{} {own:?}", file.path);
        if let Some(known) = self.indices().get(&key).await {
            return Ok(Some(known));
        }
        let load = async {
            let found = match sidecar::read(self, file, &own).await? {
                Some(found) => found,
                None => build::of_file(self, file, own).await?,
            };
            Ok::<_, StorageError>(Arc::new(found))
        };
        let loaded = self.indices().try_get_with(key, load).await;
        loaded.map(Some).map_err(|e: Arc<StorageError>| StorageError::new(e.kind(), e.to_string()))
    }
}

#[cfg(test)]
mod tests;
