//! Running a question on the runtime of queries, its rows handed over as they come.

use std::pin::pin;

use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::error::{Failure, Result};

/// Batches that wait for a slow client.
pub const AHEAD: usize = 2;

/// What comes over: rows, and at last that there are no more. Without that, the end of the channel is a failure.
enum Handed<T> {
    Rows(T),
    Failed(Failure),
    Done,
}

/// Computes the rows of a stream on another runtime, so many batches ahead of whoever takes them. Dropping the result
/// stops the query.
pub fn on<T, E>(
    queries: &Handle,
    rows: impl Stream<Item = std::result::Result<T, E>> + Send + 'static,
    ahead: usize,
) -> impl Stream<Item = Result<T>> + Send + use<T, E>
where
    T: Send + 'static,
    E: Into<Failure> + Send + 'static,
{
    let (send, receive) = mpsc::channel(ahead);
    queries.spawn(async move {
        let mut rows = pin!(rows);
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
    futures::stream::unfold(Some(receive), |receive: Option<mpsc::Receiver<Handed<T>>>| async move {
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
