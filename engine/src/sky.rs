//! Circles on the sky, and what ranges of right ascension and declination they can touch.

use noctuary_storage::index::Circle;

/// The function of SQL that is true inside of a circle: of right ascension and declination, those of the middle, and
/// the radius, edge included. Conditions with it choose files.
pub const CONE: &str = "cone";
/// The function of SQL that gives the angle between two points, of right ascension and declination of both. Where it is
/// less than something it chooses files too.
pub const ANGULAR_DISTANCE: &str = "angular_distance";

/// A circle on the sky, all in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cap {
    ra: f64,
    dec: f64,
    radius: f64,
}

/// Positions are kept to this, in degrees: far below any instrument, far above rounding.
const SLACK: f64 = 1e-7;

impl Cap {
    /// A circle about a point on the sphere; `None` if it is none.
    pub(crate) fn new(ra: f64, dec: f64, radius: f64) -> Option<Self> {
        let sound = ra.is_finite() && radius.is_finite() && (-90.0..=90.0).contains(&dec) && radius >= 0.0;
        sound.then(|| Self { ra: ra.rem_euclid(360.0), dec, radius: radius + SLACK })
    }

    /// The same for an index.
    pub(crate) fn circle(&self) -> Circle {
        Circle { ra: self.ra, dec: self.dec, radius: self.radius }
    }

    /// The declinations it reaches.
    pub(crate) fn dec_range(&self) -> (f64, f64) {
        (self.dec - self.radius, self.dec + self.radius)
    }

    /// How far in right ascension it reaches to either side; `None` if all the way round.
    ///
    /// sin(d ra) = sin(radius) / cos(dec): the meridian that touches the circle.
    pub(crate) fn ra_reach(&self) -> Option<f64> {
        if self.dec.abs() + self.radius >= 90.0 - SLACK {
            return None;
        }
        let sine = self.radius.to_radians().sin() / self.dec.to_radians().cos();
        (sine < 1.0).then(|| sine.asin().to_degrees() + SLACK)
    }

    /// The ranges of right ascension, within 0 to 360, that it reaches.
    pub(crate) fn ra_ranges(&self) -> Vec<(f64, f64)> {
        let Some(reach) = self.ra_reach() else { return vec![(0.0, 360.0)] };
        let (low, high) = (self.ra - reach, self.ra + reach);
        if low < 0.0 {
            vec![(0.0, high), (low + 360.0, 360.0)]
        } else if high > 360.0 {
            vec![(0.0, high - 360.0), (low, 360.0)]
        } else {
            vec![(low, high)]
        }
    }

    /// True if a point within these ranges, ends included, could lie in it. Ranges that leave the sphere always could.
    pub(crate) fn may_touch(&self, ra: (f64, f64), dec: (f64, f64)) -> bool {
        if ra.0 < 0.0 || ra.1 > 360.0 || dec.0 < -90.0 || dec.1 > 90.0 {
            return true;
        }
        let (low, high) = self.dec_range();
        dec.0 <= high && dec.1 >= low && self.ra_ranges().iter().any(|(low, high)| ra.0 <= *high && ra.1 >= *low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pole_reaches_every_right_ascension() {
        let cap = Cap::new(10.0, 89.5, 1.0).unwrap();
        assert!(cap.may_touch((200.0, 201.0), (89.6, 89.7)));
        assert!(!cap.may_touch((0.0, 360.0), (80.0, 88.0)));
    }

    /// The angle between unit vectors, in degrees.
    fn apart(a: (f64, f64), b: (f64, f64)) -> f64 {
        let unit = |(ra, dec): (f64, f64)| {
            let (ra, dec) = (ra.to_radians(), dec.to_radians());
            [dec.cos() * ra.cos(), dec.cos() * ra.sin(), dec.sin()]
        };
        let (a, b) = (unit(a), unit(b));
        let cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
        let dot: f64 = a.iter().zip(b).map(|(x, y)| x * y).sum();
        cross.iter().map(|v| v * v).sum::<f64>().sqrt().atan2(dot).to_degrees()
    }

    /// Angles with those at which something changes among them.
    fn angle(from: f64, to: f64) -> impl proptest::strategy::Strategy<Value = f64> {
        let odd = [from, from + 1e-9, from + 0.5, to - 0.5, to - 1e-9, to, 0.0];
        proptest::prop_oneof![from..to, proptest::sample::select(odd.to_vec())]
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 20_000, ..Default::default() })]

        #[test]
        fn no_point_inside_is_left_out(
            centre in (angle(0.0, 360.0), angle(-90.0, 90.0)),
            point in (angle(0.0, 360.0), angle(-90.0, 90.0)),
            near in (-1.0..1.0f64, -1.0..1.0f64, proptest::bool::ANY),
            size in 1e-6..3.0f64,
        ) {
            // Half of the points are near the middle, or every circle that holds one would be a large one.
            let close = (
                (centre.0 + near.0 * size / centre.1.to_radians().cos().max(1e-3)).rem_euclid(360.0),
                (centre.1 + near.1 * size).clamp(-90.0, 90.0),
            );
            let point = if near.2 { close } else { point };
            // The smallest circle that holds the point.
            let cap = Cap::new(centre.0, centre.1, apart(centre, point)).unwrap();
            proptest::prop_assert!(cap.may_touch((point.0, point.0), (point.1, point.1)), "{cap:?} {point:?}");
        }
    }

    #[test]
    fn right_ascension_wraps() {
        let cap = Cap::new(0.1, 0.0, 0.5).unwrap();
        assert!(cap.may_touch((359.7, 359.9), (0.0, 0.0)));
        assert!(cap.may_touch((0.0, 0.2), (0.0, 0.0)));
        assert!(!cap.may_touch((1.0, 359.0), (0.0, 0.0)));
    }
}
