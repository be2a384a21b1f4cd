//! What is published for other engines is what the archive shows, at every moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use futures::TryStreamExt;
use noctuary_storage::delta::{begin, end, published};
use noctuary_storage::purge::{Order, PacketsOrder, purge};
use noctuary_storage::vacuum::{VacuumOptions, vacuum};
use noctuary_storage::{Archive, Location, Meter, Snapshot, Table};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use serde_json::Value;

use crate::apart::whole;
use crate::compact::{many_commits, merge, now};
use crate::faults::{copy_of, everything};
use crate::stores::{End, Wrapped};
use crate::support::{assert_verified, commits_of, empty, made, open, take_packets, try_take};

/// A Delta log, read as its protocol says.
#[derive(Debug, Default)]
struct Log {
    version: u64,
    archive_version: u64,
    files: BTreeMap<String, u64>,
    columns: Vec<String>,
}

async fn json(store: &Arc<dyn ObjectStore>, path: &str) -> Option<String> {
    let found = store.get(&path.into()).await.ok()?;
    Some(String::from_utf8(found.bytes().await.unwrap().to_vec()).unwrap())
}

/// Reads every version there is, one after the other.
async fn read(store: &Arc<dyn ObjectStore>, folder: &str) -> Option<Log> {
    let mut log = Log::default();
    let mut any = false;
    for version in 0.. {
        let Some(text) = json(store, &format!("{folder}/_delta_log/{version:020}.json")).await else { break };
        any = true;
        log.version = version;
        let mut seen = BTreeSet::new();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let (kind, what) = line.as_object().unwrap().iter().next().unwrap();
            let path = what["path"].as_str().map(str::to_owned);
            assert!(path.iter().all(|path| seen.insert(path.clone())), "{path:?} twice in version {version}");
            match kind.as_str() {
                "add" => {
                    let bytes = what["size"].as_u64().unwrap();
                    assert!(log.files.insert(path.unwrap(), bytes).is_none(), "added again: {what}");
                }
                "remove" => assert!(log.files.remove(&path.unwrap()).is_some(), "not there: {what}"),
                "txn" => log.archive_version = what["version"].as_u64().unwrap(),
                "metaData" => {
                    let schema: Value = serde_json::from_str(what["schemaString"].as_str().unwrap()).unwrap();
                    let fields = schema["fields"].as_array().unwrap();
                    log.columns = fields.iter().map(|f| f["name"].as_str().unwrap().to_owned()).collect();
                }
                "protocol" => assert_eq!(version, 0),
                "commitInfo" => {}
                other => panic!("{other}"),
            }
        }
    }
    any.then_some(log)
}

fn of_table(snapshot: &Snapshot, table: Table, survey: Option<&str>) -> BTreeMap<String, u64> {
    let files = snapshot.files(table, survey);
    files.map(|file| (file.path.rsplit('/').next().unwrap().to_owned(), file.bytes)).collect()
}

