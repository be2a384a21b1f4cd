//! Functions of the sky for SQL.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::error::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};
use noctuary_engine::{CONE, SEPARATION};

/// The functions.
pub(crate) fn functions() -> Vec<ScalarUDF> {
    Sky::ALL.map(|what| ScalarUDF::from(Function { what, signature: what.signature() })).into()
}

/// The angle between two points on the sphere; all in degrees. `None` unless all are finite.
///
/// The formula is the special case of a sphere in Vincenty, "Direct and inverse solutions of geodesics on the
/// ellipsoid", Survey Review 23 (1975): exact to rounding at all distances, antipodes included.
fn separation(ra1: f64, dec1: f64, ra2: f64, dec2: f64) -> Option<f64> {
    if ![ra1, dec1, ra2, dec2].iter().all(|v| v.is_finite()) {
        return None;
    }
    let (sin_ra, cos_ra) = (ra2 - ra1).to_radians().sin_cos();
    let (sin1, cos1) = dec1.to_radians().sin_cos();
    let (sin2, cos2) = dec2.to_radians().sin_cos();
    let across = (cos2 * sin_ra).hypot(cos1 * sin2 - sin1 * cos2 * cos_ra);
    let along = sin1 * sin2 + cos1 * cos2 * cos_ra;
    Some(across.atan2(along).to_degrees())
}

/// The HEALPix cell, NESTED, that holds a point in degrees. `None` for a point that is not on the sphere or an order
/// that is not 0 to 29.
fn healpix(ra: f64, dec: f64, order: i64) -> Option<i64> {
    let order = u8::try_from(order).ok().filter(|order| *order <= 29)?;
    if !ra.is_finite() || !(-90.0..=90.0).contains(&dec) {
        return None;
    }
    let cell = cdshealpix::nested::get(order).hash(ra.rem_euclid(360.0).to_radians(), dec.to_radians());
    i64::try_from(cell).ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Sky {
    Cone,
    Separation,
    Healpix,
    Arcsec,
    Arcmin,
}

impl Sky {
    const ALL: [Self; 5] = [Self::Cone, Self::Separation, Self::Healpix, Self::Arcsec, Self::Arcmin];

    fn signature(self) -> Signature {
        let angles = |count| vec![DataType::Float64; count];
        let types = match self {
            Self::Cone => angles(5),
            Self::Separation => angles(4),
            Self::Healpix => vec![DataType::Float64, DataType::Float64, DataType::Int64],
            Self::Arcsec | Self::Arcmin => angles(1),
        };
        Signature::new(TypeSignature::Exact(types), Volatility::Immutable)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Function {
    what: Sky,
    signature: Signature,
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &'static str {
        match self.what {
            Sky::Cone => CONE,
            Sky::Separation => SEPARATION,
            Sky::Healpix => "healpix",
            Sky::Arcsec => "arcsec",
            Sky::Arcmin => "arcmin",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.what {
            Sky::Cone => DataType::Boolean,
            Sky::Healpix => DataType::Int64,
            Sky::Separation | Sky::Arcsec | Sky::Arcmin => DataType::Float64,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let scalar = args.args.iter().all(|a| matches!(a, ColumnarValue::Scalar(_)));
        let rows = if scalar { 1 } else { args.number_rows };
        let arrays = args.args.into_iter().map(|a| a.into_array(rows)).collect::<Result<Vec<_>>>()?;
        let result = compute(self.what, &arrays, rows);
        if scalar {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn compute(what: Sky, arrays: &[ArrayRef], rows: usize) -> ArrayRef {
    let angle = |column: usize, row: usize| -> Option<f64> {
        let values = arrays.get(column)?.as_primitive_opt::<Float64Type>()?;
        values.is_valid(row).then(|| values.value(row))
    };
    let apart = |row| separation(angle(0, row)?, angle(1, row)?, angle(2, row)?, angle(3, row)?);
    match what {
        Sky::Cone => Arc::new(
            (0..rows)
                .map(|row| {
                    let radius = angle(4, row).filter(|r| !r.is_nan())?;
                    Some(apart(row)? <= radius)
                })
                .collect::<BooleanArray>(),
        ),
        Sky::Separation => Arc::new((0..rows).map(apart).collect::<Float64Array>()),
        Sky::Healpix => Arc::new(
            (0..rows)
                .map(|row| {
                    let orders = arrays.get(2)?.as_primitive_opt::<Int64Type>()?;
                    let order = orders.is_valid(row).then(|| orders.value(row))?;
                    healpix(angle(0, row)?, angle(1, row)?, order)
                })
                .collect::<Int64Array>(),
        ),
        Sky::Arcsec => Arc::new((0..rows).map(|row| Some(angle(0, row)? / 3_600.0)).collect::<Float64Array>()),
        Sky::Arcmin => Arc::new((0..rows).map(|row| Some(angle(0, row)? / 60.0)).collect::<Float64Array>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The angle between unit vectors: another way to the same number.
    fn by_vectors(ra1: f64, dec1: f64, ra2: f64, dec2: f64) -> f64 {
        let unit = |ra: f64, dec: f64| {
            let (ra, dec) = (ra.to_radians(), dec.to_radians());
            [dec.cos() * ra.cos(), dec.cos() * ra.sin(), dec.sin()]
        };
        let (a, b) = (unit(ra1, dec1), unit(ra2, dec2));
        let chord = a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt();
        2.0 * (chord / 2.0).min(1.0).asin().to_degrees()
    }

    #[test]
    fn separations_are_known() {
        let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(close(separation(0.0, 0.0, 90.0, 0.0).unwrap(), 90.0));
        assert!(close(separation(10.0, 0.0, 190.0, 0.0).unwrap(), 180.0));
        assert!(close(separation(5.0, 90.0, 200.0, 89.0).unwrap(), 1.0));
        assert!(close(separation(359.9, 0.0, 0.1, 0.0).unwrap(), 0.2));
        assert_eq!(separation(f64::NAN, 0.0, 0.0, 0.0), None);
    }

    proptest::proptest! {
        #[test]
        fn separation_agrees_with_vectors(
            ra1 in 0.0..360.0f64, dec1 in -90.0..90.0f64, ra2 in 0.0..360.0f64, dec2 in -90.0..90.0f64,
        ) {
            let own = separation(ra1, dec1, ra2, dec2).unwrap();
            proptest::prop_assert!((own - by_vectors(ra1, dec1, ra2, dec2)).abs() < 1e-6);
        }
    }

    #[test]
    fn cells_nest() {
        for order in 1..=29 {
            let (fine, coarse) = (healpix(212.5, -42.3, order).unwrap(), healpix(212.5, -42.3, order - 1).unwrap());
            assert_eq!(fine / 4, coarse);
        }
        assert_eq!(healpix(0.0, 91.0, 3), None);
        assert_eq!(healpix(0.0, 0.0, 30), None);
    }
}
