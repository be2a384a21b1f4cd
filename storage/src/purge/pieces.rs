//! Pieces of images that only packets are made of which go.
//!
//! Images are merged once, and packets of many groups point to them by their row. So the rows stay where they are; what
//! nobody needs any more stands empty.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::Int32Type;
use futures::TryStreamExt;
use noctuary_packet::apart::{Recipe, Runs};
use parquet::arrow::ProjectionMask;

use super::cutouts::named;
use crate::archive::Archive;
use crate::compact::{Output, pieces_at_a_time};
use crate::error::{Result, StorageError};
use crate::footers::batches;
use crate::log::DataFile;
use crate::paths;
use crate::snapshot::Snapshot;
use crate::tables::{PIECES, Table};

/// What has become of the files of pieces.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub add: Vec<DataFile>,
    pub remove: Vec<String>,
    /// Files of packets that are made of what has been written anew.
    pub others: Vec<Arc<DataFile>>,
}

/// Rows of pieces by their group.
type Rows = BTreeMap<String, BTreeSet<u32>>;
/// Of every row of some groups, whether some packet needs it.
type Used = BTreeMap<String, Vec<bool>>;

/// Writes the pieces anew that the packets in these rows of files were made of, without what no other packet needs.
/// Pieces that have not been merged are written anew with their packets, and not here.
///
/// # Errors
/// When a file cannot be read, or a new one not be put.
pub(super) async fn give_up(
    archive: &Archive,
    snapshot: &Snapshot,
    going: &BTreeMap<&str, BTreeSet<u32>>,
) -> Result<Given> {
    let packets = || snapshot.state.files.iter().filter(|file| file.table == Table::Packets);
    let mut gone = Rows::new();
    for file in packets().filter(|file| file.level > 0) {
        if let Some(rows) = going.get(file.path.as_str()) {
            let note = |group: &String, recipe: &Recipe| {
                gone.entry(group.clone()).or_default().extend(recipe.pieces().flat_map(Runs::rows));
            };
            uses(archive, file, |row| rows.contains(&row), note).await?;
        }
    }
    let mut used = Used::new();
    for group in gone.keys() {
        if let Some(file) = snapshot.of_group(group, Table::Cutouts).next() {
            used.insert(group.clone(), vec![false; usize::try_from(file.rows).unwrap_or_default()]);
        }
    }
    let mut given = Given::default();
    for file in packets() {
        if !named(file).iter().any(|group| used.contains_key(group)) {
            continue;
        }
        let rows = going.get(file.path.as_str());
        let note = |group: &String, recipe: &Recipe| {
            let Some(used) = used.get_mut(group) else { return };
            for row in recipe.pieces().flat_map(Runs::rows) {
                if let Some(used) = used.get_mut(row as usize) {
                    *used = true;
                }
            }
        };
        uses(archive, file, |row| rows.is_none_or(|rows| !rows.contains(&row)), note).await?;
        given.others.push(Arc::clone(file));
    }
    for (group, used) in used {
        let file = snapshot.of_group(&group, Table::Cutouts).next();
        let (Some(file), Some(rows)) = (file, gone.get(&group)) else { continue };
        if rows.iter().all(|row| used.get(*row as usize) == Some(&true)) {
            continue;
        }
        given.remove.push(file.path.clone());
        if used.contains(&true) {
            given.add.push(rewrite(archive, file, &used).await?);
        }
    }
    Ok(given)
}

/// Tells of each packet in some rows of a file that has images in which group their pieces are, and how it is made.
pub(super) async fn uses(
    archive: &Archive,
    file: &DataFile,
    wanted: impl Fn(u32) -> bool,
    mut note: impl FnMut(&String, &Recipe),
) -> Result<()> {
    let groups = named(file);
    let builder = archive.rows(file).await?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["_holes", PIECES]);
    let mut batches = batches(file, builder.with_projection(mask))?;
    let mut first = 0;
    while let Some(batch) = batches.try_next().await? {
        let damaged = || StorageError::damaged(format!("{}: no recipes", file.path));
        let holes = batch.column_by_name("_holes").and_then(|c| c.as_binary_opt::<i64>()).ok_or_else(damaged)?;
        let numbers = batch.column_by_name(PIECES).and_then(|c| c.as_primitive_opt::<Int32Type>());
        for at in (0..batch.num_rows()).filter(|at| holes.is_valid(*at)) {
            if !u32::try_from(first + at).is_ok_and(&wanted) {
                continue;
            }
            let number = numbers.filter(|numbers| numbers.is_valid(at)).map_or(0, |numbers| numbers.value(at));
            let Some(group) = usize::try_from(number).ok().and_then(|number| groups.get(number)) else { continue };
            let recipe = Recipe::decode(holes.value(at))?;
            if recipe.pieces().next().is_some() {
                note(group, &recipe);
            }
        }
        first += batch.num_rows();
    }
    Ok(())
}

/// The same pieces without those that nobody needs.
async fn rewrite(archive: &Archive, file: &DataFile, used: &[bool]) -> Result<DataFile> {
    let name = format!("{}-0000", paths::new_run());
    let path = paths::data(file.table, file.survey.as_deref(), &name, None).to_string();
    let target = DataFile { path, bytes: 0, rows: 0, commits: Some(file.span()), ..file.clone() };
    let mut batches = batches(file, archive.rows(file).await?.with_batch_size(pieces_at_a_time(file)))?;
    let mut output = Output::new(archive.store(), target);
    let mut first = 0;
    while let Some(batch) = batches.try_next().await? {
        let left = only(&batch, used.get(first..).unwrap_or_default())?;
        first += batch.num_rows();
        output.write(&left).await?;
    }
    let rewritten = output.end(file.stats.clone()).await?;
    rewritten.ok_or_else(|| StorageError::damaged(format!("{} has no rows", file.path)))
}

/// A batch with nothing but their kind in rows that are not used.
fn only(batch: &RecordBatch, used: &[bool]) -> Result<RecordBatch> {
    let is_used = |row: &u32| used.get(*row as usize) == Some(&true);
    let rows: UInt32Array = (0..batch.num_rows()).map(|row| u32::try_from(row).ok().filter(is_used)).collect();
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let left = columns.map(|(field, column)| match field.name().as_str() {
        "bytes" | "singles" | "doubles" => Ok::<ArrayRef, StorageError>(take(column, &rows, None)?),
        _ => Ok(Arc::clone(column)),
    });
    Ok(RecordBatch::try_new(Arc::clone(&schema), left.collect::<Result<_>>()?)?)
}
