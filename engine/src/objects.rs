//! Tables of single records of alerts: `objects` and `ssobjects` of a survey.
//!
//! They are views over `alerts`, with the fields of a record as columns. Nothing is read for them but the fields that
//! are used, and what may not be seen of alerts is not seen here.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::functions::core::expr_fn::{coalesce, get_field};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, cast, ident, lit};
use noctuary_packet::Columns;
use noctuary_packet::schema::{NodeId, Schema, Shape};
use noctuary_packet::survey::Survey;
use noctuary_storage::tables::{COMMIT, alert_keys};

use crate::catalog::ALERTS;
use crate::columns::AlertColumns;
use crate::describe::{self, Described, Origin};
use crate::error::Result;
use crate::merge::{Kind, Place};

/// The keys of an alert that stand before the fields of its record.
const KEYS: [&str; 8] = ["_alert", "_object", "_revision", "_night", "_mjd_tai", "_ra", "_dec", "_rights"];

/// What several paths of a mapping mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paths {
    /// One record, which not every schema has at the same place: the first that a schema has is it.
    First,
    /// As many records, side by side.
    All,
}

/// A table that is a view, with what is said of its columns.
pub(crate) struct View {
    pub(crate) provider: Arc<dyn TableProvider>,
    pub(crate) described: Vec<Described>,
}

/// A record of alerts.
struct Record<'c> {
    /// The column, or the field access.
    expr: Expr,
    name: &'c str,
    fields: &'c [Place],
    /// Where every schema has it.
    nodes: Vec<Vec<NodeId>>,
}

/// A column of the view.
struct Column<'c> {
    name: String,
    /// The field, of the number of the record that has it first.
    field: &'c Place,
    record: usize,
    /// Its values: the first that is not null counts.
    values: Vec<Expr>,
}

/// A table with a row for every alert that has a record at one of some paths; `None` if no schema has one.
///
/// # Errors
/// When DataFusion cannot make a plan of it, which would be a fault of this program.
pub(crate) fn of_records(
    name: &str,
    columns: &AlertColumns,
    alerts: Arc<dyn TableProvider>,
    mapped: &[String],
    paths: Paths,
) -> Result<Option<View>> {
    let records: Vec<Record<'_>> = mapped.iter().filter_map(|path| record(columns, mapped, path, paths)).collect();
    let Some(there) = records.iter().map(|record| record.expr.clone().is_not_null()).reduce(Expr::or) else {
        return Ok(None);
    };
    let own = side_by_side(&records, paths);
    let keys = alert_keys(columns.ids).iter().filter(|key| KEYS.contains(&key.name().as_str())).cloned().collect();
    let mut described = Vec::new();
    for (at, record) in records.iter().enumerate() {
        let of_record = own.iter().filter(|column| column.record == at).map(|column| Place {
            name: column.name.clone(),
            // Fields are looked up by the names that columns of packets would have.
            stored: Columns::path(&column.field.stored).into_owned(),
            ..column.field.clone()
        });
        let origin = Origin { schemas: &columns.schemas, records: record.nodes.clone() };
        described.extend(origin.fields(&of_record.collect::<Vec<_>>()));
    }
    let mut selected: Vec<Expr> = KEYS.iter().map(|key| ident(*key)).collect();
    for Column { name, values, .. } in own {
        let value = match values.as_slice() {
            [one] => one.clone(),
            _ => coalesce(values),
        };
        selected.push(value.alias(name));
    }
    selected.push(ident(COMMIT));
    let plan = LogicalPlanBuilder::scan(ALERTS, provider_as_source(alerts), None)?
        .filter(there)?
        .project(selected)?
        .build()?;
    let described = describe::table(name, &keys, described);
    Ok(Some(View { provider: Arc::new(ViewTable::new(plan, None)), described }))
}

