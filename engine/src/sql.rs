//! From text to one statement: words in the archive's spelling, placeholders numbered, questions only.

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{ObjectName, Statement as SqlStatement};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use crate::as_of::{self, Versions};
use crate::error::{EngineError, Result};
use crate::names::Names;
use crate::relations::{Relation, name_tables};
use crate::spelling::{Typed, respell};

/// What a statement asks for.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Rows, or a plan, which DataFusion makes.
    Rows { statement: Box<Statement>, typed: Typed },
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

/// The word that a statement begins with, in upper case.
pub fn first_word(sql: &str) -> Option<String> {
    match tokens(sql).ok()?.into_iter().map(|t| t.token).find(|t| !matches!(t, Token::Whitespace(_)))? {
        Token::Word(word) => Some(word.value.to_uppercase()),
        _ => None,
    }
}

/// True if nothing is to come: the text ends with a semicolon, or says nothing, or has a fault that no more text mends.
pub fn is_whole(sql: &str) -> bool {
    let Ok(tokens) = tokens(sql) else {
        // A quote or comment that is open is well with its end.
        return !["'", "\"", "`", "*/", "$$"].iter().any(|end| tokens(&format!("{sql}{end}")).is_ok());
    };
    let last = tokens.into_iter().rev().map(|t| t.token).find(|t| !matches!(t, Token::Whitespace(_) | Token::EOF));
    last.is_none_or(|token| token == Token::SemiColon)
}

/// Reads one statement, and of which versions it asks tables.
pub(crate) fn parse(
    sql: &str,
    names: &Names,
    only_survey: Option<&str>,
    relations: &[Relation],
) -> Result<(Asked, Versions)> {
    let mut tokens = tokens(sql)?;
    let versions = as_of::take(&mut tokens)?;
    bounded(&tokens)?;
    name_tables(&mut tokens, relations);
    let typed = respell(&mut tokens, names, only_survey, relations);
    number_placeholders(&mut tokens);
    let dialect = GenericDialect {};
    let mut parser = DFParserBuilder::new(tokens).with_dialect(&dialect).build().map_err(EngineError::from)?;
    let mut parsed = parser.parse_statements().map_err(|e| match e {
        datafusion::error::DataFusionError::SQL(inner, _) => syntax(&inner),
        other => EngineError::from(other),
    })?;
    match (parsed.pop_front(), parsed.len()) {
        (None, _) => Err(EngineError::invalid("there is no statement; write a SELECT")),
        (Some(statement), 0) => Ok((asked(statement, typed)?, versions)),
        (Some(_), _) => Err(EngineError::invalid("there is more than one statement; send them one at a time")),
    }
}

/// The operators that are taken. What they join is followed from one to the next, on a stack that ends somewhere.
const MAX_OPERATORS: usize = 2_000;

/// Refuses a question with too long a chain of operators.
fn bounded(tokens: &[TokenWithSpan]) -> Result<()> {
    let mut operators = 0;
    // What stands where a value begins is a sign or a list: of those there may be as many as there are values.
    let mut begins = true;
    for token in tokens.iter().map(|t| &t.token).filter(|t| !matches!(t, Token::Whitespace(_))) {
        operators += usize::from(!begins && joins(token));
        begins = matches!(token, Token::LParen | Token::Comma | Token::LBracket);
    }
    if operators > MAX_OPERATORS {
        return Err(EngineError::invalid(format!(
            "the question has {operators} operators, and up to {MAX_OPERATORS} are taken; write x = 1 OR x = 2 ... as \
             x IN (1, 2, ...), or ask in parts"
        )));
    }
    Ok(())
}

/// True for what joins two things or follows one, and so can be written again and again.
fn joins(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.quote_style.is_none() && JOINING.contains(&word.keyword),
        Token::Comma | Token::Period | Token::Colon | Token::SemiColon | Token::Placeholder(_) => false,
        Token::LParen | Token::RParen | Token::RBracket | Token::LBrace | Token::RBrace | Token::EOF => false,
        // Every other sign is an operator, and texts stand in quotes.
        token => token.to_string().chars().all(|c| c.is_ascii_punctuation() && !matches!(c, '\'' | '"' | '$')),
    }
}

const JOINING: [Keyword; 16] = [
    Keyword::AND,
    Keyword::OR,
    Keyword::XOR,
    Keyword::IS,
    Keyword::IN,
    Keyword::BETWEEN,
    Keyword::LIKE,
    Keyword::ILIKE,
    Keyword::DIV,
    Keyword::AT,
    Keyword::COLLATE,
    Keyword::JOIN,
    Keyword::UNION,
    Keyword::EXCEPT,
    Keyword::MINUS,
    Keyword::INTERSECT,
];

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

fn asked(statement: Statement, typed: Typed) -> Result<Asked> {
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
    if reads(&statement) {
        Ok(Asked::Rows { statement: Box::new(statement), typed })
    } else {
        Err(EngineError::invalid(READ_ONLY))
    }
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
    fn a_script_is_whole_after_its_last_semicolon() {
        for whole in [
            "",
            "-- nothing",
            "SELECT 1;",
            "SELECT 1; -- so",
            "SELECT 1; /* done */",
            "SELECT 1 /* don't */;",
            "SELECT ';' ;\n",
        ] {
            assert!(is_whole(whole), "{whole}");
        }
        for open in ["SELECT 1", "SELECT ';", "SELECT 1 -- ;", "SELECT \"a;", "SELECT 1 /* ;", "SELECT 1; SELECT 2"] {
            assert!(!is_whole(open), "{open}");
        }
    }

    #[test]
    fn statements_are_told_by_their_first_word() {
        assert_eq!(first_word("-- why\n explain SELECT 1").as_deref(), Some("EXPLAIN"));
        assert_eq!(first_word("/* so */ Select 1").as_deref(), Some("SELECT"));
        assert_eq!(first_word("(SELECT 1)"), None);
        assert_eq!(first_word("  "), None);
    }

    #[test]
    fn a_chain_of_operators_ends() {
        let asked = |condition: String| parse(&format!("SELECT {condition}"), &Names::default(), None, &[]);
        let numbers = |n: usize| (0..n).map(|n| format!("-{n}.5")).collect::<Vec<_>>().join(", ");
        assert!(asked(format!("x IN ({})", numbers(20_000))).is_ok());
        assert!(asked(vec!["x > 5 AND y = '+'"; 400].join(" OR ")).is_ok());
        for chain in
            [vec!["x > 1"; 2_000].join(" OR "), vec!["1"; 3_000].join(" + "), format!("x{}", "::int".repeat(2_500))]
        {
            let error = asked(chain).unwrap_err().to_string();
            assert!(error.contains("IN (1, 2"), "{error}");
        }
        assert!(asked(vec!["1"; 2_500].join(" UNION ALL SELECT ")).is_err());
        assert!(asked(format!("x{}", "[1]".repeat(2_500))).is_err());
    }

    #[test]
    fn only_questions_are_taken() {
        let parse = |sql: &str| parse(sql, &Names::default(), None, &[]);
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
