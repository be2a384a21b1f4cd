//! How functions of SQL are defined: as rows of a table.
//!
//! A [`Definition`] says what a function is called, what it takes and what it gives. What all functions have in common
//! follows from it: types, documentation, and what becomes of an argument that cannot be right. In a column it is null,
//! like one that is missing, because one bad row must not cost the answer. Written into the question it is a mistake,
//! and the question is refused before anything is read.

mod call;
mod row;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF};
use noctuary_engine::{Extent, MakeExtent};

pub(crate) use row::Row;

/// What is wrong with a region.
pub(crate) type Wrong = Box<dyn std::error::Error + Send + Sync>;

/// A region, made of the arguments that name it; `None` if one of them is null, or of no sense in its column.
pub(crate) type Made = Result<Option<Box<dyn Region>>, Wrong>;

/// A part of the sky.
pub(crate) trait Region {
    /// True if a point lies in it; in degrees, the declination between -90 and 90.
    fn holds(&self, ra: f64, dec: f64) -> bool;

    /// Where it can be; `None` if nothing is known of that.
    fn extent(&self) -> Option<Extent>;
}

/// What an argument may be. Ends are included.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Takes {
    /// A finite number.
    Number { low: f64, high: f64 },
    /// A whole number.
    Whole { low: i64, high: i64 },
    /// A list of finite numbers.
    Numbers,
    /// A text.
    Text,
    /// A timestamp in UTC.
    Moment,
}

/// The time zone of timestamps.
pub(crate) const UTC: &str = "UTC";

impl Takes {
    /// The type that values are brought to.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Number { .. } => DataType::Float64,
            Self::Whole { .. } => DataType::Int64,
            Self::Numbers => DataType::List(Arc::new(Field::new_list_field(DataType::Float64, true))),
            Self::Text => DataType::Utf8,
            Self::Moment => DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into())),
        }
    }

    /// True for types whose values can be brought to [`Takes::data_type`] without a row that fails.
    fn accepts(self, given: &DataType) -> bool {
        let list = |t: &DataType| match t {
            DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) => {
                f.data_type().is_numeric() || f.data_type().is_null()
            }
            _ => false,
        };
        given.is_null()
            || match self {
                Self::Number { .. } => given.is_numeric(),
                Self::Whole { .. } => given.is_integer(),
                Self::Numbers => list(given),
                Self::Text => given.is_string(),
                Self::Moment => {
                    matches!(given, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64) || given.is_string()
                }
            }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Number { .. } => "a number",
            Self::Whole { .. } => "a whole number",
            Self::Numbers => "an array of numbers",
            Self::Text => "a text",
            Self::Moment => "a timestamp",
        }
    }
}

/// An argument of a function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Argument {
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    /// What it means, with its unit.
    pub(crate) about: &'static str,
    /// Where it is written into a question it has to be finite: no answer would ever be anything but null.
    pub(crate) firm: bool,
}

impl Argument {
    const fn new(name: &'static str, takes: Takes, about: &'static str) -> Self {
        Self { name, takes, about, firm: false }
    }

    /// Any finite number.
    pub(crate) const fn number(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Takes::Number { low: f64::NEG_INFINITY, high: f64::INFINITY }, about)
    }

    /// A finite number from `low` to `high`.
    pub(crate) const fn between(name: &'static str, low: f64, high: f64, about: &'static str) -> Self {
        Self::new(name, Takes::Number { low, high }, about)
    }

    /// A whole number from `low` to `high`.
    pub(crate) const fn whole(name: &'static str, low: i64, high: i64, about: &'static str) -> Self {
        Self::new(name, Takes::Whole { low, high }, about)
    }

    pub(crate) const fn numbers(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Takes::Numbers, about)
    }

    pub(crate) const fn text(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Takes::Text, about)
    }

    pub(crate) const fn moment(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Takes::Moment, about)
    }

    /// The same, but what is not finite is a mistake where it is written into a question.
    pub(crate) const fn firm(self) -> Self {
        Self { firm: true, ..self }
    }
}

