//! Lists that are held apart are what packets held, in every question.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::TryStreamExt;
use noctuary_engine::{Engine, EngineOptions, ErrorKind, Session, SessionOptions};
use noctuary_packet::schema::{RegistryId, Schema};
use noctuary_storage::{Access, Archive, Table};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::beacon::{Beacon, archive, beacons};
use crate::make::{Value, datum, framed};
use crate::support::{ask, limited, session, session_of, sorted, take, texts, try_ask};

/// Commits of both versions, of one, and of both mixed.
async fn coast() -> (Archive, Vec<Beacon>) {
    let archive = archive().await;
    let all = beacons(240, |id| match id {
        ..=60 => 1,
        61..=120 => 2,
        _ => u32::from(id % 2 == 0) + 1,
    });
    for (at, some) in all.chunks(60).enumerate() {
        take(&archive, &format!("night {at}"), some.iter().map(Beacon::packet).collect(), 1 << 20).await;
    }
    (archive, all)
}

fn expected<'b>(beacons: impl IntoIterator<Item = &'b Beacon>) -> Vec<Vec<String>> {
    let row = |b: &Beacon| vec![b.id.to_string(), b.shown_seen(), b.shown_gauged()];
    beacons.into_iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_what_packets_held() {
    let (archive, all) = coast().await;
    let apart = ask(&session(&archive).await, "SELECT \"table\", sum(rows) > 0 FROM files GROUP BY 1").await;
    for table in ["sources", "forced"] {
        assert!(apart.contains(&vec![table.to_owned(), "true".to_owned()]), "{apart:?}");
    }
    let sql = "SELECT beaconId, seen, gauged FROM alerts ORDER BY beaconId";
    for threads in [1, 2, 8] {
        let options = EngineOptions { threads, ..EngineOptions::default() };
        let session = Engine::new(archive.clone(), options).unwrap().session(SessionOptions::default()).await.unwrap();
        assert_eq!(ask(&session, sql).await, expected(&all), "{threads} threads");
    }
    let open = limited(&archive, Access::public()).await;
    assert_eq!(ask(&open, sql).await, expected(all.iter().filter(|b| !b.closed)));
    let closed = limited(&archive, "private".parse().unwrap()).await;
    assert_eq!(ask(&closed, sql).await, expected(all.iter().filter(|b| b.closed)));
    // In any order of columns, and as often as wanted.
    let session = session(&archive).await;
    let rows = ask(&session, "SELECT gauged, flash.time, seen, seen AS again, _alert FROM alerts ORDER BY 5").await;
    for (row, b) in rows.iter().zip(&all) {
        let seen = b.shown_seen();
        assert_eq!(row, &[b.shown_gauged(), format!("{:?}", b.time()), seen.clone(), seen, b.id.to_string()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_one_version_and_of_an_earlier_time() {
    let (archive, all) = coast().await;
    let first = session(&archive).await.snapshot().versions().iter().find(|v| v.counts.stored > 0).unwrap().version;
    let options = SessionOptions { as_of: Some(first), ..SessionOptions::default() };
    let then = session_of(&archive, options, true).await;
    let rows = ask(&then, "SELECT beaconId, gauged, array_length(seen) FROM alerts ORDER BY 1").await;
    assert_eq!(rows.len(), 60);
    for (row, b) in rows.iter().zip(&all) {
        let length = b.seen.as_ref().map(Vec::len).map_or_else(|| "-".to_owned(), |n| n.to_string());
        let gauged = b.gauged.iter().flatten().map(|g| {
            let value = if g.value.is_nan() { "-".to_owned() } else { format!("{:?}", g.value) };
            format!("{{time: {:?}, value: {value}, _raw: {}}}", g.time, g.raw)
        });
        let gauged = format!("[{}]", gauged.collect::<Vec<_>>().join(", "));
        assert_eq!(row, &[b.id.to_string(), gauged, length]);
    }
    archive.roll_back(first).await.unwrap();
    assert_eq!(ask(&session(&archive).await, "SELECT count(seen) FROM alerts").await.len(), 1);
    assert_eq!(
        ask(&session(&archive).await, "SELECT seen FROM alerts ORDER BY beaconId").await,
        ask(&then, "SELECT seen FROM alerts ORDER BY beaconId").await
    );
}

/// The same alerts in memory, lists and all, for DataFusion alone to answer of.
async fn plain(session: &Session) -> SessionContext {
    let rows = session.sql("SELECT * FROM alerts").await.unwrap();
    let (schema, rows): (_, Vec<RecordBatch>) = (rows.schema(), rows.try_collect().await.unwrap());
    let mut config = SessionConfig::new().with_target_partitions(2);
    config.options_mut().sql_parser.enable_ident_normalization = false;
    let context = SessionContext::new_with_config(config);
    context.register_table("alerts", Arc::new(MemTable::try_new(schema, vec![rows]).unwrap())).unwrap();
    context
}

async fn plainly(context: &SessionContext, sql: &str) -> Vec<Vec<String>> {
    let frame = context.sql(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    let mut rows = texts(&frame.collect().await.unwrap_or_else(|e| panic!("{sql}: {e}")));
    rows.sort();
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_as_of_alerts_with_lists() {
    let (archive, _) = coast().await;
    for access in ["all", "public"] {
        let session = limited(&archive, access.parse().unwrap()).await;
        let plain = plain(&session).await;
        for sql in [
            "SELECT seen FROM alerts",
            "SELECT gauged FROM alerts WHERE beaconId > 200",
            "SELECT seen, flash FROM alerts WHERE flash['time'] < 60010.5",
            "SELECT seen, flash['flux'] FROM alerts WHERE flash['flux'] > 10.25 OR tower IS NOT NULL",
            "SELECT beaconId FROM alerts WHERE seen IS NULL",
            "SELECT beaconId FROM alerts WHERE seen IS NOT NULL AND gauged IS NULL",
            "SELECT beaconId, array_length(seen), cardinality(gauged), empty(seen) FROM alerts",
            "SELECT beaconId FROM alerts WHERE array_length(seen) > 3 AND 10 / (array_length(seen) + 1) > 2",
            "SELECT beaconId, seen[2]['flux'], seen[-1]['sky']['haze'] FROM alerts WHERE seen[1]['level_int'] = 0",
            "SELECT seen[2:3] FROM alerts WHERE flash['tower'] = 3",
            "SELECT beaconId, s['time'], s['level'] FROM (SELECT beaconId, unnest(seen) AS s FROM alerts)",
            "SELECT count(*) FROM (SELECT unnest(seen) AS s, unnest(gauged) AS g FROM alerts)",
            "SELECT s['flux'], g['value'] FROM (SELECT unnest(seen) AS s, unnest(gauged) AS g FROM alerts) \
             WHERE g['_raw'] > 20",
            "SELECT max(s['flux']), count(s['flux']), count(*) FROM (SELECT unnest(seen) AS s FROM alerts)",
            "SELECT s['level'], s['level_int'], count(*) FROM (SELECT unnest(seen) AS s FROM alerts) GROUP BY 1, 2",
            "SELECT a.beaconId, b.seen, a.seen FROM alerts a JOIN alerts b ON a.beaconId = b.beaconId + 7",
            "SELECT a.beaconId, b.gauged FROM alerts a LEFT JOIN alerts b ON a._object = b._object AND b.beaconId < 30 \
             WHERE a.beaconId < 90",
            "SELECT a.beaconId FROM alerts a JOIN alerts b ON a.seen = b.seen WHERE a.beaconId < b.beaconId",
            "SELECT seen, count(*) FROM alerts GROUP BY seen",
            "SELECT DISTINCT gauged FROM alerts",
            "SELECT beaconId, seen FROM alerts ORDER BY flash['time'] DESC LIMIT 5",
            "SELECT beaconId, gauged FROM alerts WHERE seen IS NOT NULL ORDER BY beaconId LIMIT 7 OFFSET 3",
            "SELECT beaconId, seen, row_number() OVER (PARTITION BY _object ORDER BY beaconId) FROM alerts",
            "SELECT seen FROM alerts WHERE beaconId < 20 UNION ALL SELECT seen FROM alerts WHERE beaconId > 220",
            "SELECT beaconId FROM alerts WHERE seen IN (SELECT seen FROM alerts WHERE beaconId < 20)",
            "SELECT beaconId, seen FROM alerts \
             WHERE EXISTS (SELECT 1 FROM alerts b WHERE b.beaconId = alerts.beaconId + 200)",
            "SELECT CASE WHEN closed THEN NULL ELSE seen END \
             FROM (SELECT access = 'closed' AS closed, seen FROM alerts)",
            "SELECT coalesce(gauged, []) FROM alerts WHERE beaconId < 0",
            "SELECT _commit, sum(cardinality(gauged)) FROM alerts GROUP BY 1",
            "SELECT beaconId FROM alerts WHERE NOT (seen IS NULL OR access = 'closed') AND _commit > 3",
            "SELECT * FROM alerts WHERE beaconId IN (5, 16, 230)",
            "SELECT first_value(seen ORDER BY beaconId) FROM alerts GROUP BY _object",
            "WITH h AS (SELECT beaconId, unnest(seen) AS s FROM alerts) \
             SELECT h.beaconId, h.s['time'] - a.flash['time'] FROM h JOIN alerts a ON h.beaconId = a.beaconId \
             WHERE h.s['flux'] > 1",
            "SELECT array_length(seen), gauged FROM (SELECT * FROM alerts WHERE beaconId > 100) \
             WHERE flash['ra'] < 180",
            "SELECT beaconId FROM alerts ORDER BY array_length(seen) DESC NULLS LAST, beaconId LIMIT 9",
        ] {
            assert_eq!(sorted(&session, sql).await, plainly(&plain, sql).await, "{sql}");
        }
        let limit = ask(&session, "SELECT beaconId, seen FROM alerts LIMIT 10").await;
        let all = plainly(&plain, "SELECT beaconId, seen FROM alerts").await;
        let rest = format!("SELECT seen FROM alerts LIMIT 100 OFFSET {}", all.len() - 5);
        assert_eq!(ask(&session, &rest).await.len(), 5);
        assert!(limit.len() == 10 && limit.iter().all(|row| all.contains(row)), "{limit:?}");
    }
}

/// What can be selected, and conditions on all kinds of columns.
fn question() -> impl Strategy<Value = String> {
    let column = prop::sample::select(vec![
        "beaconId",
        "seen",
        "gauged",
        "flash",
        "mast",
        "flash['flux']",
        "flash['tower']",
        "tower['height']",
        "_commit",
        "_rights",
        "array_length(seen)",
        "cardinality(gauged)",
        "seen[1]['time']",
        "seen[3]",
        "gauged[1]['_raw']",
        "seen IS NULL",
    ]);
    let condition = prop::sample::select(vec![
        "beaconId > 50",
        "beaconId BETWEEN 100 AND 170",
        "flash['time'] < 60040.0",
        "flash['flux'] >= 20",
        "_object = 3",
        "flash['tower'] IS NULL",
        "_commit = 5",
        "access = 'open'",
        "seen IS NOT NULL",
        "array_length(seen) = 4",
        "array_length(gauged) > 5",
        "seen[1]['flux'] > 0.2",
        "gauged[2]['value'] IS NULL",
        "tower IS NOT NULL",
        "100 / beaconId > 0",
        "_night > DATE '2023-03-01'",
    ]);
    let condition = condition.prop_map(str::to_owned).prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            inner.prop_map(|a| format!("NOT ({a})")),
        ]
    });
    let columns = prop::collection::vec(column, 1..5);
    (columns, condition, 0..4_usize).prop_map(|(columns, condition, form)| {
        let named = columns.iter().enumerate().map(|(n, c)| format!("{c} AS c{n}")).collect::<Vec<_>>().join(", ");
        match form {
            0 => format!("SELECT {named} FROM alerts"),
            1 => format!("SELECT c0, count(*) FROM (SELECT {named} FROM alerts WHERE {condition}) GROUP BY c0"),
            2 => format!(
                "SELECT * FROM (SELECT {named}, beaconId AS n FROM alerts WHERE {condition}) ORDER BY n LIMIT 20"
            ),
            _ => format!("SELECT {named} FROM alerts WHERE {condition}"),
        }
    })
}

#[test]
fn any_question_is_answered_as_of_alerts_with_lists() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (all, open, plain_all, plain_open) = runtime.block_on(async {
        let (archive, _) = coast().await;
        let (all, open) = (session(&archive).await, limited(&archive, Access::public()).await);
        let (plain_all, plain_open) = (plain(&all).await, plain(&open).await);
        (all, open, plain_all, plain_open)
    });
    let mut runner = TestRunner::new(Config { cases: 300, ..Config::default() });
    let run = runner.run(&question(), |sql| {
        for (session, plain) in [(&all, &plain_all), (&open, &plain_open)] {
            prop_assert_eq!(runtime.block_on(sorted(session, &sql)), runtime.block_on(plainly(plain, &sql)), "{}", sql);
        }
        Ok(())
    });
    run.unwrap_or_else(|e| panic!("{e}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_fails_where_it_always_did() {
    let (archive, _) = coast().await;
    let session = session(&archive).await;
    let public = limited(&archive, Access::public()).await;
    // Beacon 8 is closed.
    let sql = "SELECT seen FROM alerts WHERE 1 / (beaconId - 8) < 5";
    assert!(try_ask(&session, sql).await.is_err());
    assert!(try_ask(&public, sql).await.is_ok());
    let behind = "SELECT seen FROM alerts WHERE CASE WHEN beaconId = 7 THEN false ELSE 1 / (beaconId - 7) < 5 END";
    assert!(try_ask(&session, behind).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_records_that_is_gone_is_damage() {
    let (archive, _) = coast().await;
    let snapshot = archive.snapshot().await.unwrap();
    let files: Vec<String> = snapshot.files(Table::Sources, Some("beacon")).map(|f| f.path.clone()).collect();
    for file in &files {
        archive.store().delete(&Path::from(file.as_str())).await.unwrap();
    }
    for threads in [1, 8] {
        let options = EngineOptions { threads, ..EngineOptions::default() };
        let session = Engine::new(archive.clone(), options).unwrap().session(SessionOptions::default()).await.unwrap();
        for sql in [
            "SELECT seen FROM alerts",
            "SELECT count(*) FROM (SELECT unnest(seen) AS s FROM alerts) WHERE s.flux > 1",
            "SELECT a.seen FROM alerts a JOIN alerts b ON a.beaconId = b.beaconId ORDER BY a.beaconId",
        ] {
            let error = try_ask(&session, sql).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{sql}: {error}");
            let text = error.to_string();
            assert!(text.contains("noctuary verify") && files.iter().any(|f| text.contains(f)), "{text}");
        }
        // What needs none of it is answered.
        for sql in ["SELECT gauged FROM alerts", "SELECT array_length(seen) FROM alerts", "SELECT flash FROM alerts"] {
            assert_eq!(ask(&session, sql).await.len(), 240, "{sql}");
        }
    }
}

const KITE_MAPPING: &str = r#"
name = "kite"
title = "Kites whose history moved"
[[recognise]]
fields = ["kiteId", "at.mjd"]
[ids]
alert = ["kiteId"]
[time]
field = ["at.mjd"]
form = "mjd"
scale = "tai"
[night]
utc_offset_hours = 0.0
[records]
history = ["_late", "early"]
[rights]
levels = ["public"]
"#;

fn kite(version: u32) -> Arc<Schema> {
    let list =
        |name: &str, record: &str| format!(r#", {{"name": "{name}", "type": {{"type": "array", "items": {record}}}}}"#);
    let record = r#"{"type": "record", "name": "turn", "fields": [
        {"name": "_n", "type": "long"}, {"name": "x", "type": "float"}]}"#;
    let lists = match version {
        1 => list("early", record),
        2 => list("early", record) + &list("_late", "\"turn\""),
        // Of the same name, and no list of records.
        _ => list("early", "\"long\"") + &list("_late", record),
    };
    let text = format!(
        r#"{{"type": "record", "name": "kite", "version": "{version}", "fields": [
        {{"name": "kiteId", "type": "long"}},
        {{"name": "at", "type": {{"type": "record", "name": "at", "fields": [
          {{"name": "mjd", "type": "double"}}]}}}}{lists}]}}"#
    );
    Arc::new(Schema::parse(&text).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_may_be_apart_in_one_version_and_not_in_another() {
    let archive = crate::support::empty().await;
    archive.add_survey(KITE_MAPPING).await.unwrap();
    archive.add_schemas(&[1, 2, 3].map(|v| (kite(v), Some(RegistryId(v))))).await.unwrap();
    let each = |values: [i64; 2]| Value::Each(values.map(Value::Whole).to_vec());
    for (version, id) in [(1, 1), (2, 2), (3, 3), (2, 4), (1, 5)] {
        let mut values =
            vec![("kiteId", id.into()), ("at.mjd", (60_000.0 + id as f64).into()), ("early", Value::Items(2))];
        let own = each([id * 10, id * 10 + 1]);
        values.push((if version == 3 { "early[]" } else { "early[]._n" }, own));
        if version != 3 {
            values.push(("early[].x", Value::Each(vec![f64::NAN.into(), 0.5.into()])));
        }
        if version > 1 {
            values.extend([("_late", Value::Items(2)), ("_late[]._n", each([id * 100, id * 100 + 1]))]);
        }
        take(&archive, &format!("kite {id}"), vec![framed(version, &datum(&kite(version), &values))], 1 << 20).await;
    }
    let session = session(&archive).await;
    let rows = ask(&session, "SELECT kiteId, early_list, early, __late FROM kite.alerts ORDER BY 1").await;
    let early = |id: i64| format!("[{{_n: {}, x: -}}, {{_n: {}, x: 0.5}}]", id * 10, id * 10 + 1);
    let late = |id: i64| format!("[{{_n: {}, x: 0.0}}, {{_n: {}, x: 0.0}}]", id * 100, id * 100 + 1);
    let none = || "-".to_owned();
    assert_eq!(
        rows,
        [
            ["1".to_owned(), early(1), none(), none()],
            ["2".to_owned(), early(2), none(), late(2)],
            ["3".to_owned(), none(), "[30, 31]".to_owned(), late(3)],
            ["4".to_owned(), early(4), none(), late(4)],
            ["5".to_owned(), early(5), none(), none()],
        ]
    );
    let fields = "SELECT kiteId, early_list[2]['_n'], __late[1]['_n'], array_length(early_list), array_length(__late) \
                  FROM kite.alerts";
    assert_eq!(
        sorted(&session, fields).await,
        [
            ["1", "11", "-", "2", "-"],
            ["2", "21", "200", "2", "2"],
            ["3", "-", "300", "-", "2"],
            ["4", "41", "400", "2", "2"],
            ["5", "51", "-", "2", "-"],
        ]
    );
    // One table holds the records of both lists, one at a time.
    let apart = "SELECT __n, x FROM kite.sources ORDER BY 1";
    let numbers: Vec<String> = ask(&session, apart).await.into_iter().map(|row| row.join(" ")).collect();
    assert_eq!(
        numbers,
        ["10 -", "11 0.5", "50 -", "51 0.5", "200 0.0", "201 0.0", "300 0.0", "301 0.0", "400 0.0", "401 0.0"]
    );
}
