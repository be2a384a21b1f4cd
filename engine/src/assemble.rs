//! Lists put together from the rows that they are made of.
//!
//! The node stands on the scan, or on the guard where there is one, so that no list is made that may not be seen. It
//! hands on the columns of its input that a question asked for, and in place of lists that a file holds apart it puts
//! what the columns of runs say. Of the file of records only the rows and columns that are needed are read. So that
//! memory does not depend on how long histories are, a batch of alerts is cut into batches of a bounded number of
//! records.
//!
//! What DataFusion does to plans, and why it does not hurt here:
//! - Filters and sorts stay above, which is what a node does that says nothing of them. Beneath, the column of a list
//!   that is held apart is null, and a condition on it would be decided wrongly. Conditions that can be decided
//!   beneath are put there when the table is scanned.
//! - A choice of columns or fields stays above too. The scan reads no more for it: records are cut down to the fields
//!   that are used when the question is planned.
//! - A limit goes beneath, for there is one row for each; so does a redistribution, for every row says of which file
//!   it is.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, RecordBatchOptions};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Int64Type, SchemaRef};
use datafusion::common::Statistics;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::CardinalityEffect;
use datafusion::physical_plan::metrics::{
    BaselineMetrics, ExecutionPlanMetricsSet, MetricBuilder, MetricsSet, RecordOutput,
};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    ChildStats, DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning, PhysicalExpr,
    PlanProperties, SendableRecordBatchStream, StatisticsArgs,
};
use futures::future::try_join_all;
use futures::{TryStreamExt, stream};
use noctuary_packet::apart::RecordKind;
use noctuary_storage::log::DataFile;

use crate::apart::Apart;
use crate::gather::{Records, Source, blank, damaged};
use crate::merge::Kind;
use crate::reader::Readers;
use crate::runs::Runs;

/// Records that are held in memory at a time for each thread: some tens of megabytes if they have a hundred columns.
const RECORDS: usize = 1 << 16;

/// What the node is called in plans.
pub(crate) const NAME: &str = "ListsExec";

/// A list to put together.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Its column, in the input as in the output. In the input it is null where a file holds it apart.
    pub(crate) column: usize,
    /// What the lists are of, cut down to what is used.
    pub(crate) item: Kind,
    /// Nothing is looked at but how long the lists are.
    pub(crate) lengths: bool,
    /// Where the records are.
    pub(crate) apart: Arc<Apart>,
}

/// Where the input has what lists are made by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hidden {
    /// Columns of the output, which are the first of the input.
    pub(crate) width: usize,
    /// Runs of histories.
    pub(crate) history: usize,
    /// Runs of forced photometry.
    pub(crate) forced: usize,
    /// The number of the file.
    pub(crate) file: usize,
}

/// What is needed to put lists together.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) lists: Vec<Wanted>,
    pub(crate) hidden: Hidden,
    /// The files of alerts, by their numbers.
    pub(crate) files: Arc<[Arc<DataFile>]>,
    pub(crate) readers: Arc<Readers>,
}

/// Puts lists together.
#[derive(Debug, Clone)]
pub(crate) struct Assemble {
    input: Arc<dyn ExecutionPlan>,
    parts: Arc<Parts>,
    schema: SchemaRef,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl Assemble {
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, parts: Arc<Parts>) -> Result<Self> {
        let shown: Vec<usize> = (0..parts.hidden.width).collect();
        let schema = Arc::new(input.schema().project(&shown)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(input.output_partitioning().partition_count()),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Self { input, parts, schema, properties: Arc::new(properties), metrics })
    }
}

impl DisplayAs for Assemble {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |list: &Wanted| {
            let lengths = if list.lengths { " (lengths)" } else { "" };
            format!("{}{lengths}", self.schema.field(list.column).name())
        };
        let lists: Vec<String> = self.parts.lists.iter().map(name).collect();
        write!(f, "{NAME}: {}", lists.join(", "))
    }
}

