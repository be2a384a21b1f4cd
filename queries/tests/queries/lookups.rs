//! Objects and places that a question names choose rows, and change no answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::util::display::array_value_to_string;
use chrono::NaiveDate;
use futures::TryStreamExt;
use noctuary_engine::{Engine, EngineOptions, Session, SessionOptions};
use noctuary_storage::compact::{Policy, compact};
use noctuary_storage::ingest::Source;
use noctuary_storage::{Archive, Meter};
use object_store::{ObjectStoreExt, PutPayload};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::make::{Value, framed, lsst_datum};
use crate::support::{ask, empty, take};

pub const OBJECTS: i64 = 24;

/// Where objects are: at the poles, across the first meridian, close together, and anywhere.
pub fn place(object: i64) -> (f64, f64) {
    match object {
        0 => (10.0, 90.0),
        1 => (200.0, 89.9999),
        2 => (0.0, -90.0),
        3 => (359.9999, 0.0),
        4 => (0.0001, 0.0),
        n if n < 12 => (150.0 + n as f64 * 1e-3, 2.0),
        n => ((n as f64 * 67.0) % 360.0, (n as f64 * 31.0) % 170.0 - 85.0),
    }
}

/// An alert with three earlier sources, some of which are odd: of another object, without a position or time, far away.
fn alert(id: i64) -> Vec<u8> {
    let object = id * 7 % OBJECTS;
    let (ra, dec) = place(object);
    let wander = |n: i64| f64::from(i32::try_from((id + n) * 37 % 11).unwrap() - 5) * 1e-5;
    let earlier = |n: i64| match (id + n) % 13 {
        0 => (f64::NAN, f64::NAN),
        1 => (ra, (dec + 3.0).min(90.0)),
        n => ((ra + wander(n)).rem_euclid(360.0), (dec + wander(n + 1)).clamp(-90.0, 90.0)),
    };
    let when = |n: i64| if (id + n) % 13 == 2 { f64::NAN } else { 60_990.0 + (id - n) as f64 };
    let owner = |n: i64| if (id + n) % 17 == 0 { object + 1 } else { object };
    let each = |of: &dyn Fn(i64) -> Value| Value::Each((0..3).map(of).collect());
    let values = [
        ("diaSource.diaObjectId", object.into()),
        ("diaSource.ra", ((ra + wander(0)).rem_euclid(360.0)).into()),
        ("diaSource.dec", ((dec + wander(1)).clamp(-90.0, 90.0)).into()),
        ("diaSource.midpointMjdTai", (61_000.0 + id as f64).into()),
        ("prvDiaSources", Value::Items(3)),
        ("prvDiaSources[].diaSourceId", each(&|n| (object * 1_000 + (id / 5 + n) % 9).into())),
        ("prvDiaSources[].diaObjectId", each(&|n| owner(n).into())),
        ("prvDiaSources[].midpointMjdTai", each(&|n| when(n).into())),
        ("prvDiaSources[].ra", each(&|n| earlier(n).0.into())),
        ("prvDiaSources[].dec", each(&|n| earlier(n).1.into())),
        ("prvDiaForcedSources", Value::Items(2)),
        ("prvDiaForcedSources[].diaForcedSourceId", Value::Each((0..2).map(|n| (object * 100 + n).into()).collect())),
        ("prvDiaForcedSources[].diaObjectId", Value::Each(vec![object.into(); 2])),
    ];
    framed(1101, &lsst_datum(id, &values))
}

pub async fn sky() -> Archive {
    let archive = empty().await;
    for commit in 0..6_i64 {
        let packets: Vec<Vec<u8>> = (commit * 30..commit * 30 + 34).map(alert).collect();
        take(&archive, vec![Source::packets(&format!("commit {commit}"), Box::new(packets.into_iter()))]).await;
    }
    archive
}

pub async fn merge(archive: &Archive) {
    let policy = Policy { now: true, ..Policy::of(NaiveDate::from_ymd_opt(2080, 1, 1).unwrap()) };
    compact(archive, &policy, &Meter::default()).await.unwrap();
}

pub async fn session(archive: &Archive, prune: bool) -> Session {
    let options = EngineOptions { threads: 2, prune, ..EngineOptions::default() };
    Engine::new(archive.clone(), noctuary_queries::with_functions(options))
        .unwrap()
        .session(SessionOptions::default())
        .await
        .unwrap()
}

pub async fn sorted(session: &Session, sql: &str) -> Vec<Vec<String>> {
    let mut rows = ask(session, sql).await;
    rows.sort();
    rows
}

