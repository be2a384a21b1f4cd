//! Numbers as a catalogue prints them.

/// Powers of ten, 0 to 22: those that are exact.
const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// Rounds to so many decimals, at most 22.
pub(super) fn decimals(value: f64, count: usize) -> f64 {
    (value * TENS[count]).round() / TENS[count]
}

/// Rounds to six significant digits, as the history of ZTF's packets has its calibrations.
pub(super) fn six_digits(value: f64) -> f64 {
    round(value, 22)
}

/// Rounds to six significant digits and no more than six decimals, as the history of ZTF's packets has what was
/// measured: it went through a table that keeps no more.
pub(super) fn as_in_table(value: f64) -> f64 {
    round(value, 6)
}

/// Six significant digits, but at most so many decimals.
fn round(value: f64, most: usize) -> f64 {
    let size = value.abs();
    if !size.is_finite() {
        return value;
    }
    if size >= 1e6 {
        let over = TENS.iter().skip(1).position(|ten| size < ten * 1e6).unwrap_or(21);
        let unit = TENS[over.min(21) + 1];
        return (value / unit).round() * unit;
    }
    // How many decimals six digits leave: 5 for 1 to 10.
    let count = TENS.iter().position(|ten| size * ten >= 99_999.95).unwrap_or(22);
    decimals(value, count.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn history_is_rounded_as_in_transmitted_packets() {
        // Of trigger and later copy of ZTF21abiuvdk, both as singles.
        let pairs: [(f32, f32); 11] = [
            (19.766_056, 19.766_1),
            (1_865.809_6, 1_865.81),
            (0.027_713_366, 0.027_713),
            (43.667_744, 43.667_7),
            (4.416_028, 4.416_03),
            (-3.021_356, -3.021_36),
            (261.488_8, 261.489),
            (0.857_142_87, 0.857_143),
            (23.468_142, 23.468_1),
            (0.096_455_23, 0.096_455),
            (0.028_562_829, 0.028_563),
        ];
        for (value, rounded) in pairs {
            assert_eq!(as_in_table(f64::from(value)) as f32, rounded);
        }
        assert_eq!(six_digits(f64::from(-0.081_409_36_f32)) as f32, -0.081_409_4);
        assert_eq!(six_digits(1.839_306e-5), 1.839_31e-5);
    }

    #[test]
    fn any_size_keeps_six_digits() {
        for exponent in -15..15 {
            for digits in ["1.0000049", "1.2345678", "9.9999949", "-4.56789012", "9.9999951"] {
                let value: f64 = format!("{digits}e{exponent}").parse().unwrap();
                let expected: f64 = format!("{value:.5e}").parse().unwrap();
                assert!((six_digits(value) - expected).abs() <= 1e-12 * expected.abs(), "{value:e} {expected:e}");
            }
        }
        assert_eq!(six_digits(0.0), 0.0);
        assert!(six_digits(f64::NAN).is_nan());
        assert_eq!(decimals(15.123_46, 3), 15.123);
    }
}
