//! Tables as they were: `lsst.alerts VERSION AS OF 12`, `VERSION AS OF 'dr1'`, `TIMESTAMP AS OF '2026-04-07'`.
//!
//! A question may join versions of one table. Each stands for the time of the question in a schema of its own.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::catalog::information_schema::INFORMATION_SCHEMA;
use datafusion::common::TableReference;
use datafusion::execution::SessionState;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Ident, ObjectName, ObjectNamePart, TableFactor, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan};
use noctuary_storage::AsOf;

use crate::catalog::Tables;
use crate::error::{EngineError, Result};
use crate::state;

/// Versions that tables are asked of, by where the name of the table begins.
pub(crate) type Versions = BTreeMap<Location, AsOf>;

/// Takes the versions out of a question.
///
/// # Errors
/// [`crate::ErrorKind::Invalid`] if what follows AS OF is no version.
pub(crate) fn take(tokens: &mut Vec<TokenWithSpan>) -> Result<Versions> {
    let places: Vec<usize> =
        (0..tokens.len()).filter(|at| !matches!(tokens[*at].token, Token::Whitespace(_))).collect();
    let word = |at: usize| match places.get(at).map(|place| &tokens[*place].token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.to_uppercase(),
        _ => String::new(),
    };
    let mut versions = Versions::new();
    let mut cut = Vec::new();
    for at in 0..places.len() {
        let words = [word(at), word(at + 1), word(at + 2), word(at + 3)];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (length, is_time) = match words.as_slice() {
            ["VERSION", "AS", "OF", _] => (3, false),
            ["TIMESTAMP", "AS", "OF", _] => (3, true),
            ["FOR", "SYSTEM_TIME", "AS", "OF"] => (4, false),
            _ => continue,
        };
        let Some(first) = name_before(tokens, &places, at) else { continue };
        let literal = places.get(at + length).map(|place| &tokens[*place].token);
        let text = match literal {
            Some(Token::Number(number, _)) if !is_time => number.clone(),
            Some(Token::SingleQuotedString(text)) => text.clone(),
            _ => {
                return Err(EngineError::invalid(
                    "what follows AS OF is no version; write VERSION AS OF 12, VERSION AS OF 'tag' or \
                     TIMESTAMP AS OF '2026-04-07 12:00'",
                ));
            }
        };
        let asked = text.parse().unwrap_or(AsOf::Tag(text.clone()));
        if is_time && !matches!(asked, AsOf::Time(_)) {
            return Err(EngineError::invalid(format!(
                "{text:?} is no time; write it as '2026-04-07', '2026-04-07 12:00' or '2026-04-07T12:00:00Z'"
            )));
        }
        versions.insert(tokens[first].span.start, asked);
        cut.extend(places[at]..=places[at + length]);
    }
    let mut at = 0;
    tokens.retain(|_| {
        at += 1;
        !cut.contains(&(at - 1))
    });
    Ok(versions)
}

/// Words that a value stands behind, and no name of a table before.
const BEFORE_VALUES: [Keyword; 14] = [
    Keyword::SELECT,
    Keyword::DISTINCT,
    Keyword::ALL,
    Keyword::WHERE,
    Keyword::HAVING,
    Keyword::AND,
    Keyword::OR,
    Keyword::NOT,
    Keyword::ON,
    Keyword::BY,
    Keyword::CASE,
    Keyword::WHEN,
    Keyword::THEN,
    Keyword::ELSE,
];

/// The token at which a name begins that ends before a place.
fn name_before(tokens: &[TokenWithSpan], places: &[usize], end: usize) -> Option<usize> {
    let token = |at: usize| places.get(at).map(|place| &tokens[*place].token);
    let mut at = end.checked_sub(1)?;
    let Token::Word(last) = token(at)? else { return None };
    if last.quote_style.is_none() && BEFORE_VALUES.contains(&last.keyword) {
        return None;
    }
    while at >= 2 && token(at - 1) == Some(&Token::Period) && matches!(token(at - 2), Some(Token::Word(_))) {
        at -= 2;
    }
    places.get(at).copied()
}

/// Tables of versions, by the number of the version.
pub(crate) type OfVersions = BTreeMap<u64, Arc<Tables>>;

/// Lets tables that are asked as of a version stand for that version. `versions` says by their place which these are.
///
/// # Errors
/// [`crate::ErrorKind::Invalid`] if a version is asked of something that is no table.
pub(crate) fn apply(
    statement: &mut Statement,
    versions: &BTreeMap<Location, u64>,
    newest: &Tables,
    views: &OfVersions,
) -> Result<()> {
    let mut set = Set { versions: versions.clone(), newest, views, failed: None };
    visit(statement, &mut set);
    match (set.failed, set.versions.is_empty()) {
        (Some(why), _) => Err(why),
        (None, false) => {
            Err(EngineError::invalid("AS OF stands behind the name of a table: FROM alerts VERSION AS OF 12"))
        }
        (None, true) => Ok(()),
    }
}

