//! What resampling does to the template: its noise is no longer independent from pixel to pixel, and its variance
//! repeats.
//!
//! Templates are kept on a grid of the sky and brought onto the pixels of the visit by Lanczos interpolation of third
//! order. Halfway between the old pixels this averages more of them than at their centres: the variance there is 0.79
//! of what it was, very nearly `0.893 (1 + 0.12 cos 2 pi u)` for a distance `u` in old pixels along each axis. As the
//! grids are turned against each other the variance plane shows two crossed waves, whose wavelength and direction
//! follow from the angle. The same waves, of the same strength, are in transmitted templates.

use std::f64::consts::TAU;

use crate::visits::Visit;

/// Strength of a wave.
const WAVE: f32 = 0.12;
/// Share of a pixel's noise that its neighbours left and right, below and above have too: transmitted templates have a
/// correlation of 0.25 between neighbours and next to none beyond.
const SHARED: f32 = 0.13;

/// The waves of one cutout and room for its noise.
#[derive(Debug, Default)]
pub(crate) struct Resampled {
    side: usize,
    /// Cosine and sine of the phases along the two axes of the old grid, by column and by row of the new.
    columns: [Vec<(f32, f32)>; 2],
    rows: [Vec<(f32, f32)>; 2],
    noise: Vec<f32>,
    smooth: Vec<f32>,
}

impl Resampled {
    /// For a square whose first pixel is at `corner` of the detector.
    pub(crate) fn set(&mut self, visit: &Visit, corner: (f64, f64), side: usize) {
        self.side = side;
        let phases = |list: &mut Vec<(f32, f32)>, first: f64, step: f64| {
            list.clear();
            list.extend((0..side).map(|i| {
                let (sin, cos) = libm::sincos(TAU * crate::random::fraction((first + i as f64) * step));
                (cos as f32, sin as f32)
            }));
        };
        let (sin, cos) = (visit.aim.sin, visit.aim.cos);
        phases(&mut self.columns[0], corner.0, cos);
        phases(&mut self.rows[0], corner.1, -sin);
        phases(&mut self.columns[1], corner.0, sin);
        phases(&mut self.rows[1], corner.1, cos);
        self.noise.clear();
    }

    /// Noise of the next pixel before resampling, in order of rows: mean 0, variance 1.
    pub(crate) fn push(&mut self, noise: f32) {
        self.noise.push(noise);
    }

    /// Lets every pixel share with its neighbours.
    pub(crate) fn smooth(&mut self) {
        share_with_neighbours(&mut self.noise, &mut self.smooth, self.side, SHARED);
    }

    /// Noise of a pixel after [`Self::smooth`]: mean 0, variance 1.
    pub(crate) fn noise(&self, x: usize, y: usize) -> f32 {
        self.noise[y * self.side + x]
    }

    /// Variance of a pixel, of mean 1.
    pub(crate) fn variance(&self, x: usize, y: usize) -> f32 {
        let wave = |axis: usize| {
            let ((a, b), (c, d)) = (self.columns[axis][x], self.rows[axis][y]);
            1.0 + WAVE * (a * c - b * d)
        };
        wave(0) * wave(1)
    }
}

/// Lets every pixel of a square of noise share with its neighbours left and right, below and above; at the edge with
/// those of the other side. Keeps mean and variance.
pub(crate) fn share_with_neighbours(noise: &mut [f32], between: &mut Vec<f32>, side: usize, shared: f32) {
    let whole = 1.0 / (1.0 + 2.0 * shared * shared).sqrt();
    let share = |value: f32, before: f32, after: f32| whole * (value + shared * (before + after));
    between.resize(noise.len(), 0.0);
    for (row, out) in noise.chunks_exact(side).zip(between.chunks_exact_mut(side)) {
        for x in 0..side {
            out[x] = share(row[x], row[(x + side - 1) % side], row[(x + 1) % side]);
        }
    }
    for y in 0..side {
        let row = |y: usize| &between[y % side * side..][..side];
        let (before, this, after) = (row(y + side - 1), row(y), row(y + 1));
        for (x, out) in noise[y * side..][..side].iter_mut().enumerate() {
            *out = share(this[x], before[x], after[x]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::random::{Purpose, Stream};

    #[test]
    fn neighbours_share_a_quarter_and_variance_keeps_its_mean() {
        let plan = Plan::default();
        let first = crate::calendar::NightOf::from_digits(plan.first_night).unwrap();
        let visit = &crate::schedule::visits_of_plan(&crate::telescope::Telescope::LSST, &plan, first)[3];
        let side = 90;
        let mut stream = Stream::new(1, Purpose::Pixels, 0, 0);
        let mut resampled = Resampled::default();
        resampled.set(visit, (1_234.0, 567.0), side);
        (0..side * side).for_each(|_| resampled.push(stream.normal() as f32));
        resampled.smooth();
        let (mut square, mut next, mut below, mut far, mut variance) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for y in 0..side {
            for x in 0..side {
                let at = |right: usize, up: usize| f64::from(resampled.noise((x + right) % side, (y + up) % side));
                let share = at(0, 0) / (side * side) as f64;
                square += share * at(0, 0);
                next += share * at(1, 0);
                below += share * at(0, 1);
                far += share * at(3, 2);
                variance += f64::from(resampled.variance(x, y)) / (side * side) as f64;
                assert!((0.77..1.26).contains(&resampled.variance(x, y)));
            }
        }
        assert!((square - 1.0).abs() < 0.05 && (variance - 1.0).abs() < 0.01, "{square} {variance}");
        assert!((next - 0.25).abs() < 0.04 && (below - 0.25).abs() < 0.04 && far.abs() < 0.04, "{next} {below} {far}");
    }
}
