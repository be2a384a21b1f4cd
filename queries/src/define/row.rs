//! The values that a function is called with.

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, ListArray, StringArray, TimestampMicrosecondArray,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Float64Type, Int64Type, TimestampMicrosecondType};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;

use super::Takes;

/// An argument with its values.
pub(super) struct Column {
    values: Values,
    takes: Takes,
    /// It has one value, for all rows.
    constant: bool,
}

enum Values {
    Number(Float64Array),
    Whole(Int64Array),
    Numbers(ListArray),
    Text(StringArray),
    Moment(TimestampMicrosecondArray),
}

impl Column {
    /// The values of an argument. What cannot be brought to its type is null.
    ///
    /// # Errors
    /// When it is of a type that has nothing to do with it.
    pub(super) fn new(given: &ColumnarValue, takes: Takes) -> Result<Self> {
        let (array, constant) = match given {
            ColumnarValue::Array(array) => (ArrayRef::clone(array), false),
            ColumnarValue::Scalar(scalar) => (scalar.to_array()?, true),
        };
        let array = cast_with_options(&array, &takes.data_type(), &CastOptions::default())?;
        let values = match takes {
            Takes::Number { .. } => array.as_primitive_opt::<Float64Type>().cloned().map(Values::Number),
            Takes::Whole { .. } => array.as_primitive_opt::<Int64Type>().cloned().map(Values::Whole),
            Takes::Numbers => array.as_list_opt::<i32>().cloned().map(Values::Numbers),
            Takes::Text => array.as_string_opt::<i32>().cloned().map(Values::Text),
            Takes::Moment => array.as_primitive_opt::<TimestampMicrosecondType>().cloned().map(Values::Moment),
        };
        let values =
            values.ok_or_else(|| DataFusionError::Internal(format!("{takes:?} is no {}", array.data_type())))?;
        Ok(Self { values, takes, constant })
    }

    fn at(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        let row = self.at(row);
        match &self.values {
            Values::Number(values) => values.is_null(row),
            Values::Whole(values) => values.is_null(row),
            Values::Numbers(values) => values.is_null(row),
            Values::Text(values) => values.is_null(row),
            Values::Moment(values) => values.is_null(row),
        }
    }

    /// True if a row has the value of the row before it.
    pub(super) fn repeats(&self, row: usize) -> bool {
        let Some(before) = row.checked_sub(1) else { return false };
        if self.constant {
            return true;
        }
        if self.is_null(row) || self.is_null(before) {
            return self.is_null(row) && self.is_null(before);
        }
        match &self.values {
            Values::Number(values) => values.value(row).to_bits() == values.value(before).to_bits(),
            Values::Whole(values) => values.value(row) == values.value(before),
            Values::Numbers(values) => values.value(row) == values.value(before),
            Values::Text(values) => values.value(row) == values.value(before),
            Values::Moment(values) => values.value(row) == values.value(before),
        }
    }

    /// The number as it was given, whether it makes sense or not.
    pub(super) fn raw_number(&self, row: usize) -> Option<f64> {
        let Values::Number(values) = &self.values else { return None };
        (!self.is_null(row)).then(|| values.value(self.at(row)))
    }

    /// The whole number as it was given.
    pub(super) fn raw_whole(&self, row: usize) -> Option<i64> {
        let Values::Whole(values) = &self.values else { return None };
        (!self.is_null(row)).then(|| values.value(self.at(row)))
    }
}

/// The arguments of one row.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    columns: &'a [Column],
    at: usize,
}

impl<'a> Row<'a> {
    pub(super) fn new(columns: &'a [Column], at: usize) -> Self {
        Self { columns, at }
    }

    /// How many arguments there are.
    pub(crate) fn len(self) -> usize {
        self.columns.len()
    }

    /// A number; `None` if it is null, not finite or out of the argument's range.
    pub(crate) fn number(self, argument: usize) -> Option<f64> {
        let column = self.columns.get(argument)?;
        let Takes::Number { low, high } = column.takes else { return None };
        column.raw_number(self.at).filter(|v| v.is_finite() && (low..=high).contains(v))
    }

    /// A number that may be left out of a call.
    pub(crate) fn number_or(self, argument: usize, otherwise: f64) -> Option<f64> {
        if argument < self.len() { self.number(argument) } else { Some(otherwise) }
    }

    /// The first arguments, all numbers.
    pub(crate) fn numbers<const N: usize>(self) -> Option<[f64; N]> {
        let mut numbers = [0.0; N];
        for (argument, number) in numbers.iter_mut().enumerate() {
            *number = self.number(argument)?;
        }
        Some(numbers)
    }

    /// A whole number; `None` if it is null or out of the argument's range.
    pub(crate) fn whole(self, argument: usize) -> Option<i64> {
        let column = self.columns.get(argument)?;
        let Takes::Whole { low, high } = column.takes else { return None };
        column.raw_whole(self.at).filter(|v| (low..=high).contains(v))
    }

    /// The numbers of a list; `None` if it is null or one of them is null or not finite.
    pub(crate) fn list(self, argument: usize) -> Option<Vec<f64>> {
        let column = self.columns.get(argument)?;
        let Values::Numbers(lists) = &column.values else { return None };
        if column.is_null(self.at) {
            return None;
        }
        let list = lists.value(column.at(self.at));
        list.as_primitive_opt::<Float64Type>()?.iter().map(|v| v.filter(|v| v.is_finite())).collect()
    }

    /// A text.
    pub(crate) fn text(self, argument: usize) -> Option<&'a str> {
        let column = self.columns.get(argument)?;
        let Values::Text(values) = &column.values else { return None };
        (!column.is_null(self.at)).then(|| values.value(column.at(self.at)))
    }

    /// A timestamp in microseconds since 1970-01-01, UTC.
    pub(crate) fn moment(self, argument: usize) -> Option<i64> {
        let column = self.columns.get(argument)?;
        let Values::Moment(values) = &column.values else { return None };
        (!column.is_null(self.at)).then(|| values.value(column.at(self.at)))
    }
}
