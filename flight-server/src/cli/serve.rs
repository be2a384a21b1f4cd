//! `noctuary serve`: the door for programs.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use noctuary_storage::compact::in_background;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::STACK_BYTES;
use crate::config::Config;
use crate::error::{Failure, Kind, Result};
use crate::flight::{Door, loopback, serve};
use crate::open;
use crate::output::sink::{note, print};

/// Serve Arrow Flight SQL to programs on this machine.
///
/// Python's adbc_driver_flightsql and pyarrow.flight, JDBC and others ask the same questions as `noctuary sql`, and get
/// Arrow columns. There is no check of who asks yet, so only addresses of this machine are served. SIGTERM or Ctrl-C
/// stops it once the queries that run are answered.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  noctuary serve --rights public &
  python -c \"
  import adbc_driver_flightsql.dbapi as flight
  with flight.connect('grpc://127.0.0.1:50051') as connection, connection.cursor() as cursor:
      cursor.execute('SELECT diaSourceId, diaSource.psfFlux FROM lsst.alerts LIMIT 5')
      print(cursor.fetch_df())\"

On the first line it says where it listens: `listening on grpc://127.0.0.1:50051`. With port 0 the system chooses one.")]
pub struct ServeArgs {
    /// Address and port, of this machine only [default: 127.0.0.1:50051].
    #[arg(long, value_name = "ADDRESS", env = "NOCTUARY_LISTEN", hide_env = true)]
    pub listen: Option<String>,
    /// Merge files in the background, as `noctuary compact` does, in this share of the time: 0.25 is a quarter.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub compact: Option<f64>,
}

/// How often it looks for something to merge.
const LOOK: Duration = Duration::from_secs(60);

fn share(text: &str) -> Result<f64> {
    let share = text.parse().ok().filter(|share| *share > 0.0 && *share <= 1.0);
    share.ok_or_else(|| Failure::request(format!("{text:?} is no share; write a number above 0 and up to 1, as 0.25")))
}

/// Runs the command until it is told to stop.
pub fn run(network: &Runtime, config: &Config, args: &ServeArgs) -> Result<ExitCode> {
    // A query may keep a core busy for a second without a pause, and calls must be answered meanwhile.
    let queries = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.threads.value)
        .thread_name("noctuary-query")
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()?;
    let handle = queries.handle().clone();
    let result = network.block_on(async {
        let engine = open::reader_engine(config).await?;
        if let Some(share) = args.compact {
            let archive = engine.archive().clone();
            handle.spawn(async move { in_background(&archive, share, LOOK).await });
        }
        let door = Door::new(engine, config.rights.value.clone(), handle)?;
        let address = loopback(&config.listen.value).await?;
        let listener = TcpListener::bind(address).await.map_err(|e| {
            Failure::new(
                Kind::Unavailable,
                format!("could not listen on {address} ({e}); choose another with --listen"),
            )
        })?;
        // Whoever reads the line may already tell it to stop.
        let told = told_to_stop()?;
        print(&format!("listening on grpc://{}\n", listener.local_addr()?))?;
        serve(door, listener, told).await
    });
    queries.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}

/// Ready at SIGTERM or Ctrl-C. SIGTERM is heeded from the call on, before anyone waits.
pub fn told_to_stop() -> Result<impl Future<Output = ()> + Send + 'static> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        let terminated = async {
            #[cfg(unix)]
            let _ = terminate.recv().await;
            #[cfg(not(unix))]
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = terminated => {}
            signal = tokio::signal::ctrl_c() => {
                // Without signals it serves until it is killed.
                if signal.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
        note("stopping once the queries that run are answered");
    })
}
