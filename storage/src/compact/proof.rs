//! Promise P1 again: what has been merged gives back every packet, before anyone has to rely on it.

use std::collections::HashMap;
use std::sync::Arc;

use futures::TryStreamExt;
use noctuary_packet::hash::PacketHash;
use parquet::arrow::arrow_reader::RowSelection;

use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::{DataFile, Entry};
use crate::packets::{BATCH_ROWS, Packets, StoredPacket};
use crate::snapshot::Snapshot;
use crate::tables::Table;

/// Parts of a file that are looked at at the same time.
const AT_A_TIME: usize = 2;

/// Packets of which only a part is left, by the digest of all of it: the digest of what is left.
type Left = HashMap<PacketHash, PacketHash>;

/// Puts every packet of the files that an entry adds together again, and of `others` that it changes something for, and
/// compares its SHA-256. Of packets whose images have been purged, what is left is compared with what was left before.
///
/// # Errors
/// [`crate::error::ErrorKind::Damaged`] if one is not what was received.
pub(crate) async fn check(
    archive: &Archive,
    snapshot: &Snapshot,
    entry: &Entry,
    others: &[Arc<DataFile>],
) -> Result<()> {
    let mut merged = snapshot.clone();
    merged.step(snapshot.version() + 1, entry.clone());
    let added = entry.add.iter().filter(|file| file.table == Table::Packets).cloned().map(Arc::new);
    let files: Vec<Arc<DataFile>> = added.chain(others.iter().cloned()).collect();
    let is_purged = |group: &String| snapshot.purged().cutouts.contains_key(group);
    let left = match files.iter().any(|file| file.pieces.iter().any(is_purged)) {
        true => Arc::new(left_before(archive, snapshot, entry, others).await?),
        false => Arc::default(),
    };
    for file in files {
        let rows = usize::try_from(file.rows).unwrap_or(usize::MAX);
        let share = rows.div_ceil(AT_A_TIME).max(1);
        let mut parts = Vec::new();
        for from in (0..rows).step_by(share) {
            let (archive, merged) = (archive.clone(), merged.clone());
            let (file, left) = (Arc::clone(&file), Arc::clone(&left));
            parts.push(tokio::spawn(async move {
                let each = |packet: StoredPacket| holds(&packet, &left);
                part(&archive, &merged, &file, from, share, each).await
            }));
        }
        for part in parts {
            part.await??;
        }
    }
    Ok(())
}

fn holds(packet: &StoredPacket, left: &Left) -> Result<()> {
    let as_before = match packet.purged {
        None => packet.is_intact(),
        Some(_) => left.get(&packet.hash) == Some(&PacketHash::of(&[&packet.datum])),
    };
    if as_before {
        return Ok(());
    }
    Err(StorageError::damaged(format!(
        "the packet of alert {} (revision {}) would not come back from merged files; they are left as they are, and \
         `noctuary verify` tells which of them is damaged",
        packet.alert, packet.revision
    )))
}

/// What is left of packets without images in files that an entry removes, or changes something for.
async fn left_before(archive: &Archive, snapshot: &Snapshot, entry: &Entry, others: &[Arc<DataFile>]) -> Result<Left> {
    let mut left = Left::new();
    let goes =
        |file: &&Arc<DataFile>| entry.remove.contains(&file.path) || others.iter().any(|other| other.path == file.path);
    for file in snapshot.files(Table::Packets, None).filter(goes) {
        let note = |packet: StoredPacket| {
            if packet.purged.is_some() {
                left.insert(packet.hash, PacketHash::of(&[&packet.datum]));
            }
            Ok(())
        };
        part(archive, snapshot, file, 0, usize::MAX, note).await?;
    }
    Ok(left)
}

/// Puts some packets of a file together, from a row on.
async fn part(
    archive: &Archive,
    snapshot: &Snapshot,
    file: &Arc<DataFile>,
    from: usize,
    share: usize,
    mut each: impl FnMut(StoredPacket) -> Result<()>,
) -> Result<()> {
    let all = usize::try_from(file.rows).unwrap_or(usize::MAX);
    // Rows follow each other as their parts do: what is read for one batch is not read again for the next.
    let packets = Packets::of(archive, snapshot, file)?;
    let to = from.saturating_add(share).min(all);
    let rows = RowSelection::from_consecutive_ranges(std::iter::once(from..to), all);
    let builder = archive.rows(file).await?.with_batch_size(BATCH_ROWS).with_row_selection(rows);
    let mut batches = batches(file, builder)?;
    while let Some(batch) = batches.try_next().await? {
        for packet in packets.decode_what_is_left(&batch).await? {
            each(packet.map_err(|e| e.during("after merging"))?)?;
        }
    }
    Ok(())
}
