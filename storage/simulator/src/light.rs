//! How the light of an object differs from its template, in nJy, at any time.

use std::f64::consts::TAU;

use crate::random::{Purpose, Stream, fraction};

/// Flux in each of the six bands over that in r.
pub(crate) type Colours = &'static [f64; 6];

/// The course of an object's light. Times are MJD TAI; amplitudes are in nJy in r.
#[derive(Debug, Clone)]
pub(crate) struct Light {
    pub(crate) amplitude: f64,
    pub(crate) colours: Colours,
    pub(crate) course: Course,
}

/// The shape of it, with an amplitude of one.
#[derive(Debug, Clone)]
pub(crate) enum Course {
    /// A periodic variable: `frequency` in cycles a day.
    Periodic { frequency: f64, phase: f64, cycle: Cycle },
    /// A supernova: a smoothed step that decays (Bazin et al. 2009, equation 1), faster in the blue. `stretch` is 1 for
    /// a typical one.
    Supernova { start: f64, stretch: f64 },
    /// A star that flares at random, once in each cell of time, and decays within hours.
    Flaring { cell: f64, decay: f64, seed: u64, key: u64 },
    /// An active nucleus: a damped random walk that forgets within `damping` days.
    Wandering { damping: f64, modes: Box<[(f64, f64)]> },
    /// A star whose light another one bends (Paczynski 1986): closest, in radii of the Einstein ring, at `peak`; the
    /// radius is crossed in `crossing` days.
    Lensed { peak: f64, crossing: f64, closest: f64 },
    /// A star that does not change; its noise crosses the threshold in this share of visits.
    Constant { crossing: f64 },
}

/// One cycle of a periodic variable.
#[derive(Debug, Clone)]
pub(crate) enum Cycle {
    /// A sine wave with two harmonics, about the mean that the template holds.
    Sine { second: f64, third: f64 },
    /// Up in this share of the period, down in the rest, as RR Lyrae stars go; about the mean.
    Sawtooth { rise: f64 },
    /// Two eclipses, below what the template holds; half of their length as a share of the period, and how deep the
    /// second is over the first.
    Eclipses { half_length: f64, second: f64 },
}

/// Days in which the light of a supernova falls to a third, by band.
const DECLINE: [f64; 6] = [12.0, 18.0, 28.0, 35.0, 40.0, 45.0];
/// Days in which it rises.
const RISE: f64 = 3.0;

impl Light {
    /// Difference from the template.
    pub(crate) fn difference(&self, band: usize, mjd: f64) -> f64 {
        self.amplitude * self.colours[band] * self.course.at(band, mjd)
    }

    /// True for what comes once or seldom, and should not be missed when alerts are drawn.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self.course, Course::Supernova { .. } | Course::Flaring { .. } | Course::Lensed { .. })
    }

    /// The numbers that describe it, by the names of [`crate::Label::PARAMETERS`].
    pub(crate) fn parameters(&self) -> Vec<(&'static str, f64)> {
        let mut all = vec![("amplitude_njy", self.amplitude)];
        match &self.course {
            Course::Periodic { frequency, phase, cycle } => {
                all.extend([("period_d", 1.0 / frequency), ("phase", *phase)]);
                match cycle {
                    Cycle::Sine { second, third } => {
                        all.extend([("second_harmonic", *second), ("third_harmonic", *third)]);
                    }
                    Cycle::Sawtooth { rise } => all.push(("rise_share", *rise)),
                    Cycle::Eclipses { half_length, second } => {
                        all.extend([("eclipse_share", 2.0 * half_length), ("second_eclipse", *second)]);
                    }
                }
            }
            Course::Supernova { start, stretch } => all.extend([("start_mjd", *start), ("stretch", *stretch)]),
            Course::Flaring { cell, decay, .. } => all.extend([("flare_interval_d", *cell), ("decay_d", *decay)]),
            Course::Wandering { damping, .. } => all.push(("damping_d", *damping)),
            Course::Lensed { peak, crossing, closest } => {
                all.extend([("peak_mjd", *peak), ("einstein_d", *crossing), ("impact", *closest)]);
            }
            Course::Constant { crossing } => {
                all.clear();
                all.push(("crossing_share", *crossing));
            }
        }
        all
    }

    /// What people call the shape, where a class has several.
    pub(crate) fn shape(&self) -> Option<&'static str> {
        let Course::Periodic { cycle, .. } = &self.course else { return None };
        Some(match cycle {
            Cycle::Sine { .. } => "sinusoid",
            Cycle::Sawtooth { .. } => "rr_lyrae",
            Cycle::Eclipses { .. } => "eclipsing",
        })
    }
}

