//! Turning what a file holds into what the table shows, by the names of fields.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray, RecordBatch, StructArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema};
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_plan::PhysicalExpr;
use noctuary_packet::nan_to_null;

use crate::merge::{Kind, stored};

/// Reads a record or list of a file as the table has it. Fields that the file lacks, or has with another meaning, are
/// null; one such field never spoils its neighbours.
#[derive(Debug, Clone, Eq)]
pub(crate) struct Convert {
    input: Arc<dyn PhysicalExpr>,
    kind: Kind,
    /// The file keeps NaN, and the table shows null instead.
    exact: bool,
}

impl Convert {
    pub(crate) fn new(input: Arc<dyn PhysicalExpr>, kind: Kind, exact: bool) -> Self {
        Self { input, kind, exact }
    }
}

impl PartialEq for Convert {
    fn eq(&self, other: &Self) -> bool {
        self.input.eq(&other.input) && self.kind == other.kind && self.exact == other.exact
    }
}

impl Hash for Convert {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.kind.hash(state);
        self.exact.hash(state);
    }
}

impl fmt::Display for Convert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "as_table({})", self.input)
    }
}

impl PhysicalExpr for Convert {
    fn data_type(&self, _: &Schema) -> Result<DataType> {
        Ok(self.kind.data_type())
    }

    fn nullable(&self, _: &Schema) -> Result<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        let array = self.input.evaluate(batch)?.into_array(batch.num_rows())?;
        let converted = convert(&self.kind, &array)?;
        Ok(ColumnarValue::Array(if self.exact { known(&converted)? } else { converted }))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input, self.kind.clone(), self.exact)))
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.input.fmt_sql(f)
    }
}

/// Converts one array.
pub(crate) fn convert(kind: &Kind, array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match (kind, array.data_type()) {
        (Kind::Value(wanted), own) if own == wanted => Arc::clone(array),
        (Kind::Value(wanted), _) => cast(array, wanted)?,
        (Kind::Record(places), DataType::Struct(own)) => {
            let record = array.as_struct();
            let mut columns = Vec::with_capacity(places.len());
            for place in places {
                columns.push(match stored(place, own) {
                    Some((at, _)) => convert(&place.kind, record.column(at))?,
                    None => new_null_array(&place.kind.data_type(), array.len()),
                });
            }
            let fields = places.iter().map(|p| p.field()).collect();
            Arc::new(StructArray::try_new_with_length(fields, columns, record.nulls().cloned(), array.len())?)
        }
        (Kind::List(item), DataType::List(_)) => {
            let list = array.as_list::<i32>();
            let values = convert(item, list.values())?;
            let field = Arc::new(Field::new("item", item.data_type(), true));
            Arc::new(ListArray::try_new(field, list.offsets().clone(), values, list.nulls().cloned())?)
        }
        (kind, _) => new_null_array(&kind.data_type(), array.len()),
    })
}

/// The same values with null instead of NaN, at any depth: a number that nobody knows, as everywhere in SQL.
pub(crate) fn known(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Float32 => Arc::new(nan_to_null::<Float32Type>(array, |v| v.is_nan())),
        DataType::Float64 => Arc::new(nan_to_null::<Float64Type>(array, |v| v.is_nan())),
        DataType::Struct(fields) if may_hold_nan(array.data_type()) => {
            let record = array.as_struct();
            let columns = record.columns().iter().map(known).collect::<Result<Vec<_>>>()?;
            Arc::new(StructArray::try_new_with_length(fields.clone(), columns, record.nulls().cloned(), record.len())?)
        }
        DataType::List(field) if may_hold_nan(array.data_type()) => {
            let list = array.as_list::<i32>();
            let values = known(list.values())?;
            Arc::new(ListArray::try_new(Arc::clone(field), list.offsets().clone(), values, list.nulls().cloned())?)
        }
        DataType::Map(field, sorted) if may_hold_nan(array.data_type()) => {
            let map = array.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let entries = known(&entries)?.as_struct().clone();
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            Arc::new(MapArray::try_new(Arc::clone(field), offsets, entries, nulls, *sorted)?)
        }
        _ => Arc::clone(array),
    })
}

/// True if values of a type can have NaN in them.
pub(crate) fn may_hold_nan(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float32 | DataType::Float64 => true,
        DataType::Struct(fields) => fields.iter().any(|f| may_hold_nan(f.data_type())),
        DataType::List(item) | DataType::Map(item, _) => may_hold_nan(item.data_type()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float32Array, Float64Array, Int32Array};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::Fields;

    use super::*;

    #[test]
    fn what_is_not_a_number_is_null_at_any_depth() {
        let singles: ArrayRef = Arc::new(Float32Array::from(vec![Some(1.0), None, Some(f32::NAN)]));
        let doubles: ArrayRef = Arc::new(Float64Array::from(vec![f64::NAN, 2.0, f64::INFINITY]));
        let whole: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
        let field = |name: &str, of: &ArrayRef| Field::new(name, of.data_type().clone(), true);
        let fields = Fields::from(vec![field("s", &singles), field("n", &whole)]);
        let records: ArrayRef = Arc::new(StructArray::new(fields, vec![singles, whole], None));
        let item = Arc::new(field("item", &records));
        let list: ArrayRef = Arc::new(ListArray::new(item, OffsetBuffer::from_lengths([1, 0, 2]), records, None));
        let fields = Fields::from(vec![field("d", &doubles), field("l", &list)]);
        let record: ArrayRef = Arc::new(StructArray::new(fields, vec![doubles, list], None));
        let shown = known(&record).unwrap();
        assert_eq!(shown.data_type(), record.data_type());
        let doubles = shown.as_struct().column(0).as_primitive::<Float64Type>();
        assert_eq!(doubles.iter().collect::<Vec<_>>(), [None, Some(2.0), Some(f64::INFINITY)]);
        let list = shown.as_struct().column(1).as_list::<i32>();
        let singles = list.values().as_struct().column(0).as_primitive::<Float32Type>();
        assert_eq!(singles.iter().collect::<Vec<_>>(), [Some(1.0), None, None]);
        assert_eq!((list.value_length(1), list.value_length(2)), (0, 2));
    }
}
