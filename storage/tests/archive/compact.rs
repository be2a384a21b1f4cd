//! Merging changes where things lie, and nothing that anyone sees.

use std::sync::Arc;

use chrono::{NaiveDate, TimeDelta};
use futures::TryStreamExt;
use noctuary_packet::time::Night;
use noctuary_storage::compact::{CompactReport, Level, Policy, compact, plan};
use noctuary_storage::night::in_order;
use noctuary_storage::vacuum::{VacuumOptions, vacuum};
use noctuary_storage::{Archive, Meter, Shown, Table};

use crate::apart::whole;
use crate::make::{LANTERN_MAPPING, LANTERN_SCHEMA, Value, container, lantern_datum, lsst_packet};
use crate::seen::{Seen, seen, shown};
use crate::support::{assert_verified, commits_of, empty, made, take_packets, try_take};

/// A day long after all nights of these tests.
fn later() -> NaiveDate {
    NaiveDate::from_ymd_opt(2080, 1, 1).unwrap()
}

/// Everything that there is, at once.
pub fn now() -> Policy {
    Policy { now: true, ..Policy::of(later()) }
}

pub async fn merge(archive: &Archive, policy: &Policy) -> CompactReport {
    compact(archive, policy, &Meter::default()).await.unwrap()
}

async fn newest(archive: &Archive) -> Seen {
    seen(archive, &archive.snapshot().await.unwrap()).await
}

async fn files(archive: &Archive, table: Table) -> usize {
    archive.snapshot().await.unwrap().files(table, None).count()
}

