//! From text to one statement: words in the archive's spelling, placeholders numbered, questions only.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{ObjectName, Statement as SqlStatement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::error::{EngineError, Result};
use crate::names::Names;

/// What a statement asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Rows, or a plan, which DataFusion makes.
    Rows(Box<Statement>),
    /// What a table's columns mean.
    Describe(ObjectName),
}

fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>> {
    Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().map_err(|e| syntax(&ParserError::from(e)))
}

fn syntax(error: &ParserError) -> EngineError {
    let text = match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text.clone(),
        ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
    };
    EngineError::invalid(format!("this is not SQL: {text}"))
}

/// Splits a script at its semicolons; empty statements and comments alone are left out.
///
/// # Errors
/// When the text cannot be split, such as for a quote that is never closed.
pub fn statements(sql: &str) -> Result<Vec<String>> {
    let lines: Vec<&str> = sql.split_inclusive('\n').collect();
    let starts: Vec<usize> = lines.iter().scan(0, |at, line| Some(std::mem::replace(at, *at + line.len()))).collect();
    // Lines and columns count from 1, columns in characters.
    let offset = |line: u64, column: u64| -> usize {
        let line = usize::try_from(line).unwrap_or(1).max(1) - 1;
        let column = usize::try_from(column).unwrap_or(1).max(1) - 1;
        match (starts.get(line), lines.get(line)) {
            (Some(start), Some(text)) => start + text.char_indices().nth(column).map_or(text.len(), |(at, _)| at),
            _ => sql.len(),
        }
    };
    let (mut out, mut from, mut any) = (Vec::new(), 0, false);
    for token in tokens(sql)? {
        match token.token {
            Token::SemiColon => {
                let to = offset(token.span.start.line, token.span.start.column);
                if any {
                    out.extend(sql.get(from..to).map(|s| s.trim().to_owned()));
                }
                (from, any) = (to + 1, false);
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => any = true,
        }
    }
    if any {
        out.extend(sql.get(from..).map(|s| s.trim().to_owned()));
    }
    Ok(out)
}

/// Reads one statement.
pub(crate) fn parse(sql: &str, names: &Names, only_survey: Option<&str>) -> Result<Asked> {
    let mut tokens = tokens(sql)?;
    respell(&mut tokens, names, only_survey);
    number_placeholders(&mut tokens);
    let dialect = GenericDialect {};
    let mut parser = DFParserBuilder::new(tokens).with_dialect(&dialect).build().map_err(EngineError::from)?;
    let mut parsed = parser.parse_statements().map_err(|e| match e {
        datafusion::error::DataFusionError::SQL(inner, _) => syntax(&inner),
        other => EngineError::from(other),
    })?;
    match (parsed.pop_front(), parsed.len()) {
        (None, _) => Err(EngineError::invalid("there is no statement; write a SELECT")),
        (Some(statement), 0) => asked(statement),
        (Some(_), _) => Err(EngineError::invalid("there is more than one statement; send them one at a time")),
    }
}

fn respell(tokens: &mut [TokenWithSpan], names: &Names, only_survey: Option<&str>) {
    let word = |token: &Token| match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.clone()),
        _ => None,
    };
    let mut mentioned: BTreeSet<String> =
        tokens.iter().filter_map(|t| word(&t.token)).filter(|w| names.is_schema(w)).map(|w| w.to_lowercase()).collect();
    if mentioned.is_empty() {
        mentioned.extend(only_survey.map(str::to_owned));
        mentioned.insert(crate::catalog::ARCHIVE.to_owned());
    }
    // A name of the question's own is the same in every spelling too: the first one holds.
    let mut own: BTreeMap<String, String> = BTreeMap::new();
    let mut before: [Option<String>; 2] = [None, None];
    for token in tokens {
        let mut now = None;
        match &mut token.token {
            Token::Word(word) if word.quote_style.is_none() => {
                let parent = match &before {
                    [Some(parent), Some(dot)] if dot == "." => Some(parent.as_str()),
                    _ => None,
                };
                let spelled = match names.spell(&word.value, &mentioned, parent) {
                    Some(known) => known.to_owned(),
                    None => own.entry(word.value.to_lowercase()).or_insert_with(|| word.value.clone()).clone(),
                };
                word.value = spelled;
                now = Some(word.value.clone());
            }
            Token::Word(word) => {
                own.entry(word.value.to_lowercase()).or_insert_with(|| word.value.clone());
                now = Some(word.value.clone());
            }
            Token::Period => now = Some(".".to_owned()),
            Token::Whitespace(_) => continue,
            _ => {}
        }
        before = [before[1].take(), now];
    }
}

