//! Features of light curves: aggregate functions over the measurements of an object.
//!
//! ```text
//! SELECT "object", stetson_k(flux, err), ls_period(mjd, flux, err) FROM measurements GROUP BY 1
//! ```
//!
//! A function is an entry in the table of its family: what it takes and gives, and how it is worked out, either from
//! all points of a group in order of time ([`How::Points`]) or from a few sums ([`sums`]), which need no more memory
//! for a large group than for a small one.
//!
//! Rows in which an argument is null, not a number or infinite are left out, and so are those whose error is not above
//! 0. Too few points, and what cannot be worked out as a finite number, give null. Neither the order of rows nor how
//! they are spread over partitions matters.

use datafusion::logical_expr::AggregateUDF;

mod aggregate;
mod arguments;
mod distribution;
mod groups;
mod lomb_scargle;
mod period;
mod sequence;
mod sums;
#[cfg(test)]
mod tests;
mod trend;
mod weighted;

use aggregate::{Aggregate, Call};
use arguments::{Argument, Options, Point};
use sums::{Bands, Extremes, Line, Powers, Weighted};

/// The functions.
pub(crate) fn functions() -> Vec<AggregateUDF> {
    all().map(|feature| AggregateUDF::from(Aggregate::new(feature))).collect()
}

fn all() -> impl Iterator<Item = &'static Feature> {
    [distribution::FEATURES, weighted::FEATURES, sequence::FEATURES, trend::FEATURES, period::FEATURES]
        .into_iter()
        .flatten()
}

/// A function: what it is to users, and how it is worked out.
#[derive(Debug)]
struct Feature {
    name: &'static str,
    /// The lists of arguments that it takes, the shortest first.
    forms: &'static [&'static [Argument]],
    gives: &'static str,
    /// The unit of what it gives.
    unit: &'static str,
    formula: &'static str,
    /// Where the formula is from.
    source: &'static str,
    /// Points below which the answer is null.
    least: usize,
    /// Says what is wrong with constants.
    check: fn(&Options) -> Result<(), String>,
    how: How,
}

/// How a function is worked out.
#[derive(Debug, Clone, Copy)]
enum How {
    /// From all points, in the order of [`Point::order`].
    Points(fn(&[Point], &Options) -> Option<f64>),
    /// The same, where it may be too much work.
    Search(fn(&[Point], &Options) -> Result<Option<f64>, String>),
    Extremes(fn(&Extremes) -> f64),
    Weighted(fn(&Weighted) -> f64),
    /// With points of both bands.
    Bands(fn(&Bands) -> f64),
    Powers(fn(&Powers) -> f64),
    Line(fn(&Line) -> f64),
}

/// For functions that any constants suit, or that have none.
fn any(_: &Options) -> Result<(), String> {
    Ok(())
}
