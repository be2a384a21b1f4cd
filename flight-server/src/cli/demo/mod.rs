//! `noctuary demo`: three simulated nights, and what one asks of them.

mod story;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use noctuary_simulator::{Plan, Simulation};
use noctuary_storage::ingest::{IngestOptions, Progress, Report, Source, ingest};
use noctuary_storage::{Access, Archive};

use crate::bytesize::human;
use crate::config::{Config, invocation};
use crate::error::{Failure, Result};
use crate::open;
use crate::output::sink::print;
use crate::progress::{Step, Unit, Watch};

/// Make three nights of LSST 11.1 alerts and show what can be asked of them.
///
/// Nothing is fetched and nothing is asked: the packets are simulated, the archive is a folder. Running it again shows
/// the same and stores nothing twice.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary demo
  noctuary demo --dir /tmp/nights
  noctuary sql --archive noctuary-demo               go on with what it made")]
pub struct DemoArgs {
    /// The folder of the archive; --archive is not looked at.
    #[arg(long, value_name = "FOLDER", default_value = "noctuary-demo")]
    pub dir: PathBuf,
}

/// The nights of the demo: enough objects that some are seen in all of them.
fn plan() -> Plan {
    Plan { seed: 2026, nights: 3, ..Plan::default() }
}

/// Runs the command.
pub async fn run(config: &Config, args: &DemoArgs) -> Result<ExitCode> {
    let begun = Instant::now();
    let plan = plan();
    print(&format!(
        "Noctuary {} keeps astronomical alerts as they were sent, and answers questions about them.\n\
         This demo simulates {} nights of {} alerts each (LSST 11.1) and takes them into {}.\n",
        env!("CARGO_PKG_VERSION"),
        plan.nights,
        plan.visits_per_night * plan.alerts_per_visit,
        args.dir.display()
    ))?;
    let (simulation, plan) = {
        let _watch = Watch::start("making the sky", Unit::Count, Step::default);
        let wanted = plan.clone();
        let made = tokio::task::spawn_blocking(move || Simulation::new(wanted)).await?;
        (made.map_err(|e| Failure::internal(e.to_string()))?, plan)
    };
    let archive = Archive::open_or_create(open::folder(&args.dir)?).await?;
    let report = take_in(config, &archive, &simulation, &plan).await?;
    print(&arrived(&report, begun))?;

    let engine = open::engine(archive.clone(), config)?;
    let session = open::session(&engine, &Access::Everything, None).await?;
    story::tell(&session, &archive, &simulation).await?;

    print(&format!("\n{:.0} s in all. To go on:\n{}", begun.elapsed().as_secs_f64(), onward(&args.dir)))?;
    Ok(ExitCode::SUCCESS)
}

/// The commands to go on with, as the user can type them.
fn onward(dir: &Path) -> String {
    let (program, dir) = (invocation(), dir.display());
    let lines = [
        (format!("{program} sql --archive {dir}"), "ask it anything: SHOW TABLES, DESCRIBE lsst.alerts"),
        (format!("{program} nights --archive {dir}"), "what there is of each night"),
        (format!("{program} verify --archive {dir}"), "check every packet"),
        (format!("{program} serve --archive {dir}"), "Arrow Flight SQL, for Python and others"),
        (format!("{program} ingest --archive my-alerts FOLDER"), "take in packets of your own"),
        (format!("{program} help"), "everything else"),
    ];
    let width = lines.iter().map(|(command, _)| command.chars().count()).max().unwrap_or(0);
    lines.iter().map(|(command, what)| format!("  {command:width$}  {what}\n")).collect()
}

async fn take_in(config: &Config, archive: &Archive, simulation: &Simulation, plan: &Plan) -> Result<Report> {
    let progress = Arc::new(Progress::default());
    let (watched, total) = (Arc::clone(&progress), simulation.total());
    let watch = Watch::start("simulating and taking in", Unit::Count, move || Step {
        done: watched.packets(),
        total: Some(total),
        message: human(watched.bytes_read()),
    });
    // The name says what the packets are made from: another plan makes another source.
    let name = format!("simulated-{}-{}x{}", plan.seed, plan.nights, simulation.total());
    let packets = Box::new(simulation.packets().map(|packet| packet.bytes));
    let options = IngestOptions { threads: config.threads.value, ..IngestOptions::default() };
    let report = ingest(archive, vec![Source::packets(&name, packets)], &options, &progress).await?;
    drop(watch);
    Ok(report)
}

fn arrived(report: &Report, begun: Instant) -> String {
    let counts = &report.counts;
    if report.already > 0 {
        return "\nThe packets have been taken in before: nothing is stored twice.\n".to_owned();
    }
    let seconds = begun.elapsed().as_secs_f64();
    format!(
        "\n{} packets, {}, simulated, stored and counted in {seconds:.1} s: {} stored, {} duplicate, {} quarantined.\n",
        counts.received,
        human(counts.bytes.unsigned_abs()),
        counts.stored,
        counts.duplicate,
        counts.quarantined
    )
}
