//! Which commits a version shows.
//!
//! A file that holds the rows of several commits, each marked with its own, may hold more than a version shows: what
//! was committed later, if the version is read from files that were merged after it, and what a rollback has undone.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::TryStreamExt;
use parquet::arrow::ProjectionMask;

use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::DataFile;
use crate::tables::{COMMIT, RIGHTS};

/// The commits that are seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Visible {
    /// Up to this one.
    upto: u64,
    /// Without these.
    undone: Vec<(u64, u64)>,
}

/// How much of a file is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Every row.
    All,
    /// Rows of some commits, if any.
    Some,
    /// No row.
    None,
}

impl Visible {
    /// What a version shows after these ranges have been undone.
    pub(crate) fn new(upto: u64, undone: Vec<(u64, u64)>) -> Self {
        Self { upto, undone }
    }

    /// True if the rows of a commit are seen.
    #[must_use]
    pub fn shows(&self, commit: u64) -> bool {
        commit <= self.upto && !self.undone.iter().any(|(from, to)| (*from..=*to).contains(&commit))
    }

    /// How much of a file is seen, by what the log says of it.
    #[must_use]
    pub fn of(&self, file: &DataFile) -> Shown {
        let (first, last) = file.span();
        let hidden = |(from, to): &(u64, u64)| *from <= first && last <= *to;
        let touched = |(from, to): &(u64, u64)| *from <= last && first <= *to;
        if first > self.upto || self.undone.iter().any(hidden) {
            Shown::None
        } else if last <= self.upto && !self.undone.iter().any(touched) {
            Shown::All
        } else {
            Shown::Some
        }
    }

    /// The commits between the first and last of a file that are seen, as ranges in order.
    #[must_use]
    pub fn ranges(&self, file: &DataFile) -> Vec<RangeInclusive<u64>> {
        let (first, last) = file.span();
        let mut from = first;
        let mut seen = Vec::new();
        let mut undone = self.undone.clone();
        undone.sort_unstable();
        for (hidden, to) in undone {
            if hidden > from {
                seen.push(from..=(hidden - 1).min(last).min(self.upto));
            }
            from = from.max(to + 1);
        }
        seen.push(from..=last.min(self.upto));
        seen.retain(|range| range.start() <= range.end());
        seen
    }
}

/// The rows of a file that are seen, by their labels of rights; of a table without labels by one that is empty.
pub(crate) async fn shown_rows(
    archive: &Archive,
    file: &DataFile,
    visible: &Visible,
) -> Result<Arc<BTreeMap<String, u64>>> {
    let builder = archive.rows(file).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [RIGHTS, COMMIT]);
    let mut batches = batches(file, builder.with_projection(mask))?;
    let mut shown: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(batch) = batches.try_next().await? {
        let commits = Commits::of(&batch, file)?;
        let labels = batch.column_by_name(RIGHTS).and_then(|c| c.as_string_opt::<i32>());
        for row in (0..batch.num_rows()).filter(|row| visible.shows(commits.get(*row))) {
            *shown.entry(labels.map_or("", |labels| labels.value(row)).to_owned()).or_default() += 1;
        }
    }
    Ok(Arc::new(shown))
}

/// Which commit brought each row of a batch.
#[derive(Debug, Clone)]
pub(crate) enum Commits {
    /// The same one brought all.
    One(u64),
    /// The rows say.
    Each(Int64Array),
}

impl Commits {
    /// Of a batch of a file, read with the column if the file has it.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Damaged`] if the rows were to say it and do not.
    pub fn of(batch: &RecordBatch, file: &DataFile) -> Result<Self> {
        if file.commits.is_none() {
            return Ok(Self::One(file.commit));
        }
        let column = batch.column_by_name(COMMIT).and_then(|c| c.as_primitive_opt::<Int64Type>());
        let column = column.filter(|c| c.null_count() == 0);
        let column = column.ok_or_else(|| StorageError::damaged(format!("{}: no column {COMMIT}", file.path)))?;
        Ok(Self::Each(column.clone()))
    }

    /// Of one row.
    pub fn get(&self, row: usize) -> u64 {
        match self {
            Self::One(commit) => *commit,
            Self::Each(commits) => u64::try_from(commits.value(row)).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::FileStats;
    use crate::tables::Table;

    fn file(commits: Option<(u64, u64)>, commit: u64) -> DataFile {
        let (bytes, _) = crate::files::file(Table::Alerts, None, "g", None, 1, FileStats::default(), Vec::new());
        DataFile { commits, commit, ..bytes }
    }

    #[test]
    fn what_is_seen_of_a_file_is_what_is_seen_of_its_commits() {
        for undone in [vec![], vec![(3, 4)], vec![(6, 7), (2, 3)], vec![(1, 9)]] {
            for upto in 0..9 {
                let visible = Visible::new(upto, undone.clone());
                for first in 0..9 {
                    for last in first..9 {
                        let merged = file(Some((first, last)), 10);
                        let seen: Vec<u64> = (first..=last).filter(|c| visible.shows(*c)).collect();
                        let wanted = match seen.len() {
                            0 => Shown::None,
                            n if n as u64 == last - first + 1 => Shown::All,
                            _ => Shown::Some,
                        };
                        let of = visible.of(&merged);
                        // Two ranges may hide together what neither hides alone.
                        assert!(of == wanted || (of == Shown::Some && wanted == Shown::None), "{visible:?} {merged:?}");
                        assert_eq!(visible.ranges(&merged).into_iter().flatten().collect::<Vec<_>>(), seen);
                    }
                }
                let plain = file(None, 5);
                assert_eq!(visible.of(&plain) == Shown::All, visible.shows(5));
            }
        }
    }
}
