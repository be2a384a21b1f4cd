//! The Delta log of one table.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::Fields;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use parquet::arrow::async_reader::AsyncFileReader;
use serde_json::Value;

use super::actions::{self, Line, MetaData};
use super::checkpoint;
use super::schema::Columns;
use crate::archive::Archive;
use crate::delete::delete;
use crate::error::{ErrorKind, Result, StorageError};
use crate::footers::columns as columns_of;
use crate::log::DataFile;
use crate::paths;
use crate::snapshot::Snapshot;
use crate::tables::{COMMIT, Table, alert_lists};

/// Versions of a Delta log from one checkpoint to the next. What the table is is said anew with each.
const CHECKPOINT_EVERY: u64 = 100;
/// Footers that are read at a time.
const AT_A_TIME: usize = 32;
/// How often it is tried to be first.
const TRIES: usize = 32;

/// A table of a survey, or one that belongs to none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// Which.
    pub table: Table,
    /// Of which survey.
    pub survey: Option<String>,
}

impl TableName {
    fn folder(&self) -> String {
        paths::table(self.table, self.survey.as_deref())
    }

    /// As SQL has it: `lsst.alerts`, or `archive.ledger`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.survey.as_deref().unwrap_or("archive"), self.table)
    }
}

/// A table that other engines can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedTable {
    /// Which.
    pub name: TableName,
    /// Where readers find it.
    pub url: String,
    /// The newest version of its own log.
    pub version: u64,
    /// The version of the archive that it shows.
    pub archive_version: u64,
    /// Columns that are not in it, for they have more than one type, or one that Delta has not.
    pub left_out: Vec<String>,
}

impl PublishedTable {
    pub(super) fn of(archive: &Archive, name: TableName, known: &Known) -> Self {
        let root = archive.location().url().as_str().trim_end_matches('/');
        Self {
            url: format!("{root}/{}", name.folder()),
            name,
            version: known.version,
            archive_version: known.archive_version,
            left_out: known.columns.left_out.iter().cloned().collect(),
        }
    }
}

/// What is known of a Delta log.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    version: u64,
    archive_version: u64,
    /// The version that said last what the table is.
    meta_data: u64,
    id: String,
    columns: Columns,
    /// The files that it shows; `None` until they have been looked up.
    files: Option<Arc<HashSet<String>>>,
}

/// Reads the end of a table's Delta log; `None` if it has none.
///
/// # Errors
/// When storage fails, or the log is not one that was written here.
pub(super) async fn read(archive: &Archive, name: &TableName) -> Result<Option<Known>> {
    let folder = name.folder();
    let objects = archive.store().list(Some(&paths::delta_log(&folder)));
    let newest = objects
        .try_fold(None, async |newest: Option<u64>, object| Ok(newest.max(paths::delta_version(&object.location))));
    let Some(version) = newest.await? else { return Ok(None) };
    let path = paths::delta_entry(&folder, version);
    let strange = || {
        StorageError::damaged(format!(
            "{path} was not written by noctuary; nothing else may write there: `noctuary delta off` and then `noctuary \
             delta on` publish the tables anew"
        ))
    };
    let lines = lines(archive, &path).await?;
    let archive_version = lines.iter().find_map(Line::archive_version).ok_or_else(strange)?;
    let told = lines.iter().find_map(|line| line.commit_info.as_ref()?.noctuary_meta_data).ok_or_else(strange)?;
    let of_then = match told == version {
        true => lines,
        false => self::lines(archive, &paths::delta_entry(&folder, told)).await?,
    };
    let meta_data: &MetaData = of_then.iter().find_map(|line| line.meta_data.as_ref()).ok_or_else(strange)?;
    let columns = meta_data.columns()?;
    Ok(Some(Known { version, archive_version, meta_data: told, id: meta_data.id.clone(), columns, files: None }))
}

async fn lines(archive: &Archive, path: &Path) -> Result<Vec<Line>> {
    let bytes = archive.store().get(path).await?.bytes().await?;
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(serde_json::from_slice);
    lines.collect::<Result<_, _>>().map_err(|e| StorageError::damaged(format!("{path} cannot be read ({e})")))
}

