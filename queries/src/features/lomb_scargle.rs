//! The generalised Lomb-Scargle periodogram: how much better a sine of some frequency, with an offset of its own, fits
//! than a constant.
//!
//! Formulas and notation are those of Zechmeister & Kürster 2009, A&A 496, 577 (4 to 19). The power is 1 − χ² of the
//! sine / χ² of the constant, from 0 to 1: the `standard` normalisation of astropy.

use std::f64::consts::TAU;

use super::arguments::Point;

/// Points that are worked on side by side.
const LANES: usize = 4;
/// Frequencies after which phases are worked out anew: the rounding of so many turns stays below that of a sum.
const TURNS: usize = 128;
/// Below this determinant times do not tell a sine from a cosine and an offset, and nothing is said of the frequency.
const UNDETERMINED: f64 = 1e-9;

/// Frequencies to look at: `count` of them, `step` apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid {
    pub(super) first: f64,
    pub(super) step: f64,
    pub(super) count: usize,
    /// Where the search ends: the last frequency or up to a step above it.
    pub(super) end: f64,
}

impl Grid {
    pub(super) fn at(&self, k: usize) -> f64 {
        self.first + k as f64 * self.step
    }
}

/// A frequency, in turns a day, and its power.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Peak {
    pub(super) frequency: f64,
    pub(super) power: f64,
}

/// A light curve, ready to be asked for the power at frequencies.
pub(super) struct Periodogram {
    blocks: Vec<Block>,
    /// χ² of the constant over the sum of weights.
    yy: f64,
}

/// A few points: times from the middle of all, weights that add up to 1 over all points, and weighted values about the
/// weighted mean. Where there are no points left, weights are 0.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    time: [f64; LANES],
    weight: [f64; LANES],
    value: [f64; LANES],
}

/// Sums over the points: weights, and weighted values, with the cosine and sine of the phase.
#[derive(Default)]
struct Sums {
    c: [f64; LANES],
    s: [f64; LANES],
    cc: [f64; LANES],
    cs: [f64; LANES],
    yc: [f64; LANES],
    ys: [f64; LANES],
}

impl Sums {
    #[inline]
    fn add(&mut self, block: &Block, cos: &[f64; LANES], sin: &[f64; LANES]) {
        for lane in 0..LANES {
            let (cos, sin) = (cos[lane], sin[lane]);
            let (wc, ws) = (block.weight[lane] * cos, block.weight[lane] * sin);
            self.c[lane] += wc;
            self.s[lane] += ws;
            self.cc[lane] += wc * cos;
            self.cs[lane] += wc * sin;
            self.yc[lane] += block.value[lane] * cos;
            self.ys[lane] += block.value[lane] * sin;
        }
    }

    fn power(&self, yy: f64) -> f64 {
        let [c, s, cc, cs, yc, ys] =
            [self.c, self.s, self.cc, self.cs, self.yc, self.ys].map(|lanes| lanes.iter().sum::<f64>());
        // Values are about their mean, so that Y is 0.
        let (cc, ss, cs) = (cc - c * c, 1.0 - cc - s * s, cs - c * s);
        let determinant = cc * ss - cs * cs;
        if determinant < UNDETERMINED {
            return 0.0;
        }
        ((ss * yc * yc + cc * ys * ys - 2.0 * cs * yc * ys) / (yy * determinant)).clamp(0.0, 1.0)
    }
}

/// Cosine and sine of the phases of a block.
fn phases(frequency: f64, time: &[f64; LANES]) -> ([f64; LANES], [f64; LANES]) {
    let turned = time.map(|t| ((frequency * t).fract() * TAU).sin_cos());
    (turned.map(|(_, cos)| cos), turned.map(|(sin, _)| sin))
}

/// A block whose phases turn with every step of the frequency.
struct Turning {
    cos: [f64; LANES],
    sin: [f64; LANES],
    by_cos: [f64; LANES],
    by_sin: [f64; LANES],
}

impl Turning {
    #[inline]
    fn turn(&mut self) {
        for lane in 0..LANES {
            let (cos, sin) = (self.cos[lane], self.sin[lane]);
            self.cos[lane] = cos * self.by_cos[lane] - sin * self.by_sin[lane];
            self.sin[lane] = sin * self.by_cos[lane] + cos * self.by_sin[lane];
        }
    }
}

