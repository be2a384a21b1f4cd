//! What `EXPLAIN` says beyond DataFusion's plan: what is kept of each table, and with `ANALYZE` what was read of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::analyze::AnalyzeExec;
use datafusion::physical_plan::metrics::MetricValue;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};

use crate::kept::{Kept, table_of, thousands};
use crate::table::RecentRows;

/// Adds to the rows of `EXPLAIN` one that tells what is kept, and once they are there one that tells what was read.
pub(crate) fn with_costs(
    rows: SendableRecordBatchStream,
    plan: Arc<dyn ExecutionPlan>,
    kept: &[Kept],
) -> SendableRecordBatchStream {
    if kept.is_empty() {
        return rows;
    }
    let schema = rows.schema();
    let told = kept.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let columns = Arc::clone(&schema);
    let more = stream::once(async move {
        let read = plan.is::<AnalyzeExec>().then(|| read(&plan));
        batch(&columns, &told, read.as_deref())
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows.chain(more)))
}

fn batch(schema: &SchemaRef, kept: &str, read: Option<&str>) -> Result<RecordBatch> {
    let rows = [("kept", Some(kept)), ("read", read)].into_iter().filter_map(|(what, text)| Some((what, text?)));
    let (what, text): (Vec<&str>, Vec<&str>) = rows.unzip();
    let columns: Vec<ArrayRef> = vec![Arc::new(StringArray::from(what)), Arc::new(StringArray::from(text))];
    Ok(RecordBatch::try_new(Arc::clone(schema), columns)?)
}

/// What scans of one table really read.
#[derive(Debug, Default)]
struct Read {
    rows: u64,
    bytes: u64,
    /// Left and left out, by what left them out.
    row_groups: (u64, u64),
    pages: (u64, u64),
    page_rows: (u64, u64),
}

fn read(plan: &Arc<dyn ExecutionPlan>) -> String {
    let mut tables = BTreeMap::new();
    collect(plan, &mut tables);
    let mut text = String::new();
    for (table, read) in tables {
        let share = |(left, out): (u64, u64)| format!("{} of {}", thousands(left), thousands(left + out));
        let _ = writeln!(text, "{}{table}", if text.is_empty() { "" } else { "\n" });
        if read.row_groups.0 + read.row_groups.1 > 0 {
            let _ = writeln!(text, "  statistics of row groups: {} row groups", share(read.row_groups));
        }
        if read.pages.0 + read.pages.1 > 0 {
            let (pages, rows) = (share(read.pages), share(read.page_rows));
            let _ = writeln!(text, "  index of pages: {pages} pages, {rows} rows");
        }
        let _ = write!(text, "  rows: {}\n  bytes: {}", thousands(read.rows), thousands(read.bytes));
    }
    text
}

fn collect(plan: &Arc<dyn ExecutionPlan>, tables: &mut BTreeMap<String, Read>) {
    let scan = plan.downcast_ref::<DataSourceExec>();
    let files = scan.and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>());
    let first = files.and_then(|files| files.file_groups.iter().flat_map(|group| group.iter()).next());
    // Whatever else counts bytes puts lists together of the records of several tables.
    let lists = plan.name() == crate::assemble::NAME;
    let recent = plan.downcast_ref::<RecentRows>();
    let table = match (first, recent) {
        (Some(file), _) => Some(table_of(file.path().as_ref())),
        (None, Some(recent)) => Some(recent.table.clone()),
        (None, None) => lists.then(|| "records of lists".to_owned()),
    };
    if let (Some(table), Some(metrics)) = (table, plan.metrics()) {
        let read = tables.entry(table).or_default();
        if !lists {
            read.rows += metrics.output_rows().unwrap_or(0) as u64;
        }
        for metric in metrics.iter() {
            let into = match metric.value().name() {
                "bytes_scanned" => {
                    read.bytes += metric.value().as_usize() as u64;
                    continue;
                }
                "row_groups_pruned_statistics" => &mut read.row_groups,
                "page_index_pages_pruned" => &mut read.pages,
                "page_index_rows_pruned" => &mut read.page_rows,
                _ => continue,
            };
            if let MetricValue::PruningMetrics { pruning_metrics, .. } = metric.value() {
                into.0 += pruning_metrics.matched() as u64;
                into.1 += pruning_metrics.pruned() as u64;
            }
        }
    }
    for child in plan.children() {
        collect(child, tables);
    }
}
