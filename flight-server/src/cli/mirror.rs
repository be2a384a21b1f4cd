//! `noctuary mirror`: a copy of an archive elsewhere.

use std::process::ExitCode;

use clap::Args;
use noctuary_storage::mirror::mirror;
use noctuary_storage::{Archive, Location};

use crate::bytesize::human;
use crate::error::Result;
use crate::open;
use crate::output::sink::print;
use crate::progress::{Unit, Watch};

/// Bring a copy of an archive up to date.
///
/// The copy has every version of the original under the same number, and answers as it does. Only what is new is
/// copied, each file with its checksum; what the original has cleared away goes from the copy as well. It may be stopped
/// at any time and started again. Nothing else may write to the copy; if the original is lost it takes its place.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary mirror ./noctuary-archive /backup/noctuary
  noctuary mirror s3://bucket/noctuary ./here
  noctuary verify --archive /backup/noctuary")]
pub struct MirrorArgs {
    /// The archive: a folder, or s3://BUCKET/PREFIX.
    pub from: String,
    /// The place of the copy, which is made if it is not there.
    pub to: String,
}

/// Runs the command.
pub async fn run(args: &MirrorArgs) -> Result<ExitCode> {
    let from = Archive::open(Location::parse(&args.from)?).await?;
    let to = match args.to.contains("://") {
        true => Location::parse(&args.to)?,
        false => open::folder(args.to.as_ref())?,
    };
    let (watch, meter) = Watch::meter("mirror", Unit::Bytes);
    let report = mirror(&from, &to, &meter).await?;
    drop(watch);
    let deleted = match report.deleted {
        0 => String::new(),
        n => format!(", {n} that are not needed any more deleted"),
    };
    print(&format!(
        "{} versions and {} objects of {} copied{deleted}; {} is at version {}\n",
        report.versions,
        report.objects,
        human(report.bytes),
        args.to,
        report.version
    ))?;
    Ok(ExitCode::SUCCESS)
}
