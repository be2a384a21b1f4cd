//! A match as DataFusion runs it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::interleave;
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet, RecordOutput};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PhysicalExpr, PlanProperties,
    SendableRecordBatchStream, execute_stream,
};
use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use super::kept::Side;
use super::narrow::Narrow;
use super::{nearest, pairs};

/// Rows of an answer that are handed on at a time.
pub(super) const ROWS: usize = 8_192;

/// A column of the answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Output {
    /// A column of the left side.
    Left(usize),
    /// A column of the right side.
    Right(usize),
    /// The distance in degrees.
    Distance,
}

/// What is wanted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Degrees, 0 to 180.
    pub(super) radius: f64,
    /// The nearest row of the right side alone, of each row of the left side.
    pub(super) best: bool,
    pub(super) output: Vec<Output>,
    pub(super) schema: SchemaRef,
}

/// Rows of a side by the batches that hold them.
pub(super) struct Rows<'b> {
    pub(super) batches: &'b [&'b RecordBatch],
    /// Batch and row in it.
    pub(super) places: &'b [(usize, usize)],
}

impl Wanted {
    /// Rows of the answer, from as many of the left and of the right side and their distances.
    pub(super) fn answer(&self, left: &Rows<'_>, right: &Rows<'_>, distances: Vec<f64>) -> Result<RecordBatch> {
        let column = |rows: &Rows<'_>, at: usize| -> Result<ArrayRef> {
            let values: Vec<_> = rows.batches.iter().map(|batch| batch.column(at).as_ref()).collect();
            Ok(interleave(&values, rows.places)?)
        };
        let options = RecordBatchOptions::new().with_row_count(Some(distances.len()));
        let distances: ArrayRef = Arc::new(Float64Array::from(distances));
        let columns = self.output.iter().map(|output| match output {
            Output::Left(at) => column(left, *at),
            Output::Right(at) => column(right, *at),
            Output::Distance => Ok(Arc::clone(&distances)),
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }
}

type Reading = Shared<BoxFuture<'static, Result<Arc<Side>, Arc<DataFusionError>>>>;

/// Matches two inputs, the first columns of which are right ascension and declination.
pub(super) struct MatchExec {
    left: Arc<dyn ExecutionPlan>,
    right: Arc<dyn ExecutionPlan>,
    wanted: Wanted,
    /// The left side is kept, and not the right one.
    keeps_left: bool,
    /// The side that streams, if it can be planned again.
    narrow: Option<Arc<Narrow>>,
    /// The side that is kept, once somebody asked for it.
    kept: Arc<Mutex<Option<Reading>>>,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl fmt::Debug for MatchExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MatchExec").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

impl MatchExec {
    pub(super) fn new(left: Arc<dyn ExecutionPlan>, right: Arc<dyn ExecutionPlan>, wanted: Wanted) -> Result<Self> {
        let keeps_left = keeps_left(&left, &right)?;
        Ok(Self::keeping(keeps_left, left, right, wanted))
    }

    /// True if the left side is kept, and the right one streams.
    pub(super) fn keeps_left(&self) -> bool {
        self.keeps_left
    }

    /// The same, where less is read of what streams if it is matched with little.
    pub(super) fn with_narrow(self, narrow: Narrow) -> Self {
        Self { narrow: Some(Arc::new(narrow)), ..self }
    }

    fn keeping(keeps_left: bool, left: Arc<dyn ExecutionPlan>, right: Arc<dyn ExecutionPlan>, wanted: Wanted) -> Self {
        let streams = if keeps_left { &right } else { &left };
        let at_once = !(keeps_left && wanted.best);
        let partitions = if at_once { streams.output_partitioning().partition_count() } else { 1 };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&wanted.schema)),
            Partitioning::UnknownPartitioning(partitions),
            if at_once { EmissionType::Incremental } else { EmissionType::Final },
            Boundedness::Bounded,
        );
        Self {
            left,
            right,
            wanted,
            keeps_left,
            narrow: None,
            kept: Arc::default(),
            properties: Arc::new(properties),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn kept(&self, context: &Arc<TaskContext>) -> Reading {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = kept.get_or_insert_with(|| {
            let plan = Arc::clone(if self.keeps_left { &self.left } else { &self.right });
            let (context, radius) = (Arc::clone(context), self.wanted.radius);
            async move { Side::read(plan, context, radius).await.map(Arc::new).map_err(Arc::new) }.boxed().shared()
        });
        reading.clone()
    }
}

/// Which side is kept: the one that is known to be smaller. Of what nothing is known is a list more often than not.
fn keeps_left(left: &Arc<dyn ExecutionPlan>, right: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    const SMALL: usize = 500_000;
    let rows = |plan: &Arc<dyn ExecutionPlan>| -> Result<Option<usize>> {
        let known = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new())?;
        Ok(known.num_rows.get_value().copied())
    };
    Ok(match (rows(left)?, rows(right)?) {
        (Some(left), Some(right)) => left <= right,
        (None, Some(right)) => right > SMALL,
        (Some(left), None) => left <= SMALL,
        (None, None) => true,
    })
}

impl DisplayAs for MatchExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, kept) =
            (if self.wanted.best { "best" } else { "all" }, if self.keeps_left { "left" } else { "right" });
        write!(f, "CrossmatchExec: {what} within {} degrees, {kept} side in memory", self.wanted.radius)
    }
}

impl ExecutionPlan for MatchExec {
    fn name(&self) -> &'static str {
        "CrossmatchExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.left, &self.right]
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false, false]
    }

    /// What streams is matched by as many threads as there are.
    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![!self.keeps_left, self.keeps_left]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let [left, right] =
            <[_; 2]>::try_from(children).map_err(|_| DataFusionError::Internal("a match has two sides".into()))?;
        let narrow = self.narrow.clone();
        Ok(Arc::new(Self { narrow, ..Self::keeping(self.keeps_left, left, right, self.wanted.clone()) }))
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let kept = self.kept(&context).map(|kept| kept.map_err(DataFusionError::Shared));
        let (wanted, keeps_left) = (self.wanted.clone(), self.keeps_left);
        let streams = Arc::clone(if keeps_left { &self.right } else { &self.left });
        let narrow = self.narrow.clone();
        let rows = async move {
            let kept = kept.await?;
            let less = match (&narrow, &kept.cover) {
                (Some(narrow), Some(moc)) => Some(narrow.within(moc).await?),
                _ => None,
            };
            if keeps_left && wanted.best {
                let streams = less.unwrap_or(streams);
                return Ok::<_, DataFusionError>(nearest::all(kept, streams, context, wanted).await?.boxed());
            }
            let input = match less {
                None => streams.execute(partition, context)?,
                // It has parts of its own, all of which are for the first.
                Some(less) if partition == 0 => execute_stream(less, context)?,
                Some(_) => return Ok(stream::empty().boxed()),
            };
            Ok(pairs::of(kept, keeps_left, input, wanted).boxed())
        };
        let rows = stream::once(rows).try_flatten();
        let rows = rows.map(move |batch| batch.record_output(&metrics));
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.wanted.schema), rows)))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }
}
