//! Which cells of the sky a region can reach into.
//!
//! A region is told by one test: whether it touches a circle. Cells that it touches are divided until there are enough
//! of them. Too many cells cost time and no answer, so every bound here is generous.

use std::ops::Range;

use super::{Circle, NEAR, SLACK, angle, merged};

/// What a region has of a circle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// Nothing, for certain.
    Nothing,
    /// Something, perhaps.
    Part,
    /// All of it, for certain.
    Whole,
}

/// Where a region can be: whatever lies in it, and whatever lies as near to it as a record does to its object, is in
/// these cells; the region itself is in the circle.
#[derive(Debug, Clone, PartialEq)]
pub struct Cover {
    circle: Circle,
    /// Ranges of HEALPix cells of order 29, NESTED, in order, apart from each other.
    cells: Vec<Range<i64>>,
}

/// The finest cells that are told apart, 51 seconds of arc wide. Cells need to be a few times wider than [`NEAR`].
const FINEST: u8 = 12;
/// Cells of a circle. It is tested itself for what lies in them, so there need not be many.
const OF_CIRCLE: usize = 32;
/// Cells of any other region.
const OF_REGION: usize = 128;

/// A cell of some order.
#[derive(Debug, Clone, Copy)]
struct Cell {
    order: u8,
    number: u64,
}

impl Cover {
    /// Of a circle on the sphere.
    #[must_use]
    pub fn of_circle(circle: Circle) -> Self {
        let cells = touched(OF_CIRCLE, |cell| cell.touch(|around| within(&circle, around)));
        Self { circle, cells: ranges(&cells) }
    }

    /// Of a region, by what it has of circles, and the circle that it is known to be in.
    #[must_use]
    pub fn of(circle: Option<Circle>, touch: impl Fn(&Circle) -> Touch) -> Self {
        Self::around(circle, touched(OF_REGION, |cell| cell.touch(&touch)))
    }

    /// Of cells of order 29, by ranges in any order.
    #[must_use]
    pub fn of_cells(cells: Vec<Range<u64>>) -> Self {
        let cells = merged(cells);
        let meets = |cell: Cell| {
            let range = cell.fine();
            let next = cells.partition_point(|known| known.end <= range.start);
            match cells.get(next) {
                Some(known) if known.start <= range.start && range.end <= known.end => Touch::Whole,
                Some(known) if known.start < range.end => Touch::Part,
                _ => Touch::Nothing,
            }
        };
        let touch = |cell: Cell| match meets(cell) {
            // What is near to a cell is in it or in one beside it.
            Touch::Nothing if cell.beside().any(|beside| meets(beside) != Touch::Nothing) => Touch::Part,
            own => own,
        };
        Self::around(None, touched(OF_REGION, touch))
    }

    fn around(circle: Option<Circle>, cells: Vec<Cell>) -> Self {
        let circle = circle.unwrap_or_else(|| circle_around(&cells));
        Self { circle, cells: ranges(&cells) }
    }

    /// A circle that the region is in.
    #[must_use]
    pub fn circle(&self) -> &Circle {
        &self.circle
    }

    /// Ranges of cells of order 29, NESTED, in order, apart from each other.
    #[must_use]
    pub fn cells(&self) -> &[Range<i64>] {
        &self.cells
    }

    /// True if the region can have something in the cells of order 29 from the first to the last.
    #[must_use]
    pub fn meets(&self, first: i64, last: i64) -> bool {
        let next = self.cells.partition_point(|range| range.end <= first);
        self.cells.get(next).is_some_and(|range| range.start <= last)
    }
}

impl Cell {
    /// The cells of order 29 in it.
    fn fine(self) -> Range<u64> {
        let finer = 2 * (29 - u32::from(self.order));
        self.number << finer..(self.number + 1) << finer
    }

    fn centre(self) -> (f64, f64) {
        let (ra, dec) = cdshealpix::nested::get(self.order).center(self.number);
        (ra.to_degrees(), dec.to_degrees())
    }

    /// A circle about its middle that it is in, degrees.
    fn radius(self) -> f64 {
        // The root of its area. No point of a cell is farther from the middle than 1.05 of it.
        let side = (std::f64::consts::PI / 3.0).sqrt() / f64::from(1_u32 << self.order);
        1.1 * side.to_degrees()
    }

