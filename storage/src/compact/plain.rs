//! Files of tables whose rows point to nothing: the ledger, the quarantine, and what was loaded without packets.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, Int64Array, RecordBatch, new_null_array};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use chrono::Utc;
use futures::TryStreamExt;

use super::columns::Columns;
use super::input::{Anchors, schema_of, tiles};
use super::merge::{commit, each};
use super::output::Output;
use super::records;
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::{DataFile, Entry, FileStats};
use crate::packets::ids_of;
use crate::paths;
use crate::range::widen;
use crate::snapshot::Snapshot;
use crate::tables::{COMMIT, Table, ledger_columns, record_node};
use crate::visible::Commits;

/// Files of one level that become one of the next.
const FILES: usize = 64;

/// Files whose rows become those of fewer files.
#[derive(Debug, Clone)]
pub struct Plain {
    /// In the order in which they came.
    pub files: Vec<Arc<DataFile>>,
    level: u8,
    group_bytes: u64,
}

/// What there is to merge of such files: as many of a level as make it worth while, or all if it is to be `now`.
#[must_use]
pub fn plan(snapshot: &Snapshot, now: bool, group_bytes: u64) -> Vec<Plain> {
    type Kind<'f> = (Table, Option<&'f str>, Option<&'f str>, Option<&'f str>, u8);
    let mut kinds: BTreeMap<Kind<'_>, Vec<Arc<DataFile>>> = BTreeMap::new();
    let tables = [Table::Ledger, Table::Quarantine, Table::Sources, Table::Forced, Table::Objects];
    for file in tables.iter().flat_map(|table| snapshot.files(*table, None)) {
        let of_packets = || snapshot.beside(file, Table::Packets).next().is_some();
        if !matches!(file.table, Table::Ledger | Table::Quarantine) && of_packets() {
            continue;
        }
        let level = if now { 0 } else { file.level };
        let kind = (file.table, file.survey.as_deref(), file.schema.as_deref(), file.record.as_deref(), level);
        kinds.entry(kind).or_default().push(Arc::clone(file));
    }
    let enough = if now { 2 } else { FILES };
    let of_enough = kinds.into_values().filter(|files| files.len() >= enough);
    // What has been merged for good is left, where only its sky keeps it from being one file.
    let news = of_enough.filter(|files| !now || files.iter().any(|file| file.level == 0));
    news.map(|mut files| {
        files.sort_by_key(|file| file.span());
        let level = files.iter().map(|file| file.level).max().unwrap_or(0).saturating_add(1);
        Plain { files, level, group_bytes }
    })
    .collect()
}

impl Plain {
    /// One file that is written anew, without rows that are not shown.
    pub(super) fn alone(file: &Arc<DataFile>) -> Self {
        Self { files: vec![Arc::clone(file)], level: file.level, group_bytes: u64::MAX }
    }

    /// Bytes that are read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// What it does, for people.
    #[must_use]
    pub fn what(&self) -> String {
        let table = self.files.first().map_or(Table::Ledger, |file| file.table);
        format!("{} files of {table} merged", self.files.len())
    }

    /// Merges, and commits it.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Conflict`] if somebody else has merged some of it meanwhile.
    pub(super) async fn run(&self, archive: &Archive, snapshot: &Snapshot) -> Result<Snapshot> {
        let Some(first) = self.files.first() else { return Err(StorageError::internal("a merge of nothing")) };
        let mut entry = Entry::new(Utc::now(), self.what());
        entry.add = match first.table {
            Table::Ledger | Table::Quarantine => vec![self.rows(archive, snapshot, first).await?],
            _ => self.records(archive, snapshot, first).await?,
        };
        entry.remove = self.files.iter().map(|file| file.path.clone()).collect();
        commit(archive, snapshot, entry).await
    }

    fn target(&self, first: &DataFile, number: usize) -> DataFile {
        let group = format!("{}-{number:04}", paths::new_run());
        DataFile {
            path: paths::data(first.table, first.survey.as_deref(), &group, first.record.as_deref()).to_string(),
            group,
            bytes: 0,
            rows: 0,
            stats: FileStats::default(),
            level: self.level,
            commits: None,
            commit: 0,
            ..first.clone()
        }
    }

