//! Records and lists cut down to the fields that a question uses.
//!
//! DataFusion takes single fields of a record from the scan, but not those of the elements of a list, nor the mere
//! question whether a record is there: for both it reads every leaf. Here it is worked out, from the answer down to
//! the scans, which fields of each column anything looks at; where they are not all, the scan gives the column as a
//! record or list of just these, and the reader decodes no other leaf.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::Column;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::functions::core::getfield::GetFieldFunc;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::logical_plan::TableScanBuilder;
use datafusion::logical_expr::{Expr, JoinType, LogicalPlan, TableScan};

use crate::table::FileTable;

/// What is used of a column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Need {
    /// All of it.
    all: bool,
    /// These fields, of the record or of the elements of the list.
    fields: BTreeSet<String>,
    /// The column is handed on as such, and not only taken apart right where it is read.
    handed_on: bool,
}

impl Need {
    const ALL: Self = Self { all: true, fields: BTreeSet::new(), handed_on: true };

    /// Whether it is there, and nothing of what it holds.
    fn presence() -> Self {
        Self { handed_on: true, ..Self::default() }
    }

    fn field(name: &str, handed_on: bool) -> Self {
        Self { all: false, fields: BTreeSet::from([name.to_owned()]), handed_on }
    }

    fn add(&mut self, other: &Self) {
        self.all |= other.all;
        self.handed_on |= other.handed_on;
        self.fields.extend(other.fields.iter().cloned());
    }
}

/// The plan with its scans cut down. The columns of its answer stay what they are.
pub(crate) fn narrow(plan: LogicalPlan) -> Result<LogicalPlan> {
    let needs = vec![Need::ALL; plan.schema().fields().len()];
    Ok(narrowed(&plan, &needs)?.unwrap_or(plan))
}

/// The plan with narrower columns where `needs` allow it; `None` if nothing changes.
fn narrowed(plan: &LogicalPlan, needs: &[Need]) -> Result<Option<LogicalPlan>> {
    if let LogicalPlan::TableScan(table) = plan {
        return scan(table, needs);
    }
    let inputs = plan.inputs();
    let mut changed = false;
    let mut new = Vec::with_capacity(inputs.len());
    for (input, needs) in inputs.iter().zip(of_inputs(plan, &inputs, needs)) {
        let narrower = narrowed(input, &needs)?;
        changed |= narrower.is_some();
        new.push(narrower.unwrap_or_else(|| (*input).clone()));
    }
    if changed { Ok(Some(plan.with_new_exprs(plan.expressions(), new)?)) } else { Ok(None) }
}

/// What a node uses of each column of its inputs, given what is used of its own.
fn of_inputs(plan: &LogicalPlan, inputs: &[&LogicalPlan], needs: &[Need]) -> Vec<Vec<Need>> {
    let width = |input: &LogicalPlan| input.schema().fields().len();
    let mut out: Vec<Vec<Need>> = inputs.iter().map(|i| vec![Need::default(); width(i)]).collect();
    let handed_on = |need: &Need| Need { handed_on: true, ..need.clone() };
    match plan {
        LogicalPlan::Projection(projection) => {
            for (expr, need) in projection.expr.iter().zip(needs) {
                collect(expr, need, inputs, &mut out);
            }
            return out;
        }
        LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) | LogicalPlan::SubqueryAlias(_) => {
            out[0] = needs.iter().map(handed_on).collect();
        }
        LogicalPlan::Unnest(unnest) if unnest.struct_type_columns.is_empty() => {
            for (need, input) in needs.iter().zip(&unnest.dependency_indices) {
                let lists = unnest.list_type_columns.iter().filter(|(at, _)| at == input);
                // The fields of an element are those of its list, and those of no list deeper inside.
                let deep = lists.clone().any(|(_, list)| list.depth != 1) || lists.count() > 1;
                let need = if deep { Need::ALL } else { need.clone() };
                out[0][*input].add(&need);
                out[0][*input].handed_on = true;
            }
            return out;
        }
        LogicalPlan::Join(join) => {
            let left = width(inputs[0]);
            let pass = match join.join_type {
                JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => Some((0..left, left)),
                JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => Some((0..left, usize::MAX)),
                JoinType::RightSemi | JoinType::RightAnti => Some((0..0, 0)),
                _ => None,
            };
            match pass {
                Some((left, right)) => {
                    for (at, need) in needs.iter().enumerate() {
                        let (side, at) = if left.contains(&at) { (0, at) } else { (1, at.wrapping_sub(right)) };
                        if let Some(own) = out[side].get_mut(at) {
                            own.add(&handed_on(need));
                        }
                    }
                }
                None => everything(&mut out),
            }
        }
        LogicalPlan::Aggregate(_) => {}
        _ => everything(&mut out),
    }
    for expr in plan.expressions() {
        collect(&expr, &Need::ALL, inputs, &mut out);
    }
    out
}

