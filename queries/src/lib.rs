//! What people ask: functions of the sky, light curves, replays of nights, and a catalogue of documented SQL.
//!
//! ```
//! use noctuary_engine::EngineOptions;
//!
//! let options = noctuary_queries::with_functions(EngineOptions::default());
//! assert_eq!(options.extend.len(), 1);
//! ```
//!
//! All angles are degrees; `arcsec(5)` and `arcmin(2)` are the degrees of five seconds and two minutes of arc.

use std::sync::Arc;

use datafusion::prelude::SessionContext;
use noctuary_engine::EngineOptions;

mod catalogue;
mod define;
mod features;
mod flux;
pub mod lightcurve;
mod relations;
pub mod replay;
pub mod size;
mod sky;
mod time;

pub use catalogue::{Entry, catalogue, named};
pub use relations::open;
use relations::relations;

/// The same options, with all functions: of values and groups, and those that give tables.
#[must_use]
pub fn with_functions(mut options: EngineOptions) -> EngineOptions {
    options.extend.push(Arc::new(register));
    options.relations.extend(relations());
    options
}

/// Registers the functions of values and groups with a context.
///
/// They are those of the sky, of time and of flux; `docs/functions.md` lists them with units and ranges. Where an
/// argument is null, infinite, not a number or out of range the result is null; where it is written into the question
/// and can never be right, the question is refused. Aggregate functions over light curves are in `docs/features.md`.
pub fn register(context: &SessionContext) {
    for definition in definitions() {
        context.register_udf(definition.function());
    }
    let regions = definitions().filter_map(|definition| Some((definition.name.to_owned(), definition.extent()?)));
    noctuary_engine::Regions::register(context, regions);
    for feature in features::functions() {
        context.register_udaf(feature);
    }
}

fn definitions() -> impl Iterator<Item = &'static define::Definition> {
    [sky::FUNCTIONS, time::FUNCTIONS, flux::FUNCTIONS].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every function stands in the list for users in all its forms, and the list has no other.
    #[test]
    fn the_list_of_functions_is_complete() {
        let listed = include_str!("../../docs/functions.md");
        let calls: BTreeSet<_> =
            listed.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).map(|(call, _)| call).collect();
        let defined: BTreeSet<_> = definitions().flat_map(define::Definition::usages).collect();
        let (tables, values): (BTreeSet<_>, BTreeSet<_>) =
            calls.into_iter().partition(|call| relations().iter().any(|r| call.starts_with(&format!("{}(", r.name))));
        assert_eq!(values, defined.iter().map(String::as_str).collect());
        assert_eq!(tables.len(), relations().len());
        for alias in definitions().filter_map(|definition| definition.alias) {
            assert!(listed.contains(&format!("`{alias}`")), "{alias}");
        }
    }

    #[test]
    fn names_are_given_once() {
        let names = definitions().flat_map(|definition| std::iter::once(definition.name).chain(definition.alias));
        let mut seen = BTreeSet::new();
        for name in names {
            assert!(seen.insert(name), "{name}");
        }
    }
}
