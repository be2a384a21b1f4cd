//! Replays over Flight: what `docs/replay.md` promises. Tickets say everything; the server remembers nothing of its
//! clients.

mod send;

use std::sync::Arc;

use arrow_flight::{FlightDescriptor, FlightEndpoint, FlightInfo, Ticket as FlightTicket};
use chrono::Utc;
use noctuary_engine::Engine;
use noctuary_queries::replay::{Chunk, Plan, Refused, Replays, Request, Signer, Summary};
use noctuary_storage::Access;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::{OnceCell, watch};
use tonic::{Response, Status};

pub use send::until;

use super::service::{DoGet, Door, Info};
use super::{run, wire};
use crate::error::{Failure, Kind, Result};

/// Packets that were put together are kept for others up to this.
const SHARED_BYTES: u64 = 96 << 20;
/// Batches that are ready before they are sent.
const AHEAD: usize = 6;

/// What replays need.
#[derive(Clone)]
pub struct Stage {
    replays: Replays,
    signer: Arc<OnceCell<Signer>>,
    /// A replay that goes on, for all who ask for it.
    live: Option<Arc<Plan>>,
    /// True once the server was told to stop.
    stopping: Arc<watch::Sender<bool>>,
}

/// What a client can ask for in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
enum Command {
    /// A replay of its own.
    #[serde(rename = "replay")]
    Replay(Value),
    /// The one that goes on.
    #[serde(rename = "live")]
    Live {},
}

impl Stage {
    /// Of an archive, for everyone who may see what `access` allows.
    pub fn new(engine: Arc<Engine>, access: Access) -> Self {
        let replays = Replays::new(engine, access, SHARED_BYTES);
        Self { replays, signer: Arc::default(), live: None, stopping: Arc::new(watch::Sender::new(false)) }
    }

    /// Ends all streams: whoever reads them is told to go on elsewhere, or later.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Begins a replay for all.
    ///
    /// # Errors
    /// As [`Replays::plan`].
    pub async fn begin(&mut self, request: &Request) -> Result<Arc<Plan>> {
        let plan = Arc::new(self.replays.plan(request, Utc::now().timestamp_millis()).await?);
        self.live = Some(Arc::clone(&plan));
        Ok(plan)
    }

    async fn signer(&self) -> Result<Signer> {
        let make = async { Ok::<_, Failure>(Signer::new(&self.replays.engine().archive().ticket_key().await?)) };
        self.signer.get_or_try_init(|| make).await.cloned()
    }
}

/// True if bytes are a command in JSON, and none of Flight SQL.
pub fn is_command(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
}

/// True if bytes are meant to be a ticket of a replay.
pub fn is_ticket(bytes: &[u8]) -> bool {
    bytes.starts_with(b"noctuary-replay")
}

/// What a replay is made of.
pub async fn info(door: &Door, descriptor: FlightDescriptor) -> Info {
    let command = serde_json::from_slice(&descriptor.cmd).map_err(|e| {
        Failure::request(format!("the command: {e}; write {{\"replay\": {{\"nights\": \"2026-11-09\"}}}}"))
    })?;
    let plan = match command {
        Command::Replay(request) => {
            let request = Request::parse(&request.to_string()).map_err(Failure::from)?;
            let replays = door.stage.replays.clone();
            let now = Utc::now().timestamp_millis();
            Arc::new(run::done(&door.queries, async move { Ok(replays.plan(&request, now).await?) }).await?)
        }
        Command::Live {} => door.stage.live.clone().ok_or_else(|| {
            Failure::not_found("no replay goes on here; `noctuary replay --live` begins one, and with a pace anyone can ask for their own")
        })?,
    };
    let signer = door.stage.signer().await?;
    Ok(Response::new(announce(&plan, &signer, descriptor)?))
}

fn announce(plan: &Plan, signer: &Signer, descriptor: FlightDescriptor) -> Result<FlightInfo> {
    let expires = u64::try_from(Utc::now().timestamp()).unwrap_or_default() + plan.request.lifetime();
    let expiry = prost_types::Timestamp { seconds: i64::try_from(expires).unwrap_or(i64::MAX), nanos: 0 };
    let parts = plan.parts()?;
    let mut endpoints = Vec::with_capacity(parts.len());
    for (number, (chunk, part)) in plan.chunks.iter().zip(&parts).enumerate() {
        let told = json!({
            "chunk": number, "chunks": parts.len(), "packets": chunk.packets, "bytes": chunk.bytes,
            "first": told(Some(&chunk.first)), "last": told(Some(&chunk.last)),
        });
        let ticket = FlightTicket { ticket: signer.ticket(part, expires)?.into() };
        let endpoint = FlightEndpoint::new().with_ticket(ticket).with_app_metadata(told.to_string());
        endpoints.push(endpoint.with_expiration_time(expiry));
    }
    let (first, last) = (plan.chunks.first().map(|c: &Chunk| &c.first), plan.chunks.last().map(|c| &c.last));
    let all = json!({
        "version": plan.version, "packets": plan.packets(), "bytes": plan.bytes(), "visits": plan.visits,
        "surveys": plan.surveys, "first": told(first), "last": told(last), "pace": plan.request.pace,
        "begin": plan.begin.map(|begin| begin as f64 / 1e3), "expires": expires, "note": plan.note,
    });
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let info = FlightInfo::new().try_with_schema(&wire::schema(&plan.schema))?;
    Ok(info
        .with_endpoints(endpoints)
        .with_descriptor(descriptor)
        .with_total_records(count(plan.packets()))
        .with_total_bytes(count(plan.bytes()))
        .with_ordered(true)
        .with_app_metadata(all.to_string()))
}

fn told(visit: Option<&Summary>) -> Value {
    visit.map_or(Value::Null, |visit| {
        let (night, number) = visit.visit;
        json!({"survey": visit.survey, "night": night.to_string(), "visit": number, "mjd_tai": visit.begins})
    })
}

/// The rows of a chunk, behind the position in the ticket.
pub async fn rows(door: &Door, ticket: &[u8]) -> DoGet {
    let signer = door.stage.signer().await?;
    let now = u64::try_from(Utc::now().timestamp()).unwrap_or_default();
    let read = signer.read(ticket, now).map_err(|refused| match refused {
        Refused::Altered(why) => Failure::request(why),
        Refused::Expired(why) => Failure::new(Kind::Expired, why),
    })?;
    let text = std::str::from_utf8(ticket).map_err(|e| Status::internal(e.to_string()))?.to_owned();
    let replays = door.stage.replays.clone();
    let part = read.part.clone();
    let after = read.after.after.clone();
    let (schema, pieces) = run::done(&door.queries, async move { Ok(replays.stream(&part, &after).await?) }).await?;
    let pace = read.part.pace().map_err(Failure::from)?;
    let pieces = run::on(&door.queries, pieces, AHEAD);
    let sender = send::Sender::new(signer, text, read, pace, door.stage.stopping.subscribe());
    Ok(Response::new(sender.messages(&wire::schema(&schema), pieces)))
}

#[cfg(test)]
mod tests;
