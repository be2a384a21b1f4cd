//! A question that has been understood, and its answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ParamValues, ScalarValue};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, ExpressionPlacement, LogicalPlan};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;

use crate::deadline::Deadline;
use crate::error::{EngineError, Result};
use crate::explain;
use crate::kept::{self, Kept, Tally};
use crate::narrow::narrow;

/// A question, ready to be answered as often as wanted from the snapshot it was planned on.
#[derive(Debug, Clone)]
pub struct Planned {
    state: Arc<SessionState>,
    plan: LogicalPlan,
    /// The plan as far as it can be worked out beforehand: absent while parameters are missing.
    optimized: Option<LogicalPlan>,
    schema: SchemaRef,
    titles: Titles,
    deadline: Deadline,
}

/// What columns of an answer are to be called, by the names that the plan has for them.
pub(crate) type Titles = Arc<BTreeMap<String, String>>;

impl Planned {
    pub(crate) fn new(state: Arc<SessionState>, plan: LogicalPlan, titles: Titles) -> Result<Self> {
        let schema = titled(plan.schema(), &titles);
        let mut planned = Self { state, plan, optimized: None, schema, titles, deadline: Deadline::default() };
        if planned.parameters()?.is_empty() {
            planned.optimize()?;
        }
        Ok(planned)
    }

    /// Works the plan out, and takes the columns of the answer from the analyzed one: before, the types of UNION, CASE
    /// and the like are those of their first part.
    fn optimize(&mut self) -> Result<()> {
        // To explain is to give text, whatever becomes of what is explained.
        let analyzed = if self.explains() {
            None
        } else {
            let (analyzer, options) = (self.state.analyzer(), self.state.config_options());
            let analyzed = analyzer.execute_and_check(self.plan.clone(), options, |_, _| {})?;
            self.schema = titled(analyzed.schema(), &self.titles);
            Some(analyzed)
        };
        let optimize = |state: &SessionState| match &analyzed {
            Some(analyzed) => state.optimizer().optimize(analyzed.clone(), state, |_, _| {}),
            None => state.optimize(&self.plan),
        };
        if computes_over_a_name(&self.plan)? {
            self.state = whole_records(&self.state);
        }
        let optimized = match optimize(&self.state) {
            Err(e) if of_leaf_rules(&e) => {
                self.state = whole_records(&self.state);
                optimize(&self.state)
            }
            other => other,
        };
        let optimized = narrow(optimized?)?;
        if self.schema.fields().iter().any(|field| holds_decimals(field.data_type())) {
            self.schema = with_types_of(&self.schema, &optimized)?;
        }
        self.optimized = Some(optimized);
        Ok(())
    }

    /// Columns of the answer. What [`Planned::execute`] streams has exactly this schema.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// The parameters that are missing, in the order of their numbers, with their types where the question tells.
    ///
    /// # Errors
    /// When a parameter is used as two types.
    pub fn parameters(&self) -> Result<Vec<(String, Option<DataType>)>> {
        let types = self.plan.get_parameter_types()?;
        let place = |name: &str| number(name).unwrap_or(usize::MAX);
        let sorted: BTreeMap<_, _> = types.into_iter().map(|(name, t)| ((place(&name), name), t)).collect();
        Ok(sorted.into_iter().map(|((_, name), t)| (name, t)).collect())
    }

    /// Fills the parameters in, `$1` first; `?` count in the order in which they stand.
    ///
    /// # Errors
    /// When there are too few or too many, or one has a type that does not fit.
    pub fn with_parameters(self, values: Vec<ScalarValue>) -> Result<Self> {
        let named = self.parameters()?;
        let wanted = named.iter().filter_map(|(name, _)| number(name)).max().unwrap_or(0).max(named.len());
        let given = values.len();
        if given != wanted {
            return Err(EngineError::invalid(format!("parameters of the question: {wanted}; given: {given}")));
        }
        let plan = self.plan.replace_params_with_values(&ParamValues::from(values))?;
        Ok(Self::new(self.state, plan, self.titles)?.within(self.deadline))
    }

    /// The same, to be answered in time.
    pub(crate) fn within(self, deadline: Deadline) -> Self {
        Self { deadline, ..self }
    }

    /// The physical plan, for tests and for those who want its metrics.
    ///
    /// # Errors
    /// When it cannot be planned, or parameters are missing.
    pub async fn physical_plan(&self) -> Result<Arc<dyn ExecutionPlan>> {
        self.physical_in(self.optimized()?, &self.state).await
    }

    fn optimized(&self) -> Result<&LogicalPlan> {
        if let Some(optimized) = &self.optimized {
            return Ok(optimized);
        }
        let names: Vec<String> = self.parameters()?.into_iter().map(|(name, _)| name).collect();
        Err(EngineError::invalid(format!("parameters are missing: {}", names.join(", "))))
    }

