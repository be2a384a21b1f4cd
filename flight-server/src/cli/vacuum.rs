//! `noctuary vacuum`: giving back room.

use std::process::ExitCode;

use chrono::{TimeDelta, Utc};
use clap::Args;
use noctuary_storage::vacuum::{VacuumOptions, vacuum};

use crate::bytesize::human;
use crate::config::Config;
use crate::error::{Failure, Result};
use crate::open;
use crate::output::sink::print;

/// Delete files that nobody needs any more.
///
/// These are files whose rows have been merged into others, rows that a rollback has undone, and leftovers of writers
/// that were stopped. Every version that was not undone can still be asked, with the same answer; those that were
/// undone end here. Whoever works on a version that is older than `--keep` may have to open it again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary vacuum --dry-run
  noctuary vacuum
  noctuary vacuum --keep 12h --grace 1h")]
pub struct VacuumArgs {
    /// Leave the files of versions that were the newest within this time: 30m, 12h, 7d.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = span)]
    pub keep: TimeDelta,
    /// Leave files that no version names while they are younger than this: a writer may be about to commit them. One
    /// that is slower has to begin again; nothing is lost.
    #[arg(long, value_name = "TIME", default_value = "1d", value_parser = span)]
    pub grace: TimeDelta,
    /// Only say what would be deleted.
    #[arg(long)]
    pub dry_run: bool,
}

/// Runs the command.
pub async fn run(config: &Config, args: &VacuumArgs) -> Result<ExitCode> {
    let archive = open::archive(config).await?;
    let options =
        VacuumOptions { now: Utc::now(), keep: args.keep, grace: args.grace, before: None, dry_run: args.dry_run };
    let report = vacuum(&archive, &options).await?;
    let (would, files) =
        (if args.dry_run { "would be deleted" } else { "deleted" }, report.superseded + report.leftovers);
    print(&match files {
        0 => "there is nothing to delete\n".to_owned(),
        _ => format!(
            "{files} files of {} {would}: {} whose rows are elsewhere or undone, {} leftovers\n",
            human(report.bytes),
            report.superseded,
            report.leftovers
        ),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a span of time.
pub fn span(text: &str) -> Result<TimeDelta> {
    let bad = || Failure::request(format!("{text:?} is no span of time; write 30m, 12h or 7d"));
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: i64 = digits.parse().map_err(|_| bad())?;
    let of = match &text[digits.len()..] {
        "s" => TimeDelta::try_seconds(number),
        "m" => TimeDelta::try_minutes(number),
        "h" => TimeDelta::try_hours(number),
        "d" => TimeDelta::try_days(number),
        _ => None,
    };
    of.filter(|span| *span >= TimeDelta::zero()).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        assert_eq!(span("90m").unwrap(), TimeDelta::minutes(90));
        assert_eq!(span("0d").unwrap(), TimeDelta::zero());
        for bad in ["", "7", "d", "-1d", "1w", "99999999999999999d"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
