//! Motion around the Sun: vectors, orbital elements, and where the Earth is.
//!
//! Units are astronomical units and days; the frame is ICRS unless said otherwise.

use std::f64::consts::{PI, TAU};

use crate::camera::RADIAN;
use crate::random::fraction;

/// Gravity of the Sun, au^3 / d^2: the square of the Gaussian constant.
pub(crate) const SUN: f64 = 0.017_202_098_95 * 0.017_202_098_95;
/// Obliquity of the ecliptic at J2000, in radians.
const OBLIQUITY: f64 = 84_381.448 / 3_600.0 * RADIAN;

/// A place or a velocity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Vector(pub(crate) f64, pub(crate) f64, pub(crate) f64);

impl Vector {
    pub(crate) fn towards(ra: f64, dec: f64) -> Self {
        let (sin_ra, cos_ra) = libm::sincos(ra * RADIAN);
        let (sin_dec, cos_dec) = libm::sincos(dec * RADIAN);
        Self(cos_dec * cos_ra, cos_dec * sin_ra, sin_dec)
    }

    pub(crate) fn plus(self, other: Self, times: f64) -> Self {
        Self(self.0 + other.0 * times, self.1 + other.1 * times, self.2 + other.2 * times)
    }

    pub(crate) fn times(self, factor: f64) -> Self {
        Self(self.0 * factor, self.1 * factor, self.2 * factor)
    }

    pub(crate) fn dot(self, other: Self) -> f64 {
        self.0 * other.0 + self.1 * other.1 + self.2 * other.2
    }

    pub(crate) fn cross(self, other: Self) -> Self {
        Self(
            self.1 * other.2 - self.2 * other.1,
            self.2 * other.0 - self.0 * other.2,
            self.0 * other.1 - self.1 * other.0,
        )
    }

    pub(crate) fn length(self) -> f64 {
        self.dot(self).sqrt()
    }

    pub(crate) fn unit(self) -> Self {
        self.times(1.0 / self.length())
    }

    /// Longitude and latitude in degrees.
    pub(crate) fn angles(self) -> (f64, f64) {
        let longitude = libm::atan2(self.1, self.0) / TAU;
        let latitude = libm::atan2(self.2, (self.0 * self.0 + self.1 * self.1).sqrt()) / RADIAN;
        (fraction(longitude) * 360.0, latitude)
    }

    /// Angle between two, in degrees.
    pub(crate) fn separation(self, other: Self) -> f64 {
        libm::atan2(self.cross(other).length(), self.dot(other)) / RADIAN
    }

    pub(crate) fn to_ecliptic(self) -> Self {
        self.about_equinox(OBLIQUITY)
    }

    pub(crate) fn to_equatorial(self) -> Self {
        self.about_equinox(-OBLIQUITY)
    }

    fn about_equinox(self, angle: f64) -> Self {
        let (sin, cos) = libm::sincos(angle);
        Self(self.0, cos * self.1 + sin * self.2, cos * self.2 - sin * self.1)
    }

    /// From ICRS to galactic axes; the rows are those of ESA SP-1200, volume 1, equation 1.5.11.
    pub(crate) fn to_galactic(self) -> Self {
        Self(
            self.dot(Self(-0.054_875_560_4, -0.873_437_090_2, -0.483_835_015_5)),
            self.dot(Self(0.494_109_427_9, -0.444_829_630_0, 0.746_982_244_5)),
            self.dot(Self(-0.867_666_149_0, -0.198_076_373_4, 0.455_983_776_2)),
        )
    }
}

/// Place and velocity.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State {
    pub(crate) place: Vector,
    pub(crate) velocity: Vector,
}

/// The Earth on a circle, right to three degrees.
pub(crate) fn earth(mjd: f64) -> State {
    const J2000: f64 = 51_544.5;
    let longitude = (100.464 + 0.985_609_1 * (mjd - J2000)) * RADIAN;
    let (sin, cos) = libm::sincos(longitude);
    let speed = SUN.sqrt();
    State {
        place: Vector(cos, sin, 0.0).to_equatorial(),
        velocity: Vector(-speed * sin, speed * cos, 0.0).to_equatorial(),
    }
}

impl State {
    /// Where it is some days later: a parabola, good to an arcsecond or so within two days.
    pub(crate) fn after(self, days: f64) -> Self {
        let distance = self.place.length();
        let pull = self.place.times(-SUN / (distance * distance * distance));
        State {
            place: self.place.plus(self.velocity, days).plus(pull, 0.5 * days * days),
            velocity: self.velocity.plus(pull, days),
        }
    }
}

