//! `noctuary nights`: what there is of each night.

use std::process::ExitCode;

use clap::Args;
use noctuary_packet::time::Night;

use super::ledger::{ShowArgs, show};
use super::survey;
use crate::config::Config;
use crate::error::Result;
use crate::open;

/// Show what there is of each night.
///
/// For each survey and night: what was received, stored, duplicate, quarantined and flagged. A night is named by the
/// survey's own rule: LSST's by the date on which it begins at the telescope. Packets whose night could not be read are
/// counted without one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary nights
  noctuary nights --survey lsst --from 2026-04-01 --format csv")]
pub struct NightsArgs {
    /// Only this survey.
    #[arg(long, value_name = "SURVEY")]
    pub survey: Option<String>,
    /// From this night on.
    #[arg(long, value_name = "NIGHT")]
    pub from: Option<Night>,
    /// Up to this night.
    #[arg(long, value_name = "NIGHT")]
    pub to: Option<Night>,
    #[command(flatten)]
    pub show: ShowArgs,
}

/// Runs the command.
pub async fn run(config: &Config, args: &NightsArgs) -> Result<ExitCode> {
    if let Some(name) = &args.survey {
        survey::known(&open::for_reader(config).await?.1, name)?;
    }
    show(config, &sql(args), &args.show).await
}

fn sql(args: &NightsArgs) -> String {
    let mut wanted = vec!["true".to_owned()];
    wanted.extend(args.survey.as_ref().map(|s| format!("survey = {}", super::ledger::quoted(s))));
    wanted.extend(args.from.map(|n| format!("night >= DATE '{n}'")));
    wanted.extend(args.to.map(|n| format!("night <= DATE '{n}'")));
    format!(
        "SELECT survey, night, sum(received) AS received, sum(stored) AS stored, sum(duplicate) AS duplicate, \
         sum(quarantined) AS quarantined, sum(flagged) AS flagged, count(DISTINCT visit) AS visits, \
         sum(bytes) AS bytes FROM archive.ledger WHERE {} GROUP BY survey, night \
         ORDER BY survey NULLS LAST, night NULLS LAST",
        wanted.join(" AND ")
    )
}
