//! Messages of a replay: batches with where they stand, each visit when it is due.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions};
use arrow::record_batch::RecordBatch;
use arrow_flight::{FlightData, SchemaAsIpc};
use chrono::Utc;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use noctuary_queries::replay::{Pace, Piece, Position, Signer, Ticket, last_place};
use noctuary_storage::night::Visit;
use serde_json::json;
use tokio::sync::watch;
use tonic::Status;

use crate::error::{Failure, Kind, Result};
use crate::flight::wire::{self, Messages};

/// Clocks are set; a long wait is divided.
const LONGEST_WAIT: f64 = 60.0;
/// Seconds by which a visit is late before it is worth a word.
const WORTH_A_WORD: f64 = 1.0;

/// Sends one chunk.
pub struct Sender {
    signer: Signer,
    ticket: String,
    position: Position,
    pace: Option<Pace>,
    /// Packets of the chunk, as its ticket has them.
    packets: u64,
    stopping: watch::Receiver<bool>,
    /// The visit that is being sent, and when it was due and by how much it was late.
    visit: Option<(Arc<str>, Option<Visit>)>,
    due: f64,
    late: f64,
    /// What has been said of being late.
    told: f64,
    context: IpcWriteContext,
}

/// Seconds since 1970.
fn now() -> f64 {
    Utc::now().timestamp_micros() as f64 / 1e6
}

/// Waits until a time.
pub async fn until(due: f64) {
    loop {
        let left = due - now();
        if left <= 0.0 {
            return;
        }
        tokio::time::sleep(Duration::from_secs_f64(left.min(LONGEST_WAIT))).await;
    }
}

impl Sender {
    /// Goes on where a ticket stands.
    pub fn new(
        signer: Signer,
        text: String,
        ticket: Ticket,
        pace: Option<Pace>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            signer,
            ticket: text,
            position: ticket.after,
            pace,
            packets: ticket.part.packets,
            stopping,
            visit: None,
            due: 0.0,
            late: 0.0,
            told: 0.0,
            context: IpcWriteContext::default(),
        }
    }

    /// The messages of a chunk, its columns first. The next piece is taken when the one before has been sent.
    pub fn messages(
        self,
        announced: &SchemaRef,
        pieces: impl Stream<Item = Result<Piece>> + Send + 'static,
    ) -> Messages {
        let first: Result<FlightData, Status> = Ok(SchemaAsIpc::new(announced, &IpcWriteOptions::default()).into());
        // After the last piece there may be a word about it, and then it is asked for another.
        let (pieces, announced) = (Box::pin(pieces.fuse()), Arc::clone(announced));
        let messages = stream::try_unfold((self, pieces), move |(mut sender, mut pieces)| {
            let announced = Arc::clone(&announced);
            async move {
                let mut stopping = sender.stopping.clone();
                let next = async {
                    match pieces.try_next().await? {
                        Some(piece) => sender.send(piece, &announced).await.map(Some),
                        None => sender.end(&announced),
                    }
                };
                let messages = tokio::select! {
                    messages = next => messages?,
                    // Whoever could tell that it stops has gone with the server.
                    _ = stopping.wait_for(|stopping| *stopping) => {
                        return Err(Failure::new(Kind::Unavailable, "the server is stopping; go on with the last position"));
                    }
                };
                Ok::<_, Failure>(messages.map(|messages| (messages, (sender, pieces))))
            }
        });
        let messages = messages
            .map_ok(|messages| stream::iter(messages.into_iter().map(Ok::<_, Failure>)))
            .try_flatten()
            .map_err(Status::from);
        Box::pin(stream::once(async { first }).chain(messages))
    }

    /// What is sent at the end: nothing, if all packets were; else that it is the end, and how many of those that were
    /// planned are missing: purged since, or not to be seen with the rights of this server.
    fn end(&mut self, announced: &SchemaRef) -> Result<Option<Vec<FlightData>>> {
        if self.position.done >= self.packets {
            return Ok(None);
        }
        let missing = self.packets - self.position.done;
        self.position.done = self.packets;
        let told = json!({
            "position": self.signer.position(&self.ticket, &self.position)?,
            "survey": null, "night": null, "visit": null, "done": self.position.done, "due": null, "late": null,
            "missing": missing,
        });
        let nothing = self.encode(&RecordBatch::new_empty(Arc::clone(announced)))?;
        Ok(Some(vec![nothing.with_app_metadata(told.to_string())]))
    }

    async fn send(&mut self, piece: Piece, announced: &SchemaRef) -> Result<Vec<FlightData>> {
        if let Some(pace) = self.pace {
            self.wait(pace, &piece).await;
        }
        let cut = wire::cut(wire::convert(&piece.batch, announced)?);
        let mut messages = Vec::with_capacity(cut.len());
        for batch in cut.into_iter().filter(|batch| batch.num_rows() > 0) {
            let told = self.told(&piece.survey, &batch)?;
            messages.push(self.encode(&batch)?.with_app_metadata(told));
        }
        Ok(messages)
    }

    /// Waits until the visit of a piece is due.
    async fn wait(&mut self, pace: Pace, piece: &Piece) {
        let visit = Some((Arc::clone(&piece.survey), piece.visit));
        if self.visit == visit {
            return;
        }
        self.visit = visit;
        self.due = pace.due(piece.begins);
        until(self.due).await;
        self.late = (now() - self.due).max(0.0);
        if self.late >= WORTH_A_WORD && self.late > 2.0 * self.told {
            self.told = self.late;
            let number = piece.visit.and_then(|(_, number)| number);
            tracing::warn!("a consumer is {:.1} s late with visit {number:?} of {}", self.late, piece.survey);
        } else if self.late < WORTH_A_WORD && self.told > 0.0 {
            self.told = 0.0;
            tracing::warn!("a consumer that was late has caught up");
        }
    }

    /// What is said of a batch.
    fn told(&mut self, survey: &str, batch: &RecordBatch) -> Result<String> {
        let Some(place) = last_place(batch)? else { return Ok(String::new()) };
        self.position.after.insert(survey.to_owned(), place);
        self.position.done += batch.num_rows() as u64;
        let paced = |value: f64| self.pace.map(|_| value);
        let told = json!({
            "position": self.signer.position(&self.ticket, &self.position)?,
            "survey": survey, "night": place.night.to_string(), "visit": place.visit, "done": self.position.done,
            "due": paced(self.due), "late": paced(self.late),
        });
        Ok(told.to_string())
    }

    fn encode(&mut self, batch: &RecordBatch) -> Result<FlightData> {
        // No column is a dictionary.
        let mut none = DictionaryTracker::new(false);
        let options = IpcWriteOptions::default();
        let (_, encoded) = IpcDataGenerator::default().encode(batch, &mut none, &options, &mut self.context)?;
        Ok(encoded.into())
    }
}
