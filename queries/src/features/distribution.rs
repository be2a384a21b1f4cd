//! How values are spread, whatever their times and errors.

use super::arguments::{Argument, Options, Point, Role, VALUE};
use super::sums::{deviations, squares};
use super::{Feature, How, any};

pub(super) static FEATURES: &[Feature] = &[
    Feature {
        name: "amplitude",
        forms: &[&[VALUE]],
        gives: "half the distance from the smallest to the largest value",
        unit: "the unit of x",
        formula: "(max x − min x) / 2",
        source: "Richards et al. 2011, ApJ 733, 10",
        least: 1,
        check: any,
        how: How::Extremes(|all| (all.most - all.least) / 2.0),
    },
    Feature {
        name: "percent_amplitude",
        forms: &[&[VALUE]],
        gives: "the largest distance from the median, as a part of the median; meant for fluxes",
        unit: "no unit: 0.1 is ten percent",
        formula: "max |x − median x| / |median x|; null where the median is 0",
        source: "Richards et al. 2011, ApJ 733, 10",
        least: 1,
        check: any,
        how: How::Points(|points, _| {
            let sorted = values(points);
            let median = quantile(&sorted, 0.5)?;
            let furthest = (sorted.last()? - median).max(median - sorted.first()?);
            Some(furthest / median.abs())
        }),
    },
    Feature {
        name: "percentile",
        forms: &[&[
            VALUE,
            Argument { name: "p", role: Role::Number, about: "the part of the values that is below, 0 to 1" },
        ]],
        gives: "the value below which a part p of the values lies",
        unit: "the unit of x",
        formula: "the sorted values x₀ … xₙ₋₁ interpolated linearly at place p(n − 1)",
        source: "Hyndman & Fan 1996, Am. Stat. 50, 361, definition 7; the default of numpy",
        least: 1,
        check: |options| within(options, "p", 1.0),
        how: How::Points(|points, options| quantile(&values(points), options.number(0)?)),
    },
    Feature {
        name: "inter_percentile_range",
        forms: &[&[
            VALUE,
            Argument { name: "p", role: Role::Number, about: "the part that is left out at each end, 0 to 0.5" },
        ]],
        gives: "the range of the values without a part p at each end",
        unit: "the unit of x",
        formula: "percentile(x, 1 − p) − percentile(x, p)",
        source: "as percentile",
        least: 1,
        check: |options| within(options, "p", 0.5),
        how: How::Points(|points, options| between(points, options.number(0)?)),
    },
    Feature {
        name: "iqr",
        forms: &[&[VALUE]],
        gives: "the interquartile range",
        unit: "the unit of x",
        formula: "percentile(x, 0.75) − percentile(x, 0.25)",
        source: "as percentile; use for light curves: Sokolovsky et al. 2017, MNRAS 464, 274",
        least: 1,
        check: any,
        how: How::Points(|points, _| between(points, 0.25)),
    },
    Feature {
        name: "mad",
        forms: &[&[VALUE]],
        gives: "the median absolute deviation; times 1.4826 it estimates the standard deviation of a normal distribution",
        unit: "the unit of x",
        formula: "median |x − median x|",
        source: "Hampel 1974, JASA 69, 383; Richards et al. 2011, ApJ 733, 10",
        least: 1,
        check: any,
        how: How::Points(|points, _| {
            let sorted = values(points);
            let median = quantile(&sorted, 0.5)?;
            let mut apart: Vec<f64> = sorted.iter().map(|v| (v - median).abs()).collect();
            apart.sort_unstable_by(f64::total_cmp);
            quantile(&apart, 0.5)
        }),
    },
    Feature {
        name: "skew",
        forms: &[&[VALUE]],
        gives: "the skewness G₁, 0 on average for a normal distribution",
        unit: "no unit",
        formula: "√(n(n − 1)) / (n − 2) · m₃ / m₂^(3/2) with mₖ = Σ(x − mean x)ᵏ / n; null where all values are equal",
        source: "Joanes & Gill 1998, The Statistician 47, 183",
        least: 3,
        check: any,
        how: How::Powers(|all| {
            let n = all.count;
            (n * (n - 1.0)).sqrt() / (n - 2.0) * (all.third / n) / (all.second / n).powf(1.5)
        }),
    },
    Feature {
        name: "kurtosis",
        forms: &[&[VALUE]],
        gives: "the excess kurtosis G₂, 0 on average for a normal distribution",
        unit: "no unit",
        formula: "(n − 1) / ((n − 2)(n − 3)) · ((n + 1)(m₄ / m₂² − 3) + 6) with mₖ = Σ(x − mean x)ᵏ / n; null where all \
                  values are equal",
        source: "Joanes & Gill 1998, The Statistician 47, 183",
        least: 4,
        check: any,
        how: How::Powers(|all| {
            let n = all.count;
            let excess = (all.fourth / n) / (all.second / n).powi(2) - 3.0;
            (n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * excess + 6.0)
        }),
    },
    Feature {
        name: "beyond_n_std",
        forms: &[&[
            VALUE,
            Argument { name: "n", role: Role::Number, about: "how many standard deviations, 0 or more" },
        ]],
        gives: "the part of the values further than n standard deviations from the mean",
        unit: "no unit: 0 to 1",
        formula: "the part with |x − mean x| > n √(Σ(x − mean x)² / (N − 1)) of N values",
        source: "Richards et al. 2011, ApJ 733, 10, for n = 1",
        least: 2,
        check: |options| match options.number(0) {
            Some(n) if n < 0.0 => Err(format!("n must be 0 or more, and is {n}")),
            _ => Ok(()),
        },
        how: How::Points(|points, options| {
            let apart = deviations(points, |_| 1.0);
            let limit = options.number(0)? * (squares(&apart) / (apart.len() as f64 - 1.0)).sqrt();
            Some(apart.iter().filter(|a| a.abs() > limit).count() as f64 / apart.len() as f64)
        }),
    },
];

