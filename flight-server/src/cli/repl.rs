//! A conversation in SQL, with history and completion.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use noctuary_engine::{Engine, Session};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Editor, Helper, Highlighter, Hinter};

use super::sql::{AnswerArgs, How, answer, understood};
use crate::config::Config;
use crate::error::{Failure, Kind, Result};
use crate::open;
use crate::output::sink::note;
use crate::output::{Format, Sink};

const GREETING: &str = "\
A question ends with a semicolon; Tab completes names. `SHOW TABLES;` shows what there is, `DESCRIBE lsst.alerts;` its
fields and units. \\q or Ctrl-D leaves, \\? explains, Ctrl-C stops a question.";

const COMMANDS: &str = "\
  \\q            leave
  \\?            this
  \\d            SHOW TABLES
  \\d TABLE      DESCRIBE TABLE
  \\f FORMAT     write answers as table, csv or json
  \\n ROWS       rows that a table shows, 0 for all";

/// Words that begin a statement or are common inside one; names come from the session.
const WORDS: [&str; 36] = [
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "HAVING",
    "LIMIT",
    "OFFSET",
    "DISTINCT",
    "AND",
    "OR",
    "NOT",
    "NULL",
    "IS NULL",
    "IS NOT NULL",
    "BETWEEN",
    "IN",
    "LIKE",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "AS",
    "DESC",
    "UNION ALL",
    "WITH",
    "CAST",
    "EXPLAIN",
    "DESCRIBE",
    "SHOW TABLES",
    "UNNEST",
    "ASC",
];

/// Completes names and knows when a question is whole.
#[derive(Helper, Hinter, Highlighter)]
struct Prompt {
    names: Vec<String>,
}

impl Completer for Prompt {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(complete(&self.names, line, at))
    }
}

/// Where the word before the cursor begins, and what it could become. A dotted path is completed from its last part
/// if the whole is no name that is known: `a.diaSource.ps` after `FROM lsst.alerts a`.
fn complete(names: &[String], line: &str, at: usize) -> (usize, Vec<Pair>) {
    let before = line.get(..at).unwrap_or(line);
    let in_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '[' | ']');
    let mut start = before.char_indices().rev().find(|(_, c)| !in_name(*c)).map_or(0, |(i, c)| i + c.len_utf8());
    loop {
        let typed = &before[start..];
        if typed.is_empty() {
            return (start, Vec::new());
        }
        let fits = |name: &str| {
            name.len() > typed.len() && name.get(..typed.len()).is_some_and(|head| head.eq_ignore_ascii_case(typed))
        };
        let found: Vec<Pair> = names
            .iter()
            .map(String::as_str)
            .chain(WORDS)
            .filter(|name| fits(name))
            .map(|name| Pair { display: name.to_owned(), replacement: name.to_owned() })
            .collect();
        match typed.find('.') {
            Some(dot) if found.is_empty() => start += dot + 1,
            _ => return (start, found),
        }
    }
}

