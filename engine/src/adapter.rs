//! Questions are asked in the columns of the table; here they are put in the columns of one file.
//!
//! A field access is followed down to the leaf, so that only that leaf is read and no sibling is looked at. What the
//! file does not have is null.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::common::metadata::FieldMetadata;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::functions::core::getfield::GetFieldFunc;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{CastExpr, Column, Literal};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};
use datafusion::physical_plan::PhysicalExpr;

use crate::convert::{Convert, may_hold_nan};
use crate::kept;
use crate::merge::{Kind, Place, stored};

/// Makes an adapter for each file.
#[derive(Debug)]
pub(crate) struct AdapterFactory {
    places: Arc<Vec<Place>>,
    exact: bool,
}

impl AdapterFactory {
    /// For a table with these columns; columns that are not among them are taken by their name.
    pub(crate) fn new(places: Arc<Vec<Place>>) -> Self {
        Self { places, exact: false }
    }

    /// The leaves of Parquet that are read of a file for some columns of the table, by their numbers.
    pub(crate) fn leaves(&self, columns: &Schema, file: &Schema) -> Vec<usize> {
        let read = |column: &FieldRef| {
            let Some(place) = self.places.iter().find(|place| place.name == *column.name()) else {
                return file.column_with_name(column.name()).map(|(at, own)| (at, own.data_type().clone()));
            };
            let (at, own) = stored(place, file.fields())?;
            let kind = place.kind.only(column.data_type());
            Some((at, kind.as_ref().unwrap_or(&place.kind).clip(own.data_type())))
        };
        kept::leaves(file, &columns.fields().iter().filter_map(read).collect::<Vec<_>>())
    }

    /// The same for files that keep NaN.
    pub(crate) fn exact(places: Arc<Vec<Place>>) -> Self {
        Self { places, exact: true }
    }
}

impl PhysicalExprAdapterFactory for AdapterFactory {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        Ok(Arc::new(Adapter { places: Arc::clone(&self.places), exact: self.exact, table, file }))
    }
}

#[derive(Debug)]
struct Adapter {
    places: Arc<Vec<Place>>,
    /// The file keeps NaN, and the table shows null instead.
    exact: bool,
    table: SchemaRef,
    file: SchemaRef,
}

impl PhysicalExprAdapter for Adapter {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        expr.transform_down(|expr| {
            let adapted = if let Some(column) = expr.downcast_ref::<Column>() {
                Some(self.column(column)?)
            } else if let Some((column, access)) = self.access(&expr) {
                self.leaf(&column, &access)?
            } else {
                None
            };
            Ok(match adapted {
                Some(new) => Transformed::new(new, true, TreeNodeRecursion::Jump),
                None => Transformed::no(expr),
            })
        })
        .data()
    }
}

/// A field access: the function that does it, and the names on the way.
struct Access<'e> {
    function: &'e ScalarFunctionExpr,
    path: Vec<String>,
}