/// Adds what an expression uses, of which `need` is used in turn.
fn collect(expr: &Expr, need: &Need, inputs: &[&LogicalPlan], out: &mut [Vec<Need>]) {
    match expr {
        Expr::Column(column) => add(column, &Need { handed_on: true, ..need.clone() }, inputs, out),
        Expr::Alias(alias) => collect(&alias.expr, need, inputs, out),
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => match unnamed(inner) {
            Expr::Column(column) => add(column, &Need::presence(), inputs, out),
            inner => collect(inner, &Need::ALL, inputs, out),
        },
        Expr::ScalarFunction(function) => match used(function) {
            Some((column, need)) => add(column, &need, inputs, out),
            None => function.args.iter().for_each(|arg| collect(arg, &Need::ALL, inputs, out)),
        },
        Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::OuterReferenceColumn(..) => {
            everything(out);
        }
        other => {
            let mut columns = Vec::new();
            let inside = other.apply_children(|child| {
                columns.push(child.clone());
                Ok(TreeNodeRecursion::Continue)
            });
            match inside {
                Ok(_) => columns.iter().for_each(|child| collect(child, &Need::ALL, inputs, out)),
                Err(_) => everything(out),
            }
        }
    }
}

/// The column of which a function uses a field or the length only.
fn used(function: &ScalarFunction) -> Option<(&Column, Need)> {
    let first = unnamed(function.args.first()?);
    if let (Expr::Column(column), "cardinality" | "array_length" | "empty") = (first, function.name()) {
        return Some((column, Need::presence()));
    }
    if !function.func.inner().is::<GetFieldFunc>() {
        return None;
    }
    let Expr::Literal(name, _) = function.args.get(1)? else { return None };
    let name = name.try_as_str().flatten()?;
    match first {
        Expr::Column(column) => Some((column, Need::field(name, false))),
        Expr::ScalarFunction(inner) if inner.func.inner().is::<GetFieldFunc>() => used(inner),
        Expr::ScalarFunction(inner) if inner.name() == "array_element" => match inner.args.as_slice() {
            [Expr::Column(column), Expr::Literal(..)] => Some((column, Need::field(name, true))),
            _ => None,
        },
        _ => None,
    }
}

/// An expression without the names that it is given.
fn unnamed(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unnamed(&alias.expr),
        expr => expr,
    }
}

fn add(column: &Column, need: &Need, inputs: &[&LogicalPlan], out: &mut [Vec<Need>]) {
    let mut found = false;
    for (input, needs) in inputs.iter().zip(out.iter_mut()) {
        if let Ok(at) = input.schema().index_of_column(column)
            && let Some(own) = needs.get_mut(at)
        {
            own.add(need);
            found = true;
        }
    }
    if !found {
        everything(out);
    }
}

/// Where something is not understood, nothing is left out.
fn everything(out: &mut [Vec<Need>]) {
    out.iter_mut().flatten().for_each(|need| *need = Need::ALL);
}

/// The scan of less, where less is needed.
fn scan(scan: &TableScan, needs: &[Need]) -> Result<Option<LogicalPlan>> {
    let table = source_as_provider(&scan.source)?;
    let Some(table) = (table.as_ref() as &dyn Any).downcast_ref::<FileTable>() else { return Ok(None) };
    let fields = scan.projected_schema.fields();
    // Fields that are taken right where the column is read are read alone without our help, but not from beneath the
    // node that puts lists together.
    let beneath = fields.iter().any(|field| table.is_apart(field.name()));
    let mut narrower = BTreeMap::new();
    let mut lengths = BTreeSet::new();
    for (field, need) in fields.iter().zip(needs).filter(|(_, need)| !need.all) {
        if need.handed_on || beneath {
            let less = less(field.data_type(), &need.fields);
            narrower.extend(less.map(|data_type| (field.name().clone(), data_type)));
        }
        if need.fields.is_empty() && table.is_apart(field.name()) {
            lengths.insert(field.name().clone());
        }
    }
    if narrower.is_empty() && lengths.is_empty() {
        return Ok(None);
    }
    let source = provider_as_source(Arc::new(table.narrower(&narrower, lengths)));
    let builder = TableScanBuilder::new(scan.table_name.clone(), source)
        .with_projection(scan.projection.clone())
        .with_filters(scan.filters.clone())
        .with_fetch(scan.fetch)
        .with_statistics_requests(scan.statistics_requests.clone());
    Ok(Some(LogicalPlan::TableScan(builder.build()?)))
}

/// A record or list with just these fields, or with one where none is needed but the record itself; `None` if that
/// leaves nothing out.
fn less(data_type: &DataType, wanted: &BTreeSet<String>) -> Option<DataType> {
    match data_type {
        DataType::Struct(fields) => {
            let kept: Fields = if wanted.is_empty() {
                let first = fields.iter().find(|f| !f.data_type().is_nested())?;
                Fields::from(vec![Arc::clone(first)])
            } else {
                fields.iter().filter(|f| wanted.contains(f.name())).cloned().collect()
            };
            (!kept.is_empty() && kept.len() < fields.len()).then_some(DataType::Struct(kept))
        }
        DataType::List(item) => {
            let inner = less(item.data_type(), wanted)?;
            Some(DataType::List(Arc::new(Field::new(item.name(), inner, item.is_nullable()))))
        }
        _ => None,
    }
}
