//! A list of positions that is matched with flat sources.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use parquet::arrow::ArrowWriter;

use crate::Failure;
use crate::flat::Object;

/// Positions in the list, at most.
const MOST: usize = 75_000;
/// Of so many positions one is of no object.
const ELSEWHERE: usize = 3;

/// The file of the list for an archive, which lies beside it. The peers know it by its name.
pub fn beside(archive: &Path) -> PathBuf {
    archive.with_file_name("positions.parquet")
}

/// Writes a list: two thirds are objects, seen a little beside their place, and the others lie a degree away from one.
pub fn write(file: &Path, objects: &[&Object]) -> Result<(), Failure> {
    let count = objects.len().min(MOST);
    let (mut ids, mut ras, mut decs) = (Vec::new(), Vec::new(), Vec::new());
    let chosen = (0..count).filter_map(|at| objects.get(at * objects.len() / count));
    for (at, object) in chosen.enumerate() {
        let away = if at % ELSEWHERE == 0 { 1.0 } else { 0.5 / 3_600.0 };
        ids.push(at as i64);
        ras.push(object.ra);
        decs.push(object.dec + away);
    }
    let columns: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(Int64Array::from(ids))),
        ("ra", Arc::new(Float64Array::from(ras))),
        ("dec", Arc::new(Float64Array::from(decs))),
    ];
    let batch = RecordBatch::try_from_iter(columns)?;
    let output = File::create(file).map_err(|e| Failure::at(file, e))?;
    let mut writer = ArrowWriter::try_new(output, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}
