//! What fills the holes of a packet: rows of records and of pieces, by number.

use super::RecordKind;
use crate::cursor::{Cursor, put_long};
use crate::reason::{Reason, Rejection};

/// Rows that follow each other: the first, and how many.
pub type Run = (u32, u32);

/// Rows in an order of their own, as runs.
///
/// ```
/// use noctuary_packet::apart::Runs;
///
/// let runs: Runs = [7, 8, 9, 3].into_iter().collect();
/// assert_eq!(runs.0, [(7, 3), (3, 1)]);
/// assert_eq!(runs.rows().collect::<Vec<_>>(), [7, 8, 9, 3]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs(pub Vec<Run>);

impl Runs {
    /// Every row, in order.
    pub fn rows(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().flat_map(|(first, count)| *first..first.saturating_add(*count))
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|(_, count)| *count as usize).sum()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, count)| *count == 0)
    }
}

impl FromIterator<u32> for Runs {
    fn from_iter<I: IntoIterator<Item = u32>>(rows: I) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for row in rows {
            match runs.last_mut() {
                Some((first, count)) if first.checked_add(*count) == Some(row) => *count += 1,
                _ => runs.push((row, 1)),
            }
        }
        Self(runs)
    }
}

/// How an image was packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// The pieces, one after the other, are its bytes.
    None,
    /// By gzip, in one member: the first piece is its header; the others, deflated again, are what follows.
    Gzip {
        /// Level of zlib, 1 to 9.
        level: u8,
    },
}

/// What fills a hole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fill {
    /// Records of the table of their kind.
    Records {
        /// Which.
        kind: RecordKind,
        /// Their rows.
        rows: Runs,
    },
    /// An image, from rows of the table of pieces.
    Image {
        /// How the pieces were packed.
        packing: Packing,
        /// Length of the image in the packet.
        length: u32,
        /// Their rows.
        pieces: Runs,
    },
}

/// A hole, and what fills it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    /// The byte of the rest before which it is.
    pub at: u32,
    /// What fills it.
    pub fill: Fill,
}

/// The holes of a packet, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    /// The holes.
    pub holes: Vec<Hole>,
}

/// The number that stands for each thing that can fill a hole; those of gzip are their level behind the last.
const HISTORY: i64 = 0;
const FORCED: i64 = 1;
const PLAIN: i64 = 2;
const GZIP: i64 = 3;

impl Recipe {
    /// The rows of records of a kind that it names.
    pub fn records(&self, wanted: RecordKind) -> impl Iterator<Item = &Runs> {
        self.holes.iter().filter_map(move |hole| match &hole.fill {
            Fill::Records { kind, rows } if *kind == wanted => Some(rows),
            _ => None,
        })
    }

    /// The rows of pieces that it names.
    pub fn pieces(&self) -> impl Iterator<Item = &Runs> {
        self.holes.iter().filter_map(|hole| match &hole.fill {
            Fill::Image { pieces, .. } => Some(pieces),
            Fill::Records { .. } => None,
        })
    }

