//! Columns back to the bytes of Avro.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, FixedSizeBinaryArray, RecordBatch, StringArray,
};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int32Type, Int64Type, Time32MillisecondType, Time64MicrosecondType,
    TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
};

use crate::columns::Columns;
use crate::cursor::put_long;
use crate::reason::{Reason, Rejection};
use crate::schema::{NodeId, Schema, Shape};

/// Writes rows of [`Decoder::exact`](crate::decode::Decoder::exact) as the records they were.
///
/// The usual way of writing is assumed: lists in one block, numbers in as few bytes as they take. A record that was
/// written otherwise comes out with the same values and other bytes.
#[derive(Debug)]
pub struct RecordEncoder {
    fields: Vec<Encode>,
}

impl RecordEncoder {
    /// Prepares to write rows of a batch as the records at a node of a schema.
    ///
    /// # Errors
    /// [`Reason::NotColumns`] if the columns are not those of the records, or cannot tell all of their values apart.
    pub fn new(schema: &Schema, record: NodeId, batch: &RecordBatch) -> Result<Self, Rejection> {
        let Shape::Record(fields) = &schema.node(record).shape else {
            return Err(Rejection::new(Reason::NotColumns, "not a record").under(schema.label()));
        };
        let fields = fields
            .iter()
            .map(|field| {
                let encode = Encode::new(schema, field.node, batch.column_by_name(&Columns::path(&field.name)));
                encode.ok_or_else(|| {
                    let what = "cannot be written from columns";
                    Rejection::new(Reason::NotColumns, what)
                        .in_field(&*schema.node(field.node).path)
                        .under(schema.label())
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { fields })
    }

    /// Appends a row.
    pub fn put(&self, row: usize, out: &mut Vec<u8>) {
        for field in &self.fields {
            field.put(row, out);
        }
    }
}

/// How the values of a place are written.
#[derive(Debug)]
enum Encode {
    /// No bytes.
    Nothing,
    Boolean(BooleanArray),
    Int(ScalarBuffer<i32>),
    Long(ScalarBuffer<i64>),
    Float(ScalarBuffer<f32>),
    Double(ScalarBuffer<f64>),
    Bytes(BinaryArray),
    Text(StringArray),
    Fixed(FixedSizeBinaryArray),
    Symbol(StringArray, Box<[Box<str>]>),
    Record(Vec<Encode>),
    List(ScalarBuffer<i32>, Box<Encode>),
    Map(ScalarBuffer<i32>, StringArray, Box<Encode>),
    /// A union of null and one other type: which of the two is null.
    Nullable(Option<NullBuffer>, bool, Box<Encode>),
    /// A union of several types: for each branch its values, and where it is the one; null has none.
    Union(Vec<Option<(ArrayRef, Encode)>>),
}

impl Encode {
    /// `None` if the column is not one of this place, or does not say all.
    fn new(schema: &Schema, id: NodeId, column: Option<&ArrayRef>) -> Option<Self> {
        let (value, nullable) = schema.unwrap_nullable(id);
        if nullable {
            let Shape::Union(branches) = &schema.node(id).shape else { return None };
            let first_is_null = branches.first() != Some(&value);
            let column = column?;
            let inner = Self::new(schema, value, Some(column))?;
            return Some(Self::Nullable(column.nulls().cloned(), first_is_null, Box::new(inner)));
        }
        let shape = &schema.node(id).shape;
        if matches!(shape, Shape::Null) {
            return Some(Self::Nothing);
        }
        let column = column?;
        Some(match shape {
            Shape::Boolean => Self::Boolean(column.as_boolean_opt()?.clone()),
            Shape::Int => Self::Int(match column.data_type() {
                DataType::Int32 => column.as_primitive_opt::<Int32Type>()?.values().clone(),
                DataType::Date32 => column.as_primitive_opt::<Date32Type>()?.values().clone(),
                _ => column.as_primitive_opt::<Time32MillisecondType>()?.values().clone(),
            }),
            Shape::Long => Self::Long(match column.data_type() {
                DataType::Int64 => column.as_primitive_opt::<Int64Type>()?.values().clone(),
                DataType::Time64(_) => column.as_primitive_opt::<Time64MicrosecondType>()?.values().clone(),
                DataType::Timestamp(TimeUnit::Millisecond, _) => {
                    column.as_primitive_opt::<TimestampMillisecondType>()?.values().clone()
                }
                _ => column.as_primitive_opt::<TimestampMicrosecondType>()?.values().clone(),
            }),
            Shape::Float => Self::Float(column.as_primitive_opt::<Float32Type>()?.values().clone()),
            Shape::Double => Self::Double(column.as_primitive_opt::<Float64Type>()?.values().clone()),
            Shape::Bytes => Self::Bytes(column.as_binary_opt::<i32>()?.clone()),
            Shape::String => Self::Text(column.as_string_opt::<i32>()?.clone()),
            Shape::Fixed(_) => Self::Fixed(column.as_fixed_size_binary_opt()?.clone()),
            Shape::Enum(symbols) => Self::Symbol(column.as_string_opt::<i32>()?.clone(), symbols.clone()),
            Shape::Array(item) => {
                let list = column.as_list_opt::<i32>()?;
                let item = Self::new(schema, *item, Some(list.values()))?;
                Self::List(list.offsets().inner().clone(), Box::new(item))
            }
            Shape::Map(value) => {
                let map = column.as_map_opt()?;
                let value = Self::new(schema, *value, Some(map.values()))?;
                Self::Map(map.offsets().inner().clone(), map.keys().as_string_opt::<i32>()?.clone(), Box::new(value))
            }
            Shape::Record(fields) => {
                let record = column.as_struct_opt()?;
                let field = |f: &crate::schema::Field| Self::new(schema, f.node, record.column_by_name(&f.name));
                Self::Record(fields.iter().map(field).collect::<Option<_>>()?)
            }
            Shape::Union(branches) => {
                let union = column.as_struct_opt()?;
                // One column for each branch that holds something, in their order.
                let mut columns = union.columns().iter();
                let branches = branches.iter().map(|branch| {
                    if matches!(schema.node(*branch).shape, Shape::Null) {
                        return Some(None);
                    }
                    let column = columns.next()?;
                    Some(Some((Arc::clone(column), Self::new(schema, *branch, Some(column))?)))
                });
                let branches = branches.collect::<Option<Vec<_>>>()?;
                if columns.next().is_some() {
                    return None;
                }
                Self::Union(branches)
            }
            Shape::Null | Shape::Recursion(_) => return None,
        })
    }

    fn put(&self, row: usize, out: &mut Vec<u8>) {
        match self {
            Self::Nothing => {}
            Self::Boolean(values) => out.push(values.value(row).into()),
            Self::Int(values) => put_long(out, values[row].into()),
            Self::Long(values) => put_long(out, values[row]),
            Self::Float(values) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::Double(values) => out.extend_from_slice(&values[row].to_le_bytes()),
            Self::Bytes(values) => put_counted(out, values.value(row)),
            Self::Text(values) => put_counted(out, values.value(row).as_bytes()),
            Self::Fixed(values) => out.extend_from_slice(values.value(row)),
            Self::Symbol(values, symbols) => {
                // A symbol that the schema has not got cannot have come from it.
                let symbol = symbols.iter().position(|s| **s == *values.value(row)).unwrap_or(symbols.len());
                put_long(out, symbol as i64);
            }
            Self::Record(fields) => fields.iter().for_each(|field| field.put(row, out)),
            Self::List(offsets, item) => {
                for index in items(offsets, row, out) {
                    item.put(index, out);
                }
                out.push(0);
            }
            Self::Map(offsets, keys, value) => {
                for index in items(offsets, row, out) {
                    put_counted(out, keys.value(index).as_bytes());
                    value.put(index, out);
                }
                out.push(0);
            }
            Self::Nullable(nulls, first_is_null, value) => {
                let is_null = nulls.as_ref().is_some_and(|nulls| nulls.is_null(row));
                // Zigzag of 0 and 1.
                out.push(if is_null == *first_is_null { 0 } else { 2 });
                if !is_null {
                    value.put(row, out);
                }
            }
            Self::Union(branches) => {
                let holds = |b: &Option<(ArrayRef, Self)>| b.as_ref().is_some_and(|(column, _)| column.is_valid(row));
                let branch = branches.iter().position(holds).or_else(|| branches.iter().position(Option::is_none));
                put_long(out, branch.unwrap_or(branches.len()) as i64);
                if let Some(Some((_, value))) = branch.and_then(|branch| branches.get(branch)) {
                    value.put(row, out);
                }
            }
        }
    }
}

/// The items of a list, whose number is written where there are any.
fn items(offsets: &ScalarBuffer<i32>, row: usize, out: &mut Vec<u8>) -> std::ops::Range<usize> {
    let (from, to) = (offsets[row], offsets[row + 1]);
    if to > from {
        put_long(out, i64::from(to - from));
    }
    // Offsets are not negative.
    from as usize..to as usize
}

fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}
