//! Amounts of bytes as people write them.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// An amount of bytes: `65536`, `64KiB`, `1.5 GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 9] = [
    ("tib", 1 << 40),
    ("gib", 1 << 30),
    ("mib", 1 << 20),
    ("kib", 1 << 10),
    ("tb", 1_000_000_000_000),
    ("gb", 1_000_000_000),
    ("mb", 1_000_000),
    ("kb", 1_000),
    ("b", 1),
];

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.trim().to_ascii_lowercase();
        let (number, unit) =
            UNITS.iter().find_map(|(name, unit)| Some((lower.strip_suffix(name)?, *unit))).unwrap_or((&lower, 1));
        let number = number.trim();
        let bytes = match number.parse::<u64>() {
            Ok(whole) => whole.checked_mul(unit),
            // Fractions are for people: a byte more or less does not matter to them.
            Err(_) => number.parse::<f64>().ok().filter(|n| (0.0..1e6).contains(n)).map(|n| (n * unit as f64) as u64),
        };
        bytes.map(Self).ok_or_else(|| format!("{text:?} is no amount of bytes; write it as 65536, 64MiB or 1.5GB"))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, unit) in [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Amount)
    }
}

/// Takes whole numbers and texts, and says of anything else what is wanted.
struct Amount;

impl Visitor<'_> for Amount {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an amount of bytes such as 65536, \"64MiB\" or \"1.5GB\"")
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(bytes))
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<ByteSize, E> {
        u64::try_from(bytes).map(ByteSize).map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
        text.parse().map_err(E::custom)
    }
}

/// Bytes for people, to three digits: `1.23 GB`.
pub fn human(bytes: u64) -> String {
    for (name, unit) in [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] {
        let amount = bytes as f64 / unit;
        if amount >= 1.0 {
            let digits = if amount < 10.0 { 2 } else { usize::from(amount < 100.0) };
            return format!("{amount:.digits$} {name}");
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn people_write_it_in_many_ways() {
        for (text, bytes) in
            [("0", 0), ("65536", 65_536), ("64 KiB", 65_536), ("1.5GB", 1_500_000_000), ("2gib", 2 << 30)]
        {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "x", "-1", "1.5 parsecs", "99999999999 TiB", "nan"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        assert_eq!(human(1_234_567_890), "1.23 GB");
        assert_eq!(human(999), "999 B");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(bytes in any::<u64>(), shift in 0_u32..5) {
            let size = ByteSize(bytes >> (10 * shift) << (10 * shift));
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }
}