impl Course {
    /// A random walk that forgets within `damping` days.
    ///
    /// A sum of waves whose frequencies follow a Cauchy distribution of scale 1 / damping has the covariance
    /// exp(-|dt| / damping) of the damped random walk, and can be had at any time without the times before.
    pub(crate) fn wandering(damping: f64, stream: &mut Stream) -> Self {
        let modes = (0..16)
            .map(|_| {
                // Short of the ends of the distribution, where frequencies know no bound.
                let u = stream.between(-0.499, 0.499);
                (libm::tan(std::f64::consts::PI * u) / damping, stream.between(0.0, TAU))
            })
            .collect();
        Self::Wandering { damping, modes }
    }

    fn at(&self, band: usize, mjd: f64) -> f64 {
        match self {
            Self::Periodic { frequency, phase, cycle } => cycle.at(fraction(mjd * frequency + phase)),
            Self::Supernova { start, stretch } => {
                let (since, rise) = (mjd - start, RISE * stretch);
                if since < -20.0 * rise {
                    return 0.0;
                }
                libm::exp(-since / (DECLINE[band] * stretch)) / (1.0 + libm::exp(-since / rise))
            }
            Self::Flaring { cell, decay, seed, key } => {
                let now = (mjd / cell).floor();
                let flare = |cell_number: f64| {
                    let mut stream = Stream::new(*seed, Purpose::Flare, *key, cell_number as i64 as u64);
                    let since = mjd - (cell_number + stream.uniform()) * cell;
                    if !(0.0..60.0 * decay).contains(&since) {
                        return 0.0;
                    }
                    (0.1 + stream.exponential()) * libm::exp(-since / decay)
                };
                flare(now) + flare(now - 1.0)
            }
            Self::Wandering { modes, .. } => {
                let sum: f64 = modes.iter().map(|(frequency, phase)| libm::cos(frequency * mjd + phase)).sum();
                sum * (2.0 / modes.len() as f64).sqrt()
            }
            Self::Lensed { peak, crossing, closest } => {
                let along = (mjd - peak) / crossing;
                let square = closest * closest + along * along;
                (square + 2.0) / (square * (square + 4.0)).sqrt() - 1.0
            }
            Self::Constant { .. } => 0.0,
        }
    }
}

