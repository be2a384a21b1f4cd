//! `noctuary versions`, `tag` and `rollback`: the versions of the archive.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Args;
use noctuary_storage::AsOf;

use crate::bytesize::human;
use crate::config::Config;
use crate::error::Result;
use crate::open;
use crate::output::sink::print;
use crate::output::table::Grid;

/// List the versions of the archive.
///
/// The newest stands last. Each is what one commit made; a question can be asked of any of them with `--as-of`, by its
/// number, by a tag, or by a time at which it was the newest.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary versions
  noctuary versions --last 5
  noctuary sql --as-of 12 -c 'SELECT count(*) FROM lsst.alerts'
  noctuary sql --as-of 2026-04-07T12:00:00Z -c 'SELECT count(*) FROM lsst.alerts'")]
pub struct VersionsArgs {
    /// Only the newest so many.
    #[arg(long, value_name = "N")]
    pub last: Option<usize>,
}

/// Give a version a name.
///
/// A tag can be used wherever a version can: `--as-of dr1`. Given again it moves; without a version the newest gets it.
/// Without a name, the tags there are are listed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary tag
  noctuary tag dr1
  noctuary tag dr1 12
  noctuary tag --delete dr1
  noctuary sql --as-of dr1 -c 'SELECT count(*) FROM lsst.alerts'")]
pub struct TagArgs {
    /// The name: letters, digits, '.', '_', '-' and '/', and neither a number nor a time.
    pub name: Option<String>,
    /// The version, by number, tag or time [default: the newest].
    #[arg(value_name = "VERSION", conflicts_with = "delete")]
    pub version: Option<AsOf>,
    /// Take the name away.
    #[arg(long, requires = "name")]
    pub delete: bool,
}

/// Undo every commit after a version.
///
/// Nothing is deleted: the rollback is itself a version, and `--as-of` still shows what was. Sources stand again where
/// they stood then, so that what was undone can be ingested again.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  noctuary rollback 12")]
pub struct RollbackArgs {
    /// The version to go back to, by number, tag or time.
    pub version: AsOf,
}

/// Lists versions.
pub async fn run(config: &Config, args: &VersionsArgs) -> Result<ExitCode> {
    let snapshot = open::archive(config).await?.snapshot().await?;
    let versions = snapshot.versions();
    let from = args.last.map_or(0, |last| versions.len().saturating_sub(last));
    let mut grid = Grid::new(&[">version", "at", "what", ">received", ">stored", ">quarantined", "sent", ""]);
    let mut tags: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
    for (tag, version) in snapshot.tags() {
        tags.entry(*version).or_default().push(tag);
    }
    for version in &versions[from..] {
        let undone = version.undone.then_some("undone");
        let marks: Vec<&str> = undone.into_iter().chain(tags.remove(&version.version).unwrap_or_default()).collect();
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
            marks.join(", "),
        ]);
    }
    print(&grid.render())?;
    Ok(ExitCode::SUCCESS)
}

/// Goes back to a version.
pub async fn roll_back(config: &Config, args: &RollbackArgs) -> Result<ExitCode> {
    let archive = open::archive(config).await?;
    let before = archive.snapshot().await?.version();
    let to = archive.version_of(&args.version).await?;
    let after = archive.roll_back(to).await?;
    let undone = after.versions().iter().filter(|v| v.undone && v.version <= before && v.version > to).count();
    print(&format!(
        "version {} shows what version {to} did; {undone} versions are undone, and `--as-of {before}` shows them until a \
         vacuum clears them\n",
        after.version(),
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Names a version.
pub async fn tag(config: &Config, args: &TagArgs) -> Result<ExitCode> {
    let archive = open::archive(config).await?;
    let Some(name) = &args.name else {
        let snapshot = archive.snapshot().await?;
        let mut grid = Grid::new(&["tag", ">version"]);
        for (tag, version) in snapshot.tags() {
            grid.row([tag.clone(), version.to_string()]);
        }
        print(&grid.render())?;
        return Ok(ExitCode::SUCCESS);
    };
    if args.delete {
        archive.tag(name, None).await?;
        print(&format!("no version is tagged {name} any more\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let version = match &args.version {
        Some(version) => archive.version_of(version).await?,
        None => archive.snapshot().await?.version(),
    };
    archive.tag(name, Some(version)).await?;
    print(&format!("version {version} is tagged {name}\n"))?;
    Ok(ExitCode::SUCCESS)
}
