//! Merging and vacuum may be stopped at any write, and writers may sleep through them.

use std::sync::Arc;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use futures::{FutureExt, TryStreamExt};
use noctuary_storage::compact::compact;
use noctuary_storage::vacuum::{VacuumOptions, vacuum};
use noctuary_storage::{Archive, ErrorKind, Meter, Result};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::apart::whole;
use crate::compact::{many_commits, merge, now};
use crate::seen::{Seen, seen};
use crate::stores::{End, Wrapped};
use crate::support::{assert_verified, commits_of, made, open, try_take};

/// Nothing is kept that could be given up.
pub fn everything() -> VacuumOptions {
    // The clock of files may be a little ahead.
    let now = Utc::now() + TimeDelta::seconds(5);
    VacuumOptions { now, keep: TimeDelta::zero(), grace: TimeDelta::zero(), before: None, dry_run: false }
}

pub async fn copy_of(store: &Arc<dyn ObjectStore>) -> Arc<dyn ObjectStore> {
    let copy: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let objects: Vec<_> = store.list(None).try_collect().await.unwrap();
    for object in objects {
        let bytes = store.get(&object.location).await.unwrap().bytes().await.unwrap();
        copy.put(&object.location, PutPayload::from(bytes)).await.unwrap();
    }
    copy
}

pub async fn objects(store: &Arc<dyn ObjectStore>) -> Vec<String> {
    let objects: Vec<_> = store.list(None).try_collect().await.unwrap();
    // An index is named as the file that it is of.
    let name = |path: String| path.trim_start_matches("_index/").to_owned();
    let paths = objects.into_iter().map(|o| name(o.location.to_string()));
    paths.filter(|path| path.ends_with(".parquet")).collect()
}

/// Merges everything, and then gives up everything that is not needed.
async fn merge_and_clear(archive: &Archive) -> Result<()> {
    compact(archive, &now(), &Meter::default()).await?;
    vacuum(archive, &everything()).await?;
    Ok(())
}

async fn newest(store: &Arc<dyn ObjectStore>) -> Seen {
    let archive = open(store).await;
    seen(&archive, &archive.snapshot().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_at_any_write_it_reads_the_same_and_goes_on() {
    let made = many_commits().await;
    let begun = Arc::clone(made.store());
    let wanted = newest(&begun).await;
    let middle = made.snapshot().await.unwrap().version() / 2;
    let of_middle = seen(&made, &made.snapshot_at(middle).await.unwrap()).await;
    for end in [End::Before, End::After, End::Stopped, End::Twice] {
        for n in 0.. {
            let what = format!("{end:?} write {n}");
            let plain = copy_of(&begun).await;
            let store = Wrapped::ending(&plain, n, end);
            let archive = open(&(Arc::clone(&store) as Arc<dyn ObjectStore>)).await;
            let stopped = async {
                while !(store.is_dead() && end == End::Stopped) {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            tokio::select! {
                outcome = merge_and_clear(&archive) => {
                    assert_eq!(outcome.is_err(), store.is_dead(), "{what}: {outcome:?}");
                }
                () = stopped => {}
            }
            newest(&plain).await.assert_same(&wanted, &what);
            let archive = open(&plain).await;
            assert_verified(&archive).await;
            merge_and_clear(&archive).await.unwrap();
            newest(&plain).await.assert_same(&wanted, &format!("{what}, and again"));
            let then = seen(&archive, &archive.snapshot_at(middle).await.unwrap()).await;
            then.assert_same(&of_middle, &format!("{what}, an earlier version"));
            // Nothing is left of what was stopped.
            let snapshot = archive.snapshot().await.unwrap();
            let named: Vec<String> = noctuary_storage::Table::ALL
                .iter()
                .flat_map(|table| snapshot.files(*table, None))
                .map(|file| file.path.clone())
                .collect();
            for path in objects(&plain).await {
                assert!(named.contains(&path), "{what}: {path} is left over");
            }
            if !store.has_come() {
                assert!(n > 12, "{n} writes");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_slept_through_a_vacuum_does_no_harm() {
    let plain: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    try_take(&open(&plain).await, vec![made("early", (0..9).map(whole).collect())], &commits_of(20_000)).await.unwrap();
    let meanwhile = Arc::clone(&plain);
    let sleeping = Wrapped::meddling(&plain, move || {
        let plain = Arc::clone(&meanwhile);
        async move { merge_and_clear(&open(&plain).await).await.unwrap() }.boxed()
    });
    let archive = open(&(sleeping as Arc<dyn ObjectStore>)).await;
    let source = || vec![made("late", (20..26).map(whole).collect())];
    // Its files were put, and deleted, before it came to commit them.
    let refused = try_take(&archive, source(), &commits_of(1 << 20)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "{refused}");
    assert!(refused.to_string().contains("leftover"), "{refused}");
    assert_verified(&open(&plain).await).await;
    let again = try_take(&archive, source(), &commits_of(1 << 20)).await.unwrap();
    assert_eq!(again.counts.stored, 6);
    assert_verified(&open(&plain).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_slept_through_another_is_given_up() {
    let made = many_commits().await;
    let plain = Arc::clone(made.store());
    let wanted = newest(&plain).await;
    let meanwhile = Arc::clone(&plain);
    let sleeping = Wrapped::meddling(&plain, move || {
        let plain = Arc::clone(&meanwhile);
        async move { merge_and_clear(&open(&plain).await).await.unwrap() }.boxed()
    });
    let archive = open(&(sleeping as Arc<dyn ObjectStore>)).await;
    let report = merge(&archive, &now()).await;
    assert!(report.left > 0, "{report:?}");
    newest(&plain).await.assert_same(&wanted, "merged by another");
    assert_verified(&open(&plain).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ingest_goes_on_while_others_merge() {
    let plain: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    try_take(&open(&plain).await, vec![made("early", (0..9).map(whole).collect())], &commits_of(20_000)).await.unwrap();
    let meanwhile = Arc::clone(&plain);
    let busy = Wrapped::meddling(&plain, move || {
        let plain = Arc::clone(&meanwhile);
        async move {
            merge(&open(&plain).await, &now()).await;
        }
        .boxed()
    });
    let archive = open(&(busy as Arc<dyn ObjectStore>)).await;
    // Some of these are known, and stand in a merged file by the time they are committed.
    let report =
        try_take(&archive, vec![made("late", (5..15).map(whole).collect())], &commits_of(20_000)).await.unwrap();
    assert_eq!((report.counts.stored, report.counts.duplicate), (6, 4));
    assert_verified(&open(&plain).await).await;
}
