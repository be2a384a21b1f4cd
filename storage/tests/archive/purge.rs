//! What is purged is in no version any more, and nothing else has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::Utc;
use noctuary_packet::schema::RegistryId;
use noctuary_packet::time::Night;
use noctuary_storage::packets::find;
use noctuary_storage::purge::{CutoutsOrder, Order, PacketsOrder, PurgeReport, purge};
use noctuary_storage::verify::{VerifyOptions, verify};
use noctuary_storage::{Access, Archive, ErrorKind, Location, Meter, Result, Table};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::apart::whole;
use crate::compact::{many_commits, merge, now};
use crate::faults::{copy_of, everything, objects as parquet};
use crate::make::{LANTERN_MAPPING, Value, framed, lantern, lantern_datum, lsst_datum};
use crate::seen::{Seen, seen, shown};
use crate::stores::{End, Wrapped};
use crate::support::{assert_verified, commits_of, empty, made, open, take_packets, try_take};

fn alerts(ids: &[i64]) -> Order {
    Order::Packets(PacketsOrder { survey: None, alerts: ids.iter().map(ToString::to_string).collect() })
}

fn cutouts(before: &str) -> Order {
    Order::Cutouts(CutoutsOrder { survey: "lsst".to_owned(), before: before.parse().unwrap() })
}

async fn give_up(archive: &Archive, order: &Order) -> Result<PurgeReport> {
    purge(archive, order, "by order", Utc::now(), false).await
}

async fn newest(archive: &Archive) -> Seen {
    seen(archive, &archive.snapshot().await.unwrap()).await
}

/// Every object that lies in storage, unpacked where it is Parquet.
async fn holds(archive: &Archive, wanted: &[u8]) -> bool {
    let snapshot = archive.snapshot().await.unwrap();
    for file in snapshot.files(Table::Cutouts, None) {
        let rows = shown(archive, &snapshot, Table::Cutouts).await;
        let hex: String = wanted.iter().map(|byte| format!("{byte:02x}")).collect();
        if rows.iter().any(|row| row["bytes"].contains(&hex)) {
            return true;
        }
        let bytes = archive.store().get(&file.path.as_str().into()).await.unwrap().bytes().await.unwrap();
        if bytes.windows(wanted.len()).any(|window| window == wanted) {
            return true;
        }
    }
    false
}

/// What is seen without some alerts: their packets, their triggers, and records that nobody else has.
fn without(seen: &Seen, ids: &[i64]) -> Seen {
    let is_gone = |id: &str| ids.iter().any(|gone| gone.to_string() == id);
    let of_packet = |key: &str| key.split(' ').nth(1).is_some_and(is_gone);
    let of_alert = |row: &str| ids.iter().any(|id| row.contains(&format!("\"_alert\": \"{id}\"")));
    let trigger = |row: &str| {
        row.contains("\"_origin\": \"trigger\"")
            && ids.iter().any(|id| row.contains(&format!("\"diaSourceId\": \"{id}\"")))
    };
    Seen {
        packets: seen.packets.iter().filter(|(key, _)| !of_packet(key)).map(|(k, v)| (k.clone(), v.clone())).collect(),
        alerts: seen.alerts.iter().filter(|row| !of_alert(row)).cloned().collect(),
        records: seen.records.iter().filter(|(row, _)| !trigger(row)).map(|(k, v)| (k.clone(), *v)).collect(),
        told: Vec::new(),
    }
}

