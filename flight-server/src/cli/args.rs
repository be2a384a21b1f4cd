//! The command line as a whole; what each command takes stands in its own file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use noctuary_storage::Access;

use super::{
    ask, compact, cutout, delta, demo, get, ingest, ledger, load, mirror, nights, purge, quarantine, replay, schema,
    serve, simulate, sql, stats, survey, vacuum, verify, versions,
};
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
    /// Show only rows with these labels, such as public or public,partnership [default: all].
    #[arg(long, global = true, value_name = "LABELS", env = "NOCTUARY_RIGHTS", hide_env = true)]
    pub rights: Option<Access>,
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
            threads: self.global.threads,
            rights: self.global.rights.clone(),
            listen,
            file: self.global.config.clone(),
        }
    }
}

/// The commands. What each is for stands with its arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    Demo(demo::DemoArgs),
    Simulate(Box<simulate::SimulateArgs>),
    Ingest(ingest::IngestArgs),
    Load(load::LoadArgs),
    Sql(sql::SqlArgs),
    Ask(ask::AskArgs),
    Get(get::GetArgs),
    Cutout(cutout::CutoutArgs),
    Replay(Box<replay::ReplayArgs>),
    Nights(nights::NightsArgs),
    Ledger(ledger::LedgerArgs),
    Quarantine(quarantine::QuarantineArgs),
    Schema(schema::SchemaArgs),
    Survey(survey::SurveyArgs),
    Stats(stats::StatsArgs),
    Verify(verify::VerifyArgs),
    Versions(versions::VersionsArgs),
    Tag(versions::TagArgs),
    Rollback(versions::RollbackArgs),
    Compact(compact::CompactArgs),
    Vacuum(vacuum::VacuumArgs),
    Mirror(mirror::MirrorArgs),
    Purge(purge::PurgeArgs),
    Delta(delta::DeltaArgs),
    Serve(serve::ServeArgs),
}

impl Command {
    /// True if it shows a reader nothing but what the rights in force allow. The others count packets of all rights, or
    /// change the archive.
    pub fn heeds_rights(&self) -> bool {
        match self {
            Self::Sql(_) | Self::Ask(_) | Self::Get(_) | Self::Cutout(_) | Self::Replay(_) | Self::Serve(_) => true,
            Self::Schema(args) => {
                matches!(args.command, schema::SchemaCommand::Show { .. } | schema::SchemaCommand::Diff { .. })
            }
            Self::Simulate(args) => args.out != simulate::ARCHIVE,
            Self::Survey(args) => matches!(args.command, survey::SurveyCommand::Show { .. }),
            _ => false,
        }
    }
}
