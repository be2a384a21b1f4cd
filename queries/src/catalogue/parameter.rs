//! Parameters of questions, and how values of them are written in SQL.

use std::fmt;

use noctuary_packet::time::Night;

use super::nearest;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A finite number.
    Number,
    /// A whole number of 64 bits.
    Integer,
    /// Any text.
    Text,
    /// A date, as 2026-04-07.
    Date,
    /// Whole numbers, one or more.
    Ids,
}

impl Kind {
    const ALL: [(&'static str, Self); 5] = [
        ("number", Self::Number),
        ("integer", Self::Integer),
        ("text", Self::Text),
        ("date", Self::Date),
        ("ids", Self::Ids),
    ];

    /// The kind with a name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// The names of all kinds.
    pub(super) fn names() -> String {
        Self::ALL.map(|(name, _)| name).join(", ")
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Number | Self::Integer)
    }

    /// What to give.
    fn wanted(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::Text => "a text",
            Self::Date => "a date such as 2026-04-07",
            Self::Ids => "ids, which are whole numbers with commas between them",
        }
    }
}

/// What whoever asks may or must say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name, small letters, digits and underscores.
    pub name: String,
    /// What its value is.
    pub kind: Kind,
    /// The unit of its value.
    pub unit: Option<String>,
    /// The least number that makes sense, as it is written.
    pub least: Option<String>,
    /// The greatest number that makes sense.
    pub most: Option<String>,
    /// The value that it has if nobody says.
    pub default: Option<String>,
    /// What it means.
    pub meaning: String,
}

impl Parameter {
    /// What to give: type, range and unit.
    #[must_use]
    pub fn wanted(&self) -> String {
        let range = match (&self.least, &self.most) {
            (Some(least), Some(most)) => format!(" from {least} to {most}"),
            (Some(least), None) => format!(", {least} or more"),
            (None, Some(most)) => format!(", {most} or less"),
            (None, None) => String::new(),
        };
        let unit = self.unit.as_ref().map(|unit| format!(", in {unit}")).unwrap_or_default();
        format!("{}{range}{unit}", self.kind.wanted())
    }

    /// A value as a literal of SQL.
    ///
    /// # Errors
    /// When it is of another type or out of range.
    pub(super) fn literal(&self, value: &str) -> Result<String, Refusal> {
        let wrong = || Refusal::Wrong { name: self.name.clone(), wanted: self.wanted(), value: shortened(value) };
        if self.kind.is_number() {
            let number = value.trim().parse::<f64>().ok().filter(|v| v.is_finite()).ok_or_else(wrong)?;
            let bound = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok());
            if bound(&self.least).is_some_and(|least| number < least) || bound(&self.most).is_some_and(|m| number > m) {
                return Err(wrong());
            }
        }
        literal(self.kind, value).ok_or_else(|| match wrong_id(value) {
            Some((line, column, id)) if self.kind == Kind::Ids => {
                Refusal::WrongId { name: self.name.clone(), wanted: self.wanted(), line, column, id }
            }
            _ => wrong(),
        })
    }

    /// Checks that a range is one of numbers, and that the default is in it.
    pub(super) fn check(&self) -> Result<(), String> {
        for bound in [&self.least, &self.most].into_iter().flatten() {
            if !self.kind.is_number() {
                return Err(format!("{} has a range and is no number", self.name));
            }
            literal(self.kind, bound).ok_or_else(|| format!("{bound} is not {}", self.kind.wanted()))?;
        }
        match &self.default {
            Some(default) => self.literal(default).map(drop).map_err(|e| format!("the default is wrong: {e}")),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = self.default.as_ref().map(|default| format!(", {default} if not given")).unwrap_or_default();
        write!(f, "{}, {}{default}: {}", self.name, self.wanted(), self.meaning)
    }
}

/// A value in SQL; `None` if it is of another kind.
fn literal(kind: Kind, value: &str) -> Option<String> {
    let trimmed = value.trim();
    // A sign would join the one before it to a comment.
    let signed = |text: String| if text.starts_with('-') { format!("({text})") } else { text };
    match kind {
        Kind::Number => trimmed.parse::<f64>().ok().filter(|v| v.is_finite()).map(|v| signed(format!("{v:?}"))),
        Kind::Integer => trimmed.parse::<i64>().ok().map(|v| signed(v.to_string())),
        Kind::Text => Some(format!("'{}'", value.replace('\'', "''"))),
        Kind::Date => trimmed.parse::<Night>().ok().map(|night| format!("DATE '{night}'")),
        Kind::Ids => {
            let ids: Option<Vec<String>> = words(trimmed)
                .filter(|id| !id.is_empty())
                .map(|id| id.parse::<i64>().ok().map(|id| id.to_string()))
                .collect();
            ids.filter(|ids| !ids.is_empty()).map(|ids| format!("({})", ids.join(", ")))
        }
    }
}

/// What stands between the separators of a list, which are one character each.
fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(|c: char| c == ',' || c.is_whitespace())
}

/// Line, column and text of the first word of a list that is no id; lines and characters count from 1.
fn wrong_id(list: &str) -> Option<(usize, usize, String)> {
    for (line, text) in list.lines().enumerate() {
        let mut column = 1;
        for word in words(text) {
            if !word.is_empty() && word.parse::<i64>().is_err() {
                return Some((line + 1, column, shortened(word)));
            }
            column += word.chars().count() + 1;
        }
    }
    None
}

fn shortened(value: &str) -> String {
    const SHOWN: usize = 40;
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", value.get(..end).unwrap_or_default()),
        None => value.to_owned(),
    }
}

/// Why a question cannot be asked with these values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No parameter has this name.
    #[error("{question} has no parameter {name:?}{near}")]
    Unknown {
        /// The question.
        question: &'static str,
        /// What was given.
        name: String,
        /// What may have been meant.
        near: String,
    },
    /// Parameters without a value or a default.
    #[error("{question} needs a value for {}", .parameters.join("; and for "))]
    Missing {
        /// The question.
        question: &'static str,
        /// Each with its type, unit and meaning.
        parameters: Vec<String>,
    },
    /// One parameter has two values.
    #[error("{name} is given twice")]
    Twice {
        /// The parameter.
        name: String,
    },
    /// A value is not what it has to be.
    #[error("{name} has to be {wanted}, and {value:?} is not")]
    Wrong {
        /// The parameter.
        name: String,
        /// Type, range and unit.
        wanted: String,
        /// What was given.
        value: String,
    },
    /// A list has something else among its ids.
    #[error("{name} has to be {wanted}, and {id:?} in line {line}, column {column} is none")]
    WrongId {
        /// The parameter.
        name: String,
        /// What the list is to hold.
        wanted: String,
        /// From 1.
        line: usize,
        /// Characters, from 1.
        column: usize,
        /// What stands there.
        id: String,
    },
}

impl Refusal {
    pub(super) fn unknown(question: &'static str, name: &str, known: &[Parameter]) -> Self {
        let names: Vec<&str> = known.iter().map(|p| p.name.as_str()).collect();
        let near = match nearest(name, names.iter().copied()) {
            none if none.is_empty() && names.is_empty() => "; it has none".to_owned(),
            none if none.is_empty() => format!("; it has {}", names.join(", ")),
            near => near,
        };
        Self::Unknown { question, name: shortened(name), near }
    }

    pub(super) fn missing(question: &'static str, parameters: &[&Parameter]) -> Self {
        Self::Missing { question, parameters: parameters.iter().map(ToString::to_string).collect() }
    }
}