fn within(options: &Options, name: &str, most: f64) -> Result<(), String> {
    match options.number(0) {
        Some(p) if !(0.0..=most).contains(&p) => Err(format!("{name} must be from 0 to {most}, and is {p}")),
        _ => Ok(()),
    }
}

/// The values, which are sorted where points have no time.
fn values(points: &[Point]) -> Vec<f64> {
    points.iter().map(|p| p.value).collect()
}

fn between(points: &[Point], p: f64) -> Option<f64> {
    let sorted = values(points);
    Some(quantile(&sorted, 1.0 - p)? - quantile(&sorted, p)?)
}

/// Between two values the nearer one is started from, so that the answer is exact at both.
fn quantile(sorted: &[f64], p: f64) -> Option<f64> {
    let place = p * (sorted.len().checked_sub(1)? as f64);
    let part = place.fract();
    let below = *sorted.get(place as usize)?;
    let above = sorted.get(place as usize + 1).copied().unwrap_or(below);
    Some(if part < 0.5 { below + (above - below) * part } else { above - (above - below) * (1.0 - part) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{agrees, ask, points};

    fn of(name: &str, values: &[f64], numbers: &[f64]) -> Option<f64> {
        let points: Vec<_> = values.iter().map(|v| (0.0, *v, 1.0)).collect();
        ask(name, 1 + numbers.len(), &points, numbers)
    }

    #[test]
    fn values_are_known() {
        let values = [8.0, 1.0, 16.0, 4.0, 2.0];
        for (name, numbers, known) in [
            ("amplitude", &[][..], 7.5),
            ("percent_amplitude", &[], 3.0),
            ("percentile", &[0.0], 1.0),
            ("percentile", &[0.25], 2.0),
            ("percentile", &[0.3], 2.4),
            ("percentile", &[0.9], 12.8),
            ("percentile", &[1.0], 16.0),
            ("inter_percentile_range", &[0.1], 11.4),
            ("inter_percentile_range", &[0.5], 0.0),
            ("iqr", &[], 6.0),
            ("mad", &[], 3.0),
            ("beyond_n_std", &[1.0], 0.2),
            ("beyond_n_std", &[0.0], 1.0),
            ("beyond_n_std", &[2.0], 0.0),
        ] {
            let own = of(name, &values, numbers);
            assert!(agrees(own, known), "{name} {numbers:?}: {own:?}, not {known}");
        }
    }

    #[test]
    fn equal_values_have_no_shape() {
        let equal = [0.1; 9];
        for (name, numbers, known) in [
            ("amplitude", &[][..], Some(0.0)),
            ("percentile", &[0.37], Some(0.1)),
            ("mad", &[], Some(0.0)),
            ("skew", &[], None),
            ("kurtosis", &[], None),
            ("beyond_n_std", &[0.5], Some(0.0)),
        ] {
            assert_eq!(of(name, &equal, numbers), known, "{name}");
        }
        assert_eq!(of("percent_amplitude", &[-1.0, 0.0, 1.0], &[]), None);
    }

    proptest! {
        #[test]
        fn shapes_are_those_of_the_definition(points in points(4)) {
            let values: Vec<f64> = points.iter().map(|p| p.1).collect();
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let moment = |k: i32| values.iter().map(|v| (v - mean).powi(k)).sum::<f64>() / n;
            let (m2, m3, m4) = (moment(2), moment(3), moment(4));
            let skew = (n * (n - 1.0)).sqrt() / (n - 2.0) * m3 / m2.powf(1.5);
            prop_assert!(agrees(of("skew", &values, &[]), skew));
            let kurtosis = (n - 1.0) / ((n - 2.0) * (n - 3.0)) * ((n + 1.0) * (m4 / (m2 * m2) - 3.0) + 6.0);
            prop_assert!(agrees(of("kurtosis", &values, &[]), kurtosis));
        }

        #[test]
        fn percentiles_leave_their_part_below(points in points(1), p in 0.0..=1.0f64) {
            let values: Vec<f64> = points.iter().map(|p| p.1).collect();
            let own = of("percentile", &values, &[p]).unwrap();
            let below = values.iter().filter(|v| **v < own).count() as f64;
            let not_above = values.iter().filter(|v| **v <= own).count() as f64;
            let place = p * (values.len() as f64 - 1.0);
            prop_assert!(below <= place + 1.0 && not_above >= place.floor());
            let mirrored: Vec<f64> = values.iter().map(|v| -v).collect();
            prop_assert!(agrees(of("percentile", &mirrored, &[1.0 - p]), -own));
        }
    }
}