impl Periodogram {
    /// Of points in the order of time; `None` if all values are equal.
    pub(super) fn new(points: &[Point]) -> Option<Self> {
        let (first, last) = (points.first()?, points.last()?);
        let middle = first.time + (last.time - first.time) / 2.0;
        // The smallest error sets the scale, so that no weight is too large for a number.
        let scale = points.iter().map(|p| p.error).min_by(f64::total_cmp)?;
        let weights: Vec<f64> = points.iter().map(|p| (scale / p.error).powi(2)).collect();
        let total: f64 = weights.iter().sum();
        let from = |point: &Point| point.value - first.value;
        let mean = points.iter().zip(&weights).map(|(p, w)| w / total * from(p)).sum::<f64>();
        let mut blocks = vec![Block::default(); points.len().div_ceil(LANES)];
        let mut yy = 0.0;
        for (at, (point, weight)) in points.iter().zip(&weights).enumerate() {
            let (block, lane) = (blocks.get_mut(at / LANES)?, at % LANES);
            let value = from(point) - mean;
            block.time[lane] = point.time - middle;
            block.weight[lane] = weight / total;
            block.value[lane] = weight / total * value;
            yy += weight / total * value * value;
        }
        (yy > 0.0).then_some(Self { blocks, yy })
    }

    /// The power at a frequency.
    pub(super) fn power(&self, frequency: f64) -> f64 {
        let mut sums = Sums::default();
        for block in &self.blocks {
            let (cos, sin) = phases(frequency, &block.time);
            sums.add(block, &cos, &sin);
        }
        sums.power(self.yy)
    }

    /// Calls back with the power at every frequency of a grid. A phase is the one before, turned by what a step of the
    /// frequency turns it.
    pub(super) fn powers(&self, grid: &Grid, mut each: impl FnMut(usize, f64)) {
        let turning = |block: &Block| {
            let (by_cos, by_sin) = phases(grid.step, &block.time);
            Turning { cos: by_cos, sin: by_sin, by_cos, by_sin }
        };
        let mut turning: Vec<Turning> = self.blocks.iter().map(turning).collect();
        for start in (0..grid.count).step_by(TURNS) {
            for (block, turning) in self.blocks.iter().zip(&mut turning) {
                (turning.cos, turning.sin) = phases(grid.at(start), &block.time);
            }
            for k in start..grid.count.min(start + TURNS) {
                let mut sums = Sums::default();
                for (block, turning) in self.blocks.iter().zip(&mut turning) {
                    sums.add(block, &turning.cos, &turning.sin);
                    turning.turn();
                }
                each(k, sums.power(self.yy));
            }
        }
    }

    /// The highest peak: the best frequency of the grid, the lowest of equals, and from there the best within a step.
    pub(super) fn peak(&self, grid: &Grid) -> Peak {
        let mut best = (0, f64::NEG_INFINITY);
        self.powers(grid, |k, power| {
            if power > best.1 {
                best = (k, power);
            }
        });
        let frequency = grid.at(best.0);
        let found = Peak { frequency, power: self.power(frequency) };
        let refined = self.climb((frequency - grid.step).max(grid.first), (frequency + grid.step).min(grid.end));
        if refined.power > found.power { refined } else { found }
    }

