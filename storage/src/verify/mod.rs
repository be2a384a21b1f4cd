//! Proving the promises on what lies in the archive now.

mod ledger;
mod log;
mod packets;

use std::sync::Arc;

use noctuary_packet::time::Night;

use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::log::DataFile;
use crate::meter::Meter;
use crate::snapshot::Snapshot;
use crate::tables::Table;

/// What to look at.
#[derive(Debug, Clone, Copy, Default)]
pub struct VerifyOptions {
    /// Packets of this night only.
    pub night: Option<Night>,
    /// About so many packets, spread evenly over the files, instead of all.
    pub sample: Option<u64>,
}

/// One promise, or one side of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Which: `P1`.
    pub promise: &'static str,
    /// What was looked at.
    pub what: &'static str,
    /// How many of them.
    pub examined: u64,
    /// How many were wrong.
    pub failed: u64,
    /// What is wrong with the first of them.
    pub failures: Vec<String>,
}

/// Failures that are written out; the rest are counted.
const SHOWN_FAILURES: usize = 100;

impl Check {
    fn new(promise: &'static str, what: &'static str) -> Self {
        Self { promise, what, examined: 0, failed: 0, failures: Vec::new() }
    }

    fn look(&mut self) {
        self.examined += 1;
    }

    fn fail(&mut self, what: impl Into<String>) {
        self.failed += 1;
        if self.failures.len() < SHOWN_FAILURES {
            self.failures.push(what.into());
        }
    }

    /// Counts one, and what is wrong with it if something is.
    fn hold(&mut self, holds: bool, what: impl FnOnce() -> String) {
        self.look();
        if !holds {
            self.fail(what());
        }
    }
}

/// The outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// The version that was looked at.
    pub version: u64,
    /// The checks, in the order of the promises.
    pub checks: Vec<Check>,
}

impl VerifyReport {
    /// True if every promise holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|c| c.failed == 0)
    }
}

/// Looks at the log, every file, every packet and the ledger of a version.
///
/// # Errors
/// [`crate::error::ErrorKind::NotFound`] if there is nothing of the night. Damage is not an error but a failed check.
pub async fn verify(
    archive: &Archive,
    snapshot: &Snapshot,
    options: &VerifyOptions,
    meter: &Arc<Meter>,
) -> Result<VerifyReport> {
    let files: Vec<Arc<DataFile>> = snapshot.state.files.clone();
    // Packets are read twice: for themselves, and as files.
    let packets = files.iter().filter(|f| f.table == Table::Packets);
    meter.expect(files.iter().chain(packets).map(|f| f.bytes).sum());
    if let Some(night) = options.night
        && !snapshot.files(Table::Packets, None).any(|file| of_night(file, night))
    {
        return Err(StorageError::not_found(format!(
            "no packet is of the night {night}; `noctuary nights` shows those there are"
        )));
    }
    let mut checks = packets::check(archive, snapshot, options, meter).await;
    checks.extend(log::check(archive, snapshot).await);
    checks.extend(ledger::check(archive, snapshot).await);
    checks.sort_by_key(|c| c.promise);
    Ok(VerifyReport { version: snapshot.version(), checks })
}

/// True if a file may hold rows of a night.
fn of_night(file: &DataFile, night: Night) -> bool {
    file.stats.night.is_some_and(|(from, to)| from <= night.0 && night.0 <= to)
}
