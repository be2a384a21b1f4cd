//! Alerts and triggers as columns.
//!
//! Places are listed first. Rows are then asked for in windows, by SQL, and put in order: files are read with as many
//! threads as there are windows at a time, and what lies in which file is no matter.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, LargeBinaryBuilder, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{concat_batches, is_null, nullif, take_record_batch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use noctuary_engine::{EngineError, Session};
use noctuary_packet::Columns;
use noctuary_packet::cutout::cutouts;
use noctuary_packet::survey::Survey;
use noctuary_storage::night::{Contents, Place, Span, Wanted, read};
use noctuary_storage::{Archive, ErrorKind, StorageError};

use super::Piece;
use super::listed::{Begins, PLACE, listed_places, places};
use super::request::{Request, Shape};
use super::select::{Selection, columns, quoted, table};
use super::tasks::Task;
use crate::size;

/// Places that rows are asked for at a time: alerts carry histories, triggers do not.
const ALERTS: usize = 512;
const TRIGGERS: usize = 32_768;
/// Alerts whose images are held in memory at a time.
const WITH_IMAGES: usize = 64;
/// Rows are given in pieces of about so many bytes, of which some wait for whoever takes them.
const PIECE_BYTES: usize = 2 << 20;
/// Parts of a chunk that are read while earlier ones are sent.
const AHEAD: usize = 2;

/// Columns of a trigger's alert that are given with it.
const OF_TRIGGERS: [&str; 12] = [
    "_alert",
    "_object",
    "_revision",
    "_night",
    "_visit",
    "_detector",
    "_seq",
    "_commit",
    "_mjd_tai",
    "_ra",
    "_dec",
    "_rights",
];

/// Which columns are read, and what becomes of them.
#[derive(Debug, Clone)]
pub(super) struct Form {
    /// What stands between `SELECT` and `FROM`.
    list: String,
    /// The columns that are given.
    schema: SchemaRef,
    /// A record whose fields are given instead of it.
    flat: Option<String>,
    /// The survey, if images are given.
    images: Option<Arc<Survey>>,
    at_a_time: usize,
}

impl Form {
    /// Of one survey.
    ///
    /// # Errors
    /// When a field is not there.
    pub async fn new(session: &Session, survey: &str, request: &Request) -> Result<Self, EngineError> {
        let mapping = session.snapshot().survey(survey).cloned();
        let mapping =
            mapping.ok_or_else(|| EngineError::from(StorageError::internal(format!("no survey {survey}"))))?;
        let all = columns(session, survey)?;
        match request.shape {
            Shape::Sources => Self::triggers(session, &mapping, &all, &request.fields).await,
            _ => Self::alerts(&mapping, &all, request),
        }
    }

    fn alerts(survey: &Arc<Survey>, all: &Schema, request: &Request) -> Result<Self, EngineError> {
        let without = |paths: &[String], kept: bool| -> Vec<String> {
            if kept { Vec::new() } else { paths.iter().map(|path| Columns::path(path).into_owned()).collect() }
        };
        let mut left_out = without(&survey.records.history, request.history);
        left_out.extend(without(&survey.records.forced, request.forced));
        let wanted = chosen(&request.fields, all.fields().iter().map(|f| f.name().as_str()), "column", &survey.name)?;
        let kept = |name: &str| match &wanted {
            Some(wanted) => wanted.contains(name) || PLACE.contains(&name),
            None => !left_out.iter().any(|column| column == name),
        };
        let mut fields: Vec<FieldRef> = all.fields().iter().filter(|field| kept(field.name())).cloned().collect();
        let list = listed_as(&fields);
        let images = request.cutouts.then(|| Arc::clone(survey));
        fields.extend(images.iter().flat_map(|survey| image_fields(survey)));
        Ok(Self { list, schema: Arc::new(Schema::new(fields)), flat: None, images, at_a_time: ALERTS })
    }