    /// One after the other, as they came.
    async fn rows(&self, archive: &Archive, snapshot: &Snapshot, first: &DataFile) -> Result<DataFile> {
        let mut output = Output::new(archive.store(), self.target(first, 0));
        let mut stats = FileStats::default();
        let mut commits = None;
        for file in &self.files {
            widen(&mut stats.night, file.stats.night.into_iter().flat_map(|(a, b)| [a, b]));
            let mut rows = batches(file, archive.rows(file).await?.with_batch_size(256))?;
            while let Some(batch) = rows.try_next().await? {
                let of = Commits::of(&batch, file)?;
                let shown: BooleanArray =
                    (0..batch.num_rows()).map(|row| Some(snapshot.visible().shows(of.get(row)))).collect();
                let batch = filter_record_batch(&stamped(&alike(&batch, file.table)?, &of)?, &shown)?;
                let stamps = batch.column(batch.num_columns() - 1).as_primitive::<Int64Type>();
                widen(&mut commits, stamps.iter().flatten().filter_map(|c| u64::try_from(c).ok()));
                output.write(&batch).await?;
            }
        }
        let file = output.end(stats).await?;
        let file = file.ok_or_else(|| StorageError::damaged(format!("{} has no rows", first.path)))?;
        Ok(DataFile { commits: commits.or(Some(first.span())), ..file })
    }

    /// Each object in one place.
    async fn records(&self, archive: &Archive, snapshot: &Snapshot, first: &DataFile) -> Result<Vec<DataFile>> {
        let schema = schema_of(snapshot, first)?;
        let record = first.record.as_deref().unwrap_or_default();
        let node = record_node(&schema, record);
        let node = node.ok_or_else(|| StorageError::damaged(format!("{} has no {record}", schema.label())))?;
        let mut anchors = Anchors::default();
        let mut places = Vec::new();
        for file in &self.files {
            each(archive, file, &["_anchor", "_object", COMMIT], |batch| {
                let damaged = || StorageError::damaged(format!("{}: not the columns of records", file.path));
                let column = |name: &str| batch.column_by_name(name).ok_or_else(damaged);
                let cells = column("_anchor")?.as_primitive_opt::<Int64Type>().ok_or_else(damaged)?;
                let objects = ids_of(column("_object")?).ok_or_else(damaged)?;
                let commits = Commits::of(batch, file)?;
                for (row, cell) in cells.iter().enumerate() {
                    if let (Some(object), Some(cell)) = (objects(row), cell) {
                        anchors.see(object, commits.get(row), cell);
                    }
                    places.push(cell);
                }
                Ok(())
            })
            .await?;
        }
        let groups = usize::try_from(self.bytes().div_ceil(self.group_bytes.max(1))).unwrap_or(usize::MAX).max(1);
        let most = places.len().div_ceil(groups).max(1);
        let mut made = Vec::new();
        let anchors = Arc::new(anchors);
        for (number, tile) in tiles(places.into_iter(), most).into_iter().enumerate() {
            let merge = records::Merge {
                archive: archive.clone(),
                snapshot: snapshot.clone(),
                schema: Arc::clone(&schema),
                node,
                files: self.files.iter().cloned().map(Some).collect(),
                anchors: Arc::clone(&anchors),
                tile,
                needed: Vec::new(),
                repeat: false,
                without: None,
            };
            made.extend(merge.run(self.target(first, number)).await?.0);
        }
        Ok(made)
    }
}

/// The columns that a table has today: what files of before have not got is null.
fn alike(batch: &RecordBatch, table: Table) -> Result<RecordBatch> {
    let mut columns = Columns::of(batch);
    if table == Table::Ledger {
        for field in ledger_columns().fields() {
            if !columns.has(field.name()) {
                columns.put(field.name(), new_null_array(field.data_type(), batch.num_rows()));
            }
        }
    }
    columns.batch()
}

/// Rows of a file that say which commit brought them, and the first and last of these.
///
/// # Errors
/// [`crate::error::ErrorKind::Damaged`] if they were to say it and do not.
pub(crate) fn stamped_rows(batch: &RecordBatch, file: &DataFile) -> Result<(RecordBatch, Option<(u64, u64)>)> {
    Ok((stamped(batch, &Commits::of(batch, file)?)?, Some(file.span())))
}

/// Rows that say which commit brought them, in their last column.
fn stamped(batch: &RecordBatch, commits: &Commits) -> Result<RecordBatch> {
    let stamps: Int64Array = (0..batch.num_rows()).map(|row| i64::try_from(commits.get(row)).ok()).collect();
    let mut columns = Columns::of(batch);
    columns.remove(COMMIT);
    columns.put(COMMIT, Arc::new(stamps));
    columns.batch()
}
