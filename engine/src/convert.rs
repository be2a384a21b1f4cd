//! Turning what a file holds into what the table shows, by the names of fields.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StructArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_plan::PhysicalExpr;

use crate::merge::{Kind, stored};

/// Reads a record or list of a file as the table has it. Fields that the file lacks, or has with another meaning, are
/// null; one such field never spoils its neighbours.
#[derive(Debug, Clone, Eq)]
pub(crate) struct Convert {
    input: Arc<dyn PhysicalExpr>,
    kind: Kind,
}

impl Convert {
    pub(crate) fn new(input: Arc<dyn PhysicalExpr>, kind: Kind) -> Self {
        Self { input, kind }
    }
}

impl PartialEq for Convert {
    fn eq(&self, other: &Self) -> bool {
        self.input.eq(&other.input) && self.kind == other.kind
    }
}

impl Hash for Convert {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.input.hash(state);
        self.kind.hash(state);
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
        Ok(ColumnarValue::Array(convert(&self.kind, &array)?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.input]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        let input = children.pop().unwrap_or_else(|| Arc::clone(&self.input));
        Ok(Arc::new(Self::new(input, self.kind.clone())))
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
