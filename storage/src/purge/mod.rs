//! Giving something up for good, by order: packets that must not be kept, and images that are too old to be.
//!
//! It is the one thing that changes what earlier versions show: what was purged is in none of them any more. The log
//! and the ledger keep that it was there, and why it is not. Everything else reads as before.

mod cutouts;
mod mark;
mod packets;
mod pieces;
mod refused;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use noctuary_packet::id::Id;

pub use cutouts::CutoutsOrder;
pub use packets::PacketsOrder;

use crate::archive::{Archive, Commit};
use crate::compact::prove;
use crate::error::{ErrorKind, Result, StorageError};
use crate::log::{DataFile, Entry, Purged};
use crate::snapshot::Snapshot;
use crate::tables::Table;
use crate::vacuum::{VacuumOptions, vacuum};

/// What is to be purged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Packets, all revisions of an alert.
    Packets(PacketsOrder),
    /// Images of nights that are long past.
    Cutouts(CutoutsOrder),
}

/// What was purged, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PurgeReport {
    /// Packets of which nothing is left, or whose images are not.
    pub packets: u64,
    /// Files whose content went, all of it or some.
    pub files: u64,
    /// Bytes that storage has given back, or would.
    pub bytes: u64,
    /// The version that did it.
    pub version: u64,
}

/// What one order comes to in one version.
#[derive(Debug, Default)]
struct Work {
    add: Vec<DataFile>,
    remove: Vec<String>,
    /// Files of packets that stay as they are, and are made of something that is written anew.
    others: Vec<Arc<DataFile>>,
    marks: Vec<mark::Mark>,
    purged: Purged,
    what: String,
    report: PurgeReport,
}

/// How often it begins anew because others have merged what it was about.
const TRIES: usize = 8;

/// Carries out an order. May be stopped at any point and given again; until it has ended, some of what it is about may
/// still lie in storage.
///
/// # Errors
/// [`ErrorKind::NotFound`] if there is nothing of what is to go, [`ErrorKind::Invalid`] if it is not clear what is
/// meant or no reason is given.
pub async fn purge(
    archive: &Archive,
    order: &Order,
    reason: &str,
    now: DateTime<Utc>,
    dry_run: bool,
) -> Result<PurgeReport> {
    if reason.trim().is_empty() {
        return Err(StorageError::invalid("a purge needs a reason, which the log and the ledger keep"));
    }
    let mut tries = 0;
    let mut report = loop {
        let snapshot = archive.snapshot().await?;
        match once(archive, &snapshot, order, reason, now, dry_run).await {
            Err(e) if e.kind() == ErrorKind::Conflict && tries < TRIES => {
                tracing::info!("{e}; what is to be purged lies elsewhere now");
                tries += 1;
            }
            other => break other?,
        }
    };
    if !dry_run {
        let last = archive.snapshot().await?.purged().orders.keys().next_back().copied();
        // Nothing that writers who were stopped have put may hold on to what must not be kept; whoever is about to
        // commit such a file begins again. Images that are only old can wait.
        let grace = match order {
            Order::Packets(_) => TimeDelta::zero(),
            Order::Cutouts(_) => VacuumOptions::default().grace,
        };
        // The clock of files may be a little ahead.
        let now = now.max(Utc::now()) + TimeDelta::seconds(1);
        let options = VacuumOptions { now, before: last, grace, ..VacuumOptions::default() };
        report.bytes = vacuum(archive, &options).await?.bytes;
    }
    Ok(report)
}

async fn once(
    archive: &Archive,
    snapshot: &Snapshot,
    order: &Order,
    reason: &str,
    now: DateTime<Utc>,
    dry_run: bool,
) -> Result<PurgeReport> {
    let work = match order {
        Order::Packets(order) => packets::plan(archive, snapshot, order, dry_run).await?,
        Order::Cutouts(order) => cutouts::plan(archive, snapshot, order).await?,
    };
    let Work { add, remove, others, marks, mut purged, what, mut report } = work;
    // An order that was stopped when it was committed has still to give back its room.
    if dry_run || remove.is_empty() {
        return Ok(report);
    }
    reason.clone_into(&mut purged.reason);
    let mut entry = Entry::purging(now, format!("{what} purged: {reason}"), purged);
    entry.add = add;
    entry.remove = remove;
    for mark in &marks {
        entry.counts.add(&mark.counts);
    }
    prove(archive, snapshot, &entry, &others).await?;
    entry.add.push(mark::put(archive, &marks, &entry.what).await?);
    report.version = commit(archive, snapshot, entry).await?.version();
    Ok(report)
}

/// Commits, unless something has come meanwhile that the order is about as well.
async fn commit(archive: &Archive, snapshot: &Snapshot, entry: Entry) -> Result<Snapshot> {
    let mut base = snapshot.clone();
    loop {
        match archive.commit(&base, entry.clone()).await? {
            Commit::Done(snapshot) => return Ok(snapshot),
            Commit::Overtaken(newer) => base = newer,
        }
        let packets = entry.purged.iter().flat_map(|purged| &purged.packets);
        let ids: BTreeSet<Id> = packets.map(|packet| packet.alert.clone()).collect();
        let may_hold = |file: &&Arc<DataFile>| {
            let range = file.stats.alert.as_ref();
            file.commit > snapshot.version()
                && range.is_some_and(|(from, to)| ids.range::<Id, _>(from..=to).next().is_some())
        };
        if base.last_rollback() != snapshot.last_rollback() || base.files(Table::Packets, None).any(|f| may_hold(&f)) {
            return Err(StorageError::new(
                ErrorKind::Conflict,
                "others have changed what is to be purged; nothing is lost: give the order again",
            ));
        }
    }
}
