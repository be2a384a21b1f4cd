//! Archives of earlier programs, which must open for ever.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use chrono::Utc;
use noctuary_packet::hash::PacketHash;
use noctuary_storage::log::{FIRST_FORMAT, FORMAT};
use noctuary_storage::packets::{StoredPacket, find};
use noctuary_storage::purge::{Order, PacketsOrder, purge};
use noctuary_storage::{Access, Archive, Location, Table};

use crate::apart::{gzip, whole};
use crate::compact::{merge, now};
use crate::dump::rows;
use crate::make::{LANTERN_MAPPING, LANTERN_SCHEMA, Value, container, lantern_datum, lsst_packet};
use crate::seen::seen;
use crate::support::{assert_verified, commits_of, made, take_packets, try_take};

fn folder(format: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/format-{format}"))
}

/// The packets of these archives: two surveys, every frame but the bare one, parts of every kind, one packet
/// that is kept whole, one that is refused.
fn packets() -> Vec<Vec<u8>> {
    let before = [
        ("before", Value::Items(2)),
        ("before[].light", Value::Each(vec![f64::NAN.into(), Value::Null])),
        ("picture", Value::Bytes(gzip(b"SIMPLE  =                    T", 9))),
        ("extras", Value::Raw(vec![2, 2, b'k', 4, b'v', b'w', 0])),
    ];
    let odd = [
        ("before", Value::Items(1)),
        ("before[].light", Value::Each(vec![Value::Raw(vec![0x82, 0, 0, 0, 0x80, 0x3f])])),
    ];
    let wrapped = |codec, datum: Vec<u8>| container(LANTERN_SCHEMA, codec, &[(1, datum)]);
    vec![
        whole(11),
        whole(12),
        whole(21),
        lsst_packet(30),
        wrapped("null", lantern_datum("one", 1, &before)),
        wrapped("zstandard", lantern_datum("two", 2, &before)),
        wrapped("null", lantern_datum("odd", 3, &odd)),
        b"no packet".to_vec(),
    ]
}

/// One line for each packet: survey, id, revision, rights, commit, and the digest of its bytes.
async fn told(archive: &Archive) -> String {
    let snapshot = archive.snapshot().await.unwrap();
    let mut out = String::new();
    for row in rows(archive, &snapshot, Table::Packets).await {
        for packet in find(archive, &snapshot, &row["_alert"], None, &Access::Everything).await.unwrap() {
            let digest = PacketHash::of(&[&packet.bytes().unwrap()]).to_hex();
            let StoredPacket { survey, alert, revision, rights, commit, .. } = packet;
            let line = format!("{survey} {alert} {revision} {rights} {commit} {digest}\n");
            if !out.contains(&line) {
                out.push_str(&line);
            }
        }
    }
    for table in Table::ALL {
        writeln!(out, "{table} {}", rows(archive, &snapshot, table).await.len()).unwrap();
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_of_earlier_formats_open() {
    for format in FIRST_FORMAT..=FORMAT {
        opens(&folder(format)).await;
    }
}

async fn opens(kept: &Path) {
    let expected = std::fs::read_to_string(kept.join("expected.txt")).unwrap();
    // Opened where it lies it would be changed by a checkpoint one day.
    let copy = tempfile::tempdir().unwrap();
    copy_folder(&kept.join("archive"), copy.path());
    let archive = Archive::open(Location::parse(copy.path().to_str().unwrap()).unwrap()).await.unwrap();
    assert_eq!(told(&archive).await, expected);
    assert_verified(&archive).await;
    // And goes on: what is there is known.
    let counts = take_packets(&archive, "again", packets()).await.counts;
    assert_eq!((counts.stored, counts.duplicate, counts.quarantined), (0, 7, 1));
    assert_verified(&archive).await;
    // And is merged as any other.
    let before = seen(&archive, &archive.snapshot().await.unwrap()).await;
    assert!(merge(&archive, &now()).await.merges > 0);
    let after = seen(&archive, &archive.snapshot().await.unwrap()).await;
    assert_eq!((before.packets, before.alerts, before.told), (after.packets, after.alerts, after.told));
    assert_verified(&archive).await;
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Makes the archive of the format that this program writes, where there is none. Never again for the same format.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes what must be kept; run it once for a new format"]
async fn make_the_archive_of_this_format() {
    let kept = folder(FORMAT);
    assert!(!kept.exists(), "{} is kept as it is", kept.display());
    std::fs::create_dir_all(&kept).unwrap();
    let path = kept.join("archive");
    let archive = Archive::open_or_create(Location::parse(path.to_str().unwrap()).unwrap()).await.unwrap();
    archive.add_survey(LANTERN_MAPPING).await.unwrap();
    try_take(&archive, vec![made("first", packets())], &commits_of(40_000)).await.unwrap();
    // Some of it merged, with what a merged file can hide, and some of it not.
    try_take(&archive, vec![made("second", (13..16).map(whole).collect())], &commits_of(20_000)).await.unwrap();
    let version = archive.snapshot().await.unwrap().version();
    try_take(&archive, vec![made("undone", (16..18).map(whole).collect())], &commits_of(40_000)).await.unwrap();
    merge(&archive, &now()).await;
    archive.roll_back(version).await.unwrap();
    archive.tag("merged", Some(version)).await.unwrap();
    try_take(&archive, vec![made("last", (18..20).map(whole).collect())], &commits_of(40_000)).await.unwrap();
    // And some of it given up.
    let order = Order::Packets(PacketsOrder { survey: None, alerts: vec!["19".to_owned(), "13".to_owned()] });
    purge(&archive, &order, "must not be kept", Utc::now(), false).await.unwrap();
    std::fs::write(kept.join("expected.txt"), told(&archive).await).unwrap();
}
