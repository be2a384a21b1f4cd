//! The columns that a packet becomes: its own records, lists and fields as Arrow structs, lists and values.
//!
//! Differences from what was sent, all of them in the columns only and never in the bytes:
//! - NaN is null. LSST sends NaN for "unknown"; in SQL `NaN > x` would be true.
//! - Every column may be null, whatever the writer promised, so that versions can be merged.
//! - An enum is its symbol as text. A union of several types is a struct with one field per type.
//! - A field of the packet itself whose name begins with `_` has one more `_` in front: one is for the keys that the
//!   archive adds.
//! - Cutouts are left out: they are images, not columns, and are taken from the packet itself.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, ListArray, MapArray, PrimitiveArray, StructArray, UInt32Array, UnionArray,
};
use arrow::buffer::NullBuffer;
use arrow::compute::{cast, take};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field as ArrowField, Fields, Float32Type, Float64Type, TimeUnit};
use arrow::error::ArrowError;

use crate::schema::{NodeId, Schema, Shape};

/// The columns of one schema.
#[derive(Debug, Clone)]
pub struct Columns {
    schema: Arc<Schema>,
    /// The record whose fields they are.
    root: NodeId,
    left_out: Box<[bool]>,
    /// NaN stays NaN.
    exact: bool,
}

impl Columns {
    /// Plans the columns of a schema without those at the nodes `left_out`.
    #[must_use]
    pub fn new(schema: &Arc<Schema>, left_out: &[NodeId]) -> Self {
        let mut skip = vec![false; schema.len()];
        for node in left_out {
            skip[node.index()] = true;
        }
        Self { schema: Arc::clone(schema), root: NodeId::ROOT, left_out: skip.into(), exact: false }
    }

    /// Plans the columns of the records at a node, from which they can be written again: NaN stays NaN.
    #[must_use]
    pub fn exact(schema: &Arc<Schema>, record: NodeId) -> Self {
        Self { root: record, exact: true, ..Self::new(schema, &[]) }
    }

