//! Rows of a file that are in memory, or are to be.

use std::ops::Range;

use noctuary_packet::apart::Runs;
use parquet::arrow::arrow_reader::RowSelection;

/// Which rows of a file are in memory, and where: ranges in order, and where each begins.
#[derive(Debug, Default)]
pub(crate) struct RowMap(Vec<(Range<u32>, usize)>);

impl RowMap {
    /// Every row of so many.
    pub fn all(rows: usize) -> Self {
        Self(vec![(0..u32::try_from(rows).unwrap_or(u32::MAX), 0)])
    }

    /// The rows of some runs, which may overlap.
    pub fn of(mut runs: Vec<Range<u32>>) -> Self {
        runs.retain(|run| !run.is_empty());
        runs.sort_by_key(|run| run.start);
        let mut merged: Vec<(Range<u32>, usize)> = Vec::new();
        let mut at = 0;
        for run in runs {
            match merged.last_mut() {
                Some((last, _)) if run.start <= last.end => {
                    at += run.end.saturating_sub(last.end) as usize;
                    last.end = last.end.max(run.end);
                }
                _ => {
                    let length = run.len();
                    merged.push((run, at));
                    at += length;
                }
            }
        }
        Self(merged)
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many.
    pub fn rows(&self) -> usize {
        self.0.iter().map(|(range, _)| range.len()).sum()
    }

    /// Where rows are in memory; `None` if some are not.
    pub fn spans(&self, runs: &Runs) -> Option<Vec<Range<usize>>> {
        let span = |(first, count): &(u32, u32)| {
            let after = self.0.partition_point(|(range, _)| range.start <= *first);
            let (range, at) = self.0.get(after.checked_sub(1)?)?;
            let start = at + (first - range.start) as usize;
            (first.checked_add(*count)? <= range.end).then(|| start..start + *count as usize)
        };
        runs.0.iter().map(span).collect()
    }

    /// Where a row is in memory; `None` if it is not.
    pub fn place(&self, row: u32) -> Option<usize> {
        let after = self.0.partition_point(|(range, _)| range.start <= row);
        let (range, at) = self.0.get(after.checked_sub(1)?)?;
        range.contains(&row).then(|| at + (row - range.start) as usize)
    }

    /// What to read of a file of so many rows; `None` if it has fewer.
    pub fn selection(&self, all: usize) -> Option<RowSelection> {
        if self.0.last().is_some_and(|(range, _)| range.end as usize > all) {
            return None;
        }
        let ranges = self.0.iter().map(|(range, _)| range.start as usize..range.end as usize);
        Some(RowSelection::from_consecutive_ranges(ranges, all))
    }
}

/// The rows that a selection selects.
pub fn selected(rows: &RowSelection) -> impl Iterator<Item = usize> {
    let mut at = 0;
    let ranges = rows.iter().filter_map(move |selector| {
        let range = at..at + selector.row_count;
        at = range.end;
        (!selector.skip).then_some(range)
    });
    ranges.flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_where_their_range_says() {
        let map = RowMap::of(vec![10..13, 2..4, 12..15, 4..4, 20..21]);
        assert_eq!(map.0, [(2..4, 0), (10..15, 2), (20..21, 7)]);
        assert_eq!(map.rows(), 8);
        let spans = |runs: &[(u32, u32)]| map.spans(&Runs(runs.to_vec()));
        assert_eq!(spans(&[(11, 3), (2, 2), (20, 1)]), Some(vec![3..6, 0..2, 7..8]));
        for outside in [(1, 1), (3, 2), (14, 2), (21, 1), (20, u32::MAX)] {
            assert_eq!(spans(&[(2, 1), outside]), None);
        }
    }

    #[test]
    fn ranges_that_touch_are_one() {
        assert_eq!(RowMap::of(vec![4..6, 2..4, 5..5]).0, [(2..6, 0)]);
        assert!(RowMap::of(vec![3..3, 9..9]).is_empty());
    }
}