impl View {
    /// The same with the rows of objects that no alert told of. What only an alert has, its id among it, is null in
    /// them; their position is that of their record.
    ///
    /// # Errors
    /// As [`of_records`].
    pub(crate) fn with_loaded(self, loaded: Arc<dyn TableProvider>, survey: &Survey) -> Result<Self> {
        let (own, wanted) = (loaded.schema(), self.provider.schema());
        let last = |paths: &[String]| paths.iter().filter_map(|p| p.rsplit('.').next()).map(str::to_owned).next();
        let selected = wanted.fields().iter().map(|field| {
            let from = match field.name().as_str() {
                "_ra" => last(&survey.position.ra),
                "_dec" => last(&survey.position.dec),
                name => Some(name.to_owned()),
            };
            let there = from.filter(|name| own.column_with_name(name).is_some());
            let value = there.map_or_else(|| lit(ScalarValue::Null), ident);
            cast(value, field.data_type().clone()).alias(field.name())
        });
        let selected: Vec<Expr> = selected.collect();
        let rows = LogicalPlanBuilder::scan("loaded", provider_as_source(loaded), None)?.project(selected)?.build()?;
        let plan = LogicalPlanBuilder::scan("told", provider_as_source(self.provider), None)?.union(rows)?.build()?;
        Ok(Self { provider: Arc::new(ViewTable::new(plan, None)), described: self.described })
    }
}

/// The fields of records as columns. Where the records are one that lies at several places, fields of one name and type
/// are one column.
fn side_by_side<'c>(records: &[Record<'c>], paths: Paths) -> Vec<Column<'c>> {
    let mut columns: Vec<Column<'c>> = Vec::new();
    for (at, record) in records.iter().enumerate() {
        for field in record.fields {
            let value = get_field(record.expr.clone(), field.name.as_str());
            // A field that is called like a key stands beside it, as one of the packet itself would.
            let own = Columns::path(&field.name).into_owned();
            let is_same = |c: &&mut Column<'_>| c.name == own && c.record < at && c.field.kind == field.kind;
            match columns.iter_mut().find(is_same).filter(|_| paths == Paths::First) {
                Some(same) => same.values.push(value),
                None => {
                    let name = free(&columns, own, record.name);
                    columns.push(Column { name, field, record: at, values: vec![value] });
                }
            }
        }
    }
    columns
}

/// The record at a path, if a schema has it there and has it from no other path.
fn record<'c>(columns: &'c AlertColumns, mapped: &[String], path: &str, paths: Paths) -> Option<Record<'c>> {
    let is_record = |schema: &Schema, path: &str| {
        let node = schema.find(path).filter(|node| matches!(schema.node(*node).shape, Shape::Record(_)))?;
        // What is said of every element of a list is no record of the alert.
        let single = path.match_indices('.').all(|(at, _)| {
            path.get(..at)
                .and_then(|outer| schema.find(outer))
                .is_some_and(|outer| matches!(schema.node(outer).shape, Shape::Record(_)))
        });
        single.then_some(node)
    };
    let nodes = columns.schemas.iter().map(|schema| {
        let first = mapped.iter().find(|path| is_record(schema, path).is_some());
        let meant = paths == Paths::All || first.is_some_and(|first| first == path);
        is_record(schema, path).filter(|_| meant).into_iter().collect::<Vec<_>>()
    });
    let nodes: Vec<Vec<NodeId>> = nodes.collect();
    if nodes.iter().all(Vec::is_empty) {
        return None;
    }
    let column = Columns::path(path);
    let mut names = column.split('.');
    let first = names.next()?;
    let mut place = fields_at(&columns.places, first)?;
    let mut expr = ident(place.0);
    for name in names {
        place = fields_at(place.1, name)?;
        expr = get_field(expr, place.0);
    }
    Some(Record { expr, name: place.0, fields: place.1, nodes })
}

/// The record that files have under a name, as SQL names it, with its fields.
fn fields_at<'c>(places: &'c [Place], stored: &str) -> Option<(&'c str, &'c [Place])> {
    places.iter().filter(|place| place.stored == stored).find_map(|place| match &place.kind {
        Kind::Record(fields) => Some((place.name.as_str(), fields.as_slice())),
        _ => None,
    })
}

/// A name for a field: its own, or one with that of its record before it.
fn free(taken: &[Column<'_>], own: String, record: &str) -> String {
    let is_free = |name: &String| !KEYS.contains(&name.as_str()) && taken.iter().all(|column| column.name != *name);
    if is_free(&own) {
        return own;
    }
    let longer = format!("{record}_{own}");
    let numbered = (2..).map(|n| format!("{longer}{n}"));
    std::iter::once(longer.clone()).chain(numbered).find(is_free).unwrap_or(longer)
}
