//! Answers are the same before and after files are merged, of every version and for every reader.

use std::collections::BTreeMap;

use noctuary_engine::{Engine, EngineOptions, SessionOptions};
use noctuary_storage::compact::{Policy, compact};
use noctuary_storage::purge::{Order, PacketsOrder, purge};
use noctuary_storage::vacuum::{VacuumOptions, vacuum};
use noctuary_storage::{Access, Archive, Meter};

use crate::beacon::{self, Beacon, beacons};
use crate::lamp;
use crate::support::{cost, session_of, sorted, take};

/// Commits of beacons, among them records that several commits carry and packets of hidden labels.
async fn coast() -> Archive {
    let archive = beacon::archive().await;
    let all = beacons(160, |id| if id <= 80 { 1 } else { 2 });
    for (at, some) in all.chunks(25).enumerate() {
        let packets = some.iter().map(Beacon::packet).chain([vec![1, 2, 3]]);
        take(&archive, &format!("night {at}"), packets.collect(), 1 << 20).await;
    }
    archive
}

/// Commits of lamps, whose versions differ in every way in which versions can.
async fn town() -> Archive {
    let archive = lamp::archive().await;
    for commit in 0..6 {
        let access = |id: i64| if id % 3 == 0 { "closed".into() } else { "open".into() };
        let packet = |id: i64| lamp::lamp(1 + (id % 2) as u32, commit * 10 + id, &[("access", access(id))]);
        let packets = (1..=6).map(packet).chain([vec![1, 2, 3]]);
        take(&archive, &format!("lamps {commit}"), packets.collect(), 1 << 20).await;
    }
    archive
}

const OF_COAST: [&str; 24] = [
    "SELECT * FROM beacon.alerts",
    "SELECT * FROM beacon.sources",
    "SELECT * FROM beacon.forced",
    "SELECT * FROM beacon.objects",
    "SELECT * FROM beacon.ssobjects",
    "SELECT * FROM beacon.Sight",
    "SELECT * FROM beacon.Sight WHERE _object IN (3, 5) AND time > 60005",
    "SELECT count(*) FROM Sight",
    "SELECT * FROM Flash",
    "SELECT * FROM Before",
    "SELECT * FROM Gauge",
    "SELECT * FROM Mast",
    "SELECT _alert, height FROM MastVersions",
    "SELECT count(*) FROM beacon.alerts",
    "SELECT count(*) FROM beacon.sources",
    "SELECT count(*), min(_commit), max(_commit) FROM beacon.alerts",
    "SELECT _commit, count(*) FROM beacon.alerts GROUP BY _commit",
    "SELECT _commit, count(*) FROM beacon.sources GROUP BY _commit",
    "SELECT _alert, _commit FROM beacon.alerts WHERE _commit > 6",
    "SELECT time, flux, _commit FROM beacon.sources WHERE _commit BETWEEN 4 AND 7",
    "SELECT time, flux, _commit FROM beacon.sources WHERE _object = 3",
    "SELECT time, flux FROM beacon.sources WHERE _object IN (1, 2) AND _origin = 'history'",
    "SELECT _alert, array_length(seen) FROM beacon.alerts WHERE array_length(seen) > 2",
    "SELECT count(*) FROM (SELECT _alert FROM beacon.alerts LIMIT 7)",
];

const OF_TOWN: [&str; 6] = [
    "SELECT * FROM lamp.alerts",
    "SELECT * FROM lamp.sources",
    "SELECT * FROM lamp.objects",
    "SELECT lampId, glow.brightFlux, s.* FROM (SELECT lampId, glow, unnest(trail) AS s FROM alerts)",
    "SELECT a._alert, b._alert FROM lamp.alerts a JOIN lamp.alerts b ON a._alert = b._alert + 10",
    "SELECT _rights, count(*) FROM sources GROUP BY _rights",
];

const OF_BOTH: [&str; 2] = ["SELECT survey, name, version, alerts FROM schemas", "SELECT survey, alerts FROM surveys"];

/// Of those who may see all.
const OF_ALL: [&str; 3] = [
    "SELECT source, survey, schema, night, visit, received, stored, duplicate, quarantined, _commit FROM ledger",
    "SELECT count(*), sum(received), sum(stored) FROM ledger",
    "SELECT id, reason, released, _commit FROM quarantine",
];

type Answers = BTreeMap<String, Vec<Vec<String>>>;

async fn answers(archive: &Archive, questions: &[&str], as_of: Option<u64>, access: &Access, prune: bool) -> Answers {
    let options = SessionOptions { as_of, access: access.clone() };
    let session = session_of(archive, options, prune).await;
    let mut answers = Answers::new();
    let of_all = OF_ALL.iter().filter(|_| access.is_everything());
    for sql in questions.iter().chain(&OF_BOTH).chain(of_all) {
        // A column whose type only a later version has is not there before.
        let rows = match crate::support::try_ask(&session, sql).await {
            Ok(mut rows) => {
                rows.sort();
                rows
            }
            Err(e) => vec![vec![e.to_string()]],
        };
        answers.insert((*sql).to_owned(), rows);
    }
    answers
}

