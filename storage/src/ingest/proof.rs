//! Promise P1, before a commit: every packet is put together again from the files that are about to be put.

use std::ops::Range;

use noctuary_packet::apart::RecordKind;

use super::apart::{PacketParts, TakenApart};
use super::batch::StoredRow;
use super::resolve::Resolved;
use crate::error::Result;
use crate::files::File;
use crate::parts::Parts;
use crate::tables::{Table, table_of};

/// The parts of packets, read back from their files.
pub(super) struct Proof(Parts);

impl Proof {
    /// Reads files that have been built.
    ///
    /// # Errors
    /// When what has just been written cannot be read.
    pub fn new(resolved: &Resolved, files: &[File]) -> Result<Self> {
        let records = |kind| {
            let list = resolved.anatomy.list(kind)?;
            let path = resolved.anatomy.path(list.record);
            let is_it = |file: &&File| file.0.table == table_of(kind) && file.0.record.as_deref() == Some(&*path);
            files.iter().find(is_it).map(|(_, bytes)| (bytes, list.record))
        };
        let cutouts = files.iter().find(|(file, _)| file.table == Table::Cutouts).map(|(_, bytes)| bytes);
        let (history, forced) = (records(RecordKind::History), records(RecordKind::Forced));
        Ok(Self(Parts::of_bytes(&resolved.schema, history, forced, cutouts)?))
    }

    /// Which packets of a range are not what comes back, in order.
    pub fn failures(&self, rows: &[StoredRow], taken: &TakenApart<'_>, range: Range<usize>) -> Vec<usize> {
        let comes_back = |at: &usize| {
            let PacketParts { rest, recipe, .. } = &taken.packets[*at];
            let pack = |header: &[u8], level, bytes: &[u8], out: &mut Vec<u8>| {
                taken.pieces.pack(header, level, bytes, out);
            };
            let datum = self.0.datum_packed_by(&pack, rest, recipe, 0);
            datum.is_ok_and(|datum| datum == *rows[*at].datum())
        };
        range.filter(|at| !comes_back(at)).collect()
    }
}
