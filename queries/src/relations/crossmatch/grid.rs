//! Points on the sky in a grid, to find those within a radius of another point.
//!
//! The sky is cut into bands of declination and each band into cells of about equal width. A point stands in every cell
//! that its circle touches, so that whoever comes looks into one cell only. What stands there is told from what is
//! truly near by a bound that needs no angle functions, and by the exact distance last.

use crate::sky::angular_distance;

/// Bands are not narrower than this, degrees: there are not more than 129,600.
const LEAST: f64 = 5.0 / 3_600.0;
/// A band is so many radii high: most circles then touch one or two cells, or four at a corner.
const RADII: f64 = 4.0;
/// Far below any instrument, far above rounding: degrees.
const SLACK: f64 = 1e-9;
/// Rounding of a bound, as a part of it, and of its least values, in squared radians.
const ROUNDING: (f64, f64) = (1e-9, 1e-24);

/// A place on the sky, degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// Any finite angle.
    pub(super) ra: f64,
    /// From -90 to 90.
    pub(super) dec: f64,
}

impl Point {
    /// `None` for what is no place: missing, NaN, infinite, or beyond a pole.
    pub(super) fn new(ra: f64, dec: f64) -> Option<Self> {
        (ra.is_finite() && (-90.0..=90.0).contains(&dec)).then_some(Self { ra, dec })
    }

    /// The angle from a point of the left side to one of the right side, degrees, as `angular_distance` has it.
    pub(super) fn distance(self, right: Self) -> f64 {
        angular_distance(self.ra, self.dec, right.ra, right.dec)
    }
}

/// A point that is kept.
#[derive(Debug, Clone, Copy)]
struct Kept {
    /// Right ascension from 0 to 360.
    turned: f64,
    point: Point,
    /// Sine without its sign, and cosine of the declination.
    sin: f64,
    cos: f64,
    row: u32,
}

#[derive(Debug, Clone, Copy)]
struct Band {
    /// The number of its first cell.
    first: u64,
    cells: f64,
}

/// Where the points of a cell stand.
#[derive(Debug, Clone, Copy)]
struct Slot {
    cell: u64,
    from: u32,
    to: u32,
}

const NO_CELL: u64 = u64::MAX;

/// Points by the cells that circles of one radius about them touch.
#[derive(Debug)]
pub(super) struct Grid {
    radius: f64,
    height: f64,
    bands: Vec<Band>,
    /// Cells by a hash of their number; as many as a power of two.
    slots: Vec<Slot>,
    shift: u32,
    /// By cell, and in it by row.
    kept: Vec<Kept>,
}

impl Grid {
    /// A grid of the points that have a place, by the number of their row, for a radius of 0 to 180 degrees.
    pub(super) fn new(radius: f64, points: &[Option<Point>]) -> Self {
        let height = (RADII * radius).clamp(LEAST, 180.0);
        let (bands, count) = bands(height);
        let mut grid = Self { radius, height, bands, slots: Vec::new(), shift: 63, kept: Vec::new() };
        let mut touched: Vec<(u64, u32)> = Vec::with_capacity(points.len() * 2);
        for (row, point) in points.iter().enumerate() {
            if let (Some(point), Ok(row)) = (point, u32::try_from(row)) {
                grid.touch(*point, |cell| touched.push((cell, row)));
            }
        }
        touched.sort_unstable();
        debug_assert!(touched.last().is_none_or(|(cell, _)| *cell < count));
        grid.kept = touched.iter().filter_map(|(_, row)| Some(keep(points[*row as usize]?, *row))).collect();
        grid.place(&touched);
        grid
    }

    /// Bytes that a grid of so many points takes while it is made, about.
    pub(super) fn weight(points: usize) -> usize {
        // Where circles are small beside their cells, two and a quarter cells a point; near a pole a few more.
        points * 9 / 4 * (size_of::<Kept>() + size_of::<(u64, u32)>() + 2 * size_of::<Slot>()) + 4_000_000
    }

    fn place(&mut self, touched: &[(u64, u32)]) {
        let cells = touched.chunk_by(|a, b| a.0 == b.0).count();
        let size = (cells * 2).next_power_of_two().max(2);
        self.shift = 64 - size.trailing_zeros();
        self.slots = vec![Slot { cell: NO_CELL, from: 0, to: 0 }; size];
        let mut from = 0_usize;
        for group in touched.chunk_by(|a, b| a.0 == b.0) {
            let (cell, to) = (group[0].0, from + group.len());
            let mut at = self.hash(cell);
            while self.slots[at].cell != NO_CELL {
                at = (at + 1) & (size - 1);
            }
            let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            self.slots[at] = Slot { cell, from: number(from), to: number(to) };
            from = to;
        }
    }

    fn hash(&self, cell: u64) -> usize {
        (cell.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> self.shift) as usize
    }

    fn band(&self, dec: f64) -> usize {
        // A declination beyond the last band is that of a pole, or of the edge of a circle over it.
        (((dec + 90.0) / self.height).floor().max(0.0) as usize).min(self.bands.len() - 1)
    }

