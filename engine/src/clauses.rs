//! Clauses of other dialects, which the parser takes and DataFusion passes over: an answer without them would be another
//! one than was asked for.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArguments, GroupByExpr, OrderByKind, Query, Select, SelectModifiers, TableFactor, Visit, Visitor,
};

use crate::error::{EngineError, Result};

/// Tables that one SELECT may join: every one is planned with all that stand before it.
const MAX_TABLES: usize = 100;

/// Refuses a statement with a clause that would have no effect.
pub(crate) fn check(statement: &Statement) -> Result<()> {
    match statement {
        Statement::Explain(explain) => check(&explain.statement),
        Statement::Statement(sql) => match Visit::visit(&**sql, &mut Clauses) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(message) => Err(EngineError::invalid(*message)),
        },
        _ => Ok(()),
    }
}

struct Clauses;

/// Why a statement is refused. Boxed, as it is handed up through every level of the statement.
type Refused = Box<String>;

/// Refuses what is there, with what to do instead.
fn refuse(found: &[(bool, &str, &str)]) -> ControlFlow<Refused> {
    match found.iter().find(|(there, ..)| *there) {
        Some((_, clause, instead)) => {
            ControlFlow::Break(Box::new(format!("{clause} is not understood here; {instead}")))
        }
        None => ControlFlow::Continue(()),
    }
}

const LEAVE_OUT: &str = "leave it out";
const SAMPLE: &str = "take a part of the rows with WHERE random() < 0.01";

impl Visitor for Clauses {
    type Break = Refused;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Refused> {
        let order = query.order_by.as_ref();
        let fills = match order.map(|order| &order.kind) {
            Some(OrderByKind::Expressions(all)) => all.iter().any(|one| one.with_fill.is_some()),
            _ => false,
        };
        refuse(&[
            (!query.locks.is_empty(), "FOR UPDATE", "nothing is ever changed here, so leave it out"),
            (query.for_clause.is_some(), "FOR XML or FOR JSON", LEAVE_OUT),
            (query.settings.is_some(), "SETTINGS", LEAVE_OUT),
            (query.format_clause.is_some(), "FORMAT", "the form of the answer is chosen outside of SQL"),
            (order.is_some_and(|order| order.interpolate.is_some()), "INTERPOLATE", LEAVE_OUT),
            (fills, "WITH FILL", LEAVE_OUT),
        ])
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Refused> {
        let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = &select.group_by;
        refuse(&[
            (select.prewhere.is_some(), "PREWHERE", "put the condition in WHERE"),
            (!select.connect_by.is_empty(), "CONNECT BY", "write WITH RECURSIVE"),
            (select.exclude.is_some(), "EXCLUDE at the end", "write it behind the star: SELECT * EXCLUDE (...)"),
            (select.value_table_mode.is_some(), "SELECT AS", LEAVE_OUT),
            (
                select.select_modifiers.as_ref().is_some_and(SelectModifiers::is_any_set),
                "a word after SELECT",
                LEAVE_OUT,
            ),
            (!modifiers.is_empty(), "GROUP BY ... WITH", "write GROUP BY ROLLUP (...) or CUBE (...)"),
        ])?;
        let tables = select.from.iter().map(|from| 1 + from.joins.len()).sum::<usize>();
        if tables > MAX_TABLES {
            return ControlFlow::Break(Box::new(format!(
                "a SELECT may join up to {MAX_TABLES} tables, and this one joins {tables}; ask in parts"
            )));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Refused> {
        match factor {
            TableFactor::Table { with_hints, with_ordinality, partitions, json_path, sample, index_hints, .. } => {
                refuse(&[
                    (sample.is_some(), "TABLESAMPLE", SAMPLE),
                    (!partitions.is_empty(), "PARTITION", "put it as a condition in WHERE"),
                    (!with_hints.is_empty() || !index_hints.is_empty(), "a hint for a table", LEAVE_OUT),
                    (*with_ordinality, "WITH ORDINALITY", "number the rows with row_number() OVER ()"),
                    (json_path.is_some(), "a path behind a table", LEAVE_OUT),
                ])
            }
            TableFactor::Derived { sample, .. } => refuse(&[(sample.is_some(), "TABLESAMPLE", SAMPLE)]),
            TableFactor::Function { with_ordinality, .. } => {
                refuse(&[(*with_ordinality, "WITH ORDINALITY", "number the rows with row_number() OVER ()")])
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Refused> {
        match expr {
            Expr::Function(function) => refuse(&[(
                function.parameters != FunctionArguments::None,
                "a function with two lists of arguments",
                "put them in one",
            )]),
            _ => ControlFlow::Continue(()),
        }
    }
}
