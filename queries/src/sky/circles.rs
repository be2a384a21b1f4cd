//! Circles.

use noctuary_engine::Extent;

use super::geometry::angular_distance;
use crate::define::Region;

/// A circle, its edge included; in degrees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circle {
    pub(super) ra: f64,
    pub(super) dec: f64,
    pub(super) radius: f64,
}

impl Region for Circle {
    fn holds(&self, ra: f64, dec: f64) -> bool {
        angular_distance(ra, dec, self.ra, self.dec) <= self.radius
    }

    fn extent(&self) -> Option<Extent> {
        Extent::circle(self.ra, self.dec, self.radius)
    }
}
