//! Which rows of a file of records the lists of alerts are made of.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::Int32Type;
use parquet::arrow::arrow_reader::RowSelection;

/// One list per alert: none, or runs of rows, each told by its first row and its length.
#[derive(Debug)]
pub(crate) struct Runs {
    offsets: OffsetBuffer<i32>,
    numbers: PrimitiveArray<Int32Type>,
    nulls: Option<NullBuffer>,
}

impl Runs {
    /// Reads a column; `None` if it is not one of runs within a file of so many rows.
    pub(crate) fn of(column: &ArrayRef, rows: u64) -> Option<Self> {
        let lists = column.as_list_opt::<i32>()?;
        let numbers = lists.values().as_primitive_opt::<Int32Type>()?.clone();
        let runs = Self { offsets: lists.offsets().clone(), numbers, nulls: lists.nulls().cloned() };
        let sound = |alert: usize| {
            let numbers = runs.numbers(alert);
            let within = |run: &[i32]| {
                let [first, length] = run else { return false };
                let (Ok(first), Ok(length)) = (u64::try_from(*first), u64::try_from(*length)) else { return false };
                first + length <= rows
            };
            numbers.chunks(2).all(within)
        };
        (runs.numbers.null_count() == 0 && (0..lists.len()).all(sound)).then_some(runs)
    }

    /// Lists.
    pub(crate) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Lists of some alerts that are there; `None` if all are.
    pub(crate) fn nulls(&self, alerts: &Range<usize>) -> Option<NullBuffer> {
        self.nulls.as_ref().map(|nulls| nulls.slice(alerts.start, alerts.len()))
    }

    /// The rows of an alert's list, in its order.
    pub(crate) fn rows(&self, alert: usize) -> impl Iterator<Item = Range<usize>> {
        let places = |run: &[i32]| match run {
            [first, length] => {
                // Both were found to be within the file.
                let first = usize::try_from(*first).unwrap_or_default();
                first..first + usize::try_from(*length).unwrap_or_default()
            }
            _ => 0..0,
        };
        self.numbers(alert).chunks(2).map(places)
    }

    /// The length of an alert's list.
    pub(crate) fn length(&self, alert: usize) -> usize {
        self.rows(alert).map(|run| run.len()).sum()
    }

    fn numbers(&self, alert: usize) -> &[i32] {
        let is_null = self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(alert));
        let at = |offset: i32| usize::try_from(offset).unwrap_or_default();
        match self.offsets.get(alert..alert + 2) {
            Some([from, to]) if !is_null => self.numbers.values().get(at(*from)..at(*to)).unwrap_or_default(),
            _ => &[],
        }
    }
}

/// Skipping so few rows costs more than reading them.
const GAP: usize = 16;

/// Rows of a file, each once and in the order of the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Ranges that do not touch, each with the place of its first row among all that are read.
    ranges: Vec<(Range<usize>, usize)>,
    count: usize,
}

impl Rows {
    /// The rows of these runs and what lies close between them, which is never more than these; all rows of the file if
    /// they are most.
    pub(crate) fn of(mut runs: Vec<Range<usize>>, all: usize) -> Self {
        runs.retain(|run| !run.is_empty());
        runs.sort_unstable_by_key(|run| run.start);
        let mut merged: Vec<Range<usize>> = Vec::new();
        for run in runs {
            match merged.last_mut() {
                Some(last) if run.start <= last.end + GAP.min(run.len()) => last.end = last.end.max(run.end),
                _ => merged.push(run),
            }
        }
        let count: usize = merged.iter().map(Range::len).sum();
        if count >= all - all / 4 {
            merged = std::iter::once(0..all).collect();
        }
        let mut count = 0;
        let ranges = merged.into_iter().map(|range| {
            let first = count;
            count += range.len();
            (range, first)
        });
        Self { ranges: ranges.collect(), count }
    }

    /// How many.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// The place of a row of the file among those that are read.
    pub(crate) fn place(&self, row: usize) -> Option<usize> {
        let at = self.ranges.partition_point(|(range, _)| range.end <= row);
        let (range, first) = self.ranges.get(at)?;
        range.contains(&row).then(|| first + row - range.start)
    }

    /// What to read of a file of so many rows; `None` for all of it.
    pub(crate) fn selection(&self, all: usize) -> Option<RowSelection> {
        let ranges = || self.ranges.iter().map(|(range, _)| range.clone());
        (self.count < all).then(|| RowSelection::from_consecutive_ranges(ranges(), all))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::ListArray;

    use super::*;

    fn column(lists: Vec<Option<Vec<i32>>>) -> ArrayRef {
        let lists = lists.into_iter().map(|list| list.map(|l| l.into_iter().map(Some).collect::<Vec<_>>()));
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))
    }

    #[test]
    fn lists_are_read_as_they_were_written() {
        let all = column(vec![Some(vec![7, 1]), None, Some(vec![]), Some(vec![2, 3, 0, 1])]);
        for from in 0..=4 {
            let runs = Runs::of(&all.slice(from, 4 - from), 8).unwrap();
            let shown: Vec<(Vec<Range<usize>>, usize)> =
                (0..runs.len()).map(|at| (runs.rows(at).collect(), runs.length(at))).collect();
            let one = std::iter::once(7..8).collect();
            let whole = [(one, 1), (vec![], 0), (vec![], 0), (vec![2..5, 0..1], 4)];
            assert_eq!(shown, whole[from..]);
        }
        let runs = Runs::of(&all, 8).unwrap();
        assert!(runs.nulls(&(1..3)).is_some_and(|n| n.is_null(0) && n.is_valid(1)));
    }

    #[test]
    fn runs_that_point_nowhere_are_found_out() {
        for bad in [vec![7, 2], vec![-1, 1], vec![0, -1], vec![1], vec![8, 1], vec![i32::MAX, i32::MAX]] {
            assert!(Runs::of(&column(vec![Some(bad.clone())]), 8).is_none(), "{bad:?}");
        }
        let other: ArrayRef = Arc::new(arrow::array::Int32Array::from(vec![1]));
        assert!(Runs::of(&other, 8).is_none());
    }

    #[test]
    fn rows_are_read_once_and_found_again() {
        let far = 10 * GAP;
        let rows = Rows::of(vec![far..far + 2, 0..1, 5..5, 0..3, far + 1..far + 4], 1_000);
        assert_eq!(rows.count(), 7);
        for (row, place) in [(0, Some(0)), (2, Some(2)), (3, None), (far, Some(3)), (far + 3, Some(6))] {
            assert_eq!(rows.place(row), place, "{row}");
        }
        assert_eq!(rows.place(999), None);
        assert_eq!(rows.selection(1_000).unwrap().row_count(), 7);
        // What lies close between is read with them, if it is not more than they are.
        assert_eq!(Rows::of(vec![0..1, 5..20], 1_000).count(), 20);
        assert_eq!(Rows::of(vec![0..1, 5..6], 1_000).count(), 2);
        let most = Rows::of(vec![0..400, 400..800], 1_000);
        assert_eq!((most.count(), most.selection(1_000)), (1_000, None));
        assert_eq!(Rows::of(Vec::new(), 0).count(), 0);
    }
}
