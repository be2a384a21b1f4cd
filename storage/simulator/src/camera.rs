//! Where on the focal plane a place in the sky falls.

use crate::random::fraction;

/// Side of a pixel of LSST's camera in arcseconds.
pub(crate) const PIXEL: f64 = 0.2;
/// A degree in radians.
pub(crate) const RADIAN: f64 = std::f64::consts::PI / 180.0;

/// How the detectors of a camera lie: in a square of columns and rows, of which the corners may be missing.
#[derive(Debug)]
pub(crate) struct Camera {
    /// Detectors along one side of the focal plane.
    pub(crate) across: f64,
    /// From one detector to the next, in radians.
    pub(crate) pitch: f64,
    /// Columns and rows of a detector, and the side of a pixel in arcseconds.
    pub(crate) pixels: (f64, f64),
    pub(crate) pixel: f64,
    /// Radius in degrees around the pointing within which every place falls on a detector, whatever the rotation.
    pub(crate) radius: f64,
    /// The survey's number of the detector in a column and row of the square.
    pub(crate) number: fn(u32, u32) -> u32,
}

impl Camera {
    /// Five rafts of three along a side, none at the corners: those begin 1.43 degrees from the middle.
    pub(crate) const LSST: Self = Self {
        across: 15.0,
        pitch: 0.2257 * RADIAN,
        pixels: (4_072.0, 4_000.0),
        pixel: PIXEL,
        radius: 1.35,
        number: detector,
    };

    /// Sixteen detectors in a square of four, each read out through four channels.
    pub(crate) const ZTF: Self = Self {
        across: 8.0,
        pitch: 0.9 * RADIAN,
        pixels: (3_072.0, 3_080.0),
        pixel: 1.01,
        radius: 3.5,
        number: channel,
    };
}

/// The middle of a field, and tangent-plane coordinates about it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Centre {
    ra: f64,
    sin_dec: f64,
    cos_dec: f64,
}

impl Centre {
    /// From degrees.
    pub(crate) fn new(ra: f64, dec: f64) -> Self {
        Self { ra: ra * RADIAN, sin_dec: libm::sin(dec * RADIAN), cos_dec: libm::cos(dec * RADIAN) }
    }

    /// Right ascension and declination in degrees of a point of the tangent plane (radians, xi to the east).
    pub(crate) fn to_sky(self, (xi, eta): (f64, f64)) -> (f64, f64) {
        let along = self.cos_dec - eta * self.sin_dec;
        let up = self.sin_dec + eta * self.cos_dec;
        let ra = (self.ra + libm::atan2(xi, along)) / RADIAN;
        let dec = libm::atan2(up, (along * along + xi * xi).sqrt()) / RADIAN;
        (fraction(ra / 360.0) * 360.0, dec)
    }

    /// The reverse of [`Self::to_sky`]; `None` on the far side of the sky.
    pub(crate) fn onto_plane(self, ra: f64, dec: f64) -> Option<(f64, f64)> {
        let (sin_dec, cos_dec) = libm::sincos(dec * RADIAN);
        let (sin_ra, cos_ra) = libm::sincos(ra * RADIAN - self.ra);
        let towards = self.sin_dec * sin_dec + self.cos_dec * cos_dec * cos_ra;
        (towards > 0.0)
            .then(|| (cos_dec * sin_ra / towards, (self.cos_dec * sin_dec - self.sin_dec * cos_dec * cos_ra) / towards))
    }
}

/// A point of the tangent plane, uniform on the sphere within a radius in degrees, from two uniform numbers.
///
/// Equal areas of a cap lie between equal steps of the cosine of the distance to its middle.
pub(crate) fn point_in_cap(radius: f64, u: f64, v: f64) -> (f64, f64) {
    let edge = libm::cos(radius * RADIAN);
    let cosine = 1.0 - u * (1.0 - edge);
    let tangent = (1.0 - cosine * cosine).sqrt() / cosine;
    let (sin, cos) = libm::sincos(std::f64::consts::TAU * v);
    (tangent * sin, tangent * cos)
}