fn untold(seen: Seen) -> Seen {
    Seen { told: Vec::new(), ..seen }
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_go_from_every_version_and_nothing_else_does() {
    for merged in [false, true] {
        let archive = many_commits().await;
        if merged {
            merge(&archive, &now()).await;
        }
        // Alert 11 shares its history with others of its object, and 1001 with one of an earlier commit.
        let gone = [11, 12, 1_001];
        let before = newest(&archive).await;
        let last = archive.snapshot().await.unwrap().version();
        let mut of_versions = Vec::new();
        for version in 1..=last {
            of_versions.push(seen(&archive, &archive.snapshot_at(version).await.unwrap()).await);
        }
        let would = purge(&archive, &alerts(&gone), "by order", Utc::now(), true).await.unwrap();
        newest(&archive).await.assert_same(&before, "a dry run");
        let report = give_up(&archive, &alerts(&gone)).await.unwrap();
        assert_eq!(report.packets, would.packets);
        assert!(report.packets >= 3 && report.bytes > 0, "{report:?}");
        untold(newest(&archive).await).assert_same(&without(&before, &gone), &format!("merged {merged}"));
        for (version, of_version) in (1..=last).zip(&of_versions) {
            let now = seen(&archive, &archive.snapshot_at(version).await.unwrap()).await;
            untold(now).assert_same(&without(of_version, &gone), &format!("merged {merged}, version {version}"));
        }
        assert_verified(&archive).await;
        for version in 1..=last {
            let snapshot = archive.snapshot_at(version).await.unwrap();
            let report = verify(&archive, &snapshot, &VerifyOptions::default(), &Arc::default()).await.unwrap();
            assert!(report.holds(), "version {version}: {report:#?}");
        }
        let snapshot = archive.snapshot().await.unwrap();
        for id in gone {
            assert!(find(&archive, &snapshot, &id.to_string(), None, &Access::Everything).await.unwrap().is_empty());
        }
        // It is known, and what counts it says so.
        let again = take_packets(&archive, "again", vec![whole(11), whole(13)]).await.counts;
        assert_eq!((again.stored, again.duplicate), (0, 2));
        let told = shown(&archive, &snapshot, Table::Ledger).await;
        let sum = |name: &str| told.iter().filter_map(|row| row[name].parse::<i64>().ok()).sum::<i64>();
        assert_eq!(sum("received"), sum("stored") + sum("duplicate") + sum("quarantined") + sum("purged"));
        assert_eq!(sum("purged").unsigned_abs(), report.packets);
        assert!(told.iter().any(|row| row["note"].contains("by order")));
        // Merging goes on, and changes nothing.
        let purged = newest(&archive).await;
        merge(&archive, &now()).await;
        newest(&archive).await.assert_same(&purged, "merged afterwards");
        assert_verified(&archive).await;
        assert_eq!(give_up(&archive, &alerts(&gone)).await.unwrap().packets, 0, "once is enough");
    }
}

/// An alert with an image of its own and one that all have.
fn pictured(id: i64) -> Vec<u8> {
    let own = format!("only alert {id} has this image, and nobody may keep it").into_bytes();
    let values = [("cutoutDifference", Value::Bytes(own)), ("cutoutTemplate", Value::Bytes(b"all have it".to_vec()))];
    framed(1101, &lsst_datum(id, &values))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_images_of_a_packet_go_with_it_wherever_they_lie() {
    let archive = empty().await;
    for first in [1, 11] {
        take_packets(&archive, &format!("from {first}"), (first..first + 5).map(pictured).collect()).await;
        // Once merged, images stay where they are, and what is merged later points to them.
        merge(&archive, &now()).await;
    }
    assert!(holds(&archive, b"only alert 3 has").await && holds(&archive, b"all have it").await);
    give_up(&archive, &alerts(&[3])).await.unwrap();
    assert!(!holds(&archive, b"only alert 3 has").await, "its image lies there still");
    assert!(holds(&archive, b"only alert 4 has").await && holds(&archive, b"all have it").await);
    assert_verified(&archive).await;
    let all = [1, 2, 4, 5];
    give_up(&archive, &alerts(&all)).await.unwrap();
    assert!(!holds(&archive, b"only alert 4 has").await && holds(&archive, b"only alert 13 has").await);
    assert_verified(&archive).await;
    let rest = [11, 12, 13, 14, 15];
    give_up(&archive, &alerts(&rest)).await.unwrap();
    let snapshot = archive.snapshot().await.unwrap();
    for table in [Table::Alerts, Table::Packets, Table::Sources, Table::Cutouts] {
        assert_eq!(snapshot.files(table, None).count(), 0, "{table}");
    }
    assert_verified(&archive).await;
}

/// An alert of a night, with a history and an image.
fn of_night(id: i64, day: f64) -> Vec<u8> {
    let image = format!("image of alert {id}").into_bytes();
    let values = [
        ("diaSource.midpointMjdTai", (61_000.2 + day).into()),
        ("prvDiaSources", Value::Items(2)),
        ("prvDiaSources[].diaSourceId", Value::Each(vec![(id * 10).into(), (id * 10 + 1).into()])),
        ("cutoutDifference", Value::Bytes(image)),
    ];
    framed(1101, &lsst_datum(id, &values))
}

async fn nights(archive: &Archive) -> BTreeMap<i64, Night> {
    let snapshot = archive.snapshot().await.unwrap();
    let rows = shown(archive, &snapshot, Table::Alerts).await;
    let of = |row: &BTreeMap<String, String>| Some((row["_alert"].parse().ok()?, row["_night"].parse().ok()?));
    rows.iter().filter_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn images_go_by_age_and_their_packets_say_so() {
    for merged in [false, true] {
        let archive = empty().await;
        for day in 0..4_i64 {
            let packets = (0..5).map(|n| of_night(day * 10 + n, day as f64)).collect();
            take_packets(&archive, &format!("day {day}"), packets).await;
            if merged {
                merge(&archive, &now()).await;
            }
        }
        let before = newest(&archive).await;
        let night = nights(&archive).await[&20];
        let report = give_up(&archive, &cutouts(&night.to_string())).await.unwrap();
        assert_eq!((report.packets, report.files), (10, 2), "merged {merged}");
        let after = async || {
            let snapshot = archive.snapshot().await.unwrap();
            for id in (0..4).flat_map(|day| (0..5).map(move |n| day * 10 + n)) {
                let found = find(&archive, &snapshot, &id.to_string(), None, &Access::Everything).await;
                if id >= 20 {
                    assert_eq!(found.unwrap().len(), 1);
                    continue;
                }
                let why = found.unwrap_err();
                assert_eq!(why.kind(), ErrorKind::NotFound);
                let why = why.to_string();
                assert!(why.contains("purged by version") && why.contains("by order"), "{why}");
            }
            let report = verify(&archive, &snapshot, &VerifyOptions::default(), &Arc::default()).await.unwrap();
            assert!(report.holds(), "{report:#?}");
            let purged = report.checks.iter().find(|check| check.what.contains("purged by order")).unwrap();
            assert_eq!(purged.examined, 10);
            for (table, rows) in [(Table::Alerts, 20), (Table::Sources, 60)] {
                assert_eq!(shown(&archive, &snapshot, table).await.len(), rows, "{table}");
            }
        };
        after().await;
        assert!(!holds(&archive, b"image of alert 14").await && holds(&archive, b"image of alert 24").await);
        // What is left of them is merged like everything else, and proved by what was left before.
        merge(&archive, &now()).await;
        after().await;
        assert_eq!(give_up(&archive, &cutouts(&night.to_string())).await.unwrap().packets, 0);
        // An earlier version has them no more than the newest.
        let early = archive.snapshot_at(1).await.unwrap();
        let lost = find(&archive, &early, "2", None, &Access::Everything).await.unwrap_err();
        assert!(lost.to_string().contains("purged by version"), "{lost}");
        assert_eq!(before.alerts.len(), 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_at_any_write_an_order_can_be_given_again() {
    let made_of = many_commits().await;
    merge(&made_of, &now()).await;
    let begun = Arc::clone(made_of.store());
    let wanted = without(&newest(&made_of).await, &[12]);
    for (order, wanted) in [(alerts(&[12]), Some(wanted)), (cutouts("2081-01-01"), None)] {
        for end in [End::Before, End::After] {
            for n in 0.. {
                let plain = copy_of(&begun).await;
                let store = Wrapped::ending(&plain, n, end);
                let outcome = give_up(&open(&(Arc::clone(&store) as Arc<dyn ObjectStore>)).await, &order).await;
                assert_eq!(outcome.is_err(), store.is_dead(), "{order:?} {end:?} {n}: {outcome:?}");
                let archive = open(&plain).await;
                assert_verified(&archive).await;
                give_up(&archive, &order).await.unwrap();
                assert_verified(&archive).await;
                let snapshot = archive.snapshot().await.unwrap();
                match &wanted {
                    Some(wanted) => untold(newest(&archive).await).assert_same(wanted, &format!("{end:?} {n}")),
                    None => assert_eq!(snapshot.files(Table::Cutouts, Some("lsst")).count(), 0),
                }
                assert!(snapshot.cleared() >= *snapshot.purged().orders.keys().next().unwrap());
                if wanted.is_some() {
                    // Nothing lies there that nobody names.
                    let tables = Table::ALL.iter().flat_map(|table| snapshot.files(*table, None));
                    let named: BTreeSet<String> = tables.map(|file| file.path.clone()).collect();
                    for path in parquet(&plain).await {
                        assert!(named.contains(&path), "{end:?} {n}: {path} is left over");
                    }
                }
                noctuary_storage::vacuum::vacuum(&archive, &everything()).await.unwrap();
                assert_verified(&archive).await;
                if !store.has_come() {
                    assert!(n >= 3, "{n} writes");
                    break;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_brings_nothing_back() {
    let archive = many_commits().await;
    let middle = archive.snapshot().await.unwrap().version() / 2;
    let before = seen(&archive, &archive.snapshot_at(middle).await.unwrap()).await;
    merge(&archive, &now()).await;
    give_up(&archive, &alerts(&[2, 12])).await.unwrap();
    archive.roll_back(middle).await.unwrap();
    untold(newest(&archive).await).assert_same(&without(&before, &[2, 12]), "rolled back");
    assert_verified(&archive).await;
    // What the rollback undid comes again, but for what was purged.
    let packets: Vec<Vec<u8>> = (0..4).flat_map(|n| (10 * n..10 * n + 6).map(whole)).collect();
    try_take(&archive, vec![made("once more", packets)], &commits_of(30_000)).await.unwrap();
    let ids: BTreeSet<i64> = nights(&archive).await.into_keys().filter(|id| *id < 40).collect();
    assert!(ids.contains(&3) && ids.contains(&13) && !ids.contains(&2) && !ids.contains(&12), "{ids:?}");
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_follows() {
    let archive = many_commits().await;
    let copy: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let to = Location::with_store("memory:///", Arc::clone(&copy)).unwrap();
    noctuary_storage::mirror::mirror(&archive, &to, &Meter::default()).await.unwrap();
    give_up(&archive, &alerts(&[2])).await.unwrap();
    noctuary_storage::mirror::mirror(&archive, &to, &Meter::default()).await.unwrap();
    newest(&open(&copy).await).await.assert_same(&newest(&archive).await, "the copy");
    assert_verified(&open(&copy).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_make_no_sense_change_nothing() {
    let archive = many_commits().await;
    let before = archive.snapshot().await.unwrap().version();
    let kind = async |order: Order| give_up(&archive, &order).await.unwrap_err().kind();
    assert_eq!(kind(alerts(&[2, 987_654])).await, ErrorKind::NotFound);
    let nowhere = CutoutsOrder { survey: "nowhere".to_owned(), before: Night(0) };
    assert_eq!(kind(Order::Cutouts(nowhere)).await, ErrorKind::Invalid);
    let unsaid = purge(&archive, &alerts(&[2]), " ", Utc::now(), false).await.unwrap_err();
    assert!(unsaid.to_string().contains("reason"), "{unsaid}");
    assert_eq!(archive.snapshot().await.unwrap().version(), before);
    // Nothing is that old.
    assert_eq!(give_up(&archive, &cutouts("1990-01-01")).await.unwrap().packets, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_with_a_file_of_its_own_goes_too() {
    for merged in [false, true] {
        let archive = many_commits().await;
        if merged {
            merge(&archive, &now()).await;
        }
        let triggers = async || {
            let snapshot = archive.snapshot().await.unwrap();
            let rows = shown(&archive, &snapshot, Table::Sources).await;
            let of_lantern = rows.into_iter().filter(|row| row.contains_key("plate"));
            of_lantern.map(|row| (row["when"].clone(), row["_origin"].clone())).collect::<BTreeSet<_>>()
        };
        let before = triggers().await;
        let order = PacketsOrder { survey: Some("lantern".to_owned()), alerts: vec!["one 1".to_owned()] };
        assert_eq!(give_up(&archive, &Order::Packets(order)).await.unwrap().packets, 1);
        let after = triggers().await;
        // Others were seen at the same time: "odd 1" is of the same number.
        assert_eq!((before.len(), after.len()), (4, 4), "merged {merged}");
        let order = PacketsOrder { survey: None, alerts: vec!["odd 1".to_owned(), "again".to_owned()] };
        give_up(&archive, &Order::Packets(order)).await.unwrap();
        assert_eq!(triggers().await.len(), 3, "merged {merged}");
        assert_verified(&archive).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quarantine_keeps_nothing_of_it_either() {
    let archive = empty().await;
    let packet = framed(7_777, &lantern_datum("late", 3, &[]));
    let broken = framed(7_777, &lantern_datum("other", 4, &[]));
    let counts = take_packets(&archive, "unknown", vec![packet.clone(), broken]).await.counts;
    assert_eq!(counts.quarantined, 2);
    archive.add_survey(LANTERN_MAPPING).await.unwrap();
    archive.add_schemas(&[(lantern(), Some(RegistryId(7_777)))]).await.unwrap();
    noctuary_storage::quarantine::retry(&archive, None, &Default::default()).await.unwrap();
    let order = PacketsOrder { survey: None, alerts: vec!["late".to_owned()] };
    give_up(&archive, &Order::Packets(order)).await.unwrap();
    let snapshot = archive.snapshot().await.unwrap();
    let rows = shown(&archive, &snapshot, Table::Quarantine).await;
    let kept: Vec<bool> = rows.iter().map(|row| row["packet"].is_empty()).collect();
    assert_eq!(kept.iter().filter(|empty| **empty).count(), 1, "{rows:?}");
    assert_verified(&archive).await;
    merge(&archive, &now()).await;
    assert_verified(&archive).await;
}
