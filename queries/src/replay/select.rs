//! Which packets are wanted, as SQL.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{ScalarUDF, Volatility};
use datafusion::sql::sqlparser::ast::{Expr, Query, Visit, Visitor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use futures::TryStreamExt;
use noctuary_engine::{EngineError, Session};
use noctuary_packet::time::Night;
use noctuary_storage::StorageError;
use noctuary_storage::night::Span;

use super::request::{Condition, Object, Region, Request};

/// What a replay wants of one survey.
#[derive(Debug, Clone)]
pub(super) struct Selection {
    pub survey: String,
    /// What is true of its alerts that are wanted.
    condition: String,
    /// Its alerts have ids of text.
    pub text_ids: bool,
}

impl Selection {
    /// Puts a request in SQL.
    ///
    /// # Errors
    /// When a condition is none.
    pub fn new(session: &Session, survey: &str, request: &Request) -> Result<Self, EngineError> {
        let columns = columns(session, survey)?;
        let is_text = |name: &str| columns.field_with_name(name).is_ok_and(|id| *id.data_type() != DataType::Int64);
        let (text_ids, text_objects) = (is_text("_alert"), is_text("_object"));
        let mut all = vec!["_night IS NOT NULL".to_owned()];
        if !request.nights.is_empty() {
            let nights = request.nights.iter().map(|nights| match nights.first == nights.last {
                true => format!("_night = {}", date(nights.first)),
                false => format!("_night BETWEEN {} AND {}", date(nights.first), date(nights.last)),
            });
            all.push(nights.collect::<Vec<_>>().join(" OR "));
        }
        all.extend(request.from.map(|from| format!("_mjd_tai >= {}", number(from.0))));
        all.extend(request.to.map(|to| format!("_mjd_tai < {}", number(to.0))));
        all.extend(request.from_visit.map(|visit| format!("_visit >= {visit}")));
        all.extend(request.to_visit.map(|visit| format!("_visit <= {visit}")));
        all.extend(request.region.as_ref().map(inside));
        if !request.objects.is_empty() {
            all.push(one_of(&request.objects, text_objects));
        }
        let own = match &request.condition {
            None => None,
            Some(Condition::All(text)) => Some(text),
            Some(Condition::Each(texts)) => texts.get(survey),
        };
        if let Some(text) = own {
            check(text, &session.context().state())?;
            // The condition may end in a comment.
            all.push(format!("{text}\n"));
        }
        let condition = all.iter().map(|condition| format!("({condition})")).collect::<Vec<_>>().join(" AND ");
        Ok(Self { survey: survey.to_owned(), condition, text_ids })
    }

    /// `FROM` and `WHERE` of what is wanted, of some visits only if they are given.
    pub fn from(&self, span: Option<Span>) -> String {
        let mut sql = format!("FROM {} WHERE {}", table(&self.survey), self.condition);
        if let Some(span) = span {
            sql.push_str(" AND ");
            sql.push_str(&visits(span));
        }
        sql
    }
}

/// The columns of the alerts of a survey.
pub(super) fn columns(session: &Session, survey: &str) -> Result<SchemaRef, EngineError> {
    let columns = session.columns(survey, "alerts");
    columns.ok_or_else(|| StorageError::internal(format!("no alerts of {survey}")).into())
}

/// The alerts of a survey.
pub(super) fn table(survey: &str) -> String {
    format!("{}.alerts", quoted(survey))
}

/// A name as it is.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn date(night: Night) -> String {
    format!("DATE '{night}'")
}

/// A number with all of its digits.
fn number(value: f64) -> String {
    format!("CAST('{value}' AS DOUBLE)")
}

/// A number that functions of the sky take as written.
fn plain(value: f64) -> String {
    format!("{value:?}")
}

fn inside(region: &Region) -> String {
    match region {
        Region::Circle { ra, dec, radius } => {
            format!("cone(_ra, _dec, {}, {}, {})", plain(*ra), plain(*dec), plain(*radius))
        }
        Region::Box { ra: [west, east], dec: [south, north] } => {
            let edges = [*west, *east, *south, *north].map(plain).join(", ");
            format!("in_box(_ra, _dec, {edges})")
        }
        Region::Polygon(vertices) => {
            let vertices: Vec<String> = vertices.iter().flatten().map(|angle| plain(*angle)).collect();
            format!("in_polygon(_ra, _dec, {})", vertices.join(", "))
        }
        Region::Moc(moc) => format!("in_moc(_ra, _dec, {})", text(moc)),
    }
}

fn one_of(objects: &[Object], are_text: bool) -> String {
    let literal = |object: &Object| match (object, are_text) {
        (Object::Number(number), false) => Some(number.to_string()),
        (Object::Number(number), true) => Some(text(&number.to_string())),
        (Object::Text(name), true) => Some(text(name)),
        // What is no number is no object of a survey whose ids are numbers.
        (Object::Text(name), false) => name.trim().parse::<i64>().ok().map(|number| number.to_string()),
    };
    let literals: Vec<String> = objects.iter().filter_map(literal).collect();
    if literals.is_empty() { "FALSE".to_owned() } else { format!("_object IN ({})", literals.join(", ")) }
}

