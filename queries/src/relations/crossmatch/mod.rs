//! `crossmatch`: rows of two tables that lie within a radius of each other on the sky.
//!
//! One side is kept, in a grid of cells that its circles touch (`grid.rs`); the other streams by. Which one is kept is
//! decided when both are planned. All pairs, and the nearest of what is kept, are told at once of each row that comes
//! (`pairs.rs`); the nearest of what streams is known at its end (`nearest.rs`).

mod exec;
mod grid;
mod kept;
mod narrow;
mod nearest;
mod pairs;
#[cfg(test)]
mod tests;
mod ties;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use noctuary_engine::{Asked, Makes, Parameter, Relation, Takes};

use self::exec::{MatchExec, Output, Wanted};
use self::narrow::Narrow;
use super::{DISTANCE, column, distance_field, double, free};

pub(super) const CROSSMATCH: Relation = Relation {
    name: "crossmatch",
    usage: "crossmatch(left, right, radius, 'best'), with the radius in degrees and 'best' or 'all', such as \
            crossmatch(mine, sources, arcsec(2), 'best')",
    columns: &[DISTANCE, "right_"],
    makes: Makes::Plan {
        parameters: &[
            Parameter { name: "left", takes: Takes::Table, required: true },
            Parameter { name: "right", takes: Takes::Table, required: true },
            Parameter { name: "radius", takes: Takes::Value, required: true },
            Parameter { name: "matches", takes: Takes::Word, required: false },
            Parameter { name: "left_ra", takes: Takes::Word, required: false },
            Parameter { name: "left_dec", takes: Takes::Word, required: false },
            Parameter { name: "right_ra", takes: Takes::Word, required: false },
            Parameter { name: "right_dec", takes: Takes::Word, required: false },
        ],
        make,
    },
};

fn make(mut asked: Asked<'_>) -> noctuary_engine::Result<LogicalPlan> {
    let radius = super::radius(&asked)?;
    let best = match asked.word("matches").map(str::to_lowercase).as_deref() {
        None | Some("best") => true,
        Some("all") => false,
        Some(other) => return Err(asked.refuse(&format!("matches is {other}, which is neither 'best' nor 'all'"))),
    };
    let side = |plan: LogicalPlan, position| Side { plan, position };
    let left = asked.table("left")?;
    let position = asked.position(left.schema().as_arrow(), "the left table", ["left_ra", "left_dec"])?;
    let left = side(left, position);
    let right = asked.table("right")?;
    let position = asked.position(right.schema().as_arrow(), "the right table", ["right_ra", "right_dec"])?;
    let right = side(right, position);
    let table = Arc::new(Match::new(left, right, radius, best));
    Ok(LogicalPlanBuilder::scan(CROSSMATCH.name, provider_as_source(table), None)?.build()?)
}

/// What the positions of a side are called when it is read: as no column of a table is.
const RA: &str = "right ascension";
const DEC: &str = "declination";

/// One of the two tables.
#[derive(Debug)]
struct Side {
    plan: LogicalPlan,
    /// Where right ascension and declination stand.
    position: [usize; 2],
}

/// The table of what lies near each other: the columns of the left side, those of the right one, and the distance.
#[derive(Debug)]
struct Match {
    left: Side,
    right: Side,
    radius: f64,
    best: bool,
    schema: SchemaRef,
}

impl Match {
    fn new(left: Side, right: Side, radius: f64, best: bool) -> Self {
        let mut fields: Vec<Arc<Field>> = left.plan.schema().fields().iter().cloned().collect();
        for field in right.plan.schema().fields() {
            let taken = |name: &str| fields.iter().any(|f| f.name().eq_ignore_ascii_case(name));
            let name = if taken(field.name()) { format!("right_{}", field.name()) } else { field.name().clone() };
            let name = free(&name, fields.iter().map(|f| f.name().as_str()));
            fields.push(Arc::new(field.as_ref().clone().with_name(name)));
        }
        let distance = free(DISTANCE, fields.iter().map(|f| f.name().as_str()));
        fields.push(Arc::new(distance_field(&distance)));
        Self { left, right, radius, best, schema: Arc::new(Schema::new(fields)) }
    }

