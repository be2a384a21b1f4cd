//! One exposure, and what the sky was like in it.

use crate::calendar::NightOf;
use crate::camera::{Aim, RADIAN};
use crate::random::{Purpose, Stream, fraction};
use crate::telescope::Telescope;

/// A filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Band(pub(crate) usize);

impl Band {
    pub(crate) const NAMES: [&'static str; 6] = ["u", "g", "r", "i", "z", "y"];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self.0]
    }
}

/// One exposure.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) telescope: &'static Telescope,
    pub(crate) id: i64,
    pub(crate) night: NightOf,
    pub(crate) sequence: u32,
    /// Middle of the exposure, MJD TAI.
    pub(crate) mjd: f64,
    pub(crate) field: u32,
    pub(crate) band: Band,
    pub(crate) aim: Aim,
    /// Deviation of the star image in pixels.
    pub(crate) blur: f64,
    /// Variance of the sky in one pixel, nJy squared.
    pub(crate) sky: f64,
    /// What the sky adds to the variance of the flux of a point source, nJy squared.
    background: f64,
}

/// Second moments of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    pub(crate) xx: f64,
    pub(crate) yy: f64,
    pub(crate) xy: f64,
}

/// Variance that a nanojansky adds to its pixel, in nJy squared.
pub(crate) const SHOT: f64 = 0.6;

impl Visit {
    pub(crate) fn new(
        telescope: &'static Telescope,
        seed: u64,
        night: NightOf,
        sequence: u32,
        field: u32,
        band: Band,
    ) -> Self {
        let id = night.visit_id(sequence);
        let mut stream = Stream::new(seed, Purpose::Visit, id as u64, 0);
        let width = telescope.seeing[band.0] * libm::exp(0.16 * stream.normal() + 0.08);
        let mjd = night.midpoint(telescope, sequence);
        let moonlight = 1.0 + MOONLIGHT[band.0] * moon(mjd);
        let sky = telescope.sky[band.0] * moonlight * libm::exp(0.15 * stream.normal());
        let turned = stream.between(0.0, std::f64::consts::TAU);
        let angle = if telescope.turns { turned } else { 0.0 };
        let shift = (0.01 * RADIAN * stream.normal(), 0.01 * RADIAN * stream.normal());
        let blur = width / 2.355 / telescope.camera.pixel;
        let pixels = 4.0 * std::f64::consts::PI * blur * blur;
        Self {
            telescope,
            id,
            night,
            sequence,
            mjd,
            field,
            band,
            aim: Aim::new(&telescope.camera, angle, shift),
            blur,
            sky,
            background: 1.2 * pixels * sky,
        }
    }

    /// Uncertainty of the flux of a point source, in nJy, from the total flux at its place.
    pub(crate) fn flux_error(&self, total: f64) -> f64 {
        self.flux_variance(total).sqrt()
    }

    /// Its square.
    pub(crate) fn flux_variance(&self, total: f64) -> f64 {
        self.background + 1.3 * SHOT * total.max(0.0)
    }

    /// Second moments of a star image on a detector, in pixels squared.
    pub(crate) fn moments(&self, detector: u32) -> Moments {
        let turn = |a: f64, b: f64| fraction(f64::from(detector) * a + f64::from(self.sequence) * b) - 0.5;
        let size = self.blur * self.blur * (1.0 + 0.12 * turn(0.618_033_989, 0.324_717_957));
        let (stretch, skew) = (0.16 * turn(0.819_172_513, 0.671_043_607), 0.1 * turn(0.549_700_478, 0.245_122_334));
        Moments { xx: size * (1.0 + stretch), yy: size * (1.0 - stretch), xy: size * skew }
    }

    /// When the images of a detector had been processed, MJD TAI.
    pub(crate) fn processed(&self, detector: u32) -> f64 {
        let spread = fraction(f64::from(detector) * 0.754_877_666 + f64::from(self.sequence) * 0.569_840_291);
        let (first, last) = self.telescope.processing;
        self.mjd + (first + (last - first) * spread) / 86_400.0
    }
}

/// How much brighter the sky is under a full moon than under none, less one, by band.
const MOONLIGHT: [f64; 6] = [3.0, 2.0, 1.0, 0.5, 0.2, 0.05];

/// The share of the moon that is lit, 0 to 1: mean months from the new moon of 2000-01-06.
pub(crate) fn moon(mjd: f64) -> f64 {
    const NEW: f64 = 51_549.76;
    const MONTH: f64 = 29.530_588_9;
    0.5 - 0.5 * libm::cos(std::f64::consts::TAU * fraction((mjd - NEW) / MONTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moon_is_full_when_it_was() {
        // 2024-04-23 23:49 UTC, and new on 2024-04-08, the day of an eclipse.
        assert!(moon(60_423.99) > 0.99 && moon(60_408.77) < 0.01);
    }
}
