//! Nights, times and the numbers that LSST makes of them.

use crate::telescope::Telescope;

/// Days since 1970-01-01 of a date of the Gregorian calendar.
///
/// Counted in eras of 400 years that begin in March, so that the leap day comes last.
pub(crate) fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date of [`days_from_date`].
pub(crate) fn date_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// A night as days since 1970-01-01 of the date on which it begins (UTC less twelve hours, LSST's `day_obs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NightOf(pub(crate) i64);

impl NightOf {
    /// Reads `20261109`; `None` if there is no such day.
    pub(crate) fn from_digits(yyyymmdd: i32) -> Option<Self> {
        let digits = i64::from(yyyymmdd);
        let (year, month, day) = (digits / 10_000, digits / 100 % 100, digits % 100);
        if !(2010..=2090).contains(&year) {
            return None;
        }
        let days = days_from_date(year, month, day);
        (date_from_days(days) == (year, month, day)).then_some(Self(days))
    }

    /// `20261109`.
    pub(crate) fn digits(self) -> i32 {
        let (year, month, day) = date_from_days(self.0);
        (year * 10_000 + month * 100 + day) as i32
    }

    pub(crate) fn plus(self, nights: i64) -> Self {
        Self(self.0 + nights)
    }

    /// Modified Julian Date (UTC) of 0h of its date.
    pub(crate) fn mjd(self) -> f64 {
        const MJD_OF_1970: i64 = 40_587;
        (self.0 + MJD_OF_1970) as f64
    }

    /// Middle of an exposure of a telescope as Modified Julian Date, TAI.
    pub(crate) fn midpoint(self, telescope: &Telescope, sequence: u32) -> f64 {
        let seconds = f64::from(sequence) * telescope.pace + TAI_AHEAD_OF_UTC;
        self.mjd() + telescope.evening + seconds / 86_400.0
    }

    /// `2026110900012`.
    pub(crate) fn visit_id(self, sequence: u32) -> i64 {
        i64::from(self.digits()) * 100_000 + i64::from(sequence)
    }
}

/// TAI less UTC in seconds, since 2017.
pub(crate) const TAI_AHEAD_OF_UTC: f64 = 37.0;

/// Largest running number that fits the id of a source.
pub(crate) const MAX_COUNTER: u32 = (1 << 19) - 1;

/// Id of a source: night, visit, detector and a running number, packed as LSST packs them.
///
/// From the low end: 19 bits of running number, 8 of detector, 15 of the visit's sequence number, then the days since
/// 2010-01-01 with bit 15 set.
pub(crate) fn source_id(night: NightOf, sequence: u32, detector: u32, counter: u32) -> i64 {
    const DAY_OF_2010: i64 = 14_610;
    let day = (night.0 - DAY_OF_2010) | 1 << 15;
    ((day << 15 | i64::from(sequence)) << 8 | i64::from(detector)) << 19 | i64::from(counter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_back() {
        for days in (-1_000..60_000).step_by(17) {
            let (year, month, day) = date_from_days(days);
            assert_eq!(days_from_date(year, month, day), days);
        }
        assert_eq!(days_from_date(2010, 1, 1), 14_610);
        assert_eq!(NightOf::from_digits(20_240_229).map(NightOf::digits), Some(20_240_229));
        for wrong in [20_230_229, 20_261_301, 20_260_431, 20_260_400, 0, -5, 99_999_999] {
            assert_eq!(NightOf::from_digits(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ids_are_those_of_transmitted_packets() {
        let night = NightOf::from_digits(20_260_407).unwrap();
        assert_eq!(night.visit_id(201), 2_026_040_700_201);
        assert_eq!(source_id(night, 201, 141, 49), 170_239_611_403_501_617);
        let night = NightOf::from_digits(20_260_309).unwrap();
        assert_eq!(source_id(night, 26, 17, 19), 170_112_044_501_565_459);
    }

    #[test]
    fn midpoints_lie_in_their_night() {
        let night = NightOf::from_digits(20_260_407).unwrap();
        for sequence in [1, 500, 1_000] {
            let since_noon = night.midpoint(&Telescope::LSST, sequence) - 61_137.5;
            assert!((0.0..1.0).contains(&since_noon));
        }
    }
}
