//! Merging: what was written every minute becomes what is read for years.
//!
//! Groups of a night become one, those of its month become one, those of its year too; where that would be too much it
//! is divided by the sky. What the packets of a group repeat stands once in it, so that a history costs what has been
//! added since. Images are merged once, when their packets are first.
//!
//! Rows say which commit brought them, so that every version can still be read. Each merge is one commit of its own:
//! readers never wait and never see half of it, and one that was stopped leaves files that nobody reads.

mod columns;
mod input;
mod mend;
mod merge;
#[cfg(test)]
mod model;
mod needs;
mod output;
mod packets;
mod pieces;
mod plain;
mod policy;
mod proof;
mod records;
mod rewrite;
mod stats;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) use columns::Columns;
pub use mend::Mend;
pub(crate) use output::Output;
pub(crate) use pieces::rows_at_a_time as pieces_at_a_time;
pub use plain::Plain;
pub(crate) use plain::stamped_rows as stamped;
pub use policy::{Level, Policy, Task};
pub(crate) use proof::check as prove;
pub(crate) use records::Triggers;
pub(crate) use rewrite::without;

use crate::archive::Archive;
use crate::error::{ErrorKind, Result, StorageError};
use crate::index;
use crate::log::DataFile;
use crate::meter::Meter;
use crate::snapshot::Snapshot;

/// One merge.
#[derive(Debug, Clone)]
pub enum Work {
    /// Of packets, with all that they are made of.
    Packets(Task),
    /// Of other rows.
    Plain(Plain),
    /// No merge, but files written anew without what a rollback has hidden in them.
    Mend(Mend),
}

impl Work {
    /// Bytes that are read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Packets(task) => task.bytes,
            Self::Plain(plain) => plain.bytes(),
            Self::Mend(mend) => mend.files.iter().map(|file| file.bytes).sum(),
        }
    }

    fn files(&self) -> &[Arc<DataFile>] {
        match self {
            Self::Packets(task) => &task.groups,
            Self::Plain(plain) => &plain.files,
            Self::Mend(mend) => &mend.files,
        }
    }

    /// True if everything that it is about is part of a version.
    fn is_there(&self, snapshot: &Snapshot) -> bool {
        let live: HashSet<&str> = snapshot.state.files.iter().map(|file| file.path.as_str()).collect();
        self.files().iter().all(|file| live.contains(file.path.as_str()))
    }

    /// What it does, for people.
    #[must_use]
    pub fn what(&self) -> String {
        match self {
            Self::Packets(task) => format!("{} into the {}", task.what(), task.level),
            Self::Plain(plain) => plain.what(),
            Self::Mend(mend) => mend.what(),
        }
    }
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompactReport {
    /// Merges made.
    pub merges: u64,
    /// Merges that were left to somebody else who was faster.
    pub left: u64,
    /// Files before, of what was merged, and after.
    pub files: (u64, u64),
    /// Bytes before, of what was merged, and after.
    pub bytes: (u64, u64),
    /// The newest version afterwards.
    pub version: u64,
}

/// What there is to merge, and before that to mend. No file is in two of them.
#[must_use]
pub fn plan(snapshot: &Snapshot, policy: &Policy) -> Vec<Work> {
    let mends: Vec<Work> = mend::plan(snapshot).into_iter().map(Work::Mend).collect();
    let mended: HashSet<String> = mends.iter().flat_map(|work| work.files()).map(|file| file.path.clone()).collect();
    let packets = policy::plan(snapshot, policy).into_iter().map(Work::Packets);
    let plain = plain::plan(snapshot, policy.now, policy.group_bytes).into_iter().map(Work::Plain);
    let is_whole = |work: &Work| work.files().iter().all(|file| !mended.contains(&file.path));
    let merges: Vec<Work> = packets.chain(plain).filter(is_whole).collect();
    mends.into_iter().chain(merges).collect()
}

/// Writes files anew that hold rows which a rollback has hidden.
///
/// # Errors
/// As [`compact`].
pub(crate) async fn mend(archive: &Archive, mut snapshot: Snapshot) -> Result<Snapshot> {
    for one in mend::plan(&snapshot) {
        snapshot = merge_one(archive, snapshot, &Work::Mend(one), &mut CompactReport::default()).await?;
    }
    Ok(snapshot)
}

