//! The commits that brought rows, where files hold rows of several.
//!
//! Rows that have been merged say themselves which commit brought them; of others the file knows. A question sees one
//! column, and no row of a commit that its version does not show.

use std::sync::Arc;

use datafusion::catalog::Session;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, ident, lit, when};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use noctuary_storage::log::DataFile;
use noctuary_storage::tables::COMMIT;
use noctuary_storage::{Shown, Snapshot};

/// The column with the commit of a row's file. No field of a packet can be called so.
pub(crate) const BROUGHT: &str = "_brought";

/// The rows of a scan that a version shows, with the first `width` of its columns, in which the column of commits has
/// what is known of them.
///
/// # Errors
/// When DataFusion cannot make a plan of it, which would be a fault of this program.
pub(crate) fn shown(
    state: &dyn Session,
    scan: Arc<dyn ExecutionPlan>,
    width: usize,
    snapshot: &Snapshot,
    files: &[(usize, &Arc<DataFile>)],
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = scan.schema();
    let commit = when(ident(COMMIT).is_not_null(), ident(COMMIT)).otherwise(ident(BROUGHT))?;
    // Columns may be read twice; these two are looked up by their names, the others stay where they are.
    let own = [schema.index_of(COMMIT)?, schema.index_of(BROUGHT)?];
    let described = DFSchema::try_from(schema.project(&own)?)?;
    let physical = |expr: &Expr| {
        let expr = state.create_physical_expr(expr.clone(), &described)?;
        let moved = expr.transform_down(|expr| match expr.downcast_ref::<Column>() {
            Some(column) => {
                let at = own.get(column.index()).copied().unwrap_or_default();
                Ok(Transformed::yes(Arc::new(Column::new(column.name(), at)) as Arc<dyn PhysicalExpr>))
            }
            None => Ok(Transformed::no(expr)),
        });
        moved.data()
    };
    let mut rows = scan;
    if let Some(condition) = condition(&commit, snapshot, files) {
        rows = Arc::new(FilterExec::try_new(physical(&condition)?, rows)?);
    }
    let mut picked = Vec::with_capacity(width);
    for (at, field) in schema.fields().iter().take(width).enumerate() {
        let expr: Arc<dyn PhysicalExpr> =
            if field.name() == COMMIT { physical(&commit)? } else { Arc::new(Column::new(field.name(), at)) };
        picked.push(ProjectionExpr { expr, alias: field.name().clone() });
    }
    Ok(Arc::new(ProjectionExec::try_new(picked, rows)?))
}

/// What is true of commits that are shown; `None` if all of the files' are.
fn condition(commit: &Expr, snapshot: &Snapshot, files: &[(usize, &Arc<DataFile>)]) -> Option<Expr> {
    let in_part = files.iter().filter(|(_, file)| snapshot.visible().of(file) == Shown::Some);
    let number = |commit: u64| lit(i64::try_from(commit).unwrap_or(i64::MAX));
    let mut ranges: Vec<(u64, u64)> = in_part
        .flat_map(|(_, file)| snapshot.visible().ranges(file))
        .map(|range| (*range.start(), *range.end()))
        .collect();
    if ranges.is_empty() {
        return None;
    }
    // Files that are shown whole pass by their own ranges.
    let whole = files.iter().filter(|(_, file)| snapshot.visible().of(file) == Shown::All);
    ranges.extend(whole.map(|(_, file)| file.span()));
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (from, to) in ranges {
        match merged.last_mut() {
            Some((_, end)) if from <= end.saturating_add(1) => *end = to.max(*end),
            _ => merged.push((from, to)),
        }
    }
    merged.into_iter().map(|(from, to)| commit.clone().between(number(from), number(to))).reduce(Expr::or)
}
