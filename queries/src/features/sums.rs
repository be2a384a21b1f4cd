//! What is kept of a group whose points need not be kept: a few numbers that rows are added to and that are merged.
//!
//! All sums are of differences to the first value, so that a large offset (a Julian date, a bright star) costs no
//! digits. Updates and merges are those of Chan, Golub & LeVeque (1983, Am. Stat. 37, 242), with weights West (1979,
//! CACM 22, 532), and for third and fourth powers Pébay (2008, Sandia report SAND2008-6212).

use std::fmt::Debug;

use super::arguments::Point;
use super::{Call, How};

/// Numbers that stand for all points of a group.
pub(super) trait Sums: Copy + Default + Debug + Send + Sync + 'static {
    /// Points that were added.
    fn count(&self) -> f64;
    fn add(&mut self, point: &Point);
    fn merge(&mut self, other: &Self);
    /// Writes the numbers down.
    fn put(&self, out: &mut Vec<f64>);
    /// What was written down; `None` if it is something else.
    fn read(numbers: &[f64]) -> Option<Self>;
    /// The answer to a call that is about such sums.
    fn answer(&self, call: &Call) -> Option<f64>;
}

/// The smallest and the largest value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extremes {
    count: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

impl Sums for Extremes {
    fn count(&self) -> f64 {
        self.count
    }

    fn add(&mut self, point: &Point) {
        self.merge(&Self { count: 1.0, least: point.value, most: point.value });
    }

    fn merge(&mut self, other: &Self) {
        if self.count == 0.0 {
            *self = *other;
        } else if other.count > 0.0 {
            self.count += other.count;
            self.least = self.least.min(other.least);
            self.most = self.most.max(other.most);
        }
    }

    fn put(&self, out: &mut Vec<f64>) {
        out.extend([self.count, self.least, self.most]);
    }

    fn read(numbers: &[f64]) -> Option<Self> {
        let &[count, least, most] = numbers else { return None };
        Some(Self { count, least, most })
    }

    fn answer(&self, call: &Call) -> Option<f64> {
        let How::Extremes(answer) = call.feature.how else { return None };
        Some(answer(self))
    }
}

/// The mean weighted by one over the square of the errors, and the weighted squares about it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weighted {
    pub(super) count: f64,
    pub(super) weight: f64,
    shift: f64,
    mean: f64,
    pub(super) squares: f64,
}

impl Weighted {
    pub(super) fn mean(&self) -> f64 {
        self.shift + self.mean
    }
}

impl Sums for Weighted {
    fn count(&self) -> f64 {
        self.count
    }

    fn add(&mut self, point: &Point) {
        self.merge(&Self { count: 1.0, weight: point.weight(), shift: point.value, mean: 0.0, squares: 0.0 });
    }

    fn merge(&mut self, other: &Self) {
        if self.count == 0.0 {
            *self = *other;
        } else if other.count > 0.0 {
            let apart = other.mean + (other.shift - self.shift) - self.mean;
            let weight = self.weight + other.weight;
            let part = other.weight / weight;
            self.squares += other.squares + apart * apart * self.weight * part;
            self.mean += apart * part;
            self.weight = weight;
            self.count += other.count;
        }
    }

    fn put(&self, out: &mut Vec<f64>) {
        out.extend([self.count, self.weight, self.shift, self.mean, self.squares]);
    }

    fn read(numbers: &[f64]) -> Option<Self> {
        let &[count, weight, shift, mean, squares] = numbers else { return None };
        Some(Self { count, weight, shift, mean, squares })
    }

    fn answer(&self, call: &Call) -> Option<f64> {
        let How::Weighted(answer) = call.feature.how else { return None };
        Some(answer(self))
    }
}

/// The weighted means of two bands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bands {
    pub(super) first: Weighted,
    pub(super) second: Weighted,
}

impl Sums for Bands {
    /// Points of the band that has fewer.
    fn count(&self) -> f64 {
        self.first.count.min(self.second.count)
    }

