//! What the ledger keeps of what was purged.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use object_store::{ObjectStoreExt, PutPayload};

use crate::archive::Archive;
use crate::error::Result;
use crate::files::{file, writer};
use crate::ingest::{TallyKey, ledger_rows};
use crate::log::{Counts, DataFile, FileStats};
use crate::paths;
use crate::range::range;
use crate::tables::{COMMIT, Table};

/// The source that rows of the ledger name which no delivery brought.
const SOURCE: &str = "purge";

/// A row of the ledger that moves packets from stored to purged, in every version that had stored them.
#[derive(Debug)]
pub(super) struct Mark {
    pub survey: String,
    pub schema: Option<String>,
    pub night: Option<i32>,
    pub visit: Option<i64>,
    /// The commit that had stored them.
    pub commit: u64,
    pub counts: Counts,
}

/// Puts the file of some marks.
///
/// # Errors
/// When storage fails.
pub(super) async fn put(archive: &Archive, marks: &[Mark], note: &str) -> Result<DataFile> {
    let keys: Vec<TallyKey> = marks.iter().map(|mark| mark.key(note)).collect();
    let rows = ledger_rows(&keys.iter().zip(marks.iter().map(|mark| &mark.counts)).collect::<Vec<_>>())?;
    let commits: Int64Array = marks.iter().map(|mark| i64::try_from(mark.commit).ok()).collect();
    let mut fields: Vec<_> = rows.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(COMMIT, DataType::Int64, true)));
    let mut columns = rows.columns().to_vec();
    columns.push(Arc::new(commits) as ArrayRef);
    let schema = Arc::new(Schema::new(fields));
    let mut writer = writer(Table::Ledger, &schema)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    let group = format!("purge-{}", paths::new_run());
    let stats = FileStats { night: range(marks.iter().filter_map(|mark| mark.night)), ..FileStats::default() };
    let (file, bytes) = file(Table::Ledger, None, &group, None, marks.len(), stats, writer.into_inner()?);
    archive.store().put(&file.path.as_str().into(), PutPayload::from(bytes)).await?;
    Ok(DataFile { commits: range(marks.iter().map(|mark| mark.commit)), ..file })
}

impl Mark {
    fn key(&self, note: &str) -> TallyKey {
        TallyKey {
            source: SOURCE.to_owned(),
            survey: Some(self.survey.clone()),
            schema: self.schema.clone(),
            night: self.night,
            visit: self.visit,
            note: Some(note.to_owned()),
        }
    }
}
