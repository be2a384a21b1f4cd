//! Placeholders of a statement.
//!
//! Files are chosen by the literals of a question before it runs, so values are put in as literals instead of being
//! bound to the plan. SQL's own tokenizer says where placeholders are: what looks like one in a text or a comment is
//! none.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

/// A placeholder `$name`: where it begins, and the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placeholder {
    start: usize,
    pub(super) name: String,
}

/// The placeholders of one statement.
///
/// # Errors
/// When it is not one `SELECT` or `WITH` without a semicolon.
pub(super) fn placeholders(statement: &str) -> Result<Vec<Placeholder>, String> {
    let tokens = Tokenizer::new(&GenericDialect {}, statement).tokenize_with_location().map_err(|e| e.to_string())?;
    let first = tokens.iter().find(|t| !matches!(t.token, Token::Whitespace(_)));
    let begins = match first.map(|t| &t.token) {
        Some(Token::Word(word)) => matches!(word.value.as_str(), "SELECT" | "WITH"),
        _ => false,
    };
    if !begins {
        return Err("the statement has to begin with SELECT or WITH".to_owned());
    }
    if tokens.iter().any(|t| t.token == Token::SemiColon) {
        return Err("the statement has to be one, without a semicolon".to_owned());
    }
    Ok(tokens.iter().filter_map(|token| placeholder(statement, token)).collect())
}

fn placeholder(statement: &str, token: &TokenWithSpan) -> Option<Placeholder> {
    let Token::Placeholder(text) = &token.token else { return None };
    let name = text.strip_prefix('$')?;
    // Lines and columns count from 1, columns in characters.
    let line = usize::try_from(token.span.start.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(token.span.start.column).ok()?.checked_sub(1)?;
    let before: usize = statement.split_inclusive('\n').take(line).map(str::len).sum();
    let within: usize = statement.get(before..)?.chars().take(column).map(char::len_utf8).sum();
    Some(Placeholder { start: before + within, name: name.to_owned() })
}

/// The statement with literals in the places of their names. Placeholders without one stay.
pub(super) fn filled(statement: &str, literals: &[(&str, String)]) -> String {
    let (mut out, mut from) = (String::new(), 0);
    for Placeholder { start, name } in placeholders(statement).unwrap_or_default() {
        let Some((_, literal)) = literals.iter().find(|(known, _)| *known == name) else { continue };
        out.push_str(statement.get(from..start).unwrap_or_default());
        out.push_str(literal);
        from = start + 1 + name.len();
    }
    out.push_str(statement.get(from..).unwrap_or_default());
    out
}