    fn add(&mut self, point: &Point) {
        if point.second { self.second.add(point) } else { self.first.add(point) }
    }

    fn merge(&mut self, other: &Self) {
        self.first.merge(&other.first);
        self.second.merge(&other.second);
    }

    fn put(&self, out: &mut Vec<f64>) {
        self.first.put(out);
        self.second.put(out);
    }

    fn read(numbers: &[f64]) -> Option<Self> {
        let (first, second) = numbers.split_at_checked(numbers.len() / 2)?;
        Some(Self { first: Weighted::read(first)?, second: Weighted::read(second)? })
    }

    fn answer(&self, call: &Call) -> Option<f64> {
        let How::Bands(answer) = call.feature.how else { return None };
        Some(answer(self))
    }
}

/// The mean, and sums of second to fourth powers about it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Powers {
    pub(super) count: f64,
    shift: f64,
    mean: f64,
    pub(super) second: f64,
    pub(super) third: f64,
    pub(super) fourth: f64,
}

impl Powers {
    pub(super) fn mean(&self) -> f64 {
        self.shift + self.mean
    }
}

impl Sums for Powers {
    fn count(&self) -> f64 {
        self.count
    }

    fn add(&mut self, point: &Point) {
        self.merge(&Self { count: 1.0, shift: point.value, ..Self::default() });
    }

    fn merge(&mut self, other: &Self) {
        if self.count == 0.0 {
            *self = *other;
            return;
        }
        if other.count == 0.0 {
            return;
        }
        let (a, b) = (self.count, other.count);
        let count = a + b;
        let apart = other.mean + (other.shift - self.shift) - self.mean;
        let step = apart / count;
        let both = a * b * apart * step;
        self.fourth += other.fourth
            + both * step * step * (a * a - a * b + b * b)
            + 6.0 * step * step * (a * a * other.second + b * b * self.second)
            + 4.0 * step * (a * other.third - b * self.third);
        self.third += other.third + both * step * (a - b) + 3.0 * step * (a * other.second - b * self.second);
        self.second += other.second + both;
        self.mean += b * step;
        self.count = count;
    }

    fn put(&self, out: &mut Vec<f64>) {
        out.extend([self.count, self.shift, self.mean, self.second, self.third, self.fourth]);
    }

    fn read(numbers: &[f64]) -> Option<Self> {
        let &[count, shift, mean, second, third, fourth] = numbers else { return None };
        Some(Self { count, shift, mean, second, third, fourth })
    }

    fn answer(&self, call: &Call) -> Option<f64> {
        let How::Powers(answer) = call.feature.how else { return None };
        Some(answer(self))
    }
}

/// The straight line that fits best: weighted means of time and value, and the squares and products about them that
/// its slope is made of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Line {
    count: f64,
    weight: f64,
    shift: [f64; 2],
    mean: [f64; 2],
    pub(super) times: f64,
    products: f64,
}

impl Line {
    pub(super) fn slope(&self) -> f64 {
        self.products / self.times
    }

    /// How far a value is above the line.
    pub(super) fn residual(&self, point: &Point) -> f64 {
        let ([t0, x0], [t, x]) = (self.shift, self.mean);
        point.value - x0 - x - self.slope() * (point.time - t0 - t)
    }
}

impl Sums for Line {
    fn count(&self) -> f64 {
        self.count
    }

    fn add(&mut self, point: &Point) {
        let shift = [point.time, point.value];
        self.merge(&Self { count: 1.0, weight: point.weight(), shift, ..Self::default() });
    }

    fn merge(&mut self, other: &Self) {
        if self.count == 0.0 {
            *self = *other;
        } else if other.count > 0.0 {
            let [time, value] = [0, 1].map(|of| other.mean[of] + (other.shift[of] - self.shift[of]) - self.mean[of]);
            let weight = self.weight + other.weight;
            let part = other.weight / weight;
            let both = self.weight * part;
            self.times += other.times + both * time * time;
            self.products += other.products + both * time * value;
            self.mean = [self.mean[0] + time * part, self.mean[1] + value * part];
            self.weight = weight;
            self.count += other.count;
        }
    }

