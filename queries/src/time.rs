//! Functions of time.

use noctuary_packet::time::{MjdTai, Night};

use crate::define::{Argument, Compute, Definition};

/// JD - MJD.
const JD_LESS_MJD: f64 = 2_400_000.5;
/// Modified Julian date of 1970-01-01 00:00.
const MJD_OF_UNIX_EPOCH: i64 = 40_587;
const MICROS_PER_SECOND: i64 = 1_000_000;
const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// Days since 1970-01-01 that are dates of the years 1 to 9999.
const DATES: std::ops::Range<i64> = -719_162..2_932_897;

const MJD: Argument = Argument::number("mjd", "modified Julian date");
const MJD_TAI: Argument = Argument::number("mjd_tai", "modified Julian date in TAI");

/// The functions.
pub(crate) static FUNCTIONS: &[Definition] = &[
    Definition::new(
        "mjd_tai_to_utc",
        &[&[MJD_TAI]],
        Compute::Moment(|row| to_utc(row.number(0)?)),
        "the timestamp in UTC, to the microsecond; null outside of the years 1 to 9999",
    ),
    Definition::new(
        "utc_to_mjd_tai",
        &[&[Argument::moment("time", "timestamp; in UTC if it has no time zone")]],
        Compute::Number(|row| to_mjd_tai(row.moment(0)?)),
        "the modified Julian date in TAI; null outside of the years 1 to 9999",
    ),
    Definition::new(
        "jd_utc_to_mjd_tai",
        &[&[Argument::number("jd_utc", "Julian date in UTC")]],
        Compute::Number(|row| Some(MjdTai::from_utc(row.number(0)? - JD_LESS_MJD).0)),
        "the modified Julian date in TAI",
    ),
    Definition::new(
        "jd_to_mjd",
        &[&[Argument::number("jd", "Julian date")]],
        Compute::Number(|row| Some(row.number(0)? - JD_LESS_MJD)),
        "the modified Julian date in the same scale",
    ),
    Definition::new(
        "mjd_to_jd",
        &[&[MJD]],
        Compute::Number(|row| Some(row.number(0)? + JD_LESS_MJD)),
        "the Julian date in the same scale",
    ),
    Definition::new(
        "night_of",
        &[&[
            MJD_TAI,
            Argument::between(
                "utc_offset_hours",
                -36.0,
                36.0,
                "hours to add to UTC so that the date changes by day at the telescope, -36 to 36",
            )
            .firm(),
        ]],
        Compute::Date(|row| Night::of(MjdTai(row.number(0)?), row.number(1)?).map(|night| night.0)),
        "the night as a date; null outside of the years 1 to 9999",
    ),
];

/// TAI - UTC in seconds at a day, counted from 1970-01-01. It changes at midnight UTC only.
fn tai_less_utc(day: i64) -> i64 {
    // Exact: the number of a day of these years is far below 2^53.
    let day = (day + MJD_OF_UNIX_EPOCH) as f64;
    // The difference of the dates is a few millionths of a second off, and it is whole seconds.
    ((MjdTai::from_utc(day).0 - day) * 86_400.0).round() as i64
}

/// Microseconds since 1970-01-01 in UTC.
///
/// A leap second has no timestamp of its own: it is shown as the second after it, as POSIX does.
fn to_utc(mjd_tai: f64) -> Option<i64> {
    let day = mjd_tai.floor();
    let since_epoch = day as i64 - MJD_OF_UNIX_EPOCH;
    if !DATES.contains(&since_epoch) {
        return None;
    }
    let micros = ((mjd_tai - day) * MICROS_PER_DAY as f64).round() as i64;
    let tai = since_epoch * MICROS_PER_DAY + micros;
    let earlier = |seconds: i64| tai - seconds * MICROS_PER_SECOND;
    // In the half minute before midnight UTC it is the next day already by TAI, and that may have a leap second more.
    let first = earlier(tai_less_utc(since_epoch));
    let utc = earlier(tai_less_utc(first.div_euclid(MICROS_PER_DAY)));
    DATES.contains(&utc.div_euclid(MICROS_PER_DAY)).then_some(utc)
}

/// A modified Julian date in TAI from microseconds since 1970-01-01 in UTC.
fn to_mjd_tai(utc: i64) -> Option<f64> {
    let day = utc.div_euclid(MICROS_PER_DAY);
    if !DATES.contains(&day) {
        return None;
    }
    // Rounded once: the day is exact, and so is what has passed of it.
    let passed = utc.rem_euclid(MICROS_PER_DAY) + tai_less_utc(day) * MICROS_PER_SECOND;
    Some((day + MJD_OF_UNIX_EPOCH) as f64 + passed as f64 / MICROS_PER_DAY as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Microseconds since 1970-01-01 of a time on a day.
    fn micros(day_of_mjd: i64, seconds: f64) -> i64 {
        (day_of_mjd - MJD_OF_UNIX_EPOCH) * MICROS_PER_DAY + (seconds * 1e6) as i64
    }

    #[test]
    fn leap_seconds_are_counted() {
        // (MJD of the first day after a leap second, TAI - UTC from then on), after IERS Bulletin C.
        for (day, after) in [(51_179, 32), (53_736, 33), (54_832, 34), (56_109, 35), (57_204, 36), (57_754, 37)] {
            let tai = |seconds: f64| day as f64 + seconds / 86_400.0;
            for (utc, wanted) in [
                (micros(day - 1, 86_399.0), tai(f64::from(after) - 2.0)),
                (micros(day, 0.0), tai(f64::from(after))),
                (micros(day, 1.0), tai(f64::from(after) + 1.0)),
            ] {
                let own = to_mjd_tai(utc).unwrap();
                assert!((own - wanted).abs() * 86_400e6 < 1.0, "{day} {own} {wanted}");
                assert_eq!(to_utc(own), Some(utc), "{day}");
            }
            // The leap second itself.
            assert_eq!(to_utc(tai(f64::from(after) - 0.5)), Some(micros(day, 0.5)), "{day}");
            for quarter in -20..400 {
                let time = |seconds: f64| to_utc(tai(f64::from(quarter) / 4.0 + seconds));
                assert!(time(1.0) >= time(0.0), "{day} {quarter}");
            }
        }
    }

    #[test]
    fn times_without_a_date_are_null() {
        for mjd in [-1e9, 1e18, -678_576.0, 2_973_485.0, f64::MAX, f64::MIN] {
            assert_eq!(to_utc(mjd), None, "{mjd}");
        }
        assert_eq!(to_mjd_tai(i64::MIN), None);
        assert_eq!(to_mjd_tai(i64::MAX), None);
        assert_eq!(to_mjd_tai(0), Some(40_587.0 + 31.0 / 86_400.0));
    }

    proptest::proptest! {
        /// Doubles are half a microsecond apart for dates before 2038-04-24, and a microsecond from then on.
        #[test]
        fn times_come_back(utc in micros(50_700, 0.0)..micros(70_000, 0.0)) {
            let mjd = to_mjd_tai(utc).unwrap();
            let back = to_utc(mjd).unwrap();
            proptest::prop_assert!(back == utc || mjd > 65_536.0 && (back - utc).abs() == 1, "{} {}", mjd, back - utc);
            // The other way to the same time, which rounds more.
            let other = MjdTai::from_utc(utc as f64 / MICROS_PER_DAY as f64 + MJD_OF_UNIX_EPOCH as f64).0;
            proptest::prop_assert!((mjd - other).abs() * 86_400e6 < 2.0);
        }
    }
}
