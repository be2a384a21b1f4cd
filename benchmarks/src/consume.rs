//! A consumer of replays: what comes is counted and forgotten.

use std::time::{SystemTime, UNIX_EPOCH};

use arrow_flight::decode::{DecodedPayload, FlightDataDecoder};
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{FlightDescriptor, FlightInfo};
use futures::TryStreamExt;
use serde_json::Value;
use tonic::transport::{Channel, Endpoint};

use crate::Failure;
use crate::process::{Sample, Watch};

/// What came to one consumer.
#[derive(Debug, Default)]
struct Came {
    rows: u64,
    bytes: u64,
    /// By how many milliseconds the first batch of each visit was late, of a paced replay.
    late: Vec<f64>,
}

/// Takes a replay, so many times at once. A sample counts what came to all.
pub async fn consume(address: &str, request: &str, consumers: usize) -> Result<Sample, Failure> {
    let endpoint = Endpoint::new(format!("http://{address}"))?;
    let mut client = connect(&endpoint).await?;
    let watch = Watch::start();
    let command = FlightDescriptor::new_cmd(format!("{{\"replay\": {request}}}"));
    let info = client.get_flight_info(command).await?.into_inner();
    let mut tasks = Vec::new();
    for _ in 0..consumers {
        let (endpoint, info) = (endpoint.clone(), info.clone());
        tasks.push(tokio::spawn(async move { take(&endpoint, &info).await }));
    }
    let mut all = Came::default();
    for task in tasks {
        let came = task.await??;
        if i64::try_from(came.rows) != Ok(info.total_records) {
            return Err(Failure(format!("{} packets of {} came", came.rows, info.total_records)));
        }
        all.rows += came.rows;
        all.bytes += came.bytes;
        all.late.extend(came.late);
    }
    Ok(Sample { packets: all.rows, bytes: all.bytes, latencies: all.late, ..watch.stop() })
}

async fn connect(endpoint: &Endpoint) -> Result<FlightServiceClient<Channel>, Failure> {
    Ok(FlightServiceClient::new(endpoint.connect().await?).max_decoding_message_size(64 << 20))
}

async fn take(endpoint: &Endpoint, info: &FlightInfo) -> Result<Came, Failure> {
    let mut client = connect(endpoint).await?;
    let mut came = Came::default();
    let mut visit = Value::Null;
    for endpoint in &info.endpoint {
        let ticket = endpoint.ticket.clone().ok_or_else(|| Failure("an endpoint without a ticket".into()))?;
        let stream = client.do_get(ticket).await?.into_inner();
        let mut stream = FlightDataDecoder::new(stream.map_err(FlightError::from));
        while let Some(data) = stream.try_next().await? {
            let DecodedPayload::RecordBatch(batch) = data.payload else { continue };
            came.rows += batch.num_rows() as u64;
            came.bytes += data.inner.data_body.len() as u64;
            let told: Value = serde_json::from_slice(&data.inner.app_metadata)?;
            if let Some(due) = told["due"].as_f64()
                && told["visit"] != visit
            {
                let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
                came.late.push((now - due) * 1e3);
                visit = told["visit"].clone();
            }
        }
    }
    Ok(came)
}
