//! What the functions take: columns, of which every row has its own value, and constants.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, StringArray};
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::ScalarValue;
use datafusion::error::{DataFusionError, Result};

/// What an argument is to a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// When a measurement was made.
    Time,
    /// What was measured.
    Value,
    /// Its standard error, above 0.
    Error,
    /// The band it was measured in.
    Band,
    /// A constant number.
    Number,
    /// A constant text: one of the two bands that are meant.
    Text,
}

impl Role {
    /// Whether it is the same for all rows.
    pub(super) fn constant(self) -> bool {
        matches!(self, Self::Number | Self::Text)
    }

    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Band | Self::Text => DataType::Utf8,
            Self::Time | Self::Value | Self::Error | Self::Number => DataType::Float64,
        }
    }
}

/// An argument, with its unit.
#[derive(Debug)]
pub(super) struct Argument {
    pub(super) name: &'static str,
    pub(super) role: Role,
    pub(super) about: &'static str,
}

pub(super) const TIME: Argument = Argument { name: "time", role: Role::Time, about: "days, such as an MJD" };
pub(super) const VALUE: Argument =
    Argument { name: "x", role: Role::Value, about: "what was measured, in any unit: a flux, a magnitude" };
pub(super) const ERROR: Argument =
    Argument { name: "err", role: Role::Error, about: "the standard error of x, in the unit of x, above 0" };

/// One row that counts. What a function does not take is 0, and the error 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) time: f64,
    pub(super) value: f64,
    pub(super) error: f64,
    /// Whether it was measured in the second of two bands.
    pub(super) second: bool,
}

impl Point {
    const NONE: Self = Self { time: 0.0, value: 0.0, error: 1.0, second: false };

    /// The weight of its value: one over the square of the error.
    pub(super) fn weight(&self) -> f64 {
        1.0 / (self.error * self.error)
    }

    /// By time, and what was measured at the same time by what was measured: no two different points are equal, so
    /// that the order in which rows come does not matter.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        self.time
            .total_cmp(&other.time)
            .then_with(|| self.value.total_cmp(&other.value))
            .then_with(|| self.error.total_cmp(&other.error))
            .then_with(|| self.second.cmp(&other.second))
    }
}

/// What the points of a call do not say: its constants, in their order, and whether it is given errors.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Options {
    pub(super) errors: bool,
    pub(super) numbers: Vec<f64>,
    pub(super) texts: Vec<String>,
}

impl Options {
    /// Takes the next constant.
    pub(super) fn take(&mut self, function: &str, argument: &Argument, value: &ScalarValue) -> Result<()> {
        let wanted = |what| DataFusionError::Plan(format!("{} of {function} must be {what}", argument.name));
        if argument.role == Role::Text {
            let text = value.try_as_str().flatten().ok_or_else(|| wanted("a text"))?;
            self.texts.push(text.to_owned());
            return Ok(());
        }
        match value.cast_to(&DataType::Float64)? {
            ScalarValue::Float64(Some(number)) if number.is_finite() => self.numbers.push(number),
            _ => return Err(wanted("a finite number")),
        }
        Ok(())
    }

    pub(super) fn number(&self, at: usize) -> Option<f64> {
        self.numbers.get(at).copied()
    }
}

/// Where the arguments that make a point stand, and how a point is kept as numbers.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    columns: Vec<(usize, Role)>,
    bands: Vec<String>,
}

impl Layout {
    pub(super) fn new(form: &[Argument], options: &Options) -> Self {
        let columns = form.iter().map(|a| a.role).enumerate().filter(|(_, role)| !role.constant()).collect();
        Self { columns, bands: options.texts.clone() }
    }

    /// The columns, in their order.
    pub(super) fn roles(&self) -> impl Iterator<Item = Role> {
        self.columns.iter().map(|(_, role)| *role)
    }

    /// Numbers that keep a point.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn pack(&self, point: &Point, out: &mut Vec<f64>) {
        out.extend(self.columns.iter().map(|(_, role)| match role {
            Role::Time => point.time,
            Role::Error => point.error,
            Role::Band => f64::from(u8::from(point.second)),
            Role::Value | Role::Number | Role::Text => point.value,
        }));
    }

    pub(super) fn unpack(&self, numbers: &[f64]) -> Vec<Point> {
        let point = |packed: &[f64]| {
            let mut point = Point::NONE;
            for ((_, role), number) in self.columns.iter().zip(packed) {
                point.set(*role, *number);
            }
            point
        };
        numbers.chunks_exact(self.width()).map(point).collect()
    }

    /// Reads points from the arguments of a batch.
    pub(super) fn reader<'a>(&'a self, arguments: &'a [ArrayRef]) -> Result<Reader<'a>> {
        let missing = || DataFusionError::Internal("arguments are numbers and text".into());
        let column = |(at, role): &(usize, Role)| {
            let array = arguments.get(*at)?;
            Some(match role {
                Role::Band => Column::Texts(array.as_string_opt()?),
                role => Column::Numbers(*role, array.as_primitive_opt::<Float64Type>()?),
            })
        };
        let columns = self.columns.iter().map(|c| column(c).ok_or_else(missing)).collect::<Result<_>>()?;
        Ok(Reader { columns, bands: &self.bands })
    }
}

impl Point {
    fn set(&mut self, role: Role, number: f64) {
        match role {
            Role::Time => self.time = number,
            Role::Error => self.error = number,
            Role::Band => self.second = number != 0.0,
            Role::Value | Role::Number | Role::Text => self.value = number,
        }
    }
}

enum Column<'a> {
    Numbers(Role, &'a Float64Array),
    Texts(&'a StringArray),
}

/// The points of a batch.
pub(super) struct Reader<'a> {
    columns: Vec<Column<'a>>,
    bands: &'a [String],
}

impl Reader<'_> {
    /// The point of a row; `None` if a column is null, not a number or infinite, an error is not above 0, or the band
    /// is none of the two that are meant.
    pub(super) fn point(&self, row: usize) -> Option<Point> {
        let mut point = Point::NONE;
        for column in &self.columns {
            match column {
                Column::Numbers(role, values) => {
                    if values.is_null(row) {
                        return None;
                    }
                    // There are two zeros, which count as one.
                    let number = values.value(row) + 0.0;
                    if !number.is_finite() || (*role == Role::Error && number <= 0.0) {
                        return None;
                    }
                    point.set(*role, number);
                }
                Column::Texts(values) => {
                    if values.is_null(row) {
                        return None;
                    }
                    let band = values.value(row);
                    point.second = self.bands.iter().position(|known| known == band)? == 1;
                }
            }
        }
        Some(point)
    }
}