    async fn triggers(
        session: &Session,
        survey: &Arc<Survey>,
        all: &Schema,
        fields: &[String],
    ) -> Result<Self, EngineError> {
        let columns: Vec<_> = survey.records.trigger.iter().map(|path| Columns::path(path)).collect();
        let trigger = all.fields().iter().find_map(|field| match field.data_type() {
            DataType::Struct(own) if columns.iter().any(|c| *c == *field.name()) => Some((field.name(), own)),
            _ => None,
        });
        let Some((record, own)) = trigger else {
            return Err(EngineError::invalid(format!(
                "the mapping of {} does not say which record is the trigger (records.trigger)",
                survey.name
            )));
        };
        let wanted = chosen(fields, own.iter().map(|f| f.name().as_str()), "field of the trigger", &survey.name)?;
        let keys = || OF_TRIGGERS.iter().filter_map(|name| all.fields().find(name)).map(|(_, field)| Arc::clone(field));
        let (list, read, flat) = match &wanted {
            None => {
                let of_record = all.fields().iter().filter(|field| field.name() == record).cloned();
                let read: Vec<FieldRef> = keys().chain(of_record).collect();
                (listed_as(&read), read, Some(record.clone()))
            }
            Some(wanted) => {
                let field = |name: &&str| format!("{}.{} AS {}", quoted(record), quoted(name), quoted(name));
                let names = own.iter().map(|f| f.name().as_str()).filter(|name| wanted.contains(*name));
                let own: Vec<String> = names.map(|name| field(&name)).collect();
                let list = format!("{}, {}", listed_as(&keys().collect::<Vec<_>>()), own.join(", "));
                let read = session.plan(&format!("SELECT {list} FROM {}", table(&survey.name))).await?.schema();
                (list, read.fields().iter().cloned().collect(), None)
            }
        };
        let mut fields: Vec<FieldRef> = Vec::new();
        for field in read {
            match field.data_type() {
                DataType::Struct(own) if flat.as_deref() == Some(field.name().as_str()) => {
                    let nullable = |own: &FieldRef| Arc::new(own.as_ref().clone().with_nullable(true));
                    fields.extend(own.iter().map(nullable));
                }
                _ => fields.push(field),
            }
        }
        Ok(Self { list, schema: Arc::new(Schema::new(fields)), flat, images: None, at_a_time: TRIGGERS })
    }

    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows as they were read, as they are given.
    fn shape(&self, batch: &RecordBatch) -> Result<RecordBatch, EngineError> {
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
            let record = column.as_struct_opt().filter(|_| self.flat.as_deref() == Some(field.name().as_str()));
            match record {
                Some(record) if record.null_count() == 0 => columns.extend(record.columns().iter().cloned()),
                Some(record) => {
                    let none = is_null(record)?;
                    for own in record.columns() {
                        columns.push(nullif(own, &none)?);
                    }
                }
                None => columns.push(Arc::clone(column)),
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

/// Columns, as they stand behind `SELECT`.
fn listed_as(fields: &[FieldRef]) -> String {
    fields.iter().map(|field| quoted(field.name())).collect::<Vec<_>>().join(", ")
}

/// The names that are meant, whatever their case; `None` for all.
fn chosen<'n>(
    fields: &[String],
    names: impl Iterator<Item = &'n str>,
    what: &str,
    survey: &str,
) -> Result<Option<BTreeSet<String>>, EngineError> {
    if fields.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = names.collect();
    let mut wanted = BTreeSet::new();
    for field in fields {
        let exact = names.iter().find(|name| *name == field);
        let found = exact.or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(field)));
        let found = found.ok_or_else(|| {
            EngineError::invalid(format!(
                "there is no {what} {field} in alerts of {survey}; `noctuary sql -c \"DESCRIBE {survey}.alerts\"` lists them"
            ))
        })?;
        wanted.insert((*found).to_owned());
    }
    Ok(Some(wanted))
}

fn image_fields(survey: &Survey) -> Vec<FieldRef> {
    let field = |cutout: &noctuary_packet::survey::Cutout| {
        Arc::new(Field::new(format!("_cutout_{}", cutout.kind), DataType::LargeBinary, true))
    };
    survey.cutouts.iter().map(field).collect()
}

/// What rows are asked for of.
#[derive(Clone)]
pub(super) struct Asked {
    pub archive: Archive,
    pub session: Session,
    pub selection: Selection,
    pub form: Form,
}

type Batches = BoxStream<'static, Result<RecordBatch, EngineError>>;

