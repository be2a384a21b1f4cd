//! All rows of the objects that a question asks some rows of.
//!
//! Where one row is seen of several, which one it is may depend on rows that a question does not ask for: of a source
//! inside a circle, a later revision may lie outside. So all rows of its object are looked at.

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use noctuary_storage::Snapshot;
use noctuary_storage::index::Rows;
use noctuary_storage::log::DataFile;

use crate::reader::Readers;

/// By file, all rows of the objects that have one of these rows in any file; `None` if some file does not tell.
///
/// # Errors
/// When an index is not there, and its file cannot be read.
pub(crate) async fn objects(
    readers: &Readers,
    snapshot: &Snapshot,
    files: &[Arc<DataFile>],
    rows: &[Rows],
) -> Result<Option<Vec<Rows>>> {
    let (mut ids, mut each) = (Vec::new(), Vec::with_capacity(files.len()));
    for (file, rows) in files.iter().zip(rows) {
        let index = readers.archive().row_index(snapshot, file).await;
        let index = index.map_err(|e| DataFusionError::External(Box::new(e)))?;
        let (of_objects, of_none) = match &index {
            Some(index) => index.objects_in(rows),
            None if rows.is_empty() => Default::default(),
            None => return Ok(None),
        };
        ids.extend(of_objects);
        each.push((index, of_none));
    }
    ids.sort_unstable();
    ids.dedup();
    let all = each.into_iter().map(|(index, rows)| match index {
        Some(index) => index.with_objects(rows, ids.iter()),
        None => rows,
    });
    Ok(Some(all.collect()))
}
