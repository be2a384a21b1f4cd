//! `noctuary load`: flat tables that no packet brought.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use noctuary_storage::Table;
use noctuary_storage::load::{COMMIT_ROWS, LoadOptions, LoadReport, load};

use super::ingest::schema_of;
use crate::config::Config;
use crate::error::{Failure, Kind, Result};
use crate::open;
use crate::output::sink::print;
use crate::progress::{Unit, Watch};

/// Load past detections or objects that have no packets.
///
/// Rows of Parquet files become rows of SURVEY.sources, SURVEY.forced or SURVEY.objects, and say `loaded` in `_origin`:
/// they were never transmitted, and no packet can be given back for them. Columns are taken by their names, or as
/// --column says; what the input has not is null. A load that was stopped goes on where it was when it is started
/// again, and a file that is loaded already is not loaded twice.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary load dr1.parquet --survey lsst --as sources
  noctuary load stars.parquet --survey lsst --as sources --column diaSourceId=id --column psfFlux=flux
  noctuary load objects.parquet --survey lsst --as objects --columns names.toml

A file for --columns has a line for each column that is called otherwise in the input: psfFlux = \"flux\".")]
pub struct LoadArgs {
    /// Parquet files.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The survey whose rows they are.
    #[arg(long, value_name = "SURVEY")]
    pub survey: String,
    /// What the rows are.
    #[arg(long = "as", value_enum, value_name = "TABLE")]
    pub table: Loaded,
    /// Take a column of the archive from one of the input that is called otherwise.
    #[arg(long = "column", value_name = "COLUMN=INPUT")]
    pub column: Vec<String>,
    /// The same for many columns, in a TOML file.
    #[arg(long, value_name = "FILE")]
    pub columns: Option<PathBuf>,
    /// Label of who may see the rows [default: the survey's most restricted].
    #[arg(long, value_name = "LABEL")]
    pub label: Option<String>,
    /// Schema whose records the rows are like: a name from `noctuary schema list`, or a file [default: the survey's
    /// newest].
    #[arg(long, value_name = "NAME|FILE")]
    pub schema: Option<String>,
}

/// What can be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Loaded {
    /// Detections.
    Sources,
    /// Forced photometry.
    Forced,
    /// Objects.
    Objects,
}

impl Loaded {
    fn table(self) -> Table {
        match self {
            Self::Sources => Table::Sources,
            Self::Forced => Table::Forced,
            Self::Objects => Table::Objects,
        }
    }
}

/// Runs the command.
pub async fn run(config: &Config, args: &LoadArgs) -> Result<ExitCode> {
    let columns = columns(args)?;
    let archive = open::archive_or_new(config).await?;
    let snapshot = archive.snapshot().await?;
    let schema = args.schema.as_deref().map(|name| schema_of(name, &snapshot)).transpose()?;
    let options = LoadOptions {
        survey: args.survey.clone(),
        table: args.table.table(),
        columns,
        rights: args.label.clone(),
        schema,
        commit_rows: COMMIT_ROWS,
    };
    let (watch, meter) = Watch::meter("load", Unit::Count);
    let report = tokio::select! {
        report = load(&archive, &args.files, &options, &meter) => report?,
        signal = tokio::signal::ctrl_c() => {
            signal?;
            return Err(Failure::new(Kind::Interrupted, format!(
                "stopped after {} rows; what was committed stays, and the same command goes on from there",
                meter.done()
            )));
        }
    };
    drop(watch);
    print(&summary(&report))?;
    Ok(ExitCode::SUCCESS)
}

fn columns(args: &LoadArgs) -> Result<BTreeMap<String, String>> {
    let mut columns = BTreeMap::new();
    if let Some(path) = &args.columns {
        let text = std::fs::read_to_string(path).map_err(|e| Failure::from(e).during(path.display()))?;
        columns = toml::from_str(&text).map_err(|e| Failure::request(format!("{}: {e}", path.display())))?;
    }
    for pair in &args.column {
        let (name, input) =
            pair.split_once('=').filter(|(name, input)| !name.is_empty() && !input.is_empty()).ok_or_else(|| {
                Failure::request(format!("--column {pair:?}: write it as COLUMN=INPUT, such as psfFlux=flux"))
            })?;
        columns.insert(name.to_owned(), input.to_owned());
    }
    Ok(columns)
}

fn summary(report: &LoadReport) -> String {
    let already = match report.already {
        0 => String::new(),
        rows => format!(", {rows} were there already"),
    };
    let mut out = format!("{} rows loaded{already}; the archive is at version {}\n", report.rows, report.version);
    let renamed: Vec<String> = report
        .filled
        .iter()
        .filter(|(name, from)| name != from)
        .map(|(name, from)| format!("{name} from {from}"))
        .collect();
    out.push_str(&format!("{} columns filled", report.filled.len()));
    if !renamed.is_empty() {
        out.push_str(&format!(", {}", renamed.join(", ")));
    }
    out.push('\n');
    if !report.unused.is_empty() {
        out.push_str(&format!("not taken: {}\n", report.unused.join(", ")));
    }
    out
}