impl ExecutionPlan for Assemble {
    fn name(&self) -> &'static str {
        NAME
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    /// A sort goes nowhere beneath, where it would find lists to be null.
    fn maintains_input_order(&self) -> Vec<bool> {
        vec![false]
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }

    fn cardinality_effect(&self) -> CardinalityEffect {
        CardinalityEffect::Equal
    }

    fn child_stats_requests(&self, partition: Option<usize>) -> Vec<ChildStats> {
        vec![ChildStats::At(partition)]
    }

    fn statistics_from_inputs(&self, input: &[Arc<Statistics>], _: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let unknown = Statistics::new_unknown(&self.schema);
        Ok(Arc::new(match input {
            [input] => Statistics { num_rows: input.num_rows, ..unknown },
            _ => unknown,
        }))
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input, Arc::clone(&self.parts))?))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let source = Source {
            readers: Arc::clone(&self.parts.readers),
            bytes: MetricBuilder::new(&self.metrics).counter("bytes_scanned", partition),
        };
        let work = Work {
            input: self.input.execute(partition, context)?,
            maker: Maker { parts: Arc::clone(&self.parts), schema: Arc::clone(&self.schema), source },
            baseline: BaselineMetrics::new(&self.metrics, partition),
            of_files: VecDeque::new(),
            ready: VecDeque::new(),
        };
        let batches = stream::try_unfold(work, |mut work| async move {
            let batch = work.next().await?;
            Ok(batch.map(|batch| (batch, work)))
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), batches)))
    }
}

/// One partition at work.
struct Work {
    input: SendableRecordBatchStream,
    maker: Maker,
    baseline: BaselineMetrics,
    /// Alerts that are to be looked at, each batch of one file.
    of_files: VecDeque<(usize, RecordBatch)>,
    /// Alerts whose lists can be put together, in ranges of a bounded number of records.
    ready: VecDeque<(Arc<Opened>, Range<usize>)>,
}

/// Makes lists.
struct Maker {
    parts: Arc<Parts>,
    schema: SchemaRef,
    source: Source,
}

/// Alerts of one file, with what their lists are made of.
struct Opened {
    batch: RecordBatch,
    /// In the order of [`Parts::lists`]; `None` where the file holds the lists itself.
    lists: Vec<Option<List>>,
}

/// Lists that are made of runs; without records if nothing is read of these.
struct List {
    runs: Runs,
    records: Option<Records>,
}

impl Work {
    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some((opened, alerts)) = self.ready.pop_front() {
                let batch = self.maker.assemble(&opened, alerts).await?;
                return Ok(Some(batch.record_output(&self.baseline)));
            }
            if let Some((file, batch)) = self.of_files.pop_front() {
                let opened = Arc::new(self.maker.open(file, batch).await?);
                self.ready = opened.portions().into_iter().map(|alerts| (Arc::clone(&opened), alerts)).collect();
                continue;
            }
            let Some(batch) = self.input.try_next().await? else {
                self.baseline.done();
                return Ok(None);
            };
            self.of_files = by_file(&batch, self.maker.parts.hidden.file)?;
        }
    }
}

impl Maker {
    async fn open(&self, file: usize, batch: RecordBatch) -> Result<Opened> {
        let lists = self.parts.lists.iter().map(|wanted| self.list(wanted, file, &batch));
        let lists = try_join_all(lists).await?;
        Ok(Opened { batch, lists })
    }

