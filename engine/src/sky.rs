//! Circles and boxes on the sky: what ranges of right ascension and declination they can touch.

use noctuary_storage::index::Circle;

/// The function of SQL that gives the angle between two points, of right ascension and declination of both. Where it is
/// less than something it chooses files and rows.
pub const ANGULAR_DISTANCE: &str = "angular_distance";
/// The function of SQL that gives the HEALPix cell, NESTED, of an order, a right ascension and a declination. Where it
/// is compared with cells it chooses files and rows.
pub const HEALPIX: &str = "healpix";

/// A circle on the sky, all in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Cap {
    ra: f64,
    dec: f64,
    radius: f64,
}

/// Positions are kept to this, in degrees: far below any instrument, far above rounding.
pub(crate) const SLACK: f64 = 1e-7;

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

    /// How far in right ascension it reaches to either side; `None` if all the way round.
    ///
    /// sin(d ra) = sin(radius) / cos(dec): the meridian that touches the circle.
    fn ra_reach(&self) -> Option<f64> {
        if self.dec.abs() + self.radius >= 90.0 - SLACK {
            return None;
        }
        let sine = self.radius.to_radians().sin() / self.dec.to_radians().cos();
        (sine < 1.0).then(|| sine.asin().to_degrees() + SLACK)
    }

    /// The right ascensions and declinations that it reaches.
    pub(crate) fn bounds(&self) -> Bounds {
        let ra = self.ra_reach().map(|reach| around(self.ra - reach, self.ra + reach));
        Bounds { ra, dec: (self.dec - self.radius, self.dec + self.radius) }
    }
}

/// Ranges of right ascension, within 0 to 360, from one to another that lie less than a turn apart.
fn around(from: f64, to: f64) -> Vec<(f64, f64)> {
    if to - from >= 360.0 {
        vec![(0.0, 360.0)]
    } else if from < 0.0 {
        vec![(0.0, to), (from + 360.0, 360.0)]
    } else if to > 360.0 {
        vec![(0.0, to - 360.0), (from, 360.0)]
    } else {
        vec![(from, to)]
    }
}

/// Ranges of right ascension and declination, ends included, in degrees.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bounds {
    /// Within 0 to 360; `None` for all the way round.
    ra: Option<Vec<(f64, f64)>>,
    dec: (f64, f64),
}

impl Bounds {
    /// From one right ascension eastwards to another, both 0 to 360, and between two declinations.
    pub(crate) fn between(ra: Option<(f64, f64)>, dec: (f64, f64)) -> Self {
        let ra = ra.map(|(from, to)| {
            let to = if from <= to { to } else { to + 360.0 };
            around(from - SLACK, to + SLACK)
        });
        Self { ra, dec: (dec.0 - SLACK, dec.1 + SLACK) }
    }

    /// The ranges of right ascension; `None` for all the way round.
    pub(crate) fn ra(&self) -> Option<&[(f64, f64)]> {
        self.ra.as_deref()
    }

    /// The range of declination.
    pub(crate) fn dec(&self) -> (f64, f64) {
        self.dec
    }

    /// True if a point within these ranges, ends included, could lie in them. Ranges that leave the sphere always could.
    pub(crate) fn may_touch(&self, ra: (f64, f64), dec: (f64, f64)) -> bool {
        if ra.0 < 0.0 || ra.1 > 360.0 || dec.0 < -90.0 || dec.1 > 90.0 {
            return true;
        }
        let ras = |ranges: &Vec<(f64, f64)>| ranges.iter().any(|(low, high)| ra.0 <= *high && ra.1 >= *low);
        dec.0 <= self.dec.1 && dec.1 >= self.dec.0 && self.ra.as_ref().is_none_or(ras)
    }

    /// True if a circle can have a point in them.
    pub(crate) fn touch(&self, cap: &Cap) -> bool {
        let other = cap.bounds();
        let dec = other.dec.0 <= self.dec.1 && other.dec.1 >= self.dec.0;
        let meet = |own: &Vec<(f64, f64)>, other: &Vec<(f64, f64)>| {
            own.iter().any(|(low, high)| other.iter().any(|(from, to)| from <= high && to >= low))
        };
        dec && self.ra.as_ref().zip(other.ra.as_ref()).is_none_or(|(own, other)| meet(own, other))
    }

    /// True if a circle lies in them as a whole.
    pub(crate) fn hold(&self, cap: &Cap) -> bool {
        let other = cap.bounds();
        let ra = match (&self.ra, &other.ra) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => {
                other.iter().all(|(from, to)| own.iter().any(|(low, high)| low <= from && to <= high))
            }
        };
        ra && self.dec.0 <= other.dec.0 && other.dec.1 <= self.dec.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pole_reaches_every_right_ascension() {
        let cap = Cap::new(10.0, 89.5, 1.0).unwrap();
        assert!(cap.bounds().may_touch((200.0, 201.0), (89.6, 89.7)));
        assert!(!cap.bounds().may_touch((0.0, 360.0), (80.0, 88.0)));
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
            proptest::prop_assert!(cap.bounds().may_touch((point.0, point.0), (point.1, point.1)), "{cap:?} {point:?}");
        }
    }

    #[test]
    fn right_ascension_wraps() {
        let cap = Cap::new(0.1, 0.0, 0.5).unwrap();
        assert!(cap.bounds().may_touch((359.7, 359.9), (0.0, 0.0)));
        assert!(cap.bounds().may_touch((0.0, 0.2), (0.0, 0.0)));
        assert!(!cap.bounds().may_touch((1.0, 359.0), (0.0, 0.0)));
    }
}
