//! From a batch to the files of a commit.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use chrono::{DateTime, Utc};
use noctuary_packet::container::Header;
use noctuary_packet::id::Id;
use noctuary_packet::reason::Rejection;
use noctuary_packet::schema::Fingerprint;

use super::batch::{Batch, StoredRow, TallyKey};
use super::proof::Proof;
use super::resolve::Resolved;
use super::{apart, packets, stats, told};
use crate::error::{Result, StorageError};
use crate::files::File;
use crate::tables::IdType;

/// What is in work at a time is kept to about this many bytes, and so stays the memory that is asked for and given
/// back.
const PORTION_BYTES: usize = 4 << 20;

/// The files of a commit, ready to be put.
#[derive(Debug, Default)]
pub(super) struct Built {
    pub files: Vec<File>,
    /// Headers of containers by digest of their shared part.
    pub headers: BTreeMap<String, Arc<Header>>,
    /// Schemas of the stored packets.
    pub resolved: BTreeMap<Fingerprint, Arc<Resolved>>,
    /// Packets that are kept whole.
    pub inline: i64,
}

/// Builds the files. `name` makes their names unique to the run and the commit. A batch that is built `alone` has its
/// files made and proved on two threads, which takes more memory and half the time.
///
/// # Errors
/// When a packet that has been walked cannot be put in columns, which no schema that was accepted should lead to.
pub(super) fn build(mut batch: Batch, name: &str, now: DateTime<Utc>, alone: bool) -> Result<Built> {
    let mut built = Built::default();
    built.files.extend(told::quarantine(&batch.refused, name, now)?);
    let mut groups: BTreeMap<(String, Fingerprint), Vec<StoredRow>> = BTreeMap::new();
    for row in std::mem::take(&mut batch.stored) {
        let resolved = &row.accepted.resolved;
        groups.entry((resolved.survey.name.clone(), resolved.schema.fingerprint())).or_default().push(row);
    }
    for (index, ((_, fingerprint), mut rows)) in groups.into_iter().enumerate() {
        rows.sort_by_key(|row| {
            let keys = &row.accepted.keys;
            (keys.night, keys.visit, keys.detector, row.seq)
        });
        let resolved = Arc::clone(&rows[0].accepted.resolved);
        let inline = group(&resolved, &rows, &format!("{name}-{index}"), alone, &mut built)?;
        for row in inline {
            built.inline += 1;
            batch.tallies.entry(TallyKey::of_row(&rows[row])).or_default().inline += 1;
        }
        built.resolved.insert(fingerprint, resolved);
    }
    built.files.extend(told::ledger(&batch.tallies, name)?);
    Ok(built)
}

/// Builds the files of packets of one schema, and says which of them are kept whole.
fn group(resolved: &Resolved, rows: &[StoredRow], group: &str, alone: bool, built: &mut Built) -> Result<Vec<usize>> {
    let taken = apart::take(resolved, rows, alone)?;
    let stats = stats::of(resolved, rows);
    let (lists, single): (Vec<_>, Vec<_>) = taken.records.iter().partition(|records| records.of_list);
    let (mut files, other) = both(
        alone,
        || lists.iter().map(|records| records.file(resolved, rows, &taken.anchors, group)).collect::<Result<Vec<_>>>(),
        || {
            let mut files = vec![packets::alerts(resolved, rows, &taken.packets, group, stats.clone())?];
            files.extend(taken.pieces.file(resolved, group, &stats)?);
            for records in &single {
                files.push(records.file(resolved, rows, &taken.anchors, group)?);
            }
            Ok(files)
        },
    )?;
    files.extend(other);
    let proof = Proof::new(resolved, &files)?;
    let prove = |range: Range<usize>| proof.failures(rows, &taken, range);
    let half = rows.len() / 2;
    let (mut inline, later) = both(alone, || Ok(prove(0..half)), || Ok(prove(half..rows.len())))?;
    inline.extend(later);
    files.push(packets::packets(resolved, rows, &taken.packets, &inline, group, stats, &mut built.headers)?);
    built.files.append(&mut files);
    Ok(inline)
}

/// Does two things, side by side if there is a thread to spare.
pub(super) fn both<A: Send, B: Send>(
    beside: bool,
    first: impl FnOnce() -> Result<A> + Send,
    second: impl FnOnce() -> Result<B> + Send,
) -> Result<(A, B)> {
    if !beside {
        return Ok((first()?, second()?));
    }
    std::thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second()?;
        let first = first.join().map_err(|_| StorageError::internal("a thread that builds files ended early"))?;
        Ok((first?, second))
    })
}

/// Every packet has been walked, and its schema been found to have columns.
pub(super) fn not_as_walked(rejection: Rejection) -> StorageError {
    StorageError::internal(format!("a packet that was accepted cannot be put in columns: {rejection}"))
}

/// Cuts rows where their bytes make up [`PORTION_BYTES`].
pub(super) fn portions<R>(rows: &[R], bytes: impl Fn(&R) -> usize) -> impl Iterator<Item = Range<usize>> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let mut room = PORTION_BYTES;
        let from = done;
        while room > 0 && done < rows.len() {
            room = room.saturating_sub(bytes(&rows[done]).max(1));
            done += 1;
        }
        (from < done).then_some(from..done)
    })
}

/// A column of ids.
pub(super) fn ids<'a>(kind: IdType, ids: impl Iterator<Item = Option<&'a Id>>) -> ArrayRef {
    match kind {
        IdType::Number => Arc::new(
            ids.map(|id| match id {
                Some(Id::Number(n)) => Some(*n),
                _ => None,
            })
            .collect::<Int64Array>(),
        ),
        IdType::Text => Arc::new(ids.map(|id| id.map(Id::to_string)).collect::<StringArray>()),
    }
}
