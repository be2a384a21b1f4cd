//! Files of the reader's own, as tables: Parquet as it is, CSV with types that are worked out.

mod records;
mod table;
mod types;

use std::path::Path;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use noctuary_engine::{EngineError, Result};

/// Opens a file as a table. What begins like Parquet is Parquet; everything else is text with a line for each row, the
/// first of which names the columns, separated by commas, tabs, semicolons, bars or blanks. Lines that begin with `#`
/// before that one are left out. A text is read through once, for the types of its columns, and again whenever it is
/// asked of.
///
/// # Errors
/// [`noctuary_engine::ErrorKind::Invalid`] if the file cannot be read, or has a line that does not fit the others: it is
/// named, with the column.
pub async fn open(path: &Path) -> Result<Arc<dyn TableProvider>> {
    let shown = path.display();
    let failed = |why: &dyn std::fmt::Display| EngineError::invalid(format!("{shown}: {why}"));
    if !path.is_file() {
        let why = if path.is_dir() { "it is a folder, and a table is a file" } else { "there is no such file" };
        return Err(failed(&why));
    }
    if is_parquet(path).map_err(|e| failed(&e))? {
        return parquet(path).await.map_err(|e| failed(&EngineError::from(e)));
    }
    let of = path.to_owned();
    let read = datafusion::common::runtime::SpawnedTask::spawn_blocking(move || table::Text::open(&of));
    let text = read.await.map_err(|e| failed(&e))?.map_err(|e| failed(&e))?;
    Ok(Arc::new(text.table()?))
}

fn is_parquet(path: &Path) -> std::io::Result<bool> {
    use std::io::Read;
    let mut begin = Vec::new();
    std::fs::File::open(path)?.take(4).read_to_end(&mut begin)?;
    Ok(begin == b"PAR1")
}

async fn parquet(path: &Path) -> datafusion::error::Result<Arc<dyn TableProvider>> {
    let mut config = SessionConfig::new();
    // As in the archive's own tables.
    config.options_mut().execution.parquet.schema_force_view_types = false;
    let extension = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    let options = ParquetReadOptions { file_extension: &extension, ..ParquetReadOptions::default() };
    let context = SessionContext::new_with_config(config);
    let path = std::path::absolute(path)?;
    Ok(context.read_parquet(path.to_string_lossy().into_owned(), options).await?.into_view())
}
