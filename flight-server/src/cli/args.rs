//! The command line as a whole; what each command takes stands in its own file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use noctuary_storage::Access;

use super::{cutout, demo, get, ingest, ledger, log, nights, quarantine, schema, serve, simulate, sql, survey, verify};
use crate::bytesize::ByteSize;
use crate::config::Given;

/// Keeps astronomical alerts exactly as they were sent, and answers questions about them.
#[derive(Debug, Parser)]
#[command(
    name = "noctuary",
    version,
    disable_help_subcommand = false,
    after_help = "Begin with `noctuary demo`: it makes three nights of alerts, asks them what one asks, and ends with the \
                  commands to go on with. Each command has examples: `noctuary help sql`.\n\n\
                  Exit codes: 0 done · 1 failed, not found or not verified · 2 the request is at fault · 3 done, but \
                  something was quarantined · 130 stopped by the user.\n\n\
                  Settings come from noctuary.toml in this folder (or --config FILE), then from the environment, then \
                  from flags; `noctuary --print-config` shows what is in force."
)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// Where the archive lies: a folder, or s3://BUCKET/PREFIX (with the usual AWS_ variables) [default:
    /// noctuary-archive].
    #[arg(long, global = true, value_name = "URL", env = "NOCTUARY_ARCHIVE")]
    pub archive: Option<String>,
    /// Memory that queries may use, such as 2GiB.
    #[arg(long, global = true, value_name = "BYTES", env = "NOCTUARY_MEMORY", hide_env = true)]
    pub memory: Option<ByteSize>,
    /// Threads to work with [default: one per core].
    #[arg(long, global = true, value_name = "N", env = "NOCTUARY_THREADS", hide_env = true)]
    pub threads: Option<std::num::NonZeroUsize>,
    /// Settings to read instead of ./noctuary.toml.
    #[arg(long, global = true, value_name = "FILE", env = "NOCTUARY_CONFIG", hide_env = true)]
    pub config: Option<PathBuf>,
    /// Show the settings that are in force, with where each comes from, and stop.
    #[arg(long, global = true)]
    pub print_config: bool,
    /// What to log to standard error: error, warn, info, debug, or a filter such as noctuary_storage=debug.
    #[arg(long, global = true, value_name = "FILTER", env = "NOCTUARY_LOG", hide_env = true, default_value = "warn")]
    pub log: String,
}

impl Arguments {
    /// What was given for the configuration.
    pub fn given(&self) -> Given {
        let listen = match &self.command {
            Some(Command::Serve(serve)) => serve.listen.clone(),
            _ => None,
        };
        Given {
            archive: self.global.archive.clone(),
            memory: self.global.memory,
            threads: self.global.threads.map(Into::into),
            listen,
            file: self.global.config.clone(),
        }
    }
}

/// Who is asking, for the commands that show alerts.
#[derive(Debug, Args)]
pub struct RightsArgs {
    /// Show only rows with these labels: `public`, `public,partnership`, or `all`.
    #[arg(long, value_name = "LABELS", env = "NOCTUARY_RIGHTS", hide_env = true, default_value = "all")]
    pub rights: Access,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make three nights of alerts and show what can be asked of them.
    Demo(demo::DemoArgs),
    /// Make nights of alerts as a survey would send them.
    Simulate(Box<simulate::SimulateArgs>),
    /// Take packets in.
    Ingest(ingest::IngestArgs),
    /// Ask in SQL, once or interactively.
    Sql(sql::SqlArgs),
    /// Get a packet back, byte for byte as it was sent.
    Get(get::GetArgs),
    /// Get the images of an alert as FITS or PNG.
    Cutout(cutout::CutoutArgs),
    /// Show what there is of each night.
    Nights(nights::NightsArgs),
    /// Show what was received and what became of it.
    Ledger(ledger::LedgerArgs),
    /// Look at packets that were refused, and try them again.
    Quarantine(quarantine::QuarantineArgs),
    /// List, show, compare and add schemas.
    Schema(schema::SchemaArgs),
    /// List, show and add surveys.
    Survey(survey::SurveyArgs),
    /// Check that the archive keeps its promises.
    Verify(verify::VerifyArgs),
    /// List the versions of the archive.
    Log(log::LogArgs),
    /// Undo every commit after a version.
    Rollback(log::RollbackArgs),
    /// Serve Arrow Flight SQL on this machine.
    Serve(serve::ServeArgs),
}