impl Validator for Prompt {
    fn validate(&self, input: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_whole(input.input()) { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

/// A command is whole on its line, a question once the engine says so.
fn is_whole(text: &str) -> bool {
    text.trim_start().starts_with('\\') || Session::is_whole(text)
}

/// How to see all rows of an answer.
const MORE: &str = "\\n 0 shows all, \\f csv or \\f json writes all";

/// Talks until the user leaves.
pub async fn run(config: &Config, engine: &Engine, args: &AnswerArgs) -> Result<ExitCode> {
    let own = args.tables.open().await?;
    let mut session = own.with(open::session(engine, &config.rights.value, args.version.as_of.as_ref()).await?)?;
    let mut editor: Editor<Prompt, FileHistory> = Editor::new().map_err(terminal)?;
    editor.set_helper(Some(Prompt { names: session.names() }));
    let history = history_file();
    if let Some(path) = &history {
        // Absent the first time.
        let _ = editor.load_history(path);
    }
    note(format_args!("noctuary {} · version {}\n{GREETING}", env!("CARGO_PKG_VERSION"), session.snapshot().version()));
    let mut how = How { format: args.format.unwrap_or(Format::Table), max_rows: args.max_rows, more: MORE };
    loop {
        let line = match editor.readline("noctuary> ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(e) => return Err(terminal(e)),
        };
        if line.trim().is_empty() {
            continue;
        }
        let _ = editor.add_history_entry(line.trim());
        if let Some(path) = &history {
            // After each line: a window that is closed loses nothing.
            let _ = editor.append_history(path);
        }
        let sql = match line.trim().strip_prefix('\\') {
            None => line,
            Some(command) => match command.trim_end_matches(';').split_whitespace().collect::<Vec<_>>()[..] {
                ["q"] => break,
                ["d"] => "SHOW TABLES".to_owned(),
                ["d", table] => format!("DESCRIBE {table}"),
                ["f", name] if let Some(format) = format_of(name) => {
                    how.format = format;
                    continue;
                }
                ["n", rows] if let Ok(rows) = rows.parse() => {
                    how.max_rows = Some(rows);
                    continue;
                }
                _ => {
                    note(COMMANDS);
                    continue;
                }
            },
        };
        if args.version.as_of.is_none() && session.snapshot().version() != engine.archive().snapshot().await?.version()
        {
            session = own.with(open::session(engine, &config.rights.value, None).await?)?;
            if let Some(prompt) = editor.helper_mut() {
                prompt.names = session.names();
            }
        }
        match answer_all(&session, &sql, how).await {
            Ok(()) => {}
            Err(failure) if failure.kind == Kind::Closed => break,
            Err(failure) => note(format_args!("{failure}")),
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn answer_all(session: &Session, sql: &str, how: How) -> Result<()> {
    let mut begun = Instant::now();
    for question in understood(session, &Session::statements(sql)?).await? {
        let mut sink = Sink::stdout();
        answer(&question, how, &mut sink).await?;
        sink.finish()?;
        note(format_args!("{:.3} s", begun.elapsed().as_secs_f64()));
        begun = Instant::now();
    }
    Ok(())
}

/// The forms that can be read in a terminal.
fn format_of(name: &str) -> Option<Format> {
    match name {
        "table" => Some(Format::Table),
        "csv" => Some(Format::Csv),
        "json" => Some(Format::Json),
        _ => None,
    }
}

fn terminal(error: ReadlineError) -> Failure {
    Failure::internal(format!("the terminal cannot be read ({error}); ask with -c or -f instead"))
}

/// In the user's folder for state that may be lost, by the XDG rules.
fn history_file() -> Option<PathBuf> {
    let folder = crate::config::state_folder()?;
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("sql-history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_end_with_their_line_and_questions_with_a_semicolon() {
        for whole in ["\\q", "  \\d 'x", "SELECT 1 /* don't */;", "SELECT 1; /* done */", "  "] {
            assert!(is_whole(whole), "{whole}");
        }
        assert!(!is_whole("SELECT 1") && !is_whole("SELECT ';"));
    }

    #[test]
    fn names_are_completed_from_the_part_that_is_known() {
        let names = ["lsst.alerts", "diaSource.psfFlux", "diaSource.psfFluxErr", "psfFlux"].map(str::to_owned);
        let offered = |line: &str| {
            let (start, found) = complete(&names, line, line.len());
            (start, found.into_iter().map(|p| p.replacement).collect::<Vec<_>>())
        };
        assert_eq!(
            offered("SELECT diasource.PSF"),
            (7, vec!["diaSource.psfFlux".into(), "diaSource.psfFluxErr".into()])
        );
        assert_eq!(offered("SELECT a.diaSource.psfFluxE"), (9, vec!["diaSource.psfFluxErr".into()]));
        assert_eq!(offered("sel"), (0, vec!["SELECT".into()]));
        assert_eq!(offered("SELECT "), (7, vec![]));
    }
}