    async fn list(&self, wanted: &Wanted, file: usize, batch: &RecordBatch) -> Result<Option<List>> {
        let Some(held) = wanted.apart.files.get(file).and_then(Option::as_ref) else { return Ok(None) };
        let hidden = &self.parts.hidden;
        let column = batch.column(match held.kind {
            RecordKind::History => hidden.history,
            RecordKind::Forced => hidden.forced,
        });
        // Where no packet has a list, the column of the list is what it should be.
        if column.null_count() == column.len() {
            return Ok(None);
        }
        let path = || self.parts.files.get(file).map_or_else(String::new, |file| file.path.clone());
        let Some(records) = &held.records else {
            let runs = Runs::of(column, 0).ok_or_else(|| damaged(&path(), "the file with its records is missing"))?;
            return Ok(Some(List { runs, records: None }));
        };
        let runs = Runs::of(column, records.rows)
            .ok_or_else(|| damaged(&path(), &format!("it points to records that {} does not have", records.path)))?;
        let used = !wanted.lengths && (0..runs.len()).any(|alert| runs.length(alert) > 0);
        let records = if used { self.source.open(records, &wanted.item).await? } else { None };
        Ok(Some(List { runs, records }))
    }

    async fn assemble(&self, opened: &Opened, alerts: Range<usize>) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> = opened.batch.columns()[..self.parts.hidden.width].to_vec();
        for column in &mut columns {
            *column = column.slice(alerts.start, alerts.len());
        }
        let lists = self.parts.lists.iter().zip(&opened.lists);
        let made = lists.filter_map(|(wanted, list)| Some(self.make(wanted, list.as_ref()?, &alerts)));
        for (column, list) in try_join_all(made).await? {
            columns[column] = list;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(alerts.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?)
    }

    async fn make(&self, wanted: &Wanted, list: &List, alerts: &Range<usize>) -> Result<(usize, ArrayRef)> {
        let DataType::List(field) = self.schema.field(wanted.column).data_type() else {
            return Err(DataFusionError::Internal("only lists are held apart".into()));
        };
        let mut ends = vec![0_i32];
        let mut count = 0;
        for alert in alerts.clone() {
            count += list.runs.length(alert);
            let end = i32::try_from(count);
            ends.push(end.map_err(|_| DataFusionError::ResourcesExhausted("lists of too many records".into()))?);
        }
        let values = match &list.records {
            Some(records) if count > 0 => {
                let runs = alerts.clone().flat_map(|alert| list.runs.rows(alert)).collect();
                self.source.gather(records, runs).await?
            }
            _ => blank(&wanted.item, count)?,
        };
        let (offsets, nulls) = (OffsetBuffer::new(ends.into()), list.runs.nulls(alerts));
        Ok((wanted.column, Arc::new(ListArray::try_new(Arc::clone(field), offsets, values, nulls)?)))
    }
}

impl Opened {
    /// All alerts in ranges, of no more than [`RECORDS`] records if there is more than one alert in a range.
    fn portions(&self) -> Vec<Range<usize>> {
        let mut portions = Vec::new();
        let (mut from, mut records) = (0, 0);
        for alert in 0..self.batch.num_rows() {
            let read = self.lists.iter().flatten().filter(|list| list.records.is_some());
            let own: usize = read.map(|list| list.runs.length(alert)).sum();
            if alert > from && records + own > RECORDS {
                portions.push(from..alert);
                (from, records) = (alert, 0);
            }
            records += own;
        }
        portions.push(from..self.batch.num_rows());
        portions
    }
}

/// The rows of a batch by their files. Rows of a file follow each other, as files are read one after the other.
pub(crate) fn by_file(batch: &RecordBatch, column: usize) -> Result<VecDeque<(usize, RecordBatch)>> {
    let numbers = batch.column(column).as_primitive_opt::<Int64Type>();
    let numbers = numbers.ok_or_else(|| DataFusionError::Internal("files have numbers".into()))?.values();
    let mut parts = VecDeque::new();
    let mut from = 0;
    for rows in numbers.chunk_by(|a, b| a == b) {
        let file = rows.first().and_then(|number| usize::try_from(*number).ok()).unwrap_or(usize::MAX);
        parts.push_back((file, batch.slice(from, rows.len())));
        from += rows.len();
    }
    Ok(parts)
}
