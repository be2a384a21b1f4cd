//! Arrow Flight: the door for programs. Replays have calls of their own (`replay/`); all else is Flight SQL.
//!
//! The server keeps no state for its clients. A ticket says what to ask of which version, a prepared statement is a
//! handle that says the same, and closing either is free. Queries run on a runtime of their own, so that a heavy one
//! does not keep others from being answered.

mod front;
mod metadata;
mod replay;
mod run;
mod service;
mod statement;
mod status;
mod wire;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

pub use replay::until;
pub use service::Door;

use front::Front;

use crate::error::{Failure, Kind, Result};

/// How long queries that run may go on after the server was told to stop.
const DRAIN: Duration = Duration::from_secs(30);
/// What a client may send: questions and parameters, not data.
const MAX_REQUEST: usize = 4 << 20;

/// Finds the address to listen on. Only this machine is served: there is no check of who asks yet.
///
/// # Errors
/// When it is no address, or not one of this machine alone.
pub async fn loopback(listen: &str) -> Result<SocketAddr> {
    let mut addresses = tokio::net::lookup_host(listen).await.map_err(|e| {
        Failure::request(format!("{listen:?} is no address to listen on ({e}); write it as 127.0.0.1:50051"))
    })?;
    let address = addresses.next().ok_or_else(|| Failure::request(format!("{listen:?} is no address")))?;
    if !address.ip().is_loopback() || addresses.any(|a| !a.ip().is_loopback()) {
        return Err(Failure::request(format!(
            "{listen} can be reached from other machines, and anyone there could ask anything: listen on 127.0.0.1, \
             and let them come through ssh or a proxy that knows them"
        )));
    }
    Ok(address)
}

/// Serves until `shutdown` is ready; then takes no more calls, and waits for those that run.
///
/// # Errors
/// When the network fails.
pub async fn serve(
    door: Door,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let (told, stopping) = tokio::sync::oneshot::channel::<()>();
    let stage = door.stage.clone();
    let signal = async move {
        shutdown.await;
        // Replays may go on for a night, and can be resumed.
        stage.stop();
        let _ = told.send(());
    };
    let service = FlightServiceServer::new(Front(door)).max_decoding_message_size(MAX_REQUEST);
    // Answers of a few bytes would wait for the client's acknowledgement of what went before, for 40 ms.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = Server::builder().add_service(service).serve_with_incoming_shutdown(incoming, signal);
    let late = async {
        if stopping.await.is_ok() {
            tokio::time::sleep(DRAIN).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        result = server => result.map_err(|e| Failure::new(Kind::Unavailable, format!("the server failed: {e}"))),
        () = late => Err(Failure::new(Kind::Interrupted, "queries that still ran were broken off")),
    }
}

#[cfg(test)]
mod tests;
