//! Values in the order in which they were measured.

use super::arguments::{Argument, Point, Role, TIME, VALUE};
use super::sums::{deviations, squares};
use super::{Feature, How, any};

/// Times alone, as what is looked at.
const TIMES: Argument = Argument { name: "time", role: Role::Value, about: "days, such as an MJD" };

pub(super) static FEATURES: &[Feature] = &[
    Feature {
        name: "time_span",
        forms: &[&[TIMES]],
        gives: "the time from the first to the last point",
        unit: "days",
        formula: "max time − min time",
        source: "the definition",
        least: 1,
        check: any,
        how: How::Extremes(|all| all.most - all.least),
    },
    Feature {
        name: "max_gap",
        forms: &[&[TIMES]],
        gives: "the longest time between two points that follow each other",
        unit: "days",
        formula: "max(tᵢ₊₁ − tᵢ)",
        source: "the definition",
        least: 2,
        check: any,
        how: How::Points(|points, _| steps(points, |a, b| b.value - a.value).max_by(f64::total_cmp)),
    },
    Feature {
        name: "max_slope",
        forms: &[&[TIME, VALUE]],
        gives: "the steepest change between two points that follow each other",
        unit: "the unit of x a day",
        formula: "max |xᵢ₊₁ − xᵢ| / (tᵢ₊₁ − tᵢ); steps that take no time are passed over",
        source: "Richards et al. 2011, ApJ 733, 10",
        least: 2,
        check: any,
        how: How::Points(|points, _| slopes(points).map(f64::abs).max_by(f64::total_cmp)),
    },
    Feature {
        name: "von_neumann_eta",
        forms: &[&[TIME, VALUE]],
        gives: "von Neumann's ratio: 2 on average for noise, less where points that follow each other are alike, up to 4 \
                where they alternate",
        unit: "no unit",
        formula: "Σ(xᵢ₊₁ − xᵢ)² / Σ(x − mean x)²; null where all values are equal",
        source: "von Neumann 1941, Ann. Math. Stat. 12, 367, with n − 1 in both means as in Sokolovsky et al. 2017, MNRAS \
                 464, 274",
        least: 2,
        check: any,
        how: How::Points(|points, _| {
            let steps: f64 = steps(points, |a, b| (b.value - a.value).powi(2)).sum();
            Some(steps / squares(&deviations(points, |_| 1.0)))
        }),
    },
    Feature {
        name: "von_neumann_eta_e",
        forms: &[&[TIME, VALUE]],
        gives: "von Neumann's ratio of slopes, for uneven times; at even times it is von_neumann_eta",
        unit: "no unit",
        formula: "T² / m³ · Σ((xᵢ₊₁ − xᵢ) / (tᵢ₊₁ − tᵢ))² / (Σ(x − mean x)² / (n − 1)) with T = time_span and m steps, \
                  those that take no time passed over; null where all values are equal",
        source: "Kim et al. 2014, A&A 566, A43, normalised as in Malanchev et al. 2021, MNRAS 502, 5147",
        least: 2,
        check: any,
        how: How::Points(|points, _| {
            let slopes: Vec<f64> = slopes(points).collect();
            let (m, span) = (slopes.len() as f64, points.last()?.time - points.first()?.time);
            let variance = squares(&deviations(points, |_| 1.0)) / (points.len() as f64 - 1.0);
            Some(span * span / (m * m * m) * squares(&slopes) / variance)
        }),
    },
    Feature {
        name: "cusum",
        forms: &[&[TIME, VALUE]],
        gives: "the range of the cumulative sums of the values about their mean, large for a slow change",
        unit: "no unit: 0 to 0.5",
        formula: "max S − min S with Sₖ = Σᵢ₌₁ᵏ(xᵢ − mean x) / (n s) for k = 0 … n and s² = Σ(x − mean x)² / (n − 1); null \
                  where all values are equal",
        source: "Ellaway 1978, Electroenceph. Clin. Neurophysiol. 45, 302; Kim et al. 2014, A&A 566, A43",
        least: 2,
        check: any,
        how: How::Points(|points, _| {
            let apart = deviations(points, |_| 1.0);
            let (mut sum, mut least, mut most) = (0.0f64, 0.0f64, 0.0f64);
            for step in &apart {
                sum += step;
                (least, most) = (least.min(sum), most.max(sum));
            }
            let n = apart.len() as f64;
            Some((most - least) / (n * (squares(&apart) / (n - 1.0)).sqrt()))
        }),
    },
];

