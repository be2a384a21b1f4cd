//! Calls of functions that give tables, before a question is planned.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArguments, Ident, ObjectName, ObjectNamePart,
    Query, SetExpr, Statement as SqlStatement, TableFactor, TableFunctionArgs, VisitMut, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use noctuary_storage::Snapshot;

use super::call::{Call, arguments, parts};
use super::{Makes, Parameter, Relation, Takes};
use crate::catalog::Tables;
use crate::error::{EngineError, Result};
use crate::names::nearest;

/// Lets the text in `crossmatch('mine', 'lsst.sources', ...)` stand for the names of tables, to be found like all names.
pub(crate) fn name_tables(tokens: &mut Vec<TokenWithSpan>, relations: &[Relation]) {
    let places: Vec<usize> =
        (0..tokens.len()).filter(|at| !matches!(tokens[*at].token, Token::Whitespace(_))).collect();
    let token = |at: usize| places.get(at).and_then(|place| tokens.get(*place)).map(|token| &token.token);
    let mut names = Vec::new();
    for at in 0..places.len() {
        let (Some(Token::Word(word)), Some(Token::LParen)) = (token(at), token(at + 1)) else { continue };
        let Some(relation) = Relation::named(relations, &word.value) else { continue };
        for (number, argument) in spans(&token, at + 2).into_iter().enumerate() {
            let named = match (token(argument.start), token(argument.start + 1)) {
                (Some(Token::Word(name)), Some(Token::RArrow)) => Some(&name.value),
                _ => None,
            };
            let parameter = match named {
                Some(name) => relation.parameters().iter().find(|p| p.name.eq_ignore_ascii_case(name)),
                None => relation.parameters().get(number),
            };
            let value = argument.start + if named.is_some() { 2 } else { 0 };
            if parameter.is_some_and(|p| p.takes == Takes::Table)
                && value + 1 == argument.end
                && let Some(Token::SingleQuotedString(text)) = token(value)
            {
                names.extend(places.get(value).map(|place| (*place, text.clone())));
            }
        }
    }
    for (place, text) in names.into_iter().rev() {
        let span = tokens[place].span;
        let mut words = Vec::new();
        for part in text.split('.') {
            if !words.is_empty() {
                words.push(Token::Period);
            }
            let plain = part.chars().all(|c| c.is_alphanumeric() || c == '_')
                && part.starts_with(|c: char| c.is_alphabetic() || c == '_');
            words.push(Token::make_word(part.trim(), (!plain).then_some('"')));
        }
        tokens.splice(place..=place, words.into_iter().map(|token| TokenWithSpan { token, span }));
    }
}

/// Where the arguments of a call stand that begin at a place.
fn spans<'t>(token: &impl Fn(usize) -> Option<&'t Token>, first: usize) -> Vec<Range<usize>> {
    let (mut all, mut from, mut at, mut open) = (Vec::new(), first, first, 0_usize);
    while let Some(now) = token(at) {
        match now {
            Token::LParen | Token::LBracket => open += 1,
            Token::RParen | Token::RBracket if open > 0 => open -= 1,
            Token::RParen => {
                all.push(from..at);
                break;
            }
            Token::Comma if open == 0 => {
                all.push(from..at);
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    all
}

/// Writes out what is no more than a question, and the tables of all others as queries, so that they are found.
///
/// # Errors
/// When a function is not known, or is not called as it has to be.
pub(crate) fn write_out(
    statement: &mut Statement,
    relations: &[Relation],
    others: &BTreeSet<String>,
    tables: &Tables,
    snapshot: &Snapshot,
) -> Result<()> {
    match statement {
        Statement::Explain(explain) => write_out(&mut explain.statement, relations, others, tables, snapshot),
        Statement::Statement(sql) => {
            let mut calls = Calls { relations, others, tables, snapshot };
            match VisitMut::visit(&mut **sql, &mut calls) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(why) => Err(*why),
            }
        }
        _ => Ok(()),
    }
}

struct Calls<'a> {
    relations: &'a [Relation],
    /// Functions of DataFusion's own that give tables.
    others: &'a BTreeSet<String>,
    tables: &'a Tables,
    snapshot: &'a Snapshot,
}

impl VisitorMut for Calls<'_> {
    type Break = Box<EngineError>;

    /// What it is changed into is visited next, and with it what is called inside.
    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        match self.write(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(why) => ControlFlow::Break(Box::new(why)),
        }
    }
}

