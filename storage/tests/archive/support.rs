//! What the tests share.

use std::path::Path;
use std::sync::Arc;

use noctuary_storage::ingest::{IngestOptions, Progress, Report, Source, ingest};
use noctuary_storage::verify::{VerifyOptions, verify};
use noctuary_storage::{Archive, Location, Result};
use object_store::ObjectStore;

/// An empty archive in memory.
pub async fn empty() -> Archive {
    Archive::open_or_create(Location::memory().unwrap()).await.unwrap()
}

/// The archive in a store, made if it is not there.
pub async fn open(store: &Arc<dyn ObjectStore>) -> Archive {
    Archive::open_or_create(Location::with_store("memory:///", Arc::clone(store)).unwrap()).await.unwrap()
}

/// Takes in one path.
pub async fn take(archive: &Archive, path: &Path, options: &IngestOptions) -> Report {
    try_take(archive, vec![Source::Path(path.into())], options).await.unwrap()
}

/// Takes in packets under a name.
pub async fn take_packets(archive: &Archive, name: &str, packets: Vec<Vec<u8>>) -> Report {
    try_take(archive, vec![made(name, packets)], &IngestOptions::default()).await.unwrap()
}

/// Takes in sources, which may fail.
pub async fn try_take(archive: &Archive, sources: Vec<Source>, options: &IngestOptions) -> Result<Report> {
    let progress = Arc::new(Progress::default());
    let report = ingest(archive, sources, options, &progress).await?;
    let counts = report.counts;
    assert_eq!(counts.received, counts.stored + counts.duplicate + counts.quarantined, "{report:?}");
    assert_eq!(report.reasons.values().sum::<u64>(), counts.quarantined.unsigned_abs(), "{report:?}");
    Ok(report)
}

/// Packets as a source.
pub fn made(name: &str, packets: Vec<Vec<u8>>) -> Source {
    Source::packets(name, Box::new(packets.into_iter()))
}

/// Commits after so many bytes of packets.
pub fn commits_of(bytes: usize) -> IngestOptions {
    IngestOptions { commit_bytes: bytes, threads: 2, ..IngestOptions::default() }
}

/// Every promise holds.
pub async fn assert_verified(archive: &Archive) {
    let snapshot = archive.snapshot().await.unwrap();
    let report = verify(archive, &snapshot, &VerifyOptions::default(), &Arc::default()).await.unwrap();
    assert!(report.holds(), "{report:#?}");
}
