//! The period of a light curve.

use super::arguments::{Argument, ERROR, Options, Point, Role, TIME, VALUE};
use super::lomb_scargle::{Grid, Peak, Periodogram};
use super::{Feature, How};

const SHORTEST: Argument = Argument {
    name: "min_period",
    role: Role::Number,
    about: "the shortest period to look at, in days, above 0; without it 2T / (5n) for n points over a time T",
};
const LONGEST: Argument = Argument {
    name: "max_period",
    role: Role::Number,
    about: "the longest period to look at, in days, above min_period; without it T",
};

const FORMS: &[&[Argument]] = &[
    &[TIME, VALUE],
    &[TIME, VALUE, ERROR],
    &[TIME, VALUE, SHORTEST, LONGEST],
    &[TIME, VALUE, ERROR, SHORTEST, LONGEST],
];

const SOURCE: &str = "Zechmeister & Kürster 2009, A&A 496, 577; grid: VanderPlas 2018, ApJS 236, 16";

/// Frequencies to a peak, whose width is about one over the time that the points span.
const TO_A_PEAK: f64 = 5.0;
/// How far the search goes by itself, in Nyquist frequencies of as many points at even times.
const NYQUISTS: f64 = 5.0;
/// Frequencies that are tried at most for one group.
const MOST_FREQUENCIES: f64 = 1e6;
/// The same, times points: some seconds of work.
const MOST_WORK: f64 = 2e9;

pub(super) static FEATURES: &[Feature] = &[
    Feature {
        name: "ls_period",
        forms: FORMS,
        gives: "the period of the highest peak of the generalised Lomb-Scargle periodogram, that is of the sine with an \
                offset that fits best",
        unit: "days",
        formula: "1 / f of the largest ls_power, searched at f = 1 / max_period + k / (5T) up to 1 / min_period with T = \
                  time_span, and around the best of these within 1 / (5T); an error for more than a million frequencies, \
                  or two thousand million frequencies times points; null where all times or all values are equal",
        source: SOURCE,
        least: 5,
        check: range,
        how: How::Search(|points, options| Ok(peak(points, options)?.map(|peak| 1.0 / peak.frequency))),
    },
    Feature {
        name: "ls_power",
        forms: FORMS,
        gives: "the power at ls_period: the part of χ² that the sine explains, 0 to 1",
        unit: "no unit",
        formula: "1 − χ²(offset + sine) / χ²(constant), with weights 1 / err², or 1 without err; errors and null as \
                  ls_period",
        source: SOURCE,
        least: 5,
        check: range,
        how: How::Search(|points, options| Ok(peak(points, options)?.map(|peak| peak.power))),
    },
];

fn range(options: &Options) -> Result<(), String> {
    match options.numbers.as_slice() {
        [shortest, _] if *shortest <= 0.0 => Err(format!("min_period must be above 0, and is {shortest}")),
        [shortest, longest] if longest <= shortest => {
            Err(format!("max_period must be above min_period, and they are {longest} and {shortest}"))
        }
        _ => Ok(()),
    }
}

fn peak(points: &[Point], options: &Options) -> Result<Option<Peak>, String> {
    let Some(grid) = grid(points, options)? else { return Ok(None) };
    let found = Periodogram::new(points).map(|periodogram| periodogram.peak(&grid));
    // A power of 0 is no peak: nothing was found anywhere.
    Ok(found.filter(|peak| peak.power > 0.0))
}

/// The frequencies to look at; `None` if all points are of the same time.
fn grid(points: &[Point], options: &Options) -> Result<Option<Grid>, String> {
    let (Some(start), Some(end)) = (points.first(), points.last()) else { return Ok(None) };
    let (span, n) = (end.time - start.time, points.len() as f64);
    if span <= 0.0 {
        return Ok(None);
    }
    let shortest = options.number(0).unwrap_or(2.0 * span / (NYQUISTS * n));
    let longest = options.number(1).unwrap_or(span);
    let (first, end) = (1.0 / longest, 1.0 / shortest);
    let step = 1.0 / (TO_A_PEAK * span);
    let count = ((end - first) / step).floor() + 1.0;
    if !(count <= MOST_FREQUENCIES && count * n <= MOST_WORK) {
        return Err(format!(
            "{n} points over {span:.6} days have {count} frequencies between periods of {shortest:e} and {longest:e} days, \
             which is too many ({MOST_FREQUENCIES:e}, or {MOST_WORK:e} times points); narrow the range of periods with \
             min_period and max_period, or leave such groups out"
        ));
    }
    Ok(Some(Grid { first, step, count: count as usize, end }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{agrees, ask};
    use super::*;

    /// Points of a sine at times without order.
    fn sine(count: u32, period: f64, error: f64) -> Vec<(f64, f64, f64)> {
        let time = |i: u32| 61_000.0 + f64::from(i).mul_add(0.731, (f64::from(i) * 12.9898).sin());
        let value = |t: f64| 5.0 + 2.0 * (std::f64::consts::TAU * t / period).sin();
        (0..count).map(|i| (time(i), value(time(i)), error)).collect()
    }

    #[test]
    fn the_period_of_a_sine_is_found() {
        let points = sine(60, 3.217, 0.1);
        for (arguments, numbers) in [(2, &[][..]), (3, &[]), (4, &[0.5, 40.0]), (5, &[2.0, 5.0])] {
            let period = ask("ls_period", arguments, &points, numbers).unwrap();
            assert!((period - 3.217).abs() < 1e-6, "{arguments}: {period}");
            assert!(agrees(ask("ls_power", arguments, &points, numbers), 1.0));
        }
        // Where it is not looked for, it is not found.
        let period = ask("ls_period", 4, &points, &[4.0, 9.0]).unwrap();
        assert!((4.0..=9.0).contains(&period), "{period}");
    }

    #[test]
    fn nothing_is_said_of_what_has_no_period() {
        for name in ["ls_period", "ls_power"] {
            assert_eq!(ask(name, 2, &[(1.0, 2.0, 1.0), (1.0, 3.0, 1.0)].repeat(4), &[]), None, "one time");
            let equal: Vec<_> = (0..9).map(|i| (f64::from(i), 0.1, 1.0)).collect();
            assert_eq!(ask(name, 2, &equal, &[]), None, "one value");
            // Times do not reach around a period of a million days.
            assert_eq!(ask(name, 4, &sine(20, 3.0, 1.0), &[1e6, 1e7]), None, "too long a period");
        }
    }

    #[test]
    fn grids_are_bounded() {
        let points: Vec<Point> = sine(100, 3.0, 1.0)
            .into_iter()
            .map(|(time, value, error)| Point { time, value, error, second: false })
            .collect();
        let options = |shortest, longest| Options { numbers: vec![shortest, longest], ..Options::default() };
        let message = grid(&points, &options(1e-5, 10.0)).unwrap_err();
        assert!(message.contains("narrow the range of periods"), "{message}");
        let span = points[99].time - points[0].time;
        let own = grid(&points, &options(0.5, 10.0)).unwrap().unwrap();
        assert_eq!(own.first, 0.1);
        assert!(agrees(Some(own.step), 1.0 / (5.0 * span)));
        assert!(own.at(own.count - 1) <= 2.0 && own.at(own.count) > 2.0);
        let own = grid(&points, &Options::default()).unwrap().unwrap();
        assert_eq!(own.first, 1.0 / span);
        // From one turn over all times to five Nyquist frequencies, five to a turn.
        assert_eq!(own.count, 5 * (5 * 100 / 2 - 1) + 1);
    }
}
