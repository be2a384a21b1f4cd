//! Which rows of files of records a question can want, by the objects and places that it names.
//!
//! Records lie in the order of the sky, and an index says of each file where its objects are. A question for some
//! objects or for a region reads the rows that these can be in and no others; what it asks is tested on them as always.

use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use futures::{StreamExt, TryStreamExt, stream};
use noctuary_packet::id::Id;
use noctuary_storage::Snapshot;
use noctuary_storage::index::{By, RowIndex, Rows};
use noctuary_storage::log::DataFile;
use parquet::arrow::arrow_reader::RowSelection;

use crate::conditions::{Condition, Key, Relation, Value};
use crate::copies;
use crate::reader::Readers;
use crate::regions::Extent;

/// Something that rows must be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wanted {
    /// Of one of these objects.
    Objects(By, Vec<Id>),
    /// In a region.
    Within(Arc<Extent>),
}

/// What the conditions of a question, all of which must hold, say of objects and places.
pub(crate) fn wanted(conditions: &[Condition]) -> Vec<Wanted> {
    let mut all = Vec::new();
    for condition in conditions {
        note(condition, &mut all);
    }
    all
}

fn note(condition: &Condition, all: &mut Vec<Wanted>) {
    match condition {
        Condition::And(a, b) => {
            note(a, all);
            note(b, all);
        }
        Condition::Within { extent, .. } => all.push(Wanted::Within(Arc::clone(extent))),
        other => {
            let mut ids = Vec::new();
            all.extend(either(other, &mut ids).map(|by| Wanted::Objects(by, ids)));
        }
    }
}

/// The objects of a condition, or of several of which one must hold, as which a list of values is often told; `None` if
/// one of them is about something else.
fn either(condition: &Condition, ids: &mut Vec<Id>) -> Option<By> {
    match condition {
        Condition::Or(a, b) => {
            let (a, b) = (either(a, ids)?, either(b, ids)?);
            (a == b).then_some(a)
        }
        Condition::OneOf { key: Key::Object, relation, values } => {
            ids.extend(values.iter().map(id).collect::<Option<Vec<Id>>>()?);
            by(*relation)
        }
        _ => None,
    }
}

fn by(relation: Relation) -> Option<By> {
    match relation {
        Relation::Same => Some(By::Alert),
        Relation::SameUnlessNull => Some(By::Record),
        Relation::Time(..) => None,
    }
}

fn id(value: &Value) -> Option<Id> {
    match value {
        Value::Int(number) => Some(Id::Number(*number)),
        Value::Text(text) => Some(Id::from(text.as_str())),
        Value::Float(_) => None,
    }
}

/// Which index tells where that is.
pub(crate) fn index(wanted: &[Wanted]) -> &'static str {
    let places = |one: &Wanted| matches!(one, Wanted::Within(_));
    match (wanted.iter().all(places), wanted.iter().any(places)) {
        (true, _) => "index of the sky",
        (_, false) => "index of objects",
        _ => "index of objects and of the sky",
    }
}

/// Indices that are read at a time.
const AT_A_TIME: usize = 8;

/// Of so few files one is likely to be read whatever their indices say.
const FEW: usize = 4;

/// By file the rows that can be what is wanted.
///
/// # Errors
/// When an index is not there, and its file cannot be read.
pub(crate) async fn rows(
    readers: &Readers,
    snapshot: &Snapshot,
    files: &[Arc<DataFile>],
    wanted: &[Wanted],
) -> Result<Vec<Rows>> {
    let mut each = Vec::with_capacity(files.len());
    for (number, file) in files.iter().enumerate() {
        let file = Arc::clone(file);
        each.push(async move {
            let index = readers.archive().row_index(snapshot, &file);
            // A footer takes as long to come as an index, and does not wait for it.
            let footer = async {
                if files.len() <= FEW {
                    readers.prepare(&file).await;
                }
            };
            let (index, ()) = futures::join!(index, footer);
            let index = index.map_err(|e| DataFusionError::External(Box::new(e)))?;
            Ok::<_, DataFusionError>((number, of_file(index.as_deref(), &file, wanted)))
        });
    }
    let mut all = vec![Rows::new(); files.len()];
    let mut found = stream::iter(each).buffer_unordered(AT_A_TIME);
    while let Some((number, rows)) = found.try_next().await? {
        if let Some(of_file) = all.get_mut(number) {
            *of_file = rows;
        }
    }
    Ok(all)
}

fn of_file(index: Option<&RowIndex>, file: &DataFile, wanted: &[Wanted]) -> Rows {
    let mut rows: Rows = std::iter::once(all(file)).collect();
    let Some(index) = index else { return rows };
    for one in wanted {
        let own = match one {
            Wanted::Objects(by, ids) => index.of_objects(*by, ids.iter()),
            Wanted::Within(extent) => index.within(extent.cover()),
        };
        if let Some(own) = own {
            rows = both(&rows, &own);
        }
    }
    rows
}

/// All rows of a file.
fn all(file: &DataFile) -> std::ops::Range<u32> {
    0..u32::try_from(file.rows).unwrap_or(u32::MAX)
}

/// Rows that are in both.
fn both(a: &Rows, b: &Rows) -> Rows {
    let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
    let mut rows = Rows::new();
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        let range = one.start.max(other.start)..one.end.min(other.end);
        let left_ends = one.end <= other.end;
        if !range.is_empty() {
            rows.push(range);
        }
        if left_ends {
            left.next();
        } else {
            right.next();
        }
    }
    rows
}

/// What of files is read: rows that are asked for, of those that are shown; `None` for all.
pub(crate) fn selections(files: &[(usize, &Arc<DataFile>)], asked: &[Rows], shown: &copies::Rows) -> copies::Rows {
    let mut selections: Vec<Option<RowSelection>> = vec![None; asked.len()];
    for (number, file) in files {
        let shown = shown.get(*number).and_then(Option::as_ref);
        if let (Some(selection), Some(asked)) = (selections.get_mut(*number), asked.get(*number)) {
            *selection = self::selection(file, asked, shown);
        }
    }
    selections.into()
}

fn selection(file: &DataFile, asked: &Rows, shown: Option<&RowSelection>) -> Option<RowSelection> {
    if asked.as_slice() == std::slice::from_ref(&all(file)) {
        return shown.cloned();
    }
    let ranges = asked.iter().map(|rows| rows.start as usize..rows.end as usize);
    let asked = RowSelection::from_consecutive_ranges(ranges, usize::try_from(file.rows).unwrap_or(usize::MAX));
    Some(match shown {
        Some(shown) => asked.intersection(shown),
        None => asked,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn rows_of_both_are_those_of_either(a in proptest::collection::vec(proptest::bool::ANY, 0..60),
                                            b in proptest::collection::vec(proptest::bool::ANY, 0..60)) {
            let ranges = |bits: &[bool]| {
                let mut rows = Rows::new();
                for (at, bit) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
                    let (at, _) = (at as u32, bit);
                    match rows.last_mut() {
                        Some(last) if last.end == at => last.end += 1,
                        _ => rows.push(at..at + 1),
                    }
                }
                rows
            };
            let common = both(&ranges(&a), &ranges(&b));
            let seen: Vec<u32> = common.into_iter().flatten().collect();
            let wanted: Vec<u32> = (0..60).filter(|at| a.get(*at as usize) == Some(&true) && b.get(*at as usize) == Some(&true)).collect();
            proptest::prop_assert_eq!(seen, wanted);
        }
    }
}