    /// What a region has of it and of what is near to it.
    fn touch(self, region: impl Fn(&Circle) -> Touch) -> Touch {
        let (ra, dec) = self.centre();
        region(&Circle { ra, dec, radius: self.radius() + NEAR + SLACK })
    }

    /// Those that surround it.
    fn beside(self) -> impl Iterator<Item = Self> {
        let all = cdshealpix::nested::get(self.order).neighbours(self.number, false);
        all.values_vec().into_iter().map(move |number| Self { number, ..self })
    }

    fn children(self) -> impl Iterator<Item = Self> {
        (0..4).map(move |child| Self { order: self.order + 1, number: 4 * self.number + child })
    }
}

/// The cells that a region touches, at most so many unless they are the largest.
fn touched(most: usize, touch: impl Fn(Cell) -> Touch) -> Vec<Cell> {
    let (mut whole, mut part) = (Vec::new(), Vec::new());
    let sort = |cell: Cell, whole: &mut Vec<Cell>, part: &mut Vec<Cell>| match touch(cell) {
        Touch::Nothing => {}
        Touch::Part => part.push(cell),
        Touch::Whole => whole.push(cell),
    };
    for number in 0..12 {
        sort(Cell { order: 0, number }, &mut whole, &mut part);
    }
    for _ in 0..FINEST {
        let (mut finer_whole, mut finer_part) = (Vec::new(), Vec::new());
        for child in part.iter().flat_map(|cell: &Cell| cell.children()) {
            sort(child, &mut finer_whole, &mut finer_part);
        }
        if part.is_empty() || whole.len() + finer_whole.len() + finer_part.len() > most {
            break;
        }
        whole.append(&mut finer_whole);
        part = finer_part;
    }
    whole.append(&mut part);
    whole
}

fn ranges(cells: &[Cell]) -> Vec<Range<i64>> {
    let number = |cell: u64| i64::try_from(cell).unwrap_or(i64::MAX);
    let fine = cells.iter().map(|cell| cell.fine());
    merged(fine.map(|range| number(range.start)..number(range.end)).collect())
}

/// What a circle has of another.
fn within(circle: &Circle, other: &Circle) -> Touch {
    let apart = angle((circle.ra, circle.dec), (other.ra, other.dec));
    if apart > circle.radius + other.radius + SLACK {
        Touch::Nothing
    } else if apart + other.radius <= circle.radius {
        Touch::Whole
    } else {
        Touch::Part
    }
}

