//! What goes into one commit: accepted packets, refused ones, tallies, and how far the sources have come.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use noctuary_packet::hash::PacketHash;
use noctuary_packet::reason::Reason;

use super::examine::{Accepted, Examined, Place, Verdict};
use super::item::Broken;
use super::known::Looked;
use crate::log::{Counts, SourceId, SourceMove};

/// What a source takes in memory, roughly: its name, how far it has come, its tally.
const SOURCE_BYTES: usize = 512;
/// What a packet weighs beside its bytes, so that a commit of nothing but duplicates is full one day, too.
const ROW_BYTES: usize = 64;

/// The content of a commit in the order of arrival.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub stored: Vec<StoredRow>,
    pub refused: Vec<RefusedRow>,
    pub tallies: BTreeMap<TallyKey, Counts>,
    pub moves: BTreeMap<SourceId, SourceMove>,
    pub reasons: BTreeMap<Reason, u64>,
    /// Sources that could not be used at all, or not to their end, and why.
    pub refused_sources: Vec<(String, String)>,
    /// Quarantined packets that are stored with this.
    pub released: Vec<String>,
    /// What the archive held when the first packet was looked up.
    pub looked: Option<Looked>,
    weight: usize,
}

#[derive(Debug)]
pub(super) struct StoredRow {
    pub accepted: Box<Accepted>,
    pub source: Arc<SourceId>,
    pub member: Option<Arc<str>>,
    pub offset: u64,
    pub revision: i32,
    /// Ordinal of arrival within the commit.
    pub seq: i32,
}

#[derive(Debug)]
pub(super) struct RefusedRow {
    pub broken: Box<Broken>,
    pub source: Arc<SourceId>,
    pub member: Option<Arc<str>>,
    pub offset: u64,
}

/// What a row of the ledger is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TallyKey {
    pub source: String,
    pub survey: Option<String>,
    pub schema: Option<String>,
    pub night: Option<i32>,
    pub visit: Option<i64>,
    pub note: Option<String>,
}

/// What the archive says of an accepted packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Its id is new.
    New,
    /// Its id is known with other bytes, so often.
    Revision(i32),
    /// It is there already.
    Duplicate,
}

impl Batch {
    /// Bytes of packets held.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// True if there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.moves.is_empty() && self.tallies.is_empty() && self.released.is_empty()
    }

    /// Takes in one piece. `known` is asked once for every accepted packet, in order.
    pub fn take(&mut self, examined: Examined, mut known: impl FnMut(&Accepted) -> Known) {
        let Examined { item: place, packets, end, unreadable } = examined;
        if let Some(why) = unreadable {
            self.refuse_source(place.source.url.clone(), why);
            return;
        }
        if !self.moves.contains_key(&*place.source) {
            self.weight += SOURCE_BYTES;
        }
        for packet in packets {
            match packet.verdict {
                Verdict::Accepted(accepted) => {
                    let known = known(&accepted);
                    self.accept(&place, packet.offset, accepted, known);
                }
                Verdict::Refused(broken) => self.refuse(&place, packet.offset, broken),
            }
        }
        let step = self.moves.entry((*place.source).clone()).or_insert_with(|| SourceMove {
            source: (*place.source).clone(),
            from: place.piece,
            to: place.piece,
            complete: false,
        });
        step.to = place.piece + 1;
        step.complete = end;
    }

    /// Takes in what became of a packet of the quarantine: it was received and refused before, so only the verdict
    /// moves.
    pub fn release(&mut self, id: String, examined: Examined, mut known: impl FnMut(&Accepted) -> Known) {
        let Examined { item: place, packets, .. } = examined;
        let mut first = true;
        for packet in packets {
            if let Verdict::Accepted(accepted) = packet.verdict {
                let known = known(&accepted);
                let key = TallyKey::of(&place, &accepted);
                let transmitted = bytes_of(&accepted);
                self.accept(&place, packet.offset, accepted, known);
                let counts = self.tallies.entry(key).or_default();
                counts.bytes -= transmitted;
                if std::mem::take(&mut first) {
                    counts.received -= 1;
                    counts.quarantined -= 1;
                }
            }
        }
        self.released.push(id);
    }

    fn accept(&mut self, place: &Place, offset: u64, accepted: Box<Accepted>, known: Known) {
        let counts = self.tallies.entry(TallyKey::of(place, &accepted)).or_default();
        counts.received += 1;
        counts.bytes += bytes_of(&accepted);
        self.weight += ROW_BYTES;
        let revision = match known {
            Known::Duplicate => {
                counts.duplicate += 1;
                return;
            }
            Known::New => 0,
            Known::Revision(n) => n,
        };
        counts.stored += 1;
        counts.revisions += i64::from(revision > 0);
        counts.flagged += i64::from(!accepted.keys.flags.is_empty());
        self.weight += accepted.datum.len();
        // A commit holds some thousands of packets.
        let seq = i32::try_from(self.stored.len()).unwrap_or(i32::MAX);
        let (source, member) = (Arc::clone(&place.source), place.member.clone());
        self.stored.push(StoredRow { accepted, source, member, offset, revision, seq });
    }

    fn refuse(&mut self, place: &Place, offset: u64, broken: Box<Broken>) {
        let key = TallyKey {
            source: place.source.url.clone(),
            survey: None,
            schema: broken.rejection.schema.clone(),
            night: None,
            visit: None,
            note: None,
        };
        let counts = self.tallies.entry(key).or_default();
        counts.received += 1;
        counts.quarantined += 1;
        counts.bytes += i64::try_from(broken.length).unwrap_or(i64::MAX);
        *self.reasons.entry(broken.rejection.reason).or_default() += 1;
        self.weight += ROW_BYTES + broken.bytes.len();
        let (source, member) = (Arc::clone(&place.source), place.member.clone());
        self.refused.push(RefusedRow { broken, source, member, offset });
    }

    /// Notes a source that could not be used at all.
    pub fn refuse_source(&mut self, source: String, why: String) {
        let note = Some(why.clone());
        let key = TallyKey { source: source.clone(), survey: None, schema: None, night: None, visit: None, note };
        self.tallies.insert(key, Counts::default());
        self.refused_sources.push((source, why));
    }

    /// Sums over all tallies.
    pub fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for counts in self.tallies.values() {
            sum.add(counts);
        }
        sum
    }
}

fn bytes_of(accepted: &Accepted) -> i64 {
    i64::try_from(accepted.transmitted).unwrap_or(i64::MAX)
}

impl TallyKey {
    fn of(place: &Place, accepted: &Accepted) -> Self {
        Self::of_source(place.source.url.clone(), accepted)
    }

    fn of_source(source: String, accepted: &Accepted) -> Self {
        Self {
            source,
            survey: Some(accepted.resolved.survey.name.clone()),
            schema: Some(accepted.resolved.schema.label()),
            night: accepted.keys.night.map(|n| n.0),
            visit: accepted.keys.visit,
            note: None,
        }
    }
}

impl TallyKey {
    /// The row of the ledger that counts a stored packet.
    pub(super) fn of_row(row: &StoredRow) -> Self {
        Self::of_source(row.source.url.clone(), &row.accepted)
    }
}

impl StoredRow {
    /// The datum.
    pub fn datum(&self) -> &Bytes {
        &self.accepted.datum
    }

    /// The digest of the packet.
    pub fn hash(&self) -> PacketHash {
        self.accepted.hash
    }
}
