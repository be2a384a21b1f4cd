//! Matches that are told as rows come by: all pairs, or the nearest of the rows that are kept.

use std::cell::Cell;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use futures::{Stream, StreamExt, stream};

use super::exec::{ROWS, Rows, Wanted};
use super::grid::Point;
use super::kept::{Side, points};
use super::ties;

/// The answer, batch by batch.
pub(super) fn of(
    kept: Arc<Side>,
    keeps_left: bool,
    input: SendableRecordBatchStream,
    wanted: Wanted,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let work = Work { kept, keeps_left, input, wanted, now: None };
    stream::try_unfold(work, |mut work| async move {
        let batch = work.next().await?;
        Ok(batch.map(|batch| (batch, work)))
    })
}

struct Work {
    kept: Arc<Side>,
    keeps_left: bool,
    input: SendableRecordBatchStream,
    wanted: Wanted,
    now: Option<Now>,
}

/// A batch that is being matched, and how far it is.
struct Now {
    batch: RecordBatch,
    points: Vec<Option<Point>>,
    row: usize,
    /// Of what lies in the cell of the row, how much was looked at.
    looked: usize,
}

/// Pairs of rows, of what streams and of what is kept, with their distances.
#[derive(Default)]
struct Found {
    streamed: Vec<(usize, usize)>,
    kept: Vec<u32>,
    distances: Vec<f64>,
}

impl Work {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.kept.rows == 0 {
                return Ok(None);
            }
            if self.now.is_none() {
                let Some(batch) = self.input.next().await else { return Ok(None) };
                let batch = batch?;
                let points = points(&batch)?.collect();
                self.now = Some(Now { batch, points, row: 0, looked: 0 });
            }
            let Some(mut now) = self.now.take() else { continue };
            let found = if self.wanted.best { self.nearest(&mut now) } else { self.all(&mut now) };
            let answer = (!found.distances.is_empty()).then(|| self.answer(&now.batch, found)).transpose()?;
            if now.row < now.points.len() {
                self.now = Some(now);
            }
            if answer.is_some() {
                return Ok(answer);
            }
        }
    }

    /// Pairs, until there are enough of them.
    fn all(&self, now: &mut Now) -> Found {
        let mut found = Found::default();
        while let Some(point) = now.points.get(now.row) {
            let mut more = None;
            if let Some(point) = *point {
                let take = |kept, distance| {
                    found.streamed.push((0, now.row));
                    found.kept.push(kept);
                    found.distances.push(distance);
                    found.distances.len() < ROWS
                };
                more = self.kept.grid.within(point, self.keeps_left, now.looked, |_| f64::INFINITY, take);
            }
            match more {
                Some(looked) => {
                    now.looked = looked;
                    break;
                }
                None => (now.row, now.looked) = (now.row + 1, 0),
            }
        }
        found
    }

    /// The nearest kept row of every row.
    fn nearest(&self, now: &mut Now) -> Found {
        let mut found = Found::default();
        for (row, point) in now.points.iter().enumerate() {
            let Some(point) = *point else { continue };
            let best = Cell::new(None::<(u32, f64)>);
            let limit = |_| best.get().map_or(f64::INFINITY, |(_, distance)| distance);
            self.kept.grid.within(point, self.keeps_left, 0, limit, |kept, distance| {
                let nearer = best.get().is_none_or(|(other, least)| {
                    distance < least || (distance == least && self.is_before(kept, other))
                });
                if nearer {
                    best.set(Some((kept, distance)));
                }
                true
            });
            if let Some((kept, distance)) = best.get() {
                found.streamed.push((0, row));
                found.kept.push(kept);
                found.distances.push(distance);
            }
        }
        now.row = now.points.len();
        found
    }

    fn is_before(&self, one: u32, other: u32) -> bool {
        let row = |row| {
            let (batch, row) = self.kept.place(row);
            self.kept.batches.get(batch).map(|batch| (batch, row))
        };
        match (row(one), row(other)) {
            (Some(one), Some(other)) => ties::order(one, other).is_lt(),
            _ => false,
        }
    }

    fn answer(&self, batch: &RecordBatch, found: Found) -> Result<RecordBatch> {
        let places: Vec<(usize, usize)> = found.kept.iter().map(|row| self.kept.place(*row)).collect();
        let batches: Vec<&RecordBatch> = self.kept.batches.iter().collect();
        let kept = Rows { batches: &batches, places: &places };
        let streamed = Rows { batches: &[batch], places: &found.streamed };
        let (left, right) = if self.keeps_left { (kept, streamed) } else { (streamed, kept) };
        self.wanted.answer(&left, &right, found.distances)
    }
}
