//! `noctuary survey`: where in a packet its id, position, time and rights are found.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use noctuary_packet::survey::Survey;
use noctuary_storage::Snapshot;

use crate::config::Config;
use crate::error::{Failure, Result};
use crate::open;
use crate::output::sink::print;
use crate::output::table::Grid;

/// List, show and add surveys.
///
/// A survey says where in a packet its id, position, time, images and rights are found. It is one TOML file; LSST and
/// ZTF come with the program. Adding a file makes its packets known: they get a schema of their own in SQL. `noctuary
/// survey show lsst` is a good file to begin from.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  noctuary survey list
  noctuary survey show lsst > mine.toml
  noctuary survey add mine.toml && noctuary quarantine retry --all")]
pub struct SurveyArgs {
    #[command(subcommand)]
    pub command: SurveyCommand,
}

/// What to do with surveys.
#[derive(Debug, Subcommand)]
pub enum SurveyCommand {
    /// List the surveys that are known.
    #[command(after_help = "Example:\n  noctuary survey list")]
    List,
    /// Show the mapping of a survey, as TOML.
    #[command(after_help = "Example:\n  noctuary survey show ztf")]
    Show {
        /// Its name.
        name: String,
    },
    /// Add a survey, or replace the one of the same name.
    #[command(after_help = "Example:\n  noctuary survey add mine.toml")]
    Add {
        /// Its mapping.
        file: PathBuf,
    },
}

/// Runs the command.
pub async fn run(config: &Config, args: &SurveyArgs) -> Result<ExitCode> {
    match &args.command {
        SurveyCommand::List => {
            let snapshot = super::schema::snapshot(config).await?;
            let mut grid = Grid::new(&["survey", "title", ">alerts", "rights"]);
            for survey in snapshot.surveys().list() {
                let alerts: u64 = snapshot.stored_schemas(&survey.name).iter().map(|(_, rows)| rows).sum();
                let rights = survey.rights.levels.join(", ");
                grid.row([survey.name.clone(), survey.title.clone(), alerts.to_string(), rights]);
            }
            print(&grid.render())?;
        }
        SurveyCommand::Show { name } => {
            let snapshot = super::schema::snapshot(config).await?;
            let survey = known(&snapshot, name).map_err(|f| Failure::not_found(f.message))?;
            print(&toml::to_string(survey).map_err(|e| Failure::internal(e.to_string()))?)?;
        }
        SurveyCommand::Add { file } => {
            let text = std::fs::read_to_string(file).map_err(|e| Failure::from(e).during(file.display()))?;
            let archive = open::archive_or_new(config).await?;
            let snapshot = archive.add_survey(&text).await?;
            let names: Vec<String> = snapshot.survey_names().into_iter().collect();
            print(&format!("the archive knows {} now\n", names.join(", ")))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The survey of a name.
///
/// # Errors
/// When there is none; the names that there are are told.
pub fn known<'s>(snapshot: &'s Snapshot, name: &str) -> Result<&'s Survey> {
    let survey = snapshot.survey(name).ok_or_else(|| {
        let known: Vec<String> = snapshot.survey_names().into_iter().collect();
        Failure::request(format!("no survey is called {name:?}; there are {}", known.join(", ")))
    })?;
    Ok(survey)
}
