//! Galactic and ecliptic coordinates.

use super::vectors::Vector;

/// A frame that is a fixed rotation of ICRS: the directions of its axes in ICRS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame([Vector; 3]);

/// The galactic frame of the IAU (1958) as the Hipparcos catalogue fixed it in ICRS: its pole is at right ascension
/// 192.85948 and declination 27.12825, and it crosses the equator northwards at longitude 32.93192 degrees.
/// Source: ESA SP-1200 (1997), volume 1, section 1.5.3.
pub(super) const GALACTIC: Frame = Frame([
    Vector(-0.054_875_560_416_215_37, -0.873_437_090_234_885, -0.483_835_015_548_713_2),
    Vector(0.494_109_427_875_583_65, -0.444_829_629_960_011_2, 0.746_982_244_497_218_8),
    Vector(-0.867_666_149_019_004_7, -0.198_076_373_431_201_52, 0.455_983_776_175_066_9),
]);

/// The mean ecliptic and equinox of J2000 in ICRS, by the precession of the IAU (2006) with its frame bias; the mean
/// obliquity is 84381.406 arcseconds. Source: Hilton et al., Celestial Mechanics 94 (2006) 351, by the angles of
/// Fukushima and Williams at J2000.
pub(super) const ECLIPTIC: Frame = Frame([
    Vector(0.999_999_999_999_994_2, -7.078_368_960_971_557e-8, 8.056_213_977_613_186e-8),
    Vector(3.289_700_407_741_963e-8, 0.917_482_129_914_958_5, 0.397_776_999_444_048),
    Vector(-1.020_704_472_548_435_5e-7, -0.397_776_999_444_043_04, 0.917_482_129_914_955_6),
]);

impl Frame {
    /// Longitude (0 to 360) and latitude in this frame of a point in ICRS; all in degrees.
    pub(super) fn angles_of(self, ra: f64, dec: f64) -> (f64, f64) {
        let point = Vector::towards(ra, dec);
        let [x, y, z] = self.0;
        Vector(x.dot(point), y.dot(point), z.dot(point)).angles()
    }

    /// Right ascension (0 to 360) and declination in ICRS of a point in this frame; all in degrees.
    pub(super) fn icrs_of(self, longitude: f64, latitude: f64) -> (f64, f64) {
        let point = Vector::towards(longitude, latitude);
        let [x, y, z] = self.0;
        x.times(point.0).plus(y.times(point.1)).plus(z.times(point.2)).angles()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::geometry::angular_distance;
    use super::*;

    /// Turns axes about the first or the third of them.
    fn turned(axes: [Vector; 3], about: usize, degrees: f64) -> [Vector; 3] {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let (a, b) = ((about + 1) % 3, (about + 2) % 3);
        let mut out = axes;
        out[a] = axes[a].times(cos).plus(axes[b].times(sin));
        out[b] = axes[b].times(cos).minus(axes[a].times(sin));
        out
    }

    const ICRS: [Vector; 3] = [Vector(1.0, 0.0, 0.0), Vector(0.0, 1.0, 0.0), Vector(0.0, 0.0, 1.0)];

    #[test]
    fn axes_follow_from_the_angles_of_their_sources() {
        let galactic = turned(turned(turned(ICRS, 2, 192.859_48 + 90.0), 0, 90.0 - 27.128_25), 2, -32.931_92);
        let arcsec = |x: f64| x / 3_600.0;
        let ecliptic =
            turned(turned(turned(ICRS, 2, arcsec(-0.052_928)), 0, arcsec(84_381.412_819)), 2, arcsec(0.041_775));
        for (axes, Frame(known)) in [(galactic, GALACTIC), (ecliptic, ECLIPTIC)] {
            for (axis, known) in axes.into_iter().zip(known) {
                assert!(axis.minus(known).length() < 1e-15, "{axis:?} {known:?}");
            }
        }
    }

    #[test]
    fn known_places() {
        // The centre of the galaxy by the frame itself, and Sagittarius A*.
        let (ra, dec) = GALACTIC.icrs_of(0.0, 0.0);
        assert!((ra - 266.405).abs() < 1e-3 && (dec + 28.936).abs() < 1e-3, "{ra} {dec}");
        let (l, b) = GALACTIC.angles_of(266.416_82, -29.007_8);
        assert!((l - 359.944).abs() < 1e-3 && (b + 0.046).abs() < 1e-3, "{l} {b}");
        // The vernal equinox is where ecliptic and equator meet.
        let (lon, lat) = ECLIPTIC.angles_of(0.0, 0.0);
        assert!(angular_distance(lon, lat, 0.0, 0.0) < 1e-4);
        let (_, lat) = ECLIPTIC.angles_of(0.0, 90.0);
        assert!((lat - (90.0 - 84_381.406 / 3_600.0)).abs() < 1e-4);
    }

    proptest! {
        #[test]
        fn rotations_come_back_and_keep_distances(
            a in (0.0..360.0f64, -90.0..90.0f64), b in (0.0..360.0f64, -90.0..90.0f64),
        ) {
            for frame in [GALACTIC, ECLIPTIC] {
                let (there, other) = (frame.angles_of(a.0, a.1), frame.angles_of(b.0, b.1));
                prop_assert!((0.0..360.0).contains(&there.0) && (-90.0..=90.0).contains(&there.1));
                let back = frame.icrs_of(there.0, there.1);
                prop_assert!(angular_distance(a.0, a.1, back.0, back.1) < 1e-13);
                let own = angular_distance(there.0, there.1, other.0, other.1);
                prop_assert!((own - angular_distance(a.0, a.1, b.0, b.1)).abs() < 1e-12);
            }
        }
    }
}