    /// As bytes: zigzag varints. For every hole the bytes of the rest since the one before, what fills it (0 history,
    /// 1 forced photometry, 2 an image, 3 + level an image packed by gzip), for images their length, the number of
    /// runs, and for each its first row, counted from the end of the run before, and its rows.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 * self.holes.len());
        let mut done = 0;
        for hole in &self.holes {
            put_long(&mut out, i64::from(hole.at) - done);
            done = i64::from(hole.at);
            let runs = match &hole.fill {
                Fill::Records { kind, rows } => {
                    put_long(&mut out, if *kind == RecordKind::History { HISTORY } else { FORCED });
                    rows
                }
                Fill::Image { packing, length, pieces } => {
                    put_long(
                        &mut out,
                        match packing {
                            Packing::None => PLAIN,
                            Packing::Gzip { level } => GZIP + i64::from(*level),
                        },
                    );
                    put_long(&mut out, i64::from(*length));
                    pieces
                }
            };
            put_long(&mut out, runs.0.len() as i64);
            let mut next = 0;
            for (first, count) in &runs.0 {
                put_long(&mut out, i64::from(*first) - next);
                put_long(&mut out, i64::from(*count));
                next = i64::from(*first) + i64::from(*count);
            }
        }
        out
    }

    /// Reads what [`Recipe::encode`] wrote.
    ///
    /// # Errors
    /// [`Reason::Truncated`] or [`Reason::BadValue`] if it did not write these bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Rejection> {
        let mut cursor = Cursor::new(bytes);
        let mut recipe = Self::default();
        let mut at = 0i64;
        while cursor.left() > 0 {
            at = at.saturating_add(cursor.long()?);
            let what = cursor.long()?;
            let fill = match what {
                HISTORY => Fill::Records { kind: RecordKind::History, rows: runs(&mut cursor)? },
                FORCED => Fill::Records { kind: RecordKind::Forced, rows: runs(&mut cursor)? },
                _ => {
                    let packing = match u8::try_from(what - GZIP) {
                        Ok(level @ 1..=9) => Packing::Gzip { level },
                        _ if what == PLAIN => Packing::None,
                        _ => return Err(bad("something that fills holes and that is not known")),
                    };
                    let length = number(cursor.long()?)?;
                    Fill::Image { packing, length, pieces: runs(&mut cursor)? }
                }
            };
            recipe.holes.push(Hole { at: number(at)?, fill });
        }
        Ok(recipe)
    }
}

fn runs(cursor: &mut Cursor<'_>) -> Result<Runs, Rejection> {
    let count = usize::try_from(cursor.long()?).map_err(|_| bad("a negative number of runs"))?;
    let mut runs = Vec::with_capacity(count.min(cursor.left()));
    let mut next = 0i64;
    for _ in 0..count {
        let first = number(next.saturating_add(cursor.long()?))?;
        let rows = number(cursor.long()?)?;
        if first.checked_add(rows).is_none() {
            return Err(bad("more rows than can be counted"));
        }
        next = i64::from(first) + i64::from(rows);
        runs.push((first, rows));
    }
    Ok(Runs(runs))
}

fn number(value: i64) -> Result<u32, Rejection> {
    u32::try_from(value).map_err(|_| bad("a number out of range"))
}

fn bad(what: &str) -> Rejection {
    Rejection::new(Reason::BadValue, format!("in a recipe: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_runs() -> impl Strategy<Value = Runs> {
        prop::collection::vec((0..u32::MAX / 2, 0..u32::MAX / 2), 0..5).prop_map(Runs)
    }

    fn fills() -> impl Strategy<Value = Fill> {
        let kind = prop_oneof![Just(RecordKind::History), Just(RecordKind::Forced)];
        let packing = prop_oneof![Just(Packing::None), (1..=9u8).prop_map(|level| Packing::Gzip { level })];
        prop_oneof![
            (kind, any_runs()).prop_map(|(kind, rows)| Fill::Records { kind, rows }),
            (packing, any::<u32>(), any_runs()).prop_map(|(packing, length, pieces)| Fill::Image {
                packing,
                length,
                pieces
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_recipe_reads_back(holes in prop::collection::vec((any::<u32>(), fills()), 0..6)) {
            let recipe = Recipe { holes: holes.into_iter().map(|(at, fill)| Hole { at, fill }).collect() };
            prop_assert_eq!(Recipe::decode(&recipe.encode()).unwrap(), recipe);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Recipe::decode(&bytes);
        }

        #[test]
        fn runs_are_rows(rows in prop::collection::vec(0..20u32, 0..50)) {
            let runs: Runs = rows.iter().copied().collect();
            prop_assert_eq!(runs.len(), rows.len());
            prop_assert_eq!(runs.is_empty(), rows.is_empty());
            prop_assert_eq!(runs.rows().collect::<Vec<_>>(), rows);
        }
    }
}
