//! What people ask: functions of the sky, light curves, and a catalogue of documented SQL.
//!
//! ```
//! use std::sync::Arc;
//!
//! use noctuary_engine::EngineOptions;
//!
//! let options = EngineOptions { extend: vec![Arc::new(noctuary_queries::register)], ..EngineOptions::default() };
//! assert_eq!(options.extend.len(), 1);
//! ```
//!
//! All angles are degrees; `arcsec(5)` and `arcmin(2)` are the degrees of five seconds and two minutes of arc.

use datafusion::prelude::SessionContext;

mod catalogue;
pub mod lightcurve;
mod sky;

pub use catalogue::{Entry, catalogue, named};

/// Registers the functions of the sky with a context, for [`noctuary_engine::EngineOptions::extend`].
///
/// | function | gives |
/// |---|---|
/// | `cone(ra, dec, ra0, dec0, radius)` | true within `radius` of a point, its edge included |
/// | `separation(ra1, dec1, ra2, dec2)` | angle between two points, 0 to 180 |
/// | `healpix(ra, dec, order)` | HEALPix cell, NESTED, order 0 to 29 |
/// | `arcsec(x)`, `arcmin(x)` | `x` seconds or minutes of arc in degrees |
///
/// Where an argument is null, infinite or not a number the result is null.
pub fn register(context: &SessionContext) {
    for function in sky::functions() {
        context.register_udf(function);
    }
}
