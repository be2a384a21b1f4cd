//! Several writers and readers on one archive, in a thousand different orders.
//!
//! Each client sees the store through a delay of its own and through failures, by a seed. The clock is virtual: it counts
//! the turns that all clients get on one thread, so that who is slow sleeps through whatever the others do. Whatever
//! they do, nothing is lost, doubled or half.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use noctuary_storage::compact::compact;
use noctuary_storage::vacuum::vacuum;
use noctuary_storage::{Archive, ErrorKind, Location, Meter, StorageError, Table};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

use crate::compact::now;
use crate::faults::everything;
use crate::make::{LANTERN_MAPPING, LANTERN_SCHEMA, Value, container, lantern_datum};
use crate::seen::seen;
use crate::support::{assert_verified, commits_of, made, open, try_take};

/// Numbers from a seed: `SplitMix64`, Steele, Lea and Flood 2014.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// The clock: lets everyone else have so many turns.
async fn turns(count: u64) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

/// A store as one client sees it: slow, and now and then without an answer.
struct Far {
    inner: Arc<dyn ObjectStore>,
    dice: Mutex<Dice>,
    failures: Arc<AtomicU64>,
}

impl std::fmt::Debug for Far {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Far")
    }
}

impl std::fmt::Display for Far {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Far")
    }
}

enum Fate {
    Well,
    Before,
    After,
}

impl Far {
    fn fate(&self) -> (u64, Fate) {
        let mut dice = self.dice.lock().unwrap();
        // Mostly a little, at times so long that the others are done by then.
        let wait = if dice.roll(40) == 0 { dice.roll(5_000) } else { dice.roll(10) };
        let fate = match dice.roll(120) {
            0 => Fate::Before,
            1 => Fate::After,
            _ => Fate::Well,
        };
        (wait, fate)
    }

    async fn does<T>(&self, what: impl Future<Output = Result<T>>) -> Result<T> {
        let (wait, fate) = self.fate();
        turns(wait).await;
        let lost = || Error::Generic { store: "far", source: "no answer".into() };
        if matches!(fate, Fate::Before) {
            self.failures.fetch_add(1, SeqCst);
            return Err(lost());
        }
        let answer = what.await;
        turns(wait / 2).await;
        if matches!(fate, Fate::After) {
            self.failures.fetch_add(1, SeqCst);
            return Err(lost());
        }
        answer
    }
}

