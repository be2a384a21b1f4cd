//! `noctuary sql`: one question, a script, or a conversation.

use std::io::{IsTerminal, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use noctuary_engine::{Planned, Session};

use super::repl;
use crate::config::Config;
use crate::duration::Deadline;
use crate::error::{Failure, Kind, Result};
use crate::open;
use crate::output::{Format, Shown, Sink, write_rows};

/// Rows that a table shows if nobody says.
const TABLE_ROWS: usize = 100;

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
  noctuary sql --dry-run -c 'SELECT * FROM lsst.sources WHERE cone(ra, dec, 150.1, 2.2, 1)'
  noctuary sql -c 'EXPLAIN ANALYZE SELECT count(*) FROM lsst.sources WHERE diaObjectId = 1'
  noctuary sql --table mine=list.csv -c 'SELECT * FROM crossmatch(mine, lsst.sources, arcsec(2))'

All questions are understood before the first is answered. The exit code is 2 if one of them is at fault, be it in a
row that it meets (a division by zero, a text that is no number), and 1 if it cannot be answered for another reason.")]
pub struct SqlArgs {
    /// What to ask; several statements are separated by semicolons.
    #[arg(short, long, value_name = "SQL", conflicts_with = "file")]
    pub command: Option<String>,
    /// A file with what to ask, - for standard input.
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub answer: AnswerArgs,
}

/// Of what a question is asked, and how its answer is written.
#[derive(Debug, Args)]
pub struct AnswerArgs {
    /// How rows are written [default: by the name of the output file, else table].
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Write to a file, which appears once it is whole.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Rows that a table shows, 0 for all [default: 100, and all of DESCRIBE, SHOW and EXPLAIN]. A table is made in
    /// memory; the other formats always write all rows, as they come.
    #[arg(long, value_name = "N")]
    pub max_rows: Option<usize>,
    /// Say what would be read, instead of answering: for each table files, rows at most, and bytes at most. Needs the
    /// rights to all rows.
    #[arg(long)]
    pub dry_run: bool,
    /// The time that a question may take, such as 30s or 5min; none for any time [default: none].
    #[arg(long, value_name = "TIME", env = "NOCTUARY_DEADLINE", hide_env = true)]
    pub deadline: Option<Deadline>,
    #[command(flatten)]
    pub tables: super::tables::TableArg,
    #[command(flatten)]
    pub version: super::as_of::VersionArg,
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
    let Some(script) = script else {
        if args.answer.output.is_some() {
            return Err(Failure::request("-o needs a question: give it with -c or -f"));
        }
        if args.answer.dry_run {
            return Err(Failure::request("--dry-run needs a question: give it with -c or -f"));
        }
        return repl::run(config, &open::reader_engine(config).await?, &args.answer).await;
    };
    ask(config, &script, &args.answer).await
}

/// Answers the questions of a script, once all of them are understood.
pub async fn ask(config: &Config, script: &str, args: &AnswerArgs) -> Result<ExitCode> {
    let format = Format::chosen(args.format, args.output.as_deref())?;
    let statements = Session::statements(script)?;
    match statements.len() {
        0 => return Err(Failure::request("there is no question; try `noctuary sql -c 'SHOW TABLES'`")),
        n if n > 1 && format == Format::Parquet => {
            return Err(Failure::request(format!("a Parquet file holds the answer to one question, not to {n}")));
        }
        _ => {}
    }
    let engine = open::reader_engine(config).await?;
    let session = open::session(&engine, &config.rights.value, args.version.as_of.as_ref()).await?;
    let session = args.tables.open().await?.with(session)?;
    if args.dry_run {
        return dry_run(&session, &statements, format, args).await;
    }
    let questions = understood(&session, &statements).await?;
    let how = How { format, max_rows: args.max_rows, more: MORE };
    let mut sink = Sink::open(args.output.as_deref())?;
    for question in &questions {
        answer(question, how, &mut sink).await?;
    }
    sink.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// Writes what each question would read.
async fn dry_run(session: &Session, statements: &[String], format: Format, args: &AnswerArgs) -> Result<ExitCode> {
    let mut costs = Vec::with_capacity(statements.len());
    for statement in statements {
        costs.push(or_stopped(async { Ok(session.dry_run(statement).await?) }).await?);
    }
    let mut sink = Sink::open(args.output.as_deref())?;
    for cost in costs {
        let rows = RecordBatchStreamAdapter::new(cost.schema(), futures::stream::iter([Ok(cost)]));
        let shown = Shown { rows: args.max_rows.unwrap_or(0), whole: true, more: MORE };
        write_rows(Box::pin(rows), format, shown, &mut sink).await?;
    }
    sink.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// How to see all rows of an answer, for whoever gave flags.
pub const MORE: &str = "--max-rows 0 shows all, --format csv|json|parquet writes all";

/// How an answer is written.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// The form.
    pub format: Format,
    /// Rows of a table, 0 for all; as many as suit the question if nobody says.
    pub max_rows: Option<usize>,
    /// How to see the rows that are left out.
    pub more: &'static str,
}

/// A question that has been understood.
#[derive(Debug)]
pub struct Question {
    planned: Planned,
    /// Asked for what there is or for a plan, which are no good in part.
    whole: bool,
}

/// Understands all of some statements.
///
/// # Errors
/// When one of them is at fault.
pub async fn understood(session: &Session, statements: &[String]) -> Result<Vec<Question>> {
    let mut questions = Vec::with_capacity(statements.len());
    for statement in statements {
        let word = Session::first_word(statement);
        let whole = matches!(word.as_deref(), Some("EXPLAIN" | "DESCRIBE" | "DESC" | "SHOW"));
        questions.push(Question { planned: or_stopped(async { Ok(session.plan(statement).await?) }).await?, whole });
    }
    Ok(questions)
}

/// Writes the answer to a question. Ctrl-C stops it.
pub async fn answer(question: &Question, how: How, sink: &mut Sink) -> Result<()> {
    let rows = how.max_rows.unwrap_or(if question.whole { 0 } else { TABLE_ROWS });
    let shown = Shown { rows, whole: question.whole, more: how.more };
    or_stopped(async { write_rows(question.planned.execute().await?, how.format, shown, sink).await }).await
}

async fn or_stopped<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        result = work => result,
        signal = tokio::signal::ctrl_c() => {
            signal?;
            Err(Failure::new(Kind::Interrupted, "stopped"))
        }
    }
}