fn condition() -> impl Strategy<Value = String> {
    let object = prop::sample::select(vec!["diaObjectId", "_object"]);
    let centre = (0..OBJECTS, -3..4_i32, -3..4_i32).prop_map(|(object, x, y)| {
        let (ra, dec) = place(object);
        ((ra + f64::from(x) * 1e-5).rem_euclid(360.0), (dec + f64::from(y) * 1e-5).clamp(-90.0, 90.0))
    });
    let radius = prop::sample::select(vec![0.0, 1e-5, 4e-5, 0.001, 0.5, 3.0, 60.0, 180.0]);
    let one = prop_oneof![
        (object.clone(), 0..OBJECTS + 2).prop_map(|(column, id)| format!("{column} = {id}")),
        (object, prop::collection::vec(0..OBJECTS + 2, 1..30)).prop_map(|(column, ids)| {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            format!("{column} IN ({})", ids.join(", "))
        }),
        (centre.clone(), radius.clone()).prop_map(|((ra, dec), r)| format!("cone(ra, dec, {ra}, {dec}, {r})")),
        (centre, radius).prop_map(|((ra, dec), r)| format!("angular_distance(ra, dec, {ra}, {dec}) < {r}")),
        (0..9_i64).prop_map(|n| format!("diaSourceId % 9 <> {n}")),
        (60_980..61_230_i64, 0..40_i64)
            .prop_map(|(from, days)| { format!("midpointMjdTai BETWEEN {from} AND {}", from + days) }),
        (60_980..61_230_i64, prop::sample::select(vec!["=", "<", ">=", "<>"]))
            .prop_map(|(time, op)| format!("midpointMjdTai {op} {time}.0")),
        Just("_origin = 'history'".to_owned()),
        (1..14_i64, prop::sample::select(vec!["=", "<", ">="])).prop_map(|(n, op)| format!("_commit {op} {n}")),
        prop::sample::select(vec!["_object = 7.0", "diaObjectId = '7'", "_object IN (NULL, 7)", "ra IS NULL"])
            .prop_map(str::to_owned),
    ];
    one.prop_recursive(2, 6, 2, |inner| {
        prop_oneof![
            3 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} AND {b})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            1 => inner.prop_map(|a| format!("NOT ({a})")),
        ]
    })
}

#[test]
fn rows_that_an_index_chose_are_those_of_a_full_scan() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let archive = runtime.block_on(sky());
    for state in
        ["as committed", "merged", "with later commits", "without indices", "with those of others", "with many commits"]
    {
        runtime.block_on(prepare(&archive, state));
        // Nothing of before is remembered.
        let archive = runtime.block_on(Archive::open(archive.location().clone())).unwrap();
        let (pruned, full) =
            runtime.block_on(async { (session(&archive, true).await, session(&archive, false).await) });
        let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&condition(), |condition| {
            for (table, columns) in [
                ("sources", "diaSourceId, diaObjectId, _object, _origin, ra, dec, _commit"),
                ("forced", "diaForcedSourceId, _object"),
                ("DiaSource", "diaSourceId, diaObjectId, _object, _origin, ra, dec, _commit"),
                ("DiaForcedSource", "diaForcedSourceId, _object"),
            ] {
                let is_forced = table.to_lowercase().contains("forced");
                if is_forced && (condition.contains("ra, dec") || condition.contains("diaSourceId")) {
                    continue;
                }
                let sql = format!("SELECT {columns} FROM lsst.{table} WHERE {condition}");
                let (ours, plain) =
                    runtime.block_on(async { (sorted(&pruned, &sql).await, sorted(&full, &sql).await) });
                prop_assert_eq!(ours, plain, "{}: {}", state, sql);
            }
            Ok(())
        });
        outcome.unwrap_or_else(|e| panic!("{e}"));
    }
}