/// Brings a table up to a version of the archive.
pub(super) async fn follow(archive: &Archive, snapshot: &Snapshot, name: TableName) -> Result<()> {
    let mut known = archive.published().lock().await.as_ref().and_then(|(_, all)| all.get(&name)).cloned();
    for _ in 0..TRIES {
        let mut before = match known.take() {
            Some(known) => Some(known),
            None => read(archive, &name).await?,
        };
        if let Some(known) = &mut before
            && known.archive_version < snapshot.version()
            && known.files.is_none()
        {
            let then = archive.as_logged(known.archive_version).await?;
            known.files = Some(Arc::new(files(&then, &name).map(|file| file.path.clone()).collect()));
        }
        let step = match &before {
            // Somebody else was there.
            Some(known) if known.archive_version >= snapshot.version() => None,
            _ => Step::from(archive, snapshot, &name, before.as_ref()).await?,
        };
        let now = match step {
            None => before,
            Some(step) if step.follows(archive, &name).await? && step.put(archive, &name).await? => {
                step.put_checkpoint(archive, snapshot, &name).await;
                Some(step.known)
            }
            // Another version stands there by now.
            Some(_) => continue,
        };
        if let (Some(now), Some((since, all))) = (now, &mut *archive.published().lock().await)
            && Some(*since) == snapshot.published_since()
        {
            all.insert(name, now);
        }
        return Ok(());
    }
    Err(StorageError::new(
        ErrorKind::Conflict,
        format!("others publish {} faster than it can be followed", name.name()),
    ))
}

/// One version of a Delta log.
struct Step {
    known: Known,
    /// The version of the archive that the one before shows.
    follows: Option<u64>,
    lines: Vec<Value>,
}

impl Step {
    /// What leads from what is published to a version; `None` if nothing of the table has changed.
    async fn from(
        archive: &Archive,
        snapshot: &Snapshot,
        name: &TableName,
        before: Option<&Known>,
    ) -> Result<Option<Self>> {
        let nothing = Arc::default();
        let then = before.and_then(|known| known.files.as_ref()).unwrap_or(&nothing);
        let new: Vec<&Arc<DataFile>> = files(snapshot, name).filter(|file| !then.contains(&file.path)).collect();
        let mut gone = Vec::new();
        if files(snapshot, name).count() != then.len() + new.len() {
            let now: HashSet<&str> = files(snapshot, name).map(|file| file.path.as_str()).collect();
            gone.extend(then.iter().filter(|path| !now.contains(path.as_str())));
        }
        if new.is_empty() && gone.is_empty() {
            return Ok(None);
        }
        let version = before.map_or(0, |known| known.version + 1);
        let mut columns = before.map(|known| known.columns.clone()).unwrap_or_default();
        let mut kinds: HashSet<(Option<&str>, Option<&str>, u8)> = HashSet::new();
        let mut looked_at = Vec::new();
        for file in &new {
            // Files of one commit that were written alike have the same columns.
            let is_new = kinds.insert((file.schema.as_deref(), file.record.as_deref(), file.level));
            if is_new || before.is_none() {
                let (archive, file) = (archive.clone(), Arc::clone(file));
                looked_at.push(async move { fields(&archive, &file).await });
            }
        }
        let mut found = stream::iter(looked_at).buffered(AT_A_TIME);
        while let Some(fields) = found.try_next().await? {
            columns.add(&fields, |column| is_inner(name.table, column));
        }
        let id = before.map_or_else(|| uuid::Uuid::new_v4().to_string(), |known| known.id.clone());
        let is_told = before.is_some_and(|known| known.columns == columns);
        let meta_data = match before {
            Some(known) if is_told && !version.is_multiple_of(CHECKPOINT_EVERY) => known.meta_data,
            _ => version,
        };
        let info = snapshot.versions().last();
        let at = info.map_or(0, |info| info.at.timestamp_millis());
        let what = info.map_or("", |info| info.what.as_str());
        let mut lines = vec![actions::commit_info(at, what, snapshot.version(), meta_data)];
        if before.is_none() {
            lines.push(actions::protocol());
        }
        if meta_data == version {
            lines.push(actions::meta_data(&id, &name.name(), &columns)?);
        }
        lines.push(actions::txn(snapshot.version()));
        lines.extend(gone.iter().map(|path| actions::remove(own_name(path), at)));
        lines.extend(new.iter().map(|file| add(snapshot, file)));
        let mut shown = HashSet::clone(then);
        for path in gone {
            shown.remove(path);
        }
        shown.extend(new.into_iter().map(|file| file.path.clone()));
        let files = Some(Arc::new(shown));
        let known = Known { version, archive_version: snapshot.version(), meta_data, id, columns, files };
        Ok(Some(Self { known, follows: before.map(|known| known.archive_version), lines }))
    }

