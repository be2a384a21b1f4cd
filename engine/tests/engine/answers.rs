//! Answers of many kinds of question, against ones that are known.

use crate::lamp::{archive, lamp};
use crate::make::lsst_packet;
use crate::support::{ask, session, sorted, take, try_ask};

#[tokio::test(flavor = "multi_thread")]
async fn questions_of_many_shapes() {
    let archive = archive().await;
    take(&archive, "old", (1..=10).map(|id| lamp(1, id, &[])).collect(), 1 << 20).await;
    take(&archive, "new", (11..=20).map(|id| lamp(2, id, &[])).collect(), 1 << 20).await;
    let session = session(&archive).await;
    let cases: &[(&str, &[&str])] = &[
        ("SELECT count(*) FROM alerts WHERE glow.oldName IS NULL", &["10"]),
        ("SELECT glow.post, count(*) FROM alerts GROUP BY glow.post ORDER BY 1", &["0 9", "1 10", "2 1"]),
        ("SELECT lampId FROM alerts WHERE glow.brightFlux BETWEEN 12 AND 18 ORDER BY 1", &["8", "9", "10", "11", "12"]),
        ("SELECT max(s.v) FROM (SELECT unnest(trail) AS s FROM alerts)", &["0.5"]),
        (
            "SELECT lampId, row_number() OVER (PARTITION BY glow.post ORDER BY glow.mjd) FROM alerts ORDER BY 1 LIMIT 2",
            &["1 1", "2 2"],
        ),
        (
            "SELECT CASE WHEN glow.flags_string = 'odd' THEN 'old' ELSE 'new' END AS age, count(*) FROM alerts GROUP BY 1 ORDER BY 1",
            &["new 10", "old 10"],
        ),
        ("SELECT coalesce(glow.oldName, glow.newName) FROM alerts ORDER BY lampId DESC LIMIT 1", &["20"]),
        (
            "SELECT lampId FROM alerts WHERE lampId > 18 UNION ALL SELECT lampId FROM alerts WHERE lampId < 2 ORDER BY 1",
            &["1", "19", "20"],
        ),
        (
            "SELECT count(*) FROM alerts WHERE EXISTS (SELECT 1 FROM alerts b WHERE b.lampId = alerts.lampId + 19)",
            &["1"],
        ),
        ("SELECT a.lampId FROM alerts a LEFT ANTI JOIN alerts b ON a.lampId = b.lampId + 1", &["1"]),
        ("SELECT _night FROM alerts WHERE lampId = 1", &["2023-02-25"]),
        ("SELECT DISTINCT _schema FROM alerts WHERE lampId IN (1, 2)", &["lamp 1.0"]),
        ("SELECT lampId FROM alerts ORDER BY glow.brightFlux DESC LIMIT 2", &["20", "19"]),
        ("SELECT cardinality(trail) FROM alerts WHERE lampId = 3", &["2"]),
    ];
    for (sql, expected) in cases {
        let rows: Vec<String> = ask(&session, sql).await.into_iter().map(|row| row.join(" ")).collect();
        assert_eq!(rows, *expected, "{sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_two_types_become_one() {
    let archive = archive().await;
    take(&archive, "lamps", (1..=2).map(|id| lamp(2, id, &[])).collect(), 1 << 20).await;
    take(&archive, "lsst", vec![lsst_packet(70)], 1 << 20).await;
    let session = session(&archive).await;
    for (sql, expected) in [
        ("SELECT _object FROM lsst.alerts UNION ALL SELECT _object FROM lamp.alerts", vec!["0", "0", "7"]),
        ("SELECT glow.flags FROM lamp.alerts UNION SELECT access FROM lamp.alerts", vec!["5", "open"]),
        ("SELECT 1 AS n UNION ALL SELECT 2.5", vec!["1.0", "2.5"]),
        ("SELECT round(1.2345::numeric, 2)", vec!["1.23"]),
        ("SELECT round(avg(lampId)::numeric, 1) AS n FROM lamp.alerts ORDER BY n LIMIT 1", vec!["1.5"]),
        ("SELECT array_agg(round(lampId::numeric, 1)) FROM lamp.alerts WHERE lampId = 1", vec!["[1.0]"]),
        ("SELECT NULL UNION ALL SELECT 5", vec!["-", "5"]),
        ("SELECT 5 UNION ALL SELECT NULL", vec!["-", "5"]),
        ("SELECT CASE WHEN lampId = 1 THEN 1 ELSE glow.brightFlux END FROM lamp.alerts", vec!["1.0", "3.0"]),
        ("SELECT CASE WHEN lampId = 1 THEN NULL ELSE glow.brightFlux END FROM lamp.alerts", vec!["-", "3.0"]),
        ("SELECT coalesce(1, glow.brightFlux) FROM lamp.alerts", vec!["1.0", "1.0"]),
    ] {
        let rows: Vec<String> = sorted(&session, sql).await.into_iter().map(|row| row.join(" ")).collect();
        assert_eq!(rows, expected, "{sql}");
    }
    assert_eq!(ask(&session, "EXPLAIN SELECT 1 UNION ALL SELECT 2.5").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_give_tables_are_called_in_any_case() {
    let archive = archive().await;
    take(&archive, "lamps", (1..=3).map(|id| lamp(2, id, &[])).collect(), 1 << 20).await;
    let session = session(&archive).await;
    for sql in [
        "SELECT value FROM generate_series(1, 3)",
        "SELECT value FROM GENERATE_SERIES(1, 3)",
        "SELECT r.value FROM range(1, 4) AS r",
        "SELECT lampId FROM alerts JOIN Range(1, 9) AS r ON lampId = r.value",
        "WITH range AS (SELECT lampId FROM alerts) SELECT * FROM range",
    ] {
        assert_eq!(sorted(&session, sql).await, [["1"], ["2"], ["3"]], "{sql}");
    }
    assert!(try_ask(&session, "SELECT * FROM range").await.is_err());
}
