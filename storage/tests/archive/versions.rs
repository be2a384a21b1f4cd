//! Versions: seen again, undone, and read from checkpoints.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use noctuary_packet::schema::{RegistryId, Schema};
use noctuary_storage::log::{Entry, FORMAT, Log, SchemaRecord};
use noctuary_storage::packets::find;
use noctuary_storage::verify::{VerifyOptions, verify};
use noctuary_storage::{Access, Archive, ErrorKind, Table, paths};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::crash::{COMMIT_BYTES, night, sources};
use crate::dump::{Dump, dump, dump_at};
use crate::make::{LANTERN_MAPPING, LANTERN_SCHEMA, framed, lantern, lsst, lsst_datum, lsst_packet};
use crate::stores::Wrapped;
use crate::support::{assert_verified, commits_of, empty, open, take, take_packets, try_take};

#[tokio::test(flavor = "multi_thread")]
async fn every_version_shows_what_it_showed() {
    let archive = empty().await;
    let mut seen: Vec<(u64, Dump)> = Vec::new();
    for n in 0..5 {
        let packets = (n * 4..n * 4 + 6).map(lsst_packet).collect();
        take_packets(&archive, &format!("part {n}"), packets).await;
        seen.push((archive.snapshot().await.unwrap().version(), dump(&archive).await));
    }
    archive.roll_back(seen[2].0).await.unwrap();
    take_packets(&archive, "more", (100..105).map(lsst_packet).collect()).await;
    let reopened = Archive::open(archive.location().clone()).await.unwrap();
    for (version, wanted) in &seen {
        for archive in [&archive, &reopened] {
            let snapshot = archive.snapshot_at(*version).await.unwrap();
            assert_eq!(snapshot.version(), *version);
            dump_at(archive, &snapshot).await.assert_same(wanted, &format!("version {version}"));
        }
    }
    let newest = archive.snapshot().await.unwrap().version();
    let missing = archive.snapshot_at(newest + 1).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains(&newest.to_string()), "{missing}");
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rolled_back_can_be_taken_in_again() {
    let folder = tempfile::tempdir().unwrap();
    night(folder.path());
    let archive = empty().await;
    let before = archive.add_survey(LANTERN_MAPPING).await.unwrap().version();
    let first = try_take(&archive, sources(folder.path()), &commits_of(COMMIT_BYTES)).await.unwrap();
    let wanted = dump(&archive).await;
    assert!(first.version > before + 3);
    let mut to = before;
    for _ in 0..3 {
        let gone_back = archive.roll_back(to).await.unwrap().version();
        assert_verified(&archive).await;
        let kept = dump(&archive).await.alerts.len();
        assert!(kept < wanted.alerts.len());
        let again = try_take(&archive, sources(folder.path()), &commits_of(COMMIT_BYTES)).await.unwrap();
        assert!(again.counts.received > 0);
        dump(&archive).await.assert_same(&wanted, &format!("after going back to {to}"));
        assert_verified(&archive).await;
        // At first to before the ingest, then into the middle of it.
        to = (gone_back + 2).min(again.version - 1);
    }
    // The newest is not itself undone by going back to it.
    let version = archive.snapshot().await.unwrap().version();
    archive.roll_back(version).await.unwrap();
    dump(&archive).await.assert_same(&wanted, "going nowhere");
    archive.roll_back(before).await.unwrap();
    assert_eq!(dump(&archive).await, Dump::default());
    assert_verified(&archive).await;
    // What was undone is not brought back by half.
    let refused = archive.roll_back(version).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains("was undone"), "{refused}");
    let future = archive.snapshot().await.unwrap().version() + 10;
    assert_eq!(archive.roll_back(future).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_says_what_the_log_says() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let archive = open(&store).await;
    for n in 0..3 {
        take_packets(&archive, &format!("part {n}"), (n * 4..n * 4 + 6).map(lsst_packet).collect()).await;
    }
    archive.roll_back(2).await.unwrap();
    // One structure under two ids, and two mappings that fit one schema, of which the later counts.
    for id in [901, 902] {
        archive.add_schemas(&[(lantern(), Some(RegistryId(id)))]).await.unwrap();
    }
    for name in ["zebra", "aardvark"] {
        archive.add_survey(&LANTERN_MAPPING.replace("\"lantern\"", &format!("{name:?}"))).await.unwrap();
    }
    while archive.snapshot().await.unwrap().version() < 70 {
        archive.commit_always(Entry::new(chrono::DateTime::UNIX_EPOCH, "nothing")).await.unwrap();
    }
    take_packets(&archive, "last", (50..55).map(lsst_packet).collect()).await;
    store.head(&paths::checkpoint(64)).await.unwrap();
    let anew = open(&store).await.snapshot().await.unwrap();
    assert_eq!(anew.version(), 71);
    let whole = {
        // Without the folder of checkpoints the same store is read from the first entry on.
        let checkpoint = store.get(&paths::checkpoint(64)).await.unwrap().bytes().await.unwrap();
        store.delete(&paths::checkpoint(64)).await.unwrap();
        let whole = open(&store).await.snapshot().await.unwrap();
        store.put(&paths::checkpoint(64), PutPayload::from(checkpoint)).await.unwrap();
        whole
    };
    assert_eq!(format!("{:?}", anew.versions()), format!("{:?}", whole.versions()));
    for snapshot in [&anew, &whole] {
        for id in [901, 902] {
            assert_eq!(snapshot.schemas().by_id(RegistryId(id)).unwrap().fingerprint(), lantern().fingerprint());
        }
        assert_eq!(snapshot.surveys().recognise(&lantern()).unwrap().name, "aardvark");
    }
    let opened = open(&store).await;
    let (a, b) = (dump_at(&opened, &anew).await, dump_at(&opened, &whole).await);
    a.assert_same(&b, "checkpoint and log");
    for version in [1, 3, 63, 64, 65, 71] {
        assert_eq!(opened.snapshot_at(version).await.unwrap().version(), version);
    }
    assert_verified(&opened).await;

    // One that cannot be read is done without.
    store.put(&paths::checkpoint(64), PutPayload::from_static(b"broken")).await.unwrap();
    let without = open(&store).await;
    dump(&without).await.assert_same(&b, "a broken checkpoint");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_of_a_later_format_is_refused_in_plain_words() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let archive = open(&store).await;
    take_packets(&archive, "now", vec![lsst_packet(1)]).await;
    let mut entry = Entry::new(chrono::DateTime::UNIX_EPOCH, "from the future");
    entry.format = FORMAT + 1;
    Log::new(Arc::clone(&store)).append(2, &entry).await.unwrap();
    let anew = Archive::open(archive.location().clone()).await.err().unwrap();
    for refused in [anew, archive.snapshot().await.unwrap_err()] {
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        let words = refused.to_string();
        assert!(words.contains("_log/000000000002.json") && words.contains("newer noctuary"), "{words}");
        assert!(words.contains(&format!("format {}", FORMAT + 1)), "{words}");
    }
    // Older versions are as readable as they were.
    assert_eq!(archive.snapshot_at(1).await.unwrap().version(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_a_later_format_is_refused_too() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let archive = open(&store).await;
    let state = serde_json::json!({"version": 64, "format": FORMAT + 1, "files": [], "sources": [], "schemas": [],
        "surveys": [], "released": {}, "versions": [], "moves": []});
    let packed = zstd::stream::encode_all(state.to_string().as_bytes(), 3).unwrap();
    store.put(&paths::checkpoint(64), PutPayload::from(packed)).await.unwrap();
    let refused = Archive::open(archive.location().clone()).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    assert!(refused.to_string().contains("newer noctuary"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_a_hole_is_not_read_as_a_shorter_one() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let archive = open(&store).await;
    for n in 0..4 {
        take_packets(&archive, &format!("part {n}"), vec![lsst_packet(n)]).await;
    }
    let third = store.get(&paths::log_entry(3)).await.unwrap().bytes().await.unwrap();
    store.delete(&paths::log_entry(3)).await.unwrap();
    let location = archive.location().clone();
    for refused in [Archive::open(location.clone()).await, Archive::open_or_create(location).await] {
        let refused = refused.err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Damaged);
        assert!(refused.to_string().contains("_log/000000000003.json"), "{refused}");
    }
    // One that was opened before tells of it when it is asked to look.
    let report = verify(&archive, &archive.snapshot().await.unwrap(), &VerifyOptions::default(), &Arc::default()).await;
    assert!(report.unwrap().checks.iter().any(|c| c.promise == "P3" && c.failed == 1));
    store.put(&paths::log_entry(3), PutPayload::from(third)).await.unwrap();
    assert_verified(&open(&store).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_frames_never_gets_a_second_meaning() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let archive = open(&store).await;
    let other = Arc::new(Schema::parse(&LANTERN_SCHEMA.replace("alertName", "otherName")).unwrap());
    let record = |schema: Arc<Schema>, id| {
        let archive = archive.clone();
        async move { archive.keep_schema(&schema, Some(RegistryId(id))).await.unwrap() }
    };
    let entry = |record: SchemaRecord| {
        let mut entry = Entry::new(chrono::DateTime::UNIX_EPOCH, "a schema");
        entry.schemas.push(record);
        entry
    };
    archive.commit_always(entry(record(lantern(), 77).await)).await.unwrap();
    // Two at once have each looked before the other committed.
    let refused = archive.commit_always(entry(record(other, 77).await)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
    assert_eq!(archive.add_schemas(&[(lsst(), Some(RegistryId(77)))]).await.unwrap_err().kind(), ErrorKind::Invalid);
    // An archive may know an id otherwise than a later program does, which must not keep it from being opened.
    archive.commit_always(entry(record(lantern(), 1101).await)).await.unwrap();
    let opened = open(&store).await.snapshot().await.unwrap();
    assert_eq!(opened.schemas().by_id(RegistryId(1101)).unwrap().fingerprint(), lantern().fingerprint());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_takes_no_alerts_from_another_survey() {
    let archive = empty().await;
    take_packets(&archive, "lsst", vec![lsst_packet(1)]).await;
    let copy = include_str!("../../packet/src/survey/lsst.toml").replace("name = \"lsst\"", "name = \"mine\"");
    let refused = archive.add_survey(&copy).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains("\"lsst\""), "{refused}");
    // Adding a file again is no version.
    let added = archive.add_survey(LANTERN_MAPPING).await.unwrap().version();
    assert_eq!(archive.add_survey(LANTERN_MAPPING).await.unwrap().version(), added);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_a_failed_check_whatever_it_hits() {
    for table in [Table::Alerts, Table::Packets, Table::Ledger] {
        for lost in [false, true] {
            let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let archive = open(&store).await;
            take_packets(&archive, "some", (0..9).map(lsst_packet).collect()).await;
            let path = {
                let snapshot = archive.snapshot().await.unwrap();
                snapshot.files(table, None).next().unwrap().path.clone()
            };
            if lost {
                store.delete(&path.as_str().into()).await.unwrap();
            } else {
                let mut bytes = store.get(&path.as_str().into()).await.unwrap().bytes().await.unwrap().to_vec();
                let last = bytes.len() - 20;
                bytes[last] ^= 0xff;
                store.put(&path.as_str().into(), PutPayload::from(bytes)).await.unwrap();
            }
            let archive = open(&store).await;
            let snapshot = archive.snapshot().await.unwrap();
            let report = verify(&archive, &snapshot, &VerifyOptions::default(), &Arc::default()).await.unwrap();
            let told = report.checks.iter().flat_map(|c| &c.failures).any(|f| f.contains(&path));
            assert!(!report.holds() && told, "{table} {lost}: {report:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_does_not_answer_is_not_damage() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    take_packets(&open(&store).await, "some", vec![lsst_packet(1)]).await;
    let (failing, switch) = Wrapped::refusing(&store);
    let archive = open(&failing).await;
    let snapshot = archive.snapshot().await.unwrap();
    switch.store(true, SeqCst);
    let silent = find(&archive, &snapshot, "1", None, &Access::Everything).await.unwrap_err();
    assert_eq!(silent.kind(), ErrorKind::Unavailable, "{silent}");
    switch.store(false, SeqCst);
    assert_eq!(find(&archive, &snapshot, "1", None, &Access::Everything).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_cannot_be_read_is_named() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    open(&store).await;
    store.put(&paths::log_entry(1), PutPayload::from_static(b"{\"format\": 1")).await.unwrap();
    let location = noctuary_storage::Location::with_store("memory:///", Arc::clone(&store)).unwrap();
    let refused = Archive::open(location).await.err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::Damaged);
    assert!(refused.to_string().contains("_log/000000000001.json"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_elsewhere_are_duplicates_and_other_bytes_revisions() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let archive = empty().await;
    let options = commits_of(1 << 20);
    write("1.avro", &lsst_packet(1));
    assert_eq!(take(&archive, folder.path(), &options).await.counts.stored, 1);
    let again = take(&archive, folder.path(), &options).await;
    assert_eq!((again.counts.received, again.already, again.commits), (0, 1, 0));
    write("copy.avro", &lsst_packet(1));
    let copied = take(&archive, folder.path(), &options).await.counts;
    assert_eq!((copied.received, copied.duplicate, copied.stored), (1, 1, 0));
    for (n, name) in ["changed.avro", "changed-again.avro"].into_iter().enumerate() {
        write(name, &framed(1101, &lsst_datum(1, &[("diaSource.psfFlux", (n as f64 + 0.5).into())])));
        let changed = take(&archive, folder.path(), &options).await.counts;
        assert_eq!((changed.received, changed.stored, changed.revisions), (1, 1, 1));
    }
    // A file that became another one is read anew.
    write("1.avro", &framed(1101, &lsst_datum(1, &[("diaSource.psfFlux", 9.0.into())])));
    assert_eq!(take(&archive, folder.path(), &options).await.counts.revisions, 1);
    let snapshot = archive.snapshot().await.unwrap();
    let found = find(&archive, &snapshot, "1", None, &Access::Everything).await.unwrap();
    assert_eq!(found.iter().map(|p| p.revision).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(found[0].bytes().unwrap(), lsst_packet(1));
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_named_twice_is_taken_in_once() {
    let folder = tempfile::tempdir().unwrap();
    for id in 1..9 {
        std::fs::write(folder.path().join(format!("{id}.avro")), lsst_packet(id)).unwrap();
    }
    let archive = empty().await;
    let one = || noctuary_storage::ingest::Source::Path(folder.path().join("2.avro"));
    let all = || noctuary_storage::ingest::Source::Path(folder.path().into());
    let report = try_take(&archive, vec![one(), all(), all(), one()], &commits_of(400)).await.unwrap();
    assert_eq!((report.counts.received, report.counts.stored), (8, 8));
    assert_verified(&archive).await;
}
