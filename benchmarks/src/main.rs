//! Measures Noctuary, and what it is held against, on this machine.
//!
//! ```text
//! cargo run --release -p noctuary-benchmarks -- list
//! cargo run --release -p noctuary-benchmarks -- run ingest
//! cargo run --release -p noctuary-benchmarks -- run get --quick
//! ```
//!
//! Whatever is timed runs in a process of its own, so that its peak memory and its processor time are its own.

mod ask;
mod consume;
mod corpus;
mod far;
mod flat;
mod get;
mod growth;
mod ingest;
mod log;
mod lookup_peers;
mod lookups;
mod machine;
mod peer;
mod positions;
mod process;
mod questions;
mod replay;
mod report;
mod server;
mod step;
mod store;
mod workload;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use crate::workload::{Kind, Workload};

/// Measures Noctuary, and what it is held against, on this machine.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the workloads.
    List,
    /// Runs workloads, prints a table of each and writes it to the results folder as Markdown and JSON.
    Run {
        /// Which benchmark.
        which: Which,
        /// Only workloads whose name contains this.
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
        #[command(flatten)]
        options: Options,
    },
    /// One thing that is timed, in a process of its own; used by `run`.
    #[command(hide = true)]
    Step {
        #[command(subcommand)]
        step: step::Step,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Which {
    /// Packets into an archive.
    Ingest,
    /// Packets back by id, and a night of them in order.
    Get,
    /// How small packets are kept, before and after they are merged.
    Store,
    /// What a long log with many files costs.
    Log,
    /// Flat past sources by id and by place.
    Lookups,
    /// Nights sent again over Flight.
    Replay,
    /// Everything.
    All,
}

/// How to run.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Less input and one run: to see that it works, not to quote.
    #[arg(long)]
    quick: bool,
    /// How often each workload is timed, instead of what it says itself.
    #[arg(long, value_name = "N")]
    runs: Option<usize>,
    /// Leave out what it is held against.
    #[arg(long)]
    no_references: bool,
    /// Where packets are made, archives are built and the Python peer is installed; the user's cache folder otherwise.
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,
    /// Where results are written.
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    results: PathBuf,
}

impl Options {
    /// The folder to work in.
    fn work(&self) -> Result<PathBuf, Failure> {
        let folder = match &self.work {
            Some(folder) => folder.clone(),
            None => std::env::var_os("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
                .ok_or_else(|| Failure("there is no home folder; name a folder with --work".into()))?
                .join("noctuary/benchmarks"),
        };
        std::fs::create_dir_all(&folder).map_err(|e| Failure::at(&folder, e))?;
        Ok(folder.canonicalize()?)
    }

    /// How often a workload is timed.
    fn runs(&self, workload: &Workload) -> usize {
        self.runs.unwrap_or(if self.quick { 1 } else { workload.runs }).max(1)
    }
}

/// Why a benchmark could not be run.
#[derive(Debug, Clone)]
pub struct Failure(String);

impl Failure {
    fn at(path: &Path, error: impl Display) -> Self {
        Self(format!("{}: {error}", path.display()))
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::List => list(),
        Command::Run { which, only, options } => run(which, only.as_deref(), &options),
        Command::Step { step } => step::run(&step),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(why)) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn workloads() -> Result<Vec<Workload>, Failure> {
    workload::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("workloads"))
}

fn list() -> Result<(), Failure> {
    for workload in workloads()? {
        let benchmark = match workload.kind {
            Kind::Ingest => "ingest",
            Kind::Get => "get",
            Kind::Store => "store",
            Kind::Log => "log",
            Kind::Lookups | Kind::Growth => "lookups",
            Kind::Replay => "replay",
        };
        println!("{benchmark:<8}{:<20}{}", workload.name, workload.about);
    }
    Ok(())
}

fn run(which: Which, only: Option<&str>, options: &Options) -> Result<(), Failure> {
    let (mut ran, mut not_run) = (0, Vec::new());
    for mut workload in workloads()? {
        let wanted = match which {
            Which::All => true,
            Which::Ingest => workload.kind == Kind::Ingest,
            Which::Get => workload.kind == Kind::Get,
            Which::Store => workload.kind == Kind::Store,
            Which::Log => workload.kind == Kind::Log,
            Which::Lookups => matches!(workload.kind, Kind::Lookups | Kind::Growth),
            Which::Replay => workload.kind == Kind::Replay,
        };
        if !wanted || only.is_some_and(|text| !workload.name.contains(text)) {
            continue;
        }
        eprintln!("\n{}: {}", workload.name, workload.about);
        // Results say how often it was, whoever said so.
        workload.runs = options.runs(&workload);
        let Some(corpus) = corpus::prepare(&workload, options, &options.work()?)? else {
            eprintln!("  not run: its packets are not here");
            not_run.push(workload.name);
            continue;
        };
        let report = match workload.kind {
            Kind::Ingest => ingest::run(&workload, &corpus, options)?,
            Kind::Get => get::run(&workload, &corpus, options)?,
            Kind::Store => store::run(&workload, &corpus, options)?,
            Kind::Log => log::run(&workload, options)?,
            Kind::Lookups => lookups::run(&workload, options)?,
            Kind::Growth => growth::run(&workload, options)?,
            Kind::Replay => replay::run(&workload, &corpus, options)?,
        };
        ran += 1;
        print!("{}", report.markdown());
        report.write(&options.results)?;
    }
    if !not_run.is_empty() {
        let names = not_run.join(", ");
        let why = format!("not run: {names}; NOCTUARY_TEST_DATA names the folder with the real packets");
        if ran == 0 {
            return Err(Failure(why));
        }
        eprintln!("\n{why}");
    } else if ran == 0 {
        return Err(Failure("no workload has such a name; `list` shows them".into()));
    }
    Ok(())
}
