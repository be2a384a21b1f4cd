//! Points on the sphere as unit vectors.

/// A vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Vector(pub(super) f64, pub(super) f64, pub(super) f64);

/// Sine and cosine of an angle in degrees, exact at multiples of 90: poles and antipodes are where they should be.
pub(super) fn sin_cos(degrees: f64) -> (f64, f64) {
    // Neither of these rounds.
    let turn = degrees % 360.0;
    let quarters = (turn / 90.0).round();
    let (sin, cos) = (turn - quarters * 90.0).to_radians().sin_cos();
    match quarters as i64 & 3 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// An angle in degrees as one from 0 to 360, without 360.
pub(super) fn turn(degrees: f64) -> f64 {
    let turn = degrees.rem_euclid(360.0);
    // A tiny negative angle is rounded up to a full turn.
    if turn < 360.0 { turn } else { 0.0 }
}

impl Vector {
    /// The unit vector towards a point in degrees.
    pub(super) fn towards(longitude: f64, latitude: f64) -> Self {
        let (sin_lon, cos_lon) = sin_cos(longitude);
        let (sin_lat, cos_lat) = sin_cos(latitude);
        Self(cos_lat * cos_lon, cos_lat * sin_lon, sin_lat)
    }

    /// Longitude from 0 to 360 and latitude from -90 to 90, in degrees. At a pole the longitude is any.
    pub(super) fn angles(self) -> (f64, f64) {
        (turn(self.1.atan2(self.0).to_degrees()), self.2.atan2(self.0.hypot(self.1)).to_degrees())
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1, self.2 + other.2)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self(self.0 - other.0, self.1 - other.1, self.2 - other.2)
    }

    pub(super) fn times(self, factor: f64) -> Self {
        Self(self.0 * factor, self.1 * factor, self.2 * factor)
    }

    pub(super) fn dot(self, other: Self) -> f64 {
        self.0 * other.0 + self.1 * other.1 + self.2 * other.2
    }

    pub(super) fn cross(self, other: Self) -> Self {
        Self(
            self.1 * other.2 - self.2 * other.1,
            self.2 * other.0 - self.0 * other.2,
            self.0 * other.1 - self.1 * other.0,
        )
    }

    pub(super) fn length(self) -> f64 {
        self.dot(self).sqrt()
    }

    /// The vector of length 1 in its direction.
    pub(super) fn unit(self) -> Self {
        self.times(1.0 / self.length())
    }

    /// Twice the cross product of unit vectors, exact to rounding where they are close to each other or to antipodes.
    pub(super) fn twice_cross(self, other: Self) -> Self {
        self.plus(other).cross(other.minus(self))
    }
}

/// On which side of the great circle from `a` to `b` a point lies: 1 on the left as seen from outside of the sphere,
/// -1 on the right, 0 on the circle or too close to tell.
///
/// The sign of the determinant of unit vectors. It is taken from the two shorter sides of their triangle, so that
/// rounding is in proportion to the triangle and not to the sphere.
pub(super) fn side(a: Vector, b: Vector, point: Vector) -> i8 {
    // Several times what rounding of the differences, products and sum can add up to.
    const ROUNDING: f64 = 8.0 * f64::EPSILON;
    let (ab, bc, ca) = (b.minus(a), point.minus(b), a.minus(point));
    let (ab2, bc2, ca2) = (ab.dot(ab), bc.dot(bc), ca.dot(ca));
    let (one, other, corner, squares) = if ab2 >= bc2 && ab2 >= ca2 {
        (bc, ca, point, bc2 * ca2)
    } else if bc2 >= ca2 {
        (ca, ab, a, ca2 * ab2)
    } else {
        (ab, bc, b, ab2 * bc2)
    };
    let determinant = one.cross(other).dot(corner);
    if determinant.abs() <= ROUNDING * squares.sqrt() {
        0
    } else if determinant > 0.0 {
        1
    } else {
        -1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_angles_are_exact() {
        for quarter in -9_i32..9 {
            let (sin, cos) = sin_cos(f64::from(quarter) * 90.0);
            let wanted = [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)][quarter.rem_euclid(4) as usize];
            assert_eq!((sin, cos), wanted, "{quarter}");
        }
        assert_eq!(turn(-1e-20), 0.0);
        assert_eq!(turn(-10.0), 350.0);
        assert_eq!(turn(720.0), 0.0);
    }

    proptest::proptest! {
        #[test]
        fn sines_are_those_of_radians(degrees in -1000.0..1000.0f64) {
            let (sin, cos) = sin_cos(degrees);
            let (wanted_sin, wanted_cos) = degrees.to_radians().sin_cos();
            proptest::prop_assert!((sin - wanted_sin).abs() < 1e-14 && (cos - wanted_cos).abs() < 1e-14);
        }

        #[test]
        fn angles_come_back(longitude in 0.0..360.0f64, latitude in -89.9..89.9f64) {
            let (lon, lat) = Vector::towards(longitude, latitude).angles();
            let apart = (lon - longitude).abs();
            proptest::prop_assert!(apart.min(360.0 - apart) < 1e-12 && (lat - latitude).abs() < 1e-12);
        }

        /// The determinant of three vectors as they stand, where it is large enough to be trusted.
        #[test]
        fn sides_are_determinants(at in proptest::array::uniform3((0.0..360.0f64, -90.0..90.0f64))) {
            let [a, b, c] = at.map(|(ra, dec)| Vector::towards(ra, dec));
            let determinant = a.cross(b).dot(c);
            if determinant.abs() > 1e-12 {
                proptest::prop_assert_eq!(f64::from(side(a, b, c)), determinant.signum());
            }
            proptest::prop_assert_eq!(side(a, b, c), -side(b, a, c));
        }
    }
}
