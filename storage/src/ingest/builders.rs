//! Threads that build the files of commits.
//!
//! Always the same few: the allocator keeps what a thread has freed for that thread's next use. The threads that the
//! runtime lends for blocking work change from commit to commit, and each of them would come to hold a commit's worth.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

use super::batch::Batch;
use super::build::{Built, build};
use crate::error::{ErrorKind, Result, StorageError};

type Job = Box<dyn FnOnce() + Send>;

/// Hands batches to threads that end when this is dropped.
#[derive(Debug)]
pub(super) struct Builders {
    jobs: Sender<Job>,
    /// Batches that are being built.
    at_work: Arc<AtomicUsize>,
}

impl Builders {
    /// Starts threads, as many as batches can be built at a time.
    pub fn new(threads: usize) -> Self {
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match job {
                        Ok(job) => job(),
                        Err(_) => return,
                    }
                }
            });
        }
        Self { jobs, at_work: Arc::default() }
    }

    /// As [`build`], on one of the threads.
    pub async fn build(&self, batch: Batch, name: String, now: DateTime<Utc>) -> Result<Built> {
        let ended = || StorageError::new(ErrorKind::Internal, "a thread that builds files ended early");
        let (done, built) = oneshot::channel();
        let at_work = Arc::clone(&self.at_work);
        let job = Box::new(move || {
            let alone = at_work.fetch_add(1, SeqCst) == 0;
            let built = build(batch, &name, now, alone);
            at_work.fetch_sub(1, SeqCst);
            // Nobody waits for it any more if the ingest was given up.
            let _ = done.send(built);
        });
        self.jobs.send(job).map_err(|_| ended())?;
        built.await.map_err(|_| ended())?
    }
}
