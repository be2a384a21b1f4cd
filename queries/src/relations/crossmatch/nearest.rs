//! The nearest of what streams by, of every row that is kept.
//!
//! Each part of the stream remembers of every kept row the nearest that it saw, with its columns, and lets go of what
//! was nearest once and is not any more: it never holds much more rows than are kept.

use std::cell::Cell;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{interleave_record_batch, take_record_batch};
use datafusion::common::runtime::JoinSet;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use futures::{Stream, StreamExt, stream};

use super::exec::{ROWS, Rows, Wanted};
use super::kept::{Side, points};
use super::ties;

/// The answer, once all of the right side was seen.
pub(super) async fn all(
    kept: Arc<Side>,
    right: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    wanted: Wanted,
) -> Result<impl Stream<Item = Result<RecordBatch>> + Send> {
    let mut parts = JoinSet::new();
    let partitions = if kept.rows == 0 { 0 } else { right.output_partitioning().partition_count() };
    for partition in 0..partitions {
        let input = right.execute(partition, Arc::clone(&context))?;
        let memory = MemoryConsumer::new("crossmatch").register(context.memory_pool());
        parts.spawn(Seen::of(Arc::clone(&kept), input, memory));
    }
    let mut seen = Vec::with_capacity(partitions);
    while let Some(part) = parts.join_next().await {
        seen.push(part.map_err(|e| DataFusionError::External(Box::new(e)))??);
    }
    let answer = Answer { kept, seen, wanted, next: 0 };
    Ok(stream::try_unfold(answer, |mut answer| async move { Ok(answer.next()?.map(|batch| (batch, answer))) }))
}

/// No row.
const NONE: u32 = u32::MAX;

/// What a part of the stream was nearest to.
struct Seen {
    /// Of every kept row the least distance, infinite if there is none.
    distances: Vec<f64>,
    /// Chunk and row in it.
    places: Vec<(u32, u32)>,
    chunks: Vec<RecordBatch>,
    /// Rows in all chunks, and how many of them are still nearest.
    held: usize,
    live: usize,
    memory: MemoryReservation,
}

impl Seen {
    async fn of(kept: Arc<Side>, mut input: SendableRecordBatchStream, memory: MemoryReservation) -> Result<Self> {
        let rows = kept.rows;
        memory.try_grow(rows * (size_of::<f64>() + size_of::<(u32, u32)>() + size_of::<u32>()))?;
        let mut seen = Self {
            distances: vec![f64::INFINITY; rows],
            places: vec![(NONE, NONE); rows],
            chunks: Vec::new(),
            held: 0,
            live: 0,
            memory,
        };
        let mut nearer = vec![NONE; rows];
        while let Some(batch) = input.next().await {
            seen.look(&kept, &batch?, &mut nearer)?;
        }
        Ok(seen)
    }

    /// Looks at a batch. `nearer` is room for the row of it that is nearer than all before, of each kept row: nothing.
    fn look(&mut self, kept: &Side, batch: &RecordBatch, nearer: &mut [u32]) -> Result<()> {
        let mut touched: Vec<u32> = Vec::new();
        let distances = Cell::from_mut(self.distances.as_mut_slice()).as_slice_of_cells();
        for (row, point) in points(batch)?.enumerate() {
            let (Some(point), Ok(number)) = (point, u32::try_from(row)) else { continue };
            let limit = |kept: u32| distances[kept as usize].get();
            kept.grid.within(point, true, 0, limit, |of, distance| {
                let at = of as usize;
                let least = distances[at].get();
                let is_nearer = distance < least || {
                    let other = match (nearer[at], self.places[at]) {
                        (NONE, (chunk, row)) => self.chunks.get(chunk as usize).map(|chunk| (chunk, row as usize)),
                        (row, _) => Some((batch, row as usize)),
                    };
                    other.is_none_or(|other| ties::order((batch, row), other).is_lt())
                };
                if is_nearer {
                    if nearer[at] == NONE {
                        touched.push(of);
                    }
                    nearer[at] = number;
                    distances[at].set(distance);
                }
                true
            });
        }
        self.hold(batch, &touched, nearer)
    }

