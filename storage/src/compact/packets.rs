//! Alerts and packets of several groups as those of one, in the order of a replay.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, LargeBinaryBuilder, RecordBatch};
use arrow::datatypes::Int32Type;
use noctuary_packet::apart::{Fill, Recipe, RecordKind, Runs};

use super::columns::Columns;
use super::input::{Input, Row};
use super::output::Output;
use super::records::{Moved, NOWHERE};
use super::stats::AlertStats;
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::ingest::runs;
use crate::lanes::{Lanes, Place};
use crate::log::{DataFile, FileStats};
use crate::tables::{COMMIT, PIECES, runs_column};

/// Rows of alerts that are in memory at a time: a megabyte or two of them.
const ALERT_ROWS: usize = 1_024;
/// The same of packets, whose rests are some kilobytes each and at times whole packets.
const PACKET_ROWS: usize = 64;

/// Where the parts of packets have gone.
#[derive(Debug, Default)]
pub(super) struct Gone {
    /// Rows of histories and of forced photometry, by input.
    pub history: Moved,
    pub forced: Moved,
    /// Rows of pieces, by input; those of inputs that keep theirs are empty.
    pub pieces: Moved,
    /// By input, the new number of each group of pieces that it names; of an input that names none the one of its own.
    pub groups: Vec<Vec<u32>>,
}

impl Gone {
    fn of(&self, kind: RecordKind) -> &Moved {
        match kind {
            RecordKind::History => &self.history,
            RecordKind::Forced => &self.forced,
        }
    }
}

/// Where rows have gone; `None` if one of them has gone nowhere.
fn follow(rows: &Runs, moved: Option<&Vec<u32>>) -> Option<Runs> {
    let at = |row: u32| moved?.get(row as usize).copied().filter(|row| *row != NOWHERE);
    rows.rows().map(at).collect()
}

/// What is written.
#[derive(Clone)]
pub(super) struct Merge {
    pub archive: Archive,
    pub inputs: Arc<[Input]>,
    /// The packets of the new group, in order.
    pub rows: Arc<[Row]>,
    pub gone: Arc<Gone>,
}