/// Refuses what is not one condition on an alert, before it is put among others. What a replay holds must not change
/// from one reading of a version to the next, nor depend on anything but the alert.
fn check(condition: &str, state: &SessionState) -> Result<(), EngineError> {
    let wrong = |why: String| EngineError::invalid(format!("the condition {condition:?}: {why}"));
    let dialect = GenericDialect {};
    let mut parser = Parser::new(&dialect).try_with_sql(condition).map_err(|e| wrong(e.to_string()))?;
    let parsed = parser.parse_expr().map_err(|e| wrong(e.to_string()))?;
    match parser.next_token().token {
        Token::EOF => {}
        other => return Err(wrong(format!("it ends before {other}; write one condition, as after WHERE"))),
    }
    match parsed.visit(&mut OfAnAlert { functions: state.scalar_functions() }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(why) => Err(wrong(why)),
    }
}

/// Finds what is no condition on an alert alone.
struct OfAnAlert<'f> {
    functions: &'f HashMap<String, Arc<ScalarUDF>>,
}

impl Visitor for OfAnAlert<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<String> {
        ControlFlow::Break(
            "it asks a question of its own; what is wanted of an alert must be told by the alert alone".into(),
        )
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let name = function.name.0.last().and_then(|part| part.as_ident());
        let name = name.map(|name| name.value.to_lowercase()).unwrap_or_default();
        match self.functions.get(&name) {
            Some(known) if known.signature().volatility != Volatility::Immutable => ControlFlow::Break(format!(
                "{name}() is another value each time, and a replay has to be the same whenever it goes on; write the \
                 value that is meant"
            )),
            _ => ControlFlow::Continue(()),
        }
    }
}

/// True of packets of these visits, so that files are chosen by it.
pub(super) fn visits(span: Span) -> String {
    let ((first, from), (last, to)) = (span.first, span.last);
    let mut sql = String::new();
    // Writing to a String cannot fail.
    let _ = write!(sql, "(_night >= {} AND _night <= {})", date(first), date(last));
    let to = to.filter(|to| *to != i64::MAX);
    let unbounded = span.last.1 == Some(i64::MAX);
    if first == last {
        let _ = match (from, to, unbounded) {
            (None, None, false) => write!(sql, " AND (_visit IS NULL)"),
            (None, Some(to), _) => write!(sql, " AND (_visit IS NULL OR _visit <= {to})"),
            (Some(from), Some(to), _) => write!(sql, " AND (_visit >= {from}) AND (_visit <= {to})"),
            (Some(from), None, _) => write!(sql, " AND (_visit >= {from})"),
            (None, None, true) => Ok(()),
        };
        return sql;
    }
    if let Some(from) = from {
        let _ = write!(sql, " AND (_night > {} OR _visit >= {from})", date(first));
    }
    if !unbounded {
        let _ = match to {
            None => write!(sql, " AND (_night < {} OR _visit IS NULL)", date(last)),
            Some(to) => write!(sql, " AND (_night < {} OR _visit IS NULL OR _visit <= {to})", date(last)),
        };
    }
    sql
}

/// The rows of an answer that is small.
pub(super) async fn rows(session: &Session, sql: &str) -> Result<Vec<RecordBatch>, EngineError> {
    Ok(session.plan(sql).await?.execute().await?.try_collect().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_condition_is_one_condition() {
        let context = datafusion::prelude::SessionContext::new();
        crate::register(&context);
        let state = context.state();
        for good in ["a = 1", "a.b > 2 AND (c IS NULL OR d IN (1, 2)) -- which", "cone(_ra, _dec, 1, 2, abs(-3))"] {
            check(good, &state).unwrap();
        }
        for bad in [
            "",
            "a = 1) OR (b = 2",
            "a = 1; DROP TABLE x",
            "a = 'open",
            "a >",
            "a = 1 ORDER BY b",
            "a > 0 AND Random() < 0.5",
            "\"random\"() < 0.5",
            "b < now()",
            "CURRENT_TIMESTAMP > b",
            "uuid() = a",
            "a IN (SELECT a FROM t)",
            "EXISTS (SELECT 1)",
            "a = (SELECT max(a) FROM t)",
        ] {
            assert!(check(bad, &state).is_err(), "{bad}");
        }
    }

    #[test]
    fn visits_are_bounded_on_both_sides() {
        let night = Night(20_766);
        let span = |from, to| visits(Span { first: (night, from), last: (night, to) });
        let nights = "(_night >= DATE '2026-11-09' AND _night <= DATE '2026-11-09')";
        assert_eq!(span(None, Some(i64::MAX)), nights);
        assert_eq!(span(None, None), format!("{nights} AND (_visit IS NULL)"));
        assert_eq!(span(Some(3), Some(7)), format!("{nights} AND (_visit >= 3) AND (_visit <= 7)"));
        let over = visits(Span { first: (night, Some(3)), last: (Night(20_767), None) });
        assert_eq!(
            over,
            "(_night >= DATE '2026-11-09' AND _night <= DATE '2026-11-10') AND (_night > DATE '2026-11-09' OR _visit >= 3) \
             AND (_night < DATE '2026-11-10' OR _visit IS NULL)"
        );
    }
}
