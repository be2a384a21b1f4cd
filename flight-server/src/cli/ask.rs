//! `noctuary ask`: the catalogue of documented questions.

use std::process::ExitCode;

use clap::Args;
use noctuary_queries::{Entry, catalogue, named};

use super::sql::{self, AnswerArgs};
use crate::config::Config;
use crate::error::{Failure, Result};
use crate::output::sink::print;
use crate::output::table::Grid;

/// Ask a question of the catalogue; without a name, list them.
///
/// Each is SQL that is documented: what it finds, what it has to be told, what to know before believing the answer, and
/// what it costs. Values are put into it by their types. To ask something else, write a question to a file with --show,
/// change it, and ask it with `noctuary sql -f`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary ask
  noctuary ask cone_search --show
  noctuary ask cone_search --param ra=150.1 --param dec=-2.2 --param radius=10
  noctuary ask light_curves --param objects=170032882292621351,170032882292621352 -o curves.parquet
  noctuary ask cone_search --param ra=150.1 --param dec=-2.2 --param radius=3600 --dry-run
  noctuary ask watchlist_outbursts --param objects=@watchlist.txt --param factor=3 --format csv
  noctuary ask cone_search --param ra=150.1 --param dec=-2.2 --show > mine.sql")]
pub struct AskArgs {
    /// Its name in the list.
    pub name: Option<String>,
    /// A value for a parameter. NAME=@FILE takes it from a file, such as a long list of ids or the map of an event.
    #[arg(short, long, value_name = "NAME=VALUE", requires = "name")]
    pub param: Vec<String>,
    /// Show the question instead of asking it: what it is, its parameters, an example, and the SQL, with the values
    /// that are given.
    #[arg(long, requires = "name",
          conflicts_with_all = ["format", "output", "max_rows", "as_of", "dry_run", "table"])]
    pub show: bool,
    #[command(flatten)]
    pub answer: AnswerArgs,
}

/// Runs the command.
pub async fn run(config: &Config, args: &AskArgs) -> Result<ExitCode> {
    let Some(name) = &args.name else {
        let answer = &args.answer;
        let unasked = answer.dry_run || !answer.tables.is_empty();
        if answer.format.is_some() || answer.output.is_some() || answer.max_rows.is_some() || unasked {
            return Err(Failure::request("there is no question; `noctuary ask` alone lists those that there are"));
        }
        print(&list())?;
        return Ok(ExitCode::SUCCESS);
    };
    let entry = named(name).ok_or_else(|| {
        let near = Entry::suggestion(name);
        Failure::request(format!("no question is called {name:?}{near}; `noctuary ask` lists those that there are"))
    })?;
    let given = args.param.iter().map(|text| value(text)).collect::<Result<Vec<_>>>()?;
    let filled = if args.show { entry.show(&given) } else { entry.fill(&given) };
    let filled = filled.map_err(|refusal| {
        Failure::request(format!("{refusal}\n`noctuary ask {name} --show` tells what it takes, with an example"))
    })?;
    if args.show {
        print(&filled)?;
        return Ok(ExitCode::SUCCESS);
    }
    sql::ask(config, &filled, &args.answer).await
}

fn list() -> String {
    let mut grid = Grid::new(&["question", "survey", "what it is"]);
    for entry in catalogue() {
        grid.row([entry.name.to_owned(), entry.survey.unwrap_or("-").to_owned(), entry.title.clone()]);
    }
    grid.render()
}

/// A parameter and its value, which may stand in a file.
fn value(text: &str) -> Result<(String, String)> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| Failure::request(format!("--param {text:?} is not NAME=VALUE, such as ra=150.1")))?;
    let value = match value.strip_prefix('@') {
        Some(path) => {
            let read = std::fs::read_to_string(path).map_err(|e| Failure::from(e).during(path))?;
            read.trim_end().to_owned()
        }
        None => value.to_owned(),
    };
    Ok((name.trim().to_owned(), value))
}
