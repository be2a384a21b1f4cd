//! What a question is said to read, before and after.

use arrow::array::RecordBatch;
use noctuary_engine::Session;
use noctuary_storage::Archive;
use noctuary_storage::Meter;
use noctuary_storage::compact::{Policy, compact};

use crate::beacon::{self, Beacon, beacons};
use crate::support::{ask, cost, empty, limited, session, take, texts};

async fn coast() -> Archive {
    let archive = beacon::archive().await;
    for (at, some) in beacons(400, |id| if id <= 200 { 1 } else { 2 }).chunks(100).enumerate() {
        take(&archive, &format!("night {at}"), some.iter().map(Beacon::packet).collect(), 1 << 20).await;
    }
    archive
}

async fn merge(archive: &Archive) {
    let policy = Policy { now: true, ..Policy::of(chrono::NaiveDate::from_ymd_opt(2080, 1, 1).unwrap()) };
    compact(archive, &policy, &Meter::default()).await.unwrap();
}

/// The sum of a column of numbers.
fn sum(batch: &RecordBatch, column: &str) -> usize {
    let at = batch.schema().index_of(column).unwrap();
    texts(std::slice::from_ref(batch)).iter().map(|row| row[at].parse::<usize>().unwrap()).sum()
}

const QUESTIONS: [&str; 14] = [
    "SELECT * FROM beacon.alerts",
    "SELECT beaconId FROM beacon.alerts",
    "SELECT flash['flux'] FROM beacon.alerts WHERE flash['dec'] < 40",
    "SELECT seen FROM beacon.alerts WHERE beaconId < 40",
    "SELECT array_length(seen) FROM beacon.alerts",
    "SELECT count(*) FROM beacon.alerts",
    "SELECT * FROM beacon.sources",
    "SELECT time, flux FROM beacon.sources WHERE _object = 3",
    "SELECT time FROM beacon.sources WHERE _object IN (1, 2, 77) AND _origin = 'history'",
    "SELECT count(*) FROM beacon.sources WHERE _object = 123456789",
    "SELECT s.time, a.beaconId FROM beacon.sources s JOIN beacon.alerts a ON s._object = a._object WHERE a.beaconId = 9",
    "SELECT * FROM beacon.objects",
    "SELECT reason FROM quarantine",
    "SELECT _commit, count(*) FROM beacon.sources GROUP BY _commit",
];

async fn at_most_is_at_most(session: &Session) {
    for sql in QUESTIONS {
        let told = session.dry_run(sql).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
        let (bytes, _) = cost(session, sql).await;
        let most = sum(&told, "bytes_at_most");
        assert!(bytes <= most, "{sql} read {bytes} bytes, and {most} at most were told");
        for (kept, of) in [("files", "of_files"), ("rows_at_most", "of_rows"), ("bytes_at_most", "of_bytes")] {
            assert!(sum(&told, kept) <= sum(&told, of), "{sql}: {kept}");
        }
        if !sql.contains("JOIN") && !sql.contains("count(") {
            let rows = ask(session, sql).await.len();
            assert!(rows <= sum(&told, "rows_at_most"), "{sql}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_question_reads_more_than_was_told() {
    let archive = coast().await;
    at_most_is_at_most(&session(&archive).await).await;
    merge(&archive).await;
    at_most_is_at_most(&session(&archive).await).await;
    take(&archive, "later", beacons(30, |_| 2).iter().map(Beacon::packet).collect(), 1 << 20).await;
    at_most_is_at_most(&session(&archive).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_is_near_to_what_is_read() {
    let archive = coast().await;
    let session = session(&archive).await;
    for sql in ["SELECT beaconId FROM beacon.alerts", "SELECT * FROM beacon.sources WHERE _object = 3"] {
        let (bytes, files) = cost(&session, sql).await;
        let told = session.dry_run(sql).await.unwrap();
        assert_eq!((sum(&told, "bytes_at_most"), sum(&told, "files")), (bytes, files), "{sql}");
    }
    let one = session.dry_run("SELECT time FROM beacon.sources WHERE _object = 3").await.unwrap();
    let all = session.dry_run("SELECT time FROM beacon.sources").await.unwrap();
    assert!(sum(&one, "rows_at_most") * 5 < sum(&all, "rows_at_most"));
    assert!(texts(&[one])[0].last().unwrap().contains("index of objects"));
    let none = session.dry_run("SELECT 1").await.unwrap();
    assert_eq!((none.num_rows(), none.num_columns()), (0, 8));
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_tells_what_is_kept_and_what_chose_it() {
    let archive = coast().await;
    let session = session(&archive).await;
    let row = async |sql: &str, name: &str| {
        let rows = ask(&session, sql).await;
        let row = rows.into_iter().find(|row| row[0] == name);
        row.unwrap_or_else(|| panic!("{sql}: no row {name}"))[1].clone()
    };
    let kept = row("EXPLAIN SELECT time FROM beacon.sources WHERE _object = 3", "kept").await;
    for part in ["beacon.sources\n", "  files: ", "index of objects: ", "row groups: ", "pages: ", "rows: ", "bytes: "]
    {
        assert!(kept.contains(part), "{part}: {kept}");
    }
    let kept = row("EXPLAIN SELECT beaconId FROM beacon.alerts WHERE beaconId BETWEEN 5 AND 9", "kept").await;
    assert!(kept.contains("files: 1 of 4\n    statistics of files: 1"), "{kept}");
    let lists = row("EXPLAIN SELECT seen FROM beacon.alerts WHERE beaconId = 5", "kept").await;
    assert!(lists.contains("beacon.alerts\n") && lists.contains("beacon.sources\n"), "{lists}");

    let sql = "SELECT seen FROM beacon.alerts WHERE beaconId = 5";
    let (bytes, _) = cost(&session, sql).await;
    let read = row(&format!("EXPLAIN ANALYZE {sql}"), "read").await;
    for part in ["beacon.alerts\n", "statistics of row groups: ", "rows: ", "records of lists\n"] {
        assert!(read.contains(part), "{part}: {read}");
    }
    let told = read.lines().filter_map(|line| line.trim().strip_prefix("bytes: "));
    assert_eq!(told.map(|n| n.replace(',', "").parse::<usize>().unwrap()).sum::<usize>(), bytes, "{read}");
    // Nothing is read where nothing can be.
    let kept = row("EXPLAIN SELECT beaconId FROM beacon.alerts WHERE beaconId = -1", "kept").await;
    assert!(kept.contains("files: 0 of 4"), "{kept}");
    assert!(ask(&session, "EXPLAIN SELECT 1").await.iter().all(|row| row[0] != "kept"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_nothing_of_rows_that_may_not_be_seen() {
    let archive = coast().await;
    let public = limited(&archive, "public".parse().unwrap()).await;
    let error = public.dry_run("SELECT count(*) FROM beacon.alerts").await.unwrap_err();
    assert!(error.to_string().contains("rights"), "{error}");
    let error = session(&empty().await).await.dry_run("SELECT * FROM nowhere").await.unwrap_err();
    assert!(error.to_string().contains("no table"), "{error}");
}
