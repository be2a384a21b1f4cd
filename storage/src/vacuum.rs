//! Giving back the room of what nobody needs any more: files whose rows have been merged or undone, and leftovers of
//! writers that were stopped.
//!
//! Nothing is deleted before the log says that it will be. A version from before is read from the files of a later one
//! from then on, and a writer that was asleep meanwhile finds its files refused instead of missing.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;

use crate::archive::{Archive, Commit};
use crate::delete::delete;
use crate::error::{ErrorKind, Result};
use crate::log::{Cleared, Entry};
use crate::paths;
use crate::snapshot::Snapshot;
use crate::tables::Table;
use crate::{delta, index};

/// What to give up.
#[derive(Debug, Clone)]
pub struct VacuumOptions {
    /// The time it is.
    pub now: DateTime<Utc>,
    /// Versions that were the newest within this time keep their own files, which spares their readers from looking
    /// for them elsewhere.
    pub keep: TimeDelta,
    /// Files that no version names are taken for leftovers when they are older than this.
    pub grace: TimeDelta,
    /// Clear the versions before this one as well, however new it is.
    pub before: Option<u64>,
    /// Only say what would be deleted.
    pub dry_run: bool,
}

impl Default for VacuumOptions {
    fn default() -> Self {
        Self { now: Utc::now(), keep: TimeDelta::days(7), grace: TimeDelta::days(1), before: None, dry_run: false }
    }
}

/// What was given back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VacuumReport {
    /// Files whose rows stand elsewhere, or were undone.
    pub superseded: u64,
    /// Files that no version had ever named.
    pub leftovers: u64,
    /// Bytes of both, as far as they were there.
    pub bytes: u64,
    /// Versions before this one are read from the files of this one.
    pub cleared: u64,
}

/// What a vacuum deletes.
#[derive(Debug, Default)]
struct Found {
    before: u64,
    superseded: Vec<String>,
    leftovers: Vec<String>,
    bytes: u64,
}

/// Deletes what no version needs that is kept. May be stopped at any point and started again.
///
/// # Errors
/// When storage fails.
pub async fn vacuum(archive: &Archive, options: &VacuumOptions) -> Result<VacuumReport> {
    let mut snapshot = archive.snapshot().await?;
    if !options.dry_run {
        // What is published may be behind, and name what is deleted.
        delta::follow(archive, &snapshot).await?;
    }
    let found = loop {
        let found = find(archive, &snapshot, options).await?;
        let nothing = found.superseded.is_empty() && found.leftovers.is_empty();
        if options.dry_run || (nothing && found.before <= snapshot.cleared()) {
            break found;
        }
        let mut entry = Entry::new(options.now, format!("versions before {} cleared", found.before));
        entry.cleared = Some(Cleared { before: found.before, dead: found.leftovers.clone() });
        match archive.commit(&snapshot, entry).await {
            Ok(Commit::Done(_)) => break found,
            Ok(Commit::Overtaken(newer)) => snapshot = newer,
            // A leftover has just been committed after all.
            Err(e) if e.kind() == ErrorKind::Conflict => snapshot = archive.snapshot().await?,
            Err(e) => return Err(e),
        }
    };
    if !options.dry_run {
        let all = found.superseded.iter().chain(&found.leftovers);
        let paths = all.map(|path| Path::from(path.as_str())).collect();
        delete(archive.store(), paths, "deleting what is not needed").await?;
        index::remove_dead(archive, &archive.snapshot().await?).await?;
        delta::thin(archive, options.now - options.keep).await?;
    }
    Ok(VacuumReport {
        superseded: found.superseded.len() as u64,
        leftovers: found.leftovers.len() as u64,
        bytes: found.bytes,
        cleared: found.before,
    })
}

async fn find(archive: &Archive, snapshot: &Snapshot, options: &VacuumOptions) -> Result<Found> {
    let oldest = options.now - options.keep;
    let kept = snapshot.versions().iter().rev().find(|version| version.at <= oldest);
    let before = kept.map_or(0, |version| version.version).max(snapshot.cleared());
    let before = before.max(options.before.unwrap_or(0).min(snapshot.version()));
    // Those that an earlier vacuum has cleared are there if it was stopped before it had deleted them.
    let (superseded, waiting): (Vec<_>, Vec<_>) = snapshot.state.gone.iter().partition(|gone| gone.at <= before);
    let gone: HashSet<&str> = superseded.into_iter().map(|gone| gone.path.as_str()).collect();
    let mut named: HashSet<&str> = snapshot.state.files.iter().map(|file| file.path.as_str()).collect();
    named.extend(waiting.into_iter().map(|gone| gone.path.as_str()));
    let mut found = Found { before, ..Found::default() };
    for table in Table::ALL {
        let mut objects = archive.store().list(Some(&Path::from(table.to_string())));
        while let Some(object) = objects.try_next().await? {
            let path = object.location.as_ref();
            if paths::is_delta(&object.location) {
                continue;
            }
            let is_leftover =
                !named.contains(path) && !gone.contains(path) && object.last_modified <= options.now - options.grace;
            if is_leftover {
                found.leftovers.push(path.to_owned());
            }
            if gone.contains(path) {
                found.superseded.push(path.to_owned());
            }
            if is_leftover || gone.contains(path) {
                found.bytes += object.size;
            }
        }
    }
    Ok(found)
}