    /// The cells that the circle about a point touches, each once.
    fn touch(&self, point: Point, mut take: impl FnMut(u64)) {
        let radius = self.radius + SLACK;
        // How far in right ascension it reaches to either side: the meridian that touches the circle.
        let reach = if point.dec.abs() + radius >= 90.0 {
            180.0
        } else {
            let sine = radius.to_radians().sin() / point.dec.to_radians().cos();
            if sine < 1.0 { sine.asin().to_degrees() + SLACK } else { 180.0 }
        };
        let ra = turned(point.ra);
        for band in self.band(point.dec - radius)..=self.band(point.dec + radius) {
            let Band { first, cells } = self.bands[band];
            let cell = |ra: f64| (ra * (cells / 360.0)).floor();
            let (from, to) = (cell(ra - reach), cell(ra + reach));
            if to - from + 1.0 >= cells {
                (0..cells as u64).for_each(|cell| take(first + cell));
            } else {
                (from as i64..=to as i64).for_each(|cell| take(first + cell.rem_euclid(cells as i64) as u64));
            }
        }
    }

    /// What may lie within the radius of a point.
    fn near(&self, point: Point) -> &[Kept] {
        let Band { first, cells } = self.bands[self.band(point.dec)];
        let cell = first + ((turned(point.ra) * (cells / 360.0)).floor() as u64).min(cells as u64 - 1);
        let mut at = self.hash(cell);
        loop {
            let slot = self.slots[at];
            if slot.cell == cell {
                return self.kept.get(slot.from as usize..slot.to as usize).unwrap_or_default();
            }
            if slot.cell == NO_CELL {
                return &[];
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    /// The rows that lie within the radius of a point, with their distance, from the `from`th of those that may; `of_left`
    /// says of which side the grid is. `limit` is what a row has to lie within to be of interest, degrees, and may be
    /// less than the radius. Each row is taken once, unless `take` says that no more is wanted: then the place to go on
    /// from is given.
    pub(super) fn within(
        &self,
        point: Point,
        of_left: bool,
        from: usize,
        limit: impl Fn(u32) -> f64,
        mut take: impl FnMut(u32, f64) -> bool,
    ) -> Option<usize> {
        let near = self.near(point);
        let ra = turned(point.ra);
        for (at, kept) in near.iter().enumerate().skip(from) {
            let most = limit(kept.row).min(self.radius);
            let bound = most.to_radians();
            if kept.bound(ra, point.dec) > bound * bound * (1.0 + ROUNDING.0) + ROUNDING.1 {
                continue;
            }
            let (left, right) = if of_left { (kept.point, point) } else { (point, kept.point) };
            let distance = left.distance(right);
            if distance <= most && !take(kept.row, distance) {
                return Some(at + 1);
            }
        }
        None
    }
}

impl Kept {
    /// Not more than the square of the distance, radians.
    ///
    /// Of the haversines, hav d = hav(d dec) + cos dec1 cos dec2 hav(d ra), with d^2 >= 4 hav d, sin y >= y - y^3 / 6,
    /// and cos dec2 >= cos dec1 (1 - x^2 / 2) - |sin dec1 x| where x = dec2 - dec1. Where it is no good it is below 0.
    fn bound(&self, ra: f64, dec: f64) -> f64 {
        let x = (dec - self.point.dec).to_radians();
        let turn = (ra - self.turned).abs();
        let y = turn.min(360.0 - turn).to_radians();
        let (x2, y2) = (x * x, y * y);
        let other = self.cos * (1.0 - x2 * 0.5) - self.sin * x.abs();
        let along = (y2 * (1.0 - y2 / 12.0)).max(0.0);
        (x2 * (1.0 - x2 / 12.0)).max(0.0) + (self.cos * other).max(0.0) * along
    }
}

fn keep(point: Point, row: u32) -> Kept {
    let (sin, cos) = point.dec.to_radians().sin_cos();
    // At a pole rounding leaves something, and a bound must not be above what it bounds.
    Kept { turned: turned(point.ra), point, sin: sin.abs(), cos: (cos - 1e-15).max(0.0), row }
}

fn turned(ra: f64) -> f64 {
    if (0.0..360.0).contains(&ra) {
        return ra;
    }
    let turned = ra.rem_euclid(360.0);
    if turned < 360.0 { turned } else { 0.0 }
}

/// Bands of a height, from south to north, and the number of cells in them.
fn bands(height: f64) -> (Vec<Band>, u64) {
    let count = (180.0 / height).ceil().max(1.0) as usize;
    let mut first = 0;
    let mut bands = Vec::with_capacity(count);
    for band in 0..count {
        let south = band as f64 * height - 90.0;
        // Cells are as wide as the band is high where they are narrowest.
        let farthest = south.abs().max((south + height).abs()).min(90.0);
        let cells = (360.0 * farthest.to_radians().cos() / height).floor().max(1.0);
        bands.push(Band { first, cells });
        first += cells as u64;
    }
    (bands, first)
}
