//! Boxes of right ascension and declination.

use noctuary_engine::Extent;

use super::vectors::turn;
use crate::define::Region;

/// The sky between two meridians and two parallels, all of them included.
#[derive(Debug, Clone, Copy)]
pub(super) struct SkyBox {
    /// Two right ascensions from 0 to 360, the way from the first to the second being eastwards; `None` for all.
    ra: Option<(f64, f64)>,
    dec: (f64, f64),
}

/// A box that holds nothing.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("dec_min is {0}, but dec_max is only {1}; give the smaller one first")]
pub(super) struct UpsideDown(f64, f64);

impl SkyBox {
    /// The box eastwards from one right ascension to the other, which is over 0 where the first is greater.
    ///
    /// # Errors
    /// When the declinations are the wrong way round.
    pub(super) fn new(ra: (f64, f64), dec: (f64, f64)) -> Result<Self, UpsideDown> {
        if dec.0 > dec.1 {
            return Err(UpsideDown(dec.0, dec.1));
        }
        let all = ra.1 - ra.0 >= 360.0;
        Ok(Self { ra: (!all).then(|| (turn(ra.0), turn(ra.1))), dec })
    }
}

impl Region for SkyBox {
    fn holds(&self, ra: f64, dec: f64) -> bool {
        if dec < self.dec.0 || dec > self.dec.1 {
            return false;
        }
        // A pole lies on every meridian.
        let (Some((from, to)), false) = (self.ra, dec.abs() == 90.0) else { return true };
        let ra = turn(ra);
        if from <= to { from <= ra && ra <= to } else { from <= ra || ra <= to }
    }

    fn extent(&self) -> Option<Extent> {
        Some(Extent::between(self.ra, self.dec))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holds(ra: (f64, f64), dec: (f64, f64), point: (f64, f64)) -> bool {
        SkyBox::new(ra, dec).unwrap().holds(point.0, point.1)
    }

    #[test]
    fn edges_are_inside() {
        for point in [(10.0, -5.0), (20.25, 5.5), (10.0, 5.5), (20.25, -5.0), (380.25, 0.0), (-350.0, 0.0)] {
            assert!(holds((10.0, 20.25), (-5.0, 5.5), point), "{point:?}");
        }
        for point in [(10.0_f64.next_down(), 0.0), (20.25_f64.next_up(), 0.0), (15.0, 5.5_f64.next_up())] {
            assert!(!holds((10.0, 20.25), (-5.0, 5.5), point), "{point:?}");
        }
    }

    #[test]
    fn boxes_wrap() {
        for range in [(350.0, 10.0), (-10.0, 10.0), (350.0, 370.0)] {
            for ra in [350.0, 359.9, 360.0, 0.0, 10.0, -5.0, 365.0] {
                assert!(holds(range, (-1.0, 1.0), (ra, 0.0)), "{range:?} {ra}");
            }
            for ra in [349.9, 10.1, 180.0] {
                assert!(!holds(range, (-1.0, 1.0), (ra, 0.0)), "{range:?} {ra}");
            }
        }
        for range in [(0.0, 360.0), (-180.0, 180.0), (10.0, 371.0)] {
            for ra in [0.0, 10.0, 180.0, 359.99] {
                assert!(holds(range, (-90.0, 90.0), (ra, 0.0)), "{range:?} {ra}");
            }
        }
        assert!(holds((5.0, 5.0), (0.0, 0.0), (5.0, 0.0)) && !holds((5.0, 5.0), (0.0, 0.0), (6.0, 0.0)));
        assert!(holds((350.0, 360.0), (0.0, 0.0), (0.0, 0.0)) && !holds((350.0, 360.0), (0.0, 0.0), (1.0, 0.0)));
    }

    #[test]
    fn a_pole_is_on_every_meridian() {
        assert!(holds((10.0, 20.0), (80.0, 90.0), (200.0, 90.0)));
        assert!(!holds((10.0, 20.0), (80.0, 90.0), (200.0, 89.999)));
        assert!(!holds((10.0, 20.0), (80.0, 89.0), (15.0, 90.0)));
        assert!(SkyBox::new((0.0, 1.0), (2.0, 1.0)).is_err());
    }

    proptest! {
        /// A point is inside if going east from the first meridian meets it before the second.
        #[test]
        fn going_east_finds_what_is_inside(from in 0_i32..360, width in 0_i32..360, ra in 0_i32..360) {
            let met = (0..=width).any(|step| (from + step) % 360 == ra);
            let range = (f64::from(from), f64::from((from + width) % 360));
            prop_assert_eq!(holds(range, (-1.0, 1.0), (f64::from(ra), 0.5)), met);
        }
    }
}