    fn put(&self, out: &mut Vec<f64>) {
        let ([t0, x0], [t, x]) = (self.shift, self.mean);
        out.extend([self.count, self.weight, t0, x0, t, x, self.times, self.products]);
    }

    fn read(numbers: &[f64]) -> Option<Self> {
        let &[count, weight, t0, x0, t, x, times, products] = numbers else { return None };
        Some(Self { count, weight, shift: [t0, x0], mean: [t, x], times, products })
    }

    fn answer(&self, call: &Call) -> Option<f64> {
        let How::Line(answer) = call.feature.how else { return None };
        Some(answer(self))
    }
}

/// The sums of points.
pub(super) fn add_up<S: Sums>(points: &[Point]) -> S {
    let mut sums = S::default();
    points.iter().for_each(|point| sums.add(point));
    sums
}

/// How far each value is from the weighted mean of all, in two passes.
pub(super) fn deviations(points: &[Point], weight: impl Fn(&Point) -> f64) -> Vec<f64> {
    let Some(shift) = points.first().map(|p| p.value) else { return Vec::new() };
    let total: f64 = points.iter().map(&weight).sum();
    let mean = points.iter().map(|p| weight(p) * (p.value - shift)).sum::<f64>() / total;
    points.iter().map(|p| p.value - shift - mean).collect()
}

/// The sum of squares.
pub(super) fn squares(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[(f64, f64, f64)]) -> Vec<Point> {
        values.iter().map(|&(time, value, error)| Point { time, value, error, second: false }).collect()
    }

    #[test]
    fn powers_are_those_of_two_passes() {
        let all = points(&[(0.0, 3.0, 1.0), (1.0, 1.0, 2.0), (2.0, 4.0, 3.0), (3.0, 1.0, 1.0), (4.0, 7.5, 1.0)]);
        let own: Powers = add_up(&all);
        let about = |power: i32| all.iter().map(|p| (p.value - 3.3f64).powi(power)).sum::<f64>();
        for (own, plain) in [(own.mean(), 3.3), (own.second, about(2)), (own.third, about(3)), (own.fourth, about(4))] {
            assert!((own - plain).abs() < 1e-13 * plain.abs(), "{own} {plain}");
        }
    }

    #[test]
    fn an_offset_costs_no_digits() {
        let near = points(&[(0.0, 1.0, 1.0), (1.0, 2.0, 1.0), (2.0, 4.0, 2.0), (3.0, 7.0, 1.0)]);
        let far: Vec<Point> =
            near.iter().map(|p| Point { time: p.time + 61_000.0, value: p.value + 1e9, ..*p }).collect();
        let (a, b): (Powers, Powers) = (add_up(&near), add_up(&far));
        assert_eq!([a.second, a.third, a.fourth], [b.second, b.third, b.fourth]);
        assert_eq!(a.mean() + 1e9, b.mean());
        let (a, b): (Line, Line) = (add_up(&near), add_up(&far));
        assert_eq!([a.times, a.products], [b.times, b.products]);
        let (a, b): (Weighted, Weighted) = (add_up(&near), add_up(&far));
        assert_eq!(a.squares, b.squares);
    }

    #[test]
    fn what_was_written_down_is_read() {
        fn again<S: Sums>(points: &[Point]) {
            let own: S = add_up(points);
            let mut numbers = Vec::new();
            own.put(&mut numbers);
            let read = S::read(&numbers).unwrap();
            assert_eq!(format!("{own:?}"), format!("{read:?}"));
            assert!(S::read(&numbers[1..]).is_none());
        }
        let mut all = points(&[(0.0, 3.0, 1.0), (1.0, 1.0, 2.0), (2.0, 4.5, 3.0)]);
        all[1].second = true;
        again::<Extremes>(&all);
        again::<Weighted>(&all);
        again::<Bands>(&all);
        again::<Powers>(&all);
        again::<Line>(&all);
    }
}
