//! How many stars and how many galaxies there are in a direction.

use crate::orbit::Vector;

/// Numbers of things that alert, for the same area of sky, over those at the galactic poles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Density {
    pub(crate) stars: f64,
    /// What lies beyond the Galaxy and is not hidden by its dust.
    pub(crate) beyond: f64,
}

impl Density {
    /// In a direction in degrees, ICRS: a disc that thins out with latitude, a bulge, and a layer of dust.
    pub(crate) fn towards(ra: f64, dec: f64) -> Self {
        let (longitude, latitude) = Vector::towards(ra, dec).to_galactic().angles();
        let away = latitude.abs();
        let along = if longitude > 180.0 { longitude - 360.0 } else { longitude };
        let disc = 9.0 * libm::exp(-away / 9.0) + 2.0 * libm::exp(-away / 30.0);
        let bulge = 20.0 * libm::exp(-(along / 14.0) * (along / 14.0) - (latitude / 7.0) * (latitude / 7.0));
        let hidden = libm::exp(-(away / 9.0) * (away / 9.0));
        Self { stars: 0.9 + disc + bulge, beyond: 1.0 - 0.98 * hidden }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_crowd_the_plane_and_dust_hides_what_is_beyond() {
        let pole = Density::towards(192.86, 27.13);
        let centre = Density::towards(266.4, -28.9);
        let plane = Density::towards(100.0, 5.0);
        let deep = Density::towards(9.45, -44.025);
        assert!((pole.stars - 1.0).abs() < 0.02 && pole.beyond > 0.99, "{pole:?}");
        assert!(centre.stars > 25.0 && centre.beyond < 0.05, "{centre:?}");
        assert!((5.0..15.0).contains(&plane.stars) && plane.beyond < 0.2, "{plane:?}");
        assert!(deep.stars < 1.5 && deep.beyond > 0.99, "{deep:?}");
    }
}
