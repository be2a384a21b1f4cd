//! Which parts the packets of a tile are made of, where a merge makes several tiles.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int32Type;
use noctuary_packet::apart::{Fill, Recipe, RecordKind, Runs};
use noctuary_packet::schema::Schema;

use super::input::{Input, Row};
use super::merge::each;
use crate::archive::Archive;
use crate::error::{Result, StorageError};
use crate::log::DataFile;
use crate::tables::runs_column;

/// By input, whether a row is needed.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub history: Vec<Vec<bool>>,
    pub forced: Vec<Vec<bool>>,
    pub pieces: Vec<Vec<bool>>,
}

/// What these packets need of their inputs.
///
/// # Errors
/// When a file cannot be read, or says what cannot be.
pub(super) async fn of(archive: &Archive, inputs: &[Input], schema: &Schema, rows: &[Row]) -> Result<Needs> {
    let none = |file: Option<&Arc<DataFile>>| vec![false; file.map_or(0, |f| usize::try_from(f.rows).unwrap_or(0))];
    let mut needs = Needs::default();
    for (number, input) in inputs.iter().enumerate() {
        let mut history = none(input.list(schema, RecordKind::History));
        let mut forced = none(input.list(schema, RecordKind::Forced));
        let mut pieces = none(input.pieces.as_ref());
        let mut wanted = vec![false; usize::try_from(input.packets.rows).unwrap_or(0)];
        let mut any = false;
        for row in rows.iter().filter(|row| row.input as usize == number) {
            if let Some(wanted) = wanted.get_mut(row.row as usize) {
                *wanted = true;
                any = true;
            }
        }
        if any {
            let mut first = 0;
            each(archive, &input.packets, &["_holes"], |batch| {
                let missing = || StorageError::damaged(format!("{}: no recipes", input.packets.path));
                let holes = batch.column(0).as_binary_opt::<i64>().ok_or_else(missing)?;
                let holes =
                    (0..holes.len()).filter(|at| wanted[first + at] && holes.is_valid(*at)).map(|at| holes.value(at));
                for recipe in holes {
                    for hole in Recipe::decode(recipe)?.holes {
                        match hole.fill {
                            Fill::Records { kind: RecordKind::History, rows } => note(&mut history, &rows),
                            Fill::Records { kind: RecordKind::Forced, rows } => note(&mut forced, &rows),
                            Fill::Image { pieces: rows, .. } => note(&mut pieces, &rows),
                        }
                    }
                }
                first += batch.num_rows();
                Ok(())
            })
            .await?;
            for (kind, needed) in [(RecordKind::History, &mut history), (RecordKind::Forced, &mut forced)] {
                let mut first = 0;
                each(archive, &input.alerts, &[runs_column(kind)], |batch| {
                    let Some(lists) = batch.columns().first().and_then(|c| c.as_list_opt::<i32>()) else {
                        return Ok(());
                    };
                    for at in (0..lists.len()).filter(|at| wanted[first + at] && lists.is_valid(*at)) {
                        let numbers = lists.value(at);
                        let numbers = numbers.as_primitive_opt::<Int32Type>().map(|n| n.values().to_vec());
                        let pairs = numbers.unwrap_or_default();
                        let pairs = pairs.as_chunks::<2>().0.iter().map(|[a, b]| (a.unsigned_abs(), b.unsigned_abs()));
                        note(needed, &Runs(pairs.collect()));
                    }
                    first += batch.num_rows();
                    Ok(())
                })
                .await?;
            }
        }
        needs.history.push(history);
        needs.forced.push(forced);
        needs.pieces.push(pieces);
    }
    Ok(needs)
}

/// Rows that are not there are found out when they are followed.
fn note(needed: &mut [bool], rows: &Runs) {
    for (first, count) in &rows.0 {
        let to = needed.len().min(first.saturating_add(*count) as usize);
        if let Some(needed) = needed.get_mut(*first as usize..to) {
            needed.fill(true);
        }
    }
}
