//! Running a question on the runtime of queries, its rows handed over as they come.

use datafusion::physical_plan::SendableRecordBatchStream;
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use arrow::record_batch::RecordBatch;

use crate::error::{Failure, Result};

/// Batches that wait for a slow client.
const AHEAD: usize = 2;

/// What comes over: rows, and at last that there are no more. Without that, the end of the channel is a failure.
enum Handed {
    Rows(RecordBatch),
    Failed(Failure),
    Done,
}

/// Computes the rows of a stream on another runtime. Dropping the result stops the query.
pub fn on(queries: &Handle, rows: SendableRecordBatchStream) -> impl Stream<Item = Result<RecordBatch>> + Send + use<> {
    let (send, receive) = mpsc::channel(AHEAD);
    queries.spawn(async move {
        let mut rows = rows;
        loop {
            // A client that has gone is noticed while the next rows are being computed.
            let next = tokio::select! {
                next = rows.next() => next,
                () = send.closed() => return,
            };
            let (handed, last) = match next {
                Some(Ok(batch)) => (Handed::Rows(batch), false),
                Some(Err(error)) => (Handed::Failed(error.into()), true),
                None => (Handed::Done, true),
            };
            if send.send(handed).await.is_err() || last {
                return;
            }
        }
    });
    futures::stream::unfold(Some(receive), |receive| async move {
        let mut receive = receive?;
        match receive.recv().await {
            Some(Handed::Rows(batch)) => Some((Ok(batch), Some(receive))),
            Some(Handed::Failed(failure)) => Some((Err(failure), None)),
            Some(Handed::Done) => None,
            None => Some((Err(Failure::internal("a query ended early")), None)),
        }
    })
}

/// Runs something on another runtime and waits for it.
pub async fn done<T: Send + 'static>(
    queries: &Handle,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let task = queries.spawn(work);
    // A client that goes away while its question is planned takes the planning with it.
    let guard = AbortOnDrop(task.abort_handle());
    let result = task.await?;
    drop(guard);
    result
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
