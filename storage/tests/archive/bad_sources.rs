//! Sources that are broken, cut short, empty or far too large.

use std::io::Write;
use std::path::Path;

use noctuary_storage::ingest::Source;
use noctuary_storage::packets::find;
use noctuary_storage::{Access, Archive, ErrorKind, Table};
use sha2::{Digest, Sha256};

use crate::bad_input::among_good_ones;
use crate::dump::{refused, rows};
use crate::make::{LANTERN_MAPPING, LANTERN_SCHEMA, Value, container, lantern_datum, lsst_packet};
use crate::support::{assert_verified, commits_of, empty, take, try_take};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn tar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        out.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    out.into_inner().unwrap()
}

async fn stored(archive: &Archive, ids: std::ops::Range<i64>) -> Vec<i64> {
    let snapshot = archive.snapshot().await.unwrap();
    let mut there = Vec::new();
    for id in ids {
        if !find(archive, &snapshot, &id.to_string(), None, &Access::Everything).await.unwrap().is_empty() {
            there.push(id);
        }
    }
    there
}

/// Members `10.avro` to `15.avro`.
fn members() -> Vec<(String, Vec<u8>)> {
    (10..16).map(|id| (format!("night/{id}.avro"), lsst_packet(id))).collect()
}

fn tar_of(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    tar(&members.iter().map(|(n, b)| (n.as_str(), b.clone())).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn tars_are_read_plain_and_packed() {
    let mut members = members();
    members[1].1 = gzip(&members[1].1);
    members[1].0 += ".gz";
    members[2].1 =
        container(LANTERN_SCHEMA, "null", &[(2, [lantern_datum("a", 1, &[]), lantern_datum("b", 2, &[])].concat())]);
    members[3].1 = gzip(&members[2].1);
    members[4].0 = "night/notes.txt".into();
    members[5].1.truncate(100);
    let tar = tar_of(&members);
    for (name, bytes) in [("x.tar", tar.clone()), ("x.tar.gz", gzip(&tar)), ("x.tgz", gzip(&tar)), ("nameless", tar)] {
        let (archive, found) = among_good_ones(&[(name, bytes)]).await;
        assert_eq!(stored(&archive, 10..16).await, [10, 11], "{name}");
        let snapshot = archive.snapshot().await.unwrap();
        for id in ["a", "b"] {
            assert_eq!(find(&archive, &snapshot, id, None, &Access::Everything).await.unwrap().len(), 1, "{name}");
        }
        let [cut] = &found[name][..] else { panic!("{found:?}") };
        assert_eq!((cut.reason.as_str(), cut.member.as_deref()), ("truncated", Some("night/15.avro")));
        let sources: Vec<_> =
            rows(&archive, &snapshot, Table::Alerts).await.iter().map(|r| r["_source"].clone()).collect();
        assert!(sources.iter().any(|s| s.ends_with(&format!("{name}!night/10.avro"))), "{sources:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tar_cut_short_keeps_the_whole_members() {
    let members = members();
    let whole = tar_of(&members);
    let three = tar_of(&members[..3]).len() - 1024;
    let inside = three + 512 + 100;
    for (what, cut) in [("inside a member", inside), ("inside a header", three + 100), ("between members", three)] {
        let (archive, found) = among_good_ones(&[("cut.tar", whole[..cut].to_vec())]).await;
        assert_eq!(stored(&archive, 10..16).await, [10, 11, 12], "{what}");
        let [one] = &found["cut.tar"][..] else { panic!("{what}: {found:?}") };
        assert_eq!(one.reason, "source-broken", "{what}: {one:?}");
        if cut == inside {
            assert_eq!(one.member.as_deref(), Some("night/13.avro"));
            assert_eq!(one.packet, members[3].1[..100], "{what}: what there is of it");
        } else {
            assert!(one.detail.contains("member 3"), "{what}: {one:?}");
        }
    }
    let packed = gzip(&whole);
    let (archive, found) = among_good_ones(&[("cut.tar.gz", packed[..packed.len() - 30].to_vec())]).await;
    let there = stored(&archive, 10..16).await;
    assert!(there.starts_with(&[10, 11]) && there.len() < 6, "{there:?}");
    let [one] = &found["cut.tar.gz"][..] else { panic!("{found:?}") };
    assert!(["source-broken", "corrupt", "truncated"].contains(&one.reason.as_str()), "{one:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_in_a_tar_that_is_cut_is_told_once() {
    let blocks: Vec<_> = (0..4).map(|n| (1, lantern_datum(&format!("L{n}"), n, &[]))).collect();
    let member = container(LANTERN_SCHEMA, "null", &blocks);
    let three = container(LANTERN_SCHEMA, "null", &blocks[..3]).len();
    let whole = tar(&[("blocks.avro", member)]);
    for (cut, reason) in [(three, "source-broken"), (three + 5, "truncated")] {
        let (archive, found) = among_good_ones(&[("cut.tar", whole[..512 + cut].to_vec())]).await;
        let [one] = &found["cut.tar"][..] else { panic!("{found:?}") };
        assert_eq!(one.reason, reason, "{one:?}");
        let snapshot = archive.snapshot().await.unwrap();
        for n in 0..3 {
            let there = find(&archive, &snapshot, &format!("L{n}"), None, &Access::Everything).await.unwrap();
            assert_eq!(there.len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_cut_short_or_damaged_is_refused() {
    let packed = gzip(&lsst_packet(10));
    let mut damaged = packed.clone();
    let end = damaged.len() - 6;
    damaged[end] ^= 0xff;
    let blocks: Vec<_> = (0..4).map(|n| (1, lantern_datum(&format!("L{n}"), n, &[]))).collect();
    let many = gzip(&container(LANTERN_SCHEMA, "null", &blocks));
    let (archive, found) = among_good_ones(&[
        ("cut.avro.gz", packed[..packed.len() - 20].to_vec()),
        ("header.avro.gz", packed[..5].to_vec()),
        ("checksum.avro.gz", damaged),
        ("good.avro.gz", gzip(&lsst_packet(11))),
        ("twice.avro.gz", [gzip(&lsst_packet(12)[..50]), gzip(&lsst_packet(12)[50..])].concat()),
        ("blocks.avro.gz", many[..many.len() - 20].to_vec()),
        ("nothing.avro.gz", gzip(b"")),
    ])
    .await;
    assert_eq!(stored(&archive, 10..13).await, [11, 12]);
    for name in ["cut.avro.gz", "header.avro.gz", "checksum.avro.gz"] {
        let [one] = &found[name][..] else { panic!("{name}: {found:?}") };
        assert!(["corrupt", "source-broken"].contains(&one.reason.as_str()), "{name}: {one:?}");
        assert!(one.packet.is_empty() || lsst_packet(10).starts_with(&one.packet), "{name}");
    }
    // A checksum that is wrong shows at the very end, when all has been read.
    assert_eq!(found["checksum.avro.gz"][0].packet, lsst_packet(10));
    assert_eq!(found["nothing.avro.gz"][0].reason, "empty");
    assert_eq!(found["blocks.avro.gz"].len(), 1, "{:?}", found["blocks.avro.gz"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_alerts_is_a_row_of_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("empty");
    std::fs::create_dir_all(inner.join("deeper")).unwrap();
    std::fs::write(folder.path().join("README.md"), "no alerts here").unwrap();
    let archive = empty().await;
    let good = folder.path().join("good.avro");
    std::fs::write(&good, lsst_packet(1)).unwrap();
    let sources = vec![Source::Path(inner.clone()), Source::Path(good)];
    let report = try_take(&archive, sources, &commits_of(1 << 20)).await.unwrap();
    assert_eq!((report.counts.stored, report.refused_sources.len()), (1, 1), "{report:?}");
    let ledger = rows(&archive, &archive.snapshot().await.unwrap(), Table::Ledger).await;
    let noted: Vec<_> = ledger.iter().filter(|row| !row["note"].is_empty()).collect();
    let [row] = &noted[..] else { panic!("{ledger:?}") };
    assert!(row["source"].ends_with("/empty") && row["note"].contains("no alerts"), "{row:?}");
    assert_eq!(row["received"], "0");
    assert_verified(&archive).await;
    let report = take(&archive, folder.path(), &commits_of(1 << 20)).await;
    assert_eq!((report.skipped.len(), report.already), (1, 1), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_does_not_exist_begins_nothing() {
    let archive = empty().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.avro"), lsst_packet(1)).unwrap();
    let sources = vec![Source::Path(folder.path().into()), Source::Path(folder.path().join("mistyped"))];
    let refused = try_take(&archive, sources, &commits_of(1 << 20)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    assert!(refused.to_string().contains("mistyped"), "{refused}");
    assert_eq!(archive.snapshot().await.unwrap().version(), 0);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn links_that_lead_nowhere_or_round_in_circles_are_survived() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.avro"), lsst_packet(1)).unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("round")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling.avro")).unwrap();
    let archive = empty().await;
    let report = take(&archive, folder.path(), &commits_of(1 << 20)).await;
    assert_eq!((report.counts.received, report.counts.stored), (1, 1), "{report:?}");
    assert_eq!(report.refused_sources.len(), 1, "{report:?}");
    assert_verified(&archive).await;
}

/// The most memory that this process has used so far.
fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() >> 10
}

const HUGE: u64 = 100 << 20;

/// A file of zeros that takes no room on disk.
fn sparse(path: &Path, start: &[u8], length: u64) {
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(start).unwrap();
    file.set_len(length).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packet_of_a_hundred_megabytes_is_refused_by_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let start = lsst_packet(7);
    sparse(&folder.path().join("huge.avro"), &start, HUGE);
    std::fs::write(folder.path().join("z.avro"), lsst_packet(1)).unwrap();
    let archive = empty().await;
    let report = take(&archive, folder.path(), &commits_of(1 << 20)).await;
    assert_eq!((report.counts.stored, report.counts.quarantined), (1, 1), "{report:?}");
    assert_eq!(report.counts.bytes, HUGE as i64 + lsst_packet(1).len() as i64);
    let [one] = &refused(&archive).await[..] else { panic!("one") };
    assert_eq!((one.reason.as_str(), one.length, one.complete), ("too-large", HUGE, false));
    assert_eq!(one.packet.len(), 64 << 10);
    assert!(one.packet.starts_with(&start) && one.source.ends_with("/huge.avro"));
    let mut hash = Sha256::new();
    hash.update(&start);
    hash.update(vec![0; HUGE as usize - start.len()]);
    assert_eq!(one.sha256, noctuary_packet::hash::hex(&hash.finalize()));
    assert_verified(&archive).await;
    // Nothing of it can be tried again.
    let retried = noctuary_storage::quarantine::retry(&archive, None, &Default::default()).await.unwrap();
    assert_eq!((retried.sources, retried.counts.received), (0, 0), "{retried:?}");
    assert!(peak_megabytes() < 1_024, "{} MB", peak_megabytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_unpack_to_hundreds_of_megabytes_are_refused() {
    let picture = |length: usize| lantern_datum("huge", 1, &[("picture", Value::Bytes(vec![0; length]))]);
    let beside = |n: i64| (1, lantern_datum(&format!("L{n}"), n, &[]));
    let folder = tempfile::tempdir().unwrap();
    // One is over the limit of a packet, the other over that of a block.
    for (name, length) in [("packet.avro", 100 << 20), ("block.avro", 300 << 20)] {
        let file = container(LANTERN_SCHEMA, "deflate", &[beside(0), (1, picture(length)), beside(1)]);
        assert!(file.len() < 1 << 20);
        std::fs::write(folder.path().join(name), file).unwrap();
    }
    let archive = empty().await;
    archive.add_survey(LANTERN_MAPPING).await.unwrap();
    let report = take(&archive, folder.path(), &commits_of(1 << 20)).await;
    assert_eq!((report.counts.stored, report.counts.duplicate, report.counts.quarantined), (2, 2, 2), "{report:?}");
    for one in refused(&archive).await {
        assert_eq!(one.reason, "too-large", "{:?}", one.detail);
        if one.source.ends_with("/packet.avro") {
            assert_eq!((one.length, one.packet.len()), (picture(100 << 20).len() as u64, 64 << 10));
            assert!(picture(70_000).starts_with(&one.packet[..20]));
        }
    }
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_over_the_limit_is_kept_by_its_beginning_and_its_digest() {
    let mut file = crate::make::header(LANTERN_SCHEMA, "null");
    let head = file.len();
    noctuary_packet::container::put_block_prefix(&mut file, 1, 300 << 20);
    let folder = tempfile::tempdir().unwrap();
    let length = head as u64 + HUGE;
    sparse(&folder.path().join("cut.avro"), &file, length);
    let archive = empty().await;
    archive.add_survey(LANTERN_MAPPING).await.unwrap();
    take(&archive, folder.path(), &commits_of(1 << 20)).await;
    let [one] = &refused(&archive).await[..] else { panic!("one") };
    assert_eq!((one.reason.as_str(), one.offset, one.length), ("too-large", head as u64, HUGE));
    assert_eq!((one.complete, one.packet.len()), (false, 64 << 10));
    let mut hash = Sha256::new();
    hash.update(&file[head..]);
    hash.update(vec![0; HUGE as usize - (file.len() - head)]);
    assert_eq!(one.sha256, noctuary_packet::hash::hex(&hash.finalize()));
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tar_that_breaks_behind_a_bad_member_is_told() {
    let mut members = members();
    // Two records in a block that says it holds three: the member is bad, and read to its end.
    let two = [lantern_datum("a", 1, &[]), lantern_datum("b", 2, &[])].concat();
    members[1].1 = container(LANTERN_SCHEMA, "null", &[(3, two)]);
    let mut tar = tar_of(&members);
    let header = tar.windows(13).position(|w| w == b"night/12.avro").unwrap();
    tar[header + 148..header + 156].fill(b'9');
    let (archive, found) = among_good_ones(&[("x.tar", tar)]).await;
    assert_eq!(stored(&archive, 10..16).await, [10]);
    let [member, rest] = &found["x.tar"][..] else { panic!("{found:?}") };
    assert_eq!((member.reason.as_str(), member.member.as_deref()), ("truncated", Some("night/11.avro")));
    assert_eq!((rest.reason.as_str(), rest.member.as_deref()), ("source-broken", None));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_now_is_read_another_time() {
    // It opens, and every read of it fails.
    let failing = || vec![Source::Path("/proc/self/mem".into())];
    let archive = empty().await;
    for _ in 0..2 {
        let report = try_take(&archive, failing(), &commits_of(1 << 20)).await.unwrap();
        assert_eq!((report.counts.received, report.already), (0, 0), "{report:?}");
        let [(source, why)] = &report.refused_sources[..] else { panic!("{report:?}") };
        assert!(source.ends_with("/mem") && why.contains("ingest it again"), "{source}: {why}");
    }
    let snapshot = archive.snapshot().await.unwrap();
    let notes = rows(&archive, &snapshot, Table::Ledger).await;
    assert!(notes.iter().all(|row| row["note"].contains("could not be read")), "{notes:?}");
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_end_although_nothing_is_new() {
    let archive = empty().await;
    let packets = || std::iter::repeat_n(lsst_packet(1), 2_000).collect::<Vec<_>>();
    let made = |name: &str| vec![Source::packets(name, Box::new(packets().into_iter()))];
    for name in ["a", "b"] {
        let report = try_take(&archive, made(name), &commits_of(64 << 10)).await.unwrap();
        assert!(report.commits > 1, "{report:?}");
    }
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_size_of_commits_and_any_number_of_threads_will_do() {
    for commit_bytes in [1, 4 << 10, usize::MAX] {
        for threads in [1, 5] {
            let archive = empty().await;
            let options = noctuary_storage::ingest::IngestOptions { commit_bytes, threads, ..Default::default() };
            let packets = (0..40).map(lsst_packet);
            let made = Source::packets("made", Box::new(packets));
            let report = try_take(&archive, vec![made], &options).await.unwrap();
            assert_eq!(report.counts.stored, 40);
            assert_eq!(stored(&archive, 0..41).await, (0..40).collect::<Vec<_>>());
        }
    }
}
