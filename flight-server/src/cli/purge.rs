//! `noctuary purge`: giving something up for good.

use std::process::ExitCode;

use chrono::{TimeDelta, Utc};
use clap::{Args, Subcommand};
use noctuary_packet::time::Night;
use noctuary_storage::purge::{CutoutsOrder, Order, PacketsOrder, purge};

use super::vacuum::span;
use crate::bytesize::human;
use crate::config::Config;
use crate::error::{Failure, Result};
use crate::open;
use crate::output::sink::{note, print};

/// Give up packets, or images that are old, for good.
///
/// This is the one command that changes what earlier versions show: what it takes is in none of them any more, and its
/// bytes are deleted. What is kept is that it was there: the log and the ledger say how much went, when and why. A
/// packet whose images went says so when it is asked for, and everything else that it carried can still be asked for in
/// SQL. A packet that was purged is known, and counts as a duplicate when it is delivered again. Copies that were made
/// by `noctuary mirror` follow with the next mirror.
///
/// Like a vacuum that keeps nothing it ends versions that a rollback has undone, and whoever reads an earlier version
/// at that moment has to begin again. Images that stand in packets which are kept whole stay with them, and those of
/// packets without a night are never too old. The log keeps the least and greatest id and position of what each commit
/// brought.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary purge cutouts --survey lsst --older-than 730d --reason 'kept for two years'
  noctuary purge cutouts --survey lsst --before 2026-04-01 --reason 'no room' --dry-run
  noctuary purge alerts 170239611403501617 --reason 'withdrawn by the survey' --yes")]
pub struct PurgeArgs {
    #[command(subcommand)]
    pub what: What,
}

/// What to give up.
#[derive(Debug, Subcommand)]
pub enum What {
    /// All packets of some alerts, with what no other packet carries.
    Alerts {
        /// Ids of alerts; all revisions go.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// The survey, where several have alerts of the same id.
        #[arg(long, value_name = "NAME")]
        survey: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// The images of a survey's packets of nights that are past; all else of them stays.
    Cutouts {
        /// Which survey's.
        #[arg(long, value_name = "NAME")]
        survey: String,
        /// Those of nights before this one.
        #[arg(long, value_name = "NIGHT", required_unless_present = "older_than", conflicts_with = "older_than")]
        before: Option<Night>,
        /// Those of nights that were so long ago: 30d, 730d.
        #[arg(long, value_name = "TIME", value_parser = span)]
        older_than: Option<TimeDelta>,
        #[command(flatten)]
        how: How,
    },
}

/// Why, and whether it is meant.
#[derive(Debug, Args)]
pub struct How {
    /// Why; the log and the ledger keep it.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Only say what would go.
    #[arg(long, conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do it: it cannot be undone.
    #[arg(long)]
    pub yes: bool,
}

/// Runs the command.
pub async fn run(config: &Config, args: &PurgeArgs) -> Result<ExitCode> {
    let archive = open::archive(config).await?;
    let now = Utc::now();
    let (order, how, of) = match &args.what {
        What::Alerts { ids, survey, how } => {
            (Order::Packets(PacketsOrder { survey: survey.clone(), alerts: ids.clone() }), how, "packets")
        }
        What::Cutouts { survey, before, older_than, how } => {
            let before = match (before, older_than) {
                (Some(night), _) => *night,
                // A night ends on the day after the one that names it.
                (None, Some(time)) => Night::of_date((now - *time - TimeDelta::days(1)).date_naive()),
                (None, None) => return Err(Failure::request("give --before NIGHT or --older-than TIME")),
            };
            (Order::Cutouts(CutoutsOrder { survey: survey.clone(), before }), how, "packets without their images")
        }
    };
    let report = purge(&archive, &order, &how.reason, now, !how.yes).await?;
    if report.packets == 0 {
        let given = match report.bytes {
            0 => String::new(),
            bytes => format!("; {} of earlier ones given back", human(bytes)),
        };
        print(&format!("there is nothing to purge{given}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if how.yes {
        print(&format!(
            "{} {of} purged, as version {}; storage has given back {}\n",
            report.packets,
            report.version,
            human(report.bytes)
        ))?;
    } else {
        print(&format!("{} {of} would be purged\n", report.packets))?;
        if !how.dry_run {
            note(format_args!("nothing has been purged: it cannot be undone, so give --yes if it is meant"));
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}
