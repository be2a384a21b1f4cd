//! Cutouts as pictures: the first image of a FITS file, stretched to 256 greys.

use fitsio_pure::hdu::parse_fits;
use fitsio_pure::image::{image_dimensions, read_image_physical};

use crate::error::{Failure, Kind, Result};

/// More pixels than any cutout has.
const MAX_PIXELS: usize = 16 << 20;

/// An image of one number per pixel, the first row at the bottom as in FITS.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row by row from the bottom; NaN where nothing is known.
    pub pixels: Vec<f64>,
}

/// The first image of two axes in a FITS file, physical values (BSCALE and BZERO applied, BLANK as NaN).
///
/// # Errors
/// When it is no FITS file, or holds no such image.
pub fn first_plane(fits: &[u8]) -> Result<Plane> {
    let damaged = |what: String| Failure::new(Kind::Damaged, what);
    if let Some(card) = impossible_size(fits) {
        return Err(damaged(format!("the cutout is no FITS file (it claims {card})")));
    }
    let parsed = parse_fits(fits).map_err(|e| damaged(format!("the cutout is no FITS file ({e})")))?;
    for hdu in parsed.iter() {
        let Ok(axes) = image_dimensions(hdu) else { continue };
        let [width, height] = axes[..] else { continue };
        let pixels = width.saturating_mul(height);
        if pixels == 0 || pixels > MAX_PIXELS {
            continue;
        }
        let values =
            read_image_physical(fits, hdu).map_err(|e| damaged(format!("the image of the cutout is broken ({e})")))?;
        if values.len() == pixels {
            return Ok(Plane { width, height, pixels: values });
        }
    }
    Err(damaged("the cutout holds no image of two axes; take it as it is with --format fits".to_owned()))
}

/// A card that claims more axes, columns or bytes than the file can hold. The parser would ask for memory for them.
fn impossible_size(fits: &[u8]) -> Option<String> {
    fits.chunks_exact(80).find_map(|card| {
        let card = std::str::from_utf8(card).ok()?;
        let (keyword, rest) = card.split_once('=')?;
        let limit = match keyword.trim_end() {
            "NAXIS" | "TFIELDS" => 999,
            "PCOUNT" | "GCOUNT" => fits.len() as i128,
            axis if axis.starts_with("NAXIS") => fits.len() as i128,
            _ => return None,
        };
        let value: i128 = rest.split('/').next()?.trim().parse().ok()?;
        (value < 0 || value > limit).then(|| card.trim_end().to_owned())
    })
}

/// The values that become black and white: two robust deviations below the median, and the 99.7th percentile, at
/// least ten deviations above black. A deviation is 1.4826 times the median of the absolute distances from the median.
fn limits(pixels: &[f64]) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = pixels.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let median = *sorted.get(sorted.len() / 2)?;
    let bright = sorted[(sorted.len() - 1) * 997 / 1000];
    let mut distances: Vec<f64> = sorted.iter().map(|v| (v - median).abs()).collect();
    distances.sort_by(f64::total_cmp);
    let deviation = 1.4826 * distances[distances.len() / 2];
    let black = median - 2.0 * deviation;
    let white = bright.max(black + 10.0 * deviation);
    if white > black { Some((black, white)) } else { Some((black - 0.5, black + 0.5)) }
}

/// How much of the range the linear part takes: small values show faint things.
const SOFTENING: f64 = 0.1;

/// Greys by `asinh(x / a) / asinh(1 / a)` with x from 0 (black) to 1 (white) and a = 0.1: linear for faint pixels,
/// logarithmic for bright ones (Lupton, Gunn & Szalay 1999, AJ 118, 1406; the form is that of Astropy's
/// `AsinhStretch`). Unknown pixels are black. The first row is the bottom one: rows come out from the top.
pub fn greys(plane: &Plane) -> Vec<u8> {
    let Some((black, white)) = limits(&plane.pixels) else { return vec![0; plane.pixels.len()] };
    let grey = |value: &f64| {
        if value.is_nan() {
            return 0;
        }
        let x = ((value - black) / (white - black)).clamp(0.0, 1.0);
        // Between 0 and 255 by the clamp.
        ((x / SOFTENING).asinh() / (1.0 / SOFTENING).asinh() * 255.0).round() as u8
    };
    plane.pixels.chunks(plane.width).rev().flat_map(|row| row.iter().map(grey)).collect()
}

