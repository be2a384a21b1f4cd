//! `noctuary quarantine`: packets that were refused.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use noctuary_packet::reason::Reason;
use noctuary_storage::ingest::Report;
use noctuary_storage::quarantine::{Quarantined, read, retry};

use super::ingest::{exit_code, options, reasons, schema_of};
use super::ledger::{ShowArgs, show};
use crate::bytesize::ByteSize;
use crate::config::Config;
use crate::error::{Failure, Result};
use crate::open;
use crate::output::Sink;
use crate::output::sink::print;
use crate::output::table::Grid;
use crate::progress::{Step, Unit, Watch};

/// Look at packets that were refused, and try them again.
///
/// A refused packet is kept with its bytes, the file and offset it came from, and what is wrong with it: reason, byte,
/// schema and field. Once a schema or survey has been added it can be tried again. The table is `archive.quarantine`
/// in SQL.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary quarantine list
  noctuary quarantine show ID                      what is wrong with it
  noctuary quarantine show ID -o packet.bin        its bytes
  noctuary schema add lsst-12.avsc --id 1200
  noctuary quarantine retry --all                  store what can be read now")]
pub struct QuarantineArgs {
    #[command(subcommand)]
    pub command: QuarantineCommand,
}

/// What to do with it.
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// List what waits there.
    #[command(after_help = "Example:\n  noctuary quarantine list --reason unknown-schema")]
    List(ListArgs),
    /// Show what is wrong with a packet, or write its bytes to a file.
    #[command(after_help = "Example:\n  noctuary quarantine show ID -o packet.bin")]
    Show {
        /// Its id in the list.
        id: String,
        /// Write the bytes to this file, - for standard output.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Try packets again: those that are accepted now are stored, the others stay.
    #[command(
        after_help = "Examples:\n  noctuary quarantine retry --all\n  noctuary quarantine retry ID --schema 'lsst 9.0'"
    )]
    Retry {
        /// Ids from the list.
        #[arg(required_unless_present = "all", conflicts_with = "all", value_name = "ID")]
        ids: Vec<String>,
        /// Everything that waits.
        #[arg(long)]
        all: bool,
        /// Schema of datums without a frame: a name, or an .avsc or container file.
        #[arg(long, value_name = "NAME|FILE")]
        schema: Option<String>,
    },
}

/// What to list.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only this reason, such as truncated.
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Those that have been stored since as well, with the version that did.
    #[arg(long)]
    released: bool,
    #[command(flatten)]
    show: ShowArgs,
}

/// Runs the command.
pub async fn run(config: &Config, args: &QuarantineArgs) -> Result<ExitCode> {
    match &args.command {
        QuarantineCommand::List(args) => list(config, args).await,
        QuarantineCommand::Show { id, output } => {
            let archive = open::archive(config).await?;
            let packet = read(&archive, &archive.snapshot().await?, id).await?;
            match output {
                None => print(&describe(&packet))?,
                Some(path) => {
                    let mut sink = Sink::open(Some(path))?;
                    sink.refuse_terminal("a packet")?;
                    sink.write_all(&packet.packet)?;
                    sink.finish()?;
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        QuarantineCommand::Retry { ids, all, schema } => {
            let archive = open::archive(config).await?;
            let snapshot = archive.snapshot().await?;
            let schema = schema.as_deref().map(|name| schema_of(name, &snapshot)).transpose()?;
            let options = options(config, schema, ByteSize(64 << 20));
            let watch = Watch::start("retry", Unit::Count, Step::default);
            let report = retry(&archive, (!all).then_some(ids), &options).await?;
            drop(watch);
            print(&retried(&report))?;
            Ok(exit_code(&report))
        }
    }
}

fn retried(report: &Report) -> String {
    let refused: u64 = report.reasons.values().sum();
    let mut grid = Grid::new(&["", ">packets"]);
    grid.row(["stored now".to_owned(), report.counts.stored.to_string()]);
    grid.row(["stored before".to_owned(), report.counts.duplicate.to_string()]);
    grid.row(["refused again".to_owned(), refused.to_string()]);
    format!("{}{}", grid.render(), reasons(report))
}

async fn list(config: &Config, args: &ListArgs) -> Result<ExitCode> {
    let mut wanted = Vec::new();
    if let Some(reason) = &args.reason {
        if !Reason::ALL.iter().any(|r| r.as_str() == reason) {
            let all: Vec<&str> = Reason::ALL.iter().map(|r| r.as_str()).collect();
            return Err(Failure::request(format!("{reason:?} is no reason; there are {}", all.join(", "))));
        }
        wanted.push(format!("reason = {}", super::ledger::quoted(reason)));
    }
    let released = if args.released {
        "released, "
    } else {
        wanted.push("released IS NULL".to_owned());
        ""
    };
    let wanted = if wanted.is_empty() { "true".to_owned() } else { wanted.join(" AND ") };
    let sql = format!(
        "SELECT id, reason, source, member, \"offset\", length, {released}detail FROM archive.quarantine \
         WHERE {wanted} ORDER BY id"
    );
    show(config, &sql, &args.show).await
}

fn describe(packet: &Quarantined) -> String {
    let mut grid = Grid::new(&["", ""]);
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            grid.whole_row([name.to_owned(), value]);
        }
    };
    line("id", Some(packet.id.clone()));
    line("source", Some(packet.source.clone()));
    line("member", packet.member.clone());
    line("offset", Some(packet.offset.to_string()));
    line("reason", Some(packet.reason.clone()));
    line("detail", Some(packet.detail.clone()));
    line("byte", packet.byte.map(|b| b.to_string()));
    line("schema", packet.schema.clone());
    line("field", packet.field.clone());
    let kept = if packet.complete { "" } else { ", of which only the beginning is kept" };
    line("length", Some(format!("{} bytes{kept}", packet.length)));
    line("sha256", Some(packet.sha256.clone()));
    line("stored since", packet.released.map(|v| format!("in version {v}")));
    let reason = Reason::ALL.into_iter().find(|r| r.as_str() == packet.reason);
    line("what to do", reason.map(|r| r.remedy().to_owned()));
    grid.render_bare()
}
