//! The stages of an ingest, one after the other and at the same time.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::Utc;
use futures::stream::{self, StreamExt, TryStreamExt};
use noctuary_packet::id::Id;
use object_store::{ObjectStoreExt, PutPayload};
use tokio::sync::mpsc;

use super::batch::{Batch, Known};
use super::build::Built;
use super::builders::Builders;
use super::examine::{Accepted, Examined, Verdict, examine};
use super::item::Item;
use super::known::{self, Digests, KnownAlerts, Looked};
use super::progress::Progress;
use super::reader::Reader;
use super::resolve::Resolver;
use super::source::{self, Source};
use super::{IngestOptions, Report};
use crate::archive::{Archive, Commit};
use crate::error::{ErrorKind, Result, StorageError};
use crate::log::{Counts, DataFile, Entry, SourceMove};
use crate::paths;
use crate::snapshot::Snapshot;
use crate::tables::Table;

/// Batches under construction hold their packets, their columns and their files.
const MEMORY_OF_BATCHES: usize = 640 << 20;

/// Takes packets in and returns when all that the sources hold is committed.
///
/// May be stopped at any point and started again: it goes on behind the last commit.
///
/// # Errors
/// [`ErrorKind::Conflict`] if another ingest takes packets from the same source; [`ErrorKind::NotFound`] if a source
/// does not exist. Bad packets are no errors: they are quarantined and counted.
pub async fn ingest(
    archive: &Archive,
    sources: Vec<Source>,
    options: &IngestOptions,
    progress: &Arc<Progress>,
) -> Result<Report> {
    let snapshot = archive.snapshot().await?;
    let threads = options.threads.max(1);
    let in_flight = (MEMORY_OF_BATCHES / (options.commit_bytes.max(1).saturating_mul(4))).clamp(1, threads);
    let run = Run::new(archive, &snapshot, in_flight);
    let listed = source::list(sources, &run.name)?;
    let mut report = Report { sources: listed.inputs.len() as u64, skipped: listed.skipped, ..Report::default() };
    progress.expect(listed.inputs.iter().map(|i| i.size).sum());

    let (to_examine, chunks) = mpsc::channel::<Vec<Item>>(2);
    let reader = {
        let (reader, snapshot) = (Reader::new(to_examine, Arc::clone(progress)), snapshot.clone());
        tokio::task::spawn_blocking(move || reader.run(listed.inputs, &snapshot))
    };
    let resolver = Arc::new(Resolver::new(&snapshot, options.schema.clone()));
    let examined = stream::unfold(chunks, |mut chunks| async move { Some((chunks.recv().await?, chunks)) })
        .map(|chunk| {
            let resolver = Arc::clone(&resolver);
            tokio::task::spawn_blocking(move || {
                chunk.into_iter().map(|item| examine(item, &resolver)).collect::<Vec<_>>()
            })
        })
        .buffered(threads)
        .map_err(StorageError::from);

    let (to_build, batches) = mpsc::channel::<Batch>(1);
    let sorting = run.sort(examined, options.commit_bytes, listed.refused, to_build, progress);
    let building = async {
        let built = stream::unfold((batches, 0u64), |(mut batches, number)| async move {
            Some(((number, batches.recv().await?), (batches, number + 1)))
        })
        .map(|(number, batch)| run.build(number, batch))
        .buffered(in_flight);
        let mut built = std::pin::pin!(built);
        while let Some(ready) = built.next().await {
            run.commit(ready?, &mut report, progress).await?;
        }
        Ok::<_, StorageError>(())
    };
    futures::try_join!(sorting, building)?;
    reader.await?;
    report.skipped.extend(progress.take_skipped());
    report.already = progress.already();
    report.version = archive.snapshot().await?.version();
    Ok(report)
}

/// What the stages of one ingest share.
pub(super) struct Run {
    archive: Archive,
    name: String,
    newest: Mutex<Snapshot>,
    /// Headers of containers that have been put.
    headers: Mutex<HashSet<String>>,
    builders: Builders,
    /// Batches that have been committed.
    committed: AtomicU64,
    /// The versions that they have become.
    own: Mutex<HashSet<u64>>,
}

/// A commit with its files in place, waiting for its turn.
pub(super) struct Ready {
    entry: Entry,
    /// Ids of the alerts that it brings, by survey, and when they were looked up.
    ids: BTreeMap<String, HashSet<Id>>,
    looked: Option<Looked>,
    reasons: BTreeMap<noctuary_packet::reason::Reason, u64>,
    refused_sources: Vec<(String, String)>,
}