/// What makes the result of a row. `None` is null.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Compute {
    /// A number; null where it is not finite.
    Number(fn(Row<'_>) -> Option<f64>),
    /// A whole number.
    Whole(fn(Row<'_>) -> Option<i64>),
    /// A timestamp: microseconds since 1970-01-01 in UTC.
    Moment(fn(Row<'_>) -> Option<i64>),
    /// A date: days since 1970-01-01.
    Date(fn(Row<'_>) -> Option<i32>),
    /// Whether the point of the first two arguments lies in the region of all others.
    Inside(fn(Row<'_>) -> Made),
}

impl Compute {
    fn data_type(self) -> DataType {
        match self {
            Self::Inside(_) => DataType::Boolean,
            Self::Number(_) => DataType::Float64,
            Self::Whole(_) => DataType::Int64,
            Self::Moment(_) => Takes::Moment.data_type(),
            Self::Date(_) => DataType::Date32,
        }
    }
}

/// A function of SQL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    /// Another name for the same.
    pub(crate) alias: Option<&'static str>,
    /// What it takes: one or several lists of arguments, each of another length, in order of length.
    pub(crate) forms: &'static [&'static [Argument]],
    /// More pairs like the last one of the longest form may follow.
    pub(crate) pairs: bool,
    pub(crate) compute: Compute,
    /// What it gives, with unit and range.
    pub(crate) gives: &'static str,
}

impl Definition {
    pub(crate) const fn new(
        name: &'static str,
        forms: &'static [&'static [Argument]],
        compute: Compute,
        gives: &'static str,
    ) -> Self {
        Self { name, alias: None, forms, pairs: false, compute, gives }
    }

    /// The same under another name too.
    pub(crate) const fn or(self, alias: &'static str) -> Self {
        Self { alias: Some(alias), ..self }
    }

    /// The same, but more pairs like the last may follow.
    pub(crate) const fn with_more_pairs(self) -> Self {
        Self { pairs: true, ..self }
    }

    /// The function for DataFusion.
    pub(crate) fn function(&'static self) -> ScalarUDF {
        ScalarUDF::from(call::Function::new(self))
    }

    /// How the region that a call names is found before anything is read; `None` for what is no region.
    pub(crate) fn extent(&'static self) -> Option<MakeExtent> {
        let Compute::Inside(make) = self.compute else { return None };
        Some(Arc::new(move |region| {
            let form = self.arguments(region.len() + 2)?;
            let point = [ScalarValue::Null, ScalarValue::Null];
            let values = point.into_iter().chain(region.iter().cloned()).map(ColumnarValue::Scalar);
            let columns = form.iter().zip(values).map(|(argument, value)| row::Column::new(&value, argument.takes));
            make(Row::new(&columns.collect::<Result<Vec<_>, _>>().ok()?, 0)).ok()??.extent()
        }))
    }

    /// The longest list of arguments.
    fn longest(&self) -> &'static [Argument] {
        self.forms.last().copied().unwrap_or_default()
    }

    /// The arguments of a call with so many, by number; `None` if it cannot have so many.
    fn arguments(&self, count: usize) -> Option<Vec<Argument>> {
        if let Some(form) = self.forms.iter().find(|form| form.len() == count) {
            return Some(form.to_vec());
        }
        let longest = self.longest();
        let more = count.checked_sub(longest.len()).filter(|more| self.pairs && more.is_multiple_of(2))?;
        let pair = longest.get(longest.len().checked_sub(2)?..)?;
        Some(longest.iter().chain(pair.iter().cycle().take(more)).copied().collect())
    }

    /// The name of an argument of a call; pairs that follow are counted on: after `ra3`, `dec3` come `ra4`, `dec4`.
    fn argument_name(&self, form: &[Argument], at: usize) -> String {
        let name = form.get(at).map_or("", |argument| argument.name);
        let Some(beyond) = at.checked_sub(self.longest().len()) else { return name.to_owned() };
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let last: usize = name[stem.len()..].parse().unwrap_or_default();
        format!("{stem}{}", last + 1 + beyond / 2)
    }

    /// How calls look: `cone(ra, dec, ra0, dec0, radius)`, every form of it.
    pub(crate) fn usages(&self) -> Vec<String> {
        let names = |form: &[Argument]| form.iter().map(|a| a.name).collect::<Vec<_>>().join(", ");
        let more = |form: &[Argument]| if self.pairs && form.len() == self.longest().len() { ", ..." } else { "" };
        self.forms.iter().map(|form| format!("{}({}{})", self.name, names(form), more(form))).collect()
    }
}
