//! Which packets are wanted, place by place.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int32Type, Int64Type};
use noctuary_engine::{EngineError, Session};
use noctuary_packet::id::Id;
use noctuary_packet::time::Night;
use noctuary_storage::StorageError;
use noctuary_storage::night::{Place, Span, Visit};

use super::select::{Selection, rows};

/// A packet that is wanted.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub place: Place,
    pub mjd_tai: f64,
    pub bytes: u64,
    pub alert: Option<Id>,
    pub revision: i32,
}

/// When visits begin, MJD TAI.
pub(super) type Begins = HashMap<Visit, f64>;

/// The packets of visits that are wanted, in order, those up to a place left out; and when each visit begins, those
/// counted in.
pub(super) async fn listed(
    session: &Session,
    selection: &Selection,
    span: Span,
    after: Option<Place>,
) -> Result<(Vec<Listed>, Begins), EngineError> {
    let mut found = Vec::new();
    let mut begins = Begins::new();
    for wanted in with_places(session, selection, span, &["_mjd_tai", "_bytes", "_alert", "_revision"]).await? {
        let (places, batch) = wanted?;
        let times = batch.column(5).as_primitive::<Float64Type>();
        let lengths = batch.column(6).as_primitive::<Int64Type>();
        let revisions = batch.column(8).as_primitive::<Int32Type>();
        let numbers = batch.column(7).as_primitive_opt::<Int64Type>();
        let texts = batch.column(7).as_string_opt::<i32>();
        note(&mut begins, &places, times);
        for (row, place) in places.into_iter().enumerate().filter(|(_, place)| after.is_none_or(|after| *place > after))
        {
            let number = numbers.filter(|ids| ids.is_valid(row)).map(|ids| Id::Number(ids.value(row)));
            let text = || texts.filter(|ids| ids.is_valid(row)).map(|ids| Id::from(ids.value(row)));
            let bytes = lengths.value(row).unsigned_abs();
            let (mjd_tai, revision) = (times.value(row), revisions.value(row));
            found.push(Listed { place, mjd_tai, bytes, alert: number.or_else(text), revision });
        }
    }
    // Files are in this order for the most part, and then it is a look.
    found.sort_unstable_by_key(|packet| packet.place);
    Ok((found, begins))
}

/// Their places alone, and when visits begin if that is to be known.
pub(super) async fn listed_places(
    session: &Session,
    selection: &Selection,
    span: Span,
    after: Option<Place>,
    timed: bool,
) -> Result<(Vec<Place>, Begins), EngineError> {
    let time: &[&str] = if timed { &["_mjd_tai"] } else { &[] };
    let mut found = Vec::new();
    let mut begins = Begins::new();
    for wanted in with_places(session, selection, span, time).await? {
        let (places, batch) = wanted?;
        if timed {
            note(&mut begins, &places, batch.column(5).as_primitive::<Float64Type>());
        }
        found.extend(places.into_iter().filter(|place| after.is_none_or(|after| *place > after)));
    }
    found.sort_unstable();
    Ok((found, begins))
}

/// The columns of a place.
pub(super) const PLACE: [&str; 5] = ["_night", "_visit", "_detector", "_commit", "_seq"];

/// The places of what is wanted in some visits, and behind the columns of places some more, batch by batch.
async fn with_places(
    session: &Session,
    selection: &Selection,
    span: Span,
    more: &[&str],
) -> Result<impl Iterator<Item = Result<(Vec<Place>, RecordBatch), EngineError>>, EngineError> {
    let columns = [&PLACE, more].concat().join(", ");
    let batches = rows(session, &format!("SELECT {columns} {}", selection.from(Some(span)))).await?;
    Ok(batches.into_iter().map(|batch| Ok((places(&batch)?, batch))))
}

fn note(begins: &mut Begins, places: &[Place], times: &Float64Array) {
    for (place, time) in places.iter().zip(times.values()) {
        let known = begins.entry(place.visit()).or_insert(*time);
        *known = known.min(*time);
    }
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
