//! Functions that give tables, as DataFusion plans them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning};
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::analyzer::Analyzer;
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::ast::{Expr as SqlExpr, FunctionArg, TableFactor, Value, ValueWithSpan};

use super::call::parts;
use super::{Makes, Parameter, Relation, Takes};
use crate::error::EngineError;
use crate::names::nearest;

/// What a function that makes a plan is asked.
#[derive(Debug)]
pub struct Asked<'a> {
    relation: &'a Relation,
    tables: BTreeMap<&'static str, LogicalPlan>,
    values: BTreeMap<&'static str, ScalarValue>,
    words: BTreeMap<&'static str, String>,
    positions: &'a [(String, String)],
}

impl Asked<'_> {
    /// The error of a call that cannot be understood: why, and how it is called.
    #[must_use]
    pub fn refuse(&self, why: &str) -> EngineError {
        self.relation.refuse(why)
    }

    /// The plan of a table, with the types that its columns will have.
    ///
    /// # Errors
    /// When it was not given.
    pub fn table(&mut self, parameter: &'static str) -> Result<LogicalPlan, EngineError> {
        self.tables.remove(parameter).ok_or_else(|| self.refuse(&format!("{parameter} is missing")))
    }

    /// A finite number.
    ///
    /// # Errors
    /// When it is none, or was not given.
    pub fn number(&self, parameter: &'static str) -> Result<f64, EngineError> {
        let value = self.values.get(parameter).ok_or_else(|| self.refuse(&format!("{parameter} is missing")))?;
        let number = match value.data_type() {
            kind if kind.is_numeric() => value.cast_to(&arrow::datatypes::DataType::Float64).ok(),
            _ => None,
        };
        match number {
            Some(ScalarValue::Float64(Some(number))) if number.is_finite() => Ok(number),
            _ => Err(self.refuse(&format!("{parameter} is {value}, which is no finite number"))),
        }
    }

    /// A word, as it was written.
    #[must_use]
    pub fn word(&self, parameter: &'static str) -> Option<&str> {
        self.words.get(parameter).map(String::as_str)
    }

    /// Where right ascension and declination stand in a table: as named by two parameters, or under a name that such
    /// columns have.
    ///
    /// # Errors
    /// When there are none, or one is no number.
    pub fn position(
        &self,
        columns: &Schema,
        table: &str,
        [ra, dec]: [&'static str; 2],
    ) -> Result<[usize; 2], EngineError> {
        let place = |name: &str| {
            let exact = columns.fields().iter().position(|field| field.name() == name);
            exact.or_else(|| columns.fields().iter().position(|field| field.name().eq_ignore_ascii_case(name)))
        };
        let named = |parameter: &'static str, name: &str| {
            place(name).ok_or_else(|| {
                let near = nearest(name, columns.fields().iter().map(|field| field.name().as_str()));
                self.refuse(&format!("{parameter} is {name}, and {table} has no such column{near}"))
            })
        };
        let found = match (self.word(ra), self.word(dec)) {
            (Some(of_ra), Some(of_dec)) => [named(ra, of_ra)?, named(dec, of_dec)?],
            (None, None) => {
                let known = self.positions.iter().find_map(|(ra, dec)| Some([place(ra)?, place(dec)?]));
                known.ok_or_else(|| {
                    let names: Vec<&str> =
                        columns.fields().iter().map(|field| field.name().as_str()).take(12).collect();
                    let more = if columns.fields().len() > names.len() { ", ..." } else { "" };
                    self.refuse(&format!(
                        "no columns of {table} are called ra and dec or the like (it has {}{more}); name them as {ra} \
                         => ..., {dec} => ...",
                        names.join(", ")
                    ))
                })?
            }
            _ => return Err(self.refuse(&format!("{ra} and {dec} are named together or not at all"))),
        };
        for at in found {
            let field = columns.field(at);
            if !field.data_type().is_numeric() {
                let because = field.metadata().get(NO_NUMBER).map(|why| format!(": {why}")).unwrap_or_default();
                return Err(self.refuse(&format!("the column {} of {table} is no number{because}", field.name())));
            }
        }
        Ok(found)
    }
}