impl Adapter {
    /// The column and path of `get_field(column, 'a', 'b')` or of such calls inside each other.
    fn access<'e>(&self, expr: &'e Arc<dyn PhysicalExpr>) -> Option<(String, Access<'e>)> {
        let function = ScalarFunctionExpr::try_downcast_func::<GetFieldFunc>(expr.as_ref())?;
        let (source, keys) = function.args().split_first()?;
        let (column, mut path) = match source.downcast_ref::<Column>() {
            Some(column) => (column.name().to_owned(), Vec::new()),
            None => self.access(source).map(|(column, access)| (column, access.path))?,
        };
        for key in keys {
            path.push(key.downcast_ref::<Literal>()?.value().try_as_str().flatten()?.to_owned());
        }
        Some((column, Access { function, path }))
    }

    fn place(&self, name: &str) -> Option<&Place> {
        self.places.iter().find(|p| p.name == name)
    }

    /// What is read of a place: the expression, its type in the file, and the kind it is to become. Where the table
    /// has been cut down to some fields, only these are read.
    fn source(&self, place: &Place) -> Option<(Arc<dyn PhysicalExpr>, DataType, Kind)> {
        let (at, field) = stored(place, self.file.fields())?;
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), at));
        let wanted = self.table.field_with_name(&place.name).ok().map(|f| f.data_type());
        let less = wanted.filter(|w| **w != place.kind.data_type()).and_then(|w| place.kind.only(w));
        let Some(kind) = less else { return Some((column, field.data_type().clone(), place.kind.clone())) };
        let clipped = kind.clip(field.data_type());
        if clipped == *field.data_type() {
            return Some((column, clipped, kind));
        }
        let target = Arc::new(field.as_ref().clone().with_data_type(clipped.clone()));
        Some((Arc::new(CastExpr::new_with_target_field(column, target, None)), clipped, kind))
    }

    fn column(&self, column: &Column) -> Result<Arc<dyn PhysicalExpr>> {
        let Some(place) = self.place(column.name()) else { return self.key(column) };
        match self.source(place) {
            Some((source, own, kind)) => Ok(self.adapted(source, &own, &kind)),
            None => null(self.table.field_with_name(column.name())?),
        }
    }

    /// Columns that every file of a table has under the same name.
    fn key(&self, column: &Column) -> Result<Arc<dyn PhysicalExpr>> {
        let wanted = self.table.field_with_name(column.name())?;
        let Some((at, field)) = self.file.fields().find(column.name()) else {
            return null(wanted);
        };
        let source: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), at));
        if field.data_type() == wanted.data_type() {
            return Ok(source);
        }
        Ok(Arc::new(CastExpr::new_with_target_field(source, Arc::new(wanted.clone()), None)))
    }

    /// The leaf that a path leads to; `None` if it leads through something that has no fields, such as a map.
    fn leaf(&self, column: &str, access: &Access<'_>) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let Some(top) = self.place(column) else { return Ok(None) };
        let Some(place) = self.target(top, &access.path) else { return Ok(None) };
        let Some((root, own, kind)) = self.source(top) else { return null(&place.field()).map(Some) };
        let mut names: Vec<&str> = Vec::new();
        let (mut at, mut own) = (&kind, &own);
        for name in &access.path {
            let Kind::Record(children) = at else { return Ok(None) };
            let Some(child) = children.iter().find(|c| c.name == *name) else { return Ok(None) };
            let DataType::Struct(fields) = own else { return Ok(None) };
            let Some((_, field)) = stored(child, fields) else { return null(&place.field()).map(Some) };
            names.push(&child.stored);
            (at, own) = (&child.kind, field.data_type());
        }
        let leaf = get_field(access.function, root, &names, &self.file)?;
        Ok(Some(self.adapted(leaf, own, at)))
    }

    fn target<'p>(&self, mut place: &'p Place, path: &[String]) -> Option<&'p Place> {
        for name in path {
            let Kind::Record(children) = &place.kind else { return None };
            place = children.iter().find(|c| c.name == *name)?;
        }
        Some(place)
    }

    fn adapted(&self, source: Arc<dyn PhysicalExpr>, own: &DataType, kind: &Kind) -> Arc<dyn PhysicalExpr> {
        match kind {
            kind if self.exact && may_hold_nan(own) => Arc::new(Convert::new(source, kind.clone(), true)),
            kind if kind.data_type() == *own => source,
            Kind::Value(wanted) => {
                let name = source.to_string();
                let field = Field::new(name, wanted.clone(), true);
                Arc::new(CastExpr::new_with_target_field(source, Arc::new(field), None))
            }
            kind => Arc::new(Convert::new(source, kind.clone(), false)),
        }
    }
}

fn get_field(
    function: &ScalarFunctionExpr,
    root: Arc<dyn PhysicalExpr>,
    names: &[&str],
    file: &Schema,
) -> Result<Arc<dyn PhysicalExpr>> {
    let mut args = vec![root];
    for name in names {
        args.push(Arc::new(Literal::new(ScalarValue::from(*name))));
    }
    let options = Arc::new(function.config_options().clone());
    Ok(Arc::new(ScalarFunctionExpr::try_new(Arc::new(function.fun().clone()), args, file, options)?))
}

fn null(field: &Field) -> Result<Arc<dyn PhysicalExpr>> {
    let value = ScalarValue::try_from(field.data_type())?;
    Ok(Arc::new(Literal::new_with_metadata(value, Some(FieldMetadata::from(field)))))
}