#[async_trait]
impl ObjectStore for Far {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.does(self.inner.put_opts(location, payload, options)).await
    }

    async fn put_multipart_opts(&self, at: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.does(self.inner.put_multipart_opts(at, options)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.does(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let (wait, fate) = self.fate();
        let deleted = self.inner.delete_stream(locations);
        let failures = Arc::clone(&self.failures);
        let slow = deleted.enumerate().then(move |(at, path)| {
            let fails = matches!(fate, Fate::After) && at == 1;
            let failures = Arc::clone(&failures);
            async move {
                turns(wait).await;
                if fails {
                    failures.fetch_add(1, SeqCst);
                    return Err(Error::Generic { store: "far", source: "no answer".into() });
                }
                path
            }
        });
        slow.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

/// What goes wrong for a client and is mended by beginning again.
fn may_happen(error: &StorageError) -> bool {
    // A file that was read was merged and cleared away by others.
    let missing = error.kind() == ErrorKind::NotFound || error.to_string().contains("not found");
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Unavailable) || missing
}

/// An alert of one of two objects, with a history that others have as well.
fn packet(id: i64) -> Vec<u8> {
    let light = (0..3).map(|n| Value::from(f64::from(n))).collect();
    let values = [("before", Value::Items(3)), ("before[].light", Value::Each(light))];
    container(LANTERN_SCHEMA, "null", &[(1, lantern_datum(&format!("lamp {id}"), id % 2, &values))])
}

/// Lets two ingests, a merge, a vacuum and a reader loose on an empty store, and says how often it failed them.
pub async fn one_schedule(plain: Arc<dyn ObjectStore>, seed: u64) -> u64 {
    open(&plain).await.add_survey(LANTERN_MAPPING).await.unwrap();
    let failures = Arc::new(AtomicU64::new(0));
    let client = |number: u64| {
        let dice = Mutex::new(Dice(seed.wrapping_mul(1_000_003).wrapping_add(number)));
        let far = Far { inner: Arc::clone(&plain), dice, failures: Arc::clone(&failures) };
        Location::with_store("memory:///", Arc::new(far)).unwrap()
    };
    let ingester = async |number: u64, ids: std::ops::Range<i64>| {
        let location = client(number);
        loop {
            let packets = ids.clone().map(packet).collect();
            let run = async {
                let archive = Archive::open(location.clone()).await?;
                try_take(&archive, vec![made(&format!("source {number}"), packets)], &commits_of(3_000)).await
            };
            match run.await {
                Ok(_) => return,
                Err(e) => assert!(may_happen(&e), "seed {seed}: ingest {number}: {e:?}"),
            }
        }
    };
    let writing = async {
        // Two of the alerts come from both.
        tokio::join!(ingester(1, 0..9), ingester(2, 7..16));
    };
    let merging = async {
        let location = client(3);
        loop {
            let run = async {
                let archive = Archive::open(location.clone()).await?;
                compact(&archive, &now(), &Meter::default()).await
            };
            if let Err(e) = run.await {
                assert!(may_happen(&e), "seed {seed}: merge: {e:?}");
            }
            turns(200).await;
        }
    };
    let clearing = async {
        let location = client(4);
        loop {
            turns(500).await;
            let run = async { vacuum(&Archive::open(location.clone()).await?, &everything()).await };
            if let Err(e) = run.await {
                assert!(may_happen(&e), "seed {seed}: vacuum: {e:?}");
            }
            // Writers have to get somewhere in between.
            turns(6_000).await;
        }
    };
    let reading = async {
        let location = client(5);
        let mut before = BTreeSet::new();
        loop {
            let run = async {
                let archive = Archive::open(location.clone()).await?;
                let snapshot = archive.snapshot().await?;
                let mut found = BTreeSet::new();
                for file in snapshot.files(Table::Packets, None) {
                    let rows = archive.rows(file).await?.build()?;
                    let batches: Vec<_> = rows.collect().await;
                    for batch in batches {
                        let batch = batch?;
                        let ids = batch.column_by_name("_alert").unwrap();
                        for id in arrow::array::AsArray::as_string::<i32>(ids).iter().flatten() {
                            assert!(found.insert(id.to_owned()), "seed {seed}: {id} stands twice");
                        }
                    }
                }
                Ok::<_, StorageError>(found)
            };
            match run.await {
                Ok(found) => {
                    assert!(found.is_superset(&before), "seed {seed}: {before:?} became {found:?}");
                    before = found;
                }
                Err(e) => {
                    let read = matches!(e.kind(), ErrorKind::Damaged | ErrorKind::Internal);
                    assert!(may_happen(&e) || read, "seed {seed}: reader: {e:?}");
                }
            }
            turns(300).await;
        }
    };
    tokio::select! {
        () = writing => {}
        never = futures::future::join3(merging, clearing, reading) => { let ((), (), ()) = never; }
    }
    let archive = open(&plain).await;
    assert_verified(&archive).await;
    let stored = seen(&archive, &archive.snapshot().await.unwrap()).await;
    assert_eq!(stored.packets.len(), 16, "seed {seed}");
    compact(&archive, &now(), &Meter::default()).await.unwrap();
    vacuum(&archive, &everything()).await.unwrap();
    let after = seen(&archive, &archive.snapshot().await.unwrap()).await;
    after.assert_same(&stored, &format!("seed {seed}"));
    failures.load(SeqCst)
}

#[test]
fn any_order_of_writers_and_readers_is_right() {
    let count: u64 = std::env::var("NOCTUARY_TEST_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000);
    let next = AtomicU64::new(0);
    let failures = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, SeqCst);
                    if seed >= count {
                        return;
                    }
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                    failures.fetch_add(runtime.block_on(one_schedule(Arc::new(InMemory::new()), seed)), SeqCst);
                }
            });
        }
    });
    assert!(failures.load(SeqCst) > count, "hardly anything failed");
}
