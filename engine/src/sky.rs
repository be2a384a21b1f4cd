//! Circles on the sky, and what ranges of right ascension and declination they can touch.

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
        if reach >= 180.0 {
            vec![(0.0, 360.0)]
        } else if low < 0.0 {
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

    #[test]
    fn right_ascension_wraps() {
        let cap = Cap::new(0.1, 0.0, 0.5).unwrap();
        assert!(cap.may_touch((359.7, 359.9), (0.0, 0.0)));
        assert!(cap.may_touch((0.0, 0.2), (0.0, 0.0)));
        assert!(!cap.may_touch((1.0, 359.0), (0.0, 0.0)));
    }
}