/// In the metadata of a column of text, why it is not one of numbers.
pub const NO_NUMBER: &str = "noctuary.no_number";

/// Plans the calls of a session.
#[derive(Debug)]
pub(crate) struct Planner {
    pub(crate) relations: Arc<[Relation]>,
    pub(crate) positions: Vec<(String, String)>,
}

impl RelationPlanner for Planner {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        let (name, args) = match &relation {
            TableFactor::Table { name, args: Some(args), .. } => (name.to_string(), &args.args),
            _ => return Ok(RelationPlanning::Original(Box::new(relation))),
        };
        let function = Relation::named(&self.relations, &name);
        let Some((function, Makes::Plan { parameters, make })) = function.map(|function| (function, function.makes))
        else {
            return Ok(RelationPlanning::Original(Box::new(relation)));
        };
        let asked = self.asked(function, parameters, args, context)?;
        let plan = make(asked).map_err(|why| DataFusionError::External(Box::new(why)))?;
        let TableFactor::Table { alias, .. } = relation else {
            return Err(DataFusionError::Internal("a call that is none".into()));
        };
        Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
    }
}

impl Planner {
    fn asked<'a>(
        &'a self,
        relation: &'a Relation,
        parameters: &'static [Parameter],
        args: &[FunctionArg],
        context: &mut dyn RelationPlannerContext,
    ) -> Result<Asked<'a>> {
        let refuse = |why: &str| DataFusionError::External(Box::new(relation.refuse(why)));
        let (mut tables, mut values, mut words) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for arg in args {
            let Some((Some(name), value)) = parts(arg) else { continue };
            let Some(parameter) = parameters.iter().find(|parameter| parameter.name == name) else { continue };
            match parameter.takes {
                Takes::Table => {
                    let SqlExpr::Subquery(subquery) = value else { return Err(refuse("a table is no table")) };
                    let subquery = subquery.clone();
                    let plan =
                        context.plan(TableFactor::Derived { lateral: false, subquery, alias: None, sample: None })?;
                    if !plan.get_parameter_names()?.is_empty() {
                        return Err(refuse("a table in it depends on a parameter, whose value has to be written out"));
                    }
                    // Types of UNION and the like are known from here on.
                    let options = context.context_provider().options();
                    let plan = Analyzer::new().execute_and_check(plan, options, |_, _| {})?;
                    tables.insert(parameter.name, plan);
                }
                Takes::Value => {
                    values.insert(
                        parameter.name,
                        constant(value, context).map_err(|why| match why {
                            Some(error) => error,
                            None => refuse(&format!("{name} is {value}, and has to be known before anything is read")),
                        })?,
                    );
                }
                Takes::Word => {
                    let word = word(value).ok_or_else(|| refuse(&format!("{name} is {value}, which is no name")))?;
                    words.insert(parameter.name, word);
                }
            }
        }
        Ok(Asked { relation, tables, values, words, positions: &self.positions })
    }
}

fn word(value: &SqlExpr) -> Option<String> {
    match value {
        SqlExpr::Identifier(ident) => Some(ident.value.clone()),
        SqlExpr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text.clone()),
        _ => None,
    }
}

/// The value of an expression without columns.
fn constant(value: &SqlExpr, context: &mut dyn RelationPlannerContext) -> Result<ScalarValue, Option<DataFusionError>> {
    let empty = Arc::new(DFSchema::empty());
    let expr = match context.sql_to_expr(value.clone(), &empty) {
        Ok(expr) => expr,
        // A column, of which there are none here.
        Err(error) if crate::error::unknown_column(&error).is_some() => return Err(None),
        Err(error) => return Err(Some(error)),
    };
    let info = SimplifyContext::builder().with_schema(Arc::clone(&empty)).with_current_time().build();
    let simplifier = ExprSimplifier::new(info);
    let expr = simplifier.coerce(expr, &empty).and_then(|expr| simplifier.simplify(expr)).map_err(Some)?;
    match expr {
        Expr::Literal(value, _) => Ok(value),
        _ => Err(None),
    }
}
