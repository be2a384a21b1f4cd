//! `cone_search`: the rows of a table in a circle, with their distance from its middle.

use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, lit};
use noctuary_engine::{ANGULAR_DISTANCE, Asked, Makes, Parameter, Relation, Result, Takes};

use super::{DISTANCE, column, double, free, function};

/// The function that is true in a circle.
const CONE: &str = "cone";

pub(super) const CONE_SEARCH: Relation = Relation {
    name: "cone_search",
    usage: "cone_search(table, ra0, dec0, radius), all in degrees, such as cone_search(sources, 150.1, 2.2, arcsec(5))",
    columns: &[DISTANCE],
    makes: Makes::Plan {
        parameters: &[
            Parameter { name: "table", takes: Takes::Table, required: true },
            Parameter { name: "ra0", takes: Takes::Value, required: true },
            Parameter { name: "dec0", takes: Takes::Value, required: true },
            Parameter { name: "radius", takes: Takes::Value, required: true },
            Parameter { name: "ra", takes: Takes::Word, required: false },
            Parameter { name: "dec", takes: Takes::Word, required: false },
        ],
        make,
    },
};

/// A condition that files are chosen by, and a column more.
fn make(mut asked: Asked<'_>) -> Result<LogicalPlan> {
    let (ra0, dec0) = (asked.number("ra0")?, asked.number("dec0")?);
    if !(-90.0..=90.0).contains(&dec0) {
        return Err(asked.refuse(&format!("dec0 is {dec0}, and declinations are -90 to 90 degrees")));
    }
    let radius = super::radius(&asked)?;
    let table = asked.table("table")?;
    let schema = table.schema();
    let [ra, dec] = asked.position(schema.as_arrow(), "the table", ["ra", "dec"])?;
    let point = || vec![double(schema, ra), double(schema, dec), lit(ra0), lit(dec0)];
    let inside = function(CONE)?.call(point().into_iter().chain([lit(radius)]).collect());
    let distance = free(DISTANCE, schema.fields().iter().map(|field| field.name().as_str()));
    let distance = function(ANGULAR_DISTANCE)?.call(point()).alias(distance);
    let own = (0..schema.fields().len()).map(|at| column(schema, at).alias(schema.field(at).name()));
    let columns: Vec<_> = own.chain([distance]).collect();
    Ok(LogicalPlanBuilder::from(table.clone()).filter(inside)?.project(columns)?.alias(CONE_SEARCH.name)?.build()?)
}
