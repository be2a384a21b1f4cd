//! Values and their errors.

use super::arguments::{Argument, ERROR, Options, Point, Role, VALUE};
use super::sums::{Bands, Powers, Sums, add_up, deviations, squares};
use super::{Feature, How, any};

const BAND: Argument = Argument { name: "band", role: Role::Band, about: "the band of the row, as text" };
const FIRST: Argument = Argument { name: "first", role: Role::Text, about: "the bluer band, such as 'g'" };
const SECOND: Argument = Argument { name: "second", role: Role::Text, about: "the redder band, such as 'r'" };
const MAGNITUDE: Argument = Argument { name: "mag", role: Role::Value, about: "magnitudes" };
const MAGNITUDE_ERROR: Argument =
    Argument { name: "mag_err", role: Role::Error, about: "the standard error of mag, in magnitudes, above 0" };
const FLUX: Argument =
    Argument { name: "flux", role: Role::Value, about: "fluxes, of the same zero point in both bands" };
const FLUX_ERROR: Argument =
    Argument { name: "flux_err", role: Role::Error, about: "the standard error of flux, in the unit of flux, above 0" };

pub(super) static FEATURES: &[Feature] = &[
    Feature {
        name: "weighted_mean",
        forms: &[&[VALUE, ERROR]],
        gives: "the mean, weighted by the errors",
        unit: "the unit of x",
        formula: "Σ(x / err²) / Σ(1 / err²)",
        source: "Bevington & Robinson 2003, Data Reduction and Error Analysis, chapter 4",
        least: 1,
        check: any,
        how: How::Weighted(|all| all.mean()),
    },
    Feature {
        name: "weighted_mean_err",
        forms: &[&[VALUE, ERROR]],
        gives: "the standard error of the weighted mean, if the errors are right",
        unit: "the unit of x",
        formula: "1 / √Σ(1 / err²)",
        source: "Bevington & Robinson 2003, Data Reduction and Error Analysis, chapter 4",
        least: 1,
        check: any,
        how: How::Weighted(|all| 1.0 / all.weight.sqrt()),
    },
    Feature {
        name: "reduced_chi2",
        forms: &[&[VALUE, ERROR]],
        gives: "χ² of a constant light curve for each degree of freedom, 1 on average if it is constant and the errors \
                are right",
        unit: "no unit",
        formula: "Σ((x − weighted_mean)² / err²) / (n − 1)",
        source: "Bevington & Robinson 2003, Data Reduction and Error Analysis, chapter 4; Sokolovsky et al. 2017, MNRAS 464, 274",
        least: 2,
        check: any,
        how: How::Weighted(|all| all.squares / (all.count - 1.0)),
    },
    Feature {
        name: "stetson_k",
        forms: &[&[VALUE, ERROR]],
        gives: "Stetson's K, the kurtosis of the residuals without their squares: 0.798 for a normal distribution, 0.900 \
                for a sine, 1 for two levels of equal weight, towards 0 for a single outlier",
        unit: "no unit",
        formula: "Σ|δ| / √(n Σδ²) with δ = √(n / (n − 1)) (x − weighted_mean) / err; null where all values are equal",
        source: "Stetson 1996, PASP 108, 851",
        least: 2,
        check: any,
        how: How::Points(|points, _| {
            let apart = deviations(points, Point::weight);
            // The factor before δ cancels.
            let residuals: Vec<f64> = apart.iter().zip(points).map(|(apart, point)| apart / point.error).collect();
            let total: f64 = residuals.iter().map(|r| r.abs()).sum();
            Some(total / (residuals.len() as f64 * squares(&residuals)).sqrt())
        }),
    },
    Feature {
        name: "excess_variance",
        forms: &[&[VALUE, ERROR]],
        gives: "the normalised excess variance: what the errors do not explain of the variance; below 0 where they \
                explain more than there is; meant for fluxes",
        unit: "no unit",
        formula: "(Σ(x − mean x)² / (n − 1) − Σerr² / n) / (mean x)², the mean without weights; null where it is 0",
        source: "Vaughan et al. 2003, MNRAS 345, 1271",
        least: 2,
        check: any,
        // From sorted points: near a mean of 0 the last digits of the mean decide, which may not depend on the order.
        how: How::Points(|points, _| {
            let all: Powers = add_up(points);
            let noise = points.iter().map(|p| p.error * p.error).sum::<f64>();
            Some((all.second / (all.count - 1.0) - noise / all.count) / all.mean().powi(2))
        }),
    },
    Feature {
        name: "colour",
        forms: &[&[BAND, MAGNITUDE, MAGNITUDE_ERROR, FIRST, SECOND]],
        gives: "the mean magnitude in the first band minus the one in the second",
        unit: "magnitudes",
        formula: "weighted_mean of mag in first − weighted_mean of mag in second; rows of other bands are left out, and \
                  both bands need a point",
        source: "the definition of a colour",
        least: 1,
        check: two_bands,
        how: How::Bands(|bands| bands.first.mean() - bands.second.mean()),
    },
    Feature {
        name: "flux_colour",
        forms: &[&[BAND, FLUX, FLUX_ERROR, FIRST, SECOND]],
        gives: "the colour of the mean fluxes in two bands, which takes faint and negative measurements too",
        unit: "magnitudes",
        formula: "−2.5 log₁₀(weighted_mean of flux in first / weighted_mean of flux in second); null unless both means \
                  are above 0; rows of other bands are left out, and both bands need a point",
        source: "Pogson 1856, MNRAS 17, 12",
        least: 1,
        check: two_bands,
        // From sorted points, as excess_variance.
        how: How::Points(|points, _| {
            let bands: Bands = add_up(points);
            let (first, second) = (bands.first.mean(), bands.second.mean());
            let there = bands.count() > 0.0 && first > 0.0 && second > 0.0;
            there.then(|| -2.5 * (first / second).log10())
        }),
    },
];

