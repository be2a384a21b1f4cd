//! What versions look like to readers: their tables, and the names in them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datafusion::execution::SessionState;
use moka::sync::Cache;
use noctuary_storage::{Access, Archive, AsOf, Snapshot};

use crate::catalog::Tables;
use crate::error::Result;
use crate::names::Names;
use crate::reader::Readers;
use crate::relations::{self, Planner, Relation};
use crate::state;

/// Versions that were asked of before.
#[derive(Clone)]
pub(crate) struct Views {
    archive: Archive,
    readers: Arc<Readers>,
    prune: bool,
    common: Arc<SessionState>,
    relations: Arc<[Relation]>,
    known: Cache<Seen, View>,
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Views").field("archive", &self.archive).finish_non_exhaustive()
    }
}

/// A version, that from whose files it is read, which a vacuum or a purge changes, and the labels that may be seen of
/// it; `None` for all.
type Seen = (u64, u64, Option<BTreeSet<String>>);

/// What a version looks like to some reader. It takes milliseconds to make.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) tables: Arc<Tables>,
    pub(crate) names: Arc<Names>,
    /// With these tables, and the functions that give tables.
    pub(crate) state: SessionState,
}

/// Views that are kept.
const VIEWS: u64 = 16;

impl Views {
    /// Of an archive, for questions that have a state in common.
    pub(crate) fn new(archive: Archive, prune: bool, common: SessionState, relations: Arc<[Relation]>) -> Self {
        let readers = Arc::new(Readers::new(archive.clone()));
        Self { archive, readers, prune, common: Arc::new(common), relations, known: Cache::new(VIEWS) }
    }

    /// What a snapshot looks like.
    ///
    /// # Errors
    /// When DataFusion cannot make its tables, which would be a fault of this program.
    pub(crate) async fn of(&self, snapshot: &Snapshot, access: &Access) -> Result<View> {
        let labels = match access {
            Access::Everything => None,
            Access::Labels(labels) => Some(labels.clone()),
        };
        let seen = (snapshot.version(), snapshot.read_from(), labels);
        if let Some(view) = self.known.get(&seen) {
            return Ok(view);
        }
        let tables = Arc::new(Tables::new(snapshot, access, &self.readers, self.prune).await?);
        let mut state = state::with_tables(&self.common, tables.catalog()?);
        let positions = relations::positions(snapshot);
        state.register_relation_planner(Arc::new(Planner { relations: Arc::clone(&self.relations), positions }))?;
        let view = View { names: Arc::new(Names::of(&tables)), tables, state };
        self.known.insert(seen, view.clone());
        Ok(view)
    }

    /// The number of a version that is asked for.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) async fn version_of(&self, asked: &AsOf) -> Result<u64> {
        Ok(self.archive.version_of(asked).await?)
    }

    /// The tables of a version.
    ///
    /// # Errors
    /// If there is no such version, or storage fails.
    pub(crate) async fn tables_of(&self, version: u64, access: &Access) -> Result<Arc<Tables>> {
        Ok(self.of(&self.archive.snapshot_at(version).await?, access).await?.tables)
    }
}