impl Cycle {
    fn at(&self, phase: f64) -> f64 {
        match self {
            Self::Sine { second, third } => {
                let (sin, cos) = libm::sincos(TAU * phase);
                let (overtone, twelfth) = (2.0 * sin * cos, sin * (3.0 - 4.0 * sin * sin));
                sin + second * overtone + third * twelfth
            }
            Self::Sawtooth { rise } => {
                if phase < *rise {
                    2.0 * phase / rise - 1.0
                } else {
                    1.0 - 2.0 * (phase - rise) / (1.0 - rise)
                }
            }
            Self::Eclipses { half_length, second } => {
                let dip = |middle: f64| {
                    let from = (fraction(phase - middle + 0.5) - 0.5) / half_length;
                    (1.0 - from * from).max(0.0)
                };
                -dip(0.0) - second * dip(0.5)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: Colours = &[1.0; 6];

    fn light(amplitude: f64, course: Course) -> Light {
        Light { amplitude, colours: WHITE, course }
    }

    #[test]
    fn a_supernova_rises_and_declines() {
        let light = light(1_000.0, Course::Supernova { start: 60_000.0, stretch: 1.0 });
        assert_eq!(light.difference(2, 59_000.0), 0.0);
        let at = |day: f64| light.difference(2, 60_000.0 + day);
        assert!(at(-5.0) < at(2.0) && at(2.0) < at(6.0) && at(6.0) > at(30.0) && at(30.0) > at(90.0));
        assert!(at(6.0) < 1_000.0 && at(400.0) > 0.0);
        assert!(light.difference(0, 60_030.0) < at(30.0), "blue fades first");
    }

    #[test]
    fn variables_repeat_and_have_their_shapes() {
        let variable = |cycle| light(500.0, Course::Periodic { frequency: 1.0 / 0.55, phase: 0.0, cycle });
        let sine = variable(Cycle::Sine { second: 0.3, third: 0.1 });
        let saw = variable(Cycle::Sawtooth { rise: 0.2 });
        let eclipses = variable(Cycle::Eclipses { half_length: 0.05, second: 0.4 });
        for light in [&sine, &saw, &eclipses] {
            let (a, b) = (light.difference(0, 61_000.3), light.difference(0, 61_000.3 + 55.0));
            assert!((a - b).abs() < 1e-3, "{light:?}");
        }
        let at = |light: &Light, phase: f64| light.difference(0, (100_000.0 + phase) * 0.55);
        assert!((at(&saw, 0.2) - 500.0).abs() < 1.0 && at(&saw, 0.1).abs() < 1.0 && at(&saw, 0.6).abs() < 1.0);
        assert!((at(&eclipses, 0.0) + 500.0).abs() < 1.0 && (at(&eclipses, 0.5) + 200.0).abs() < 1.0);
        assert_eq!((at(&eclipses, 0.25), at(&eclipses, 0.9)), (0.0, 0.0));
        assert_eq!(eclipses.shape(), Some("eclipsing"));
    }

    #[test]
    fn a_lens_is_symmetric_and_strongest_at_its_peak() {
        let light = light(1_000.0, Course::Lensed { peak: 61_000.0, crossing: 20.0, closest: 0.1 });
        let at = |day: f64| light.difference(3, 61_000.0 + day);
        assert!((at(7.0) - at(-7.0)).abs() < 1e-6 && at(0.0) > at(1.0) && at(1.0) > at(20.0));
        // Close to the middle it magnifies by one over the distance.
        assert!((at(0.0) - 9_037.0).abs() < 1.0, "{}", at(0.0));
        // At a distance of one radius by 3 over the root of 5.
        let far = Light { course: Course::Lensed { peak: 0.0, crossing: 1.0, closest: 1.0 }, ..light };
        assert!((far.difference(0, 0.0) - 341.641).abs() < 0.001);
    }

    #[test]
    fn a_walk_has_its_variance_and_forgets() {
        let (mut same, mut later, n) = (0.0, 0.0, 4_000);
        for i in 0..n {
            let mut stream = Stream::new(3, Purpose::Object, i, 0);
            let light = light(1.0, Course::wandering(50.0, &mut stream));
            let now = light.difference(1, 60_000.0);
            same += now * now / n as f64;
            later += now * light.difference(1, 60_050.0) / n as f64;
        }
        assert!((same - 1.0).abs() < 0.1, "{same}");
        assert!((later - 0.368).abs() < 0.1, "{later}");
    }

    #[test]
    fn flares_are_seldom_and_positive() {
        let light = light(1.0, Course::Flaring { cell: 8.0, decay: 0.1, seed: 1, key: 5 });
        let bright = (0..8_000).filter(|i| light.difference(0, 61_000.0 + f64::from(*i) * 0.1) > 0.1).count();
        assert!((50..800).contains(&bright), "{bright}");
        assert!((0..8_000).all(|i| light.difference(0, 61_000.0 + f64::from(i) * 0.1) >= 0.0));
    }
}