impl Asked {
    /// The rows of some visits, those up to a place left out. Of a paced replay each piece is of one visit.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn stream(
        self,
        span: Span,
        after: Option<Place>,
        paced: bool,
    ) -> Result<BoxStream<'static, Result<Piece, EngineError>>, EngineError> {
        let (all, begins) = listed_places(&self.session, &self.selection, span, after, paced).await?;
        let windows: Vec<Vec<Place>> =
            windows(&all, self.form.at_a_time).into_iter().map(|window| all[window].to_vec()).collect();
        let survey: Arc<str> = self.selection.survey.as_str().into();
        let reader = self.clone();
        let read = move |window: Vec<Place>| {
            let asked = reader.clone();
            Task::spawn(async move { asked.window(&window).await })
        };
        let batches = stream::iter(windows).map(read).buffered(AHEAD).map(|done| done?);
        let given = batches.and_then(move |batch| {
            let asked = self.clone();
            async move { asked.given(batch).await }
        });
        let pieces = given.try_flatten().and_then(move |batch| {
            let pieces = of_visits(&batch, paced, &survey, &begins);
            async move { pieces.map(|pieces| stream::iter(pieces.into_iter().map(Ok::<_, EngineError>))) }
        });
        Ok(pieces.try_flatten().boxed())
    }

    fn sql(&self, span: Span) -> String {
        format!("SELECT {} {}", self.form.list, self.selection.from(Some(span)))
    }

    /// The rows at places that follow each other.
    async fn window(&self, window: &[Place]) -> Result<RecordBatch, EngineError> {
        let (Some(first), Some(last)) = (window.first(), window.last()) else {
            return Err(StorageError::internal("a window of no places").into());
        };
        let mut sql = self.sql(Span { first: first.visit(), last: last.visit() });
        if let (true, Some(from), Some(to)) = (first.visit() == last.visit(), first.detector, last.detector) {
            // Writing to a String cannot fail.
            let _ = write!(sql, " AND (_detector >= {from}) AND (_detector <= {to})");
        }
        let planned = self.session.plan(&sql).await?;
        let schema = planned.schema();
        let mut found: Vec<RecordBatch> = Vec::new();
        let mut at: Vec<(Place, u32)> = Vec::with_capacity(window.len());
        let mut count = 0;
        let mut batches = planned.execute().await?;
        while let Some(batch) = batches.try_next().await? {
            let wanted: Vec<(usize, Place)> =
                places(&batch)?.into_iter().enumerate().filter(|(_, place)| (first..=last).contains(&place)).collect();
            if wanted.is_empty() {
                continue;
            }
            at.extend(wanted.iter().zip(count..).map(|((_, place), number)| (*place, number)));
            count += u32::try_from(wanted.len()).unwrap_or(u32::MAX);
            if wanted.len() == batch.num_rows() {
                found.push(batch);
            } else {
                let rows: UInt32Array = wanted.iter().map(|(row, _)| u32::try_from(*row).ok()).collect();
                found.push(take_record_batch(&batch, &rows)?);
            }
        }
        at.sort_unstable();
        let order = UInt32Array::from_iter_values(at.iter().map(|(_, number)| *number));
        let together = concat_batches(&schema, &found)?;
        if order.values().iter().zip(0..).all(|(number, at)| *number == at) {
            return Ok(together);
        }
        Ok(take_record_batch(&together, &order)?)
    }

    /// Rows as they are given: in shape, and with their images.
    async fn given(self, batch: RecordBatch) -> Result<Batches, EngineError> {
        let Some(survey) = self.form.images.clone() else {
            let batch = self.form.shape(&batch)?;
            return Ok(stream::once(async { Ok(batch) }).boxed());
        };
        let slices: Vec<RecordBatch> = (0..batch.num_rows())
            .step_by(WITH_IMAGES)
            .map(|from| batch.slice(from, WITH_IMAGES.min(batch.num_rows() - from)))
            .collect();
        let given = stream::iter(slices).then(move |batch| {
            let (asked, survey) = (self.clone(), Arc::clone(&survey));
            async move { asked.with_images(&survey, batch).await }
        });
        Ok(given.boxed())
    }

    async fn with_images(&self, survey: &Survey, batch: RecordBatch) -> Result<RecordBatch, EngineError> {
        let places = places(&batch)?;
        let mut columns: Vec<LargeBinaryBuilder> = survey.cutouts.iter().map(|_| LargeBinaryBuilder::new()).collect();
        let mut images: HashMap<Place, Vec<(String, Vec<u8>)>> = HashMap::new();
        if let (Some(first), Some(last)) = (places.first(), places.last()) {
            let wanted = Wanted {
                survey: survey.name.clone(),
                span: Span { first: first.visit(), last: last.visit() },
                places: Some(places.clone().into()),
                contents: Contents::Whole,
            };
            let mut units = std::pin::pin!(read(&self.archive, self.session.snapshot(), wanted));
            while let Some(unit) = units.try_next().await? {
                for found in unit {
                    match found.packet {
                        Ok(packet) => {
                            let own = cutouts(survey, &packet.schema, &packet.datum).map_err(StorageError::from)?;
                            images.insert(found.place, own.into_iter().map(|c| (c.kind, c.fits)).collect());
                        }
                        // Images that were given up by order are not there.
                        Err(e) if e.kind() == ErrorKind::NotFound => {}
                        Err(e) => return Err(e.into()),
                    }
                }
            }
        }
        for place in &places {
            let own = images.remove(place).unwrap_or_default();
            for (cutout, column) in survey.cutouts.iter().zip(&mut columns) {
                column.append_option(own.iter().find(|(kind, _)| *kind == cutout.kind).map(|(_, fits)| fits));
            }
        }
        let mut all: Vec<ArrayRef> = batch.columns().to_vec();
        all.extend(columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        Ok(RecordBatch::try_new(Arc::clone(&self.form.schema), all)?)
    }
}

