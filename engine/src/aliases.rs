//! Names of the columns of an answer.
//!
//! `SELECT diaSource.psfFlux` is to be called `psfFlux`, and `SELECT count(*)` `count(*)`. Where two columns would
//! have the same name they keep their whole paths.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Expr, Ident, ObjectName, ObjectNamePart, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr,
    Statement as SqlStatement, Subscript, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use crate::spelling::Typed;

/// What the columns of the answer are to be called, by the names that the statement gives them: names that were typed
/// are kept as they were typed, whatever spelling they were put in.
pub(crate) fn titles(statement: &Statement, typed: &Typed) -> BTreeMap<String, String> {
    let mut titles = BTreeMap::new();
    if let Statement::Statement(sql) = statement
        && let SqlStatement::Query(query) = &**sql
    {
        add_titles(query, typed, &mut titles);
    }
    titles
}

/// Adds the titles of a query's own columns, and of those that `SELECT * FROM` one subquery passes on.
fn add_titles(query: &Query, typed: &Typed, titles: &mut BTreeMap<String, String>) {
    let Some(select) = leftmost(&query.body) else { return };
    for item in &select.projection {
        if let SelectItem::ExprWithAlias { alias, .. } = item
            && let Some(title) = typed.get(&alias.span.start).filter(|_| alias.quote_style.is_none())
        {
            titles.entry(alias.value.clone()).or_insert_with(|| title.clone());
        }
    }
    let [from] = select.from.as_slice() else { return };
    if !wild(select) || !from.joins.is_empty() {
        return;
    }
    match &from.relation {
        TableFactor::Derived { subquery, .. } => add_titles(subquery, typed, titles),
        TableFactor::Table { name, .. } => {
            let is = |alias: &Ident| name.0.len() == 1 && name.0[0].as_ident().is_some_and(|i| i.value == alias.value);
            let mut named = query.with.iter().flat_map(|with| &with.cte_tables);
            if let Some(subquery) = named.find(|subquery| is(&subquery.alias.name)) {
                add_titles(&subquery.query, typed, titles);
            }
        }
        _ => {}
    }
}

/// The part of a query that names its columns.
fn leftmost(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::SetOperation { left, .. } => leftmost(left),
        SetExpr::Query(inner) => leftmost(&inner.body),
        _ => None,
    }
}

fn wild(select: &Select) -> bool {
    let all = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    select.projection.iter().any(all)
}

/// Gives the selected columns of a statement their names.
pub(crate) fn name_columns(statement: &mut Statement) {
    match statement {
        Statement::Explain(explain) => name_columns(&mut explain.statement),
        Statement::Statement(sql) => {
            let mut relations = Relations::default();
            let _ = Visit::visit(&**sql, &mut relations);
            // Before anything is rewritten, so that the names are what was written.
            if let Some(select) = outermost(sql) {
                name_expressions(select);
            }
            let mut namer = Namer { relations: relations.names };
            let _ = VisitMut::visit(&mut **sql, &mut namer);
        }
        _ => {}
    }
}

fn outermost(statement: &mut SqlStatement) -> Option<&mut Select> {
    match statement {
        SqlStatement::Explain { statement, .. } => outermost(statement),
        SqlStatement::Query(query) => of_query(query),
        _ => None,
    }
}

fn of_query(query: &mut Query) -> Option<&mut Select> {
    match &mut *query.body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(inner) => of_query(inner),
        _ => None,
    }
}

/// Names of tables, schemas and their aliases: what may stand before a column.
#[derive(Default)]
struct Relations {
    names: BTreeSet<String>,
}

impl Visitor for Relations {
    type Break = ();

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        self.names.extend(relation.0.iter().filter_map(|part| part.as_ident()).map(|i| i.value.clone()));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let alias = match factor {
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::TableFunction { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => alias.as_ref(),
            _ => None,
        };
        self.names.extend(alias.map(|a| a.name.value.clone()));
        ControlFlow::Continue(())
    }
}

struct Namer {
    relations: BTreeSet<String>,
}

impl Namer {
    /// The path of a field access without the table before it; `None` for plain columns.
    fn field_path<'e>(&self, expr: &'e Expr) -> Option<&'e [Ident]> {
        let Expr::CompoundIdentifier(parts) = expr else { return None };
        let tables = parts.iter().take_while(|p| self.relations.contains(&p.value)).count();
        let path = parts.get(tables..)?;
        (path.len() >= 2).then_some(path)
    }
}

impl VisitorMut for Namer {
    type Break = ();

    /// Functions that give tables are found in any case, as those that give values are.
    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<()> {
        let name = match factor {
            TableFactor::Table { name, args: Some(_), .. } | TableFactor::Function { name, .. } => name,
            _ => return ControlFlow::Continue(()),
        };
        for part in &mut name.0 {
            if let ObjectNamePart::Identifier(ident) = part
                && ident.quote_style.is_none()
            {
                ident.value = ident.value.to_lowercase();
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let wild = wild(select);
        let name = |item: &SelectItem| match item {
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) => Some(ident.value.clone()),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().map(|p| p.value.clone()),
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            _ => None,
        };
        let names: Vec<Option<String>> = select.projection.iter().map(name).collect();
        for item in &mut select.projection {
            let SelectItem::UnnamedExpr(expr) = item else { continue };
            let Some(path) = self.field_path(expr) else { continue };
            let last = path.last().map(|p| p.value.clone());
            let unique = !wild && names.iter().filter(|n| **n == last).count() == 1;
            let whole = || path.iter().map(|p| p.value.as_str()).collect::<Vec<_>>().join(".");
            let alias = last.filter(|_| unique).unwrap_or_else(whole);
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', alias) };
        }
        ControlFlow::Continue(())
    }

    /// What is selected and ordered by is meant once: DISTINCT would not find it again under its new name.
    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let SetExpr::Select(select) = &*query.body else { return ControlFlow::Continue(()) };
        let Some(OrderBy { kind: OrderByKind::Expressions(orders), .. }) = &mut query.order_by else {
            return ControlFlow::Continue(());
        };
        for order in orders {
            let named = select.projection.iter().find_map(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } if *expr == order.expr => Some(alias.clone()),
                _ => None,
            });
            if let Some(alias) = named {
                order.expr = Expr::Identifier(alias);
            }
        }
        ControlFlow::Continue(())
    }

    /// `prvDiaSources[1].ra`: a dot behind an element is the field of that name.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::CompoundFieldAccess { access_chain, .. } = expr {
            let mut behind = false;
            for access in access_chain {
                match access {
                    AccessExpr::Subscript(_) => behind = true,
                    AccessExpr::Dot(Expr::Identifier(ident)) if behind => {
                        let name = Value::SingleQuotedString(ident.value.clone());
                        *access = AccessExpr::Subscript(Subscript::Index { index: Expr::Value(name.into()) });
                    }
                    AccessExpr::Dot(_) => {}
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// An expression is called what was written, unless that name is taken.
fn name_expressions(select: &mut Select) {
    let texts: Vec<String> = select.projection.iter().map(ToString::to_string).collect();
    for (at, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        let plain = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        // What unnest gives is as many columns as its records have fields.
        let text = &texts[at];
        let unnests = text.to_lowercase().contains("unnest(");
        if plain || unnests || texts.iter().filter(|t| *t == text).count() > 1 {
            continue;
        }
        *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', text.clone()) };
    }
}
