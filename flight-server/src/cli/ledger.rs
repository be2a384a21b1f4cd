//! `noctuary ledger`: what was received and what became of it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use noctuary_packet::time::Night;

use super::as_of::VersionArg;
use super::sql::{How, MORE, answer, understood};
use crate::config::Config;
use crate::error::Result;
use crate::open;
use crate::output::{Format, Sink};

/// Show what was received and what became of it.
///
/// Received = stored + duplicate + quarantined + purged, for every source, night, visit and schema. The table is
/// `archive.ledger` in SQL.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary ledger
  noctuary ledger --by visit --night 2026-04-07
  noctuary ledger --by source --source tar.gz --format csv")]
pub struct LedgerArgs {
    /// What the rows stand for.
    #[arg(long, value_enum, default_value_t = By::Source)]
    pub by: By,
    /// Only this night.
    #[arg(long, value_name = "NIGHT")]
    pub night: Option<Night>,
    /// Only sources whose name contains this.
    #[arg(long, value_name = "TEXT")]
    pub source: Option<String>,
    #[command(flatten)]
    pub show: ShowArgs,
}

/// What the rows of a ledger stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Files and streams.
    Source,
    /// Exposures.
    Visit,
    /// Schemas that wrote the packets.
    Schema,
    /// Nights.
    Night,
}

/// How a small result is shown.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// How rows are written [default: by the name of the output file, else table].
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Write to a file, which appears once it is whole.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Rows that a table shows, 0 for all.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub max_rows: usize,
    #[command(flatten)]
    pub version: VersionArg,
}

/// Runs the command.
pub async fn run(config: &Config, args: &LedgerArgs) -> Result<ExitCode> {
    show(config, &sql(args), &args.show).await
}

fn sql(args: &LedgerArgs) -> String {
    let keys = match args.by {
        By::Source => "source",
        By::Visit => "survey, night, visit",
        By::Schema => "survey, \"schema\"",
        By::Night => "survey, night",
    };
    let mut wanted = vec!["true".to_owned()];
    wanted.extend(args.night.map(|n| format!("night = DATE '{n}'")));
    wanted.extend(args.source.as_ref().map(|s| format!("strpos(source, {}) > 0", quoted(s))));
    // A source that was refused as a whole has a note and no packets.
    let note = if args.by == By::Source { ", max(note) AS note" } else { "" };
    format!(
        "SELECT {keys}, sum(received) AS received, sum(stored) AS stored, sum(duplicate) AS duplicate, \
         sum(quarantined) AS quarantined, sum(coalesce(purged, 0)) AS purged, sum(revisions) AS revisions, sum(flagged) AS flagged, \
         sum(inline) AS inline, sum(bytes) AS bytes{note} FROM archive.ledger WHERE {} GROUP BY {keys} ORDER BY {keys}",
        wanted.join(" AND ")
    )
}

/// A text as SQL writes it.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Asks and shows the answer.
pub async fn show(config: &Config, sql: &str, args: &ShowArgs) -> Result<ExitCode> {
    let format = Format::chosen(args.format, args.output.as_deref())?;
    let engine = open::reader_engine(config).await?;
    let session = open::session(&engine, &config.rights.value, args.version.as_of.as_ref()).await?;
    let questions = understood(&session, &[sql.to_owned()]).await?;
    let mut sink = Sink::open(args.output.as_deref())?;
    for question in &questions {
        answer(question, How { format, max_rows: Some(args.max_rows), more: MORE }, &mut sink).await?;
    }
    sink.finish()?;
    Ok(ExitCode::SUCCESS)
}