/// Cuts places into windows of at most `target`: where visits end if possible, else where detectors do. A window that
/// begins within a visit ends in it, so that either can be asked for by the ends of the window.
fn windows(places: &[Place], target: usize) -> Vec<Range<usize>> {
    let mut windows = Vec::new();
    let mut start = 0;
    let new_visit = |at: usize| at == 0 || places[at - 1].visit() != places[at].visit();
    let new_detector = |at: usize| new_visit(at) || places[at - 1].detector != places[at].detector;
    while start < places.len() {
        let most = places.len().min(start + target);
        let mut end = most;
        if !new_visit(start) {
            end = (start + 1..most).find(|at| new_visit(*at)).unwrap_or(most);
        }
        if end < places.len() && !new_visit(end) {
            let before = |is: &dyn Fn(usize) -> bool| (start + 1..end).rev().find(|at| is(*at));
            end = before(&new_visit).or_else(|| before(&new_detector)).unwrap_or(end);
        }
        windows.push(start..end);
        start = end;
    }
    windows
}

/// Cuts rows where there are too many bytes of them, and where visits end if they have to be of one visit.
fn of_visits(batch: &RecordBatch, paced: bool, survey: &Arc<str>, begins: &Begins) -> Result<Vec<Piece>, EngineError> {
    let mut pieces = Vec::new();
    let mut from = 0;
    let bytes = size::of_batch(batch);
    let rows = (batch.num_rows() * PIECE_BYTES / bytes.max(1)).max(1);
    let same = |a: &Place, b: &Place| !paced || a.visit() == b.visit();
    for run in places(batch)?.chunk_by(same) {
        let visit = run.last().map(Place::visit);
        let begins = visit.and_then(|visit| begins.get(&visit)).copied().unwrap_or(f64::NAN);
        for part in (0..run.len()).step_by(rows) {
            let batch = batch.slice(from + part, rows.min(run.len() - part));
            let visit = run.get(part + batch.num_rows() - 1).map(Place::visit);
            pieces.push(Piece { batch, survey: Arc::clone(survey), begins, visit });
        }
        from += run.len();
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use noctuary_packet::time::Night;

    use super::*;

    #[test]
    fn windows_hold_everything_and_end_where_they_can_be_asked_for() {
        let place = |visit: i64, detector: i64, seq: i32| Place {
            night: Night(1),
            visit: Some(visit),
            detector: Some(detector),
            commit: 1,
            seq,
        };
        let mut places = Vec::new();
        for (visit, detectors, each) in [(1, 2, 3), (2, 1, 4), (3, 5, 10), (4, 1, 30), (5, 1, 1), (6, 1, 1)] {
            for detector in 0..detectors {
                places.extend((0..each).map(|seq| place(visit, detector, seq)));
            }
        }
        for target in 1..100 {
            let windows = windows(&places, target);
            assert_eq!(
                windows.iter().flat_map(Clone::clone).collect::<Vec<_>>(),
                (0..places.len()).collect::<Vec<_>>()
            );
            for window in &windows {
                assert!(!window.is_empty() && window.len() <= target);
                let (first, last) = (places[window.start], places[window.end - 1]);
                let whole = |at: usize| at == 0 || at == places.len() || places[at - 1].visit() != places[at].visit();
                assert!(
                    first.visit() == last.visit() || (whole(window.start) && whole(window.end)),
                    "{target} {window:?}"
                );
            }
        }
        let ends: Vec<usize> = windows(&places, 25).into_iter().map(|window| window.end).collect();
        assert_eq!(ends, [10, 30, 50, 60, 85, 90, 92]);
    }
}