impl Calls<'_> {
    fn write(&self, factor: &mut TableFactor) -> Result<()> {
        let (name, lateral) = match factor {
            TableFactor::Table { name, args: Some(_), .. } => (name, false),
            TableFactor::Function { name, .. } => (name, true),
            _ => return Ok(()),
        };
        let Some(called) = alone(name) else { return Ok(()) };
        let Some(relation) = Relation::named(self.relations, &called) else {
            if self.others.contains(&called) {
                return Ok(());
            }
            let known = self.relations.iter().map(|r| r.name).chain(self.others.iter().map(String::as_str));
            let near = nearest(&called, known);
            return Err(EngineError::invalid(format!("there is no function {called} that gives a table{near}")));
        };
        if lateral {
            return Err(relation.refuse("it cannot depend on other tables of the question, so leave LATERAL out"));
        }
        let TableFactor::Table { args: Some(args), alias, .. } = factor else { return Ok(()) };
        if args.settings.is_some() {
            return Err(relation.refuse("SETTINGS is not understood"));
        }
        match relation.makes {
            Makes::Question(write) => {
                let arguments = arguments(relation, &args.args)?;
                let call = Call { relation, arguments, tables: self.tables, snapshot: self.snapshot };
                let subquery = Box::new(query(&write(&call)?)?);
                *factor = TableFactor::Derived { lateral: false, subquery, alias: alias.take(), sample: None };
            }
            Makes::Plan { parameters, .. } => args.args = self.in_order(relation, parameters, &args.args)?,
        }
        Ok(())
    }

    /// The arguments of a call by the names of the parameters.
    fn in_order(
        &self,
        relation: &Relation,
        parameters: &'static [Parameter],
        args: &[FunctionArg],
    ) -> Result<Vec<FunctionArg>> {
        let mut given: Vec<Option<Expr>> = vec![None; parameters.len()];
        for (place, arg) in args.iter().enumerate() {
            let (name, value) = parts(arg).ok_or_else(|| relation.refuse(&format!("{arg} is no argument")))?;
            let at = match &name {
                None => place,
                Some(name) => parameters.iter().position(|p| p.name == name).ok_or_else(|| {
                    let near = nearest(name, parameters.iter().map(|p| p.name));
                    relation.refuse(&format!("there is no argument {name}{near}"))
                })?,
            };
            let (Some(slot), Some(parameter)) = (given.get_mut(at), parameters.get(at)) else {
                return Err(relation.refuse(&format!("there are {} arguments", args.len())));
            };
            let value = if parameter.takes == Takes::Table { self.table(relation, value)? } else { value.clone() };
            if slot.replace(value).is_some() {
                return Err(relation.refuse(&format!("{} is given twice", parameter.name)));
            }
        }
        if let Some((missing, _)) = parameters.iter().zip(&given).find(|(p, given)| p.required && given.is_none()) {
            return Err(relation.refuse(&format!("{} is missing", missing.name)));
        }
        let named = |(parameter, value): (&Parameter, Option<Expr>)| {
            Some(FunctionArg::Named {
                name: Ident::new(parameter.name),
                arg: FunctionArgExpr::Expr(value?),
                operator: FunctionArgOperator::RightArrow,
            })
        };
        Ok(parameters.iter().zip(given).filter_map(named).collect())
    }

    /// A table as a query.
    fn table(&self, relation: &Relation, value: &Expr) -> Result<Expr> {
        let name = |parts: &[Ident]| ObjectName(parts.iter().cloned().map(ObjectNamePart::Identifier).collect());
        let (name, args) = match value {
            Expr::Subquery(query) => return Ok(Expr::Subquery(query.clone())),
            Expr::Nested(inner) => return self.table(relation, inner),
            Expr::Identifier(ident) => (name(std::slice::from_ref(ident)), None),
            Expr::CompoundIdentifier(parts) => (name(parts), None),
            Expr::Function(function) => match (&function.args, alone(&function.name)) {
                (FunctionArguments::List(list), Some(called)) if Relation::named(self.relations, &called).is_some() => {
                    let name = name(&[Ident::new(called)]);
                    (name, Some(TableFunctionArgs { args: list.args.clone(), settings: None }))
                }
                _ => return Err(relation.refuse(&format!("{value} is no table"))),
            },
            _ => return Err(relation.refuse(&format!("{value} is no table"))),
        };
        let mut all = query("SELECT * FROM \"table\"")?;
        if let SetExpr::Select(select) = &mut *all.body
            && let Some(TableFactor::Table { name: of, args: given, .. }) =
                select.from.first_mut().map(|from| &mut from.relation)
        {
            (*of, *given) = (name, args);
        }
        Ok(Expr::Subquery(Box::new(all)))
    }
}

/// A name of one part, in lower case unless it is quoted.
fn alone(name: &ObjectName) -> Option<String> {
    let [part] = name.0.as_slice() else { return None };
    let ident = part.as_ident()?;
    Some(if ident.quote_style.is_none() { ident.value.to_lowercase() } else { ident.value.clone() })
}

/// A question as it is parsed.
fn query(sql: &str) -> Result<Query> {
    let dialect = GenericDialect {};
    let mut parser = DFParserBuilder::new(sql).with_dialect(&dialect).build()?;
    let Some(Statement::Statement(statement)) = parser.parse_statements()?.pop_front() else {
        return Err(EngineError::invalid(format!("{sql} is no query")));
    };
    match *statement {
        SqlStatement::Query(query) => Ok(*query),
        other => Err(EngineError::invalid(format!("{other} is no query"))),
    }
}