/// A PNG of the first image of a FITS file, each pixel `scale` dots wide.
///
/// # Errors
/// As [`first_plane`]; [`Kind::Request`] if the picture would be too large.
pub fn png(fits: &[u8], scale: usize) -> Result<Vec<u8>> {
    let plane = first_plane(fits)?;
    let (width, height) = (plane.width * scale, plane.height * scale);
    if width.saturating_mul(height) > MAX_PIXELS {
        return Err(Failure::request(format!("{width} x {height} dots are too many; choose a smaller --scale")));
    }
    let small = greys(&plane);
    let mut large = Vec::with_capacity(width * height);
    for row in small.chunks(plane.width) {
        for _ in 0..scale {
            large.extend(row.iter().flat_map(|grey| std::iter::repeat_n(*grey, scale)));
        }
    }
    let failed = |e: png::EncodingError| Failure::internal(format!("the picture could not be written ({e})"));
    let dots = |n: usize| u32::try_from(n).map_err(|e| Failure::internal(e.to_string()));
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, dots(width)?, dots(height)?);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&large).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(bitpix: i32, axes: &[usize], data: &[u8], more: &str) -> Vec<u8> {
        let mut header = format!("{:<80}{:<80}", "SIMPLE  =                    T", format!("BITPIX  = {bitpix:>20}"));
        header += &format!("{:<80}", format!("NAXIS   = {:>20}", axes.len()));
        for (nth, axis) in axes.iter().enumerate() {
            header += &format!("{:<80}", format!("NAXIS{}  = {axis:>20}", nth + 1));
        }
        header += &format!("{more:<80}{:<80}", "END");
        let mut out = header.into_bytes();
        out.resize(out.len().next_multiple_of(2880), b' ');
        out.extend_from_slice(data);
        out.resize(out.len().next_multiple_of(2880), 0);
        out
    }

    fn floats(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_be_bytes()).collect()
    }

    #[test]
    fn the_first_row_is_at_the_bottom() {
        let file = fits(-32, &[3, 2], &floats(&[0.0, 0.0, 9.0, 0.0, f32::NAN, 0.0]), "");
        let plane = first_plane(&file).unwrap();
        assert_eq!((plane.width, plane.height), (3, 2));
        let greys = greys(&plane);
        assert_eq!(greys[5], 255, "the bright pixel of the first row is at the right of the last line");
        assert_eq!(greys[1], 0, "nothing is known there");
    }

    #[test]
    fn whole_numbers_are_scaled() {
        let data: Vec<u8> = [1_i16, 2, 3, 4].iter().flat_map(|v| v.to_be_bytes()).collect();
        let plane = first_plane(&fits(16, &[2, 2], &data, "BZERO   =              32768.0")).unwrap();
        assert_eq!(plane.pixels, [32_769.0, 32_770.0, 32_771.0, 32_772.0]);
    }

    #[test]
    fn pictures_are_read_by_others() {
        let file = fits(-32, &[4, 2], &floats(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), "");
        let picture = png(&file, 3).unwrap();
        let mut reader = png::Decoder::new(&picture[..]).read_info().unwrap();
        let mut dots = vec![0; reader.output_buffer_size()];
        let info = reader.next_frame(&mut dots).unwrap();
        assert_eq!((info.width, info.height), (12, 6));
        assert!(dots[0] < dots[11] && dots[60] < dots[0]);
        assert_eq!(png(&file, 10_000).unwrap_err().kind, Kind::Request);
    }

    #[test]
    fn what_is_no_image_is_refused() {
        for bad in [&b""[..], b"SIMPLE", &[0; 3000], &fits(-32, &[4], &floats(&[0.0; 4]), "")] {
            assert_eq!(first_plane(bad).unwrap_err().kind, Kind::Damaged);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn broken_headers_do_no_harm(
            bitpix in prop_oneof![Just(-32), Just(16), any::<i32>()],
            axes in prop::collection::vec(prop_oneof![0_usize..9, any::<usize>()], 0..4),
            key in prop_oneof![Just("NAXIS"), Just("NAXIS1"), Just("BITPIX"), Just("PCOUNT"), Just("GCOUNT"), Just("GROUPS")],
            value in prop_oneof![any::<i64>().prop_map(|v| v.to_string()), Just("T".to_owned()), Just("x".to_owned())],
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut file = fits(bitpix, &axes, &[7; 400], &format!("{key:<8}= {value:>20}"));
            let at = at.index(file.len());
            file[at] = byte;
            let _ = first_plane(&file);
        }
    }
}
