//! A straight line through a light curve.

use super::arguments::{ERROR, TIME, VALUE};
use super::sums::{Line, add_up, squares};
use super::{Feature, How, any};

pub(super) static FEATURES: &[Feature] = &[
    Feature {
        name: "linear_slope",
        forms: &[&[TIME, VALUE], &[TIME, VALUE, ERROR]],
        gives: "the slope of the straight line that fits best",
        unit: "the unit of x a day",
        formula: "Σw(t − mean t)(x − mean x) / Σw(t − mean t)², with means weighted by w = 1 / err², or 1 without err; null \
                  where all times are equal",
        source: "Press et al. 2007, Numerical Recipes, 15.2",
        least: 2,
        check: any,
        how: How::Line(Line::slope),
    },
    Feature {
        name: "linear_slope_err",
        forms: &[&[TIME, VALUE], &[TIME, VALUE, ERROR]],
        gives: "the standard error of linear_slope",
        unit: "the unit of x a day",
        formula: "with err 1 / √Σw(t − mean t)², if the errors are right; without err √(R / (n − 2) / Σ(t − mean t)²) with \
                  R = Σ(x − line)²; null where all times are equal",
        source: "Press et al. 2007, Numerical Recipes, 15.2",
        least: 3,
        check: any,
        // From all points: a sum of squares less what the line explains would leave no digits where it explains most.
        how: How::Points(|points, options| {
            let line: Line = add_up(points);
            if options.errors {
                return Some(1.0 / line.times.sqrt());
            }
            let rest: Vec<f64> = points.iter().map(|point| line.residual(point)).collect();
            Some((squares(&rest) / (points.len() as f64 - 2.0) / line.times).sqrt())
        }),
    },
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{agrees, ask, points};

    #[test]
    fn values_are_known() {
        // 2t + 1 with a deviation of 1, −2, 1 has the same slope.
        let points = [(60_000.0, 2.0, 1.0), (60_001.0, 1.0, 1.0), (60_002.0, 6.0, 1.0)];
        assert!(agrees(ask("linear_slope", 2, &points, &[]), 2.0));
        assert!(agrees(ask("linear_slope_err", 2, &points, &[]), 3f64.sqrt()));
        assert!(agrees(ask("linear_slope_err", 3, &points, &[]), 0.5f64.sqrt()));
        // An error so large that only two points are left.
        let points = [(0.0, 0.0, 1.0), (1.0, 50.0, 1e9), (2.0, 3.0, 1.0)];
        assert!(agrees(ask("linear_slope", 3, &points, &[]), 1.5));
    }

    #[test]
    fn nothing_is_said_of_one_time() {
        let points = [(1.0, 2.0, 1.0), (1.0, 1.0, 1.0), (1.0, 6.0, 1.0)];
        for name in ["linear_slope", "linear_slope_err"] {
            assert_eq!(ask(name, 2, &points, &[]), None, "{name}");
            assert_eq!(ask(name, 3, &points, &[]), None, "{name} with errors");
        }
    }

    proptest! {
        /// The slope is the mean of the slopes between all pairs, weighted by the squares of their distances in time.
        #[test]
        fn the_line_is_that_of_all_pairs(points in points(3)) {
            for arguments in [2, 3] {
                let weight = |p: &(f64, f64, f64)| if arguments == 3 { p.2.powi(-2) } else { 1.0 };
                let (mut products, mut times, mut total) = (0.0, 0.0, 0.0);
                for (i, a) in points.iter().enumerate() {
                    total += weight(a);
                    for b in &points[..i] {
                        products += weight(a) * weight(b) * (a.0 - b.0) * (a.1 - b.1);
                        times += weight(a) * weight(b) * (a.0 - b.0).powi(2);
                    }
                }
                let slope = products / times;
                prop_assert!(agrees(ask("linear_slope", arguments, &points, &[]), slope));
                let mut expected = (total / times).sqrt();
                if arguments == 2 {
                    let n = points.len() as f64;
                    let mean = |of: fn(&(f64, f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / n;
                    let (t, x) = (mean(|p| p.0), mean(|p| p.1));
                    let rest: f64 = points.iter().map(|p| (p.1 - x - slope * (p.0 - t)).powi(2)).sum();
                    expected *= (rest / (n - 2.0)).sqrt();
                }
                let own = ask("linear_slope_err", arguments, &points, &[]);
                prop_assert!(agrees(own, expected));
            }
        }
    }
}
