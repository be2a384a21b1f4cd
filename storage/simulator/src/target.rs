//! Places in the sky that a plan can name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A place for a field: right ascension and declination of its middle in degrees, ICRS.
///
/// ```
/// use noctuary_simulator::Target;
///
/// let deep: Target = "cosmos".parse()?;
/// assert_eq!(deep, "150.11,2.23".parse()?);
/// assert!("150.11,93".parse::<Target>().is_err());
/// # Ok::<(), noctuary_simulator::BadTarget>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// 0 to 360, 360 excluded.
    pub ra: f64,
    /// -90 to 90.
    pub dec: f64,
}

impl Target {
    /// Names that can be parsed: the deep drilling fields of LSST, crowded places, and places that are awkward for
    /// code that reckons in angles.
    pub const NAMED: [(&'static str, Self); 12] = [
        ("elaiss1", Self { ra: 9.45, dec: -44.025 }),
        ("xmm-lss", Self { ra: 35.575, dec: -4.82 }),
        ("ecdfs", Self { ra: 52.98, dec: -28.117 }),
        ("edfs-a", Self { ra: 58.9, dec: -49.315 }),
        ("edfs-b", Self { ra: 63.6, dec: -47.6 }),
        ("cosmos", Self { ra: 150.11, dec: 2.23 }),
        ("lmc", Self { ra: 80.894, dec: -69.756 }),
        ("smc", Self { ra: 13.187, dec: -72.829 }),
        ("galactic-centre", Self { ra: 266.417, dec: -29.008 }),
        ("north-pole", Self { ra: 0.0, dec: 90.0 }),
        ("south-pole", Self { ra: 0.0, dec: -90.0 }),
        ("ra-zero", Self { ra: 0.0, dec: 0.0 }),
    ];

    /// True if it lies on the sphere.
    #[must_use]
    pub fn is_on_sky(&self) -> bool {
        (0.0..360.0).contains(&self.ra) && (-90.0..=90.0).contains(&self.dec)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.ra, self.dec)
    }
}

/// A text that is no [`Target`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no place in the sky: write RA,DEC in degrees, or one of {names}", names = names())]
pub struct BadTarget(String);

fn names() -> String {
    Target::NAMED.map(|(name, _)| name).join(", ")
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        if let Some((_, target)) = Self::NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(*target);
        }
        let number = |part: &str| part.trim().parse::<f64>().ok();
        let place = text.split_once(',').and_then(|(ra, dec)| Some(Self { ra: number(ra)?, dec: number(dec)? }));
        place.filter(Self::is_on_sky).ok_or_else(|| BadTarget(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_read_back() {
        for (name, target) in Target::NAMED {
            assert_eq!(name.parse(), Ok(target));
            assert_eq!(target.to_string().parse(), Ok(target));
        }
        assert_eq!(" 10.5, -3 ".parse(), Ok(Target { ra: 10.5, dec: -3.0 }));
        for wrong in ["", "cosmo", "1", "1,2,3", "360,0", "-1,0", "nan,0", "0,91"] {
            let said = wrong.parse::<Target>().unwrap_err().to_string();
            assert!(said.contains("cosmos, lmc"), "{said}");
        }
    }
}
