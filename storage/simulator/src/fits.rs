//! Headers of FITS files, as the cutouts of LSST have them.
//!
//! A header is cards of 80 characters, the whole filled up with blanks to blocks of 2,880 bytes (FITS standard 4.0,
//! sections 3.3 and 4).

use std::io::Write as _;

/// Everything in a file begins at a multiple of this.
pub(crate) const BLOCK: usize = 2_880;
const CARD: usize = 80;

/// A header in the making.
pub(crate) struct Header {
    bytes: Vec<u8>,
}

impl Header {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::with_capacity(BLOCK) }
    }

    /// A logical value, a number or anything else that ends in column 30.
    pub(crate) fn right(self, keyword: &str, value: impl std::fmt::Display, comment: &str) -> Self {
        self.card(format_args!("{keyword:<8}= {value:>20}"), comment)
    }

    /// Text in quotes, at least eight characters of it.
    pub(crate) fn text(self, keyword: &str, value: &str, comment: &str) -> Self {
        let quoted = format!("'{value:<8}'");
        if comment.is_empty() {
            return self.card(format_args!("{keyword:<8}= {quoted}"), comment);
        }
        self.card(format_args!("{keyword:<8}= {quoted:<20}"), comment)
    }

    /// A number without a word on it.
    pub(crate) fn bare(self, keyword: &str, value: impl std::fmt::Display) -> Self {
        self.right(keyword, value, "")
    }

    /// A card as it stands.
    pub(crate) fn free(self, card: &str) -> Self {
        self.card(format_args!("{card}"), "")
    }

    fn card(mut self, card: std::fmt::Arguments<'_>, comment: &str) -> Self {
        let start = self.bytes.len();
        // Writing to memory cannot fail.
        let _ = self.bytes.write_fmt(card);
        if !comment.is_empty() {
            let _ = write!(self.bytes, " / {comment}");
        }
        self.bytes.resize(start + CARD, b' ');
        self
    }

    /// Ends it and fills up the block.
    pub(crate) fn end(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(b"END");
        let blocks = self.bytes.len().div_ceil(BLOCK);
        self.bytes.resize(blocks * BLOCK, b' ');
        self.bytes
    }
}

/// Bytes that so much data takes up.
pub(crate) fn padded(bytes: usize) -> usize {
    bytes.div_ceil(BLOCK) * BLOCK
}

/// Fills up the block after data that began at `start`.
pub(crate) fn pad(out: &mut Vec<u8>, start: usize) {
    let length = padded(out.len() - start);
    out.resize(start + length, 0);
}

/// A number in 14 significant digits, as `wcslib` writes them: `148.66217901637`, `-2.4586144587825E-05`, `90.0`.
pub(crate) fn number(value: f64) -> String {
    let scientific = format!("{value:.13e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..14).contains(&exponent) {
        let decimals = usize::try_from(13 - exponent).unwrap_or(0);
        let fixed = format!("{value:.decimals$}");
        return with_one_decimal(&fixed);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}E{sign}{:02}", with_one_decimal(digits), exponent.abs())
}

/// Drops the zeros that say nothing, but not the last decimal.
fn with_one_decimal(digits: &str) -> String {
    let short = digits.trim_end_matches('0');
    if short.ends_with('.') { format!("{short}0") } else { short.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_transmitted_headers() {
        for (value, text) in [
            (148.662_179_016_366_28, "148.66217901637"),
            (1.665_261_198_230_654_4, "1.6652611982307"),
            (-2.458_614_458_782_5e-5, "-2.4586144587825E-05"),
            (0.912_529_281_599_54, "0.91252928159954"),
            (90.0, "90.0"),
            (0.0, "0.0"),
            (-0.5, "-0.5"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn cards_are_laid_out_as_in_transmitted_headers() {
        let header = Header::new()
            .right("SIMPLE", 'T', "conforms to FITS standard")
            .right("CRVAL1", "148.66217901637", "Coordinate value at reference point")
            .text("BUNIT", "nJy", "")
            .text("EXTNAME", "UNCERT", "extension name")
            .end();
        assert_eq!(header.len(), BLOCK);
        let card = |i: usize| String::from_utf8_lossy(&header[i * CARD..][..CARD]).trim_end().to_owned();
        assert_eq!(card(0), "SIMPLE  =                    T / conforms to FITS standard");
        assert_eq!(card(1), "CRVAL1  =      148.66217901637 / Coordinate value at reference point");
        assert_eq!(card(2), "BUNIT   = 'nJy     '");
        assert_eq!(card(3), "EXTNAME = 'UNCERT  '           / extension name");
        assert_eq!(card(4), "END");
        assert!(header[5 * CARD..].iter().all(|b| *b == b' '));
    }
}