impl Merge {
    fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.rows.iter().map(|row| (row.input, row.row))
    }

    fn commits(&self) -> Option<(u64, u64)> {
        crate::range::range(self.rows.iter().map(|row| row.commit))
    }

    fn lost(&self, row: &Row) -> StorageError {
        let path = self.inputs.get(row.input as usize).map_or("", |input| input.packets.path.as_str());
        StorageError::damaged(format!("{path}: row {} points to parts that are not there", row.row))
    }

    /// Writes the file of alerts.
    ///
    /// # Errors
    /// When a file cannot be read, or the new one not be put.
    pub async fn alerts(&self, target: DataFile) -> Result<DataFile> {
        let files = self.inputs.iter().map(|input| Arc::clone(&input.alerts)).collect();
        let change = |batch: RecordBatch, rows: &[Row]| {
            let mut columns = Columns::of(&batch);
            for kind in [RecordKind::History, RecordKind::Forced] {
                let name = runs_column(kind);
                if let Some(lists) = batch.column_by_name(name) {
                    columns.put(name, self.lists(lists, kind, rows)?);
                }
            }
            columns.put(COMMIT, commits(rows));
            columns.batch()
        };
        let mut stats = AlertStats::default();
        let file = self.write(target, files, ALERT_ROWS, change, |batch| stats.take(batch)).await?;
        Ok(DataFile { stats: stats.told(), ..file })
    }

    /// Writes the file of packets.
    ///
    /// # Errors
    /// When a file cannot be read, or the new one not be put.
    pub async fn packets(&self, target: DataFile) -> Result<DataFile> {
        let files = self.inputs.iter().map(|input| Arc::clone(&input.packets)).collect();
        let change = |batch: RecordBatch, rows: &[Row]| {
            let (holes, pieces) = self.holes(&batch, rows)?;
            let mut columns = Columns::of(&batch);
            columns.put("_holes", holes);
            columns.put(PIECES, pieces);
            columns.put(COMMIT, commits(rows));
            columns.batch()
        };
        self.write(target, files, PACKET_ROWS, change, |_| Ok(())).await
    }

    async fn write(
        &self,
        target: DataFile,
        files: Vec<Arc<DataFile>>,
        at_a_time: usize,
        change: impl Fn(RecordBatch, &[Row]) -> Result<RecordBatch>,
        mut look: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<DataFile> {
        let mut lanes = Lanes::new(&self.archive, files, self.places(), at_a_time)?;
        let mut output = Output::new(self.archive.store(), target);
        for rows in self.rows.chunks(at_a_time) {
            let places: Vec<Place> = rows.iter().map(|row| (row.input, row.row)).collect();
            let batch = change(lanes.next(&places).await?, rows)?;
            look(&batch)?;
            output.write(&batch).await?;
        }
        let file = output.end(FileStats::default()).await?;
        let file = file.ok_or_else(|| StorageError::internal("a group without packets"))?;
        Ok(DataFile { commits: self.commits(), ..file })
    }

    /// Lists of runs, pointing to where their records have gone.
    fn lists(&self, lists: &ArrayRef, kind: RecordKind, rows: &[Row]) -> Result<ArrayRef> {
        let lists = lists.as_list_opt::<i32>().filter(|l| l.values().as_primitive_opt::<Int32Type>().is_some());
        let lists = lists.ok_or_else(|| StorageError::damaged(format!("{} is no list of runs", runs_column(kind))))?;
        let mut out: Vec<Option<Runs>> = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            if lists.is_null(at) {
                out.push(None);
                continue;
            }
            let numbers = lists.value(at);
            let numbers = numbers.as_primitive::<Int32Type>().values();
            let pairs = numbers.as_chunks::<2>().0.iter();
            let pairs = pairs.map(|[first, count]| Some((u32::try_from(*first).ok()?, u32::try_from(*count).ok()?)));
            let old = pairs.collect::<Option<Vec<_>>>().map(Runs).ok_or_else(|| self.lost(row))?;
            let moved = self.gone.of(kind).get(row.input as usize);
            out.push(Some(follow(&old, moved).ok_or_else(|| self.lost(row))?));
        }
        Ok(runs(out.iter().map(Option::as_ref)))
    }

    /// Recipes for the parts where these have gone, and the numbers of the groups of their pieces.
    fn holes(&self, batch: &RecordBatch, rows: &[Row]) -> Result<(ArrayRef, ArrayRef)> {
        let missing = || StorageError::damaged("packets without recipes");
        let holes = batch.column_by_name("_holes").and_then(|c| c.as_binary_opt::<i64>()).ok_or_else(missing)?;
        let numbers = batch.column_by_name(PIECES).and_then(|c| c.as_primitive_opt::<Int32Type>());
        let mut recipes = LargeBinaryBuilder::new();
        let mut groups = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            if holes.is_null(at) {
                recipes.append_null();
                groups.push(None);
                continue;
            }
            let mut recipe = Recipe::decode(holes.value(at))?;
            let input = row.input as usize;
            let pieces_stay = self.inputs.get(input).is_none_or(|input| input.pieces.is_none());
            for hole in &mut recipe.holes {
                match &mut hole.fill {
                    Fill::Records { kind, rows } => {
                        *rows = follow(rows, self.gone.of(*kind).get(input)).ok_or_else(|| self.lost(row))?;
                    }
                    Fill::Image { pieces, .. } if !pieces_stay => {
                        *pieces = follow(pieces, self.gone.pieces.get(input)).ok_or_else(|| self.lost(row))?;
                    }
                    Fill::Image { .. } => {}
                }
            }
            recipes.append_value(recipe.encode());
            let old = numbers.filter(|n| n.is_valid(at)).map_or(0, |n| n.value(at));
            let new = self.gone.groups.get(input).and_then(|of| of.get(usize::try_from(old).ok()?));
            // A packet without images is of no group.
            groups.push(new.and_then(|group| i32::try_from(*group).ok()));
        }
        Ok((Arc::new(recipes.finish()), Arc::new(Int32Array::from(groups))))
    }
}

/// The commits that brought rows.
fn commits(rows: &[Row]) -> ArrayRef {
    Arc::new(rows.iter().map(|row| i64::try_from(row.commit).ok()).collect::<Int64Array>())
}
