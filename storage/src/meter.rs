//! How far something is that takes a while.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What is done of how much, in bytes or rows; read by whoever shows it.
#[derive(Debug, Default)]
pub struct Meter {
    total: AtomicU64,
    done: AtomicU64,
}

impl Meter {
    /// All there is to do, as far as it is known.
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    /// What is done of it.
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// There is more to do.
    pub(crate) fn expect(&self, more: u64) {
        self.total.fetch_add(more, Relaxed);
    }

    /// More is done.
    pub(crate) fn did(&self, more: u64) {
        self.done.fetch_add(more, Relaxed);
    }

    /// It begins anew, with so much to do.
    pub(crate) fn begin(&self, total: u64) {
        self.total.store(total, Relaxed);
        self.done.store(0, Relaxed);
    }
}
