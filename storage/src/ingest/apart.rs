//! The packets of a commit, taken apart: every record and every piece of an image once.

use std::collections::HashMap;

use noctuary_packet::apart::gzip::{self, Unpacked};
use noctuary_packet::apart::{Anatomy, Apart, Cut, Fill, Hole, Part, Recipe, RecordKind, Runs, take_apart};
use noctuary_packet::schema::NodeId;
use noctuary_packet::survey::AlertKeys;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use super::batch::StoredRow;
use super::build::both;
use super::pieces::Pieces;
use super::resolve::Resolved;
use super::stats;
use crate::anchor::anchors;
use crate::error::{Result, StorageError};

/// Packets of one schema, taken apart.
pub(super) struct TakenApart<'d> {
    /// In the order of the packets.
    pub packets: Vec<PacketParts>,
    /// Of each packet the cell where its records lie.
    pub anchors: Vec<Option<i64>>,
    /// Records by the file that they go to.
    pub records: Vec<Records<'d>>,
    /// Pieces of images.
    pub pieces: Pieces<'d>,
}

/// What is left of a packet, and what fills its holes.
pub(super) struct PacketParts {
    pub rest: Vec<u8>,
    pub recipe: Recipe,
    /// Rows of the records of each list, whether they were cut out or not; `None` where the packet has no list.
    pub history: Option<Runs>,
    pub forced: Option<Runs>,
}

/// Distinct records that are written alike, which is one file.
pub(super) struct Records<'d> {
    pub kind: RecordKind,
    /// A record in the schema whose fields are the columns.
    pub node: NodeId,
    /// True if the records of a list are among them, so that recipes mean these.
    pub of_list: bool,
    pub rows: Vec<Record<'d>>,
    known: HashMap<u128, u32>,
}

/// One record.
pub(super) struct Record<'d> {
    pub bytes: &'d [u8],
    pub origin: Origin,
    /// The packet that had it first, by its number.
    pub packet: usize,
    /// The least restricted of the packets that have it.
    pub rights: u8,
    /// Stands for its object, or for the place of an alert without one.
    of: u64,
}

/// What `_origin` says of the record that caused an alert.
pub(crate) const TRIGGER: &str = "trigger";

/// What a record was in its packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Trigger,
    History,
    Forced,
}

impl Origin {
    pub fn name(self) -> &'static str {
        match self {
            Self::Trigger => TRIGGER,
            Self::History => "history",
            Self::Forced => "forced",
        }
    }
}

impl<'d> Records<'d> {
    fn new(kind: RecordKind, node: NodeId, of_list: bool) -> Self {
        Self { kind, node, of_list, rows: Vec::new(), known: HashMap::new() }
    }

    /// The row of a record. One of the same object that has the same bytes is the same record, unless one is a trigger
    /// and the other stands in a history.
    fn row(&mut self, record: Record<'d>) -> u32 {
        // A commit has fewer rows than can be counted so.
        let next = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let seed = record.of.wrapping_add(record.origin as u64);
        let row = *self.known.entry(xxh3_128_with_seed(record.bytes, seed)).or_insert(next);
        if let Some(known) = self.rows.get_mut(row as usize)
            && (known.bytes, known.origin, known.of) == (record.bytes, record.origin, record.of)
        {
            known.rights = known.rights.min(record.rights);
            return row;
        }
        self.rows.push(record);
        next
    }
}

/// One packet by itself: its parts, and the images among them that were packed, in the order of the cuts.
struct One<'d> {
    apart: Apart<'d>,
    unpacked: Vec<Option<Unpacked>>,
}

impl<'d> One<'d> {
    fn take(anatomy: &Anatomy, row: &'d StoredRow) -> Result<Self> {
        let apart = take_apart(anatomy, row.datum())
            .map_err(|e| StorageError::internal(format!("a packet that was accepted cannot be taken apart: {e}")))?;
        let images = apart.cuts.iter().map(|cut| match &cut.part {
            Part::Image { bytes, .. } => gzip::unpack(bytes),
            Part::Records { .. } => None,
        });
        let unpacked = images.collect();
        Ok(Self { apart, unpacked })
    }
}