/// `?` becomes `$1`, `$2`, ... in the order of appearance.
fn number_placeholders(tokens: &mut [TokenWithSpan]) {
    let mut next = 1;
    for token in tokens {
        if let Token::Placeholder(name) = &mut token.token
            && name == "?"
        {
            *name = format!("${next}");
            next += 1;
        }
    }
}

const READ_ONLY: &str = "the archive is read-only in SQL: ask with SELECT, DESCRIBE, SHOW or EXPLAIN; \
                         `noctuary ingest` adds alerts";

fn asked(statement: Statement) -> Result<Asked> {
    if let Statement::Statement(sql) = &statement {
        match &**sql {
            SqlStatement::ExplainTable { table_name, .. } => return Ok(Asked::Describe(table_name.clone())),
            SqlStatement::ShowColumns { show_options, .. } => {
                let table = show_options.show_in.as_ref().and_then(|s| s.parent_name.clone());
                let table = table.ok_or_else(|| EngineError::invalid("of which table? write SHOW COLUMNS FROM TABLE"));
                return table.map(Asked::Describe);
            }
            _ => {}
        }
    }
    if reads(&statement) { Ok(Asked::Rows(Box::new(statement))) } else { Err(EngineError::invalid(READ_ONLY)) }
}

fn reads(statement: &Statement) -> bool {
    match statement {
        Statement::Explain(explain) => reads(&explain.statement),
        Statement::Statement(sql) => reads_sql(sql),
        _ => false,
    }
}

fn reads_sql(statement: &SqlStatement) -> bool {
    match statement {
        SqlStatement::Explain { statement, .. } => reads_sql(statement),
        SqlStatement::Query(_)
        | SqlStatement::ShowTables { .. }
        | SqlStatement::ShowFunctions { .. }
        | SqlStatement::ShowVariable { .. } => true,
        _ => false,
    }
}

/// True for `EXPLAIN` in any of its forms.
pub(crate) fn explains(statement: &Statement) -> bool {
    match statement {
        Statement::Explain(_) => true,
        Statement::Statement(sql) => matches!(&**sql, SqlStatement::Explain { .. }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_split_at_semicolons_only() {
        let script = "SELECT 'a;b' -- ; not here\n;\n\n;SELECT \"ü;\" /* ; */ FROM t; -- the end\n";
        assert_eq!(statements(script).unwrap(), ["SELECT 'a;b' -- ; not here", "SELECT \"ü;\" /* ; */ FROM t"]);
        assert!(statements("SELECT 'open").is_err());
        assert!(statements(" ; -- nothing\n").unwrap().is_empty());
    }

    #[test]
    fn only_questions_are_taken() {
        let parse = |sql: &str| parse(sql, &Names::default(), None);
        for sql in [
            "SELECT 1",
            "describe lsst.alerts",
            "EXPLAIN SELECT 1",
            "SHOW TABLES",
            "WITH a AS (SELECT 1) SELECT * FROM a",
        ] {
            assert!(parse(sql).is_ok(), "{sql}");
        }
        for sql in [
            "CREATE TABLE a AS SELECT 1",
            "DROP TABLE ledger",
            "INSERT INTO ledger VALUES (1)",
            "COPY ledger TO 'x.parquet'",
            "CREATE EXTERNAL TABLE a STORED AS PARQUET LOCATION '/etc'",
            "SET datafusion.execution.batch_size = 1",
            "EXPLAIN COPY ledger TO 'x'",
            "SELECT 1; SELECT 2",
            "",
        ] {
            assert!(parse(sql).is_err(), "{sql}");
        }
    }
}
