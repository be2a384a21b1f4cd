//! Regions of the sky that a question names, and which functions of SQL name them.
//!
//! What lies in a region is decided by its function, row by row. Here is only where it can lie: enough to leave out
//! files, pages and rows in which there can be nothing of it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::execution::config::SessionConfig;
use datafusion::prelude::SessionContext;
use noctuary_storage::index::{Circle, Cover, Touch};

use crate::sky::{Bounds, Cap, SLACK};

/// Where a region of the sky can be, told generously.
#[derive(Debug, Clone, PartialEq)]
pub struct Extent {
    bounds: Bounds,
    cover: Cover,
    /// The bounds alone tell as much as the cells.
    bounded: bool,
}

impl Extent {
    /// A circle: right ascension and declination of its middle, and its radius, in degrees. `None` if it is none: a
    /// number that is not finite, a declination beyond a pole, or a radius below zero.
    #[must_use]
    pub fn circle(ra: f64, dec: f64, radius: f64) -> Option<Self> {
        let cap = Cap::new(ra, dec, radius)?;
        Some(Self { bounds: cap.bounds(), cover: Cover::of_circle(cap.circle()), bounded: true })
    }

    /// Between two right ascensions, 0 to 360 and eastwards from the first to the second (all round if `None`), and two
    /// declinations from -90 to 90; a pole that it reaches lies on every meridian.
    #[must_use]
    pub fn between(ra: Option<(f64, f64)>, dec: (f64, f64)) -> Self {
        let bounds = Bounds::between(ra, dec);
        // A circle that holds a pole reaches every right ascension.
        let cover = Cover::of(None, |circle| match Cap::new(circle.ra, circle.dec, circle.radius) {
            Some(cap) if bounds.hold(&cap) => Touch::Whole,
            Some(cap) if !bounds.touch(&cap) => Touch::Nothing,
            _ => Touch::Part,
        });
        let reaches_pole = dec.0 <= -90.0 + SLACK || dec.1 >= 90.0 - SLACK;
        let bounds = if reaches_pole { Bounds::between(None, dec) } else { bounds };
        Self { bounds, cover, bounded: true }
    }

    /// A region by what it has of circles, and a circle that it is in, if one is known.
    #[must_use]
    pub fn of(circle: Option<Circle>, touch: impl Fn(&Circle) -> Touch) -> Self {
        Self::covered(Cover::of(circle, touch))
    }

    /// HEALPix cells of order 29, NESTED: ranges in any order.
    #[must_use]
    pub fn cells(cells: Vec<Range<u64>>) -> Self {
        Self::covered(Cover::of_cells(cells))
    }

    fn covered(cover: Cover) -> Self {
        let circle = cover.circle();
        let bounds = match Cap::new(circle.ra, circle.dec, circle.radius) {
            Some(cap) => cap.bounds(),
            None => Bounds::between(None, (-90.0, 90.0)),
        };
        Self { bounds, cover, bounded: false }
    }

    /// The right ascensions and declinations that it reaches.
    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The cells that it reaches.
    pub(crate) fn cover(&self) -> &Cover {
        &self.cover
    }

    /// Cells to look for in pages and row groups, where they tell more than the bounds: a few ranges, ends included.
    pub(crate) fn few_cells(&self, most: usize) -> Option<Vec<(i64, i64)>> {
        if self.bounded {
            return None;
        }
        let cells = self.cover.cells();
        let gap = |at: usize| Some(cells.get(at)?.start - cells.get(at.checked_sub(1)?)?.end);
        let mut widest: Vec<usize> = (1..cells.len()).collect();
        widest.sort_by_key(|at| std::cmp::Reverse(gap(*at)));
        widest.truncate(most.saturating_sub(1));
        widest.sort_unstable();
        let (mut few, mut from) = (Vec::new(), 0);
        for to in widest.into_iter().chain([cells.len()]) {
            let part = cells.get(from..to).unwrap_or_default();
            few.extend(part.first().zip(part.last()).map(|(first, last)| (first.start, last.end - 1)));
            from = to;
        }
        Some(few)
    }
}

/// Makes the extent of a region from the arguments of its function that follow the point; `None` if they name none.
pub type MakeExtent = Arc<dyn Fn(&[ScalarValue]) -> Option<Extent> + Send + Sync>;

/// Functions of SQL that are true in a region: of right ascension and declination in degrees, and of what names the
/// region. None of them may fail on a row. Where what names the region is constant, files and rows are chosen by it.
#[derive(Clone, Default)]
pub struct Regions(BTreeMap<String, MakeExtent>);

impl fmt::Debug for Regions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Regions {
    /// Makes functions of a context known as such, by their names; those that were known stay.
    pub fn register(context: &SessionContext, functions: impl IntoIterator<Item = (String, MakeExtent)>) {
        let state = context.state_ref();
        let mut state = state.write();
        let mut all = Self::of(state.config()).as_ref().clone();
        all.0.extend(functions);
        state.config_mut().set_extension(Arc::new(all));
    }

    /// Those that a session knows.
    pub(crate) fn of(config: &SessionConfig) -> Arc<Self> {
        config.get_extension().unwrap_or_default()
    }

    /// True for the name of such a function.
    pub(crate) fn has(&self, function: &str) -> bool {
        self.0.contains_key(function)
    }

    /// The extent of the region that a call names.
    pub(crate) fn extent(&self, function: &str, arguments: &[ScalarValue]) -> Option<Extent> {
        self.0.get(function)?(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_cells_hold_all() {
        let extent = Extent::cells((0..40).map(|n| (n * n) << 40..(n * n + 1) << 40).collect());
        let few = extent.few_cells(7).unwrap();
        assert!(few.len() <= 7 && few.windows(2).all(|pair| pair[0].1 < pair[1].0));
        for range in extent.cover().cells() {
            assert!(few.iter().any(|(first, last)| *first <= range.start && range.end - 1 <= *last));
        }
        assert_eq!(Extent::cells(Vec::new()).few_cells(7), Some(Vec::new()));
        assert_eq!(Extent::circle(1.0, 2.0, 3.0).unwrap().few_cells(7), None);
    }

    #[test]
    fn a_box_at_the_pole_holds_it_from_all_sides() {
        let top = Extent::between(Some((10.0, 20.0)), (80.0, 90.0));
        assert!(top.bounds().may_touch((200.0, 200.0), (90.0, 90.0)));
        let below = Extent::between(Some((10.0, 20.0)), (80.0, 89.0));
        assert!(!below.bounds().may_touch((200.0, 200.0), (85.0, 85.0)));
        assert!(below.bounds().may_touch((20.0, 20.0), (85.0, 85.0)));
    }
}
