//! An index, from the rows of its file.

use std::sync::OnceLock;

use arrow::array::{Array, AsArray, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use futures::TryStreamExt;
use noctuary_packet::id::Id;
use parquet::arrow::ProjectionMask;

use super::{NEAR, Objects, OwnColumns, RowIndex, Run, angle, centre};
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::DataFile;
use crate::packets::ids_of;

/// Reads the rows of a file in order, and learns of each where it stands.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    own: OwnColumns,
    runs: Vec<Run>,
    /// The object of each run.
    objects: Vec<Option<Id>>,
    centre: Option<(f64, f64)>,
    differs: bool,
    rows: u32,
}

impl Builder {
    /// An index that is to speak of these columns, as far as files have them.
    pub fn new(own: OwnColumns) -> Self {
        Self { own, ..Self::default() }
    }

    /// Takes the next rows.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Damaged`] if they are no records.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let damaged = |name: &str| StorageError::damaged(format!("records without a column {name}"));
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| damaged(name));
        let cells = column("_anchor")?.as_primitive_opt::<Int64Type>().ok_or_else(|| damaged("_anchor"))?;
        let objects = ids_of(column("_object")?).ok_or_else(|| damaged("_object"))?;
        let named = |name: &Option<String>| name.as_deref().and_then(|name| batch.column_by_name(name));
        let own = named(&self.own.object).and_then(ids_of);
        if self.own.object.is_some() && own.is_none() {
            self.own.object = None;
        }
        let angles = |name: &Option<String>| -> Option<Float64Array> {
            Some(cast(named(name)?, &DataType::Float64).ok()?.as_primitive::<Float64Type>().clone())
        };
        let place = angles(&self.own.ra).zip(angles(&self.own.dec));
        if place.is_none() {
            (self.own.ra, self.own.dec) = (None, None);
        }
        for row in 0..batch.num_rows() {
            let cell = cells.is_valid(row).then(|| cells.value(row));
            let object = objects(row);
            if let Some(own) = own.as_ref().and_then(|own| own(row)) {
                self.differs |= object.as_ref() != Some(&own);
            }
            let same = self.runs.last().is_some_and(|run| run.cell == cell)
                && self.objects.last().is_some_and(|known| *known == object);
            if !same {
                self.runs.push(Run { cell, first: self.rows, rows: 0, spread: -1.0 });
                self.objects.push(object);
                self.centre = cell.and_then(centre);
            }
            let Some(run) = self.runs.last_mut() else { continue };
            run.rows += 1;
            self.rows =
                self.rows.checked_add(1).ok_or_else(|| StorageError::internal("more rows than can be counted"))?;
            if let (Some((ras, decs)), Some(centre)) = (&place, self.centre)
                && ras.is_valid(row)
                && decs.is_valid(row)
            {
                let apart = angle(centre, (ras.value(row), decs.value(row)));
                // What is not on the sphere is nowhere. Rounded up, never down.
                if apart.is_finite() {
                    run.spread = run.spread.max((apart as f32).next_up());
                }
            }
        }
        Ok(())
    }

    /// The index of all rows so far.
    pub fn finish(self) -> RowIndex {
        let is_own = self.own.object.is_some() && !self.differs;
        RowIndex::of(self.own, self.runs, self.objects, is_own)
    }
}

impl RowIndex {
    /// From its runs and the object of each.
    pub(super) fn of(own: OwnColumns, runs: Vec<Run>, objects: Vec<Option<Id>>, is_own: bool) -> Self {
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let mut known: Vec<(Id, u32)> =
            objects.into_iter().enumerate().filter_map(|(at, object)| Some((object?, number(at)))).collect();
        known.sort_unstable();
        let of_objects = known.iter().map(|(_, run)| *run).collect();
        let texts = known.iter().any(|(id, _)| matches!(id, Id::Text(_)));
        let objects = if texts {
            Objects::Texts(known.into_iter().map(|(id, _)| id.to_string().into()).collect())
        } else {
            let numbers = known.into_iter().filter_map(|(id, _)| match id {
                Id::Number(id) => Some(id),
                Id::Text(_) => None,
            });
            Objects::Numbers(numbers.collect())
        };
        let is_near = |run: &Run| run.cell.and_then(centre).is_some() && f64::from(run.spread) <= NEAR;
        let (mut by_cell, far): (Vec<u32>, Vec<u32>) =
            (0..number(runs.len())).partition(|at| runs.get(*at as usize).is_some_and(is_near));
        by_cell.sort_by_key(|at| runs.get(*at as usize).and_then(|run| run.cell));
        Self { own, runs, objects, of_objects, whose: OnceLock::new(), is_own, by_cell, far }
    }
}

/// Reads the keys and positions of a file.
///
/// # Errors
/// When it cannot be read.
pub(super) async fn of_file(archive: &Archive, file: &DataFile, own: OwnColumns) -> Result<RowIndex> {
    let builder = archive.rows(file).await?;
    let wanted = [own.object.as_deref(), own.ra.as_deref(), own.dec.as_deref()].into_iter().flatten();
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["_anchor", "_object"].into_iter().chain(wanted));
    let mut batches = batches(file, builder.with_projection(mask))?;
    let mut index = Builder::new(own);
    while let Some(batch) = batches.try_next().await? {
        index.push(&batch)?;
    }
    Ok(index.finish())
}
