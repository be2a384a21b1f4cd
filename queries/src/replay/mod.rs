//! Replays: the alerts of past nights as if they were sent again.
//!
//! A [`Request`] becomes a [`Plan`]: chunks of whole visits, in order. Each chunk is a [`Part`], which says all that is
//! needed to stream it, here or on another server, now or later: what was asked for, of which version, from which visit
//! to which. [`Replays::stream`] gives its rows in order. `docs/replay.md` says what users are promised.
//!
//! Which packets are wanted is asked in SQL, with the rights of whoever asks; packets are then read by their places,
//! which are the same whatever becomes of the files that they lie in.

mod alerts;
mod listed;
mod merge;
mod pace;
mod packets;
mod plan;
mod request;
mod select;
mod tasks;
mod ticket;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use noctuary_engine::{Engine, EngineError, ErrorKind, Session, SessionOptions};
use noctuary_storage::night::{Place, Visit};
use noctuary_storage::{Access, Archive, AsOf, Snapshot, StorageError, Table};
use serde::{Deserialize, Serialize};

pub use pace::Pace;
pub use plan::{Chunk, Range, Summary};
pub use request::{Condition, Moment, Nights, Object, Region, Request, Shape};
pub use ticket::{Position, Refused, Signer, Ticket};

use select::Selection;

/// Rows of one survey that follow each other.
#[derive(Debug, Clone)]
pub struct Piece {
    /// The rows, with the columns of a place.
    pub batch: RecordBatch,
    /// The survey.
    pub survey: Arc<str>,
    /// When the visit of the rows begins, MJD TAI; not a number where nobody needs it.
    pub begins: f64,
    /// The visit of the last row; of all rows in a paced replay.
    pub visit: Option<Visit>,
}

/// A replay that can be streamed, chunk by chunk.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What was asked for, with the version that answers it.
    pub request: Request,
    /// The version.
    pub version: u64,
    /// The surveys, in the order of their names.
    pub surveys: Vec<String>,
    /// The columns.
    pub schema: SchemaRef,
    /// The chunks, in order.
    pub chunks: Vec<Chunk>,
    /// Visits.
    pub visits: u64,
    /// Why there is nothing, where there is nothing.
    pub note: Option<String>,
    /// When the first visit is due, milliseconds since 1970 in UTC, if the replay is paced.
    pub begin: Option<i64>,
}

impl Plan {
    /// Packets.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.packets).sum()
    }

    /// Bytes of the packets as they were transmitted.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| chunk.bytes).sum()
    }

    /// What is streamed, chunk by chunk.
    ///
    /// # Errors
    /// Never, for what was planned.
    pub fn parts(&self) -> Result<Vec<Part>, EngineError> {
        // Chunks are no matter of a part.
        let request = Request { chunk: None, expires_in: None, begin: None, ..self.request.clone() };
        let request = request.to_text()?;
        let origin = Moment(self.chunks.first().map_or(0.0, |chunk| chunk.first.begins));
        let part = |chunk: &Chunk| Part {
            request: request.clone(),
            version: self.version,
            ranges: chunk.ranges.clone(),
            packets: chunk.packets,
            origin,
            begin: self.begin,
        };
        Ok(self.chunks.iter().map(part).collect())
    }
}

/// A chunk by itself: all that is needed to stream it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What was asked for, as text: numbers read from it are the same every time.
    pub request: String,
    /// The version that answers.
    pub version: u64,
    /// Of each survey the visits.
    pub ranges: Vec<Range>,
    /// Packets, when it was planned.
    pub packets: u64,
    /// When the first visit of the replay began, MJD TAI.
    pub origin: Moment,
    /// When the first visit of the replay is due, milliseconds since 1970 in UTC.
    pub begin: Option<i64>,
}

impl Part {
    /// When visits are due; `None` if it is flat out.
    ///
    /// # Errors
    /// When it is none of ours.
    pub fn pace(&self) -> Result<Option<Pace>, EngineError> {
        let times = Request::parse(&self.request)?.pace;
        let pace = |(times, begin): (f64, i64)| Pace { times, origin: self.origin.0, begin: begin as f64 / 1e3 };
        Ok(times.zip(self.begin).map(pace))
    }
}

/// Where the last row of a batch stands; `None` if it has none.
///
/// # Errors
/// When the batch has not the columns of a place.
pub fn last_place(batch: &RecordBatch) -> Result<Option<Place>, EngineError> {
    let last = batch.slice(batch.num_rows().saturating_sub(1), batch.num_rows().min(1));
    Ok(listed::places(&last)?.pop())
}