/// A circle that holds all of some cells.
fn circle_around(cells: &[Cell]) -> Circle {
    let unit = |(ra, dec): (f64, f64)| {
        let ((sin_ra, cos_ra), (sin_dec, cos_dec)) = (ra.to_radians().sin_cos(), dec.to_radians().sin_cos());
        (cos_dec * cos_ra, cos_dec * sin_ra, sin_dec)
    };
    // Large cells weigh as much as small ones: the middle need not be the best.
    let sum = cells.iter().map(|cell| unit(cell.centre()));
    let (x, y, z) = sum.fold((0.0, 0.0, 0.0), |(x, y, z), one| (x + one.0, y + one.1, z + one.2));
    let (ra, dec) = (y.atan2(x).to_degrees().rem_euclid(360.0), z.atan2(x.hypot(y)).to_degrees());
    let reach = |cell: &Cell| angle((ra, dec), cell.centre()) + cell.radius() + NEAR + SLACK;
    Circle { ra, dec, radius: cells.iter().map(reach).fold(0.0, f64::max) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::anchor::cell_of;

    fn place() -> impl Strategy<Value = (f64, f64)> {
        let odd = prop::sample::select(vec![-90.0, -89.999, -41.810_314_9, 0.0, 41.810_314_9, 89.999, 90.0]);
        (0.0..360.0f64, prop_oneof![2 => -90.0..90.0f64, 1 => odd])
    }

    /// A place as near to another as records are to their objects.
    fn beside((ra, dec): (f64, f64), (x, y): (f64, f64)) -> (f64, f64) {
        let dec2 = (dec + y * NEAR).clamp(-90.0, 90.0);
        ((ra + x * NEAR / dec2.to_radians().cos().max(1e-9)).rem_euclid(360.0), dec2)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_cell_is_in_its_circle(at in place(), order in 0..=FINEST) {
            let number = cdshealpix::nested::get(order).hash(at.0.to_radians(), at.1.to_radians());
            let cell = Cell { order, number };
            prop_assert!(angle(cell.centre(), at) <= cell.radius(), "{cell:?} {at:?}");
            prop_assert!(cell.fine().contains(&(cell_of(at.0, at.1).unwrap() as u64)));
        }

        #[test]
        fn what_is_near_to_a_circle_is_covered(
            middle in place(), radius in prop_oneof![Just(0.0), 0.0..0.01f64, 0.0..3.0f64, 0.0..180.0f64],
            at in place(), way in (-1.0..1.0f64, -1.0..1.0f64), size in 0.0..1.0f64, near in (-0.7..0.7f64, -0.7..0.7f64),
        ) {
            let circle = Circle { ra: middle.0, dec: middle.1, radius };
            let dec = (middle.1 + way.1 * radius * size).clamp(-90.0, 90.0);
            let close = ((middle.0 + way.0 * radius * size / dec.to_radians().cos().max(1e-3)).rem_euclid(360.0), dec);
            let cover = Cover::of_circle(circle);
            for point in [close, at, middle].into_iter().filter(|at| angle(*at, middle) <= radius) {
                let point = beside(point, near);
                let cell = cell_of(point.0, point.1).unwrap();
                prop_assert!(cover.meets(cell, cell), "{circle:?} {point:?}");
            }
            prop_assert!(cover.cells().windows(2).all(|pair| pair[0].end < pair[1].start));
        }

        #[test]
        fn what_is_near_to_cells_is_covered(
            places in prop::collection::vec((place(), 0..=29_u8), 1..30), near in (-0.7..0.7f64, -0.7..0.7f64),
        ) {
            let mut cells = Vec::new();
            for ((ra, dec), order) in &places {
                let finer = 2 * (29 - u32::from(*order));
                let cell = cdshealpix::nested::get(*order).hash(ra.to_radians(), dec.to_radians());
                cells.push(cell << finer..(cell + 1) << finer);
            }
            let cover = Cover::of_cells(cells.clone());
            prop_assert!(cover.cells().len() <= OF_REGION);
            for (at, _) in &places {
                prop_assert!(angle(*at, (cover.circle().ra, cover.circle().dec)) <= cover.circle().radius);
                let point = beside(*at, near);
                let cell = cell_of(point.0, point.1).unwrap();
                prop_assert!(cover.meets(cell, cell), "{cells:?} {point:?}");
            }
        }
    }

    #[test]
    fn circles_are_covered_by_some_times_their_area() {
        let share = |cover: &Cover| {
            let cells: i64 = cover.cells().iter().map(|range| range.end - range.start).sum();
            cells as f64 / cdshealpix::n_hash(29) as f64 * 41_253.0
        };
        for (radius, most) in [(0.0, 0.01), (0.1, 0.2), (1.0, 20.0), (10.0, 3_000.0)] {
            for dec in [-90.0, -41.8, 0.0, 60.0, 89.9] {
                let cover = Cover::of_circle(Circle { ra: 359.99, dec, radius });
                assert!(share(&cover) < most, "{radius} {dec}: {}", share(&cover));
            }
        }
        let one = |range: Range<u64>| vec![range];
        let sky = Circle { ra: 0.0, dec: 0.0, radius: 180.0 };
        assert_eq!(Cover::of_circle(sky).cells(), std::slice::from_ref(&(0..12 << 58)));
        assert_eq!(Cover::of_cells(one(0..12 << 58)).cells(), std::slice::from_ref(&(0..12 << 58)));
        assert_eq!(Cover::of_cells(Vec::new()).cells(), []);
        assert!(!Cover::of_cells(Vec::new()).meets(0, i64::MAX));
        // One cell of order 4, 13.4 square degrees.
        let cell = Cover::of_cells(one(77 << 50..78 << 50));
        assert!((13.0..25.0).contains(&share(&cell)) && cell.circle().radius < 10.0, "{} {cell:?}", share(&cell));
    }
}