/// How the camera was turned and shifted in a visit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Aim {
    camera: &'static Camera,
    /// Angle of the focal plane's y axis east of north, in radians.
    pub(crate) angle: f64,
    pub(crate) sin: f64,
    pub(crate) cos: f64,
    /// Shift of the pointing in the tangent plane, in radians.
    pub(crate) shift: (f64, f64),
}

/// A place on a detector, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    pub(crate) detector: u32,
    pub(crate) x: f64,
    pub(crate) y: f64,
}

impl Aim {
    pub(crate) fn new(camera: &'static Camera, angle: f64, shift: (f64, f64)) -> Self {
        let (sin, cos) = libm::sincos(angle);
        Self { camera, angle, sin, cos, shift }
    }

    /// The detector and pixel on which a point of the tangent plane falls.
    pub(crate) fn place(&self, (xi, eta): (f64, f64)) -> Place {
        let (east, north) = (xi - self.shift.0, eta - self.shift.1);
        // Seen from behind, as the images are: x runs against right ascension.
        let Camera { across: count, pitch, pixels, number, .. } = *self.camera;
        let across = (self.sin * north - self.cos * east) / pitch + count / 2.0;
        let up = (self.sin * east + self.cos * north) / pitch + count / 2.0;
        let (column, row) = (across.floor().clamp(0.0, count - 1.0), up.floor().clamp(0.0, count - 1.0));
        Place {
            detector: number(column as u32, row as u32),
            x: (across - column).clamp(0.0, 1.0) * pixels.0,
            y: (up - row).clamp(0.0, 1.0) * pixels.1,
        }
    }
}

/// ZTF's number of a readout channel: four to a detector, detectors row by row; 0 to 63.
fn channel(column: u32, row: u32) -> u32 {
    (row / 2 * 4 + column / 2) * 4 + row % 2 * 2 + column % 2
}

/// LSST's number of a detector: raft by raft and row by row, with no raft at the corners; 0 to 188.
fn detector(column: u32, row: u32) -> u32 {
    let (raft_column, raft_row) = (column / 3, row / 3);
    let raft = match raft_row {
        0 => raft_column.clamp(1, 3) - 1,
        4 => 18 + raft_column.clamp(1, 3) - 1,
        between => 3 + (between - 1) * 5 + raft_column,
    };
    raft * 9 + row % 3 * 3 + column % 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sky_reads_back() {
        for (ra, dec) in [(9.45, -44.0), (359.99, -0.1), (0.0, 0.0), (150.1, 2.2), (30.0, -89.5)] {
            let centre = Centre::new(ra, dec);
            for (u, v) in [(0.0, 0.0), (0.5, 0.1), (1.0, 0.4), (0.9, 0.77)] {
                let point = point_in_cap(1.35, u, v);
                let (at_ra, at_dec) = centre.to_sky(point);
                assert!((0.0..360.0).contains(&at_ra) && (-90.0..=90.0).contains(&at_dec));
                let back = centre.onto_plane(at_ra, at_dec).unwrap();
                assert!((back.0 - point.0).abs() < 1e-12 && (back.1 - point.1).abs() < 1e-12, "{ra} {dec}");
            }
        }
    }

    #[test]
    fn the_cap_is_even() {
        // Half of the area of a small cap lies within its radius over the root of two.
        let mut inner = 0;
        for i in 0..10_000 {
            let (xi, eta) = point_in_cap(1.35, f64::from(i) / 10_000.0, f64::from(i) * 0.618);
            inner += i32::from((xi * xi + eta * eta).sqrt() < 1.35 * RADIAN / 2_f64.sqrt());
        }
        assert!((4_990..=5_010).contains(&inner), "{inner}");
    }

    #[test]
    fn all_detectors_are_numbered_once() {
        let mut seen = std::collections::BTreeSet::new();
        for column in 0..15 {
            for row in 0..15 {
                let corner = |i: u32| i / 3 == 0 || i / 3 == 4;
                if !(corner(column) && corner(row)) {
                    assert!(seen.insert(detector(column, row)));
                }
            }
        }
        assert_eq!((seen.len(), seen.first(), seen.last()), (189, Some(&0), Some(&188)));
    }
}