    /// True if what it was made to follow stands there: a log may have been taken away, and begun anew.
    async fn follows(&self, archive: &Archive, name: &TableName) -> Result<bool> {
        let Some(before) = self.known.version.checked_sub(1) else { return Ok(true) };
        match lines(archive, &paths::delta_entry(&name.folder(), before)).await {
            Ok(lines) => Ok(lines.iter().find_map(Line::archive_version) == self.follows),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// False if another version stands there.
    async fn put(&self, archive: &Archive, name: &TableName) -> Result<bool> {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(&line.to_string());
            text.push('\n');
        }
        let path = paths::delta_entry(&name.folder(), self.known.version);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match archive.store().put_opts(&path, PutPayload::from(text), options).await {
            Ok(_) => Ok(true),
            // It may be ours, of which we were not told; then it is read back as any other.
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// A checkpoint only saves readers time; one that cannot be written is no reason to stop.
    async fn put_checkpoint(&self, archive: &Archive, snapshot: &Snapshot, name: &TableName) {
        let version = self.known.version;
        if version == 0 || !version.is_multiple_of(CHECKPOINT_EVERY) {
            return;
        }
        let put = async {
            let mut all = vec![
                actions::protocol(),
                actions::meta_data(&self.known.id, &name.name(), &self.known.columns)?,
                actions::txn(snapshot.version()),
            ];
            all.extend(files(snapshot, name).map(|file| add(snapshot, file)));
            let folder = name.folder();
            let bytes = checkpoint::of(&all)?;
            archive.store().put(&paths::delta_checkpoint(&folder, version), PutPayload::from(bytes)).await?;
            let last = serde_json::json!({"version": version, "size": all.len()}).to_string();
            archive.store().put(&paths::delta_last_checkpoint(&folder), PutPayload::from(last)).await?;
            Ok::<_, StorageError>(())
        };
        if let Err(e) = put.await {
            tracing::warn!("no checkpoint of version {version} of the published table {}: {e}", name.name());
        }
    }
}

fn add(snapshot: &Snapshot, file: &DataFile) -> Value {
    let by = usize::try_from(file.commit).ok().and_then(|at| snapshot.versions().get(at));
    actions::add(file, own_name(&file.path), by.map_or(0, |by| by.at.timestamp_millis()))
}

/// The name of a file within the folder of its table.
fn own_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The files of a table.
fn files<'a>(snapshot: &'a Snapshot, name: &'a TableName) -> impl Iterator<Item = &'a Arc<DataFile>> {
    snapshot.state.files.iter().filter(move |file| file.table == name.table && file.survey == name.survey)
}

/// Deletes versions and checkpoints of a Delta log from before its newest checkpoint that were put before a time.
pub(super) async fn thin(archive: &Archive, name: &TableName, before: DateTime<Utc>) -> Result<()> {
    let objects: Vec<_> = archive.store().list(Some(&paths::delta_log(&name.folder()))).try_collect().await?;
    let Some(newest) = objects.iter().filter_map(|object| paths::delta_checkpoint_version(&object.location)).max()
    else {
        return Ok(());
    };
    let version = |path: &Path| paths::delta_version(path).or_else(|| paths::delta_checkpoint_version(path));
    let is_old = |object: &&ObjectMeta| {
        object.last_modified <= before && version(&object.location).is_some_and(|version| version < newest)
    };
    let old = objects.iter().filter(is_old).map(|object| object.location.clone()).collect();
    delete(archive.store(), old, "deleting old versions of published tables").await
}

/// Columns that mean something within the archive only.
fn is_inner(table: Table, column: &str) -> bool {
    match column {
        COMMIT | "_anchor" => true,
        // The lists that these stand for are the tables of records.
        runs => table == Table::Alerts && alert_lists().find(runs).is_some(),
    }
}

async fn fields(archive: &Archive, file: &DataFile) -> Result<Fields> {
    let footer = archive.parquet(file).get_metadata(None).await?;
    Ok(columns_of(file.table, footer)?.schema().fields().clone())
}