    /// Keeps the rows of a batch that are nearest so far.
    fn hold(&mut self, batch: &RecordBatch, touched: &[u32], nearer: &mut [u32]) -> Result<()> {
        if touched.is_empty() {
            return Ok(());
        }
        let rows: UInt32Array = touched.iter().map(|kept| nearer[*kept as usize]).collect();
        let chunk = take_record_batch(batch, &rows)?;
        self.memory.try_grow(chunk.get_array_memory_size())?;
        let number = u32::try_from(self.chunks.len()).unwrap_or(NONE);
        for (row, kept) in (0_u32..).zip(touched) {
            let at = *kept as usize;
            self.live += usize::from(self.places[at].0 == NONE);
            self.places[at] = (number, row);
            nearer[at] = NONE;
        }
        self.held += chunk.num_rows();
        self.chunks.push(chunk);
        if self.held > 2 * self.live + 8 * ROWS { self.let_go() } else { Ok(()) }
    }

    /// Lets go of rows that are not nearest any more.
    fn let_go(&mut self) -> Result<()> {
        let live: Vec<usize> = (0..self.places.len()).filter(|at| self.places[*at].0 != NONE).collect();
        let places = live.iter().map(|at| (self.places[*at].0 as usize, self.places[*at].1 as usize));
        let places: Vec<(usize, usize)> = places.collect();
        let chunk = interleave_record_batch(&self.chunks.iter().collect::<Vec<_>>(), &places)?;
        self.memory.try_grow(chunk.get_array_memory_size())?;
        for (row, at) in (0_u32..).zip(live) {
            self.places[at] = (0, row);
        }
        let before: usize = self.chunks.iter().map(RecordBatch::get_array_memory_size).sum();
        self.held = chunk.num_rows();
        self.chunks = vec![chunk];
        self.memory.shrink(before);
        Ok(())
    }
}

/// The nearest of all parts, as far as they are handed on.
struct Answer {
    kept: Arc<Side>,
    seen: Vec<Seen>,
    wanted: Wanted,
    next: usize,
}

impl Answer {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let left: Vec<&RecordBatch> = self.kept.batches.iter().collect();
        let right: Vec<&RecordBatch> = self.seen.iter().flat_map(|seen| &seen.chunks).collect();
        let (mut of_left, mut of_right, mut distances) = (Vec::new(), Vec::new(), Vec::new());
        while self.next < self.kept.rows && distances.len() < ROWS {
            if let (Some((place, distance)), Ok(row)) = (self.nearest(self.next, &right), u32::try_from(self.next)) {
                of_left.push(self.kept.place(row));
                of_right.push(place);
                distances.push(distance);
            }
            self.next += 1;
        }
        if distances.is_empty() {
            return Ok(None);
        }
        let (left, right) = (Rows { batches: &left, places: &of_left }, Rows { batches: &right, places: &of_right });
        self.wanted.answer(&left, &right, distances).map(Some)
    }

    /// Of a kept row, which batch and row of all parts is nearest.
    fn nearest(&self, row: usize, batches: &[&RecordBatch]) -> Option<((usize, usize), f64)> {
        let (mut best, mut before) = (None::<((usize, usize), f64)>, 0);
        for seen in &self.seen {
            let (distance, (chunk, at)) = (*seen.distances.get(row)?, *seen.places.get(row)?);
            if chunk != NONE {
                let place = (before + chunk as usize, at as usize);
                let of = |place: (usize, usize)| (batches[place.0], place.1);
                let nearer = best.is_none_or(|(other, least)| {
                    distance < least || (distance == least && ties::order(of(place), of(other)).is_lt())
                });
                if nearer {
                    best = Some((place, distance));
                }
            }
            before += seen.chunks.len();
        }
        best
    }
}