    /// The record whose fields they are.
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    /// Name and type of each column, in the writer's order.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let fields = self.record_fields(self.root);
        fields.iter().map(|f| f.as_ref().clone().with_name(Self::path(f.name()))).collect()
    }

    /// Where the columns have what is found at a dotted path of the packet.
    #[must_use]
    pub fn path(field: &str) -> Cow<'_, str> {
        if field.starts_with('_') { format!("_{field}").into() } else { field.into() }
    }

    fn record_fields(&self, record: NodeId) -> Fields {
        let Shape::Record(fields) = &self.schema.node(record).shape else { return Fields::empty() };
        fields.iter().filter_map(|f| Some(ArrowField::new(&*f.name, self.data_type(f.node)?, true))).collect()
    }

    /// The Arrow type at a node; `None` if nothing is kept there.
    fn data_type(&self, id: NodeId) -> Option<DataType> {
        let (id, _) = self.schema.unwrap_nullable(id);
        if self.left_out[id.index()] {
            return None;
        }
        let node = self.schema.node(id);
        Some(match &node.shape {
            // A column of nothing carries nothing.
            Shape::Null | Shape::Recursion(_) => return None,
            Shape::Boolean => DataType::Boolean,
            Shape::Int => match node.logical.as_deref() {
                Some("date") => DataType::Date32,
                Some("time-millis") => DataType::Time32(TimeUnit::Millisecond),
                _ => DataType::Int32,
            },
            Shape::Long => match node.logical.as_deref() {
                Some("time-micros") => DataType::Time64(TimeUnit::Microsecond),
                Some("timestamp-millis") => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
                Some("timestamp-micros") => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                Some("local-timestamp-millis") => DataType::Timestamp(TimeUnit::Millisecond, None),
                Some("local-timestamp-micros") => DataType::Timestamp(TimeUnit::Microsecond, None),
                _ => DataType::Int64,
            },
            Shape::Float => DataType::Float32,
            Shape::Double => DataType::Float64,
            Shape::Bytes => DataType::Binary,
            Shape::Fixed(size) => DataType::FixedSizeBinary(i32::try_from(*size).ok()?),
            Shape::String | Shape::Enum(_) => DataType::Utf8,
            Shape::Array(item) => DataType::List(Arc::new(ArrowField::new("item", self.data_type(*item)?, true))),
            Shape::Map(value) => {
                let entry = Fields::from(vec![
                    ArrowField::new("key", DataType::Utf8, false),
                    ArrowField::new("value", self.data_type(*value)?, true),
                ]);
                DataType::Map(Arc::new(ArrowField::new("entries", DataType::Struct(entry), false)), false)
            }
            Shape::Union(branches) => {
                let fields = self.union_fields(branches);
                if fields.is_empty() {
                    return None;
                }
                DataType::Struct(fields)
            }
            Shape::Record(_) => {
                let fields = self.record_fields(id);
                // Parquet has no struct without fields.
                if fields.is_empty() {
                    return None;
                }
                DataType::Struct(fields)
            }
        })
    }

    /// One field per branch that holds something, named for its type.
    fn union_fields(&self, branches: &[NodeId]) -> Fields {
        let mut fields: Vec<ArrowField> = Vec::new();
        for branch in branches {
            let Some(data_type) = self.data_type(*branch) else { continue };
            let mut name = self.schema.type_name(*branch);
            if fields.iter().any(|f| *f.name() == name) {
                name = format!("{name}{}", fields.len());
            }
            fields.push(ArrowField::new(name, data_type, true));
        }
        fields.into()
    }

    /// Turns what arrow-avro decoded at a node into the column of [`Columns::fields`].
    ///
    /// # Errors
    /// When the decoded type is not what the schema says, which would be a fault in one of the two.
    pub(crate) fn convert(&self, id: NodeId, array: &ArrayRef) -> Result<Option<ArrayRef>, ArrowError> {
        let (id, _) = self.schema.unwrap_nullable(id);
        let Some(wanted) = self.data_type(id) else { return Ok(None) };
        let converted: ArrayRef = match &self.schema.node(id).shape {
            Shape::Float | Shape::Double if self.exact => Arc::clone(array),
            Shape::Float => Arc::new(nan_to_null::<Float32Type>(array, |v| v.is_nan())),
            Shape::Double => Arc::new(nan_to_null::<Float64Type>(array, |v| v.is_nan())),
            Shape::Array(item) => {
                let list = array.as_list::<i32>();
                let Some(values) = self.convert(*item, list.values())? else { return Ok(None) };
                let DataType::List(field) = &wanted else { return Err(unexpected(&wanted)) };
                Arc::new(ListArray::try_new(Arc::clone(field), list.offsets().clone(), values, list.nulls().cloned())?)
            }
            Shape::Map(value) => self.convert_map(*value, array.as_map(), &wanted)?,
            Shape::Record(fields) => {
                let record = array.as_struct();
                let mut columns = Vec::with_capacity(fields.len());
                for (field, column) in fields.iter().zip(record.columns()) {
                    columns.extend(self.convert(field.node, column)?);
                }
                let DataType::Struct(fields) = &wanted else { return Err(unexpected(&wanted)) };
                Arc::new(StructArray::try_new(fields.clone(), columns, record.nulls().cloned())?)
            }
            Shape::Union(branches) => self.convert_union(branches, array, &wanted)?,
            _ if *array.data_type() == wanted => Arc::clone(array),
            _ => cast(array, &wanted)?,
        };
        Ok(Some(converted))
    }

    fn convert_map(&self, value: NodeId, map: &MapArray, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
        let (DataType::Map(field, _), Some(values)) = (wanted, self.convert(value, map.values())?) else {
            return Err(unexpected(wanted));
        };
        let DataType::Struct(entry) = field.data_type() else { return Err(unexpected(wanted)) };
        let entries = StructArray::try_new(entry.clone(), vec![Arc::clone(map.keys()), values], None)?;
        let map = MapArray::try_new(Arc::clone(field), map.offsets().clone(), entries, map.nulls().cloned(), false)?;
        Ok(Arc::new(map))
    }

    fn convert_union(&self, branches: &[NodeId], array: &ArrayRef, wanted: &DataType) -> Result<ArrayRef, ArrowError> {
        let union: &UnionArray = array.as_any().downcast_ref().ok_or_else(|| unexpected(array.data_type()))?;
        let DataType::Struct(fields) = wanted else { return Err(unexpected(wanted)) };
        let mut columns = Vec::with_capacity(fields.len());
        for (index, branch) in branches.iter().enumerate() {
            if self.data_type(*branch).is_none() {
                continue;
            }
            let type_id = i8::try_from(index).map_err(|_| unexpected(wanted))?;
            let rows: UInt32Array = (0..union.len())
                .map(|row| {
                    (union.type_id(row) == type_id).then(|| u32::try_from(union.value_offset(row)).unwrap_or(u32::MAX))
                })
                .collect();
            let values = take(union.child(type_id), &rows, None)?;
            columns.push(self.convert(*branch, &values)?.ok_or_else(|| unexpected(wanted))?);
        }
        let filled = NullBuffer::from_iter((0..union.len()).map(|row| columns.iter().any(|c| c.is_valid(row))));
        Ok(Arc::new(StructArray::try_new(fields.clone(), columns, Some(filled))?))
    }
}

/// The same numbers with null in place of those that are not known.
///
/// # Panics
/// If the array is not of that type.
pub fn nan_to_null<T: ArrowPrimitiveType>(array: &ArrayRef, is_nan: impl Fn(T::Native) -> bool) -> PrimitiveArray<T> {
    let values = array.as_primitive::<T>();
    if !values.values().iter().any(|v| is_nan(*v)) {
        return values.clone();
    }
    let known = NullBuffer::from_iter(values.values().iter().map(|v| !is_nan(*v)));
    let nulls = NullBuffer::union(values.nulls(), Some(&known));
    PrimitiveArray::new(values.values().clone(), nulls)
}

fn unexpected(data_type: &DataType) -> ArrowError {
    ArrowError::SchemaError(format!("a column decoded as {data_type}, which its schema does not say"))
}
