//! HEALPix cells, NESTED.
//!
//! Source: Górski et al., "HEALPix: a framework for high-resolution discretization and fast analysis of data
//! distributed on the sphere", ApJ 622 (2005) 759.

use std::f64::consts::FRAC_PI_2;

/// The finest order.
pub(super) const FINEST: i64 = 29;
/// The last cell of the finest order.
pub(super) const LAST: i64 = (12 << (2 * FINEST)) - 1;

/// The cell of an order that holds a point in degrees. `None` for an order that is not 0 to 29.
pub(super) fn of_point(order: i64, ra: f64, dec: f64) -> Option<u64> {
    let order = u8::try_from(order).ok().filter(|order| i64::from(*order) <= FINEST)?;
    // The library has no answer beyond the poles, not even by rounding.
    let dec = dec.to_radians().clamp(-FRAC_PI_2, FRAC_PI_2);
    Some(cdshealpix::nested::get(order).hash(ra.rem_euclid(360.0).to_radians(), dec))
}

/// Right ascension (0 to 360) and declination of the middle of a cell, in degrees. `None` where the order has no such
/// cell.
pub(super) fn centre(order: i64, cell: i64) -> Option<(f64, f64)> {
    let order = u8::try_from(order).ok().filter(|order| i64::from(*order) <= FINEST)?;
    let cell = u64::try_from(cell).ok().filter(|cell| *cell < count(order))?;
    let (ra, dec) = cdshealpix::nested::get(order).center(cell);
    Some((super::vectors::turn(ra.to_degrees()), dec.to_degrees()))
}

/// How many cells an order from 0 to 29 has.
pub(super) fn count(order: u8) -> u64 {
    12 << (2 * u32::from(order))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::geometry::angular_distance;
    use super::*;

    #[test]
    fn cells_nest() {
        for (ra, dec) in [(212.5, -42.3), (0.0, 90.0), (360.0, -90.0), (-1e-300, 0.0), (45.0, 41.810_314_895_778_6)] {
            for order in 1..=29 {
                let (fine, coarse) = (of_point(order, ra, dec).unwrap(), of_point(order - 1, ra, dec).unwrap());
                assert_eq!(fine / 4, coarse, "{ra} {dec} {order}");
            }
        }
        assert_eq!(of_point(30, 0.0, 0.0), None);
        assert_eq!(of_point(-1, 0.0, 0.0), None);
        assert_eq!((centre(0, 12), centre(30, 0), centre(3, -1)), (None, None, None));
        assert!(centre(29, LAST).is_some() && centre(29, LAST + 1).is_none());
    }

    proptest! {
        #[test]
        fn the_middle_of_a_cell_is_in_it(order in 0_i64..=29, place in 0.0..1.0f64, ra in 0.0..360.0f64, dec in -90.0..=90.0f64) {
            let cell = ((count(order as u8) - 1) as f64 * place) as i64;
            let (centre_ra, centre_dec) = centre(order, cell).unwrap();
            prop_assert_eq!(of_point(order, centre_ra, centre_dec), Some(cell as u64));
            // The diagonal of a cell is nowhere longer than that of twice a square of its area.
            let (ra0, dec0) = centre(order, of_point(order, ra, dec).unwrap() as i64).unwrap();
            let size = (41_253.0 / count(order as u8) as f64).sqrt();
            prop_assert!(angular_distance(ra, dec, ra0, dec0) <= 1.5 * size + 1e-9);
        }
    }
}
