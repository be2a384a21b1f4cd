//! What all sessions share: memory, disk, threads, and the tables of versions that were asked of before.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionContext;
use noctuary_storage::{Access, Archive};

use crate::error::Result;
use crate::relations::Relation;
use crate::session::Session;
use crate::state;
use crate::table::STORE;
use crate::views::{View, Views};

/// Adds functions to every session.
pub type Extension = Arc<dyn Fn(&SessionContext) + Send + Sync>;

/// What questions may use.
#[derive(Clone)]
pub struct EngineOptions {
    /// Memory for sorting, grouping and joining, over all questions; beyond it they go to disk.
    pub memory_bytes: usize,
    /// Threads that one question uses.
    pub threads: usize,
    /// Folder for what does not fit into memory; the system's own if `None`.
    pub temp_dir: Option<PathBuf>,
    /// Disk for what does not fit into memory.
    pub temp_bytes: u64,
    /// The time that a question may take, from its words to its last row; any if `None`.
    pub deadline: Option<Duration>,
    /// Leave files out that cannot hold an answer. Turned off by tests, which compare.
    pub prune: bool,
    /// Functions to add.
    pub extend: Vec<Extension>,
    /// Functions to add that give tables.
    pub relations: Vec<Relation>,
}

impl fmt::Debug for EngineOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineOptions")
            .field("memory_bytes", &self.memory_bytes)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            memory_bytes: 2 << 30,
            threads: std::thread::available_parallelism().map_or(2, NonZeroUsize::get),
            temp_dir: None,
            temp_bytes: 64 << 30,
            deadline: None,
            prune: true,
            extend: Vec::new(),
            relations: Vec::new(),
        }
    }
}

/// Which version a session looks at, and for whom.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// The version; the newest if `None`.
    pub as_of: Option<u64>,
    /// What may be seen.
    pub access: Access,
}

/// Answers questions about one archive.
#[derive(Debug, Clone)]
pub struct Engine {
    archive: Archive,
    options: EngineOptions,
    relations: Arc<[Relation]>,
    views: Views,
}

impl Engine {
    /// Prepares for questions about an archive.
    ///
    /// # Errors
    /// When the folder for temporary files cannot be used.
    pub fn new(archive: Archive, options: EngineOptions) -> Result<Self> {
        let pool = FairSpillPool::new(options.memory_bytes);
        let pool = match NonZeroUsize::new(5) {
            Some(largest) => Arc::new(TrackConsumersPool::new(pool, largest)) as _,
            None => Arc::new(pool) as _,
        };
        let mode = match &options.temp_dir {
            Some(folder) => DiskManagerMode::Directories(vec![folder.clone()]),
            None => DiskManagerMode::OsTmpDirectory,
        };
        let disk = DiskManagerBuilder::default().with_mode(mode).with_max_temp_directory_size(options.temp_bytes);
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).with_disk_manager_builder(disk).build_arc()?;
        let url = ObjectStoreUrl::parse(STORE)?;
        runtime.register_object_store(url.as_ref(), Arc::clone(archive.store()));
        let relations: Arc<[Relation]> = options.relations.as_slice().into();
        let common = state::common(&options, runtime);
        let views = Views::new(archive.clone(), options.prune, common, Arc::clone(&relations));
        Ok(Self { archive, options, relations, views })
    }

    /// The archive.
    #[must_use]
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Opens a session on the newest version, or on the one that is asked for.
    ///
    /// # Errors
    /// [`crate::ErrorKind::NotFound`] if there is no such version; when storage fails.
    pub async fn session(&self, options: SessionOptions) -> Result<Session> {
        let snapshot = match options.as_of {
            Some(version) => self.archive.snapshot_at(version).await?,
            None => self.archive.snapshot().await?,
        };
        let View { tables, names, state } = self.views.of(&snapshot, &options.access).await?;
        let context = SessionContext::new_with_state(state);
        let (views, relations, deadline) = (self.views.clone(), Arc::clone(&self.relations), self.options.deadline);
        Ok(Session { views, snapshot, access: options.access, context, tables, names, relations, deadline })
    }
}

#[cfg(test)]
mod tests {
    use noctuary_storage::Location;

    use super::*;

    #[tokio::test]
    async fn sessions_on_one_version_share_its_tables_if_they_may_see_the_same() {
        let archive = Archive::open_or_create(Location::memory().unwrap()).await.unwrap();
        let engine = Engine::new(archive.clone(), EngineOptions::default()).unwrap();
        let tables = async |access: &str| {
            let options = SessionOptions { as_of: None, access: access.parse().unwrap() };
            engine.session(options).await.unwrap().tables
        };
        let public = tables("public").await;
        assert!(Arc::ptr_eq(&public, &tables("public").await));
        for other in ["all", "private", "public,private"] {
            assert!(!Arc::ptr_eq(&public, &tables(other).await), "{other}");
        }
        let version = archive.snapshot().await.unwrap().version();
        archive.roll_back(version).await.unwrap();
        assert!(!Arc::ptr_eq(&public, &tables("public").await));
    }
}