    /// The maximum between two frequencies by golden section (Kiefer 1953, Proc. AMS 4, 502). Closer than a ten
    /// millionth of a step the power is the same to rounding.
    fn climb(&self, mut low: f64, mut high: f64) -> Peak {
        const GOLDEN: f64 = 0.618_033_988_749_894_9;
        let at = |frequency: f64| Peak { frequency, power: self.power(frequency) };
        let close = (high - low) * 1e-7;
        let mut left = at(high - GOLDEN * (high - low));
        let mut right = at(low + GOLDEN * (high - low));
        while high - low > close {
            if left.power >= right.power {
                (high, right) = (right.frequency, left);
                left = at(high - GOLDEN * (high - low));
            } else {
                (low, left) = (left.frequency, right);
                right = at(low + GOLDEN * (high - low));
            }
        }
        if left.power >= right.power { left } else { right }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve() -> Vec<Point> {
        // Irregular times, two signals and errors that differ, without any randomness.
        let mut points: Vec<Point> = (0..41)
            .map(|i| {
                let i = f64::from(i);
                let time = 61_000.0 + i * 1.37 + (i * 12.9898).sin() * 0.6;
                let value = 20.0 + 3.0 * (TAU * time / 2.345).sin() + (i * 78.233).sin();
                Point { time, value, error: 0.5 + (i * 3.3).sin().abs(), second: false }
            })
            .collect();
        points.sort_by(Point::order);
        points
    }

    /// The least-squares fit of offset, cosine and sine by its normal equations, and nothing but the definition.
    fn by_fitting(points: &[Point], frequency: f64) -> f64 {
        let mut normal = [[0.0; 4]; 3];
        let start = points[0].time;
        let basis = |p: &Point| {
            let phase = TAU * frequency * (p.time - start);
            [1.0, phase.cos(), phase.sin()]
        };
        for p in points {
            let row = basis(p);
            for (equation, factor) in normal.iter_mut().zip(row) {
                for (sum, part) in equation.iter_mut().zip([row[0], row[1], row[2], p.value]) {
                    *sum += p.weight() * factor * part;
                }
            }
        }
        for i in 0..3 {
            let pivot = normal[i];
            for equation in normal.iter_mut().enumerate().filter(|(other, _)| *other != i).map(|(_, e)| e) {
                let factor = equation[i] / pivot[i];
                equation.iter_mut().zip(pivot).for_each(|(own, other)| *own -= factor * other);
            }
        }
        let fit = [0, 1, 2].map(|i| normal[i][3] / normal[i][i]);
        let weight: f64 = points.iter().map(Point::weight).sum();
        let mean = points.iter().map(|p| p.weight() * p.value).sum::<f64>() / weight;
        let chi2 =
            |of: &dyn Fn(&Point) -> f64| points.iter().map(|p| p.weight() * (p.value - of(p)).powi(2)).sum::<f64>();
        1.0 - chi2(&|p| basis(p).iter().zip(fit).map(|(b, f)| b * f).sum()) / chi2(&|_| mean)
    }

    #[test]
    fn the_power_is_what_a_fit_explains() {
        let points = curve();
        let periodogram = Periodogram::new(&points).unwrap();
        for frequency in [0.02, 0.1, 0.4264, 0.43, 1.7, 9.99] {
            let (own, fitted) = (periodogram.power(frequency), by_fitting(&points, frequency));
            assert!((own - fitted).abs() < 1e-10, "{frequency}: {own} {fitted}");
        }
    }

    #[test]
    fn turning_phases_is_working_them_out() {
        let points = curve();
        let periodogram = Periodogram::new(&points).unwrap();
        let grid = Grid { first: 0.01, step: 0.0037, count: 3_000, end: 12.0 };
        let mut seen = 0;
        periodogram.powers(&grid, |k, power| {
            let plain = periodogram.power(grid.at(k));
            assert!((power - plain).abs() < 1e-10, "{k}: {power} {plain}");
            seen += 1;
        });
        assert_eq!(seen, grid.count);
    }

    #[test]
    fn the_peak_is_the_highest_point_around() {
        let points = curve();
        let periodogram = Periodogram::new(&points).unwrap();
        let grid = Grid { first: 0.02, step: 0.0036, count: 500, end: 1.83 };
        let peak = periodogram.peak(&grid);
        assert!((1.0 / peak.frequency - 2.345).abs() < 0.01, "{peak:?}");
        for k in -1_000..=1_000 {
            assert!(periodogram.power(peak.frequency + f64::from(k) * 1e-5) <= peak.power + 1e-12);
        }
    }

    #[test]
    fn frequencies_that_times_do_not_tell_apart_have_no_power() {
        let even: Vec<Point> =
            (0..20).map(|i| Point { time: f64::from(i), value: f64::from(i % 3), error: 1.0, second: false }).collect();
        let periodogram = Periodogram::new(&even).unwrap();
        assert_eq!([0.5, 1.0, 0.0].map(|f| periodogram.power(f)), [0.0; 3]);
        assert!(periodogram.power(1.0 / 3.0) > 0.99);
        let constant: Vec<Point> = even.iter().map(|p| Point { value: 0.1, ..*p }).collect();
        assert!(Periodogram::new(&constant).is_none());
    }
}
