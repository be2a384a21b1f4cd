//! What the tests share.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::TryStreamExt;
use noctuary_engine::{Engine, EngineError, EngineOptions, Session, SessionOptions};
use noctuary_storage::ingest::{IngestOptions, Report, Source, ingest};
use noctuary_storage::{Access, Archive, Location};

/// An empty archive in memory.
pub async fn empty() -> Archive {
    Archive::open_or_create(Location::memory().unwrap()).await.unwrap()
}

/// Takes packets in as one source, one commit each so many bytes.
pub async fn take(archive: &Archive, name: &str, packets: Vec<Vec<u8>>, commit_bytes: usize) -> Report {
    let options = IngestOptions { commit_bytes, threads: 2, ..IngestOptions::default() };
    let source = Source::packets(name, Box::new(packets.into_iter()));
    ingest(archive, vec![source], &options, &Arc::default()).await.unwrap()
}

/// A session on the newest version that sees everything.
pub async fn session(archive: &Archive) -> Session {
    session_of(archive, SessionOptions::default(), true).await
}

/// A session with rights.
pub async fn limited(archive: &Archive, access: Access) -> Session {
    session_of(archive, SessionOptions { access, ..SessionOptions::default() }, true).await
}

/// Any session.
pub async fn session_of(archive: &Archive, options: SessionOptions, prune: bool) -> Session {
    let engine = EngineOptions { threads: 2, prune, ..EngineOptions::default() };
    Engine::new(archive.clone(), engine).unwrap().session(options).await.unwrap()
}

/// The answer as text, null as `-`.
pub async fn ask(session: &Session, sql: &str) -> Vec<Vec<String>> {
    try_ask(session, sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"))
}

/// The answer, or why there is none.
pub async fn try_ask(session: &Session, sql: &str) -> Result<Vec<Vec<String>>, EngineError> {
    let planned = session.plan(sql).await?;
    let batches: Vec<RecordBatch> = planned.execute().await?.try_collect().await?;
    for batch in &batches {
        assert_eq!(batch.schema(), planned.schema(), "{sql}");
    }
    Ok(texts(&batches))
}

/// Rows of batches as text.
pub fn texts(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("-");
    let mut out = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
        out.extend((0..batch.num_rows()).map(|row| columns.iter().map(|c| c.value(row).to_string()).collect()));
    }
    out
}

/// The answer in some order of its own.
pub async fn sorted(session: &Session, sql: &str) -> Vec<Vec<String>> {
    let mut rows = ask(session, sql).await;
    rows.sort();
    rows
}

/// The single value of an answer.
pub async fn one(session: &Session, sql: &str) -> String {
    let rows = ask(session, sql).await;
    assert_eq!((rows.len(), rows[0].len()), (1, 1), "{sql}: {rows:?}");
    rows[0][0].clone()
}

/// Bytes and files that a question reads.
pub async fn cost(session: &Session, sql: &str) -> (usize, usize) {
    let plan = session.plan(sql).await.unwrap().physical_plan().await.unwrap();
    let rows = execute_stream(Arc::clone(&plan), session.context().task_ctx()).unwrap();
    let _: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    (metric(&plan, "bytes_scanned"), files(&plan))
}

fn metric(plan: &Arc<dyn ExecutionPlan>, name: &str) -> usize {
    let own = plan.metrics().and_then(|m| m.sum_by_name(name)).map_or(0, |v| v.as_usize());
    own + plan.children().into_iter().map(|c| metric(c, name)).sum::<usize>()
}

fn files(plan: &Arc<dyn ExecutionPlan>) -> usize {
    use datafusion::datasource::physical_plan::FileScanConfig;
    use datafusion::datasource::source::DataSourceExec;
    let own = plan
        .downcast_ref::<DataSourceExec>()
        .and_then(|s| s.data_source().downcast_ref::<FileScanConfig>())
        .map_or(0, |config| {
            let paths = config.file_groups.iter().flat_map(|g| g.iter());
            paths.map(|f| f.path().clone()).collect::<std::collections::BTreeSet<_>>().len()
        });
    own + plan.children().into_iter().map(files).sum::<usize>()
}
