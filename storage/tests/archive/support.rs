//! What the tests share.

use std::path::Path;
use std::sync::Arc;

use noctuary_storage::ingest::{IngestOptions, Progress, Report, Source, ingest};
use noctuary_storage::verify::{VerifyOptions, verify};
use noctuary_storage::{Archive, Location};

/// An empty archive in memory.
pub async fn empty() -> Archive {
    Archive::open_or_create(Location::memory().unwrap()).await.unwrap()
}

/// The real packets. Tests that use them are ignored where they are absent.
pub fn data(folder: &str) -> std::path::PathBuf {
    Path::new(option_env!("NOCTUARY_REAL_PACKETS").unwrap_or_default()).join(folder)
}

/// Takes in one path.
pub async fn take(archive: &Archive, path: &Path, options: &IngestOptions) -> Report {
    let progress = Arc::new(Progress::default());
    ingest(archive, vec![Source::Path(path.into())], options, &progress).await.unwrap()
}

/// Every promise holds.
pub async fn assert_verified(archive: &Archive) {
    let snapshot = archive.snapshot().await.unwrap();
    let report = verify(archive, &snapshot, &VerifyOptions::default(), &Arc::default()).await.unwrap();
    assert!(report.holds(), "{report:#?}");
}
