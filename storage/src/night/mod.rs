//! The packets of nights, in the order in which they are replayed: night, visit, detector, commit, arrival.
//!
//! Files whose visits overlap are read together. Of these the places of all packets that are wanted are held in memory,
//! and of the packets themselves a bounded number of bytes.

mod read;
mod rows;

use std::sync::Arc;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use noctuary_packet::time::Night;

pub use read::{Contents, Found, Wanted, read};

use crate::archive::Archive;
use crate::error::Result;
use crate::log::DataFile;
use crate::packets::StoredPacket;
use crate::snapshot::Snapshot;
use crate::tables::Table;

/// Where a packet of a survey stands in all replays, whatever becomes of the files that it lies in. Places are in the
/// order of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Its night.
    pub night: Night,
    /// Its visit, by the survey's number; those without come first.
    pub visit: Option<i64>,
    /// Its detector; those without come first.
    pub detector: Option<i64>,
    /// The version that brought it.
    pub commit: u64,
    /// Ordinal of arrival in the commit.
    pub seq: i32,
}

/// A visit of a survey: its night and number.
pub type Visit = (Night, Option<i64>);

impl Place {
    /// Its visit.
    #[must_use]
    pub fn visit(&self) -> Visit {
        (self.night, self.visit)
    }
}

/// From one visit to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first visit.
    pub first: Visit,
    /// The last.
    pub last: Visit,
}

impl Span {
    /// All visits of a night.
    #[must_use]
    pub fn of_night(night: Night) -> Self {
        Self { first: (night, None), last: (night, Some(i64::MAX)) }
    }

    /// True if a visit is one of these.
    #[must_use]
    pub fn holds(&self, visit: Visit) -> bool {
        (self.first..=self.last).contains(&visit)
    }

    /// What both have in common.
    #[must_use]
    pub fn and(&self, other: &Self) -> Option<Self> {
        let both = Self { first: self.first.max(other.first), last: self.last.min(other.last) };
        (both.first <= both.last).then_some(both)
    }

    /// What the log says of a file; `None` if none of its packets has a night.
    fn of(file: &DataFile) -> Option<Self> {
        let (from, to) = file.stats.night?;
        let all = Self { first: (Night(from), None), last: (Night(to), Some(i64::MAX)) };
        let (Some((first, last)), true) = (file.stats.visit, from == to) else { return Some(all) };
        let first = Some(first).filter(|_| !file.stats.lacks("_visit"));
        Some(Self { first: (Night(from), first), last: (Night(to), Some(last)) })
    }
}

/// Files of a table with visits in a span, together where their visits overlap, in the order of visits; with each group
/// the visits that it has of the span.
#[must_use]
pub fn overlapping(snapshot: &Snapshot, table: Table, survey: &str, span: Span) -> Vec<(Span, Vec<Arc<DataFile>>)> {
    let mut files: Vec<(Span, Arc<DataFile>)> = snapshot
        .files(table, Some(survey))
        .filter_map(|file| Some((Span::of(file)?.and(&span)?, Arc::clone(file))))
        .collect();
    files.sort_by_key(|(span, file)| (span.first, file.commit));
    let mut groups: Vec<(Span, Vec<Arc<DataFile>>)> = Vec::new();
    for (span, file) in files {
        match groups.last_mut() {
            Some((known, together)) if span.first <= known.last => {
                known.last = known.last.max(span.last);
                together.push(file);
            }
            _ => groups.push((span, vec![file])),
        }
    }
    groups
}

/// The packets of a night of a survey, in order: every one that is stored, whatever its rights.
pub fn in_order(
    archive: &Archive,
    snapshot: &Snapshot,
    survey: &str,
    night: Night,
) -> impl Stream<Item = Result<StoredPacket>> + Send + use<> {
    let wanted =
        Wanted { survey: survey.to_owned(), span: Span::of_night(night), places: None, contents: Contents::Whole };
    let packets = |unit: Vec<Found>| stream::iter(unit.into_iter().map(|found| found.packet));
    read(archive, snapshot, wanted).map_ok(packets).try_flatten().boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_hold_what_lies_between() {
        let night = Span::of_night(Night(5));
        assert!(night.holds((Night(5), None)) && night.holds((Night(5), Some(i64::MAX))));
        assert!(!night.holds((Night(4), Some(7))) && !night.holds((Night(6), None)));
        let visits = Span { first: (Night(5), Some(3)), last: (Night(6), Some(1)) };
        assert!(visits.holds((Night(6), None)) && !visits.holds((Night(5), None)));
        assert_eq!(night.and(&visits), Some(Span { first: (Night(5), Some(3)), last: (Night(5), Some(i64::MAX)) }));
        assert_eq!(Span::of_night(Night(7)).and(&visits), None);
    }
}
