//! `noctuary sql`: one question, a script, or a conversation.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use noctuary_engine::Session;

use super::repl;
use crate::config::Config;
use crate::error::{Failure, Kind, Result};
use crate::open;
use crate::output::{Format, Sink, write_rows};

/// Ask in SQL: with -c or -f once, without them interactively.
///
/// Each survey is a schema of its own with a table `alerts`, one row per packet in the packet's own shape:
/// `diaSource.psfFlux`, `prvDiaSources`. Names are found without regard to case and need no quotes. NaN is NULL.
/// `DESCRIBE lsst.alerts` shows every field with its unit; `SHOW TABLES` shows all tables.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary sql
  noctuary sql -c 'SELECT _night, count(*) FROM lsst.alerts GROUP BY 1 ORDER BY 1'
  noctuary sql -c 'DESCRIBE lsst.alerts'
  noctuary sql -c 'SELECT diaSourceId, diaSource.psfFlux FROM lsst.alerts' -o fluxes.parquet
  noctuary sql --as-of 12 --rights public -f question.sql --format json

The exit code is 2 if a question cannot be understood, 1 if its answer fails.")]
pub struct SqlArgs {
    /// What to ask; several statements are separated by semicolons.
    #[arg(short, long, value_name = "SQL", conflicts_with = "file")]
    pub command: Option<String>,
    /// A file with what to ask, - for standard input.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How rows are written [default: by the name of the output file, else table].
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Write to a file, which appears once it is whole.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Rows that a table shows, 0 for all; the other formats always write all.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub max_rows: usize,
    /// Ask the archive as it was at this version (`noctuary log` lists them).
    #[arg(long, value_name = "VERSION")]
    pub as_of: Option<u64>,
}

/// Runs the command.
pub async fn run(config: &Config, args: &SqlArgs) -> Result<ExitCode> {
    let script = match (&args.command, &args.file) {
        (Some(text), _) => Some(text.clone()),
        (None, Some(path)) if path.as_os_str() != "-" => {
            Some(std::fs::read_to_string(path).map_err(|e| Failure::from(e).during(format!("{}", path.display())))?)
        }
        (None, None) if std::io::stdin().is_terminal() => None,
        _ => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            Some(text)
        }
    };
    let engine = open::reader_engine(config).await?;
    let Some(script) = script else {
        if args.output.is_some() {
            return Err(Failure::request("-o needs a question: give it with -c or -f"));
        }
        return repl::run(config, &engine, args).await;
    };
    let statements = Session::statements(&script)?;
    let format = args.format.or_else(|| Format::of_path(args.output.as_deref()?)).unwrap_or(Format::Table);
    match statements.len() {
        0 => return Err(Failure::request("there is no question; try `noctuary sql -c 'SHOW TABLES'`")),
        n if n > 1 && format == Format::Parquet => {
            return Err(Failure::request(format!("a Parquet file holds the answer to one question, not to {n}")));
        }
        _ => {}
    }
    let session = open::session(&engine, &config.rights.value, args.as_of).await?;
    let mut sink = Sink::open(args.output.as_deref())?;
    for statement in &statements {
        answer(&session, statement, format, args.max_rows, &mut sink).await?;
    }
    sink.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Asks one question and writes the answer. Ctrl-C stops it.
pub async fn answer(session: &Session, sql: &str, format: Format, max_rows: usize, sink: &mut Sink) -> Result<()> {
    let asked = async {
        let rows = session.sql(sql).await?;
        write_rows(rows, format, max_rows, sink).await
    };
    tokio::select! {
        result = asked => result,
        signal = tokio::signal::ctrl_c() => {
            signal?;
            Err(Failure::new(Kind::Interrupted, "stopped"))
        }
    }
}