pub async fn prepare(archive: &Archive, state: &str) {
    let store = archive.store();
    let indices = async || {
        let objects: Vec<_> = store.list(Some(&"_index".into())).try_collect().await.unwrap();
        objects.into_iter().map(|object| object.location).collect::<Vec<_>>()
    };
    match state {
        "merged" => {
            merge(archive).await;
            let tables = indices().await.iter().map(|path| path.parts().nth(1).unwrap().as_ref().to_owned()).collect();
            assert_eq!(BTreeSet::from(["forced".to_owned(), "sources".to_owned()]), tables);
        }
        "with later commits" => {
            let packets: Vec<Vec<u8>> = (175..230).map(alert).collect();
            take(archive, vec![Source::packets("later", Box::new(packets.into_iter()))]).await;
        }
        "with many commits" => {
            for commit in 0..10_i64 {
                let packets: Vec<Vec<u8>> = (200 + commit * 9..200 + commit * 9 + 12).map(alert).collect();
                take(archive, vec![Source::packets(&format!("small {commit}"), Box::new(packets.into_iter()))]).await;
            }
        }
        "without indices" => {
            for path in indices().await {
                store.delete(&path).await.unwrap();
            }
        }
        "with those of others" => {
            // Anything but their own: one for the other, and what is none.
            merge(archive).await;
            let all = indices().await;
            let other = store.get(&all[0]).await.unwrap().bytes().await.unwrap();
            for path in &all[1..] {
                store.put(path, PutPayload::from(other.clone())).await.unwrap();
            }
            store.put(&all[0], PutPayload::from("no index")).await.unwrap();
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_other_times_are_not_read() {
    let archive = sky().await;
    let session = session(&archive, true).await;
    let kept = async |condition: &str| {
        let sql = format!("SELECT diaSourceId FROM lsst.sources WHERE {condition}");
        let told = session.dry_run(&sql).await.unwrap();
        let number = |name: &str| -> u64 {
            array_value_to_string(told.column_by_name(name).unwrap(), 0).unwrap().parse().unwrap()
        };
        (number("files"), number("of_files"))
    };
    let (all, of) = kept("psfFlux > 0").await;
    assert!(all == of && of >= 6, "{all} of {of}");
    let (some, _) = kept("midpointMjdTai BETWEEN 61000 AND 61005").await;
    assert!(0 < some && some < of, "{some} of {of}");
    assert_eq!(kept("midpointMjdTai > 70000").await.0, 0);
    assert_eq!(kept("NOT midpointMjdTai < 70000").await.0, 0);
    merge(&archive).await;
    assert_eq!(kept("midpointMjdTai > 70000").await.0, 0);
}

/// What was committed last is read from files once, and found in memory after that.
#[tokio::test(flavor = "multi_thread")]
async fn recent_commits_are_read_once() {
    let archive = sky().await;
    merge(&archive).await;
    prepare(&archive, "with many commits").await;
    let (pruned, full) = (session(&archive, true).await, session(&archive, false).await);
    let every = "SELECT diaSourceId, _object, _origin, ra, psfFlux, _commit FROM lsst.sources";
    let plan = async |session: &Session| {
        let planned = session.plan(every).await.unwrap().physical_plan().await.unwrap();
        datafusion::physical_plan::displayable(&*planned).indent(false).to_string()
    };
    assert!(plan(&pruned).await.contains("RecentRowsExec: lsst.sources, 10 files"), "{}", plan(&pruned).await);
    assert!(!plan(&full).await.contains("RecentRowsExec"));
    for question in [
        every.to_owned(),
        "SELECT count(*) FROM lsst.sources".to_owned(),
        "SELECT count(*), sum(psfFlux) FROM lsst.sources WHERE _commit > 8".to_owned(),
        "SELECT _commit, count(*) FROM lsst.sources GROUP BY 1".to_owned(),
        "SELECT count(*) FROM lsst.sources VERSION AS OF 11 WHERE ra IS NOT NULL".to_owned(),
        format!("SELECT count(*) FROM ({every} LIMIT 7)"),
    ] {
        assert_eq!(sorted(&pruned, &question).await, sorted(&full, &question).await, "{question}");
    }
    // Files that are there no more are asked for nothing.
    let newest = archive.snapshot().await.unwrap();
    let recent = newest.files(noctuary_storage::Table::Sources, None).filter(|file| file.level == 0);
    let recent: Vec<_> = recent.cloned().collect();
    assert_eq!(recent.len(), 10);
    let before = sorted(&pruned, every).await;
    for file in &recent {
        archive.store().delete(&file.path.as_str().into()).await.unwrap();
    }
    assert_eq!(sorted(&pruned, every).await, before);
    assert!(pruned.plan("SELECT midpointMjdTai FROM lsst.sources").await.unwrap().execute().await.is_err());
}

/// Rows that a question reads.
pub async fn read(session: &Session, sql: &str) -> usize {
    use datafusion::physical_plan::{ExecutionPlan, execute_stream};
    fn rows(plan: &Arc<dyn ExecutionPlan>) -> usize {
        let own = plan.metrics().and_then(|m| m.output_rows()).filter(|_| plan.children().is_empty()).unwrap_or(0);
        own + plan.children().into_iter().map(rows).sum::<usize>()
    }
    let plan = session.plan(sql).await.unwrap().physical_plan().await.unwrap();
    let stream = execute_stream(Arc::clone(&plan), session.context().task_ctx()).unwrap();
    let _: Vec<_> = stream.try_collect().await.unwrap();
    rows(&plan)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_of_an_object_is_not_read() {
    let archive = sky().await;
    merge(&archive).await;
    let session = session(&archive, true).await;
    let all: usize = ask(&session, "SELECT count(*) FROM lsst.sources").await[0][0].parse().unwrap();
    for condition in ["_object = 15", "_object IN (15, 15)", "cone(ra, dec, 285, 40, 0.001)"] {
        let rows = read(&session, &format!("SELECT diaSourceId FROM lsst.sources WHERE {condition}")).await;
        assert!(rows > 0 && rows * 5 < all, "{condition} reads {rows} rows of {all}");
    }
    assert_eq!(read(&session, "SELECT diaSourceId FROM lsst.sources WHERE _object = 999").await, 0);
}
