//! The grid against looking at everything.

use proptest::prelude::*;

use super::grid::{Grid, Point};

/// Angles with those at which something changes among them.
fn angle(from: f64, to: f64) -> impl Strategy<Value = f64> {
    let odd = [from, from + 1e-9, from + 1e-4, (from + to) / 2.0, to - 1e-4, to - 1e-9, to, 0.0, f64::NAN];
    prop_oneof![3 => from..to, 1 => proptest::sample::select(odd.to_vec())]
}

/// Places: anywhere, at a pole, about the first meridian, and close to each other.
fn places() -> impl Strategy<Value = Vec<(f64, f64)>> {
    let near = |ra: f64, dec: f64, size: f64| {
        (-size..size, -size..size).prop_map(move |(x, y)| (ra + x, (dec + y).clamp(-90.0, 90.0)))
    };
    let one = prop_oneof![
        (angle(-360.0, 720.0), angle(-90.0, 90.0)),
        (0.0..360.0f64, (89.999..90.0f64)),
        (0.0..360.0f64, (-90.0..-89.9f64)),
        near(0.0, 0.0, 1e-3),
        near(0.0, 60.0, 1.0),
        near(150.0, 2.0, 1e-3),
        near(150.0, 2.0, 1e-6),
        Just((150.0, 2.0)),
        Just((360.0, 0.0)),
        Just((10.0, 91.0)),
        Just((f64::INFINITY, 0.0)),
    ];
    proptest::collection::vec(one, 0..40)
}

fn radius() -> impl Strategy<Value = f64> {
    let odd = [0.0, 1e-12, 1e-9, 1e-6, 1e-3, 0.1, 1.0, 30.0, 44.9, 45.0, 89.0, 90.0, 91.0, 179.0, 180.0];
    prop_oneof![proptest::sample::select(odd.to_vec()), 0.0..180.0f64, 1e-7..1e-2f64]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, ..ProptestConfig::default() })]

    #[test]
    fn a_grid_finds_what_is_within_the_radius_and_nothing_else(
        kept in places(), others in places(), radius in radius(), of_left in any::<bool>(),
    ) {
        let points: Vec<Option<Point>> = kept.iter().map(|(ra, dec)| Point::new(*ra, *dec)).collect();
        let grid = Grid::new(radius, &points);
        for (ra, dec) in others {
            let Some(other) = Point::new(ra, dec) else { continue };
            let mut found = Vec::new();
            // In two goes, as an answer that is full is.
            let mut from = Some(0);
            while let Some(at) = from {
                from = grid.within(other, of_left, at, |_| f64::INFINITY, |row, distance| {
                    found.push((row, distance));
                    found.len() % 3 != 0
                });
            }
            found.sort_by_key(|(row, _)| *row);
            let apart = |point: Point| if of_left { point.distance(other) } else { other.distance(point) };
            let wanted: Vec<(u32, f64)> = (0_u32..)
                .zip(&points)
                .filter_map(|(row, point)| Some((row, apart((*point)?))))
                .filter(|(_, distance)| *distance <= radius)
                .collect();
            prop_assert_eq!(&found, &wanted, "{:?} {}", other, radius);
            // The nearest, with a limit that shrinks.
            let best = std::cell::Cell::new(f64::INFINITY);
            grid.within(other, of_left, 0, |_| best.get(), |_, distance| {
                best.set(best.get().min(distance));
                true
            });
            let least = wanted.iter().map(|(_, distance)| *distance).fold(f64::INFINITY, f64::min);
            prop_assert_eq!(best.get(), least);
        }
    }
}

#[test]
fn nothing_is_found_among_nothing() {
    for radius in [0.0, 1.0, 180.0] {
        for points in [vec![], vec![None, None]] {
            let grid = Grid::new(radius, &points);
            let found = grid.within(Point { ra: 0.0, dec: 90.0 }, true, 0, |_| f64::INFINITY, |_, _| false);
            assert_eq!(found, None);
        }
    }
}
