//! Which alerts the archive has already: promise P2.
//!
//! Ids of alerts of one night lie close together, so the least and greatest id of each file tell which few files can
//! hold an id at all; of those the id and digest columns are read and kept for a while.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::AsArray;
use futures::TryStreamExt;
use moka::future::Cache;
use noctuary_packet::hash::PacketHash;
use noctuary_packet::id::Id;
use parquet::arrow::ProjectionMask;

use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::DataFile;
use crate::packets::ids;
use crate::snapshot::Snapshot;
use crate::tables::{COMMIT, Table};
use crate::visible::Commits;

/// Memory for id columns read back.
const CACHE_BYTES: u64 = 128 << 20;
/// Rough size of an id with its digest in a map.
const ENTRY_BYTES: u64 = 96;
/// Ids of this run that are remembered although they can be read from files by now.
const OVERLAY_IDS: usize = 500_000;

/// Digests by id.
pub(super) type Digests = HashMap<Id, Vec<PacketHash>>;

/// Look-up of alerts by id.
#[derive(Debug)]
pub(super) struct KnownAlerts {
    archive: Archive,
    /// By file, and by the last rollback, which may have undone some of its rows.
    files: Cache<Part, Arc<Digests>>,
    /// What this run has accepted and perhaps not committed yet.
    overlay: HashMap<Key, Vec<(u64, PacketHash)>>,
    order: VecDeque<(u64, Key)>,
}

type Key = (Arc<str>, Id);

/// A file, and what the last rollback had undone of it.
type Part = (String, Option<(u64, u64)>);

/// What was known when a batch was put together; what came later has to be looked at again before it is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looked {
    /// The version of the archive.
    pub version: u64,
    /// What the last rollback had undone by then.
    pub rollback: Option<(u64, u64)>,
    /// How many packets had been purged.
    pub purged: usize,
}

impl Looked {
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            version: snapshot.version(),
            rollback: snapshot.last_rollback(),
            purged: snapshot.purged().packets.len(),
        }
    }
}

impl KnownAlerts {
    pub fn new(archive: &Archive) -> Self {
        let files = Cache::builder()
            .max_capacity(CACHE_BYTES)
            .weigher(|_: &Part, digests: &Arc<Digests>| {
                u32::try_from(digests.len() as u64 * ENTRY_BYTES).unwrap_or(u32::MAX)
            })
            .build();
        Self { archive: archive.clone(), files, overlay: HashMap::new(), order: VecDeque::new() }
    }

    /// What the files of the archive say of these ids.
    pub async fn prepare(&self, snapshot: &Snapshot, survey: &str, ids: &[&Id]) -> Result<Digests> {
        let mut found = Digests::new();
        let (Some(least), Some(greatest)) = (ids.iter().min(), ids.iter().max()) else { return Ok(found) };
        for file in snapshot.files(Table::Alerts, Some(survey)) {
            let Some((from, to)) = &file.stats.alert else { continue };
            if from <= *greatest && to >= *least && ids.iter().any(|id| from <= *id && *id <= to) {
                let key = (file.path.clone(), snapshot.last_rollback());
                let load = self.files.try_get_with(key, load(&self.archive, file, |c| snapshot.visible().shows(c)));
                let digests = load.await.map_err(|e: Arc<StorageError>| {
                    StorageError::new(e.kind(), e.to_string()).during(format!("reading the ids of {}", file.path))
                })?;
                // Only what was asked for is held on to: ids in no order lead to every file there is.
                for id in ids.iter().copied().collect::<BTreeSet<_>>() {
                    if let Some(known) = digests.get(id) {
                        found.entry(id.clone()).or_default().extend(known);
                    }
                }
            }
        }
        // What was purged is known, and not to be stored again.
        let purged = snapshot.purged().packets.iter().filter(|packet| packet.survey == survey);
        for packet in purged.filter(|packet| ids.contains(&&packet.alert)) {
            found.entry(packet.alert.clone()).or_default().extend(PacketHash::from_hex(&packet.sha256));
        }
        Ok(found)
    }

    /// The digests under which an id is known.
    pub fn digests(&self, in_files: &Digests, survey: &Arc<str>, id: &Id) -> Vec<PacketHash> {
        let mut known: Vec<PacketHash> = in_files.get(id).into_iter().flatten().copied().collect();
        for (_, digest) in self.overlay.get(&(Arc::clone(survey), id.clone())).into_iter().flatten() {
            // What has been committed since stands in a file too.
            if !known.contains(digest) {
                known.push(*digest);
            }
        }
        known
    }

    /// Remembers an alert of this run and of this batch.
    pub fn accept(&mut self, batch: u64, survey: &Arc<str>, id: &Id, digest: PacketHash) {
        let key = (Arc::clone(survey), id.clone());
        self.order.push_back((batch, key.clone()));
        self.overlay.entry(key).or_default().push((batch, digest));
    }

    /// Forgets the oldest of those whose batches, the first `committed` ones, stand in files by now.
    pub fn forget(&mut self, committed: u64) {
        while self.order.len() > OVERLAY_IDS && self.order.front().is_some_and(|(batch, _)| *batch < committed) {
            let Some((batch, key)) = self.order.pop_front() else { return };
            if let Some(digests) = self.overlay.get_mut(&key) {
                digests.retain(|(of, _)| *of > batch);
                if digests.is_empty() {
                    self.overlay.remove(&key);
                }
            }
        }
    }
}

/// Reads the ids and digests of a file, of rows that certain commits brought.
pub(super) async fn load(
    archive: &Archive,
    file: &Arc<DataFile>,
    wanted: impl Fn(u64) -> bool,
) -> Result<Arc<Digests>> {
    let builder = archive.rows(file).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["_alert", "_sha256", COMMIT]);
    let mut batches = batches(file, builder.with_projection(mask))?;
    let mut digests = Digests::new();
    while let Some(batch) = batches.try_next().await? {
        let damaged = || StorageError::damaged(format!("{} has no ids and digests", file.path));
        let ids = ids(&batch, file)?;
        let hashes = batch.column_by_name("_sha256").and_then(|c| c.as_fixed_size_binary_opt()).ok_or_else(damaged)?;
        let commits = Commits::of(&batch, file)?;
        for row in (0..batch.num_rows()).filter(|row| wanted(commits.get(*row))) {
            let digest = hashes.value(row).try_into().map_err(|_| damaged())?;
            digests.entry(ids(row)).or_default().push(PacketHash(digest));
        }
    }
    Ok(Arc::new(digests))
}
