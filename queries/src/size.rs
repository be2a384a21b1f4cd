//! What rows take as they travel.
//!
//! Arrow itself tells of a slice by putting all of its columns together anew, which for records of hundreds of fields
//! takes longer than sending them.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, RecordBatch};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;

/// Bytes of all rows of a batch: of a slice its own rows, not those of the whole that it is a slice of.
#[must_use]
pub fn of_batch(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| of(column, 0..batch.num_rows())).sum()
}

/// Bytes of some rows of a column: values, offsets and marks of what is null.
#[must_use]
pub fn of(column: &ArrayRef, rows: Range<usize>) -> usize {
    let nulls = if column.nulls().is_some() { rows.len().div_ceil(8) } else { 0 };
    nulls
        + match column.data_type() {
            DataType::Null => 0,
            DataType::Boolean => rows.len().div_ceil(8),
            DataType::Struct(_) => {
                column.as_struct().columns().iter().map(|field| of(field, rows.clone())).sum::<usize>()
            }
            DataType::List(_) => list(column.as_list::<i32>().values(), column.as_list::<i32>().offsets(), rows),
            DataType::LargeList(_) => list(column.as_list::<i64>().values(), column.as_list::<i64>().offsets(), rows),
            DataType::Utf8 => text(column.as_string::<i32>().offsets(), rows),
            DataType::LargeUtf8 => text(column.as_string::<i64>().offsets(), rows),
            DataType::Binary => text(column.as_binary::<i32>().offsets(), rows),
            DataType::LargeBinary => text(column.as_binary::<i64>().offsets(), rows),
            DataType::FixedSizeBinary(width) => rows.len() * usize::try_from(*width).unwrap_or_default(),
            other => match other.primitive_width() {
                Some(width) => rows.len() * width,
                None => {
                    let slice = column.slice(rows.start, rows.len());
                    slice.to_data().get_slice_memory_size().unwrap_or_else(|_| slice.get_buffer_memory_size())
                }
            },
        }
}

fn list<O: OffsetSizeTrait>(values: &ArrayRef, offsets: &OffsetBuffer<O>, rows: Range<usize>) -> usize {
    (rows.len() + 1) * size_of::<O>() + of(values, spanned(offsets, rows))
}

fn text<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>, rows: Range<usize>) -> usize {
    (rows.len() + 1) * size_of::<O>() + spanned(offsets, rows).len()
}

/// What the values of some rows are among all values.
fn spanned<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>, rows: Range<usize>) -> Range<usize> {
    let at = |row: usize| offsets.get(row).map_or(0, |offset| offset.as_usize());
    at(rows.start)..at(rows.end)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, FixedSizeBinaryArray, Float64Array, LargeBinaryArray, ListArray, StringArray, StructArray,
    };
    use arrow::datatypes::{Field, Int32Type};
    use arrow::ipc::writer::StreamWriter;

    use super::*;

    /// Of every kind of column, with and without nulls.
    fn columns(rows: usize) -> Vec<ArrayRef> {
        let some = |row: usize| row % 7 != 3;
        let numbers = (0..rows).map(|row| some(row).then_some(row as f64)).collect::<Float64Array>();
        let texts = (0..rows).map(|row| some(row).then(|| "x".repeat(row % 50))).collect::<StringArray>();
        let lists = (0..rows).map(|row| some(row).then(|| vec![Some(1); row % 20]));
        let record = StructArray::from(vec![
            (Arc::new(Field::new("a", DataType::Float64, true)), Arc::new(numbers.clone()) as ArrayRef),
            (Arc::new(Field::new("b", DataType::Utf8, true)), Arc::new(texts.clone()) as ArrayRef),
        ]);
        vec![
            Arc::new(numbers),
            Arc::new((0..rows).map(|row| Some(row % 2 == 0)).collect::<BooleanArray>()),
            Arc::new(texts),
            Arc::new((0..rows).map(|row| Some(vec![7_u8; row % 90])).collect::<LargeBinaryArray>()),
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)),
            Arc::new(FixedSizeBinaryArray::try_from_iter((0..rows).map(|_| [1_u8; 32])).unwrap()),
            Arc::new(record),
        ]
    }

    #[test]
    fn rows_take_what_they_take_on_the_way() {
        for (at, column) in columns(3_000).into_iter().enumerate() {
            let field = Field::new("c", column.data_type().clone(), true);
            let whole =
                RecordBatch::try_new(Arc::new(arrow::datatypes::Schema::new(vec![field])), vec![column]).unwrap();
            for (from, rows) in [(0, 3_000), (0, 1_000), (1_500, 1_000), (2_999, 1), (17, 2_000)] {
                let slice = whole.slice(from, rows);
                let mut sent = Vec::new();
                let mut writer = StreamWriter::try_new(&mut sent, &slice.schema()).unwrap();
                let header = writer.get_ref().len();
                writer.write(&slice).unwrap();
                let sent = writer.get_ref().len() - header;
                let told = of(slice.column(0), 0..rows);
                // What is told of a message itself is 64 bytes for each buffer, and a few hundred.
                assert!(told <= sent && sent <= told + 1_500, "column {at}, {rows} rows: {told} of {sent}");
            }
        }
    }
}