/// From the plan of a paced replay to its first visit, so that whoever asked is there when it begins.
const LEAD_MS: i64 = 1_000;
/// Bytes of all tickets of a replay, at most, about: clients take no larger answers.
const TICKETS_BYTES: u64 = 2 << 20;
/// Chunks of a replay, at most, about.
const MOST_CHUNKS: u64 = 1_000;
/// What a ticket takes beside the request.
const TICKET_BYTES: u64 = 700;

/// Plans replays of an archive and streams them, for everyone with the same rights.
#[derive(Debug, Clone)]
pub struct Replays {
    engine: Arc<Engine>,
    access: Access,
    built: packets::Built,
}

impl Replays {
    /// For those who may see what `access` allows. Up to `shared_bytes` of packets that were put together are kept for a
    /// while, for others who ask for the same.
    #[must_use]
    pub fn new(engine: Arc<Engine>, access: Access, shared_bytes: u64) -> Self {
        Self { engine, access, built: packets::cache(shared_bytes) }
    }

    /// The archive.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    async fn session(&self, version: Option<u64>) -> Result<Session, EngineError> {
        self.engine.session(SessionOptions { as_of: version, access: self.access.clone() }).await
    }

    /// Plans a replay that is asked for at a time, in milliseconds since 1970.
    ///
    /// # Errors
    /// [`noctuary_engine::ErrorKind::Invalid`] if the request is at fault, and
    /// [`noctuary_engine::ErrorKind::NotFound`] if a night or version is not there.
    pub async fn plan(&self, request: &Request, now: i64) -> Result<Plan, EngineError> {
        request.check()?;
        let asked = Instant::now();
        let version = match &request.as_of {
            Some(asked) => {
                let Ok(asked) = asked.parse::<AsOf>();
                Some(self.engine.archive().version_of(&asked).await?)
            }
            None => None,
        };
        let session = self.session(version).await?;
        let snapshot = session.snapshot().clone();
        let surveys = self.surveys(&snapshot, request)?;
        // What is planned is what will be read from the text.
        let request =
            Request { survey: surveys.clone(), as_of: Some(snapshot.version().to_string()), ..request.clone() };
        let request = Request::parse(&request.to_text()?)?;
        let selections = selections(&session, &request)?;
        let schema = self.schema(&session, &request, &selections).await?;
        let mut of_surveys = Vec::with_capacity(selections.len());
        for selection in &selections {
            of_surveys.push(plan::visits_of(&session, selection).await?);
        }
        let visits = plan::together(of_surveys);
        let note = plan::missing(&session, &surveys, &request, &visits).await?;
        let packets: u64 = visits.iter().map(|visit| visit.packets).sum();
        let ticket = request.to_text()?.len() as u64 * 16 / 9 + TICKET_BYTES;
        let most = (TICKETS_BYTES / ticket).clamp(1, MOST_CHUNKS);
        let target = request.chunk.unwrap_or(request.shape.chunk()).max(packets.div_ceil(most));
        let count = visits.len() as u64;
        let begin = request.pace.map(|_| match request.begin.as_deref().and_then(request::unix) {
            Some(begin) => (begin * 1e3) as i64,
            None => now + (asked.elapsed().as_millis() as i64) + LEAD_MS,
        });
        let chunks = plan::cut(visits, target);
        Ok(Plan { version: snapshot.version(), request, surveys, schema, chunks, visits: count, note, begin })
    }

    /// The surveys that are meant, in the order of their names.
    fn surveys(&self, snapshot: &Snapshot, request: &Request) -> Result<Vec<String>, EngineError> {
        let known = snapshot.survey_names();
        if let Some(unknown) = request.survey.iter().find(|name| !known.contains(*name)) {
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return Err(EngineError::invalid(format!("no survey is called {unknown:?}; known: {known}")));
        }
        if let Some(Condition::Each(texts)) = &request.condition
            && let Some(unknown) = texts.keys().find(|name| !known.contains(*name))
        {
            return Err(EngineError::invalid(format!("there is a condition for {unknown:?}, and no such survey")));
        }
        let mut surveys = request.survey.clone();
        if surveys.is_empty() {
            let seen = |survey: &String| {
                let mut files = snapshot.files(Table::Alerts, Some(survey));
                files.any(|file| snapshot.rights(file).keys().any(|label| self.access.allows(Some(label))))
            };
            surveys = known.iter().filter(|survey| seen(survey)).cloned().collect();
            if surveys.len() > 1 {
                return Err(EngineError::invalid(format!(
                    "several surveys have alerts; say which: survey {}",
                    surveys.join(", ")
                )));
            }
            if surveys.is_empty() {
                return Err(StorageError::not_found("there are no alerts here that you may see").into());
            }
        }
        surveys.sort();
        surveys.dedup();
        Ok(surveys)
    }

    fn form(snapshot: &Snapshot, request: &Request, selections: &[Selection]) -> Result<packets::Form, EngineError> {
        let fields = (request.shape == Shape::Slim).then_some(request.fields.as_slice());
        let text_ids = selections.iter().any(|selection| selection.text_ids);
        packets::Form::new(snapshot, &request.survey, fields, text_ids)
    }

    async fn schema(
        &self,
        session: &Session,
        request: &Request,
        selections: &[Selection],
    ) -> Result<SchemaRef, EngineError> {
        match (request.shape, request.survey.as_slice()) {
            (Shape::Alerts | Shape::Sources, [survey]) => {
                Ok(Arc::clone(alerts::Form::new(session, survey, request).await?.schema()))
            }
            (Shape::Alerts | Shape::Sources, _) => Err(EngineError::invalid("columns are those of one survey")),
            _ => Ok(Arc::clone(Self::form(session.snapshot(), request, selections)?.schema())),
        }
    }

    /// Streams a part, what was sent already left out. It has the columns of the plan.
    ///
    /// # Errors
    /// When the part is none of this archive; what fails on the way is an error in the stream:
    /// [`noctuary_engine::ErrorKind::Unavailable`] where files went while they were read, since a vacuum took them. Behind
    /// what came before, the part goes on from those that took their place.
    pub async fn stream(
        &self,
        part: &Part,
        after: &BTreeMap<String, Place>,
    ) -> Result<(SchemaRef, BoxStream<'static, Result<Piece, EngineError>>), EngineError> {
        let session = self.session(Some(part.version)).await?;
        let (archive, snapshot) = (self.engine.archive().clone(), session.snapshot().clone());
        let (schema, pieces) = match self.pieces(session, part, after).await {
            Ok(begun) => begun,
            Err(e) => return Err(while_read(&archive, &snapshot, e).await),
        };
        let told = pieces.or_else(move |e| {
            let (archive, snapshot) = (archive.clone(), snapshot.clone());
            async move { Err(while_read(&archive, &snapshot, e).await) }
        });
        Ok((schema, told.boxed()))
    }

    async fn pieces(
        &self,
        session: Session,
        part: &Part,
        after: &BTreeMap<String, Place>,
    ) -> Result<(SchemaRef, BoxStream<'static, Result<Piece, EngineError>>), EngineError> {
        let request = Request::parse(&part.request)?;
        let archive = self.engine.archive().clone();
        let selections = selections(&session, &request)?;
        if let (Shape::Alerts | Shape::Sources, [selection]) = (request.shape, selections.as_slice()) {
            // Several windows are read at the same time, each by one thread.
            session.context().state_ref().write().config_mut().options_mut().execution.target_partitions = 1;
            let form = alerts::Form::new(&session, &selection.survey, &request).await?;
            let schema = Arc::clone(form.schema());
            let Some(range) = part.ranges.first() else { return Ok((schema, stream::empty().boxed())) };
            let after = after.get(&selection.survey).copied();
            let asked = alerts::Asked { archive, session, selection: selection.clone(), form };
            let pieces = asked.stream(range.span(), after, request.pace.is_some()).await?;
            return Ok((schema, pieces));
        }
        let form = Self::form(session.snapshot(), &request, &selections)?;
        let schema = Arc::clone(form.schema());
        let mut of_surveys = Vec::with_capacity(part.ranges.len());
        for selection in &selections {
            let Some(range) = part.ranges.iter().find(|range| range.survey == selection.survey) else { continue };
            let after = after.get(&selection.survey).copied();
            let (archive, form, built) = (archive.clone(), form.clone(), self.built.clone());
            of_surveys.push(packets::stream(archive, &session, selection, form, range.span(), after, built).await?);
        }
        Ok((schema, merge::together(of_surveys)))
    }
}

fn selections(session: &Session, request: &Request) -> Result<Vec<Selection>, EngineError> {
    request.survey.iter().map(|survey| Selection::new(session, survey, request)).collect()
}

/// A failure to read a version, which is no damage where its files were taken by a vacuum meanwhile.
async fn while_read(archive: &Archive, snapshot: &Snapshot, error: EngineError) -> EngineError {
    if !matches!(error.kind(), ErrorKind::Damaged | ErrorKind::NotFound) {
        return error;
    }
    match archive.snapshot_at(snapshot.version()).await {
        Ok(now) if now.read_from() != snapshot.read_from() => {
            let message = format!(
                "files of version {} were replaced while they were read; go on behind what came last",
                snapshot.version()
            );
            StorageError::new(noctuary_storage::ErrorKind::Unavailable, message).into()
        }
        _ => error,
    }
}
