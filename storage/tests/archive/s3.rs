//! The same on a real S3 server. NOCTUARY_TEST_S3 names its endpoint; without it these tests are ignored.

use std::sync::Arc;

use noctuary_storage::{Archive, Location};
use object_store::{ObjectStore, ObjectStoreExt};

use crate::crash::{ends_and_goes_on, night, undisturbed};
use crate::dump::dump;
use crate::fencing::{assert_once, the_same_source_twice};
use crate::make::{LANTERN_MAPPING, lsst_packet};
use crate::schedules::one_schedule;
use crate::stores::End;
use crate::support::{assert_verified, commits_of, made, try_take};

/// The bucket is NOCTUARY_TEST_S3_BUCKET, else `noctuary-test`; it has to be there.
fn place(test: &str) -> Location {
    let bucket = std::env::var("NOCTUARY_TEST_S3_BUCKET").unwrap_or_else(|_| "noctuary-test".into());
    Location::parse(&format!("s3://{bucket}/{test}-{}", uuid::Uuid::new_v4().simple())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(s3_server), ignore = "needs an S3 server, named by NOCTUARY_TEST_S3")]
async fn an_archive_lies_on_s3_as_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    night(folder.path());
    let (wanted, _) = undisturbed(folder.path()).await;
    let location = place("whole");
    let archive = Archive::open_or_create(location.clone()).await.unwrap();
    archive.add_survey(LANTERN_MAPPING).await.unwrap();
    let options = commits_of(crate::crash::COMMIT_BYTES);
    try_take(&archive, crate::crash::sources(folder.path()), &options).await.unwrap();
    let archive = Archive::open(location).await.unwrap();
    dump(&archive).await.assert_same(&wanted, "on S3");
    assert_verified(&archive).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(s3_server), ignore = "needs an S3 server, named by NOCTUARY_TEST_S3")]
async fn stopped_on_s3_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    night(folder.path());
    let (wanted, _) = undisturbed(folder.path()).await;
    for (n, end) in [(1, End::After), (6, End::Before), (11, End::Stopped), (16, End::After)] {
        let location = place(&format!("stopped-{n}"));
        assert!(ends_and_goes_on(location.store(), n, end, folder.path(), &wanted).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(s3_server), ignore = "needs an S3 server, named by NOCTUARY_TEST_S3")]
async fn ingests_on_s3_are_fenced() {
    let location = place("fenced");
    Archive::open_or_create(location.clone()).await.unwrap();
    let one = Archive::open(location.clone()).await.unwrap();
    let two = Archive::open(location).await.unwrap();
    the_same_source_twice(&one, &two, "night").await;
    let options = commits_of(400);
    let packets = |ids: std::ops::Range<i64>| ids.map(lsst_packet).collect::<Vec<_>>();
    let (a, b) = tokio::join!(
        try_take(&one, vec![made("left", packets(13..20))], &options),
        try_take(&two, vec![made("right", packets(20..27))], &options),
    );
    assert_eq!((a.unwrap().counts.stored, b.unwrap().counts.stored), (7, 7));
    assert_once(&one, 1..27).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(s3_server), ignore = "needs an S3 server, named by NOCTUARY_TEST_S3")]
async fn writers_mergers_and_readers_on_s3_do_no_harm() {
    for seed in 0..3 {
        one_schedule(Arc::clone(place(&format!("schedule-{seed}")).store()), seed).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(s3_server), ignore = "needs an S3 server, named by NOCTUARY_TEST_S3")]
async fn the_server_puts_only_where_nothing_is() {
    use object_store::{PutMode, PutOptions};
    let store: Arc<dyn ObjectStore> = Arc::clone(place("conditional").store());
    let options = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
    store.put_opts(&"x".into(), "one".into(), options()).await.unwrap();
    store.put_opts(&"x".into(), "two".into(), options()).await.unwrap_err();
    assert_eq!(&store.get(&"x".into()).await.unwrap().bytes().await.unwrap()[..], b"one");
}
