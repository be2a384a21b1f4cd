//! How far an ingest has come, for whoever draws it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Counters that the pipeline moves and anyone may look at.
#[derive(Debug, Default)]
pub struct Progress {
    total: AtomicU64,
    read: AtomicU64,
    packets: AtomicU64,
    stored: AtomicU64,
    quarantined: AtomicU64,
    commits: AtomicU64,
    already: AtomicU64,
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    current: String,
    skipped: Vec<String>,
}

impl Progress {
    /// Bytes of all inputs as they lie on disk; `None` if one of them does not say.
    pub fn total_bytes(&self) -> Option<u64> {
        Some(self.total.load(Relaxed)).filter(|total| *total > 0)
    }

    /// Bytes read.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Relaxed)
    }

    /// Packets looked at.
    pub fn packets(&self) -> u64 {
        self.packets.load(Relaxed)
    }

    /// Packets committed.
    pub fn stored(&self) -> u64 {
        self.stored.load(Relaxed)
    }

    /// Packets quarantined.
    pub fn quarantined(&self) -> u64 {
        self.quarantined.load(Relaxed)
    }

    /// Commits made.
    pub fn commits(&self) -> u64 {
        self.commits.load(Relaxed)
    }

    /// The input being read.
    pub fn current(&self) -> String {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).current.clone()
    }

    pub(crate) fn expect(&self, total: Option<u64>) {
        self.total.store(total.unwrap_or(0), Relaxed);
    }

    pub(crate) fn begin(&self, url: &str) {
        url.clone_into(&mut self.names.lock().unwrap_or_else(PoisonError::into_inner).current);
    }

    pub(crate) fn read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Relaxed);
    }

    /// An input that the archive has got whole.
    pub(crate) fn skip(&self, size: Option<u64>) {
        self.read.fetch_add(size.unwrap_or(0), Relaxed);
        self.already.fetch_add(1, Relaxed);
    }

    pub(crate) fn skipped(&self, name: String) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).skipped.push(name);
    }

    pub(crate) fn take_skipped(&self) -> Vec<String> {
        std::mem::take(&mut self.names.lock().unwrap_or_else(PoisonError::into_inner).skipped)
    }

    pub(crate) fn already(&self) -> u64 {
        self.already.load(Relaxed)
    }

    pub(crate) fn examined(&self, packets: u64) {
        self.packets.fetch_add(packets, Relaxed);
    }

    pub(crate) fn committed(&self, stored: u64, quarantined: u64) {
        self.stored.fetch_add(stored, Relaxed);
        self.quarantined.fetch_add(quarantined, Relaxed);
        self.commits.fetch_add(1, Relaxed);
    }
}