/// A number for the object of an alert, or for its place if it has none.
fn stands_for(keys: &AlertKeys) -> u64 {
    match &keys.object {
        Some(object) => xxh3_64(object.to_string().as_bytes()),
        None => stats::cell(keys).map_or(0, i64::cast_unsigned),
    }
}

/// Takes packets of one schema apart, on two threads if there is one `beside` this.
///
/// Records come in the order of the sky: by the cell of the first alert of their object, then by object, then in the order
/// of the packets, then as they stood in the packet. The history of an object, and later what has been added to it, is so
/// one run of rows, of which the last came last. Pieces come in the order of the packets.
///
/// # Errors
/// When a packet that has been walked cannot be walked again.
pub(super) fn take<'d>(resolved: &Resolved, rows: &'d [StoredRow], beside: bool) -> Result<TakenApart<'d>> {
    let anatomy = &resolved.anatomy;
    let each = |rows: &'d [StoredRow]| rows.iter().map(|row| One::take(anatomy, row)).collect::<Result<Vec<_>>>();
    let (first, second) = rows.split_at(rows.len() / 2);
    let (mut all, second) = both(beside, || each(first), || each(second))?;
    all.extend(second);
    let mut records: Vec<Records<'d>> =
        anatomy.lists().iter().map(|list| Records::new(list.kind, list.record, true)).collect();
    let triggers = anatomy.trigger().map(|node| {
        let alike = |file: &Records<'_>| file.kind == RecordKind::History && resolved.schema.alike(file.node, node);
        records.iter().position(alike).unwrap_or_else(|| {
            records.push(Records::new(RecordKind::History, node, false));
            records.len() - 1
        })
    });

    let keys = rows.iter().map(|row| &row.accepted.keys);
    let anchors = anchors(keys.map(|keys| (keys.object.as_ref(), stats::cell(keys))));
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_cached_key(|at| (anchors[*at], rows[*at].accepted.keys.object.clone(), *at));
    let mut lists: Vec<Vec<Option<Runs>>> = vec![vec![None; anatomy.lists().len()]; rows.len()];
    for at in order {
        let (rights, of) = (rows[at].accepted.keys.rights, stands_for(&rows[at].accepted.keys));
        let one = |bytes, origin| Record { bytes, origin, packet: at, rights, of };
        let apart = &all[at].apart;
        let parts = apart.cuts.iter().map(|cut| &cut.part).chain(&apart.left);
        for part in parts {
            let Part::Records { list, records: found } = part else { continue };
            let file = &mut records[*list];
            let origin = if file.kind == RecordKind::Forced { Origin::Forced } else { Origin::History };
            let runs = found.iter().map(|record| file.row(one(record, origin))).collect();
            lists[at][*list] = Some(runs);
        }
        if let (Some(file), Some(trigger)) = (triggers, apart.trigger) {
            records[file].row(one(trigger, Origin::Trigger));
        }
    }

    let mut pieces = Pieces::default();
    let mut packets = Vec::with_capacity(rows.len());
    for (One { apart, unpacked }, lists) in all.into_iter().zip(lists) {
        let mut recipe = Recipe::default();
        for (Cut { at, part }, unpacked) in apart.cuts.iter().zip(unpacked) {
            let fill = match part {
                Part::Records { list, .. } => {
                    Fill::Records { kind: anatomy.lists()[*list].kind, rows: lists[*list].clone().unwrap_or_default() }
                }
                Part::Image { bytes, .. } => pieces.image(bytes, unpacked),
            };
            // The rest is shorter than the packet.
            recipe.holes.push(Hole { at: u32::try_from(*at).unwrap_or(u32::MAX), fill });
        }
        let of = |kind| {
            let list = anatomy.lists().iter().position(|list| list.kind == kind)?;
            lists[list].clone()
        };
        let (history, forced) = (of(RecordKind::History), of(RecordKind::Forced));
        packets.push(PacketParts { rest: apart.rest, recipe, history, forced });
    }
    records.retain(|file| !file.rows.is_empty());
    Ok(TakenApart { packets, anchors, records, pieces })
}
