//! Records that several groups of packets carry, each of which a question sees once.
//!
//! Which copy is seen depends on no condition of a question, so it is found out once for a version and a reader; a
//! question for rows that an index tells asks for these alone.

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use noctuary_storage::log::DataFile;
use noctuary_storage::{Access, Snapshot, copies, index};
use parquet::arrow::arrow_reader::RowSelection;
use tokio::sync::OnceCell;

use crate::reader::Readers;

/// The rows of files that are seen; `None` where all are.
pub(crate) type Rows = Arc<[Option<RowSelection>]>;

/// What is known of the copies in some files.
#[derive(Debug)]
pub(crate) struct Copies {
    snapshot: Snapshot,
    access: Access,
    all: OnceCell<Rows>,
}

impl Copies {
    /// Of a version, for a reader.
    pub(crate) fn new(snapshot: &Snapshot, access: &Access) -> Self {
        Self { snapshot: snapshot.clone(), access: access.clone(), all: OnceCell::new() }
    }

    /// The rows that are seen, of those that are asked for.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) async fn shown(
        &self,
        readers: &Readers,
        files: &[Arc<DataFile>],
        asked: Option<&[index::Rows]>,
    ) -> Result<Rows> {
        let ask = async |asked: Option<&[index::Rows]>| {
            let rows = copies::shown(readers.archive(), &self.snapshot, files, &self.access, asked).await;
            rows.map(Rows::from).map_err(|e| DataFusionError::External(Box::new(e)))
        };
        if let Some(all) = self.all.get() {
            return Ok(Arc::clone(all));
        }
        match asked {
            Some(asked) => ask(Some(asked)).await,
            None => self.all.get_or_try_init(|| ask(None)).await.cloned(),
        }
    }
}
