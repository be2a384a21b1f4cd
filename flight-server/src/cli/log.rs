//! `noctuary log` and `noctuary rollback`: the versions of the archive.

use std::process::ExitCode;

use clap::Args;

use crate::bytesize::human;
use crate::config::Config;
use crate::error::Result;
use crate::open;
use crate::output::sink::print;
use crate::output::table::Grid;

/// List the versions of the archive.
///
/// The newest stands last. Each is what one commit made; a question can be asked of any of them with `--as-of`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary log
  noctuary log --last 5
  noctuary sql --as-of 12 -c 'SELECT count(*) FROM lsst.alerts'")]
pub struct LogArgs {
    /// Only the newest so many.
    #[arg(long, value_name = "N")]
    pub last: Option<usize>,
}

/// Undo every commit after a version.
///
/// Nothing is deleted: the rollback is itself a version, and `--as-of` still shows what was. Sources stand again where
/// they stood then, so that what was undone can be ingested again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  noctuary rollback 12")]
pub struct RollbackArgs {
    /// The version to go back to.
    pub version: u64,
}

/// Lists versions.
pub async fn run(config: &Config, args: &LogArgs) -> Result<ExitCode> {
    let snapshot = open::archive(config).await?.snapshot().await?;
    let versions = snapshot.versions();
    let from = args.last.map_or(0, |last| versions.len().saturating_sub(last));
    let mut grid = Grid::new(&[">version", "at", "what", ">received", ">stored", ">quarantined", "sent", ""]);
    for version in &versions[from..] {
        let counts = &version.counts;
        let number = |n: i64| if n == 0 { String::new() } else { n.to_string() };
        grid.row([
            version.version.to_string(),
            version.at.format("%Y-%m-%d %H:%M:%SZ").to_string(),
            version.what.clone(),
            number(counts.received),
            number(counts.stored),
            number(counts.quarantined),
            if counts.bytes == 0 { String::new() } else { human(counts.bytes.unsigned_abs()) },
            if version.undone { "undone".to_owned() } else { String::new() },
        ]);
    }
    print(&grid.render())?;
    Ok(ExitCode::SUCCESS)
}

/// Goes back to a version.
pub async fn roll_back(config: &Config, args: &RollbackArgs) -> Result<ExitCode> {
    let archive = open::archive(config).await?;
    let before = archive.snapshot().await?.version();
    let after = archive.roll_back(args.version).await?;
    let undone =
        after.versions().iter().filter(|v| v.undone && v.version <= before && v.version > args.version).count();
    print(&format!(
        "version {} shows what version {} did; {undone} versions are undone, and `--as-of {before}` still shows them\n",
        after.version(),
        args.version
    ))?;
    Ok(ExitCode::SUCCESS)
}
