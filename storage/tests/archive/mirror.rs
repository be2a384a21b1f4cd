//! A copy shows what the original shows, in every version, and can be stopped at any write.

use std::sync::Arc;
use std::time::Duration;

use noctuary_storage::mirror::{MirrorReport, mirror};
use noctuary_storage::vacuum::vacuum;
use noctuary_storage::{Archive, ErrorKind, Location, Meter};
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use crate::apart::whole;
use crate::compact::{many_commits, merge, now};
use crate::faults::everything;
use crate::seen::{Seen, seen};
use crate::stores::{End, Wrapped};
use crate::support::{assert_verified, empty, open, take_packets};

fn place(store: &Arc<dyn ObjectStore>) -> Location {
    Location::with_store("memory:///copy", Arc::clone(store)).unwrap()
}

async fn copied(from: &Archive, to: &Arc<dyn ObjectStore>) -> MirrorReport {
    mirror(from, &place(to), &Meter::default()).await.unwrap()
}

async fn versions(archive: &Archive) -> Vec<Seen> {
    let mut all = Vec::new();
    for version in 0..=archive.snapshot().await.unwrap().version() {
        all.push(seen(archive, &archive.snapshot_at(version).await.unwrap()).await);
    }
    all
}

async fn assert_copy(original: &[Seen], copy: &Arc<dyn ObjectStore>, what: &str) {
    let copy = open(copy).await;
    let found = versions(&copy).await;
    assert_eq!(found.len(), original.len(), "{what}");
    for (version, (a, b)) in original.iter().zip(&found).enumerate() {
        b.assert_same(a, &format!("{what}, version {version}"));
    }
    assert_verified(&copy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_follows_through_merging_and_clearing() {
    let archive = many_commits().await;
    let copy: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let first = copied(&archive, &copy).await;
    assert!(first.objects > 50 && first.bytes > 100_000 && first.deleted == 0, "{first:?}");
    assert_copy(&versions(&archive).await, &copy, "as put").await;
    let again = copied(&archive, &copy).await;
    assert_eq!(again, MirrorReport { version: first.version, ..MirrorReport::default() });

    merge(&archive, &now()).await;
    take_packets(&archive, "more", (50..53).map(whole).collect()).await;
    let second = copied(&archive, &copy).await;
    assert!(second.objects < first.objects && second.versions > 2, "{second:?}");
    assert_copy(&versions(&archive).await, &copy, "merged").await;
    vacuum(&archive, &everything()).await.unwrap();
    let third = copied(&archive, &copy).await;
    assert!(third.deleted > 20 && third.objects == 0, "{third:?}");
    assert_copy(&versions(&archive).await, &copy, "cleared").await;
    // A new one is made of what there is now.
    let fresh: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    copied(&archive, &fresh).await;
    assert_copy(&versions(&archive).await, &fresh, "fresh").await;
    // A copy of the copy is one, too.
    let third: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    copied(&open(&copy).await, &third).await;
    assert_copy(&versions(&archive).await, &third, "of a copy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_at_any_write_it_goes_on() {
    let archive = many_commits().await;
    merge(&archive, &now()).await;
    vacuum(&archive, &everything()).await.unwrap();
    take_packets(&archive, "more", (50..53).map(whole).collect()).await;
    let wanted = versions(&archive).await;
    for end in [End::Before, End::After, End::Stopped, End::Twice] {
        for n in 0.. {
            let plain: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let store = Wrapped::ending(&plain, n, end);
            let to = Location::with_store("memory:///copy", Arc::clone(&store) as Arc<dyn ObjectStore>).unwrap();
            let progress = Meter::default();
            let stopped = async {
                while !(store.is_dead() && end == End::Stopped) {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            tokio::select! {
                outcome = mirror(&archive, &to, &progress) => {
                    assert_eq!(outcome.is_err(), store.is_dead(), "{end:?} {n}: {outcome:?}");
                }
                () = stopped => {}
            }
            // Half a copy is refused or empty, and never shows half a version.
            if let Ok(half) = Archive::open(place(&plain)).await {
                let version = half.snapshot().await.unwrap().version();
                assert_eq!(
                    &seen(&half, &half.snapshot().await.unwrap()).await,
                    &wanted[version as usize],
                    "{end:?} {n}"
                );
            }
            copied(&archive, &plain).await;
            if n % 15 == 0 || !store.has_come() {
                assert_copy(&wanted, &plain, &format!("{end:?} write {n}")).await;
            }
            if !store.has_come() {
                assert!(n > 30, "{n} writes");
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_archive_is_not_overwritten() {
    let archive = many_commits().await;
    let other = empty().await;
    take_packets(&other, "own", vec![whole(1)]).await;
    let refused = mirror(&archive, other.location(), &Meter::default()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains("empty place"), "{refused}");
    // Nor is a copy that somebody has written to.
    let copy: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    copied(&archive, &copy).await;
    take_packets(&open(&copy).await, "own", vec![whole(77)]).await;
    take_packets(&archive, "other", vec![whole(88)]).await;
    let refused = mirror(&archive, &place(&copy), &Meter::default()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_not_copied() {
    let archive = many_commits().await;
    let path = {
        let snapshot = archive.snapshot().await.unwrap();
        snapshot.files(noctuary_storage::Table::Packets, None).next().unwrap().path.clone()
    };
    let mut bytes = archive.store().get(&path.as_str().into()).await.unwrap().bytes().await.unwrap().to_vec();
    bytes[40] ^= 1;
    archive.store().put(&path.as_str().into(), PutPayload::from(bytes)).await.unwrap();
    let copy: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let refused = mirror(&archive, &place(&copy), &Meter::default()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Damaged);
    assert!(refused.to_string().contains(&path), "{refused}");
}