/// An ellipse around the Sun. Angles in degrees, in the ecliptic of J2000.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Elements {
    pub(crate) semi_major: f64,
    pub(crate) eccentricity: f64,
    pub(crate) inclination: f64,
    pub(crate) node: f64,
    pub(crate) pericentre: f64,
    pub(crate) mean_anomaly: f64,
    /// Degrees a day.
    pub(crate) mean_motion: f64,
}

impl Elements {
    /// From a state on an ellipse, by the textbook (Murray & Dermott 1999, section 2.8).
    pub(crate) fn of(state: State) -> Self {
        let (place, velocity) = (state.place.to_ecliptic(), state.velocity.to_ecliptic());
        let distance = place.length();
        let semi_major = 1.0 / (2.0 / distance - velocity.dot(velocity) / SUN);
        let spin = place.cross(velocity);
        let inclination = libm::atan2((spin.0 * spin.0 + spin.1 * spin.1).sqrt(), spin.2);
        let node = libm::atan2(spin.0, -spin.1);
        let (sin_node, cos_node) = libm::sincos(node);
        let to_node = Vector(cos_node, sin_node, 0.0);
        let ahead = spin.unit().cross(to_node);
        let lean = velocity.cross(spin).times(1.0 / SUN).plus(place, -1.0 / distance);
        let eccentricity = lean.length();
        let pericentre = libm::atan2(lean.dot(ahead), lean.dot(to_node));
        let argument = libm::atan2(place.dot(ahead), place.dot(to_node));
        let true_anomaly = argument - pericentre;
        let root = ((1.0 - eccentricity) / (1.0 + eccentricity)).max(0.0).sqrt();
        let (sin, cos) = libm::sincos(true_anomaly / 2.0);
        let eccentric = 2.0 * libm::atan2(root * sin, cos);
        let mean_anomaly = eccentric - eccentricity * libm::sin(eccentric);
        let degrees = |angle: f64| fraction(angle / TAU) * 360.0;
        Self {
            semi_major,
            eccentricity,
            inclination: inclination / RADIAN,
            node: degrees(node),
            pericentre: degrees(pericentre),
            mean_anomaly: degrees(mean_anomaly),
            mean_motion: (SUN / (semi_major * semi_major * semi_major)).sqrt() * 180.0 / PI,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_has_the_elements_of_a_circle() {
        let state = State { place: Vector(4.0, 0.0, 0.0), velocity: Vector(0.0, SUN.sqrt() / 2.0, 0.0) };
        let elements =
            Elements::of(State { place: state.place.to_equatorial(), velocity: state.velocity.to_equatorial() });
        assert!((elements.semi_major - 4.0).abs() < 1e-12);
        assert!(elements.eccentricity < 1e-12 && elements.inclination < 1e-9);
        assert!((360.0 / elements.mean_motion - 8.0 * 365.256_898).abs() < 1e-2);
    }

    #[test]
    fn an_ellipse_is_found_from_its_pericentre() {
        // At pericentre 2 au with e = 0.25, inclined by 30 degrees about the x axis.
        let speed = (SUN * 1.25 / 2.0).sqrt();
        let (sin, cos) = (0.5, 0.75_f64.sqrt());
        let state = State {
            place: Vector(2.0, 0.0, 0.0).to_equatorial(),
            velocity: Vector(0.0, speed * cos, speed * sin).to_equatorial(),
        };
        let elements = Elements::of(state);
        assert!((elements.semi_major - 2.0 / 0.75).abs() < 1e-10);
        assert!((elements.eccentricity - 0.25).abs() < 1e-10);
        assert!((elements.inclination - 30.0).abs() < 1e-9);
        let later = Elements::of(state.after(1.0));
        assert!((later.mean_anomaly - elements.mean_motion).abs() < 1e-4, "{later:?}");
    }

    #[test]
    fn axes_are_where_they_belong() {
        // North galactic pole and the position of Sgr A* in ICRS.
        let pole = Vector::towards(192.859_48, 27.128_25).to_galactic();
        assert!(pole.angles().1 > 89.999);
        let (longitude, latitude) = Vector::towards(266.416_8, -29.007_8).to_galactic().angles();
        assert!((longitude - 359.944).abs() < 0.001 && (latitude + 0.046).abs() < 0.001);
        let (longitude, latitude) = Vector::towards(270.0, 66.560_709).to_ecliptic().angles();
        assert!(latitude > 89.999, "{longitude} {latitude}");
        // The Sun crosses the equator northwards in March: the Earth then stands opposite.
        let (ra, _) = earth(61_119.6).place.angles();
        assert!((ra - 180.0).abs() < 3.0, "{ra}");
    }
}
