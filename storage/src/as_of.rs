//! How a version is named: by its number, a tag, or a time.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use crate::error::{Result, StorageError};

/// A version, as a user names it.
///
/// ```
/// use noctuary_storage::AsOf;
///
/// assert_eq!("12".parse(), Ok(AsOf::Version(12)));
/// assert_eq!("dr1".parse(), Ok(AsOf::Tag("dr1".into())));
/// let noon = "2026-04-07 12:00".parse().unwrap();
/// assert_eq!(noon, "2026-04-07T14:00:00+02:00".parse().unwrap());
/// assert!(matches!(noon, AsOf::Time(_)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AsOf {
    /// By its number.
    Version(u64),
    /// By a name that it was given.
    Tag(String),
    /// The newest at a time.
    Time(DateTime<Utc>),
}

impl AsOf {
    /// Checks that a name can be that of a tag.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Invalid`] if it is empty, a number or a time, or has other letters than those of
    /// names.
    pub fn check_tag(name: &str) -> Result<()> {
        let sound = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
        if name.is_empty() || name.len() > 128 || !name.chars().all(sound) {
            return Err(StorageError::invalid(format!(
                "{name:?} cannot be a tag; use up to 128 letters, digits, '.', '_', '-' and '/'"
            )));
        }
        match name.parse() {
            Ok(Self::Tag(_)) => Ok(()),
            _ => {
                Err(StorageError::invalid(format!("{name:?} cannot be a tag: it would be read as a number or a time")))
            }
        }
    }
}

impl FromStr for AsOf {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        let text = text.trim();
        if let Ok(version) = text.parse() {
            return Ok(Self::Version(version));
        }
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Ok(Self::Time(time.with_timezone(&Utc)));
        }
        let plain = text.trim_end_matches('Z').replace('T', " ");
        let naive = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|form| NaiveDateTime::parse_from_str(&plain, form).ok())
            .or_else(|| NaiveDate::parse_from_str(&plain, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0));
        Ok(naive.map_or_else(|| Self::Tag(text.to_owned()), |time| Self::Time(time.and_utc())))
    }
}

impl fmt::Display for AsOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "{version}"),
            Self::Tag(tag) => f.write_str(tag),
            Self::Time(time) => write!(f, "{}", time.to_rfc3339()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_nothing_else() {
        for good in ["dr1", "2026-spring", "a/b.c_d", "v12"] {
            AsOf::check_tag(good).unwrap();
        }
        for bad in ["", "12", "2026-04-07", "2026-04-07T00:00:00Z", "two words", "x\n"] {
            assert!(AsOf::check_tag(bad).is_err(), "{bad:?}");
        }
    }
}