    /// How many columns are of the left side.
    fn width(&self) -> usize {
        self.left.plan.schema().fields().len()
    }

    /// The side that a condition is about, if it is about one alone.
    fn side_of(&self, filter: &Expr) -> Option<bool> {
        let nested = |expr: &Expr| {
            Ok(matches!(
                expr,
                Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::OuterReferenceColumn(..)
            ))
        };
        if filter.exists(nested).unwrap_or(true) {
            return None;
        }
        let places = filter.column_refs().into_iter().map(|c| self.schema.index_of(&c.name).ok());
        let places: Vec<usize> = places.collect::<Option<_>>()?;
        let of_left = !places.is_empty() && places.iter().all(|at| *at < self.width());
        let last = self.schema.fields().len() - 1;
        let of_right = !places.is_empty() && places.iter().all(|at| (self.width()..last).contains(at));
        (of_left || of_right).then_some(of_left)
    }

    /// The same condition on the columns of a side.
    fn on_side(&self, filter: &Expr, of_left: bool) -> Result<Expr> {
        let (side, from) = if of_left { (&self.left, 0) } else { (&self.right, self.width()) };
        filter
            .clone()
            .transform(|expr| match &expr {
                Expr::Column(named) => {
                    let at = self.schema.index_of(&named.name)? - from;
                    Ok(Transformed::yes(column(side.plan.schema(), at)))
                }
                _ => Ok(Transformed::no(expr)),
            })
            .data()
    }

    /// What is read of a side: right ascension, declination, and some columns, for rows that meet conditions.
    fn input(&self, of_left: bool, filters: &[Expr], columns: &[usize]) -> Result<LogicalPlan> {
        let side = if of_left { &self.left } else { &self.right };
        let schema = side.plan.schema();
        let mut plan = LogicalPlanBuilder::from(side.plan.clone());
        for filter in filters.iter().filter(|filter| self.side_of(filter) == Some(of_left)) {
            plan = plan.filter(self.on_side(filter, of_left)?)?;
        }
        let [ra, dec] = side.position.map(|at| double(schema, at));
        let own = columns.iter().map(|at| column(schema, *at).alias(format!("column {at}")));
        let positions = [ra.alias(RA), dec.alias(DEC)];
        let columns: Vec<Expr> = positions.into_iter().chain(own).collect();
        plan.project(columns)?.build()
    }
}

#[async_trait]
impl TableProvider for Match {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    /// What is asked of the left side can be asked before; of the right side only if it is not the nearest that is
    /// wanted.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let before = |filter: &&Expr| match self.side_of(filter) {
            Some(of_left) if of_left || !self.best => TableProviderFilterPushDown::Exact,
            _ => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(before).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let asked = projection.unwrap_or(&all);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let mut output = Vec::with_capacity(asked.len());
        for at in asked {
            output.push(if *at < self.width() {
                left.push(*at);
                Output::Left(left.len() + 1)
            } else if *at < all.len() - 1 {
                right.push(*at - self.width());
                Output::Right(right.len() + 1)
            } else {
                Output::Distance
            });
        }
        let (of_left, of_right) = (self.input(true, filters, &left)?, self.input(false, filters, &right)?);
        let left = state.create_physical_plan(&of_left).await?;
        let right = state.create_physical_plan(&of_right).await?;
        let schema = Arc::new(self.schema.project(asked)?);
        let wanted = Wanted { radius: self.radius, best: self.best, output, schema };
        let found = MatchExec::new(left, right, wanted)?;
        Ok(Arc::new(match state.as_any().downcast_ref::<SessionState>() {
            Some(state) => {
                let plan = if found.keeps_left() { of_right } else { of_left };
                found.with_narrow(Narrow { state: state.clone(), plan })
            }
            None => found,
        }))
    }
}
