//! Where an archive lies: a folder, or a prefix of a bucket.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use url::Url;

use crate::error::{Result, StorageError};

/// An archive's URL and the store behind it, whose root is the archive.
#[derive(Debug, Clone)]
pub struct Location {
    url: Url,
    store: Arc<dyn ObjectStore>,
}

impl Location {
    /// Understands a folder (`./nights`, `/data/nights`, `file:///data/nights`) or `s3://bucket/prefix`.
    ///
    /// S3 is set up by the usual variables: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
    /// `AWS_ENDPOINT_URL` (and `AWS_ALLOW_HTTP=true` for one without TLS). The store must honour conditional puts.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(rest) = text.strip_prefix("s3://") {
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.is_empty() {
                return Err(StorageError::invalid(format!("{text:?} names no bucket; write s3://BUCKET/PREFIX")));
            }
            let s3 = AmazonS3Builder::from_env().with_bucket_name(bucket).build()?;
            return Ok(Self { url: Url::parse(text)?, store: Arc::new(PrefixStore::new(s3, prefix)) });
        }
        if text.contains("://") && !text.starts_with("file://") {
            return Err(StorageError::invalid(format!(
                "{text:?} is no place for an archive; give a folder or s3://BUCKET/PREFIX"
            )));
        }
        let folder = match text.strip_prefix("file://") {
            Some(_) => Url::parse(text)?
                .to_file_path()
                .map_err(|()| StorageError::invalid(format!("{text:?} is not a folder of this machine")))?,
            None => PathBuf::from(text),
        };
        Self::folder(&folder)
    }

    /// A folder. It is made when something is put there, and not before: a reader's typing error leaves no trace.
    ///
    /// # Errors
    /// When the path cannot be made absolute.
    pub fn folder(folder: &Path) -> Result<Self> {
        let doing = || format!("could not use the folder {}", folder.display());
        let folder = std::path::absolute(folder).map_err(|e| StorageError::from(e).during(doing()))?;
        let url = Url::from_directory_path(&folder)
            .map_err(|()| StorageError::invalid(format!("{} is not an absolute path", folder.display())))?;
        let prefix = object_store::path::Path::from_absolute_path(&folder).map_err(object_store::Error::from)?;
        Ok(Self { url, store: Arc::new(PrefixStore::new(LocalFileSystem::new(), prefix)) })
    }

    /// Memory, for tests and experiments: gone with the process.
    ///
    /// # Errors
    /// Never; the signature is that of the other places.
    pub fn memory() -> Result<Self> {
        Self::with_store("memory:///", Arc::new(InMemory::new()))
    }

    /// Any store, known by a URL of the caller's choice.
    ///
    /// # Errors
    /// When the URL is not one.
    pub fn with_store(url: &str, store: Arc<dyn ObjectStore>) -> Result<Self> {
        Ok(Self { url: Url::parse(url)?, store })
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The store; its root is the archive.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }
}
