//! Deleting objects, of which some may be gone already.

use std::sync::Arc;

use futures::{StreamExt, stream};
use object_store::ObjectStore;
use object_store::path::Path;

use crate::error::{Result, StorageError};

/// Deletes objects in this order. `doing` is what is said of an error.
///
/// # Errors
/// When storage fails; that somebody else was here before is none.
pub(crate) async fn delete(store: &Arc<dyn ObjectStore>, paths: Vec<Path>, doing: &str) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let mut deleted = store.delete_stream(stream::iter(paths.into_iter().map(Ok)).boxed());
    while let Some(path) = deleted.next().await {
        match path {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(e) => return Err(StorageError::from(e).during(doing)),
        }
    }
    Ok(())
}