fn two_bands(options: &Options) -> Result<(), String> {
    match options.texts.as_slice() {
        [first, second] if first == second => Err(format!("first and second must differ, and both are '{first}'")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{agrees, ask, points};

    const NAMES: [&str; 5] = ["weighted_mean", "weighted_mean_err", "reduced_chi2", "stetson_k", "excess_variance"];

    /// Each by its definition, in one pass after the other.
    fn plain(name: &str, points: &[(f64, f64, f64)]) -> f64 {
        let n = points.len() as f64;
        let sum = |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|p| of(p.1, p.2)).sum::<f64>();
        let weight = sum(&|_, e| e.powi(-2));
        let mean = sum(&|x, e| x / (e * e)) / weight;
        let residual = |x: f64, e: f64| (n / (n - 1.0)).sqrt() * (x - mean) / e;
        match name {
            "weighted_mean" => mean,
            "weighted_mean_err" => weight.powf(-0.5),
            "reduced_chi2" => sum(&|x, e| ((x - mean) / e).powi(2)) / (n - 1.0),
            "stetson_k" => sum(&|x, e| residual(x, e).abs()) / n / (sum(&|x, e| residual(x, e).powi(2)) / n).sqrt(),
            _ => {
                let plain = sum(&|x, _| x) / n;
                (sum(&|x, _| (x - plain).powi(2)) / (n - 1.0) - sum(&|_, e| e * e) / n) / (plain * plain)
            }
        }
    }

    #[test]
    fn values_are_known() {
        // Two points of errors 1 and 2: weights 1 and 1/4.
        let two = [(0.0, 10.0, 1.0), (1.0, 15.0, 2.0)];
        let known = [11.0, 0.8f64.sqrt(), 5.0, 3.0 / 10.0f64.sqrt(), (12.5 - 2.5) / 156.25];
        for (name, known) in NAMES.into_iter().zip(known) {
            let own = ask(name, 2, &two, &[]);
            assert!(agrees(own, known), "{name}: {own:?}, not {known}");
        }
    }

    #[test]
    fn shapes_have_their_k() {
        let of = |value: &dyn Fn(f64) -> f64| {
            let points: Vec<_> = (0..10_000).map(|i| (f64::from(i), value(f64::from(i) / 10_000.0), 0.1)).collect();
            ask("stetson_k", 2, &points, &[]).unwrap()
        };
        assert!((of(&|turn| (std::f64::consts::TAU * turn).sin()) - 0.900).abs() < 1e-3);
        assert!((of(&|turn| f64::from(turn < 0.5)) - 1.0).abs() < 1e-12);
        assert!(of(&|turn| f64::from(turn == 0.5)) < 0.03);
    }

    #[test]
    fn nothing_is_said_of_what_is_not_there() {
        assert_eq!(ask("stetson_k", 2, &[(0.0, 0.1, 1.0); 5], &[]), None);
        assert_eq!(ask("reduced_chi2", 2, &[(0.0, 0.1, 1.0); 5], &[]), Some(0.0));
        assert_eq!(ask("excess_variance", 2, &[(0.0, -1.0, 1.0), (0.0, 1.0, 1.0)], &[]), None);
        for name in NAMES {
            assert_eq!(ask(name, 2, &[(0.0, 1.0, 0.0), (0.0, 2.0, -1.0)], &[]), None, "{name} without an error");
        }
    }

    proptest! {
        #[test]
        fn formulas_are_those_of_the_definition(points in points(2)) {
            for name in NAMES {
                let (own, plain) = (ask(name, 2, &points, &[]), plain(name, &points));
                // Where the mean is near 0 its square has few digits.
                let own = own.filter(|_| name != "excess_variance" || plain.abs() < 1e3);
                prop_assert!(own.is_none_or(|own| agrees(Some(own), plain)), "{name}: {own:?} {plain}");
            }
        }
    }
}
