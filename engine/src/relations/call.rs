//! What is written between the parentheses of a function that is written out.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::{Array, Expr, FunctionArg, FunctionArgExpr, UnaryOperator, Value, ValueWithSpan};
use noctuary_packet::survey::Survey;
use noctuary_storage::Snapshot;

use super::Relation;
use crate::catalog::Tables;
use crate::error::{EngineError, Result};

/// An argument, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The name that it is given by, in lower case.
    pub name: Option<String>,
    /// What is given.
    pub given: Given,
}

/// What can be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A number, as it is written.
    Number(String),
    /// A text in single quotes.
    Text(String),
    /// A name with the parts that are joined by dots.
    Name(Vec<String>),
}

/// A call, and what is known where it is made.
#[derive(Debug)]
pub struct Call<'c> {
    pub(super) relation: &'c Relation,
    /// What it is given; the elements of an array stand one by one.
    pub arguments: Vec<Argument>,
    pub(super) tables: &'c Tables,
    pub(super) snapshot: &'c Snapshot,
}

impl Call<'_> {
    /// The error of a call that cannot be understood: why, and how it is called.
    #[must_use]
    pub fn refuse(&self, why: &str) -> EngineError {
        self.relation.refuse(why)
    }

    /// The surveys that are known, in order of their names.
    #[must_use]
    pub fn surveys(&self) -> Vec<Arc<Survey>> {
        self.snapshot.surveys().list().to_vec()
    }

    /// The survey whose tables are meant if none is named: the only one with alerts that may be seen.
    #[must_use]
    pub fn only_survey(&self) -> Option<&str> {
        self.tables.only_survey()
    }

    /// Surveys with alerts that may be seen.
    #[must_use]
    pub fn with_alerts(&self) -> &[String] {
        self.tables.with_alerts()
    }

    /// The columns of a table of a survey; `None` if it has no such table.
    #[must_use]
    pub fn columns(&self, survey: &str, table: &str) -> Option<SchemaRef> {
        self.tables.columns(survey, table)
    }
}

/// The arguments of a call.
pub(super) fn arguments(relation: &Relation, args: &[FunctionArg]) -> Result<Vec<Argument>> {
    let mut all = Vec::new();
    for arg in args {
        let (name, value) = parts(arg).ok_or_else(|| relation.refuse(&format!("{arg} is no argument")))?;
        given(relation, value, &mut |given| all.push(Argument { name: name.clone(), given }))?;
    }
    Ok(all)
}

/// The name of an argument, in lower case, and what it is.
pub(super) fn parts(arg: &FunctionArg) -> Option<(Option<String>, &Expr)> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) => Some((None, value)),
        FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => {
            Some((Some(name.value.to_lowercase()), value))
        }
        FunctionArg::ExprNamed { name: Expr::Identifier(name), arg: FunctionArgExpr::Expr(value), .. } => {
            Some((Some(name.value.to_lowercase()), value))
        }
        _ => None,
    }
}

fn given(relation: &Relation, value: &Expr, take: &mut dyn FnMut(Given)) -> Result<()> {
    match value {
        Expr::Value(ValueWithSpan { value: Value::Number(number, _), .. }) => take(Given::Number(number.clone())),
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => take(Given::Text(text.clone())),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => {
            let Expr::Value(ValueWithSpan { value: Value::Number(number, _), .. }) = &**expr else {
                return Err(relation.refuse(&format!("{value} is no number")));
            };
            take(Given::Number(format!("-{number}")));
        }
        Expr::Identifier(name) => take(Given::Name(vec![name.value.clone()])),
        Expr::CompoundIdentifier(names) => take(Given::Name(names.iter().map(|name| name.value.clone()).collect())),
        Expr::Nested(inner) => given(relation, inner, take)?,
        Expr::Array(Array { elem, .. }) => {
            for one in elem {
                given(relation, one, take)?;
            }
        }
        Expr::Tuple(all) => {
            for one in all {
                given(relation, one, take)?;
            }
        }
        Expr::Value(ValueWithSpan { value: Value::Placeholder(name), .. }) => {
            return Err(
                relation.refuse(&format!("{name} is not known before it is planned, and has to be written out"))
            );
        }
        other => return Err(relation.refuse(&format!("{other} is not understood here"))),
    }
    Ok(())
}