fn assert_same(wanted: &Answers, found: &Answers, what: &str) {
    for (sql, wanted) in wanted {
        let found = &found[sql];
        assert_eq!(wanted.len(), found.len(), "{what}: {sql}");
        if let Some((a, b)) = wanted.iter().zip(found).find(|(a, b)| a != b) {
            panic!("{what}: {sql}\n{a:?}\n{b:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_merged_and_cleared_answers_the_same() {
    answers_the_same(&coast().await, &OF_COAST).await;
    answers_the_same(&town().await, &OF_TOWN).await;
}

async fn answers_the_same(archive: &Archive, questions: &[&str]) {
    let newest = archive.snapshot().await.unwrap().version();
    let readers = [Access::Everything, Access::public(), "private".parse().unwrap()];
    let mut wanted = Vec::new();
    for access in &readers {
        for version in [3, newest / 2, newest - 2, newest] {
            wanted.push((access.clone(), version, answers(archive, questions, Some(version), access, true).await));
        }
    }
    let empty = wanted[3].2.iter().filter(|(_, rows)| rows.is_empty()).map(|(sql, _)| sql.as_str());
    assert!(empty.clone().all(|sql| sql.contains("objects")), "{:?}", empty.collect::<Vec<_>>());
    let merged = Policy { now: true, ..Policy::of(chrono::NaiveDate::MAX) };
    let report = compact(archive, &merged, &Meter::default()).await.unwrap();
    assert!(report.merges > 3, "{report:?}");
    for (access, version, wanted) in wanted.iter().filter(|(_, version, _)| *version == newest) {
        for prune in [true, false] {
            let found = answers(archive, questions, None, access, prune).await;
            assert_same(wanted, &found, &format!("merged, {access:?}, {version}, {prune}"));
        }
    }
    let all =
        VacuumOptions { keep: chrono::TimeDelta::zero(), grace: chrono::TimeDelta::zero(), ..VacuumOptions::default() };
    assert!(vacuum(archive, &all).await.unwrap().superseded > 20);
    for (access, version, wanted) in &wanted {
        let found = answers(archive, questions, Some(*version), access, true).await;
        assert_same(wanted, &found, &format!("cleared, {access:?}, version {version}"));
    }
    // A rollback hides rows of files that hold others.
    archive.roll_back(newest / 2).await.unwrap();
    let (_, _, wanted) = wanted.iter().find(|(a, v, _)| a.is_everything() && *v == newest / 2).unwrap();
    let found = answers(archive, questions, None, &Access::Everything, true).await;
    assert_same(wanted, &found, "rolled back");
}

/// A server that has answered of a version goes on to, when the files of that version are gone.
#[tokio::test(flavor = "multi_thread")]
async fn versions_that_were_asked_of_before_outlive_their_files() {
    let archive = coast().await;
    let engine = Engine::new(archive.clone(), EngineOptions::default()).unwrap();
    let newest = archive.snapshot().await.unwrap().version();
    let every = "SELECT _alert, _commit FROM beacon.alerts";
    let named = format!("{every} VERSION AS OF {newest}");
    let answer = async || {
        let options = SessionOptions { as_of: Some(newest), access: Access::Everything };
        let session = sorted(&engine.session(options).await.unwrap(), every).await;
        let question = sorted(&engine.session(SessionOptions::default()).await.unwrap(), &named).await;
        assert_eq!(session, question);
        session
    };
    let before = answer().await;
    let merged = Policy { now: true, ..Policy::of(chrono::NaiveDate::MAX) };
    compact(&archive, &merged, &Meter::default()).await.unwrap();
    let all =
        VacuumOptions { keep: chrono::TimeDelta::zero(), grace: chrono::TimeDelta::zero(), ..VacuumOptions::default() };
    assert!(vacuum(&archive, &all).await.unwrap().superseded > 0);
    assert_eq!(answer().await, before);

    let gone = before[0][0].clone();
    let order = Order::Packets(PacketsOrder { survey: Some("beacon".into()), alerts: vec![gone.clone()] });
    purge(&archive, &order, "a test", chrono::Utc::now(), false).await.unwrap();
    let left: Vec<_> = before.iter().filter(|row| row[0] != gone).cloned().collect();
    assert!(left.len() < before.len());
    assert_eq!(answer().await, left);
}

#[tokio::test(flavor = "multi_thread")]
async fn merged_files_are_chosen_by_what_they_hold() {
    let archive = coast().await;
    let merged = Policy { now: true, ..Policy::of(chrono::NaiveDate::MAX) };
    compact(&archive, &merged, &Meter::default()).await.unwrap();
    let session = session_of(&archive, SessionOptions::default(), true).await;
    let (all, none) = ("SELECT _commit FROM beacon.alerts", "SELECT _commit FROM beacon.alerts WHERE _commit > 1000");
    assert_eq!(sorted(&session, none).await.len(), 0);
    assert!(cost(&session, all).await.0 > cost(&session, none).await.0);
}
