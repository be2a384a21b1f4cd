//! Times as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// The time that a question may take: `30s`, `1.5min`, `500ms`, `2h`; `none` for any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Option<Duration>);

const UNITS: [(&str, f64); 5] = [("ms", 1e-3), ("min", 60.0), ("m", 60.0), ("h", 3_600.0), ("s", 1.0)];

/// A year: whoever waits longer does not mean it.
const LONGEST: f64 = 366.0 * 86_400.0;

impl FromStr for Deadline {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.trim().to_ascii_lowercase();
        if lower == "none" {
            return Ok(Self(None));
        }
        let amount = UNITS.iter().find_map(|(name, unit)| {
            let number: f64 = lower.strip_suffix(name)?.trim().parse().ok()?;
            Some(number * unit).filter(|seconds| *seconds > 0.0 && *seconds <= LONGEST)
        });
        let wrong =
            || format!("{text:?} is no time to wait; write it as 30s, 1.5min, 500ms or 2h, or none for any time");
        amount
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .map(|time| Self(Some(time)))
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("none"),
            Some(time) => write!(f, "{}s", time.as_secs_f64()),
        }
    }
}

impl<'de> Deserialize<'de> for Deadline {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_it_in_many_ways() {
        for (text, seconds) in [("30s", 30.0), ("1.5 min", 90.0), ("2m", 120.0), ("500ms", 0.5), ("2H", 7_200.0)] {
            let read: Deadline = text.parse().unwrap();
            assert_eq!(read, Deadline(Some(Duration::from_secs_f64(seconds))), "{text}");
            assert_eq!(read.to_string().parse(), Ok(read));
        }
        assert_eq!("none".parse(), Ok(Deadline(None)));
        for text in ["", "30", "0s", "-1s", "s", "soon", "nans", "infs", "1e99h", "3 parsecs"] {
            let wrong = text.parse::<Deadline>().unwrap_err();
            assert!(wrong.contains("30s"), "{text}: {wrong}");
        }
    }
}
