//! A store far away: each request takes a while, is counted, and so are those that had to wait for others.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use serde::{Deserialize, Serialize};

/// What was asked of a store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Requests.
    pub requests: u64,
    /// The longest row of requests of which each was begun when the one before had been answered.
    pub rounds: u64,
}

/// Reads wait; writes do not, for nobody here writes while it is counted.
#[derive(Debug)]
pub struct Far {
    inner: Arc<dyn ObjectStore>,
    requests: Arc<Requests>,
}

#[derive(Debug)]
struct Requests {
    wait: Duration,
    made: AtomicU64,
    rounds: AtomicU64,
}

impl Requests {
    /// One of them, a round after those that have been answered by now.
    async fn made<T>(&self, answer: impl Future<Output = T>) -> T {
        self.made.fetch_add(1, SeqCst);
        let round = self.rounds.load(SeqCst) + 1;
        tokio::time::sleep(self.wait).await;
        let answer = answer.await;
        self.rounds.fetch_max(round, SeqCst);
        answer
    }
}

impl Far {
    /// The same store, so far away.
    pub fn new(inner: Arc<dyn ObjectStore>, wait: Duration) -> Self {
        Self { inner, requests: Arc::new(Requests { wait, made: AtomicU64::new(0), rounds: AtomicU64::new(0) }) }
    }

    /// What has been asked since this was called before. Nothing may be under way.
    pub fn take(&self) -> Counted {
        Counted { requests: self.requests.made.swap(0, SeqCst), rounds: self.requests.rounds.swap(0, SeqCst) }
    }
}

impl fmt::Display for Far {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms away: {}", self.requests.wait.as_millis(), self.inner)
    }
}

#[async_trait]
impl ObjectStore for Far {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(&self, at: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    // Several ranges of an object come here too, those that lie near each other as one, as with a store over HTTP.
    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.requests.made(self.inner.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (requests, listed) = (Arc::clone(&self.requests), self.inner.list(prefix));
        futures::stream::once(async move { requests.made(async { listed }).await }).flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.requests.made(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;
    use object_store::memory::InMemory;

    use super::*;

    #[tokio::test]
    async fn requests_that_wait_for_others_are_rounds() {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = Path::from("a");
        inner.put(&path, "text".into()).await.unwrap();
        let far = Far::new(inner, Duration::from_millis(5));
        tokio::try_join!(far.get(&path), far.get(&path), far.head(&path)).unwrap();
        assert_eq!(far.take(), Counted { requests: 3, rounds: 1 });
        far.get(&path).await.unwrap();
        far.get_range(&path, 0..2).await.unwrap();
        assert_eq!(far.list(None).count().await, 1);
        assert_eq!(far.take(), Counted { requests: 3, rounds: 3 });
        assert_eq!(far.take(), Counted::default());
    }
}
