//! What a reader may not see does not show, by any question.

use noctuary_storage::Access;

use crate::lamp::{archive, lamp};
use crate::support::{ask, cost, limited, one, session, sorted, take, try_ask};

/// Lamps 1 to 10: even ones are closed. The third source holds closed ones only.
async fn town() -> noctuary_storage::Archive {
    let archive = archive().await;
    let any = |id: i64| lamp(2, id, &[("access", if id % 2 == 0 { "closed".into() } else { "open".into() })]);
    take(&archive, "mixed", (1..=6).map(any).collect(), 1 << 20).await;
    take(&archive, "open", vec![lamp(1, 7, &[]), lamp(1, 9, &[])], 1 << 20).await;
    take(&archive, "closed", vec![any(8), any(10)], 1 << 20).await;
    take(&archive, "broken", vec![vec![1, 2, 3]], 1 << 20).await;
    archive
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_and_sums_are_of_what_may_be_seen() {
    let archive = town().await;
    let all = session(&archive).await;
    let public = limited(&archive, Access::public()).await;
    for (sql, everything, seen) in [
        ("SELECT count(*) FROM lamp.alerts", "10", "5"),
        ("SELECT count(1) FROM alerts", "10", "5"),
        ("SELECT count(lampId) FROM alerts", "10", "5"),
        ("SELECT sum(glow.visit) FROM alerts", "5500", "2500"),
        ("SELECT max(lampId) FROM alerts", "10", "9"),
        ("SELECT max(_alert) FROM alerts", "10", "9"),
        ("SELECT count(DISTINCT access) FROM alerts", "2", "1"),
        ("SELECT count(*) FROM alerts WHERE _rights = 'private'", "5", "0"),
        ("SELECT count(*) FROM alerts WHERE _rights IS NOT NULL OR true", "10", "5"),
        ("SELECT count(*) FROM alerts a JOIN alerts b ON a.lampId = b.lampId", "10", "5"),
        ("SELECT count(*) FROM (SELECT unnest(trail) AS s FROM alerts)", "20", "10"),
        ("SELECT count(*) FROM (SELECT lampId FROM alerts LIMIT 100)", "10", "5"),
        ("SELECT count(*) FROM alerts WHERE lampId IN (SELECT lampId FROM alerts)", "10", "5"),
        ("SELECT alerts FROM surveys WHERE survey = 'lamp'", "10", "5"),
        ("SELECT sum(alerts) FROM schemas WHERE survey = 'lamp'", "10", "5"),
        ("SELECT count(*) FROM (SELECT glow.ra, body.size, _rights FROM alerts) WHERE _rights <> 'x'", "10", "5"),
    ] {
        assert_eq!(one(&all, sql).await, everything, "{sql}");
        assert_eq!(one(&public, sql).await, seen, "{sql}");
    }
    let rows = sorted(&public, "SELECT lampId, _rights, glow.brightFlux, body FROM alerts").await;
    assert_eq!(rows.iter().map(|r| r[0].as_str()).collect::<Vec<_>>(), ["1", "3", "5", "7", "9"]);
    assert!(rows.iter().all(|r| r[1] == "public"));
    assert_eq!(sorted(&public, "SELECT _rights, _rights AS again FROM (SELECT * FROM alerts LIMIT 3)").await.len(), 3);
    assert_eq!(ask(&public, "SELECT lampId FROM alerts ORDER BY lampId DESC LIMIT 2").await, [["9"], ["7"]]);
    let nobody = limited(&archive, "nothing".parse().unwrap()).await;
    assert_eq!(one(&nobody, "SELECT count(*) FROM lamp.alerts").await, "0");
    let both = limited(&archive, "public,private".parse().unwrap()).await;
    assert_eq!(one(&both, "SELECT count(*) FROM lamp.alerts").await, "10");
}

#[tokio::test(flavor = "multi_thread")]
async fn not_even_an_error_tells_of_hidden_rows() {
    let archive = town().await;
    let public = limited(&archive, Access::public()).await;
    // Lamp 4 is closed: to divide by zero there would tell that it exists.
    for sql in [
        "SELECT count(*) FROM alerts WHERE 1 / (lampId - 4) < 5",
        "SELECT sum(1 / (glow.newName - 4)) FROM alerts",
        "SELECT count(*) FROM alerts WHERE CAST(CASE WHEN lampId = 4 THEN 'x' ELSE '1' END AS INT) = 1",
        "SELECT 100 / (lampId - 8) AS x FROM alerts ORDER BY x",
    ] {
        try_ask(&public, sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        try_ask(&session(&archive).await, sql).await.expect_err(sql);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_counts_packets_of_all_rights_is_for_those_who_have_them() {
    let archive = town().await;
    let public = limited(&archive, Access::public()).await;
    for sql in [
        "SELECT * FROM ledger",
        "SELECT count(*) FROM quarantine",
        "SELECT * FROM archive.files",
        "DESCRIBE quarantine",
        "EXPLAIN ANALYZE SELECT count(*) FROM alerts",
        "EXPLAIN SELECT count(*) FROM alerts WHERE _alert <= 8",
        "EXPLAIN VERBOSE SELECT 1",
        "DESCRIBE SELECT count(*) FROM alerts",
    ] {
        let error = try_ask(&public, sql).await.expect_err(sql);
        assert!(error.to_string().contains("rights"), "{error}");
    }
    let versions = ask(&public, "SELECT what, received, bytes FROM versions").await;
    assert!(versions.iter().flatten().all(|v| v == "-"), "{versions:?}");
    try_ask(&session(&archive).await, "EXPLAIN SELECT count(*) FROM alerts").await.unwrap();
    // A file that holds nothing of theirs is not opened.
    assert_eq!(cost(&public, "SELECT lampId FROM alerts").await.1, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn leaves_alone_are_read_beneath_the_guard() {
    let archive = archive().await;
    let any = |id: i64| lamp(2, id, &[("access", if id % 2 == 0 { "closed".into() } else { "open".into() })]);
    take(&archive, "many", (1..=3_000).map(any).collect(), 1 << 30).await;
    let public = limited(&archive, Access::public()).await;
    let (all, _) = cost(&public, "SELECT * FROM alerts").await;
    let (leaf, _) = cost(&public, "SELECT sum(glow.brightFlux) FROM alerts WHERE glow.ra > 5").await;
    let (record, _) = cost(&public, "SELECT glow FROM alerts").await;
    assert!(leaf < record && record * 10 < all, "{leaf} of {record} of {all}");
}
