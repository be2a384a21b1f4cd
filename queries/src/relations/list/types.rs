//! Of what type a column of a text is.
//!
//! A column is whole numbers, numbers, true and false, or text: what all of its values are. But one that is numbers for
//! long is a column of numbers, and what comes then and is none is a mistake that is told, rather than a reason to make
//! text of all the others.

use arrow::datatypes::DataType;

use super::records::Wrong;

/// So many numbers in a row make a column of numbers.
const ENOUGH: u64 = 1_000;

/// What stands for a value that is missing, where numbers stand.
pub(super) fn is_missing(value: &str) -> bool {
    value.is_empty() || ["null", "na", "n/a", "none", "--"].iter().any(|none| value.eq_ignore_ascii_case(none))
}

/// A number; NaN and infinities are numbers.
pub(super) fn number(value: &str) -> Option<f64> {
    value.parse().ok()
}

/// `true` and `false`.
pub(super) fn truth(value: &str) -> Option<bool> {
    ["false", "true"].iter().position(|word| value.eq_ignore_ascii_case(word)).map(|at| at == 1)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Empty,
    Whole,
    Number,
    Truth,
    Text,
}

/// What the values of a column are so far.
#[derive(Debug, Clone)]
pub(super) struct Guess {
    kind: Kind,
    /// Values that were seen, missing ones left out.
    seen: u64,
    /// Why it is not of numbers.
    no_number: Option<String>,
}

impl Guess {
    pub(super) fn new() -> Self {
        Self { kind: Kind::Empty, seen: 0, no_number: None }
    }

    /// Looks at a value.
    ///
    /// # Errors
    /// When all others before it were numbers, and it is none.
    pub(super) fn look(&mut self, value: &str, line: u64, column: &str) -> Result<(), Wrong> {
        if self.kind == Kind::Text || is_missing(value) {
            return Ok(());
        }
        let own = kind(value);
        let numbers = |kind| matches!(kind, Kind::Whole | Kind::Number);
        let next = match (self.kind, own) {
            (Kind::Empty, own) => own,
            (was, own) if was == own => own,
            (was, own) if numbers(was) && numbers(own) => Kind::Number,
            (was, _) if numbers(was) && self.seen >= ENOUGH => {
                return Err(Wrong(format!(
                    "line {line}, column {column}: {value:?} is no number, as all values before it are"
                )));
            }
            _ => Kind::Text,
        };
        if next == Kind::Text && !numbers(own) {
            self.no_number = Some(format!("line {line} has {value:?}"));
        }
        (self.kind, self.seen) = (next, self.seen + 1);
        Ok(())
    }

    /// The type of the column.
    pub(super) fn data_type(&self) -> DataType {
        match self.kind {
            Kind::Whole => DataType::Int64,
            Kind::Number => DataType::Float64,
            Kind::Truth => DataType::Boolean,
            Kind::Empty | Kind::Text => DataType::Utf8,
        }
    }

    /// Why it is no column of numbers.
    pub(super) fn no_number(self) -> Option<String> {
        match self.kind {
            Kind::Empty => Some("it has no value at all".to_owned()),
            Kind::Text | Kind::Truth => self.no_number,
            Kind::Whole | Kind::Number => None,
        }
    }
}

fn kind(value: &str) -> Kind {
    if value.parse::<i64>().is_ok() {
        return Kind::Whole;
    }
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    // An id that is too long for a whole number would lose digits as a number.
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Kind::Text;
    }
    if number(value).is_some() {
        Kind::Number
    } else if truth(value).is_some() {
        Kind::Truth
    } else {
        Kind::Text
    }
}