    async fn physical_in(&self, optimized: &LogicalPlan, state: &SessionState) -> Result<Arc<dyn ExecutionPlan>> {
        let planned = state.query_planner().create_physical_plan(optimized, state).await;
        match planned {
            Err(e) if of_leaf_rules(&e) => {
                let state = whole_records(state);
                if let Some(tally) = Tally::of(state.config()) {
                    // What was noted is of the plan that came to nothing.
                    tally.take();
                }
                let optimized = narrow(state.optimize(&self.plan)?)?;
                Ok(state.query_planner().create_physical_plan(&optimized, &*state).await?)
            }
            other => Ok(other?),
        }
    }

    /// The physical plan, and what its scans keep.
    async fn tallied(&self) -> Result<(Arc<dyn ExecutionPlan>, Vec<Kept>)> {
        let tally = Arc::new(Tally::default());
        let mut state = self.state.as_ref().clone();
        state.config_mut().set_extension(Arc::clone(&tally));
        let plan = self.physical_in(self.optimized()?, &state).await?;
        Ok((plan, tally.take()))
    }

    /// What would be read to answer, at most.
    pub(crate) async fn kept(&self) -> Result<RecordBatch> {
        let clock = self.deadline.start();
        let (_, kept) = clock.on(self.tallied()).await?;
        Ok(kept::batch(&kept)?)
    }

    fn explains(&self) -> bool {
        matches!(self.plan, LogicalPlan::Explain(_) | LogicalPlan::Analyze(_))
    }

    /// Answers. The deadline runs from here, whoever takes the rows.
    ///
    /// # Errors
    /// When it cannot be planned; what fails on the way is an error in the stream.
    pub async fn execute(&self) -> Result<SendableRecordBatchStream> {
        let clock = self.deadline.start();
        let rows = clock.on(self.rows()).await?;
        let schema = self.schema();
        // Optimizing may drop the knowledge that a column has no nulls, and clients hold us to what was announced.
        let rows = rows.map(move |batch| announced(&batch?, &schema));
        Ok(clock.over(Box::pin(RecordBatchStreamAdapter::new(self.schema(), rows))))
    }

    async fn rows(&self) -> Result<SendableRecordBatchStream> {
        if !self.explains() {
            return Ok(execute_stream(self.physical_plan().await?, self.state.task_ctx())?);
        }
        let (plan, kept) = self.tallied().await?;
        let rows = execute_stream(Arc::clone(&plan), self.state.task_ctx())?;
        Ok(explain::with_costs(rows, plan, &kept))
    }
}

/// The number of a parameter such as `$1`.
fn number(parameter: &str) -> Option<usize> {
    parameter.trim_start_matches('$').parse().ok()
}

/// The columns of an answer under the names that they are to have. A name that two columns share is left.
fn titled(columns: &DFSchema, titles: &Titles) -> SchemaRef {
    let fields = columns.fields();
    let called = |name: &String| fields.iter().filter(|f| f.name() == name).count();
    let title = |field: &Arc<Field>| match titles.get(field.name()) {
        Some(title) if called(field.name()) == 1 => Arc::new(field.as_ref().clone().with_name(title)),
        _ => Arc::clone(field),
    };
    Arc::new(Schema::new(fields.iter().map(title).collect::<Vec<_>>()))
}

fn holds_decimals(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) => holds_decimals(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| holds_decimals(field.data_type())),
        own => own.is_decimal(),
    }
}

/// Columns with the types that they will come in. Analysis puts a cast around the digits that `round` is to leave, and how
/// many a decimal has is known only when that is a literal again; plans keep what they knew before.
fn with_types_of(columns: &Schema, optimized: &LogicalPlan) -> Result<SchemaRef> {
    let known = optimized.clone().transform_up(|node| node.recompute_schema().map(Transformed::yes))?.data;
    let typed = columns.fields().iter().zip(known.schema().fields());
    let typed = typed.map(|(own, known)| own.as_ref().clone().with_data_type(known.data_type().clone()));
    Ok(Arc::new(Schema::new(typed.collect::<Vec<_>>())))
}

fn announced(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, DataFusionError> {
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), batch.columns().to_vec(), &options)?)
}

/// The same state without the rules that push field accesses to the scan: whole records are read then.
fn whole_records(state: &SessionState) -> Arc<SessionState> {
    let mut state = state.clone();
    state.config_mut().options_mut().optimizer.enable_leaf_expression_pushdown = false;
    Arc::new(state)
}

/// DataFusion fails to plan some questions with these rules on (apache/datafusion#24241, #25446).
fn of_leaf_rules(error: &DataFusionError) -> bool {
    let text = error.to_string();
    ["push_down_leaf_projections", "extract_leaf_expressions", "optimize_projections", "__datafusion_extracted"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// A subquery that computes a column under the name of one of its inputs loses the computation when a field access is
/// pushed through it (apache/datafusion#25414).
fn computes_over_a_name(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Projection(projection) = node {
            let inputs = projection.input.schema();
            found |= projection.expr.iter().any(|expr| {
                let Expr::Alias(alias) = expr else { return false };
                alias.expr.placement() == ExpressionPlacement::KeepInPlace
                    && inputs.fields().iter().any(|f| *f.name() == alias.name)
            });
        }
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}
