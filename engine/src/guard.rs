//! Rights, beneath everything else.
//!
//! The guard lies directly on the scan and lets through the rows that a reader may see. It is not a filter that the
//! optimizer may merge with others: a question's own conditions are computed above it, so that not even an error in
//! one of them tells of a row behind. Only the choice of fields passes through it, which cannot fail.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::functions::core::getfield::GetFieldFunc;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{EquivalenceProperties, ScalarFunctionExpr};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PhysicalExpr, PlanProperties,
    SendableRecordBatchStream,
};
use futures::StreamExt;

/// Lets through the rows whose label is among `labels`, without the last column, which holds the label.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    input: Arc<dyn ExecutionPlan>,
    labels: Arc<BTreeSet<String>>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
}

impl Guard {
    /// Guards a plan whose last column is the label.
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, labels: Arc<BTreeSet<String>>) -> Result<Self> {
        let all = input.schema();
        let keep: Vec<usize> = (0..all.fields().len().saturating_sub(1)).collect();
        if all.fields().last().map(|f| f.data_type()) != Some(&DataType::Utf8) {
            return Err(DataFusionError::Internal("a guard needs the label of rights as last column".into()));
        }
        let schema = Arc::new(all.project(&keep)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            datafusion::physical_plan::Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Ok(Self { input, labels, schema, properties: Arc::new(properties) })
    }
}

impl DisplayAs for Guard {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels: Vec<&str> = self.labels.iter().map(String::as_str).collect();
        write!(f, "RightsExec: {}", labels.join(","))
    }
}

impl ExecutionPlan for Guard {
    fn name(&self) -> &'static str {
        "RightsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    /// A sort stays above: one beneath would see rows that are not to be seen, and no order is promised here.
    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    /// A redistribution beneath would keep the choice of fields from the scan.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input, Arc::clone(&self.labels))?))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (labels, schema) = (Arc::clone(&self.labels), Arc::clone(&self.schema));
        let rows = self.input.execute(partition, context)?;
        let seen = rows.map(move |batch| visible(&batch?, &labels, &schema));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), seen)))
    }

    /// Lets a choice of columns and fields go beneath, so that only those leaves are read.
    fn try_swapping_with_projection(&self, projection: &ProjectionExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        if !projection.expr().iter().all(|e| only_picks(&e.expr)) {
            return Ok(None);
        }
        let below = self.input.schema();
        let mut picks: Vec<ProjectionExpr> = Vec::new();
        for pick in projection.expr() {
            // The columns stand where they stood; names alone may be ambiguous.
            let expr = Arc::clone(&pick.expr).transform_down(|e| match e.downcast_ref::<Column>() {
                Some(c) => {
                    let same = Column::new(below.field(c.index()).name(), c.index());
                    Ok(Transformed::yes(Arc::new(same) as Arc<dyn PhysicalExpr>))
                }
                None => Ok(Transformed::no(e)),
            });
            picks.push(ProjectionExpr { expr: expr.data()?, alias: pick.alias.clone() });
        }
        let label = below.fields().len() - 1;
        let expr = Arc::new(Column::new(below.field(label).name(), label));
        // No field of a packet can be called so.
        picks.push(ProjectionExpr { expr, alias: "label of rights".to_owned() });
        let picked = ProjectionExec::try_new(picks, Arc::clone(&self.input))?;
        Ok(Some(Arc::new(Self::new(Arc::new(picked), Arc::clone(&self.labels))?)))
    }
}

/// True for columns and for access to their fields.
fn only_picks(expr: &Arc<dyn PhysicalExpr>) -> bool {
    if expr.downcast_ref::<Column>().is_some() {
        return true;
    }
    ScalarFunctionExpr::try_downcast_func::<GetFieldFunc>(expr.as_ref()).is_some_and(|f| {
        f.args().split_first().is_some_and(|(source, keys)| {
            only_picks(source) && keys.iter().all(|k| k.downcast_ref::<Literal>().is_some())
        })
    })
}

fn visible(batch: &RecordBatch, labels: &BTreeSet<String>, schema: &SchemaRef) -> Result<RecordBatch> {
    let last = batch.num_columns().saturating_sub(1);
    let own = batch.column(last).as_string::<i32>();
    let seen: BooleanArray =
        (0..own.len()).map(|row| Some(own.is_valid(row) && labels.contains(own.value(row)))).collect();
    let kept = filter_record_batch(batch, &seen)?;
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(kept.num_rows()));
    let columns = kept.columns()[..last].to_vec();
    Ok(RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)?)
}
