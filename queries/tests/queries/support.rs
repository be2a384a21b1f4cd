//! What the tests share.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use futures::TryStreamExt;
use noctuary_engine::{Engine, EngineOptions, Session, SessionOptions};
use noctuary_storage::ingest::{IngestOptions, Source, ingest};
use noctuary_storage::{Archive, Location};

/// An empty archive in memory.
pub async fn empty() -> Archive {
    Archive::open_or_create(Location::memory().unwrap()).await.unwrap()
}

/// A session over an archive in memory that holds these paths.
pub async fn session(paths: &[PathBuf]) -> Session {
    let archive = empty().await;
    take(&archive, paths.iter().cloned().map(Source::Path).collect()).await;
    session_of(archive).await
}

/// Takes sources in.
pub async fn take(archive: &Archive, sources: Vec<Source>) {
    ingest(archive, sources, &IngestOptions::default(), &Arc::default()).await.unwrap();
}

/// A session that knows the functions, on the newest version.
pub async fn session_of(archive: Archive) -> Session {
    let options = EngineOptions { threads: 2, ..EngineOptions::default() };
    Engine::new(archive, noctuary_queries::with_functions(options))
        .unwrap()
        .session(SessionOptions::default())
        .await
        .unwrap()
}

/// The answer as text, null as `-`.
pub async fn ask(session: &Session, sql: &str) -> Vec<Vec<String>> {
    let planned = session.plan(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let batches: Vec<RecordBatch> = planned.execute().await.unwrap().try_collect().await.unwrap();
    text(&batches)
}

/// Rows as text, null as `-`.
pub fn text(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let options = FormatOptions::new().with_null("-");
    let mut out = Vec::new();
    for batch in batches {
        let columns: Vec<_> =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap()).collect();
        out.extend((0..batch.num_rows()).map(|row| columns.iter().map(|c| c.value(row).to_string()).collect()));
    }
    out
}

/// How many files a question reads.
pub async fn files(session: &Session, sql: &str) -> usize {
    fn count(plan: &dyn ExecutionPlan) -> usize {
        let scan = plan.downcast_ref::<DataSourceExec>().and_then(|s| s.data_source().downcast_ref::<FileScanConfig>());
        let own = scan.map_or(0, |config| {
            let paths = config.file_groups.iter().flat_map(|group| group.iter()).map(|f| f.path().clone());
            paths.collect::<std::collections::BTreeSet<_>>().len()
        });
        own + plan.children().into_iter().map(|child| count(&**child)).sum::<usize>()
    }
    count(&*session.plan(sql).await.unwrap().physical_plan().await.unwrap())
}
