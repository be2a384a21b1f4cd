//! Times and nights.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};

/// Modified Julian date of 1970-01-01 00:00.
pub(crate) const MJD_OF_UNIX_EPOCH: f64 = 40_587.0;
pub(crate) const SECONDS_PER_DAY: f64 = 86_400.0;
/// JD - MJD.
pub(crate) const JD_LESS_MJD: f64 = 2_400_000.5;

/// TAI - UTC in seconds, from the MJD (UTC) on which it came into force.
/// Source: IERS Bulletin C; no leap second has been announced after that of 2017-01-01.
const LEAP_SECONDS: [(f64, f64); 6] =
    [(51_179.0, 32.0), (53_736.0, 33.0), (54_832.0, 34.0), (56_109.0, 35.0), (57_204.0, 36.0), (57_754.0, 37.0)];

/// A time as modified Julian date in International Atomic Time, days.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct MjdTai(pub f64);

impl MjdTai {
    /// From seconds since 1970-01-01 in UTC, leap seconds not counted.
    #[must_use]
    pub fn from_unix(seconds: f64) -> Self {
        Self::from_utc(MJD_OF_UNIX_EPOCH + seconds / SECONDS_PER_DAY)
    }

    /// From a modified Julian date in UTC.
    #[must_use]
    pub fn from_utc(mjd_utc: f64) -> Self {
        Self(mjd_utc + tai_less_utc(mjd_utc) / SECONDS_PER_DAY)
    }

    /// As modified Julian date in UTC. Off by up to a second within a second of a leap second.
    #[must_use]
    pub fn to_utc(self) -> f64 {
        self.0 - tai_less_utc(self.0) / SECONDS_PER_DAY
    }
}

fn tai_less_utc(mjd: f64) -> f64 {
    LEAP_SECONDS.iter().rev().find(|(from, _)| mjd >= *from).map_or(31.0, |(_, seconds)| *seconds)
}

/// A night of observation, from noon to noon at the telescope; days since 1970-01-01, as in Arrow's `Date32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Night(pub i32);

impl Night {
    /// The night of a time: the date of (UTC + offset). `None` where that is no date of the years 1 to 9999.
    #[must_use]
    pub fn of(time: MjdTai, utc_offset_hours: f64) -> Option<Self> {
        let days = (time.to_utc() + utc_offset_hours / 24.0 - MJD_OF_UNIX_EPOCH).floor();
        if !(-719_162.0..2_932_897.0).contains(&days) {
            return None;
        }
        // In range by the line above.
        Some(Self(days as i32))
    }

    /// The night that a date names.
    #[must_use]
    pub fn of_date(date: NaiveDate) -> Self {
        Self(date.num_days_from_ce() - 719_163)
    }

    /// The date that names it.
    #[must_use]
    pub fn date(self) -> NaiveDate {
        let days = self.0.saturating_add(719_163);
        NaiveDate::from_num_days_from_ce_opt(days).unwrap_or_default()
    }
}

impl fmt::Display for Night {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date();
        write!(f, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
    }
}

/// A text that is not a night.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a night; write it as 2026-04-07 or 20260407")]
pub struct BadNight(String);

impl FromStr for Night {
    type Err = BadNight;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        NaiveDate::parse_from_str(&digits, "%Y%m%d")
            .ok()
            .filter(|_| digits.len() == 8)
            .map(Self::of_date)
            .ok_or_else(|| BadNight(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nights_change_at_noon_at_the_telescope() {
        // The middle of a visit that LSST numbers 2026040700201.
        let night = Night::of(MjdTai(61_138.06), -12.0).unwrap();
        assert_eq!(night.to_string(), "2026-04-07");
        // 2018-11-29 06:02 UTC at Palomar: the evening before and this morning are one night.
        let jd = 2_458_451.752;
        let ztf = |jd: f64| Night::of(MjdTai::from_utc(jd - JD_LESS_MJD), 4.0).unwrap().to_string();
        assert_eq!(ztf(jd), "2018-11-29");
        assert_eq!(ztf(jd - 0.2), "2018-11-29");
        assert_eq!(ztf(jd + 0.7), "2018-11-30");
    }

    #[test]
    fn nights_read_back() {
        for text in ["2026-04-07", "1969-12-31", "2000-02-29"] {
            assert_eq!(text.parse::<Night>().unwrap().to_string(), text);
        }
        assert_eq!("20260407".parse::<Night>(), "2026-04-07".parse());
        for bad in ["", "2026-4-7x", "2026-13-01", "7"] {
            assert!(bad.parse::<Night>().is_err(), "{bad}");
        }
    }

    #[test]
    fn odd_times_have_no_night() {
        for mjd in [f64::NAN, f64::INFINITY, -1e9, 1e18] {
            assert_eq!(Night::of(MjdTai(mjd), 0.0), None);
        }
    }

    #[test]
    fn tai_is_37_seconds_ahead() {
        let day = MjdTai::from_utc(58_000.0);
        assert!(((day.0 - 58_000.0) * SECONDS_PER_DAY - 37.0).abs() < 1e-5);
        assert!((day.to_utc() - 58_000.0).abs() < 1e-9);
        assert!((MjdTai::from_utc(MJD_OF_UNIX_EPOCH).to_utc() - MJD_OF_UNIX_EPOCH).abs() < 1e-3);
    }
}
