//! Which rows of files are wanted, and where each stands.

use std::ops::Range;

use arrow::array::{Array, AsArray, Int64Array};
use arrow::datatypes::{Date32Type, Int32Type, Int64Type};
use futures::TryStreamExt;
use noctuary_packet::time::Night;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::page_index::column_index::ColumnIndexMetaData;

use super::{Place, Span};
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::DataFile;
use crate::snapshot::Snapshot;
use crate::tables::COMMIT;
use crate::visible::Commits;

/// A packet that is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub place: Place,
    /// The number of its file.
    pub file: u32,
    /// Of the file.
    pub row: u32,
    /// Length of the packet as transmitted.
    pub bytes: u64,
}

/// The rows of a file of alerts in a span that the snapshot shows, in the order of the file. Of places, if given, which
/// are in order, only those.
///
/// # Errors
/// When the file cannot be read, or is not what was put there.
pub(super) async fn rows(
    archive: &Archive,
    snapshot: &Snapshot,
    alerts: &DataFile,
    number: u32,
    span: Span,
    places: Option<&[Place]>,
) -> Result<Vec<Row>> {
    let builder = archive.rows(alerts).await?;
    let ranges = candidates(builder.metadata(), span);
    let columns = ["_night", "_visit", "_detector", "_seq", "_bytes", COMMIT];
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns);
    let all = usize::try_from(alerts.rows).unwrap_or(usize::MAX);
    let selection = RowSelection::from_consecutive_ranges(ranges.iter().cloned(), all);
    let mut batches = batches(alerts, builder.with_projection(mask).with_row_selection(selection))?;
    let mut numbers = ranges.into_iter().flatten();
    let mut found = Vec::new();
    while let Some(batch) = batches.try_next().await? {
        let damaged = |name: &str| StorageError::damaged(format!("{}: no column {name}", alerts.path));
        let column = |name: &str| batch.column_by_name(name).ok_or_else(|| damaged(name));
        let nights = column("_night")?.as_primitive_opt::<Date32Type>().ok_or_else(|| damaged("_night"))?;
        let visits = column("_visit")?.as_primitive_opt::<Int64Type>().ok_or_else(|| damaged("_visit"))?;
        let detectors = column("_detector")?.as_primitive_opt::<Int64Type>().ok_or_else(|| damaged("_detector"))?;
        let seqs = column("_seq")?.as_primitive_opt::<Int32Type>().ok_or_else(|| damaged("_seq"))?;
        let lengths = column("_bytes")?.as_primitive_opt::<Int64Type>().ok_or_else(|| damaged("_bytes"))?;
        let commits = Commits::of(&batch, alerts)?;
        let of = |values: &Int64Array, row: usize| values.is_valid(row).then(|| values.value(row));
        for (at, number_of_row) in (0..batch.num_rows()).zip(numbers.by_ref()) {
            if nights.is_null(at) {
                continue;
            }
            let place = Place {
                night: Night(nights.value(at)),
                visit: of(visits, at),
                detector: of(detectors, at),
                commit: commits.get(at),
                seq: seqs.value(at),
            };
            let wanted = places.is_none_or(|places| places.binary_search(&place).is_ok());
            if wanted && span.holds(place.visit()) && snapshot.visible().shows(place.commit) {
                let row = u32::try_from(number_of_row).map_err(|_| damaged("with fewer rows"))?;
                let bytes = of(lengths, at).and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
                found.push(Row { place, file: number, row, bytes });
            }
        }
    }
    Ok(found)
}

/// Rows that may be of a span, by what a file says of its pages.
fn candidates(footer: &ParquetMetaData, span: Span) -> Vec<Range<usize>> {
    let nights = i64::from(span.first.0.0)..=i64::from(span.last.0.0);
    let mut ranges = pages_with(footer, "_night", *nights.start(), *nights.end());
    if let ((night, Some(first)), (other, Some(last))) = (span.first, span.last)
        && night == other
    {
        ranges = both(&ranges, &pages_with(footer, "_visit", first, last));
    }
    ranges
}

/// Rows of pages that may hold values of a column from one to another.
fn pages_with(footer: &ParquetMetaData, column: &str, least: i64, greatest: i64) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut add = |range: Range<usize>| match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ if range.is_empty() => {}
        _ => ranges.push(range),
    };
    let mut start = 0;
    for (number, group) in footer.row_groups().iter().enumerate() {
        let end = start + usize::try_from(group.num_rows()).unwrap_or(0);
        let at = group.columns().iter().position(|c| c.column_path().parts() == [column]);
        let index = at.and_then(|at| {
            let values = footer.column_index()?.get(number)?.get(at)?;
            let pages = footer.offset_index()?.get(number)?.get(at)?.page_locations();
            Some((values, pages))
        });
        match index {
            Some((values, pages)) => {
                let first = |page: usize| pages.get(page).and_then(|p| usize::try_from(p.first_row_index).ok());
                for page in 0..pages.len() {
                    let to = first(page + 1).map_or(end, |row| start + row);
                    if may_hold(values, page, least, greatest) {
                        add(start + first(page).unwrap_or(0)..to);
                    }
                }
            }
            None => add(start..end),
        }
        start = end;
    }
    ranges
}

/// False if a page has no value between two.
fn may_hold(values: &ColumnIndexMetaData, page: usize, least: i64, greatest: i64) -> bool {
    let bounds = match values {
        ColumnIndexMetaData::INT32(index) => {
            index.min_value(page).zip(index.max_value(page)).map(|(a, b)| (i64::from(*a), i64::from(*b)))
        }
        ColumnIndexMetaData::INT64(index) => index.min_value(page).zip(index.max_value(page)).map(|(a, b)| (*a, *b)),
        _ => return true,
    };
    // A page of nothing but nulls has no bounds, and no value.
    bounds.map_or(!values.is_null_page(page), |(min, max)| min <= greatest && least <= max)
}

/// The rows that are in both.
fn both(a: &[Range<usize>], b: &[Range<usize>]) -> Vec<Range<usize>> {
    let (mut i, mut j) = (0, 0);
    let mut ranges = Vec::new();
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let common = x.start.max(y.start)..x.end.min(y.end);
        if !common.is_empty() {
            ranges.push(common);
        }
        if x.end < y.end {
            i += 1;
        } else {
            j += 1;
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_in_both_are_in_each() {
        let (a, b) = ([0..5, 8..12, 20..21], [3..9, 10..30]);
        assert_eq!(both(&a, &b), [3..5, 8..9, 10..12, 20..21]);
        assert!(both(&a, &[]).is_empty() && both(&[], &b).is_empty());
    }
}
