//! Tables for other engines: a Delta log beside the files of each table, published from the log of the archive.
//!
//! The archive never reads what is published here. Each version of a table's Delta log is one version of the archive,
//! put where there was none: a reader sees all that a commit brought to the table, or nothing of it. Whoever commits
//! publishes; who comes second finds that done, or goes on from there. A version that shows only some rows of a file
//! is not published: after a rollback such files are written anew first.
//!
//! ```text
//! commit -> files of the table then and now -> remove, add -> _delta_log/N.json, if there is none -> every so often a
//! checkpoint, so that readers need not begin at the beginning
//! ```

mod actions;
mod checkpoint;
mod schema;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::Utc;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;
use tokio::sync::Mutex;

pub use table::{PublishedTable, TableName};

use crate::archive::Archive;
use crate::delete::delete;
use crate::error::Result;
use crate::log::{DataFile, Entry};
use crate::snapshot::Snapshot;
use crate::tables::Table;
use crate::{compact, paths};
use table::Known;

/// Tables whose rows mean something by themselves. What packets are put together from does not.
const PUBLISHED: [Table; 6] =
    [Table::Alerts, Table::Sources, Table::Forced, Table::Objects, Table::Ledger, Table::Quarantine];

/// What is known of the Delta logs that were published last, and since which version, shared by the clones of an archive;
/// nothing until they have been looked for.
pub(crate) type Memory = Arc<Mutex<Option<(u64, BTreeMap<TableName, Known>)>>>;

/// Begins to publish, or goes on: from the next commit on whoever commits does so.
///
/// # Errors
/// When storage fails.
pub async fn begin(archive: &Archive) -> Result<Vec<PublishedTable>> {
    let mut snapshot = archive.snapshot().await?;
    if !snapshot.publishes() {
        // Logs of a time before would be gone on with.
        clear(archive).await?;
        let entry = Entry::publishing(Utc::now(), "tables are published as Delta tables", true);
        snapshot = archive.commit_always(entry).await?;
    }
    // Rows that an earlier rollback has hidden are not to be seen.
    let snapshot = compact::mend(archive, snapshot).await?;
    follow(archive, &snapshot).await?;
    published(archive).await
}

/// Publishes no more, and takes away what was: tables that nobody keeps up would be believed.
///
/// # Errors
/// When storage fails.
pub async fn end(archive: &Archive) -> Result<()> {
    if archive.snapshot().await?.publishes() {
        archive.commit_always(Entry::publishing(Utc::now(), "tables are no longer published", false)).await?;
    }
    clear(archive).await
}

/// What is published.
///
/// # Errors
/// When storage fails.
pub async fn published(archive: &Archive) -> Result<Vec<PublishedTable>> {
    let snapshot = archive.snapshot().await?;
    if !snapshot.publishes() {
        return Ok(Vec::new());
    }
    // Whoever made the newest version may have been stopped before it had published it.
    follow(archive, &snapshot).await?;
    let found = look(archive).await?;
    Ok(found.into_iter().map(|(name, known)| PublishedTable::of(archive, name, &known)).collect())
}

/// Brings the Delta logs up to a version, if it publishes and they are behind. Tables are published side by side.
///
/// # Errors
/// When storage fails.
pub(crate) async fn follow(archive: &Archive, snapshot: &Snapshot) -> Result<()> {
    let mut snapshot = snapshot.clone();
    let began = snapshot.publishes();
    while snapshot.publishes() {
        let hides = |file: &&Arc<DataFile>| PUBLISHED.contains(&file.table) && snapshot.hides_rows_of(file);
        if !snapshot.state.files.iter().any(|file| hides(&file)) {
            let names = names(archive, &snapshot).await?;
            let each = names.into_iter().map(|name| table::follow(archive, &snapshot, name));
            stream::iter(each).buffer_unordered(PUBLISHED.len()).try_collect::<Vec<()>>().await?;
        }
        // Somebody may have committed meanwhile, and found nothing to do: what was published just now came later.
        let newest = archive.snapshot().await?;
        if newest.version() == snapshot.version() {
            return Ok(());
        }
        snapshot = newest;
    }
    // It ended while we were at it.
    if began { clear(archive).await } else { Ok(()) }
}

/// The tables that have files, or had some when they were published last.
async fn names(archive: &Archive, snapshot: &Snapshot) -> Result<BTreeSet<TableName>> {
    let of_files = snapshot.state.files.iter().filter(|file| PUBLISHED.contains(&file.table));
    let of_files: BTreeSet<_> = of_files.map(|file| (file.table, file.survey.as_deref())).collect();
    let name = |(table, survey): (Table, Option<&str>)| TableName { table, survey: survey.map(str::to_owned) };
    let mut names: BTreeSet<TableName> = of_files.into_iter().map(name).collect();
    let mut memory = archive.published().lock().await;
    // What is known of a log that was taken away since is of no use.
    if memory.as_ref().is_none_or(|(since, _)| Some(*since) != snapshot.published_since()) {
        *memory = snapshot.published_since().zip(Some(look(archive).await?));
    }
    names.extend(memory.iter().flat_map(|(_, known)| known.keys().cloned()));
    Ok(names)
}

/// The Delta logs there are.
async fn look(archive: &Archive) -> Result<BTreeMap<TableName, Known>> {
    let mut found = BTreeMap::new();
    for table in PUBLISHED {
        let below = archive.store().list_with_delimiter(Some(&table.to_string().into())).await?;
        let surveys = below.common_prefixes.iter().filter_map(|folder| folder.filename());
        let names = surveys.filter(|folder| !paths::is_delta_log(folder)).map(|survey| Some(survey.to_owned()));
        for survey in names.chain([None]) {
            let name = TableName { table, survey };
            if let Some(known) = table::read(archive, &name).await? {
                found.insert(name, known);
            }
        }
    }
    Ok(found)
}

/// Deletes what readers of the newest version of a Delta log do not need, and was put before a time.
///
/// # Errors
/// When storage fails.
pub(crate) async fn thin(archive: &Archive, before: chrono::DateTime<Utc>) -> Result<()> {
    if !archive.snapshot().await?.publishes() {
        return Ok(());
    }
    for name in look(archive).await?.into_keys() {
        table::thin(archive, &name, before).await?;
    }
    Ok(())
}

/// Deletes all Delta logs.
///
/// # Errors
/// When storage fails.
pub(crate) async fn clear(archive: &Archive) -> Result<()> {
    *archive.published().lock().await = None;
    let mut gone = Vec::new();
    for table in PUBLISHED {
        let objects = archive.store().list(Some(&table.to_string().into()));
        let ours = objects.try_filter(|object| std::future::ready(paths::is_delta(&object.location)));
        gone.extend(ours.map_ok(|object| object.location).try_collect::<Vec<_>>().await?);
    }
    // The last first: a log that has lost its end is an older one, and one that has lost its beginning is none.
    gone.sort_by(|a, b| b.cmp(a));
    delete(archive.store(), gone, "taking published tables away").await
}
