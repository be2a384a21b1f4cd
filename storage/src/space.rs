//! What takes how much room.

use std::collections::BTreeMap;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use futures::{StreamExt, TryStreamExt, stream};
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::ColumnChunkMetaData;

use crate::archive::Archive;
use crate::compact::Level;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::DataFile;
use crate::paths;
use crate::snapshot::Snapshot;
use crate::tables::{Table, alert_lists};

/// Footers that are read at a time.
const AT_A_TIME: usize = 8;

/// The room that an archive takes in one version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Space {
    /// By what it is used for.
    pub shares: BTreeMap<Use, Share>,
    /// Packets stored.
    pub packets: u64,
    /// Their length as transmitted, bytes.
    pub transmitted: u64,
}

/// What room is used for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The table, or the folder of objects that belong to none.
    pub table: String,
    /// How far its files have been merged: `commit` for those of one commit each, a [`Level`] of packets and what they
    /// are made of, `merged` of other rows.
    pub level: &'static str,
    /// Which part of the rows.
    pub kind: &'static str,
}

/// How much of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Files or objects that have some of it.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Space {
    /// All bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shares.values().map(|share| share.bytes).sum()
    }

    fn add(&mut self, table: String, level: &'static str, kind: &'static str, rows: u64, bytes: u64) {
        let share = self.shares.entry(Use { table, level, kind }).or_default();
        share.files += 1;
        share.rows += rows;
        share.bytes += bytes;
    }
}

/// Adds up the files of a version, of one survey if named, and, for all surveys, the log and what else lies beside
/// the files. Files that no version names are left out.
///
/// # Errors
/// When a footer cannot be read.
pub async fn space(archive: &Archive, snapshot: &Snapshot, survey: Option<&str>) -> Result<Space> {
    let mut space = Space::default();
    let files: Vec<_> = snapshot
        .state
        .files
        .iter()
        .filter(|file| survey.is_none() || file.survey.as_deref() == survey)
        .cloned()
        .collect();
    let parts = files.iter().map(|file| async move { Ok::<_, StorageError>((file, kinds(archive, file).await?)) });
    let parts: Vec<_> = stream::iter(parts).buffered(AT_A_TIME).try_collect().await?;
    for (file, kinds) in parts {
        let inside: u64 = kinds.values().sum();
        let of_packets = || file.table == Table::Cutouts || snapshot.beside(file, Table::Packets).next().is_some();
        let level = match file.level {
            0 => Level::Commit.name(),
            level if of_packets() => Level::of(level).name(),
            _ => "merged",
        };
        for (kind, bytes) in kinds {
            space.add(file.table.to_string(), level, kind, file.rows, bytes);
        }
        space.add(file.table.to_string(), level, "footers", 0, file.bytes.saturating_sub(inside));
    }
    for file in files.iter().filter(|file| file.table == Table::Alerts) {
        space.packets += snapshot.rows(file);
        space.transmitted += transmitted(archive, file).await?;
    }
    if survey.is_none() {
        for folder in [paths::LOG, paths::CHECKPOINTS, paths::SCHEMAS, paths::SURVEYS, paths::HEADERS] {
            let prefix = folder.into();
            let mut objects = archive.store().list(Some(&prefix));
            while let Some(object) = objects.try_next().await? {
                space.add(folder.to_owned(), "", "objects", 0, object.size);
            }
        }
    }
    Ok(space)
}

/// The compressed bytes of a file's columns, by what they are for.
async fn kinds(archive: &Archive, file: &DataFile) -> Result<BTreeMap<&'static str, u64>> {
    let footer = archive.parquet(file).get_metadata(None).await?;
    let mut kinds = BTreeMap::new();
    for column in footer.row_groups().iter().flat_map(|group| group.columns()) {
        let bytes = u64::try_from(column.compressed_size()).unwrap_or_default();
        *kinds.entry(kind(file.table, column)).or_default() += bytes;
    }
    Ok(kinds)
}

fn kind(table: Table, column: &ColumnChunkMetaData) -> &'static str {
    let name = column.column_path().parts().first().map(String::as_str).unwrap_or_default();
    match (table, name) {
        (Table::Alerts, name) if alert_lists().find(name).is_some() => "references",
        (Table::Packets, "_datum") => "rests and whole packets",
        (Table::Packets, "_holes") => "references",
        (Table::Cutouts, "singles" | "doubles") => "planes",
        (Table::Cutouts, "bytes") => "headers and other bytes",
        (Table::Cutouts, _) => "keys",
        (Table::Ledger | Table::Quarantine, _) => "columns",
        // A packet's own column of such a name has one more.
        (_, name) if name.starts_with('_') && !name.starts_with("__") => "keys",
        (Table::Alerts, _) => "columns",
        (_, _) => "records",
    }
}

async fn transmitted(archive: &Archive, file: &DataFile) -> Result<u64> {
    let builder = archive.rows(file).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["_bytes"]);
    let mut batches = batches(file, builder.with_projection(mask))?;
    let mut sum = 0;
    while let Some(batch) = batches.next().await.transpose()? {
        let lengths = batch.column_by_name("_bytes").and_then(|c| c.as_primitive_opt::<Int64Type>());
        let lengths = lengths.ok_or_else(|| StorageError::damaged(format!("{} has no lengths", file.path)))?;
        sum += lengths.iter().flatten().filter_map(|n| u64::try_from(n).ok()).sum::<u64>();
    }
    Ok(sum)
}
