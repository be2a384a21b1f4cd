//! How the light of an object differs from its template, in nJy, at any time.

use std::f64::consts::TAU;

use crate::random::{Purpose, Stream, fraction};

/// The course of an object's light. Times are MJD; amplitudes are in nJy, one for each band.
#[derive(Debug, Clone)]
pub(crate) enum Light {
    /// A periodic variable: a sine wave with two harmonics, about the mean that the template holds.
    Periodic { amplitude: [f64; 6], frequency: f64, phase: f64, second: f64, third: f64 },
    /// A supernova: a smoothed step that decays (Bazin et al. 2009, equation 1), faster in the blue.
    Supernova { peak: [f64; 6], start: f64, rise: f64, decline: [f64; 6] },
    /// A star that flares at random, once in each cell of time, and decays within hours.
    Flaring { amplitude: [f64; 6], cell: f64, decay: f64, seed: u64, key: u64 },
    /// An active nucleus: a damped random walk.
    Wandering { amplitude: [f64; 6], modes: Box<[(f64, f64)]> },
    /// A star that does not change; its noise crosses the threshold in this share of visits.
    Constant { crossing: f64 },
}

impl Light {
    /// Difference from the template.
    pub(crate) fn difference(&self, band: usize, mjd: f64) -> f64 {
        match self {
            Self::Periodic { amplitude, frequency, phase, second, third } => {
                let (sin, cos) = libm::sincos(TAU * fraction(mjd * frequency + phase));
                let overtone = 2.0 * sin * cos;
                let twelfth = sin * (3.0 - 4.0 * sin * sin);
                amplitude[band] * (sin + second * overtone + third * twelfth)
            }
            Self::Supernova { peak, start, rise, decline } => {
                let since = mjd - start;
                if since < -20.0 * rise {
                    return 0.0;
                }
                peak[band] * libm::exp(-since / decline[band]) / (1.0 + libm::exp(-since / rise))
            }
            Self::Flaring { amplitude, cell, decay, seed, key } => {
                let now = (mjd / cell).floor();
                let flare = |cell_number: f64| {
                    let mut stream = Stream::new(*seed, Purpose::Flare, *key, cell_number as i64 as u64);
                    let since = mjd - (cell_number + stream.uniform()) * cell;
                    let strength = 0.1 + stream.exponential();
                    if since < 0.0 { 0.0 } else { strength * libm::exp(-since / decay) }
                };
                amplitude[band] * (flare(now) + flare(now - 1.0))
            }
            Self::Wandering { amplitude, modes } => {
                let sum: f64 = modes.iter().map(|(frequency, phase)| libm::cos(frequency * mjd + phase)).sum();
                amplitude[band] * sum * (2.0 / modes.len() as f64).sqrt()
            }
            Self::Constant { .. } => 0.0,
        }
    }

    /// True for what comes once or seldom, and should not be missed when alerts are drawn.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Supernova { .. } | Self::Flaring { .. })
    }

    /// A random walk that forgets within `damping` days.
    ///
    /// A sum of waves whose frequencies follow a Cauchy distribution of scale 1 / damping has the covariance
    /// exp(-|dt| / damping) of the damped random walk, and can be had at any time without the times before.
    pub(crate) fn wandering(amplitude: [f64; 6], damping: f64, stream: &mut Stream) -> Self {
        let modes = (0..16)
            .map(|_| {
                // Short of the ends of the distribution, where frequencies know no bound.
                let u = stream.between(-0.499, 0.499);
                (libm::tan(std::f64::consts::PI * u) / damping, stream.between(0.0, TAU))
            })
            .collect();
        Self::Wandering { amplitude, modes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supernova_rises_and_declines() {
        let light = Light::Supernova { peak: [1_000.0; 6], start: 60_000.0, rise: 3.0, decline: [30.0; 6] };
        assert_eq!(light.difference(2, 59_000.0), 0.0);
        let at = |day: f64| light.difference(2, 60_000.0 + day);
        assert!(at(-5.0) < at(2.0) && at(2.0) < at(6.0) && at(6.0) > at(30.0) && at(30.0) > at(90.0));
        assert!(at(6.0) < 1_000.0 && at(400.0) > 0.0);
    }

    #[test]
    fn a_variable_repeats() {
        let light =
            Light::Periodic { amplitude: [500.0; 6], frequency: 1.0 / 0.55, phase: 0.2, second: 0.3, third: 0.1 };
        let (a, b) = (light.difference(0, 61_000.3), light.difference(0, 61_000.3 + 55.0));
        assert!((a - b).abs() < 1e-3);
    }

    #[test]
    fn a_walk_has_its_variance_and_forgets() {
        let (mut same, mut later, n) = (0.0, 0.0, 4_000);
        for i in 0..n {
            let mut stream = Stream::new(3, Purpose::Object, i, 0);
            let light = Light::wandering([1.0; 6], 50.0, &mut stream);
            let now = light.difference(1, 60_000.0);
            same += now * now / n as f64;
            later += now * light.difference(1, 60_050.0) / n as f64;
        }
        assert!((same - 1.0).abs() < 0.1, "{same}");
        assert!((later - 0.368).abs() < 0.1, "{later}");
    }

    #[test]
    fn flares_are_seldom_and_positive() {
        let light = Light::Flaring { amplitude: [1.0; 6], cell: 8.0, decay: 0.1, seed: 1, key: 5 };
        let bright = (0..8_000).filter(|i| light.difference(0, 61_000.0 + f64::from(*i) * 0.1) > 0.1).count();
        assert!((50..800).contains(&bright), "{bright}");
    }
}
