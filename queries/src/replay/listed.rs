//! Which packets are wanted, place by place.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int32Type, Int64Type};
use noctuary_engine::{EngineError, Session};
use noctuary_packet::id::Id;
use noctuary_packet::time::Night;
use noctuary_storage::StorageError;
use noctuary_storage::night::{Place, Span, Visit};

use super::select::{ORDER, Selection, rows};

/// A packet that is wanted.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub place: Place,
    pub mjd_tai: f64,
    pub bytes: u64,
    pub alert: Option<Id>,
    pub revision: i32,
}

/// The packets of visits that are wanted, in order, those up to a place left out; and when each visit begins, those
/// counted in.
pub(super) async fn listed(
    session: &Session,
    selection: &Selection,
    span: Span,
    after: Option<Place>,
) -> Result<(Vec<Listed>, HashMap<Visit, f64>), EngineError> {
    let sql = format!(
        "SELECT _night, _visit, _detector, _commit, _seq, _mjd_tai, _bytes, _alert, _revision {} ORDER BY {ORDER}",
        selection.from(Some(span))
    );
    let mut found = Vec::new();
    let mut begins: HashMap<Visit, f64> = HashMap::new();
    for batch in rows(session, &sql).await? {
        let places = places(&batch)?;
        let times = batch.column(5).as_primitive::<Float64Type>();
        let lengths = batch.column(6).as_primitive::<Int64Type>();
        let revisions = batch.column(8).as_primitive::<Int32Type>();
        let numbers = batch.column(7).as_primitive_opt::<Int64Type>();
        let texts = batch.column(7).as_string_opt::<i32>();
        for (row, place) in places.into_iter().enumerate() {
            let number = numbers.filter(|ids| ids.is_valid(row)).map(|ids| Id::Number(ids.value(row)));
            let text = || texts.filter(|ids| ids.is_valid(row)).map(|ids| Id::from(ids.value(row)));
            let mjd_tai = times.value(row);
            let known = begins.entry(place.visit()).or_insert(mjd_tai);
            *known = known.min(mjd_tai);
            if after.is_some_and(|after| place <= after) {
                continue;
            }
            let bytes = lengths.value(row).unsigned_abs();
            found.push(Listed { place, mjd_tai, bytes, alert: number.or_else(text), revision: revisions.value(row) });
        }
    }
    Ok((found, begins))
}

/// Where the rows of a batch stand, which has the columns of a place.
///
/// # Errors
/// When it has not.
pub(super) fn places(batch: &RecordBatch) -> Result<Vec<Place>, EngineError> {
    let lacks = |name: &str| EngineError::from(StorageError::internal(format!("rows without {name}")));
    let column = |name: &str| batch.column_by_name(name).ok_or_else(|| lacks(name));
    let nights = column("_night")?.as_primitive_opt::<Date32Type>().ok_or_else(|| lacks("_night"))?;
    let visits = column("_visit")?.as_primitive_opt::<Int64Type>().ok_or_else(|| lacks("_visit"))?;
    let detectors = column("_detector")?.as_primitive_opt::<Int64Type>().ok_or_else(|| lacks("_detector"))?;
    let commits = column("_commit")?.as_primitive_opt::<Int64Type>().ok_or_else(|| lacks("_commit"))?;
    let seqs = column("_seq")?.as_primitive_opt::<Int32Type>().ok_or_else(|| lacks("_seq"))?;
    let of = |values: &Int64Array, row: usize| values.is_valid(row).then(|| values.value(row));
    let place = |row: usize| Place {
        night: Night(nights.value(row)),
        visit: of(visits, row),
        detector: of(detectors, row),
        commit: commits.value(row).unsigned_abs(),
        seq: seqs.value(row),
    };
    Ok((0..batch.num_rows()).map(place).collect())
}
