//! The command line.

mod args;
mod as_of;
mod ask;
mod compact;
mod cutout;
mod delta;
mod demo;
mod get;
mod ingest;
mod ledger;
mod load;
mod mirror;
mod nights;
mod purge;
mod quarantine;
mod repl;
mod replay;
mod schema;
mod serve;
mod simulate;
mod sql;
mod stats;
mod survey;
mod vacuum;
mod verify;
mod versions;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use args::{Arguments, Command};
use clap::{CommandFactory, Parser};

use crate::config::Config;
use crate::error::{Failure, Kind, Result};
use crate::open;
use crate::output::sink::{note, print};

/// Exit code of an ingest that quarantined something.
const QUARANTINED: u8 = 3;

/// Stack of a thread that plans questions: conditions are followed operator by operator, and of those there may be
/// thousands. Memory is taken only as far as it is used.
const STACK_BYTES: usize = 32 << 20;

/// Reads the command line and does what it says.
pub fn run() -> ExitCode {
    run_with(std::env::args_os())
}

/// Does what a command line says, whose first word is the name of the program.
pub fn run_with(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version come this way too. Nothing can be done if nobody reads it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match start(&arguments) {
        Ok(code) => code,
        Err(failure) => {
            if failure.kind != Kind::Closed {
                note(format_args!("noctuary: {failure}"));
            }
            failure.exit_code()
        }
    }
}

fn start(arguments: &Arguments) -> Result<ExitCode> {
    let filter = tracing_subscriber::EnvFilter::try_new(&arguments.global.log)
        .map_err(|e| Failure::request(format!("--log {:?}: {e}", arguments.global.log)))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let config = Config::load(arguments.given())?;
    if arguments.global.print_config {
        print(&config.to_toml())?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(command) = &arguments.command else {
        print(&Arguments::command().render_help().to_string())?;
        return Ok(ExitCode::from(2));
    };
    if !command.heeds_rights() {
        open::all_rights(&config)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.threads.value.max(2))
        .thread_name("noctuary")
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()?;
    let result = match command {
        // Serving has two runtimes, and makes the second itself.
        Command::Serve(args) => serve::run(&runtime, &config, args),
        Command::Replay(args) if args.live => replay::run_live(&runtime, &config, args),
        other => runtime.block_on(dispatch(other, &config)),
    };
    // Work that was given up is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

async fn dispatch(command: &Command, config: &Config) -> Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(config, args).await,
        Command::Simulate(args) => simulate::run(config, args).await,
        Command::Ingest(args) => ingest::run(config, args).await,
        Command::Load(args) => load::run(config, args).await,
        Command::Sql(args) => sql::run(config, args).await,
        Command::Ask(args) => ask::run(config, args).await,
        Command::Get(args) => get::run(config, args).await,
        Command::Cutout(args) => cutout::run(config, args).await,
        Command::Replay(args) => replay::run(config, args).await,
        Command::Nights(args) => nights::run(config, args).await,
        Command::Ledger(args) => ledger::run(config, args).await,
        Command::Quarantine(args) => quarantine::run(config, args).await,
        Command::Schema(args) => schema::run(config, args).await,
        Command::Survey(args) => survey::run(config, args).await,
        Command::Stats(args) => stats::run(config, args).await,
        Command::Verify(args) => verify::run(config, args).await,
        Command::Versions(args) => versions::run(config, args).await,
        Command::Tag(args) => versions::tag(config, args).await,
        Command::Rollback(args) => versions::roll_back(config, args).await,
        Command::Compact(args) => compact::run(config, args).await,
        Command::Vacuum(args) => vacuum::run(config, args).await,
        Command::Mirror(args) => mirror::run(args).await,
        Command::Purge(args) => purge::run(config, args).await,
        Command::Delta(args) => delta::run(config, args).await,
        Command::Serve(_) => Err(Failure::internal("serve was not dispatched")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Arguments::command().get_subcommands_mut().filter(|c| c.get_name() != "help") {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Example"), "{} has no example:\n{help}", command.get_name());
        }
    }

    #[test]
    fn every_command_has_a_line_for_the_list_and_a_text_of_its_own() {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for command in Arguments::command().get_subcommands_mut().filter(|c| c.get_name() != "help") {
            let name = command.get_name().to_owned();
            let about = words(&command.get_about().map(ToString::to_string).unwrap_or_default());
            assert!((10..90).contains(&about.len()), "{name} is described in one line: {about}");
            let long = words(&command.get_long_about().map(ToString::to_string).unwrap_or_default());
            assert!(long.len() > about.len() + 40, "{name} has no text of its own: {long}");
            let sentence = long.rsplit(". ").next().unwrap_or_default();
            assert!(
                words(&command.render_long_help().to_string()).contains(sentence),
                "{name} does not say {sentence}"
            );
        }
    }
}
