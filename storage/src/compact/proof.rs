//! Promise P1 again: what has been merged gives back every packet, before anyone has to rely on it.

use futures::TryStreamExt;
use parquet::arrow::arrow_reader::RowSelection;

use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::{DataFile, Entry};
use crate::packets::{BATCH_ROWS, Packets};
use crate::snapshot::Snapshot;
use crate::tables::Table;

/// Parts of a file that are looked at at the same time.
const AT_A_TIME: usize = 2;

/// Puts every packet of the files that an entry adds together again, and compares its SHA-256.
///
/// # Errors
/// [`crate::error::ErrorKind::Damaged`] if one is not what was received.
pub(super) async fn check(archive: &Archive, snapshot: &Snapshot, entry: &Entry) -> Result<()> {
    let mut merged = snapshot.clone();
    merged.step(snapshot.version() + 1, entry.clone());
    let files = entry.add.iter().filter(|file| file.table == Table::Packets);
    for file in files {
        let rows = usize::try_from(file.rows).unwrap_or(usize::MAX);
        let share = rows.div_ceil(AT_A_TIME).max(1);
        let mut parts = Vec::new();
        for from in (0..rows).step_by(share) {
            let (archive, merged, file) = (archive.clone(), merged.clone(), file.clone());
            parts.push(tokio::spawn(async move { part(&archive, &merged, file, from, share).await }));
        }
        for part in parts {
            part.await??;
        }
    }
    Ok(())
}

async fn part(archive: &Archive, merged: &Snapshot, file: DataFile, from: usize, share: usize) -> Result<()> {
    let all = usize::try_from(file.rows).unwrap_or(usize::MAX);
    let file = std::sync::Arc::new(file);
    // Rows follow each other as their parts do: what is read for one batch is not read again for the next.
    let packets = Packets::of(archive, merged, &file)?;
    let rows = RowSelection::from_consecutive_ranges(std::iter::once(from..(from + share).min(all)), all);
    let builder = archive.rows(&file).await?.with_batch_size(BATCH_ROWS).with_row_selection(rows);
    let mut batches = batches(&file, builder)?;
    while let Some(batch) = batches.try_next().await? {
        for packet in packets.decode(&batch).await? {
            let packet = packet.map_err(|e| e.during("after merging"))?;
            if !packet.is_intact() {
                return Err(StorageError::damaged(format!(
                    "the packet of alert {} (revision {}) would not come back from merged files; they are left as they \
                     are, and `noctuary verify` tells which of them is damaged",
                    packet.alert, packet.revision
                )));
            }
        }
    }
    Ok(())
}
