//! Functions that give tables: light curves, circles on the sky, and cross-matches.

mod cone;
mod crossmatch;
mod lightcurve;
mod list;

use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, DFSchemaRef};
use datafusion::logical_expr::{Expr, ScalarUDF, cast};
use noctuary_engine::Relation;

pub use list::open;

/// The functions that give tables, for [`noctuary_engine::EngineOptions::relations`]; `docs/functions.md` lists them.
#[must_use]
pub(crate) fn relations() -> Vec<Relation> {
    vec![lightcurve::LIGHTCURVE, cone::CONE_SEARCH, crossmatch::CROSSMATCH]
}

/// The column of the distance.
const DISTANCE: &str = "distance";

/// A name that is not taken: itself, or itself with a number.
fn free<'n>(name: &str, taken: impl Iterator<Item = &'n str> + Clone) -> String {
    let is_free = |name: &str| !taken.clone().any(|other| other.eq_ignore_ascii_case(name));
    let numbered = (2_u64..).map(|number| format!("{name}_{number}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| is_free(name)).unwrap_or_default()
}

/// A column of a plan.
fn column(schema: &DFSchema, at: usize) -> Expr {
    let (qualifier, field) = schema.qualified_field(at);
    Expr::Column(Column::from((qualifier, field)))
}

/// A column of a plan as a double.
fn double(schema: &DFSchemaRef, at: usize) -> Expr {
    let plain = column(schema, at);
    if schema.field(at).data_type() == &DataType::Float64 { plain } else { cast(plain, DataType::Float64) }
}

/// A function of SQL of this crate.
fn function(name: &str) -> noctuary_engine::Result<ScalarUDF> {
    let found = crate::definitions().find(|definition| definition.name == name);
    let none = || noctuary_engine::EngineError::invalid(format!("there is no function {name}"));
    found.map(crate::define::Definition::function).ok_or_else(none)
}

/// The field of the distance.
fn distance_field(name: &str) -> Field {
    Field::new(name, DataType::Float64, false)
}

/// A radius in degrees.
fn radius(asked: &noctuary_engine::Asked<'_>) -> noctuary_engine::Result<f64> {
    let radius = asked.number("radius")?;
    if (0.0..=180.0).contains(&radius) {
        return Ok(radius);
    }
    let why = if radius < 0.0 { "negative" } else { "more than half of the sky is round" };
    Err(asked.refuse(&format!("the radius is {radius} degrees, which is {why}")))
}
