//! The side of a match that is kept in memory.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::Float64Type;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;

use super::grid::{Grid, Point};
use super::narrow::cover;

/// Rows that are kept.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) batches: Vec<RecordBatch>,
    /// The number of the first row of each batch.
    firsts: Vec<usize>,
    pub(super) rows: usize,
    pub(super) grid: Grid,
    /// The cells that the other side has to lie in, if they are few.
    pub(super) cover: Option<String>,
    /// Given back when all of it is.
    _memory: MemoryReservation,
}

impl Side {
    /// Reads a side.
    ///
    /// # Errors
    /// When it does not fit into memory, or cannot be read.
    pub(super) async fn read(plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>, radius: f64) -> Result<Self> {
        let memory = MemoryConsumer::new("crossmatch").register(context.memory_pool());
        let mut input = execute_stream(plan, context)?;
        let (mut batches, mut firsts, mut rows, mut points) = (Vec::new(), Vec::new(), 0, Vec::new());
        while let Some(batch) = input.next().await {
            let batch = batch?;
            let more = batch.get_array_memory_size() + batch.num_rows() * size_of::<Option<Point>>();
            memory.try_grow(more).map_err(|why| too_large(rows + batch.num_rows(), &why))?;
            points.extend(self::points(&batch)?);
            firsts.push(rows);
            rows += batch.num_rows();
            batches.push(batch);
        }
        if u32::try_from(rows.saturating_mul(4)).is_err() {
            return Err(too_large(rows, &DataFusionError::ResourcesExhausted("too many rows to number".into())));
        }
        memory.try_grow(Grid::weight(rows)).map_err(|why| too_large(rows, &why))?;
        let (grid, cover) = (Grid::new(radius, &points), cover(radius, &points));
        memory.shrink(points.len() * size_of::<Option<Point>>());
        Ok(Self { batches, firsts, rows, grid, cover, _memory: memory })
    }

    /// The batch that a row is in, and the row in it.
    pub(super) fn place(&self, row: u32) -> (usize, usize) {
        let row = row as usize;
        let batch = self.firsts.partition_point(|first| *first <= row).saturating_sub(1);
        (batch, row - self.firsts.get(batch).copied().unwrap_or_default())
    }
}

fn too_large(rows: usize, why: &DataFusionError) -> DataFusionError {
    DataFusionError::ResourcesExhausted(format!(
        "the smaller table of a crossmatch has to fit into memory, and {rows} rows do not; select fewer rows and columns \
         of it, match one part of the sky after the other (WHERE dec >= -30 AND dec < 0 of that table), or give more \
         with --memory ({})",
        why.strip_backtrace()
    ))
}

/// The places of rows, whose first two columns are right ascension and declination.
pub(super) fn points(batch: &RecordBatch) -> Result<impl Iterator<Item = Option<Point>> + '_> {
    let [ra, dec] = positions(batch)?;
    Ok((0..batch.num_rows()).map(move |row| {
        if ra.is_null(row) || dec.is_null(row) {
            return None;
        }
        Point::new(ra.value(row), dec.value(row))
    }))
}

fn positions(batch: &RecordBatch) -> Result<[&arrow::array::Float64Array; 2]> {
    let column = |at: usize| batch.columns().get(at).and_then(|column| column.as_primitive_opt::<Float64Type>());
    match (column(0), column(1)) {
        (Some(ra), Some(dec)) => Ok([ra, dec]),
        _ => Err(DataFusionError::Internal("a match needs positions in front".into())),
    }
}