fn visit(statement: &mut Statement, set: &mut Set<'_>) {
    match statement {
        Statement::Explain(explain) => visit(&mut explain.statement, set),
        Statement::Statement(sql) => {
            let _: ControlFlow<()> = VisitMut::visit(&mut **sql, set);
        }
        _ => {}
    }
}

struct Set<'a> {
    /// Those that have not been found yet.
    versions: BTreeMap<Location, u64>,
    newest: &'a Tables,
    views: &'a OfVersions,
    failed: Option<EngineError>,
}

impl VisitorMut for Set<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { name, .. } = factor else { return ControlFlow::Continue(()) };
        let Some(at) = name.0.first().and_then(|part| part.as_ident()).map(|ident| ident.span.start) else {
            return ControlFlow::Continue(());
        };
        if let Some(version) = self.versions.remove(&at)
            && let Err(why) = self.name(name, version)
        {
            self.failed = Some(why);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl Set<'_> {
    fn name(&self, name: &mut ObjectName, version: u64) -> Result<()> {
        let parts: Vec<Ident> = name.0.iter().filter_map(|part| part.as_ident()).cloned().collect();
        let (schema, table) = match parts.as_slice() {
            [table] => (None, table.clone()),
            [schema, table] | [_, schema, table] => (Some(schema.value.clone()), table.clone()),
            _ => return Err(EngineError::invalid(format!("{name} is not the name of a table"))),
        };
        let reference = match &schema {
            Some(schema) => TableReference::partial(schema.as_str(), table.value.as_str()),
            None => TableReference::bare(table.value.as_str()),
        };
        let tables = self.views.get(&version).map_or(self.newest, |tables| &**tables);
        let schema = match tables.mentioned(&reference)? {
            Some((schema, _)) => schema,
            None => return Err(EngineError::invalid(format!("{name} has no versions"))),
        };
        *name = ObjectName(vec![
            ObjectNamePart::Identifier(Ident::with_quote('"', schema_of(&schema, version))),
            ObjectNamePart::Identifier(table),
        ]);
        Ok(())
    }
}

/// The name of a schema in which tables stand as of a version.
fn schema_of(schema: &str, version: u64) -> String {
    format!("{schema} as of {version}")
}

/// The schema and version that such a name means.
pub(crate) fn parts_of(schema: &str) -> Option<(&str, u64)> {
    let (schema, version) = schema.rsplit_once(" as of ")?;
    Some((schema, version.parse().ok()?))
}

/// A session state that knows the tables of some versions beside its own.
///
/// # Errors
/// When DataFusion refuses one, which would be a fault of this program.
pub(crate) fn with_views(state: &SessionState, tables: &Arc<Tables>, views: &OfVersions) -> Result<SessionState> {
    let catalog = tables.catalog()?;
    for (version, tables) in views {
        let own = tables.catalog()?;
        for schema in own.schema_names().into_iter().filter(|schema| schema != INFORMATION_SCHEMA) {
            if let Some(provider) = own.schema(&schema) {
                catalog.register_schema(&schema_of(&schema, *version), provider)?;
            }
        }
    }
    Ok(state::with_tables(state, catalog))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::tokenizer::Tokenizer;

    use super::*;

    fn taken(sql: &str) -> Result<(String, Vec<AsOf>)> {
        let mut tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().unwrap();
        let versions = take(&mut tokens)?;
        Ok((tokens.iter().map(|t| t.token.to_string()).collect(), versions.into_values().collect()))
    }

    #[test]
    fn versions_are_taken_out() {
        let (rest, versions) =
            taken("SELECT * FROM a.b VERSION AS OF 12 x, c timestamp as of '2026-04-07' WHERE y").unwrap();
        assert_eq!(rest.split_whitespace().collect::<Vec<_>>().join(" "), "SELECT * FROM a.b x, c WHERE y");
        assert_eq!(versions, [AsOf::Version(12), "2026-04-07".parse().unwrap()]);
        let (_, versions) = taken("SELECT 1 FROM t FOR SYSTEM_TIME AS OF 'dr1'").unwrap();
        assert_eq!(versions, [AsOf::Tag("dr1".into())]);
        let plain = "SELECT version AS of, x AS version FROM t";
        assert_eq!(taken(plain).unwrap(), (plain.to_owned(), vec![]));
        for bad in ["SELECT * FROM t VERSION AS OF", "SELECT * FROM t TIMESTAMP AS OF 'dr1'", "FROM t VERSION AS OF x"]
        {
            assert!(taken(bad).is_err(), "{bad}");
        }
    }
}
