//! A copy of an archive elsewhere: a backup, or a second site.
//!
//! Objects come first and the log last, so that the copy shows nothing that it has not got. It has the versions of the
//! original under the same numbers, and can itself be the original of another copy. Only a mirror may write to it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tokio::io::AsyncWriteExt;

use crate::archive::Archive;
use crate::checksum::Running;
use crate::delta;
use crate::error::{ErrorKind, Result, StorageError};
use crate::location::Location;
use crate::log::Log;
use crate::meter::Meter;
use crate::paths;
use crate::snapshot::Snapshot;
use crate::tables::Table;

/// What was copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MirrorReport {
    /// Versions that the copy has got.
    pub versions: u64,
    /// Objects that the copy has got, log entries aside.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that the original has cleared away, and the copy now as well.
    pub deleted: u64,
    /// The newest version of the copy.
    pub version: u64,
}

/// Objects copied at a time.
const AT_A_TIME: usize = 4;
/// How often it begins anew because the original was merged and cleared meanwhile.
const TRIES: usize = 5;

/// Brings a copy up to the newest version of an archive. May be stopped at any point and started again.
///
/// # Errors
/// [`ErrorKind::Invalid`] if there is another archive at the place of the copy; [`ErrorKind::Damaged`] if a file of the
/// original is no longer what was put there.
pub async fn mirror(from: &Archive, to: &Location, meter: &Meter) -> Result<MirrorReport> {
    // Tickets of the original are worth as much at the copy, whoever of both hands out the first. An original that
    // cannot be written to gets no key here, and has none to give.
    if let Err(e) = from.ticket_key().await {
        tracing::info!("the copy will sign tickets with a key of its own: {e}");
    }
    let mut tries = 0;
    loop {
        let snapshot = from.snapshot().await?;
        match copy(from, &snapshot, to, meter).await {
            Ok(report) => return Ok(report),
            Err(e) if tries < TRIES && from.snapshot().await?.version() != snapshot.version() => {
                tracing::info!("{e}; the archive has gone on meanwhile, and so does its mirror");
                tries += 1;
            }
            Err(e) => return Err(e),
        }
    }
}

