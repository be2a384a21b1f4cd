//! What people ask: functions of the sky, light curves, and a catalogue of documented SQL.
//!
//! ```
//! use noctuary_engine::EngineOptions;
//!
//! let options = EngineOptions { extend: vec![noctuary_queries::functions()], ..EngineOptions::default() };
//! assert_eq!(options.extend.len(), 1);
//! ```
//!
//! All angles are degrees; `arcsec(5)` and `arcmin(2)` are the degrees of five seconds and two minutes of arc.

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use noctuary_engine::Extension;

mod catalogue;
pub mod lightcurve;
pub mod sky;

pub use catalogue::{Entry, catalogue, named};

/// Registers the functions with a context.
pub fn register(context: &SessionContext) {
    for function in sky::functions() {
        context.register_udf(function);
    }
}

/// The functions, for [`noctuary_engine::EngineOptions::extend`].
#[must_use]
pub fn functions() -> Extension {
    Arc::new(register)
}
