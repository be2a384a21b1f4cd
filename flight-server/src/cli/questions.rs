//! `noctuary questions`: the catalogue of documented SQL.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use noctuary_queries::{Entry, catalogue, named};

use super::sql::{AnswerArgs, ask};
use crate::config::Config;
use crate::error::{Failure, Result};
use crate::output::sink::print;
use crate::output::table::Grid;

/// List, show and ask questions of the catalogue.
///
/// Each is SQL with a story: what it finds, for whom, and after whose filter. To ask for another object, position or
/// night, write one to a file, change it, and ask it with `noctuary sql -f`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary questions list
  noctuary questions run l03_likely_transients -o transients.parquet
  noctuary questions show cone_search > mine.sql")]
pub struct QuestionsArgs {
    #[command(subcommand)]
    pub command: QuestionsCommand,
}

/// What to do with the catalogue.
#[derive(Debug, Subcommand)]
pub enum QuestionsCommand {
    /// List the questions that there are.
    #[command(after_help = "Example:\n  noctuary questions list")]
    List,
    /// Show a question with its story, as a file of SQL.
    #[command(after_help = "Example:\n  noctuary questions show cone_search > mine.sql")]
    Show {
        /// Its name in the list.
        name: String,
    },
    /// Ask a question of the archive.
    #[command(after_help = "Example:\n  noctuary questions run alerts_per_night --format csv")]
    Run {
        /// Its name in the list.
        name: String,
        #[command(flatten)]
        answer: AnswerArgs,
    },
}

/// Runs the command.
pub async fn run(config: &Config, args: &QuestionsArgs) -> Result<ExitCode> {
    match &args.command {
        QuestionsCommand::List => {
            let mut grid = Grid::new(&["question", "survey", "what it is"]);
            for entry in catalogue() {
                grid.row([entry.name.to_owned(), entry.survey.unwrap_or("-").to_owned(), entry.title()]);
            }
            print(&grid.render())?;
        }
        QuestionsCommand::Show { name } => print(entry(name)?.sql)?,
        QuestionsCommand::Run { name, answer } => return ask(config, entry(name)?.statement(), answer).await,
    }
    Ok(ExitCode::SUCCESS)
}

fn entry(name: &str) -> Result<Entry> {
    named(name).ok_or_else(|| {
        Failure::request(format!(
            "no question is called {name:?}; `noctuary questions list` shows those that there are"
        ))
    })
}