/// An archive of many commits: two surveys, repeated records, revisions, packets kept whole and refused ones.
pub async fn many_commits() -> Archive {
    let archive = empty().await;
    archive.add_survey(LANTERN_MAPPING).await.unwrap();
    let before = [("before", Value::Items(2)), ("before[].light", Value::Each(vec![f64::NAN.into(), Value::Null]))];
    let odd = [
        ("before", Value::Items(1)),
        ("before[].light", Value::Each(vec![Value::Raw(vec![0x82, 0, 0, 0, 0x80, 0x3f])])),
    ];
    let lantern = |name: &str, n, values: &[(&'static str, Value)]| {
        container(LANTERN_SCHEMA, "null", &[(1, lantern_datum(name, n, values))])
    };
    for n in 0..4 {
        let mut packets: Vec<Vec<u8>> = (10 * n..10 * n + 6).map(whole).collect();
        packets.extend((100..103).map(|id| whole(id * 10 + n)));
        packets.push(lsst_packet(1_000 + n));
        packets.push(lantern(&format!("one {n}"), n, &before));
        packets.push(lantern(&format!("odd {n}"), n, &odd));
        packets.push(lantern("again", n, &[]));
        packets.push(b"no packet".to_vec());
        try_take(&archive, vec![made(&format!("part {n}"), packets)], &commits_of(30_000)).await.unwrap();
    }
    archive
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_merged_reads_the_same() {
    let archive = many_commits().await;
    let before = newest(&archive).await;
    assert!(before.packets.len() > 40 && before.records.len() > 50);
    let repeated = shown(&archive, &archive.snapshot().await.unwrap(), Table::Sources).await.len();
    let report = merge(&archive, &now()).await;
    assert!(report.merges >= 3 && report.left == 0 && report.files.1 < report.files.0, "{report:?}");
    newest(&archive).await.assert_same(&before, "merged");
    assert_verified(&archive).await;
    let snapshot = archive.snapshot().await.unwrap();
    assert_eq!(files(&archive, Table::Packets).await, snapshot.survey_names().len() - 1);
    assert_eq!((files(&archive, Table::Ledger).await, files(&archive, Table::Quarantine).await), (1, 1));
    let sources = shown(&archive, &snapshot, Table::Sources).await;
    assert!(sources.len() < repeated, "what several commits had stands once: {} of {repeated}", sources.len());
    assert_eq!(sources.len(), before.records.keys().filter(|r| r.starts_with("sources")).count());
    // There is nothing left to do.
    assert_eq!(merge(&archive, &now()).await.merges, 0);
    // What was there before is known.
    let again = take_packets(&archive, "again", (0..6).map(whole).collect()).await.counts;
    assert_eq!((again.stored, again.duplicate), (0, 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_version_reads_as_before_merging() {
    let archive = many_commits().await;
    let last = archive.snapshot().await.unwrap().version();
    let mut wanted = Vec::new();
    for version in 0..=last {
        let snapshot = archive.snapshot_at(version).await.unwrap();
        wanted.push(seen(&archive, &snapshot).await);
    }
    merge(&archive, &now()).await;
    // Versions have files of their own until these are deleted, and are read from those of a later version then.
    let options = VacuumOptions { keep: TimeDelta::zero(), grace: TimeDelta::zero(), ..VacuumOptions::default() };
    let given = vacuum(&archive, &VacuumOptions { dry_run: true, ..options.clone() }).await.unwrap();
    assert_eq!(vacuum(&archive, &options).await.unwrap(), given);
    assert!(given.superseded > 20 && given.leftovers == 0 && given.bytes > 100_000, "{given:?}");
    let cleared = archive.snapshot().await.unwrap();
    let again = vacuum(&archive, &options).await.unwrap();
    assert_eq!((again.superseded, again.leftovers, again.bytes), (0, 0, 0));
    for (version, wanted) in wanted.iter().enumerate() {
        let snapshot = archive.snapshot_at(version as u64).await.unwrap();
        for file in snapshot.files(Table::Alerts, None) {
            assert!(snapshot.visible().of(file) != Shown::None);
            assert!(cleared.files(Table::Alerts, None).any(|f| f.path == file.path), "a file of its own");
        }
        seen(&archive, &snapshot).await.assert_same(wanted, &format!("version {version}"));
    }
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_reaches_into_merged_files() {
    let archive = many_commits().await;
    let middle = archive.snapshot().await.unwrap().version() / 2;
    let wanted = seen(&archive, &archive.snapshot_at(middle).await.unwrap()).await;
    merge(&archive, &now()).await;
    archive.roll_back(middle).await.unwrap();
    newest(&archive).await.assert_same(&wanted, "rolled back");
    assert_verified(&archive).await;
    // What was undone can come again, and the merged file shows none of it twice.
    let again = take_packets(&archive, "again", (30..36).map(whole).collect()).await.counts;
    assert_eq!((again.stored, again.duplicate), (6, 0));
    let before = newest(&archive).await;
    assert_verified(&archive).await;
    merge(&archive, &now()).await;
    newest(&archive).await.assert_same(&before, "merged again");
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_groups_are_divided_by_the_sky() {
    let archive = empty().await;
    for n in 0..3 {
        let packets = (0..40).map(|i| at_place(n * 40 + i, f64::from(i as i32) * 9.0)).collect();
        take_packets(&archive, &format!("part {n}"), packets).await;
    }
    let before = newest(&archive).await;
    merge(&archive, &Policy { group_bytes: 30_000, ..now() }).await;
    let snapshot = archive.snapshot().await.unwrap();
    let mut skies: Vec<_> = snapshot.files(Table::Packets, None).map(|f| f.stats.healpix_29.unwrap()).collect();
    assert!(skies.len() > 2, "{skies:?}");
    skies.sort_unstable();
    assert!(skies.windows(2).all(|pair| pair[0].1 < pair[1].0), "{skies:?}");
    newest(&archive).await.assert_same(&before, "divided");
    assert_verified(&archive).await;
}

/// An alert of object `id % 40`, a little off its place, with history and images.
fn at_place(id: i64, ra: f64) -> Vec<u8> {
    use crate::make::{framed, lsst_datum};
    let object = id % 40;
    let ids = Value::Each((0..3).map(|i| (object * 100 + i).into()).collect());
    let values = [
        ("diaSource.ra", Value::Real(ra + 1e-6 * id as f64)),
        ("diaSource.dec", Value::Real(-30.0)),
        ("diaSource.diaObjectId", Value::Whole(object)),
        ("prvDiaSources", Value::Items(3)),
        ("prvDiaSources[].diaSourceId", ids),
        ("cutoutScience", Value::Bytes(vec![id as u8; 200])),
    ];
    framed(1101, &lsst_datum(id, &values))
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_follow_the_calendar() {
    let archive = empty().await;
    // Twelve commits of three nights of one month, and one night of the next.
    let start = Night::of(noctuary_packet::time::MjdTai(61_137.0), -4.0).unwrap();
    let mut id = 0;
    for night in [0, 1, 2, 30] {
        for part in 0..3 {
            let packets = (0..5)
                .map(|_| {
                    id += 1;
                    on_night(id, 61_137.0 + f64::from(night))
                })
                .collect();
            take_packets(&archive, &format!("{night} {part}"), packets).await;
        }
    }
    let before = newest(&archive).await;
    let levels = async || {
        let snapshot = archive.snapshot().await.unwrap();
        let mut levels: Vec<u8> = snapshot.files(Table::Packets, None).map(|f| f.level).collect();
        levels.sort_unstable();
        levels
    };
    let day = |days: i32| Policy::of(Night(start.0 + days).date());
    assert!(plan(&archive.snapshot().await.unwrap(), &day(0)).is_empty(), "the night is not over");
    merge(&archive, &day(2)).await;
    assert_eq!(levels().await, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    merge(&archive, &day(34)).await;
    assert_eq!(levels().await, [1, 2]);
    let cutouts = files(&archive, Table::Cutouts).await;
    newest(&archive).await.assert_same(&before, "months");
    merge(&archive, &day(800)).await;
    assert_eq!(levels().await, [3]);
    assert_eq!(files(&archive, Table::Cutouts).await, cutouts, "images are merged once");
    newest(&archive).await.assert_same(&before, "years");
    assert_verified(&archive).await;
    // What comes late is stored, and merged with the rest when it is enough; duplicates are known.
    let late = take_packets(&archive, "late", vec![on_night(1, 61_137.0), on_night(500, 61_137.0)]).await.counts;
    assert_eq!((late.stored, late.duplicate), (1, 1));
    let before = newest(&archive).await;
    merge(&archive, &day(800)).await;
    merge(&archive, &Policy { now: true, ..day(800) }).await;
    assert_eq!(levels().await, [3]);
    newest(&archive).await.assert_same(&before, "late");
    assert_verified(&archive).await;
    // A night comes back in its order.
    let snapshot = archive.snapshot().await.unwrap();
    let packets: Vec<_> = in_order(&archive, &snapshot, "lsst", start).try_collect().await.unwrap();
    assert_eq!(packets.len(), 16);
    assert!(packets.is_sorted_by_key(|p| p.commit), "one visit: in the order in which they came");
    // The highest level can be named.
    assert_eq!("month".parse::<Level>().unwrap(), Level::Month);
    assert!("week".parse::<Level>().is_err());
}

fn on_night(id: i64, mjd: f64) -> Vec<u8> {
    use crate::make::{framed, lsst_datum};
    let ids = Value::Each((0..4).map(|i| i.into()).collect());
    let values = [
        ("diaSource.midpointMjdTai", Value::Real(mjd)),
        ("diaSource.visit", Value::Whole(2_026_040_500_000 + mjd as i64)),
        ("diaSource.detector", Value::Whole(7)),
        ("prvDiaSources", Value::Items(4)),
        ("prvDiaSources[].diaSourceId", ids),
        ("cutoutScience", Value::Bytes(vec![id as u8; 200])),
    ];
    framed(1101, &lsst_datum(id, &values))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_merge_the_same_do_no_harm() {
    let archive = many_commits().await;
    let before = newest(&archive).await;
    let other = Archive::open(archive.location().clone()).await.unwrap();
    let policy = Arc::new(now());
    let (a, b) = tokio::join!(merge(&archive, &policy), merge(&other, &policy));
    assert!(a.merges + b.merges >= 3, "{a:?} {b:?}");
    newest(&archive).await.assert_same(&before, "merged twice");
    assert_verified(&archive).await;
}
