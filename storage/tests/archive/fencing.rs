//! Several ingests of one archive at once.

use std::sync::Arc;

use futures::FutureExt;
use noctuary_storage::ErrorKind;
use noctuary_storage::packets::find;
use noctuary_storage::quarantine::retry;
use noctuary_storage::{Access, Archive};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::dump::dump;
use crate::make::{framed, lsst_datum, lsst_packet};
use crate::stores::Wrapped;
use crate::support::{assert_verified, commits_of, made, open, try_take};

fn memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

fn packets(ids: std::ops::Range<i64>) -> Vec<Vec<u8>> {
    ids.map(lsst_packet).collect()
}

/// Each of these ids is there once.
pub async fn assert_once(archive: &Archive, ids: std::ops::Range<i64>) {
    let snapshot = archive.snapshot().await.unwrap();
    for id in ids.clone() {
        let found = find(archive, &snapshot, &id.to_string(), None, &Access::Everything).await.unwrap();
        assert_eq!(found.len(), 1, "alert {id}");
        assert_eq!(found[0].bytes().unwrap(), lsst_packet(id));
    }
    assert_eq!(dump(archive).await.alerts.len(), usize::try_from(ids.end - ids.start).unwrap());
    assert_verified(archive).await;
}

/// Two ingests of the same source at once; repeated, both find everything there.
pub async fn the_same_source_twice(one: &Archive, two: &Archive, name: &str) {
    let options = commits_of(400);
    let (a, b) = tokio::join!(
        try_take(one, vec![made(name, packets(1..13))], &options),
        try_take(two, vec![made(name, packets(1..13))], &options),
    );
    assert!(a.is_ok() || b.is_ok(), "{a:?} {b:?}");
    for outcome in [a, b] {
        match outcome {
            Ok(report) => assert_eq!(report.counts.duplicate, 0, "{report:?}"),
            Err(e) => assert_eq!(e.kind(), ErrorKind::Conflict, "{e}"),
        }
    }
    let again = try_take(two, vec![made(name, packets(1..13))], &options).await.unwrap();
    assert_eq!((again.counts.received, again.already), (0, 1));
    assert_once(one, 1..13).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_ingests_of_one_source_do_not_double_it() {
    for _ in 0..5 {
        let store = memory();
        the_same_source_twice(&open(&store).await, &open(&store).await, "night").await;
    }
}

/// An archive whose first commit comes second: in the moment before it, `packets` are taken in under `name`.
async fn overtaken_by(store: &Arc<dyn ObjectStore>, name: &'static str, packets: Vec<Vec<u8>>) -> Archive {
    open(store).await;
    let plain = Arc::clone(store);
    let meddling = Wrapped::meddling(store, move || {
        let (plain, packets) = (Arc::clone(&plain), packets.clone());
        async move {
            let other = open(&plain).await;
            try_take(&other, vec![made(name, packets)], &commits_of(400)).await.unwrap();
        }
        .boxed()
    });
    open(&(meddling as Arc<dyn ObjectStore>)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_that_was_thought_dead_is_fenced() {
    let store = memory();
    let late = overtaken_by(&store, "night", packets(1..9)).await;
    let refused = try_take(&late, vec![made("night", packets(1..9))], &commits_of(400)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert!(refused.to_string().contains("made:night"), "{refused}");
    assert_once(&open(&store).await, 1..9).await;
    let again = try_take(&late, vec![made("night", packets(1..9))], &commits_of(400)).await.unwrap();
    assert_eq!(again.counts.received, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ingests_of_different_sources_do_not_disturb_each_other() {
    let store = memory();
    let late = overtaken_by(&store, "other", packets(9..17)).await;
    let report = try_take(&late, vec![made("night", packets(1..9))], &commits_of(400)).await.unwrap();
    assert_eq!(report.counts.stored, 8);
    assert_once(&open(&store).await, 1..17).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_ingests_at_once_all_get_there() {
    let store = memory();
    open(&store).await;
    let runs = (0..4).map(|n| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let archive = open(&store).await;
            try_take(&archive, vec![made(&format!("source {n}"), packets(n * 10..n * 10 + 10))], &commits_of(400)).await
        })
    });
    for run in futures::future::join_all(runs).await {
        assert_eq!(run.unwrap().unwrap().counts.stored, 10);
    }
    assert_once(&open(&store).await, 0..40).await;
}

/// The other stores an alert that this one holds for new; which of its commits brings it must not matter.
async fn the_same_alert_from_elsewhere(theirs: std::ops::Range<i64>) {
    let store = memory();
    let late = overtaken_by(&store, "other", packets(theirs.clone())).await;
    let first = try_take(&late, vec![made("night", packets(1..13))], &commits_of(400)).await;
    let refused = first.expect_err("somebody else stored the same alerts");
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    assert_verified(&late).await;
    try_take(&late, vec![made("night", packets(1..13))], &commits_of(400)).await.unwrap();
    assert_once(&open(&store).await, 1..13).await;
    let duplicates: i64 = dump(&late).await.ledger.values().map(|counts| counts[2]).sum();
    assert_eq!(duplicates, theirs.end - theirs.start);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_alert_from_two_sources_at_once_is_stored_once() {
    the_same_alert_from_elsewhere(1..2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_alert_in_a_later_commit_is_stored_once() {
    the_same_alert_from_elsewhere(12..13).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_of_an_alert_from_two_sources_at_once_are_revisions() {
    let store = memory();
    let other = framed(1101, &lsst_datum(12, &[("diaSource.psfFlux", 0.25.into())]));
    let late = overtaken_by(&store, "other", vec![other.clone()]).await;
    while try_take(&late, vec![made("night", packets(1..13))], &commits_of(400)).await.is_err() {}
    let found = find(&late, &late.snapshot().await.unwrap(), "12", None, &Access::Everything).await.unwrap();
    let bytes: Vec<_> = found.iter().map(|p| (p.revision, p.bytes().unwrap())).collect();
    assert_eq!(bytes, [(0, other), (1, lsst_packet(12))]);
    assert_verified(&late).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_of_what_is_just_being_undone_is_not_lost() {
    let store = memory();
    let archive = open(&store).await;
    try_take(&archive, vec![made("first", packets(1..5))], &commits_of(400)).await.unwrap();
    let plain = Arc::clone(&store);
    let meddling = Wrapped::meddling(&store, move || {
        let plain = Arc::clone(&plain);
        async move {
            open(&plain).await.roll_back(0).await.unwrap();
        }
        .boxed()
    });
    let late = open(&(meddling as Arc<dyn ObjectStore>)).await;
    let refused = try_take(&late, vec![made("again", packets(1..5))], &commits_of(400)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    try_take(&late, vec![made("again", packets(1..5))], &commits_of(400)).await.unwrap();
    assert_once(&late, 1..5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_the_quarantine_is_released_once() {
    let store = memory();
    let archive = open(&store).await;
    let schema = crate::make::lantern();
    let waiting: Vec<_> =
        (0..6).map(|n| framed(5_000, &crate::make::lantern_datum(&format!("L{n}"), n, &[]))).collect();
    try_take(&archive, vec![made("too early", waiting)], &commits_of(400)).await.unwrap();
    archive.add_survey(crate::make::LANTERN_MAPPING).await.unwrap();
    archive.add_schemas(&[(schema, Some(noctuary_packet::schema::RegistryId(5_000)))]).await.unwrap();
    let ids: Vec<String> = crate::dump::refused(&archive).await.into_iter().map(|q| q.id).collect();
    let options = commits_of(1 << 20);
    // Named twice in one retry.
    let twice = [ids[0].clone(), ids[0].clone()];
    let report = retry(&archive, Some(&twice), &options).await.unwrap();
    assert_eq!((report.counts.stored, report.counts.quarantined), (1, -1), "{report:?}");
    assert_verified(&archive).await;
    // Tried again by somebody else at the same time.
    let plain = Arc::clone(&store);
    let meddling = Wrapped::meddling(&store, move || {
        let plain = Arc::clone(&plain);
        async move {
            retry(&open(&plain).await, None, &commits_of(1 << 20)).await.unwrap();
        }
        .boxed()
    });
    let late = open(&(meddling as Arc<dyn ObjectStore>)).await;
    assert_eq!(retry(&late, None, &options).await.unwrap_err().kind(), ErrorKind::Conflict);
    let report = retry(&late, None, &options).await.unwrap();
    assert_eq!((report.sources, report.counts.received), (0, 0), "{report:?}");
    assert_verified(&late).await;
    assert_eq!(dump(&late).await.alerts.len(), 6);
    // Undone, they wait again.
    late.roll_back(late.snapshot().await.unwrap().version() - 1).await.unwrap();
    assert_verified(&late).await;
    assert_eq!(retry(&late, None, &options).await.unwrap().counts.stored, 5);
    assert_verified(&late).await;
}
