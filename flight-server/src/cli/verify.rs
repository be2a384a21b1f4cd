//! `noctuary verify`: does the archive keep its promises?

use std::process::ExitCode;

use clap::Args;
use noctuary_packet::time::Night;
use noctuary_storage::verify::{VerifyOptions, VerifyReport, verify};

use super::as_of::VersionArg;
use crate::config::Config;
use crate::error::Result;
use crate::open;
use crate::output::sink::print;
use crate::output::table::Grid;
use crate::progress::{Unit, Watch};

/// How many failures of one promise are shown in full.
const SHOWN: usize = 10;

/// Check that the archive keeps its promises.
///
/// Packets are exactly what was sent (P1), stored once (P2), in whole commits (P3), all counted (P4), as they were at
/// every version (P5), and labelled with who may see them (P9). That answers are those of a full scan (P7) is tested
/// with the program, not here.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary verify                     every packet
  noctuary verify --night 2026-04-07
  noctuary verify --sample 1000       about so many packets, everything else whole

The exit code is 0 if every promise is kept, 1 if not.")]
pub struct VerifyArgs {
    /// Only the packets of this night.
    #[arg(long, value_name = "NIGHT")]
    pub night: Option<Night>,
    /// Look at so many packets instead of all.
    #[arg(long, value_name = "N")]
    pub sample: Option<u64>,
    #[command(flatten)]
    pub version: VersionArg,
}

/// Runs the command.
pub async fn run(config: &Config, args: &VerifyArgs) -> Result<ExitCode> {
    let archive = open::archive(config).await?;
    let snapshot = open::version(&archive, args.version.as_of.as_ref()).await?;
    let (watch, meter) = Watch::meter("verify", Unit::Bytes);
    let options = VerifyOptions { night: args.night, sample: args.sample };
    let report = verify(&archive, &snapshot, &options, &meter).await?;
    drop(watch);
    print(&shown(&report))?;
    Ok(if report.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn shown(report: &VerifyReport) -> String {
    let mut grid = Grid::new(&["promise", "what", ">examined", ">failures"]);
    for check in &report.checks {
        grid.whole_row([
            check.promise.to_owned(),
            check.what.to_owned(),
            check.examined.to_string(),
            check.failed.to_string(),
        ]);
    }
    let mut out = grid.render();
    for check in report.checks.iter().filter(|c| c.failed > 0) {
        out.push('\n');
        let shown = &check.failures[..check.failures.len().min(SHOWN)];
        for failure in shown {
            out.push_str(&format!("{}: {failure}\n", check.promise));
        }
        if check.failed > shown.len() as u64 {
            out.push_str(&format!("{}: and {} more\n", check.promise, check.failed - shown.len() as u64));
        }
    }
    out
}
