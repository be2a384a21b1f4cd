//! Names, errors, and what is refused.

use datafusion::common::ScalarValue;
use noctuary_engine::{ErrorKind, Session, SessionOptions};

use crate::lamp::{archive, lamp};
use crate::make::lsst_packet;
use crate::support::{ask, one, session, session_of, take, try_ask};

async fn lit() -> (noctuary_storage::Archive, Session) {
    let archive = archive().await;
    take(&archive, "lamps", (1..=5).map(|id| lamp(2, id, &[])).collect(), 1 << 20).await;
    let session = session(&archive).await;
    (archive, session)
}

async fn refused(session: &Session, sql: &str) -> String {
    let error = try_ask(session, sql).await.expect_err(sql);
    assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error}");
    error.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_found_in_any_case() {
    let (_, session) = lit().await;
    for sql in [
        "SELECT count(*) FROM lamp.alerts WHERE glow.brightFlux > 3",
        "select COUNT(*) from LAMP.ALERTS where GLOW.BRIGHTFLUX > 3",
        "select count(*) from Lamp.Alerts a where A.Glow.brightflux > 3",
        "SELECT count(*) FROM lamp.alerts WHERE lamp.alerts.glow.BrightFlux > 3",
        "SELECT count(*) FROM alerts WHERE alerts.glow.\"brightFlux\" > 3",
        "WITH Bright AS (SELECT LAMPID AS Id FROM alerts WHERE glow.brightflux > 3) SELECT count(ID) FROM bright",
    ] {
        assert_eq!(one(&session, sql).await, "3", "{sql}");
    }
    assert!(refused(&session, "SELECT \"LAMPID\" FROM lamp.alerts").await.contains("lampId"));
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_an_answer_are_named_for_people() {
    let (_, session) = lit().await;
    let names = |sql: &'static str| {
        let session = session.clone();
        async move {
            let planned = session.plan(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
            planned.schema().fields().iter().map(|f| f.name().clone()).collect::<Vec<_>>()
        }
    };
    assert_eq!(
        names("SELECT GLOW.brightflux, lampid, count(*) OVER () FROM alerts").await[..2],
        ["brightFlux", "lampId"]
    );
    assert_eq!(names("SELECT a.glow.ra, body.size FROM lamp.alerts a").await, ["ra", "size"]);
    assert_eq!(names("SELECT glow.ra, glow.ra AS x, body.base FROM alerts").await, ["ra", "x", "base"]);
    assert_eq!(names("SELECT count(*), max(glow.ra) AS top FROM alerts").await, ["count(*)", "top"]);
    assert_eq!(names("SELECT trail, glow.visit FROM alerts GROUP BY trail, glow.visit").await, ["trail", "visit"]);
    assert_eq!(names("SELECT brightFlux FROM (SELECT glow.brightFlux FROM alerts)").await, ["brightFlux"]);
    assert_eq!(names("SELECT glow.ra + 1 FROM alerts").await, ["glow.ra + 1"]);
    assert_eq!(ask(&session, "SELECT glow.ra FROM alerts ORDER BY glow.ra DESC LIMIT 1").await, [["5.0"]]);
    assert_eq!(ask(&session, "SELECT DISTINCT glow.flags FROM alerts ORDER BY glow.flags").await, [["5"]]);
    let grouped = "SELECT glow.flags, count(*) FROM alerts GROUP BY glow.flags HAVING count(*) > 1 ORDER BY count(*)";
    assert_eq!(ask(&session, grouped).await, [["5", "5"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_given_stay_as_they_were_typed() {
    let (archive, _) = lit().await;
    take(&archive, "lsst", vec![lsst_packet(1)], 1 << 20).await;
    let session = session(&archive).await;
    for (sql, names) in [
        ("SELECT COUNT(*) AS count FROM lamp.alerts", vec!["count"]),
        ("SELECT COUNT(lampId), count(access) FROM lamp.alerts", vec!["COUNT(lampId)", "count(access)"]),
        ("SELECT CAST(_night AS DATE) AS date FROM lamp.alerts ORDER BY Date", vec!["date"]),
        ("SELECT max(glow.ra) AS RA, min(glow.dec) Dec FROM lamp.alerts ORDER BY ra", vec!["RA", "Dec"]),
        ("SELECT -lampId AS LAMPID FROM lamp.alerts ORDER BY lampid", vec!["LAMPID"]),
        ("SELECT _object AS objectid FROM lamp.alerts", vec!["objectid"]),
        ("SELECT _object AS DIAOBJECTID FROM lamp.alerts", vec!["DIAOBJECTID"]),
        ("SELECT * FROM (SELECT max(glow.ra) AS RA FROM lamp.alerts)", vec!["RA"]),
        ("WITH m AS (SELECT max(glow.ra) AS RA FROM lamp.alerts) SELECT * FROM m", vec!["RA"]),
        ("SELECT max(glow.ra) AS RA FROM lamp.alerts UNION ALL SELECT 1", vec!["RA"]),
        (
            "WITH Both (Id, Flux) AS (SELECT lampId, glow.brightFlux FROM lamp.alerts) SELECT ID, FLUX FROM BOTH",
            vec!["Id", "Flux"],
        ),
        ("SELECT FLUX FROM (SELECT glow.brightFlux AS Flux FROM lamp.alerts) T(FLUX)", vec!["Flux"]),
        ("SELECT lampId AS \"LampID\" FROM lamp.alerts ORDER BY \"LampID\"", vec!["LampID"]),
        ("SELECT l.STORED FROM LEDGER l JOIN lamp.alerts a ON A._night = L.NIGHT", vec!["stored"]),
        ("SELECT $1 AS COUNT", vec!["COUNT"]),
    ] {
        let planned = session.plan(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let fields = planned.schema();
        assert_eq!(fields.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(), names, "{sql}");
        if !sql.contains('$') {
            ask(&session, sql).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sql_knows_of_tables_is_found_in_any_case() {
    let (_, session) = lit().await;
    for sql in [
        "SELECT count(*) FROM information_schema.tables WHERE table_name = 'ledger'",
        "SELECT COUNT(*) FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_NAME = 'ledger'",
        "SELECT count(*) FROM Noctuary.Information_Schema.Tables t WHERE T.TABLE_NAME = 'ledger'",
        "SELECT count(*) FROM (SELECT 1 FROM NOCTUARY.LAMP.ALERTS LIMIT 1)",
    ] {
        assert_eq!(one(&session, sql).await, "1", "{sql}");
    }
    for sql in ["DESCRIBE information_schema.tables", "SHOW COLUMNS FROM INFORMATION_SCHEMA.TABLES"] {
        assert!(ask(&session, sql).await.iter().any(|r| r[0] == "table_name"), "{sql}");
    }
    assert_eq!(ask(&session, "DESCRIBE NOCTUARY.LAMP.ALERTS").await, ask(&session, "DESCRIBE lamp.alerts").await);
    for (sql, hint) in [
        ("DESCRIBE nonsense.lamp.alerts", "no catalog"),
        ("SELECT * FROM nonsense.lamp.alerts", "no catalog"),
        ("SELECT * FROM nonsense.information_schema.tables", "no catalog"),
        ("DESCRIBE information_schema.table", "tables"),
    ] {
        let error = refused(&session, sql).await;
        assert!(error.contains(hint), "{sql}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clauses_without_effect_are_refused() {
    let (_, session) = lit().await;
    for (sql, hint) in [
        ("SELECT count(*) FROM alerts TABLESAMPLE (10 PERCENT)", "random()"),
        ("SELECT count(*) FROM alerts SAMPLE 0.1", "random()"),
        ("SELECT count(*) FROM (SELECT 1) AS t TABLESAMPLE (1 ROWS)", "random()"),
        ("SELECT count(*) FROM alerts PREWHERE lampId = 1", "WHERE"),
        ("SELECT count(*) FROM alerts PARTITION (p0)", "WHERE"),
        ("SELECT count(*) FROM alerts WITH (NOLOCK)", "hint"),
        ("SELECT count(*) FROM alerts SETTINGS max_threads = 1", "SETTINGS"),
        ("SELECT lampId FROM alerts FOR UPDATE", "FOR UPDATE"),
        ("SELECT lampId FROM alerts FORMAT JSON", "FORMAT"),
        ("SELECT access, count(*) FROM alerts GROUP BY access WITH ROLLUP", "ROLLUP"),
        ("SELECT lampId FROM alerts ORDER BY lampId WITH FILL", "FILL"),
        ("SELECT quantile(0.5)(lampId) FROM alerts", "arguments"),
        ("WITH a AS (SELECT * FROM alerts TABLESAMPLE (1 ROWS)) SELECT * FROM a", "random()"),
        ("SELECT 1 WHERE 1 IN (SELECT lampId FROM alerts FOR SHARE)", "FOR UPDATE"),
        ("EXPLAIN SELECT lampId FROM alerts FOR UPDATE", "FOR UPDATE"),
    ] {
        let error = refused(&session, sql).await;
        assert!(error.contains(hint), "{sql}: {error}");
    }
    let many = vec!["alerts"; 101].iter().enumerate().map(|(n, t)| format!("{t} t{n}")).collect::<Vec<_>>();
    assert!(refused(&session, &format!("SELECT 1 FROM {}", many.join(", "))).await.contains("101"));
    assert_eq!(one(&session, "SELECT count(*) FROM alerts AS final WHERE final.lampId > 0").await, "5");
}

/// With the stack that the program gives its threads.
#[test]
fn long_conditions_are_answered_or_refused() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).thread_stack_size(8 << 20).enable_all().build().unwrap();
    let answers = runtime.spawn(async {
        let (_, session) = lit().await;
        for (terms, way) in [(1_000, "OR"), (1_000, "AND")] {
            let condition = (0..terms).map(|n| format!("_ra > {n}")).collect::<Vec<_>>().join(&format!(" {way} "));
            let found = if way == "OR" { "5" } else { "0" };
            assert_eq!(one(&session, &format!("SELECT count(*) FROM alerts WHERE {condition}")).await, found);
        }
        let sum = vec!["lampId"; 2_000].join(" + ");
        assert_eq!(ask(&session, &format!("SELECT max({sum}) FROM alerts")).await, [["10000"]]);
        let union = vec!["SELECT 1"; 200].join(" UNION ALL ");
        assert_eq!(one(&session, &format!("SELECT count(*) FROM ({union})")).await, "200");
        let condition = (0..100_000).map(|n| format!("_ra > {n}")).collect::<Vec<_>>().join(" OR ");
        assert!(refused(&session, &format!("SELECT count(*) FROM alerts WHERE {condition}")).await.contains("IN (1"));
    });
    runtime.block_on(answers).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_with_what_to_change() {
    let (archive, session) = lit().await;
    for (sql, hint) in [
        ("SELECT brightFlux FROM alerts", "glow.brightFlux"),
        ("SELECT glow.brigtFlux FROM alerts", "glow.brightFlux"),
        ("SELECT lampIdd FROM alerts", "lampId"),
        ("SELECT * FROM legder", "ledger"),
        ("SELECT * FROM lapm.alerts", "lamp"),
        ("SELECT * FROM lamp.alert", "lamp.alerts"),
        ("SELEC lampId", "not SQL"),
        ("DROP TABLE ledger", "read-only"),
        ("CREATE TABLE x AS SELECT 1", "read-only"),
        ("SELECT 1; SELECT 2", "one at a time"),
        ("SELECT * FROM '/etc/passwd'", "no table"),
        ("EXPLAIN SELECT lampIdd FROM alerts", "lampId"),
        ("SELECT cuont(*) FROM alerts", "no function cuont; did you mean count?"),
        ("SELECT uper('a')", "no function uper; did you mean upper"),
        ("SELECT row_numbr() OVER () FROM alerts", "no function row_numbr; did you mean row_number"),
        ("SELECT nothing_like_it_at_all(1)", "SHOW FUNCTIONS lists"),
        ("EXPLAIN SELECT cuont(*) FROM alerts", "did you mean count?"),
        ("SELECT * FROM generate_serie(1, 3)", "did you mean generate_series"),
        ("SELECT generate_series_(1)", "no function generate_series_"),
    ] {
        let error = refused(&session, sql).await;
        assert!(error.contains(hint), "{sql}: {error}");
        assert!(!error.contains("DataFusion") && !error.contains("Error during planning"), "{error}");
    }
    archive.snapshot().await.unwrap();
    take(&archive, "lsst", vec![lsst_packet(1)], 1 << 20).await;
    let session = crate::support::session(&archive).await;
    let error = refused(&session, "SELECT * FROM alerts").await;
    assert!(error.contains("lamp.alerts") && error.contains("lsst.alerts"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_filled_in() {
    let (_, session) = lit().await;
    let planned = session.plan("SELECT lampId FROM alerts WHERE glow.visit > ? AND lampId < ?").await.unwrap();
    assert_eq!(planned.parameters().unwrap().len(), 2);
    assert!(planned.execute().await.is_err());
    for given in [0, 1, 3] {
        let error = planned.clone().with_parameters(vec![ScalarValue::from(1_i64); given]).unwrap_err().to_string();
        assert!(error.contains('2') && error.contains(&given.to_string()), "{error}");
    }
    let third = session.plan("SELECT $3 + 1 AS n").await.unwrap();
    assert!(third.with_parameters((1..=3_i64).map(ScalarValue::from).collect()).is_ok());
    let filled = planned.with_parameters(vec![ScalarValue::from(200_i64), ScalarValue::from(5_i64)]).unwrap();
    let rows: Vec<_> = futures::TryStreamExt::try_collect(filled.execute().await.unwrap()).await.unwrap();
    assert_eq!(crate::support::texts(&rows), [["3"], ["4"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_gives_the_same_rows_for_ever() {
    let (archive, _) = lit().await;
    let version = archive.snapshot().await.unwrap().version();
    take(&archive, "more", vec![lamp(1, 77, &[])], 1 << 20).await;
    let newest = session(&archive).await;
    assert_eq!(one(&newest, "SELECT count(*) FROM alerts").await, "6");
    assert_eq!(one(&newest, &format!("SELECT count(*) FROM alerts WHERE _commit <= {version}")).await, "5");
    let options = SessionOptions { as_of: Some(version), ..SessionOptions::default() };
    let then = session_of(&archive, options, true).await;
    assert_eq!(one(&then, "SELECT count(*) FROM alerts").await, "5");
    assert!(refused(&then, "SELECT onlyOld FROM alerts").await.contains("no column"));
    archive.roll_back(version).await.unwrap();
    assert_eq!(one(&session(&archive).await, "SELECT count(*) FROM alerts").await, "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_archive_tells_of_itself() {
    let (archive, session) = lit().await;
    assert_eq!(one(&session, "SELECT sum(stored) FROM ledger").await, "5");
    assert_eq!(
        one(&session, "SELECT count(*) FROM versions").await,
        (archive.snapshot().await.unwrap().version() + 1).to_string()
    );
    assert_eq!(one(&session, "SELECT alerts FROM surveys WHERE survey = 'lamp'").await, "5");
    assert_eq!(one(&session, "SELECT rows FROM files WHERE \"table\" = 'alerts'").await, "5");
    assert_eq!(one(&session, "SELECT alerts FROM schemas WHERE survey = 'lamp' AND version = '2.0'").await, "5");
    take(&archive, "broken", vec![vec![0, 0, 0, 9, 9, 1]], 1 << 20).await;
    let session = crate::support::session(&archive).await;
    assert_eq!(ask(&session, "SELECT reason, released, length FROM quarantine").await, [["unknown-schema", "-", "6"]]);
    let tables = ask(&session, "SHOW TABLES").await;
    assert!(tables.iter().any(|t| t.contains(&"ledger".to_owned())));
    assert!(session.names().contains(&"glow.brightFlux".to_owned()));
}