/// What is between points that follow each other.
fn steps<'a>(points: &'a [Point], of: impl Fn(&Point, &Point) -> f64 + 'a) -> impl Iterator<Item = f64> + 'a {
    points.windows(2).filter_map(move |pair| match pair {
        [a, b] => Some(of(a, b)),
        _ => None,
    })
}

fn slopes(points: &[Point]) -> impl Iterator<Item = f64> {
    let takes_time = points.windows(2).filter(|pair| matches!(pair, [a, b] if b.time > a.time));
    takes_time.filter_map(|pair| match pair {
        [a, b] => Some((b.value - a.value) / (b.time - a.time)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{agrees, ask, points};

    #[test]
    fn values_are_known() {
        let points = [(3.0, 5.0, 1.0), (0.0, 1.0, 1.0), (1.0, 2.0, 1.0), (3.0, 4.0, 1.0), (7.0, 3.0, 1.0)];
        for (name, arguments, known) in [
            ("time_span", 1, 7.0),
            ("max_gap", 1, 4.0),
            // At the same time 4 comes before 5.
            ("max_slope", 2, 1.0),
            ("von_neumann_eta", 2, (1.0 + 4.0 + 1.0 + 4.0) / 10.0),
            ("von_neumann_eta_e", 2, 49.0 / 27.0 * (1.0 + 1.0 + 0.25) / 2.5),
            ("cusum", 2, 3.0 / (5.0 * 2.5f64.sqrt())),
        ] {
            let points = points.map(|(t, x, e)| if arguments == 1 { (0.0, t, e) } else { (t, x, e) });
            let own = ask(name, arguments, &points, &[]);
            assert!(agrees(own, known), "{name}: {own:?}, not {known}");
        }
    }

    #[test]
    fn nothing_is_said_of_what_is_not_there() {
        let at_once = [(1.0, 1.0, 1.0), (1.0, 2.0, 1.0), (1.0, 3.0, 1.0)];
        assert_eq!(ask("max_slope", 2, &at_once, &[]), None);
        assert_eq!(ask("von_neumann_eta_e", 2, &at_once, &[]), None);
        let equal = [(1.0, 0.1, 1.0), (2.0, 0.1, 1.0), (4.0, 0.1, 1.0)];
        for name in ["von_neumann_eta", "von_neumann_eta_e", "cusum"] {
            assert_eq!(ask(name, 2, &equal, &[]), None, "{name}");
        }
        assert_eq!(ask("max_slope", 2, &equal, &[]), Some(0.0));
    }

    proptest! {
        #[test]
        fn formulas_are_those_of_the_definition(points in points(3)) {
            let n = points.len() as f64;
            let mean = points.iter().map(|p| p.1).sum::<f64>() / n;
            let variance = points.iter().map(|p| (p.1 - mean).powi(2)).sum::<f64>() / (n - 1.0);
            // The range of the sums is the largest sum of points that follow each other.
            let mut largest = 0.0f64;
            for from in 0..points.len() {
                for to in from..points.len() {
                    largest = largest.max(points[from..=to].iter().map(|p| p.1 - mean).sum::<f64>().abs());
                }
            }
            prop_assert!(agrees(ask("cusum", 2, &points, &[]), largest / (n * variance.sqrt())));

            let steps: f64 = (1..points.len()).map(|i| (points[i].1 - points[i - 1].1).powi(2)).sum();
            let eta = steps / (n - 1.0) / variance;
            prop_assert!(agrees(ask("von_neumann_eta", 2, &points, &[]), eta));
            prop_assert!((0.0..=4.0 + 1e-9).contains(&eta));
            let even: Vec<_> = points.iter().enumerate().map(|(i, p)| (i as f64 * 0.25, p.1, p.2)).collect();
            prop_assert!(agrees(ask("von_neumann_eta_e", 2, &even, &[]), eta));

            let slope = |i: usize| (points[i].1 - points[i - 1].1) / (points[i].0 - points[i - 1].0);
            let steepest = (1..points.len()).map(|i| slope(i).abs()).fold(0.0, f64::max);
            prop_assert!(agrees(ask("max_slope", 2, &points, &[]), steepest));
            let span = points[points.len() - 1].0 - points[0].0;
            let slopes: f64 = (1..points.len()).map(|i| slope(i).powi(2)).sum();
            let own = ask("von_neumann_eta_e", 2, &points, &[]);
            prop_assert!(agrees(own, span * span / (n - 1.0).powi(3) * slopes / variance));
        }
    }
}