/// Every table is published as of the newest version.
async fn assert_published(archive: &Archive, what: &str) {
    let snapshot = archive.snapshot().await.unwrap();
    let store = archive.store();
    for survey in ["lsst", "lantern"] {
        for table in [Table::Alerts, Table::Sources, Table::Forced] {
            let files = of_table(&snapshot, table, Some(survey));
            let log = read(store, &format!("{table}/{survey}")).await;
            assert_eq!(log.map(|log| log.files).unwrap_or_default(), files, "{what}: {survey} {table}");
        }
    }
    for table in [Table::Ledger, Table::Quarantine] {
        let log = read(store, &table.to_string()).await;
        assert_eq!(log.map(|log| log.files).unwrap_or_default(), of_table(&snapshot, table, None), "{what}: {table}");
    }
    for table in published(archive).await.unwrap() {
        assert!(table.archive_version <= snapshot.version(), "{table:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_published_with_every_commit() {
    let archive = many_commits().await;
    assert_eq!(published(&archive).await.unwrap(), []);
    let tables = begin(&archive).await.unwrap();
    let names: BTreeSet<String> = tables.iter().map(|table| table.name.name()).collect();
    let wanted = ["archive.ledger", "archive.quarantine", "lantern.alerts", "lantern.sources", "lsst.alerts"];
    assert!(wanted.iter().all(|name| names.contains(*name)), "{names:?}");
    assert!(!names.contains("lsst.packets") && !names.contains("lsst.cutouts"), "{names:?}");
    assert_published(&archive, "begun").await;
    let log = read(archive.store(), "alerts/lsst").await.unwrap();
    for column in ["_alert", "_night", "_sha256", "diaSource", "diaObject"] {
        assert!(log.columns.iter().any(|name| name == column), "{:?}", log.columns);
    }
    for column in ["_commit", "_history", "_forced"] {
        assert!(!log.columns.iter().any(|name| name == column), "{:?}", log.columns);
    }
    take_packets(&archive, "more", (200..205).map(whole).collect()).await;
    assert_published(&archive, "after an ingest").await;
    let after = read(archive.store(), "alerts/lsst").await.unwrap();
    assert_eq!((after.version, after.archive_version), (1, archive.snapshot().await.unwrap().version()));
    merge(&archive, &now()).await;
    assert_published(&archive, "after merging").await;
    vacuum(&archive, &everything()).await.unwrap();
    assert_published(&archive, "after a vacuum").await;
    // What is published is no leftover, and no copy of another archive's.
    assert!(read(archive.store(), "alerts/lsst").await.unwrap().version > 1);
    assert_verified(&archive).await;
    // Others go on from what they find.
    let other = open(archive.store()).await;
    take_packets(&other, "others", (300..303).map(whole).collect()).await;
    take_packets(&archive, "ours", (310..313).map(whole).collect()).await;
    assert_published(&other, "two writers").await;
    end(&archive).await.unwrap();
    let left: Vec<_> = archive.store().list(None).try_collect().await.unwrap();
    assert!(!left.iter().any(|object| object.location.as_ref().contains("_delta_log")), "{left:?}");
    take_packets(&archive, "unpublished", (400..403).map(whole).collect()).await;
    assert!(read(archive.store(), "alerts/lsst").await.is_none());
    begin(&archive).await.unwrap();
    assert_published(&archive, "begun again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rolled_back_or_purged_is_not_published() {
    let archive = many_commits().await;
    begin(&archive).await.unwrap();
    let middle = archive.snapshot().await.unwrap().version() / 2;
    merge(&archive, &now()).await;
    // Merged files hold rows from before and after the middle.
    archive.roll_back(middle).await.unwrap();
    let snapshot = archive.snapshot().await.unwrap();
    for file in snapshot.files(Table::Alerts, None) {
        assert_eq!(snapshot.rows(file), file.rows, "{} has rows that are hidden", file.path);
    }
    assert_published(&archive, "rolled back").await;
    assert_verified(&archive).await;
    let order = Order::Packets(PacketsOrder { survey: None, alerts: vec!["2".to_owned()] });
    purge(&archive, &order, "by order", Utc::now(), false).await.unwrap();
    assert_published(&archive, "purged").await;
    // A table that has lost all its rows says so, to a writer that has just come, too.
    let only = empty().await;
    take_packets(&only, "one", vec![whole(2)]).await;
    begin(&only).await.unwrap();
    purge(&open(only.store()).await, &order, "by order", Utc::now(), false).await.unwrap();
    assert_eq!(read(only.store(), "alerts/lsst").await.unwrap().files, BTreeMap::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_at_any_write_it_is_made_up_for() {
    let made_of = many_commits().await;
    begin(&made_of).await.unwrap();
    let begun = Arc::clone(made_of.store());
    for end in [End::Before, End::After, End::Twice] {
        for n in 0.. {
            let plain = copy_of(&begun).await;
            let store = Wrapped::ending(&plain, n, end);
            let archive = open(&(Arc::clone(&store) as Arc<dyn ObjectStore>)).await;
            let source = || vec![made("more", (200..205).map(whole).collect())];
            let outcome = try_take(&archive, source(), &commits_of(40_000)).await;
            assert!(outcome.is_ok() || store.is_dead(), "{end:?} {n}: {outcome:?}");
            // Whatever is published is what some version showed.
            let there = open(&plain).await;
            let log = read(&plain, "alerts/lsst").await.unwrap();
            let then = there.snapshot_at(log.archive_version).await.unwrap();
            assert_eq!(log.files, of_table(&then, Table::Alerts, Some("lsst")), "{end:?} {n}");
            try_take(&there, source(), &commits_of(40_000)).await.unwrap();
            take_packets(&there, "one more", vec![whole(900)]).await;
            assert_published(&there, &format!("{end:?} {n}")).await;
            if !store.has_come() {
                assert!(n > 12, "{n} writes");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_publish_one_log() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    take_packets(&open(&store).await, "first", vec![whole(1)]).await;
    begin(&open(&store).await).await.unwrap();
    let writers = (0..6_i64).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let archive = open(&store).await;
            for n in 0..5 {
                let id = 1_000 * (writer + 1) + n;
                take_packets(&archive, &format!("{writer} {n}"), vec![whole(id)]).await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let archive = open(&store).await;
    take_packets(&archive, "last", vec![whole(2)]).await;
    assert_published(&archive, "six writers").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_has_checkpoints_and_is_thinned_out() {
    let archive = empty().await;
    take_packets(&archive, "first", vec![whole(1)]).await;
    begin(&archive).await.unwrap();
    for n in 0..103 {
        take_packets(&archive, &format!("{n}"), vec![b"no packet".to_vec()]).await;
    }
    let store = archive.store();
    let last: Value = serde_json::from_str(&json(store, "ledger/_delta_log/_last_checkpoint").await.unwrap()).unwrap();
    assert_eq!(last, serde_json::json!({"version": 100, "size": 3 + 101}));
    let whole_log = read(store, "ledger").await.unwrap();
    assert_eq!(whole_log.version, 103);
    let keep = VacuumOptions { now: Utc::now() + TimeDelta::seconds(5), keep: TimeDelta::zero(), ..Default::default() };
    vacuum(&archive, &keep).await.unwrap();
    let objects: Vec<_> = store.list(Some(&"ledger/_delta_log".into())).try_collect().await.unwrap();
    let mut names: Vec<String> = objects.iter().map(|o| o.location.filename().unwrap().to_owned()).collect();
    names.sort();
    assert_eq!(names[0], format!("{:020}.checkpoint.parquet", 100), "{names:?}");
    assert_eq!(names.len(), 1 + 4 + 1, "{names:?}");
    // A writer that knows nothing of it goes on behind the end.
    take_packets(&open(store).await, "after", vec![b"no packet either".to_vec()]).await;
    let next = json(store, &format!("ledger/_delta_log/{:020}.json", 104)).await.unwrap();
    assert_eq!(next.lines().filter(|line| line.contains("\"add\"")).count(), 1, "{next}");
    assert!(!next.contains("remove"), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_publishes_by_itself() {
    let archive = many_commits().await;
    begin(&archive).await.unwrap();
    let copy: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let to = Location::with_store("memory:///", Arc::clone(&copy)).unwrap();
    for what in ["first", "again"] {
        noctuary_storage::mirror::mirror(&archive, &to, &Meter::default()).await.unwrap();
        assert_published(&open(&copy).await, what).await;
        merge(&archive, &now()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_others_wrote_to_is_told_of_and_stops_nobody() {
    let archive = many_commits().await;
    begin(&archive).await.unwrap();
    let strange = r#"{"commitInfo":{"operation":"OPTIMIZE"}}"#;
    let path = format!("alerts/lsst/_delta_log/{:020}.json", 1);
    archive.store().put(&path.as_str().into(), PutPayload::from(strange)).await.unwrap();
    assert_eq!(take_packets(&archive, "more", (200..205).map(whole).collect()).await.counts.stored, 5);
    let why = published(&open(archive.store()).await).await.unwrap_err().to_string();
    assert!(why.contains("noctuary delta off"), "{why}");
    end(&archive).await.unwrap();
    begin(&archive).await.unwrap();
    assert_published(&archive, "anew").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rollback_there_is_an_end_to_mending() {
    let archive = many_commits().await;
    let middle = archive.snapshot().await.unwrap().version() / 2;
    archive.roll_back(middle).await.unwrap();
    // What was undone comes again, and is merged with what is from before: their commits lie around the undone ones.
    for n in 0..4 {
        let packets = (10 * n..10 * n + 6).map(whole).collect();
        try_take(&archive, vec![made(&format!("again {n}"), packets)], &commits_of(30_000)).await.unwrap();
    }
    merge(&archive, &now()).await;
    assert_eq!(merge(&archive, &now()).await.merges, 0);
    begin(&archive).await.unwrap();
    assert_published(&archive, "begun after a rollback").await;
    take_packets(&archive, "more", vec![whole(500)]).await;
    assert_published(&archive, "and gone on").await;
    // A rollback from before it was published leaves hidden rows, too.
    let other = many_commits().await;
    merge(&other, &now()).await;
    other.roll_back(middle).await.unwrap();
    begin(&other).await.unwrap();
    assert_published(&other, "hidden rows").await;
    assert_verified(&other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_begun_anew_is_not_gone_on_with_from_memory() {
    let archive = many_commits().await;
    begin(&archive).await.unwrap();
    for n in 0..4 {
        take_packets(&archive, &format!("{n}"), vec![whole(500 + n)]).await;
    }
    let other = open(archive.store()).await;
    end(&other).await.unwrap();
    begin(&other).await.unwrap();
    take_packets(&archive, "by one who remembers", vec![whole(510)]).await;
    assert_published(&other, "begun anew").await;
    assert_eq!(read(archive.store(), "alerts/lsst").await.unwrap().version, 1);
    end(&other).await.unwrap();
    take_packets(&archive, "once more", vec![whole(511)]).await;
    assert!(read(archive.store(), "alerts/lsst").await.is_none());
}