async fn copy(from: &Archive, snapshot: &Snapshot, to: &Location, meter: &Meter) -> Result<MirrorReport> {
    let (source, target) = (Log::new(Arc::clone(from.store())), Log::new(Arc::clone(to.store())));
    let first = first_missing(&source, &target, to, snapshot.version()).await?;
    let mut report = MirrorReport { version: snapshot.version(), ..MirrorReport::default() };

    // What lies beside the files is small, and never changes.
    for folder in [paths::SCHEMAS, paths::SURVEYS, paths::HEADERS, paths::KEYS] {
        let there = sizes(to.store(), folder).await?;
        for (path, size) in sizes(from.store(), folder).await? {
            // A copy that was served before it was complete may have made a key of its own.
            let same = there.get(&path) == Some(&size)
                && (folder != paths::KEYS || same_bytes(from.store(), to.store(), &path).await?);
            if !same {
                report.bytes += carry(from.store(), to.store(), &path, None).await?;
                report.objects += 1;
            }
        }
    }
    let needed: HashSet<String> = snapshot
        .state
        .files
        .iter()
        .map(|file| file.path.clone())
        .chain(snapshot.state.waiting().map(|gone| gone.path.clone()))
        .collect();
    let mut missing: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for file in &snapshot.state.files {
        missing.insert(file.path.clone(), (file.bytes, file.checksum.clone()));
    }
    for version in first..=snapshot.version() {
        let entry = source.read(version).await?.ok_or_else(|| lost(version))?;
        for file in entry.add.into_iter().filter(|file| needed.contains(&file.path)) {
            missing.insert(file.path, (file.bytes, file.checksum));
        }
    }
    let mut unneeded = Vec::new();
    for table in Table::ALL {
        for (path, size) in sizes(to.store(), &table.to_string()).await? {
            if paths::is_delta(&Path::from(path.as_str())) {
                continue;
            }
            if missing.get(&path).is_some_and(|(bytes, _)| *bytes == size) {
                missing.remove(&path);
            }
            if !needed.contains(&path) {
                unneeded.push(path);
            }
        }
    }
    meter.begin(missing.values().map(|(bytes, _)| bytes).sum());
    let mut copies = Vec::with_capacity(missing.len());
    for (path, (_, checksum)) in missing {
        let (source, target) = (Arc::clone(from.store()), Arc::clone(to.store()));
        copies.push(async move { carry(&source, &target, &path, Some(&checksum)).await });
    }
    let mut copies = stream::iter(copies).buffer_unordered(AT_A_TIME);
    while let Some(bytes) = copies.try_next().await? {
        meter.did(bytes);
        report.bytes += bytes;
        report.objects += 1;
    }

    // Versions before the cleared one would be read from files that are not there, if one of them were the newest.
    let whole = snapshot.cleared().min(snapshot.version());
    for version in (first..=whole).rev().chain(first.max(whole + 1)..=snapshot.version()) {
        let path = paths::log_entry(version);
        let bytes = from.store().get(&path).await?.bytes().await?;
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match to.store().put_opts(&path, PutPayload::from(bytes.clone()), options).await {
            Ok(_) => report.versions += 1,
            // An earlier run put it and was stopped, or was not told.
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                if to.store().get(&path).await?.bytes().await? != bytes {
                    return Err(another(to));
                }
            }
            Err(e) => return Err(e.into()),
        }
    }
    // The copy publishes by itself what the original does, before what earlier versions of that named is deleted.
    let copy = Archive::open(to.clone()).await?;
    let newest = copy.snapshot().await?;
    match newest.publishes() {
        true => delta::follow(&copy, &newest).await?,
        false => delta::clear(&copy).await?,
    }
    for path in unneeded {
        match to.store().delete(&Path::from(path)).await {
            Ok(()) => report.deleted += 1,
            Err(object_store::Error::NotFound { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(report)
}

/// The first version that the copy has not got, when all that it has are those of the original.
async fn first_missing(source: &Log, target: &Log, to: &Location, newest: u64) -> Result<u64> {
    let Some(mut there) = target.read(0).await?.map(|_| 0) else { return Ok(0) };
    // Whole up to here; what a stopped run has put beyond a hole is looked at when it is put again.
    let beyond = target.newest_checkpoint(None).await?.filter(|version| *version <= newest);
    there = beyond.unwrap_or(there);
    while target.read(there + 1).await?.is_some() {
        there += 1;
    }
    for version in [0, there] {
        let (ours, theirs) = (source.read(version).await?, target.read(version).await?);
        if ours.zip(theirs).is_none_or(|(ours, theirs)| ours.id != theirs.id) {
            return Err(another(to));
        }
    }
    Ok(there + 1)
}

fn another(to: &Location) -> StorageError {
    StorageError::invalid(format!(
        "{} is an archive of its own and no mirror of this one: its log goes another way; choose an empty place",
        to.url()
    ))
}

fn lost(version: u64) -> StorageError {
    StorageError::damaged(format!("version {version} of the log is missing"))
}

/// The objects below a folder, with their lengths.
async fn sizes(store: &Arc<dyn ObjectStore>, folder: &str) -> Result<BTreeMap<String, u64>> {
    let objects = store.list(Some(&Path::from(folder)));
    Ok(objects.map_ok(|object| (object.location.to_string(), object.size)).try_collect().await?)
}

/// True if a small object is the same in both.
async fn same_bytes(from: &Arc<dyn ObjectStore>, to: &Arc<dyn ObjectStore>, path: &str) -> Result<bool> {
    let path = Path::from(path);
    Ok(from.get(&path).await?.bytes().await? == to.get(&path).await?.bytes().await?)
}

/// Copies an object, of any length, and says how long it was.
async fn carry(
    from: &Arc<dyn ObjectStore>,
    to: &Arc<dyn ObjectStore>,
    path: &str,
    checksum: Option<&str>,
) -> Result<u64> {
    let path = Path::from(path);
    let mut bytes = from.get(&path).await.map_err(|e| missing(&path, e))?.into_stream();
    let mut writer = BufWriter::new(Arc::clone(to), path.clone());
    let (mut running, mut length) = (Running::default(), 0);
    while let Some(part) = bytes.try_next().await? {
        running.update(&part);
        length += part.len() as u64;
        writer.put(part).await?;
    }
    if checksum.is_some_and(|checksum| running.told() != checksum) {
        // What has been written of it is given up with the writer.
        return Err(StorageError::damaged(format!("{path} is not what was put there; `noctuary verify` tells more")));
    }
    writer.shutdown().await?;
    Ok(length)
}

fn missing(path: &Path, error: object_store::Error) -> StorageError {
    match error {
        object_store::Error::NotFound { .. } => {
            StorageError::new(ErrorKind::Damaged, format!("{path} is missing; put it back from a copy of the archive"))
        }
        other => other.into(),
    }
}
