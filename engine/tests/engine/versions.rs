//! Tables as they were, inside a question.

use noctuary_storage::{Access, Archive};

use crate::lamp::{archive, lamp};
use crate::support::{ask, limited, one, session, sorted, take, try_ask};

/// Three lamps, and at the next version three more, of which one is closed.
async fn growing() -> (Archive, u64) {
    let archive = archive().await;
    take(&archive, "first", (1..=3).map(|id| lamp(2, id, &[])).collect(), 1 << 20).await;
    let version = archive.snapshot().await.unwrap().version();
    archive.tag("dr1", Some(version)).await.unwrap();
    let more = [lamp(1, 4, &[]), lamp(2, 5, &[("access", "closed".into())]), lamp(2, 6, &[])];
    take(&archive, "second", more.to_vec(), 1 << 20).await;
    (archive, version)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_asked_as_of_a_version() {
    let (archive, version) = growing().await;
    let session = session(&archive).await;
    let at = session.snapshot().versions().iter().find(|v| v.version == version).unwrap().at;
    let number = |sql: &str| sql.replace('#', &version.to_string());
    for sql in [
        "SELECT count(*) FROM lamp.alerts VERSION AS OF #".to_owned(),
        "SELECT count(*) FROM Alerts version as of 'dr1'".to_owned(),
        "SELECT count(*) FROM alerts FOR SYSTEM_TIME AS OF # a WHERE a.lampId > 0".to_owned(),
        "SELECT count(alerts.lampId) FROM alerts VERSION AS OF #".to_owned(),
        "WITH old AS (SELECT lampId FROM alerts VERSION AS OF 'dr1') SELECT count(*) FROM old".to_owned(),
        "SELECT sum(stored) FROM ledger VERSION AS OF #".to_owned(),
        format!("SELECT count(*) FROM alerts TIMESTAMP AS OF '{}'", at.to_rfc3339()),
    ] {
        assert_eq!(one(&session, &number(&sql)).await, "3", "{sql}");
    }
    let new = "SELECT lampId FROM alerts WHERE lampId NOT IN (SELECT lampId FROM alerts VERSION AS OF 'dr1')";
    assert_eq!(sorted(&session, new).await, [["4"], ["5"], ["6"]]);
    let both = "SELECT count(*) FROM alerts a LEFT JOIN alerts VERSION AS OF # b ON a.lampId = b.lampId \
                WHERE b.lampId IS NULL";
    assert_eq!(one(&session, &number(both)).await, "3");
    assert!(!ask(&session, &number("EXPLAIN SELECT count(*) FROM alerts VERSION AS OF #")).await.is_empty());
    // What stands for it is not left behind.
    let tables = ask(&session, "SHOW TABLES").await;
    assert!(!tables.iter().flatten().any(|cell| cell.contains("as of")), "{tables:?}");
    let public = limited(&archive, Access::public()).await;
    assert_eq!(one(&public, &format!("SELECT count(*) FROM alerts VERSION AS OF {}", version + 2)).await, "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_version_is_told() {
    let (archive, version) = growing().await;
    let session = session(&archive).await;
    for (sql, told) in [
        ("SELECT 1 FROM alerts VERSION AS OF 99", "no version 99"),
        ("SELECT 1 FROM alerts VERSION AS OF 'dr2'", "dr1"),
        ("SELECT 1 FROM alerts TIMESTAMP AS OF '1999-01-01'", "younger"),
        ("SELECT 1 FROM alerts TIMESTAMP AS OF 'dr1'", "is no time"),
        ("SELECT 1 FROM alerts VERSION AS OF $1", "no version"),
        ("SELECT 1 FROM nothing VERSION AS OF 1", "no table"),
        ("SELECT 1 FROM information_schema.tables VERSION AS OF 1", "no versions"),
        ("SELECT lampId VERSION AS OF 1 FROM alerts", "behind the name of a table"),
        ("DESCRIBE alerts VERSION AS OF 1", "--as-of"),
    ] {
        let error = try_ask(&session, sql).await.expect_err(sql).to_string();
        assert!(error.contains(told), "{sql}: {error}");
    }
    assert_eq!(archive.roll_back(version).await.unwrap().tags().len(), 1);
}
