//! Angles between points.

use super::vectors::sin_cos;

/// The angle between two points; all in degrees, the result from 0 to 180.
///
/// The formula is the special case of a sphere in Vincenty, "Direct and inverse solutions of geodesics on the
/// ellipsoid", Survey Review 23 (1975): exact to rounding at all distances, antipodes included.
pub(crate) fn angular_distance(ra1: f64, dec1: f64, ra2: f64, dec2: f64) -> f64 {
    let (east, north, along) = towards(ra1, dec1, ra2, dec2);
    east.hypot(north).atan2(along).to_degrees()
}

/// The direction from the first point to the second, from north through east; in degrees, from 0 to 360. `None` where
/// there is none: both are the same point, or antipodes.
///
/// The four-part formula of spherical trigonometry, as in Meeus, "Astronomical algorithms" (1998), chapter 17.
pub(crate) fn position_angle(ra1: f64, dec1: f64, ra2: f64, dec2: f64) -> Option<f64> {
    let (east, north, _) = towards(ra1, dec1, ra2, dec2);
    (east != 0.0 || north != 0.0).then(|| super::vectors::turn(east.atan2(north).to_degrees()))
}

/// The second point as seen from the first: how far to the east, to the north, and outwards.
fn towards(ra1: f64, dec1: f64, ra2: f64, dec2: f64) -> (f64, f64, f64) {
    let (sin_ra, cos_ra) = sin_cos(ra2 - ra1);
    let (sin1, cos1) = sin_cos(dec1);
    let (sin2, cos2) = sin_cos(dec2);
    (cos2 * sin_ra, cos1 * sin2 - sin1 * cos2 * cos_ra, sin1 * sin2 + cos1 * cos2 * cos_ra)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Angles with those at which something changes among them.
    fn angle(from: f64, to: f64) -> impl Strategy<Value = f64> {
        let odd = [from, from + 1e-9, (from + to) / 2.0, to - 1e-9, to, 0.0];
        prop_oneof![from..to, proptest::sample::select(odd.to_vec())]
    }

    fn unit(ra: f64, dec: f64) -> [f64; 3] {
        let (ra, dec) = (ra.to_radians(), dec.to_radians());
        [dec.cos() * ra.cos(), dec.cos() * ra.sin(), dec.sin()]
    }

    fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
        a.iter().zip(b).map(|(x, y)| x * y).sum()
    }

    /// The angle between unit vectors: another way to the same number. Chords are exact for small angles, and those to
    /// the antipode for large ones.
    fn by_chords(a: [f64; 3], b: [f64; 3]) -> f64 {
        let chord = |sign: f64| a.iter().zip(b).map(|(x, y)| (x - sign * y).powi(2)).sum::<f64>().sqrt();
        let half = |chord: f64| 2.0 * (chord / 2.0).min(1.0).asin().to_degrees();
        if dot(a, b) > 0.0 { half(chord(1.0)) } else { 180.0 - half(chord(-1.0)) }
    }

    #[test]
    fn distances_are_known() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(angular_distance(0.0, 0.0, 90.0, 0.0), 90.0));
        assert!(close(angular_distance(5.0, 90.0, 200.0, 89.0), 1.0));
        assert!(close(angular_distance(359.9, 0.0, 0.1, 0.0), 0.2));
        // No rounding is left where points are the same by other numbers, or antipodes.
        for (a, b) in [((10.0, 20.0), (370.0, 20.0)), ((0.0, 90.0), (123.0, 90.0)), ((7.0, -90.0), (187.0, -90.0))] {
            assert_eq!(angular_distance(a.0, a.1, b.0, b.1), 0.0, "{a:?} {b:?}");
        }
        for (a, b) in [((10.0, 20.0), (190.0, -20.0)), ((0.0, 90.0), (77.0, -90.0)), ((350.0, 0.0), (170.0, 0.0))] {
            assert_eq!(angular_distance(a.0, a.1, b.0, b.1), 180.0, "{a:?} {b:?}");
        }
    }

    #[test]
    fn directions_are_known() {
        let close = |a: Option<f64>, b: f64| (a.unwrap() - b).abs() < 1e-12;
        assert!(close(position_angle(10.0, 0.0, 10.0, 1.0), 0.0));
        assert!(close(position_angle(359.0, 0.0, 1.0, 0.0), 90.0));
        assert!(close(position_angle(10.0, 5.0, 10.0, -5.0), 180.0));
        assert!(close(position_angle(1.0, 0.0, 359.0, 0.0), 270.0));
        assert!(close(position_angle(40.0, 30.0, 0.0, 90.0), 0.0));
        for (ra, dec) in [(10.0, 20.0), (0.0, 90.0), (359.0, -45.0)] {
            assert_eq!(position_angle(ra, dec, ra, dec), None);
            assert_eq!(position_angle(ra, dec, ra + 180.0, -dec), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

        #[test]
        fn distances_agree_with_vectors(
            ra1 in angle(-360.0, 720.0), dec1 in angle(-90.0, 90.0),
            ra2 in angle(-360.0, 720.0), dec2 in angle(-90.0, 90.0),
        ) {
            let own = angular_distance(ra1, dec1, ra2, dec2);
            prop_assert!((own - by_chords(unit(ra1, dec1), unit(ra2, dec2))).abs() < 1e-12);
            prop_assert!((0.0..=180.0).contains(&own));
            prop_assert!((own - angular_distance(ra2, dec2, ra1, dec1)).abs() < 1e-13);
        }

        /// Going the distance in the direction leads there.
        #[test]
        fn directions_lead_to_the_other_point(
            ra1 in angle(0.0, 360.0), dec1 in -89.999..89.999f64, ra2 in angle(0.0, 360.0), dec2 in angle(-90.0, 90.0),
        ) {
            let Some(direction) = position_angle(ra1, dec1, ra2, dec2) else { return Ok(()) };
            prop_assert!((0.0..360.0).contains(&direction));
            let (sin, cos) = angular_distance(ra1, dec1, ra2, dec2).to_radians().sin_cos();
            let (from, (lon, lat)) = (unit(ra1, dec1), (ra1.to_radians(), dec1.to_radians()));
            let east = [-lon.sin(), lon.cos(), 0.0];
            let north = [-lat.sin() * lon.cos(), -lat.sin() * lon.sin(), lat.cos()];
            let (to_east, to_north) = direction.to_radians().sin_cos();
            let arrived: [f64; 3] =
                std::array::from_fn(|i| cos * from[i] + sin * (to_east * east[i] + to_north * north[i]));
            prop_assert!(by_chords(arrived, unit(ra2, dec2)) < 1e-11);
        }
    }
}
