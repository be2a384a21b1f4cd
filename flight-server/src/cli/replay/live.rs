//! `noctuary replay --live`: a night that begins now, for all who ask for it.

use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::ReplayArgs;
use crate::cli::STACK_BYTES;
use crate::cli::serve::told_to_stop;
use crate::config::Config;
use crate::error::{Failure, Kind, Result};
use crate::flight::{Door, loopback, serve};
use crate::open;
use crate::output::sink::{note, print};

/// Serves until it is told to stop.
pub fn run(network: &Runtime, config: &Config, args: &ReplayArgs) -> Result<ExitCode> {
    let request = args.request()?;
    let work = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.threads.value)
        .thread_name("noctuary-query")
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()?;
    let handle = work.handle().clone();
    let result = network.block_on(async {
        let engine = open::reader_engine(config).await?;
        let address = loopback(args.listen.as_deref().unwrap_or(&config.listen.value)).await?;
        let listener = TcpListener::bind(address).await.map_err(|e| {
            Failure::new(
                Kind::Unavailable,
                format!("could not listen on {address} ({e}); choose another with --listen"),
            )
        })?;
        let door = Door::new(engine, config.rights.value.clone(), handle)?;
        let (door, plan) = door.with_live(&request).await?;
        if let Some(why) = &plan.note {
            note(why);
        }
        note(format_args!(
            "{} packets of {} visits, at {} times the pace of the night; ask for {{\"live\": {{}}}}",
            plan.packets(),
            plan.visits,
            plan.request.pace.unwrap_or(1.0)
        ));
        let told = told_to_stop()?;
        print(&format!("listening on grpc://{}\n", listener.local_addr()?))?;
        serve(door, listener, told).await
    });
    work.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}
