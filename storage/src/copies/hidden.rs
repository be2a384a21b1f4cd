//! Rows of files that are not shown.

use std::sync::Arc;

use arrow::buffer::BooleanBuffer;
use parquet::arrow::arrow_reader::RowSelection;

use crate::log::DataFile;

/// By file, the rows that are hidden so far.
pub(super) struct Hidden(Vec<Option<Vec<bool>>>);

impl Hidden {
    /// None of so many files.
    pub(super) fn of(files: usize) -> Self {
        Self(vec![None; files])
    }

    /// Hides a row of a file.
    pub(super) fn hide(&mut self, file: usize, row: usize) {
        let Some(rows) = self.0.get_mut(file) else { return };
        let rows = rows.get_or_insert_with(Vec::new);
        if rows.len() <= row {
            rows.resize(row + 1, false);
        }
        rows[row] = true;
    }

    /// By file, the rows that are shown; `None` where all are.
    pub(super) fn shown(self, files: &[Arc<DataFile>]) -> Vec<Option<RowSelection>> {
        self.0.into_iter().zip(files).map(|(hidden, file)| hidden.map(|hidden| others(&hidden, file))).collect()
    }
}

fn others(hidden: &[bool], file: &DataFile) -> RowSelection {
    let rows = usize::try_from(file.rows).unwrap_or(usize::MAX);
    let shown = BooleanBuffer::collect_bool(rows, |row| hidden.get(row) != Some(&true));
    let ranges = shown.set_slices().map(|(from, to)| from..to);
    RowSelection::from_consecutive_ranges(ranges, rows)
}
