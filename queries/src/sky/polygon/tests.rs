//! Polygons against other ways to tell inside from outside.

use std::f64::consts::{PI, TAU};

use proptest::prelude::*;

use super::*;

fn polygon(vertices: &[(f64, f64)]) -> Result<Polygon, PolygonError> {
    Polygon::new(&vertices.iter().flat_map(|v| [v.0, v.1]).collect::<Vec<_>>())
}

fn holds(vertices: &[(f64, f64)], point: (f64, f64)) -> bool {
    polygon(vertices).unwrap_or_else(|e| panic!("{vertices:?}: {e}")).holds(point.0, point.1)
}

fn unit((ra, dec): (f64, f64)) -> [f64; 3] {
    let (ra, dec) = (ra.to_radians(), dec.to_radians());
    [dec.cos() * ra.cos(), dec.cos() * ra.sin(), dec.sin()]
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// How often the line goes round a point, of the points that are less than 90 degrees away from all of it: the sum of
/// the angles under which the edges are seen from there. Brute force, with no great circles in it.
fn winding(vertices: &[(f64, f64)], point: (f64, f64)) -> f64 {
    let (lon, lat) = (point.0.to_radians(), point.1.to_radians());
    let east = [-lon.sin(), lon.cos(), 0.0];
    let north = [-lat.sin() * lon.cos(), -lat.sin() * lon.sin(), lat.cos()];
    let seen: Vec<f64> = vertices.iter().map(|v| dot(unit(*v), east).atan2(dot(unit(*v), north))).collect();
    let turns = (0..seen.len()).map(|at| (seen[(at + 1) % seen.len()] - seen[at] + PI).rem_euclid(TAU) - PI);
    turns.sum::<f64>() / TAU
}

/// Where a point lies in the plane that touches the sphere at another one; great circles are straight lines there.
fn flat(middle: (f64, f64), point: (f64, f64)) -> Option<(f64, f64)> {
    let (lon, lat) = (middle.0.to_radians(), middle.1.to_radians());
    let east = [-lon.sin(), lon.cos(), 0.0];
    let north = [-lat.sin() * lon.cos(), -lat.sin() * lon.sin(), lat.cos()];
    let point = unit(point);
    let up = dot(point, unit(middle));
    (up > 1e-6).then(|| (dot(point, east) / up, dot(point, north) / up))
}

/// Even or odd, in the plane.
fn inside_flat(vertices: &[(f64, f64)], point: (f64, f64)) -> bool {
    let edges = (0..vertices.len()).map(|at| (vertices[at], vertices[(at + 1) % vertices.len()]));
    let crossed = edges.filter(|(a, b)| {
        (a.1 > point.1) != (b.1 > point.1) && point.0 < (b.0 - a.0) * (point.1 - a.1) / (b.1 - a.1) + a.0
    });
    crossed.count() % 2 == 1
}

/// The point that is reached from another one by going some way in some direction, in degrees.
fn gone(from: (f64, f64), direction: f64, distance: f64) -> (f64, f64) {
    let (lon, lat) = (from.0.to_radians(), from.1.to_radians());
    let east = [-lon.sin(), lon.cos(), 0.0];
    let north = [-lat.sin() * lon.cos(), -lat.sin() * lon.sin(), lat.cos()];
    let ((sin_d, cos_d), (sin, cos)) = (direction.to_radians().sin_cos(), distance.to_radians().sin_cos());
    let to: [f64; 3] = std::array::from_fn(|i| cos * unit(from)[i] + sin * (sin_d * east[i] + cos_d * north[i]));
    (to[1].atan2(to[0]).to_degrees(), to[2].atan2(to[0].hypot(to[1])).to_degrees())
}

/// A star about a point: at every step round it goes farther or less far. It is concave at most vertices.
fn star(middle: (f64, f64), far: &[f64], size: f64, clockwise: bool) -> Vec<(f64, f64)> {
    let step = 360.0 / far.len() as f64 * if clockwise { 1.0 } else { -1.0 };
    far.iter().enumerate().map(|(at, far)| gone(middle, at as f64 * step, far * size)).collect()
}

fn angle(from: f64, to: f64) -> impl Strategy<Value = f64> {
    prop_oneof![from..to, proptest::sample::select(vec![from, from + 1e-7, 0.0, to - 1e-7, to])]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn concave_polygons_agree_with_planes_and_windings(
        middle in (angle(0.0, 360.0), angle(-90.0, 90.0)),
        far in proptest::collection::vec(0.1..1.0f64, 3..12),
        size in prop_oneof![Just(1e-3), Just(0.1), 1.0..80.0f64],
        clockwise in any::<bool>(),
        points in proptest::collection::vec((0.0..360.0f64, 0.0..1.3f64), 20),
    ) {
        let vertices = star(middle, &far, size, clockwise);
        // Three steps may leave the middle outside, and the line may go back on itself; then there is no star.
        let Ok(region) = polygon(&vertices) else { return Ok(()) };
        let Some(corners) = vertices.iter().map(|v| flat(middle, *v)).collect::<Option<Vec<_>>>() else { return Ok(()) };
        for (direction, distance) in points {
            let point = gone(middle, direction, distance * size);
            let Some(place) = flat(middle, point) else { continue };
            let own = region.holds(point.0, point.1);
            prop_assert_eq!(own, inside_flat(&corners, place), "{:?} {:?}", vertices, point);
            if size < 40.0 {
                prop_assert_eq!(own, winding(&vertices, point).abs() > 0.5, "{:?} {:?}", vertices, point);
            }
            // The other side of the sky is outside.
            prop_assert!(!region.holds(point.0 + 180.0, -point.1));
        }
    }

    /// A band along a parallel that goes nearly all the way round is in no hemisphere. It is the sum of its pieces.
    #[test]
    fn long_bands_are_the_sum_of_their_pieces(
        start in angle(0.0, 360.0), steps in 3_usize..34, low in -60.0..50.0f64, high in 1.0..10.0f64,
        turned in 0_usize..70, points in proptest::collection::vec((0.0..360.0f64, -90.0..90.0f64, 0.0..1.0f64), 20),
    ) {
        let at = |step: usize| start + step as f64 * 10.0;
        let high = low + high;
        let mut vertices: Vec<_> = (0..=steps).map(|step| (at(step), low)).collect();
        vertices.extend((0..=steps).rev().map(|step| (at(step), high)));
        let by = turned % vertices.len();
        vertices.rotate_left(by);
        let region = polygon(&vertices).unwrap();
        vertices.reverse();
        let backwards = polygon(&vertices).unwrap();
        for (ra, dec, within) in points {
            for point in [(ra, dec), (ra, low + within * (high - low))] {
                let pieces = (0..steps).any(|step| {
                    holds(&[(at(step), low), (at(step + 1), low), (at(step + 1), high), (at(step), high)], point)
                });
                prop_assert_eq!(region.holds(point.0, point.1), pieces, "{:?} {:?}", vertices, point);
                prop_assert_eq!(backwards.holds(point.0, point.1), pieces, "{:?} {:?}", vertices, point);
            }
        }
    }

    #[test]
    fn vertices_and_edges_are_inside(
        middle in (angle(0.0, 360.0), angle(-90.0, 90.0)), far in proptest::collection::vec(0.3..1.0f64, 4..9),
        size in 0.001..60.0f64, part in 0.0..1.0f64,
    ) {
        let vertices = star(middle, &far, size, true);
        let Ok(region) = polygon(&vertices) else { return Ok(()) };
        for (at, vertex) in vertices.iter().enumerate() {
            prop_assert!(region.holds(vertex.0, vertex.1));
            let next = vertices[(at + 1) % vertices.len()];
            let between: [f64; 3] = std::array::from_fn(|i| unit(*vertex)[i] * (1.0 - part) + unit(next)[i] * part);
            let ra = between[1].atan2(between[0]).to_degrees();
            prop_assert!(region.holds(ra, between[2].atan2(between[0].hypot(between[1])).to_degrees()));
        }
    }
}

#[test]
fn poles_and_the_zero_meridian() {
    let about_the_pole = [(0.0, 80.0), (90.0, 80.0), (180.0, 80.0), (270.0, 80.0)];
    for inside in [(0.0, 90.0), (123.0, 90.0), (45.0, 85.0), (0.0, 80.0), (360.0, 80.0)] {
        assert!(holds(&about_the_pole, inside), "{inside:?}");
    }
    // An edge is a great circle: between its ends it comes closer to the pole than they are.
    for outside in [(45.0, 80.0), (0.0, 79.9), (0.0, -90.0), (0.0, 0.0)] {
        assert!(!holds(&about_the_pole, outside), "{outside:?}");
    }
    let with_the_pole = [(10.0, 80.0), (50.0, 80.0), (0.0, 90.0)];
    assert!(holds(&with_the_pole, (30.0, 85.0)) && holds(&with_the_pole, (200.0, 90.0)));
    assert!(!holds(&with_the_pole, (60.0, 85.0)) && !holds(&with_the_pole, (210.0, 85.0)));
    for zero in [
        [(359.0, -1.0), (1.0, -1.0), (1.0, 1.0), (359.0, 1.0)],
        [(-1.0, -1.0), (361.0, -1.0), (1.0, 1.0), (719.0, 1.0)],
    ] {
        for inside in [(0.0, 0.0), (360.0, 0.0), (359.5, 0.5), (0.5, -0.5)] {
            assert!(holds(&zero, inside), "{inside:?}");
        }
        assert!(!holds(&zero, (180.0, 0.0)) && !holds(&zero, (2.0, 0.0)) && !holds(&zero, (358.0, 0.0)));
    }
}

#[test]
fn the_smaller_side_is_inside_either_way_round() {
    let octant = [(0.0, 0.0), (90.0, 0.0), (0.0, 90.0)];
    let mut back = octant;
    back.reverse();
    for vertices in [octant, back] {
        assert!(holds(&vertices, (45.0, 30.0)));
        assert!(!holds(&vertices, (225.0, -30.0)) && !holds(&vertices, (45.0, -1.0)));
    }
    // Somewhat less than a hemisphere, and somewhat more: the latter is the former of the other pole.
    let ring = |dec: f64| (0..8).map(|n| (f64::from(n) * 45.0, dec)).collect::<Vec<_>>();
    assert!(holds(&ring(1.0), (0.0, 90.0)) && !holds(&ring(1.0), (0.0, -90.0)));
    assert!(!holds(&ring(-1.0), (0.0, 90.0)) && holds(&ring(-1.0), (0.0, -90.0)));
}

#[test]
fn a_cut_to_a_hole_leaves_the_hole_out() {
    let frame = [
        (0.0, -5.0),
        (10.0, -5.0),
        (10.0, 5.0),
        (0.0, 5.0),
        (0.0, -5.0),
        (3.0, -2.0),
        (3.0, 2.0),
        (7.0, 2.0),
        (7.0, -2.0),
        (3.0, -2.0),
    ];
    for (point, inside) in [((5.0, 0.0), false), ((1.0, 0.0), true), ((8.0, 3.0), true), ((5.0, -3.0), true)] {
        assert_eq!(holds(&frame, point), inside, "{point:?}");
    }
}

#[test]
fn vertices_that_bound_nothing() {
    use PolygonError::*;
    for (vertices, wanted) in [
        (vec![(0.0, 0.0), (1.0, 0.0)], TooFew(2)),
        (vec![(0.0, 0.0), (1.0, 0.0), (1.0, 0.0), (360.0, 0.0)], TooFew(2)),
        (vec![(0.0, 0.0), (180.0, 0.0), (90.0, 45.0)], Antipodes(1, 2)),
        (vec![(0.0, 0.0), (1.0, 0.0), (2.0, 0.0)], OneCircle),
        (vec![(0.0, 0.0), (120.0, 0.0), (240.0, 0.0)], OneCircle),
        (vec![(0.0, 0.0), (1.0, 1.0), (1.0, 0.0), (0.0, 1.0)], Crossing(1, 3)),
        (vec![(0.0, 0.0), (2.0, 0.0), (0.5, 0.0), (1.0, 1.0)], Back(2)),
        (vec![(0.0, 0.0), (1.0, 95.0), (2.0, 0.0)], OffTheSphere(2, 95.0)),
        (vec![(0.0, 10.0), (90.0, -10.0), (180.0, 10.0), (270.0, -10.0)], Halves),
    ] {
        assert_eq!(polygon(&vertices).unwrap_err(), wanted, "{vertices:?}");
    }
    assert_eq!(Polygon::new(&[0.0, 0.0, 1.0]).unwrap_err(), Odd(3));
    // Closed by its first vertex, or with one given twice, it is the same polygon.
    assert!(holds(&[(0.0, 0.0), (1.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)], (0.8, 0.3)));
}