/// Merges what there is to merge. May be stopped at any point and started again.
///
/// # Errors
/// When storage fails, or a file is damaged: the archive is what it was before that merge.
pub async fn compact(archive: &Archive, policy: &Policy, meter: &Meter) -> Result<CompactReport> {
    let mut snapshot = archive.snapshot().await?;
    let work = plan(&snapshot, policy);
    meter.begin(work.iter().map(Work::bytes).sum());
    let mut report = CompactReport::default();
    for one in work {
        snapshot = merge_one(archive, snapshot, &one, &mut report).await?;
        meter.did(one.bytes());
    }
    index::put_missing(archive, &snapshot).await?;
    report.version = snapshot.version();
    Ok(report)
}

/// Merges what there is to merge, beside whatever else is done: of all time it takes this share, 1 being all of it, and
/// looks for more every so often. Ends never; whoever waits for it gives it up.
pub async fn in_background(archive: &Archive, share: f64, look: Duration) {
    loop {
        if let Err(e) = once(archive, share).await {
            tracing::warn!("merging stopped: {e}; it is tried again in {} s", look.as_secs());
        }
        tokio::time::sleep(look).await;
    }
}

async fn once(archive: &Archive, share: f64) -> Result<()> {
    let policy = Policy::of(chrono::Utc::now().date_naive());
    let mut report = CompactReport::default();
    let mut snapshot = archive.snapshot().await?;
    // What one merge has changed can be part of the next: only the first of a plan is sure to be there.
    while let Some(one) = plan(&snapshot, &policy).into_iter().next() {
        let begun = Instant::now();
        let (before, left) = (snapshot.version(), report.left);
        snapshot = merge_one(archive, snapshot, &one, &mut report).await?;
        if snapshot.version() == before || report.left > left {
            // Somebody else merges as well, or nothing can be done about it.
            return Ok(());
        }
        tracing::info!("{}", one.what());
        let pause = begun.elapsed().as_secs_f64() * (1.0 / share.clamp(0.01, 1.0) - 1.0);
        tokio::time::sleep(Duration::from_secs_f64(pause)).await;
    }
    Ok(())
}

async fn merge_one(archive: &Archive, snapshot: Snapshot, one: &Work, report: &mut CompactReport) -> Result<Snapshot> {
    let done = match one {
        // It was planned before somebody else had merged it.
        _ if !one.is_there(&snapshot) => Err(StorageError::new(ErrorKind::Conflict, "merged by another")),
        Work::Packets(task) => merge::run(archive, &snapshot, task).await,
        Work::Plain(plain) => plain.run(archive, &snapshot).await,
        Work::Mend(mend) => mend.run(archive, &snapshot).await,
    };
    match done {
        Ok(after) => {
            report.merges += 1;
            count(&snapshot, &after, report);
            Ok(after)
        }
        Err(e) => {
            let newest = archive.snapshot().await?;
            // What another has merged may be deleted by now, and is missed then while it is read.
            if e.kind() != ErrorKind::Conflict && one.is_there(&newest) {
                return Err(e.during(one.what()));
            }
            tracing::info!("{}: {e}", one.what());
            report.left += 1;
            Ok(newest)
        }
    }
}

/// Counts what the newest version has of files that the one before had not, and the other way round.
fn count(before: &Snapshot, after: &Snapshot, report: &mut CompactReport) {
    let mut sum = |of: &Snapshot, other: &Snapshot, into: fn(&mut CompactReport) -> (&mut u64, &mut u64)| {
        let known: HashSet<&str> = other.state.files.iter().map(|f| f.path.as_str()).collect();
        let (files, bytes) = into(report);
        for file in of.state.files.iter().filter(|f| !known.contains(f.path.as_str())) {
            *files += 1;
            *bytes += file.bytes;
        }
    };
    sum(before, after, |report| (&mut report.files.0, &mut report.bytes.0));
    sum(after, before, |report| (&mut report.files.1, &mut report.bytes.1));
}
