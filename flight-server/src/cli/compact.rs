//! `noctuary compact`: many small files become few large ones.

use std::process::ExitCode;

use chrono::Utc;
use clap::Args;
use noctuary_storage::compact::{Level, Policy, compact, plan};

use crate::bytesize::{ByteSize, human};
use crate::config::Config;
use crate::error::Result;
use crate::open;
use crate::output::sink::print;
use crate::output::table::Grid;
use crate::progress::{Unit, Watch};

/// Merge what many commits wrote into fewer, larger files.
///
/// The files of a night become one group when it is over, those of nights become one of their month, those of months
/// one of their year; where that would be too much it is divided by the sky. What packets repeat stands once in each,
/// so that the archive becomes smaller and faster to read. Nothing that can be asked changes, of no version: readers and
/// ingests go on meanwhile. It may be stopped at any time; what is merged by then stays merged. The old files are there
/// until `noctuary vacuum`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary compact
  noctuary compact --dry-run
  noctuary compact --level month
  noctuary compact --now")]
pub struct CompactArgs {
    /// The highest level to merge to: night, month, year or ever (what belongs to several years, or to no night).
    #[arg(long, value_name = "LEVEL", default_value = "ever")]
    pub level: Level,
    /// Merge now: wait neither until nights, months and years are over nor until there is enough.
    #[arg(long)]
    pub now: bool,
    /// Only show what would be merged.
    #[arg(long)]
    pub dry_run: bool,
    /// Divide groups whose columns take more than this by the sky.
    #[arg(long, value_name = "BYTES", default_value = "1GiB")]
    pub group_size: ByteSize,
}

/// Runs the command.
pub async fn run(config: &Config, args: &CompactArgs) -> Result<ExitCode> {
    let archive = open::archive(config).await?;
    let of_today = Policy::of(Utc::now().date_naive());
    let policy = Policy { level: args.level, now: args.now, group_bytes: args.group_size.0.max(1), ..of_today };
    if args.dry_run {
        let work = plan(&archive.snapshot().await?, &policy);
        let mut grid = Grid::new(&["merge", ">bytes"]);
        for one in &work {
            grid.row([one.what(), human(one.bytes())]);
        }
        print(&grid.render())?;
        return Ok(ExitCode::SUCCESS);
    }
    let (watch, meter) = Watch::meter("compact", Unit::Bytes);
    let report = compact(&archive, &policy, &meter).await?;
    drop(watch);
    let left = match report.left {
        0 => String::new(),
        n => format!("; {n} merges were left to somebody who was faster"),
    };
    if report.merges == 0 {
        print(&format!("there is nothing to merge{left}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&format!(
        "{} merges: {} files of {} became {} of {}; version {}{left}\n",
        report.merges,
        report.files.0,
        human(report.bytes.0),
        report.files.1,
        human(report.bytes.1),
        report.version
    ))?;
    Ok(ExitCode::SUCCESS)
}
