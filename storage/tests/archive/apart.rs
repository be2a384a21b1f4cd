//! Packets taken apart: each record and piece once, each packet back from them, and what happens where that fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use futures::TryStreamExt;
use noctuary_packet::time::Night;
use noctuary_storage::night::in_order;
use noctuary_storage::packets::find;
use noctuary_storage::verify::{VerifyOptions, verify};
use noctuary_storage::{Access, Table};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::dump::rows;
use crate::make::{LANTERN_MAPPING, LANTERN_SCHEMA, Value, container, framed, lantern_datum, lsst_datum};
use crate::stores::Wrapped;
use crate::support::{assert_verified, empty, open, take_packets};

/// FITS with one plane of floats, of which some are odd NaNs.
fn fits(seed: u32) -> Vec<u8> {
    let cards = ["SIMPLE  =                    T", "BITPIX  =                  -32", "NAXIS   =                    2"];
    let axes = ["NAXIS1  =                   30", "NAXIS2  =                   30", "END"];
    let mut file: Vec<u8> = cards.iter().chain(&axes).flat_map(|card| format!("{card:80}").into_bytes()).collect();
    file.resize(2_880, b' ');
    for value in 0..900u32 {
        let bits =
            if value % 100 == 7 { 0x7fa0_0000 | value } else { (seed * 1_000 + value).wrapping_mul(2_654_435_761) };
        file.extend(bits.to_be_bytes());
    }
    file.resize(2_880 + 5_760, 0);
    file
}

pub fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    use std::io::Write;
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// An alert with history, forced photometry and images.
pub fn whole(id: i64) -> Vec<u8> {
    let ids = |n: i64| Value::Each((0..n).map(|i| (id / 10 * 100 + i).into()).collect());
    framed(
        1101,
        &lsst_datum(
            id,
            &[
                ("prvDiaSources", Value::Items(5)),
                ("prvDiaSources[].diaSourceId", ids(5)),
                (
                    "prvDiaSources[].psfFlux",
                    Value::Each(vec![f64::NAN.into(), 1.0.into(), Value::Null, 2.0.into(), 0.0.into()]),
                ),
                ("prvDiaForcedSources", Value::Items(3)),
                ("prvDiaForcedSources[].diaForcedSourceId", ids(3)),
                ("cutoutDifference", Value::Bytes(fits(id as u32))),
                ("cutoutScience", Value::Bytes(gzip(&fits(3), 9))),
                ("cutoutTemplate", Value::Bytes(b"no FITS".to_vec())),
            ],
        ),
    )
}

