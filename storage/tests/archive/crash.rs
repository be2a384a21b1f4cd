//! An ingest may be stopped at any point: repeated, it makes the archive that an undisturbed one makes.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use noctuary_storage::ingest::Source;
use noctuary_storage::{Archive, Location};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use crate::dump::{Dump, dump};
use crate::make::{LANTERN_MAPPING, LANTERN_SCHEMA, container, framed, lantern_datum, lsst_datum, lsst_packet};
use crate::stores::{End, Wrapped};
use crate::support::{assert_verified, commits_of, open, try_take};

/// Small enough for several commits.
pub const COMMIT_BYTES: usize = 3_000;

/// A bit of everything: frames, containers, a tar, duplicates, revisions, bad packets, a file that is none.
pub fn night(folder: &Path) {
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    for id in 1..=4 {
        write(&format!("a{id}.avro"), &lsst_packet(id));
    }
    write("b-revision.avro", &framed(1101, &lsst_datum(2, &[("diaSource.psfFlux", 5.5.into())])));
    write("b-duplicate.avro", &lsst_packet(3));
    write("b-truncated.avro", &lsst_packet(5)[..100]);
    write("b-empty.avro", b"");
    let mut blocks: Vec<(usize, Vec<u8>)> = (0..6)
        .map(|b| {
            let records: Vec<u8> = (0..4).flat_map(|r| lantern_datum(&format!("L{b}{r}"), b * 4 + r, &[])).collect();
            (4, records)
        })
        .collect();
    blocks[3].1[0] = 0x7f;
    write("c.avro", &container(LANTERN_SCHEMA, "null", &blocks));
    let mut tar = tar::Builder::new(std::fs::File::create(folder.join("d.tar")).unwrap());
    for id in 10..18 {
        let mut packet = lsst_packet(id);
        if id == 13 {
            packet.push(0);
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(packet.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, format!("{id}.avro"), &packet[..]).unwrap();
    }
    tar.into_inner().unwrap().flush().unwrap();
}

/// The sources of the night; made packets have to be made anew each time.
pub fn sources(folder: &Path) -> Vec<Source> {
    let made = (20..26).map(lsst_packet).collect::<Vec<_>>();
    vec![Source::Path(folder.into()), Source::packets("simulated", Box::new(made.into_iter()))]
}

async fn prepared(store: &Arc<dyn ObjectStore>) -> Archive {
    let archive = open(store).await;
    archive.add_survey(LANTERN_MAPPING).await.unwrap();
    archive
}

/// The archive of a run that nothing disturbs, and how many commits it took.
pub async fn undisturbed(folder: &Path) -> (Dump, u64) {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let archive = prepared(&store).await;
    let report = try_take(&archive, sources(folder), &commits_of(COMMIT_BYTES)).await.unwrap();
    assert!(report.commits >= 4, "{report:?}");
    assert!(
        report.counts.quarantined >= 4 && report.counts.duplicate == 1 && report.counts.revisions == 1,
        "{report:?}"
    );
    assert_verified(&archive).await;
    (dump(&archive).await, report.commits)
}

/// Runs until the end comes at write `n`, then again to the end. False if the end never came.
pub async fn ends_and_goes_on(plain: &Arc<dyn ObjectStore>, n: u64, end: End, folder: &Path, wanted: &Dump) -> bool {
    let what = format!("{end:?} write {n}");
    prepared(plain).await;
    let store = Wrapped::ending(plain, n, end);
    {
        let archive = open(&(Arc::clone(&store) as Arc<dyn ObjectStore>)).await;
        let options = commits_of(COMMIT_BYTES);
        let run = try_take(&archive, sources(folder), &options);
        let stopped = async {
            while !(store.is_dead() && end == End::Stopped) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            outcome = run => assert_eq!(outcome.is_err(), store.is_dead(), "{what}: {outcome:?}"),
            () = stopped => {}
        }
    }
    let archive = open(plain).await;
    let report = try_take(&archive, sources(folder), &commits_of(COMMIT_BYTES)).await.unwrap();
    dump(&archive).await.assert_same(wanted, &what);
    if store.is_dead() {
        assert_verified(&archive).await;
    } else {
        assert_eq!(report.counts.received, 0, "{what}: a repeated run takes nothing in");
    }
    store.is_dead()
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_at_any_write_and_repeated_it_is_the_same_archive() {
    let folder = tempfile::tempdir().unwrap();
    night(folder.path());
    let (wanted, _) = undisturbed(folder.path()).await;
    for end in [End::Before, End::After, End::Stopped] {
        let mut writes = 0;
        loop {
            let plain: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            if !ends_and_goes_on(&plain, writes, end, folder.path(), &wanted).await {
                break;
            }
            writes += 1;
        }
        assert!(writes > 20, "{writes} writes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_goes_on_as_memory_does() {
    let folder = tempfile::tempdir().unwrap();
    night(folder.path());
    let (wanted, _) = undisturbed(folder.path()).await;
    for (n, end) in [(0, End::Before), (4, End::After), (9, End::Stopped), (14, End::Before), (17, End::After)] {
        let place = tempfile::tempdir().unwrap();
        let plain: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(place.path()).unwrap());
        assert!(ends_and_goes_on(&plain, n, end, folder.path(), &wanted).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_again_and_again_it_gets_there() {
    let folder = tempfile::tempdir().unwrap();
    night(folder.path());
    let (wanted, commits) = undisturbed(folder.path()).await;
    let plain: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    prepared(&plain).await;
    // Each run gets a little further than the one before, or is stopped at once.
    let mut runs = 0;
    for n in (0..).map(|i| 3 + (i * 7) % 29) {
        let store = Wrapped::ending(&plain, n, if n % 2 == 0 { End::Before } else { End::After });
        let archive = open(&(Arc::clone(&store) as Arc<dyn ObjectStore>)).await;
        runs += 1;
        if try_take(&archive, sources(folder.path()), &commits_of(COMMIT_BYTES)).await.is_ok() {
            break;
        }
        assert!(runs < 200, "it never gets there");
    }
    assert!(runs > 2);
    let archive = open(&plain).await;
    dump(&archive).await.assert_same(&wanted, "many runs");
    // The survey, then one version for each commit of the undisturbed run.
    assert_eq!(archive.snapshot().await.unwrap().version(), 1 + commits);
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_was_never_finished_making_can_be_made() {
    let plain: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    for end in [End::Before, End::After] {
        let store = Wrapped::ending(&plain, 0, end);
        let location = Location::with_store("memory:///", store).unwrap();
        assert!(Archive::open_or_create(location).await.is_err());
    }
    assert_eq!(open(&plain).await.snapshot().await.unwrap().version(), 0);
}
