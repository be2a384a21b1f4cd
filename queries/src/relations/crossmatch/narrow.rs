//! Where on the sky a match can be at all.
//!
//! Of what is matched with a short list hardly anything need be read: the cells about the positions of the list are
//! known once it was read, and a condition that nothing lies outside of them lets the other side's index do the rest.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, ident, lit};
use datafusion::physical_plan::ExecutionPlan;

use super::grid::Point;
use super::{DEC, RA};

/// Lists of up to so many positions are told of.
const MOST: usize = 5_000;
/// Cells need not be finer than this: 13 arcseconds.
const FINEST: u8 = 14;
/// If so much of the sky is left, it is read like all of it.
const PART: f64 = 0.05;
/// Far below any instrument, far above rounding: degrees.
const SLACK: f64 = 1e-7;

/// The side that streams, to be planned again once it is known where it matters.
pub(super) struct Narrow {
    pub(super) state: SessionState,
    pub(super) plan: LogicalPlan,
}

impl Narrow {
    /// The plan of what lies in cells.
    ///
    /// # Errors
    /// When it cannot be planned.
    pub(super) async fn within(&self, moc: &str) -> Result<Arc<dyn ExecutionPlan>> {
        let inside = super::super::function("in_moc").map_err(|e| DataFusionError::External(Box::new(e)))?;
        let inside = inside.call(vec![ident(RA), ident(DEC), lit(moc)]);
        let plan = LogicalPlanBuilder::from(self.plan.clone()).filter(inside)?.build()?;
        self.state.create_physical_plan(&plan).await
    }
}

/// A map of the cells that circles about points touch; `None` if there are many, or if they are a good part of the sky.
pub(super) fn cover(radius: f64, points: &[Option<Point>]) -> Option<String> {
    let radius = (radius + SLACK).to_radians();
    if points.len() > MOST || !cdshealpix::has_best_starting_depth(radius) {
        return None;
    }
    // At this order a circle touches the cell of its middle and the neighbours of that one at most.
    let order = cdshealpix::best_starting_depth(radius).min(FINEST);
    let layer = cdshealpix::nested::get(order);
    let mut cells = BTreeSet::new();
    for point in points.iter().flatten() {
        let dec = point.dec.to_radians().clamp(-std::f64::consts::FRAC_PI_2, std::f64::consts::FRAC_PI_2);
        let cell = layer.hash(point.ra.rem_euclid(360.0).to_radians(), dec);
        cells.extend(layer.neighbours(cell, true).values_vec());
    }
    if cells.len() as f64 > PART * cdshealpix::n_hash(order) as f64 {
        return None;
    }
    let mut moc = format!("{order}/");
    for cell in cells {
        let _ = write!(moc, " {cell}");
    }
    Some(moc)
}
