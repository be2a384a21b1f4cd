//! Rows that are in memory, as a step of a plan.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties, SendableRecordBatchStream,
    StatisticsArgs,
};
use futures::stream;

/// Rows of files of recent commits.
#[derive(Debug, Clone)]
pub(crate) struct RecentRows {
    /// Whose they are: `lsst.sources`.
    pub(crate) table: String,
    files: usize,
    partitions: Arc<[Vec<RecordBatch>]>,
    /// All of them may be counted.
    counted: bool,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RecentRows {
    /// The rows of so many files; if they may be `counted`, a question for their number alone reads none of them.
    pub(super) fn new(
        table: String,
        files: usize,
        schema: SchemaRef,
        partitions: Vec<Vec<RecordBatch>>,
        counted: bool,
    ) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let (partitions, metrics) = (partitions.into(), ExecutionPlanMetricsSet::new());
        Self { table, files, partitions, counted, schema, properties: Arc::new(properties), metrics }
    }
}

impl DisplayAs for RecentRows {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecentRowsExec: {}, {} files", self.table, self.files)
    }
}

impl ExecutionPlan for RecentRows {
    fn name(&self) -> &'static str {
        "RecentRowsExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn statistics_from_inputs(&self, _: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let unknown = Statistics::new_unknown(&self.schema);
        let batches = match args.partition() {
            Some(partition) => self.partitions.get(partition..=partition).unwrap_or_default(),
            None => &self.partitions,
        };
        let rows = batches.iter().flatten().map(RecordBatch::num_rows).sum();
        let num_rows = if self.counted { Precision::Exact(rows) } else { Precision::Inexact(rows) };
        Ok(Arc::new(Statistics { num_rows, ..unknown }))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let baseline = BaselineMetrics::new(&self.metrics, partition);
        let batches = self.partitions.get(partition).cloned().unwrap_or_default();
        let counted = batches.into_iter().map(move |batch| Ok(batch.record_output(&baseline)));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream::iter(counted))))
    }
}
