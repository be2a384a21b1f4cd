//! How long a question may take.

use std::time::Duration;

use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use crate::error::{EngineError, Result};

/// A time that a question may take, of which some may have passed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Deadline {
    /// What it may take in all; `None` for any time.
    allowed: Option<Duration>,
    passed: Duration,
}

/// A deadline that runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    allowed: Duration,
    passed: Duration,
    begun: Instant,
    /// When it is over; `None` for never.
    end: Option<Instant>,
}

impl Deadline {
    /// For a question of which nothing has been done.
    pub(crate) fn new(allowed: Option<Duration>) -> Self {
        Self { allowed, passed: Duration::ZERO }
    }

    /// Goes on from here.
    pub(crate) fn start(self) -> Clock {
        let begun = Instant::now();
        let left = self.allowed.map(|allowed| allowed.saturating_sub(self.passed));
        Clock {
            allowed: self.allowed.unwrap_or_default(),
            passed: self.passed,
            begun,
            // A time beyond all times is none.
            end: left.and_then(|left| begun.checked_add(left)),
        }
    }
}

impl Clock {
    /// What is left when it is stopped here.
    pub(crate) fn stop(self) -> Deadline {
        Deadline { allowed: self.end.map(|_| self.allowed), passed: self.passed + self.begun.elapsed() }
    }

    fn late(&self) -> EngineError {
        EngineError::exhausted(format!(
            "the question took longer than its deadline of {} s; give it more time with --deadline, or ask for less: a \
             smaller part of the sky, fewer nights, fewer objects",
            self.allowed.as_secs_f64()
        ))
    }

    /// Does something in time. What has not been done by then is dropped.
    ///
    /// # Errors
    /// [`crate::ErrorKind::ResourcesExhausted`] if it takes too long.
    pub(crate) async fn on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(end) = self.end else { return work.await };
        match timeout_at(end, work).await {
            // What never waits for anything is not stopped on the way.
            Ok(done) if done.is_err() || Instant::now() < end => done,
            _ => Err(self.late()),
        }
    }

    /// The same rows as long as there is time. Then the rows end with an error, and all that makes them is dropped at
    /// once, with its memory.
    pub(crate) fn over(self, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let Some(end) = self.end else { return rows };
        let schema = rows.schema();
        let timed = stream::unfold(Some(rows), move |rows| async move {
            let mut rows = rows?;
            match timeout_at(end, rows.next()).await {
                Ok(None) => None,
                Ok(Some(batch)) if batch.is_err() || Instant::now() < end => Some((batch, Some(rows))),
                _ => Some((Err(DataFusionError::External(Box::new(self.late()))), None)),
            }
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, timed))
    }
}
