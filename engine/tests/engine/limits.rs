//! A question that needs more than it may have ends with a reason, and leaves nothing behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use futures::{StreamExt, TryStreamExt};
use noctuary_engine::{Engine, EngineError, EngineOptions, ErrorKind, Session, SessionOptions};

use crate::lamp::{archive, lamp};
use crate::support::{one, take, try_ask};

async fn limited(options: EngineOptions) -> Session {
    let archive = archive().await;
    take(&archive, "five", (1..=5).map(|id| lamp(2, id, &[])).collect(), 1 << 20).await;
    Engine::new(archive, options).unwrap().session(SessionOptions::default()).await.unwrap()
}

/// Waits until what runs elsewhere has ended, and tells what is still taken.
async fn reserved(session: &Session) -> usize {
    let pool = Arc::clone(&session.context().runtime_env().memory_pool);
    for _ in 0..200 {
        if pool.reserved() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    pool.reserved()
}

/// Numbers in every pair: as many as their product.
fn pairs(many: usize) -> String {
    let numbers = |name: &str| format!("(SELECT unnest(range(0, {many})) AS {name})");
    format!("{} CROSS JOIN {}", numbers("a"), numbers("b"))
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_that_was_too_little_is_back() {
    let options = EngineOptions { memory_bytes: 8 << 20, temp_bytes: 1 << 20, threads: 2, ..EngineOptions::default() };
    let session = limited(options).await;
    for sql in [
        format!("SELECT count(*) FROM (SELECT DISTINCT a * 10000 + b FROM {})", pairs(2_000)),
        format!("SELECT a, b, a * b AS c FROM {} ORDER BY c, a LIMIT 3000000", pairs(2_000)),
    ] {
        let error = try_ask(&session, &sql).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourcesExhausted, "{error}");
        assert!(error.to_string().contains("--memory") && error.to_string().contains("ask for less"), "{error}");
        assert_eq!(reserved(&session).await, 0, "{sql}");
        assert_eq!(one(&session, "SELECT count(DISTINCT lampId) FROM alerts").await, "5");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_ends_at_its_deadline() {
    let deadline = Some(Duration::from_millis(300));
    let session = limited(EngineOptions { threads: 2, deadline, ..EngineOptions::default() }).await;
    for sql in [
        format!("SELECT sum(sin(a * b)) FROM {}", pairs(40_000)),
        format!("SELECT count(*) FROM (SELECT DISTINCT a * 100000 + b FROM {})", pairs(40_000)),
        format!("SELECT a, b FROM {}", pairs(40_000)),
    ] {
        let begun = Instant::now();
        let error = try_ask_slowly(&session, &sql).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(10), "{sql} took {:?}", begun.elapsed());
        assert_eq!(error.kind(), ErrorKind::ResourcesExhausted, "{error}");
        assert!(error.to_string().contains("deadline of 0.3 s") && error.to_string().contains("--deadline"), "{error}");
        assert_eq!(reserved(&session).await, 0, "{sql}");
        assert_eq!(one(&session, "SELECT count(*) FROM alerts").await, "5");
    }
}

/// Reads a stream to its end, by batches that are thrown away, and sees that it ends at its first error.
async fn try_ask_slowly(session: &Session, sql: &str) -> Result<(), EngineError> {
    let mut rows = session.sql(sql).await?;
    while let Some(batch) = rows.next().await {
        if let Err(error) = batch {
            assert!(rows.next().await.is_none(), "{sql}");
            return Err(error.into());
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn understanding_a_question_takes_of_its_time_too() {
    let session = limited(EngineOptions { deadline: Some(Duration::from_nanos(1)), ..EngineOptions::default() }).await;
    let error = session.plan("SELECT count(*) FROM alerts").await.unwrap_err();
    assert!(error.to_string().contains("deadline"), "{error}");
    // A mistake is told as one.
    let error = session.plan("SELECT lampIdd FROM alerts").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_away_gives_back_what_was_taken() {
    let session = limited(EngineOptions { threads: 2, ..EngineOptions::default() }).await;
    let sql = format!("SELECT DISTINCT a * 100000 + b FROM {}", pairs(20_000));
    let rows = session.sql(&sql).await.unwrap();
    let task = tokio::spawn(async move { rows.try_collect::<Vec<RecordBatch>>().await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    task.abort();
    let _ = task.await;
    assert_eq!(reserved(&session).await, 0);
}
