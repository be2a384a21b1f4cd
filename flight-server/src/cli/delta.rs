//! `noctuary delta`: tables for other engines.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use noctuary_storage::delta::{PublishedTable, begin, end, published};

use crate::config::Config;
use crate::error::Result;
use crate::open;
use crate::output::sink::{note, print};
use crate::output::table::Grid;

/// Publish the tables as Delta tables, for other engines to read.
///
/// Beside the files of each table lies a Delta log then, which every commit brings up to date: what DuckDB, Polars,
/// Spark or Trino read is a version of the archive, whole. They need nothing of this program, and may read while it
/// writes. Published are alerts without their lists, the records of `sources` and `forced`, objects that were loaded,
/// the ledger and the quarantine, with the rows of all rights. A record that several commits brought stands in each of
/// them until they are merged, and unknown numbers are NaN there as they were sent; `noctuary sql` shows records once,
/// and null. Without a word it is shown what is published and where.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary delta on
  noctuary delta
  noctuary delta off
  python3 -c \"import duckdb; print(duckdb.sql(\\\"SELECT count(*) FROM delta_scan('noctuary-archive/alerts/lsst')\\\"))\"")]
pub struct DeltaArgs {
    #[command(subcommand)]
    pub what: Option<What>,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum What {
    /// Publish the tables, now and with every commit from here on, whoever makes it.
    On,
    /// Publish no more, and take away what was.
    Off,
}

/// Runs the command.
pub async fn run(config: &Config, args: &DeltaArgs) -> Result<ExitCode> {
    let archive = open::archive(config).await?;
    let tables = match args.what {
        Some(What::Off) => {
            end(&archive).await?;
            print("tables are not published any more\n")?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(What::On) => begin(&archive).await?,
        None => published(&archive).await?,
    };
    if tables.is_empty() && !archive.snapshot().await?.publishes() {
        note(format_args!("tables are not published; `noctuary delta on` does so"));
        return Ok(ExitCode::SUCCESS);
    }
    print(&shown(&tables))?;
    Ok(ExitCode::SUCCESS)
}

fn shown(tables: &[PublishedTable]) -> String {
    let mut grid = Grid::new(&["table", "place", ">its version", ">shows version", "columns left out"]);
    for table in tables {
        grid.whole_row([
            table.name.name(),
            table.url.clone(),
            table.version.to_string(),
            table.archive_version.to_string(),
            table.left_out.join(", "),
        ]);
    }
    grid.render()
}
