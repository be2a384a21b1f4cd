//! Rows of which a question sees some and not others, whatever it asks: a record that several groups of packets carry
//! is seen once, and a table may show one row for each value of a key.
//!
//! Which row is seen depends on no condition of a question, so it is found out once for a version and a reader; a
//! question for rows that an index tells asks for these alone.

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use noctuary_storage::copies::{Each, one_of_each};
use noctuary_storage::log::DataFile;
use noctuary_storage::{Access, Snapshot, copies, index};
use parquet::arrow::arrow_reader::RowSelection;
use tokio::sync::OnceCell;

use crate::lookup::selections;
use crate::reader::Readers;

/// The rows of files that are seen; `None` where all are.
pub(crate) type Rows = Arc<[Option<RowSelection>]>;

/// What is known of the copies in some files.
#[derive(Debug)]
pub(crate) struct Copies {
    snapshot: Snapshot,
    access: Access,
    /// Files repeat records of each other.
    repeat: bool,
    /// What one row is seen of.
    each: Option<Each>,
    all: OnceCell<Rows>,
}

impl Copies {
    /// Of a version, for a reader, where files `repeat` records, or one of `each` is seen.
    pub(crate) fn new(snapshot: &Snapshot, access: &Access, repeat: bool, each: Option<Each>) -> Self {
        Self { snapshot: snapshot.clone(), access: access.clone(), repeat, each, all: OnceCell::new() }
    }

    /// True if rows are seen that are no copies of each other, and others are not.
    pub(crate) fn chooses(&self) -> bool {
        self.each.is_some()
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
        if let Some(all) = self.all.get() {
            return Ok(Arc::clone(all));
        }
        match asked {
            Some(asked) => self.look(readers, files, Some(asked)).await,
            None => self.all.get_or_try_init(|| self.look(readers, files, None)).await.cloned(),
        }
    }

    async fn look(&self, readers: &Readers, files: &[Arc<DataFile>], asked: Option<&[index::Rows]>) -> Result<Rows> {
        let (archive, failed) = (readers.archive(), |e| DataFusionError::External(Box::new(e)));
        let (snapshot, access) = (&self.snapshot, &self.access);
        let mut rows: Rows = if self.repeat {
            copies::shown(archive, snapshot, files, access, asked).await.map_err(failed)?.into()
        } else {
            vec![None; files.len()].into()
        };
        if let Some(each) = &self.each {
            if let Some(asked) = asked {
                let files: Vec<(usize, &Arc<DataFile>)> = files.iter().enumerate().collect();
                rows = selections(&files, asked, &rows);
            }
            rows = one_of_each(archive, snapshot, files, access, each, &rows).await.map_err(failed)?.into();
        }
        Ok(rows)
    }
}
