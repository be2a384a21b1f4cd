//! What the tests share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use noctuary_engine::{Engine, EngineOptions, Session, SessionOptions};
use noctuary_storage::ingest::{IngestOptions, Source, ingest};
use noctuary_storage::{Archive, Location};

/// The real packets. Tests that use them are ignored where they are absent.
pub fn data(folder: &str) -> PathBuf {
    Path::new(option_env!("NOCTUARY_REAL_PACKETS").unwrap_or_default()).join(folder)
}

/// A session over an archive in memory that holds these paths.
pub async fn session(paths: &[PathBuf]) -> Session {
    let archive = Archive::open_or_create(Location::memory().unwrap()).await.unwrap();
    let sources = paths.iter().cloned().map(Source::Path).collect();
    ingest(&archive, sources, &IngestOptions::default(), &Arc::default()).await.unwrap();
    let options = EngineOptions { threads: 2, extend: vec![noctuary_queries::functions()], ..EngineOptions::default() };
    Engine::new(archive, options).unwrap().session(SessionOptions::default()).await.unwrap()
}

/// The answer as text, null as `-`.
pub async fn ask(session: &Session, sql: &str) -> Vec<Vec<String>> {
    let planned = session.plan(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let batches: Vec<RecordBatch> = planned.execute().await.unwrap().try_collect().await.unwrap();
    let options = FormatOptions::new().with_null("-");
    let mut out = Vec::new();
    for batch in &batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
        out.extend((0..batch.num_rows()).map(|row| columns.iter().map(|c| c.value(row).to_string()).collect()));
    }
    out
}
