//! Functions of flux and brightness.
//!
//! Magnitudes are m = zero point - 2.5 log10(flux). The zero point 31.4 makes AB magnitudes of nanojanskys: Oke and
//! Gunn, ApJ 266 (1983) 713.

use crate::define::{Argument, Compute, Definition};

/// The magnitude in AB of 1 nJy.
const AB_OF_NANOJANSKY: f64 = 31.4;
/// What a small relative error of the flux is in magnitudes: 2.5 / ln 10.
const MAGNITUDES: f64 = 2.5 / std::f64::consts::LN_10;

const FLUX: Argument = Argument::number("flux", "flux, in nJy unless the zero point says otherwise");
const FLUX_ERR: Argument = Argument::between("flux_err", 0.0, f64::INFINITY, "error of the flux in the same unit");
const MAG: Argument = Argument::number("mag", "magnitude");
const MAG_ERR: Argument = Argument::between("mag_err", 0.0, f64::INFINITY, "error of the magnitude");
const ZERO_POINT: Argument =
    Argument::number("zero_point", "magnitude of a flux of 1; 31.4 if it is left out, for AB magnitudes and nJy")
        .firm();

/// The functions.
pub(crate) static FUNCTIONS: &[Definition] = &[
    Definition::new(
        "ab_mag",
        &[&[FLUX], &[FLUX, ZERO_POINT]],
        Compute::Number(|row| magnitude(row.number(0)?, row.number_or(1, AB_OF_NANOJANSKY)?)),
        "the magnitude of a flux; null where the flux is not above 0",
    )
    .or("flux_to_mag"),
    Definition::new(
        "ab_mag_err",
        &[&[FLUX, FLUX_ERR]],
        Compute::Number(|row| {
            let (flux, error) = (row.number(0)?, row.number(1)?);
            (flux > 0.0).then(|| MAGNITUDES * error / flux)
        }),
        "the error of the magnitude of a flux, to first order; null where the flux is not above 0",
    ),
    Definition::new(
        "mag_to_flux",
        &[&[MAG], &[MAG, ZERO_POINT]],
        Compute::Number(|row| Some(flux(row.number(0)?, row.number_or(1, AB_OF_NANOJANSKY)?))),
        "the flux of a magnitude, in nJy unless the zero point says otherwise",
    ),
    Definition::new(
        "mag_err_to_flux_err",
        &[&[MAG, MAG_ERR], &[MAG, MAG_ERR, ZERO_POINT]],
        Compute::Number(|row| {
            let (mag, error) = (row.number(0)?, row.number(1)?);
            Some(flux(mag, row.number_or(2, AB_OF_NANOJANSKY)?) * error / MAGNITUDES)
        }),
        "the error of the flux of a magnitude, to first order, in nJy unless the zero point says otherwise",
    ),
];

fn magnitude(flux: f64, zero_point: f64) -> Option<f64> {
    (flux > 0.0).then(|| zero_point - 2.5 * flux.log10())
}

fn flux(magnitude: f64, zero_point: f64) -> f64 {
    10.0_f64.powf((zero_point - magnitude) / 2.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_brightness() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-4;
        // An AB magnitude of 0 is 3631 Jy.
        assert!(close(flux(0.0, AB_OF_NANOJANSKY) / 1e9, 3_630.780_5));
        assert!(close(magnitude(3_630.780_5e9, AB_OF_NANOJANSKY).unwrap(), 0.0));
        assert!(close(magnitude(100.0, 25.0).unwrap(), 20.0));
        assert_eq!((magnitude(0.0, 31.4), magnitude(-1.0, 31.4)), (None, None));
    }

    proptest::proptest! {
        #[test]
        fn fluxes_come_back(mag in -5.0..40.0f64, zero_point in 0.0..40.0f64, part in 1e-6..1e-4f64) {
            let bright = flux(mag, zero_point);
            proptest::prop_assert!((magnitude(bright, zero_point).unwrap() - mag).abs() < 1e-12);
            // A small error is the difference that it makes.
            let fainter = magnitude(bright * (1.0 - part), zero_point).unwrap() - mag;
            proptest::prop_assert!((fainter - MAGNITUDES * part).abs() < part * part);
        }
    }
}