impl Run {
    /// Builds the files of up to `in_flight` commits at a time.
    pub fn new(archive: &Archive, snapshot: &Snapshot, in_flight: usize) -> Self {
        Self {
            archive: archive.clone(),
            name: paths::new_run(),
            newest: Mutex::new(snapshot.clone()),
            headers: Mutex::default(),
            builders: Builders::new(in_flight),
            committed: AtomicU64::default(),
            own: Mutex::default(),
        }
    }

    /// The newest version that the run knows. Never locked while something is waited for: the stages wait for each
    /// other.
    pub fn newest(&self) -> Snapshot {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sorts packets into batches, in order, and finds out which are new.
    async fn sort(
        &self,
        examined: impl futures::Stream<Item = Result<Vec<Examined>>>,
        commit_bytes: usize,
        refused: Vec<(String, String)>,
        to_build: mpsc::Sender<Batch>,
        progress: &Progress,
    ) -> Result<()> {
        let mut known = KnownAlerts::new(&self.archive);
        let mut batch = Batch::default();
        let mut number = 0;
        for (source, why) in refused {
            batch.refuse_source(source, why);
        }
        let mut examined = std::pin::pin!(examined);
        while let Some(chunk) = examined.try_next().await? {
            let files = self.files_of(&mut known, &chunk).await?;
            for piece in chunk {
                progress.examined(piece.packets.len() as u64);
                batch.looked.get_or_insert(files.looked);
                batch.take(piece, |accepted| decide(&mut known, &files, number, accepted));
                if batch.weight() >= commit_bytes {
                    // The receiver is gone only after an error that it reports itself.
                    if to_build.send(std::mem::take(&mut batch)).await.is_err() {
                        return Ok(());
                    }
                    number += 1;
                }
            }
        }
        if !batch.is_empty() {
            // As above.
            let _ = to_build.send(batch).await;
        }
        Ok(())
    }

    /// The id columns of the files that can hold one of these packets, by survey.
    pub async fn files_of(&self, known: &mut KnownAlerts, chunk: &[Examined]) -> Result<KnownFiles> {
        let mut ids: BTreeMap<&str, Vec<&Id>> = BTreeMap::new();
        for packet in chunk.iter().flat_map(|e| &e.packets) {
            if let Verdict::Accepted(accepted) = &packet.verdict {
                ids.entry(&accepted.resolved.survey.name).or_default().push(&accepted.keys.alert);
            }
        }
        // In this order: what is forgotten must be in the files.
        let committed = self.committed.load(SeqCst);
        let snapshot = self.newest();
        known.forget(committed);
        let mut files = KnownFiles { looked: Looked::of(&snapshot), by_survey: BTreeMap::new() };
        for (survey, ids) in ids {
            files.by_survey.insert(survey.into(), known.prepare(&snapshot, survey, &ids).await?);
        }
        Ok(files)
    }

    /// Makes the files of a batch and puts them. Nobody sees them before the commit.
    pub async fn build(&self, number: u64, batch: Batch) -> Result<Ready> {
        let now = Utc::now();
        let counts = batch.counts();
        let (reasons, refused_sources) = (batch.reasons.clone(), batch.refused_sources.clone());
        let released = batch.released.clone();
        let looked = batch.looked;
        let moves: Vec<SourceMove> = batch.moves.values().cloned().collect();
        let mut ids: BTreeMap<String, HashSet<Id>> = BTreeMap::new();
        for row in &batch.stored {
            let survey = row.accepted.resolved.survey.name.clone();
            ids.entry(survey).or_default().insert(row.accepted.keys.alert.clone());
        }
        let name = format!("{}-{number:06}", self.name);
        let built = self.builders.build(batch, name, now).await?;
        let counts = Counts { inline: built.inline, ..counts };
        let mut entry = self.put(built, now, counts, moves).await?;
        entry.released = released;
        Ok(Ready { entry, ids, looked, reasons, refused_sources })
    }

    async fn put(
        &self,
        built: Built,
        now: chrono::DateTime<Utc>,
        counts: Counts,
        moves: Vec<SourceMove>,
    ) -> Result<Entry> {
        let store = self.archive.store();
        let mut entry = Entry::new(now, "ingest");
        entry.counts = counts;
        entry.sources = moves;
        for (digest, header) in built.headers {
            let put = || self.headers.lock().unwrap_or_else(PoisonError::into_inner);
            if !put().contains(&digest) {
                store.put(&paths::header(&digest), PutPayload::from(header.shared().to_vec())).await?;
                // Not before: another batch would rely on it.
                put().insert(digest);
            }
        }
        let snapshot = self.newest();
        for resolved in built.resolved.values() {
            let fingerprint = resolved.schema.fingerprint();
            if !snapshot.keeps_schema(fingerprint) {
                let id = snapshot.registry_id(fingerprint);
                entry.schemas.push(self.archive.keep_schema(&resolved.schema, id).await?);
            }
        }
        let puts = built.files.into_iter().map(|(file, bytes)| async move {
            store.put(&file.path.as_str().into(), PutPayload::from(bytes)).await?;
            Ok::<_, StorageError>(file)
        });
        entry.add = stream::iter(puts).buffered(4).try_collect().await?;
        Ok(entry)
    }

    /// Commits one batch behind the one before.
    pub async fn commit(&self, ready: Ready, report: &mut Report, progress: &Progress) -> Result<()> {
        let Ready { mut entry, ids, mut looked, reasons, refused_sources } = ready;
        let counts = entry.counts;
        let mut newest = self.newest();
        loop {
            if let Some(seen) = looked {
                self.still_holds(seen, &newest, &ids).await?;
                looked = Some(Looked::of(&newest));
            }
            entry.schemas.retain(|schema| !newest.keeps_schema_text(&schema.fingerprint));
            match self.archive.commit(&newest, entry.clone()).await? {
                Commit::Done(snapshot) => {
                    self.own.lock().unwrap_or_else(PoisonError::into_inner).insert(snapshot.version());
                    *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
                    break;
                }
                Commit::Overtaken(newer) => newest = newer,
            }
        }
        self.committed.fetch_add(1, SeqCst);
        report.counts.add(&counts);
        report.commits += 1;
        report.refused_sources.extend(refused_sources);
        for (reason, n) in reasons {
            *report.reasons.entry(reason).or_default() += n;
        }
        progress.committed(counts.stored.unsigned_abs(), counts.quarantined.unsigned_abs());
        Ok(())
    }

    /// Checks that what was found new, known or changed is so still: nobody else has stored alerts of the same ids
    /// since, and what was there has not been undone.
    async fn still_holds(&self, seen: Looked, now: &Snapshot, ids: &BTreeMap<String, HashSet<Id>>) -> Result<()> {
        if now.version() == seen.version {
            return Ok(());
        }
        if Looked::of(now).rollback != seen.rollback {
            return Err(StorageError::new(
                ErrorKind::Conflict,
                "the archive has just been rolled back; nothing is lost: start it again to go on from there",
            ));
        }
        let news = now.purged().packets.iter().skip(seen.purged);
        if let Some(packet) = news.into_iter().find(|p| ids.get(&p.survey).is_some_and(|ids| ids.contains(&p.alert))) {
            return Err(StorageError::new(
                ErrorKind::Conflict,
                format!("alert {} has just been purged; nothing else is lost: start it again", packet.alert),
            ));
        }
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (survey, ids) in ids {
            let others = |file: &&Arc<DataFile>| file.span().1 > seen.version && !file.group.starts_with(&self.name);
            for file in now.files(Table::Alerts, Some(survey)).filter(others) {
                // What has been merged meanwhile may be ours; it is no news then.
                let news = known::load(&self.archive, file, |commit| {
                    commit > seen.version && !own.contains(&commit) && now.visible().shows(commit)
                });
                if news.await?.keys().any(|id| ids.contains(id)) {
                    return Err(StorageError::new(
                        ErrorKind::Conflict,
                        "another ingest has just stored alerts of the same ids; nothing is lost: start it again, \
                         and what is there already will be counted as duplicate",
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Id columns by survey.
pub(super) struct KnownFiles {
    pub looked: Looked,
    by_survey: BTreeMap<Arc<str>, Digests>,
}

/// Holds one accepted packet against what is known, and remembers it.
pub(super) fn decide(known: &mut KnownAlerts, files: &KnownFiles, batch: u64, accepted: &Accepted) -> Known {
    let name = accepted.resolved.survey.name.as_str();
    let Some((survey, files)) = files.by_survey.get_key_value(name) else { return Known::New };
    let digests = known.digests(files, survey, &accepted.keys.alert);
    if digests.contains(&accepted.hash) {
        return Known::Duplicate;
    }
    known.accept(batch, survey, &accepted.keys.alert, accepted.hash);
    match i32::try_from(digests.len()) {
        Ok(0) => Known::New,
        Ok(n) => Known::Revision(n),
        Err(_) => Known::Revision(i32::MAX),
    }
}