async fn gives_back(archive: &noctuary_storage::Archive, id: &str, packet: &[u8]) -> bool {
    let snapshot = archive.snapshot().await.unwrap();
    let found = find(archive, &snapshot, id, None, &Access::Everything).await;
    found.is_ok_and(|found| found.len() == 1 && found[0].bytes().unwrap() == packet)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_packets_share_is_kept_once() {
    let archive = empty().await;
    let packets: Vec<Vec<u8>> = (10..20).map(whole).collect();
    let report = take_packets(&archive, "one object", packets.clone()).await;
    assert_eq!((report.counts.stored, report.counts.inline), (10, 0));
    let snapshot = archive.snapshot().await.unwrap();
    let sources = rows(&archive, &snapshot, Table::Sources).await;
    let of = |origin: &str| sources.iter().filter(|row| row["_origin"] == origin).count();
    // Ten alerts of one object have the same five earlier sources.
    assert_eq!((of("history"), of("trigger")), (5, 10));
    assert_eq!(rows(&archive, &snapshot, Table::Forced).await.len(), 3);
    let cutouts = rows(&archive, &snapshot, Table::Cutouts).await;
    let of = |kind: &str| cutouts.iter().filter(|row| row["kind"] == kind).count();
    // One plane each and one that all share; one header of FITS; those of gzip, and what is no FITS.
    assert_eq!((of("header"), of("values"), of("padding"), of("other")), (1, 11, 1, 2));
    assert!(sources.iter().any(|row| row["psfFlux"] == "NaN"), "files keep NaN");
    for (id, packet) in (10..20).zip(&packets) {
        assert!(gives_back(&archive, &id.to_string(), packet).await);
    }
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_is_not_its_later_copy() {
    let archive = empty().await;
    // The history of the second alert is the trigger of the first to the last byte.
    let first = ("prvDiaSources", Value::Items(0));
    let copy = [("prvDiaSources", Value::Items(1)), ("prvDiaSources[].diaSourceId", Value::Each(vec![1.into()]))];
    let packets = vec![framed(1101, &lsst_datum(1, &[first])), framed(1101, &lsst_datum(2, &copy))];
    take_packets(&archive, "two", packets).await;
    let snapshot = archive.snapshot().await.unwrap();
    let sources = rows(&archive, &snapshot, Table::Sources).await;
    let seen: BTreeSet<(&str, &str)> =
        sources.iter().map(|row| (row["diaSourceId"].as_str(), row["_origin"].as_str())).collect();
    assert_eq!(seen, BTreeSet::from([("1", "trigger"), ("1", "history"), ("2", "trigger")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_put_together_again_is_kept_whole_and_counted() {
    let archive = empty().await;
    archive.add_survey(LANTERN_MAPPING).await.unwrap();
    let before = |light: Value| [("before", Value::Items(1)), ("before[].light", Value::Each(vec![light]))];
    // A branch number in two bytes instead of one: valid, and not what anybody writes.
    let odd = lantern_datum("odd", 1, &before(Value::Raw(vec![0x82, 0, 0, 0, 0x80, 0x3f])));
    let usual = lantern_datum("usual", 2, &before(1.0.into()));
    // A list in two blocks stays in the rest, and its records are rows all the same.
    let record = [0u8; 8].into_iter().chain([0, 0]).collect::<Vec<u8>>();
    let blocks = [vec![2], record.clone(), vec![2], record, vec![0]].concat();
    let blocks = lantern_datum("blocks", 3, &[("before", Value::Raw(blocks))]);
    let packets: Vec<Vec<u8>> =
        [odd, usual, blocks].iter().map(|datum| container(LANTERN_SCHEMA, "null", &[(1, datum.clone())])).collect();
    let report = take_packets(&archive, "three", packets.clone()).await;
    assert_eq!((report.counts.stored, report.counts.inline), (3, 1), "{report:?}");
    let snapshot = archive.snapshot().await.unwrap();
    for (name, packet) in ["odd", "usual", "blocks"].into_iter().zip(&packets) {
        assert!(gives_back(&archive, name, packet).await, "{name}");
    }
    let kept = rows(&archive, &snapshot, Table::Packets).await;
    for row in &kept {
        assert_eq!(row["_holes"].is_empty(), row["_alert"] != "usual", "{row:?}");
    }
    let ledger = rows(&archive, &snapshot, Table::Ledger).await;
    assert_eq!(ledger.iter().map(|row| row["inline"].parse::<i64>().unwrap()).sum::<i64>(), 1);
    let history = rows(&archive, &snapshot, Table::Sources).await;
    let lights = |name: &str| history.iter().filter(|r| r["_origin"] == "history" && r["light"] == name).count();
    assert_eq!((lights("1.0"), lights("")), (2, 1), "{history:?}");
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_record_is_as_public_as_the_most_public_of_its_packets() {
    let archive = empty().await;
    archive.add_survey(LANTERN_MAPPING).await.unwrap();
    let before = [
        ("before", Value::Items(1)),
        ("before[].when", Value::Each(vec![5.0.into()])),
        ("before[].access", Value::Each(vec!["open".into()])),
    ];
    let mut packets = Vec::new();
    for (name, access) in [("a", 1), ("b", 0), ("c", 1)] {
        let mut changes = before.to_vec();
        changes.push(("seen.access", Value::Raw(vec![2 * access])));
        if name == "c" {
            changes[1].1 = Value::Each(vec![6.0.into()]);
        }
        packets.push(container(LANTERN_SCHEMA, "null", &[(1, lantern_datum(name, 1, &changes))]));
    }
    take_packets(&archive, "three", packets).await;
    let snapshot = archive.snapshot().await.unwrap();
    let sources = rows(&archive, &snapshot, Table::Sources).await;
    let mut labels: Vec<(&str, &str)> = sources
        .iter()
        .filter(|row| row["_origin"] == "history")
        .map(|row| (row["when"].as_str(), row["_rights"].as_str()))
        .collect();
    labels.sort_unstable();
    assert_eq!(labels, [("5.0", "public"), ("6.0", "friends")]);
    let file = snapshot.files(Table::Sources, None).find(|f| f.record.as_deref() == Some("before")).unwrap();
    assert_eq!(
        file.stats.rights.iter().map(|(l, n)| (l.as_str(), *n)).collect::<Vec<_>>(),
        [("friends", 1), ("public", 1)]
    );
    assert_verified(&archive).await;
}

/// Whichever byte of whichever file is flipped: verify says so, and every packet either still comes back exactly or is
/// named as one that does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_found_and_its_packets_are_named() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let packets: Vec<Vec<u8>> = (1..=40).step_by(10).chain([12, 13]).map(whole).collect();
    let ids: Vec<String> = (1..=40).step_by(10).chain([12, 13]).map(|id: i64| id.to_string()).collect();
    take_packets(&open(&store).await, "some", packets.clone()).await;
    let files: Vec<_> = {
        let snapshot = open(&store).await.snapshot().await.unwrap();
        Table::ALL.into_iter().flat_map(|table| snapshot.files(table, None).cloned().collect::<Vec<_>>()).collect()
    };
    assert_eq!(files.len(), 6);
    let (mut hit, mut whole_files, mut of_file) = (0, 0, 0);
    for file in files {
        let path = file.path.as_str().into();
        let sound = store.get(&path).await.unwrap().bytes().await.unwrap();
        for step in 0..24 {
            let mut bytes = sound.to_vec();
            let at = bytes.len() * step / 24 + 1;
            bytes[at] ^= 0x10;
            store.put(&path, PutPayload::from(bytes)).await.unwrap();
            // Opened anew: what is in memory is not damaged.
            let archive = open(&store).await;
            let snapshot = archive.snapshot().await.unwrap();
            let report = verify(&archive, &snapshot, &VerifyOptions::default(), &Arc::default()).await.unwrap();
            let failures: Vec<&String> = report.checks.iter().flat_map(|c| &c.failures).collect();
            assert!(failures.iter().any(|f| f.contains(&file.path)), "{} at {at}: {report:#?}", file.path);
            for (id, packet) in ids.iter().zip(&packets) {
                let fine = gives_back(&archive, id, packet).await;
                let named = failures.iter().any(|f| {
                    f.contains(&format!("alert {id} ")) || (f.contains("cannot be read") && f.contains("of packets"))
                });
                // What is wrong with the header of a page can stop those who read some of its rows and not those who read
                // all of them, as verify does: it names the file then, with the alerts from which to which it has rows.
                let by_file = || failures.iter().any(|f| f.contains(&file.path) && f.contains(", of alerts 1 to 31"));
                assert!(
                    fine || named || by_file(),
                    "{} at {at}: alert {id} is hit and not named: {report:#?}",
                    file.path
                );
                of_file += usize::from(!fine && !named);
                hit += usize::from(!fine);
                whole_files += usize::from(fine);
            }
        }
        store.put(&path, PutPayload::from(sound)).await.unwrap();
    }
    assert!(hit > 100 && whole_files > 100, "{hit} hit, {whole_files} not");
    assert!(of_file * 20 < hit, "{of_file} of {hit} are named by their file alone");
}

/// A night comes back in the order of visit, detector, commit and arrival, whatever the order in which it came.
#[tokio::test(flavor = "multi_thread")]
async fn a_night_comes_back_in_order() {
    let archive = empty().await;
    let mut sent = Vec::new();
    for id in (0..60i64).map(|n| n * 37 % 60 + 1) {
        let (visit, detector) = (id % 7, id % 3);
        let night = if id % 10 == 0 { 61_140.5 } else { 61_137.9 };
        let changes = [
            ("diaSource.visit", visit.into()),
            ("diaSource.detector", detector.into()),
            ("diaSource.midpointMjdTai", Value::Real(night)),
            ("prvDiaSources", Value::Items(2)),
        ];
        sent.push((night, visit, detector, framed(1101, &lsst_datum(id, &changes))));
    }
    for (n, some) in sent.chunks(13).enumerate() {
        take_packets(&archive, &format!("{n}"), some.iter().map(|p| p.3.clone()).collect()).await;
    }
    let snapshot = archive.snapshot().await.unwrap();
    let mut nights: Vec<i32> =
        snapshot.files(Table::Packets, None).filter_map(|f| f.stats.night).flat_map(|(a, b)| [a, b]).collect();
    nights.sort_unstable();
    nights.dedup();
    assert_eq!(nights.len(), 2);
    for (night, mjd) in nights.into_iter().zip([61_137.9, 61_140.5]) {
        let found: Vec<_> = in_order(&archive, &snapshot, "lsst", Night(night)).try_collect().await.unwrap();
        // A stable sort: what is alike stays in the order of arrival.
        let mut expected: Vec<_> = sent.iter().filter(|p| p.0 == mjd).collect();
        expected.sort_by_key(|p| (p.1, p.2));
        let found: Vec<Vec<u8>> = found.iter().map(|p| p.bytes().unwrap()).collect();
        assert_eq!(found, expected.iter().map(|p| p.3.clone()).collect::<Vec<_>>());
    }
    let nothing: Vec<_> = in_order(&archive, &snapshot, "lsst", Night(1)).try_collect().await.unwrap();
    assert!(nothing.is_empty());
}

/// On an object store every request that waits for another takes its time.
#[tokio::test]
async fn one_packet_takes_four_requests_one_after_the_other() {
    let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let packets: Vec<Vec<u8>> = (1..=40).map(whole).collect();
    for half in packets.chunks(20) {
        take_packets(&open(&inner).await, &format!("{:?}", half[0].len() + usize::from(half[0][9])), half.to_vec())
            .await;
    }
    let (store, rounds) = Wrapped::counting(&inner);
    let archive = open(&store).await;
    let snapshot = archive.snapshot().await.unwrap();
    let before = rounds.load(SeqCst);
    let found = find(&archive, &snapshot, "17", None, &Access::Everything).await.unwrap();
    assert_eq!(found[0].bytes().unwrap(), packets[16]);
    // Footers; ids; what is left of the packet; records and pieces.
    assert_eq!(rounds.load(SeqCst) - before, 4);
    let before = rounds.load(SeqCst);
    find(&archive, &snapshot, "18", None, &Access::Everything).await.unwrap();
    assert_eq!(rounds.load(SeqCst) - before, 3, "footers are in memory");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_that_are_gone_are_told_with_the_packets_that_need_them() {
    for table in [Table::Sources, Table::Forced, Table::Cutouts] {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let bare = framed(1101, &lsst_datum(77, &[("prvDiaSources", Value::Null)]));
        take_packets(&open(&store).await, "some", vec![whole(1), bare.clone()]).await;
        let archive = open(&store).await;
        let snapshot = archive.snapshot().await.unwrap();
        let path = snapshot.files(table, None).next().unwrap().path.clone();
        store.delete(&path.as_str().into()).await.unwrap();
        let lost = find(&archive, &snapshot, "1", None, &Access::Everything).await.unwrap_err().to_string();
        assert!(lost.contains("alert 1 ") && lost.contains(&path) && lost.contains("noctuary verify"), "{lost}");
        assert!(gives_back(&archive, "77", &bare).await, "what needs none of it is there");
        let report = verify(&archive, &snapshot, &VerifyOptions::default(), &Arc::default()).await.unwrap();
        assert!(report.checks.iter().flat_map(|c| &c.failures).any(|f| f.contains("alert 1 ")), "{report:#?}");
    }
}
