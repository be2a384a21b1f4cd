//! Stores that misbehave.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Mutex;

/// How the process ends at a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Before the write takes effect.
    Before,
    /// When it has taken effect and nobody has been told.
    After,
    /// When it has taken effect; nothing fails, the program just never goes on.
    Stopped,
    /// Not at all: the write is done twice, as by a network that repeats it, and the second answer is the one that comes.
    Twice,
}

type Meddle = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// A store that does what a test asks at one of its writes, and else what the store behind it does.
pub struct Wrapped {
    inner: Arc<dyn ObjectStore>,
    writes: AtomicU64,
    fails: Option<(u64, End)>,
    dead: AtomicBool,
    /// The write that was to be special has come.
    met: AtomicBool,
    /// Reads fail while this is set.
    silent: Arc<AtomicBool>,
    /// Run once, before the first write of the log.
    meddle: Mutex<Option<Meddle>>,
    /// Reads that had to wait for one another, where they are counted.
    rounds: Option<Arc<AtomicU64>>,
}

impl Wrapped {
    /// The process ends at write number `n`, counted from 0; everything after it fails too.
    pub fn ending(inner: &Arc<dyn ObjectStore>, n: u64, end: End) -> Arc<Self> {
        Arc::new(Self { fails: Some((n, end)), ..Self::plain(inner) })
    }

    /// Somebody else acts in the moment before the first entry of the log is put.
    pub fn meddling(
        inner: &Arc<dyn ObjectStore>,
        act: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { meddle: Mutex::new(Some(Box::new(act))), ..Self::plain(inner) })
    }

    /// Reads fail while the switch is on.
    pub fn refusing(inner: &Arc<dyn ObjectStore>) -> (Arc<dyn ObjectStore>, Arc<AtomicBool>) {
        let store = Self::plain(inner);
        let switch = Arc::clone(&store.silent);
        (Arc::new(store), switch)
    }

    /// Counts how many reads had to wait for the one before: reads that are begun together are one round. For tasks on
    /// one thread.
    pub fn counting(inner: &Arc<dyn ObjectStore>) -> (Arc<dyn ObjectStore>, Arc<AtomicU64>) {
        let rounds = Arc::new(AtomicU64::new(0));
        (Arc::new(Self { rounds: Some(Arc::clone(&rounds)), ..Self::plain(inner) }), rounds)
    }

    fn plain(inner: &Arc<dyn ObjectStore>) -> Self {
        Self {
            inner: Arc::clone(inner),
            writes: AtomicU64::new(0),
            fails: None,
            dead: AtomicBool::new(false),
            met: AtomicBool::new(false),
            silent: Arc::default(),
            meddle: Mutex::new(None),
            rounds: None,
        }
    }

    /// True if the end has come.
    pub fn is_dead(&self) -> bool {
        self.dead.load(SeqCst)
    }

    /// True if the write that was to be special has come.
    pub fn has_come(&self) -> bool {
        self.is_dead() || self.met.load(SeqCst)
    }
}

fn gone() -> Error {
    Error::Generic { store: "test", source: "the process has ended".into() }
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wrapped({:?})", self.fails)
    }
}

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[async_trait]
impl ObjectStore for Wrapped {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if location.as_ref().starts_with("_log/")
            && let Some(meddle) = self.meddle.lock().await.take()
        {
            meddle().await;
        }
        let write = self.writes.fetch_add(1, SeqCst);
        if self.is_dead() {
            return Err(gone());
        }
        let Some((_, end)) = self.fails.filter(|(n, _)| *n == write) else {
            return self.inner.put_opts(location, payload, options).await;
        };
        if end == End::Twice {
            self.met.store(true, SeqCst);
            self.inner.put_opts(location, payload.clone(), options.clone()).await?;
            return self.inner.put_opts(location, payload, options).await;
        }
        if end != End::Before {
            self.inner.put_opts(location, payload, options).await?;
        }
        self.dead.store(true, SeqCst);
        if end == End::Stopped {
            std::future::pending::<()>().await;
        }
        Err(gone())
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if self.silent.load(SeqCst) {
            return Err(Error::Generic { store: "test", source: "no answer".into() });
        }
        let Some(rounds) = &self.rounds else { return self.inner.get_opts(location, options).await };
        let round = rounds.load(SeqCst) + 1;
        // Whatever else can be asked for without this answer is asked for meanwhile.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let answer = self.inner.get_opts(location, options).await;
        rounds.fetch_max(round, SeqCst);
        answer
    }

    /// A delete is a write like any other.
    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let write = self.writes.fetch_add(1, SeqCst);
        if self.is_dead() {
            return locations.map(|_| Err(gone())).boxed();
        }
        match self.fails.filter(|(n, _)| *n == write) {
            None => self.inner.delete_stream(locations),
            Some((_, End::Before)) => {
                self.dead.store(true, SeqCst);
                locations.map(|_| Err(gone())).boxed()
            }
            Some((_, End::Twice)) => {
                self.met.store(true, SeqCst);
                let inner = Arc::clone(&self.inner);
                let twice = locations.then(move |path| {
                    let inner = Arc::clone(&inner);
                    async move {
                        let path = path?;
                        inner.delete(&path).await?;
                        inner.delete(&path).await.map(|()| path)
                    }
                });
                twice.boxed()
            }
            Some((_, end)) => {
                self.dead.store(true, SeqCst);
                let deleted = self.inner.delete_stream(locations);
                let told = deleted.then(move |path| async move {
                    if end == End::Stopped {
                        std::future::pending::<()>().await;
                    }
                    path.and(Err(gone()))
                });
                told.boxed()
            }
        }
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
