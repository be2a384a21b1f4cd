//! The pieces of a FITS file: headers, planes, and what fills up blocks.
//!
//! Format: FITS standard 4.0, sections 3 and 4. A file is cut at every place where a piece may repeat from file to
//! file; whatever the bytes are, the pieces one after the other are the file.

use std::ops::Range;

/// A block of a FITS file.
const BLOCK: usize = 2_880;
/// A card of a header.
const CARD: usize = 80;

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The blocks of a header.
    Header,
    /// The values of an image or table, big endian.
    Values(Number),
    /// What fills up the last block.
    Padding,
    /// What cannot be read as FITS: the rest of the file.
    Other,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// A whole number.
    Whole,
    /// A float of 32 bits.
    Single,
    /// A float of 64 bits.
    Double,
}

/// One piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: Kind,
    /// Where it lies in the file.
    pub span: Range<usize>,
}

/// Cuts a file into pieces. Pieces without bytes are left out.
#[must_use]
pub fn pieces(file: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut add = |kind, span: Range<usize>| {
        if !span.is_empty() {
            pieces.push(Piece { kind, span });
        }
    };
    while at < file.len() {
        let Some(header) = header(&file[at..], at == 0) else {
            add(Kind::Other, at..file.len());
            break;
        };
        let values = at + header.length;
        let padding = values.saturating_add(header.data).min(file.len());
        let end = values.saturating_add(header.data.next_multiple_of(BLOCK)).min(file.len());
        add(Kind::Header, at..values);
        add(Kind::Values(header.number), values..padding);
        add(Kind::Padding, padding..end);
        at = end;
    }
    pieces
}

struct Header {
    /// Bytes of its blocks.
    length: usize,
    number: Number,
    /// Bytes of the values behind it, without padding.
    data: usize,
}

/// Reads the cards that say how long the data is.
fn header(bytes: &[u8], first: bool) -> Option<Header> {
    let begins: &[u8] = if first { b"SIMPLE  =" } else { b"XTENSION=" };
    if !bytes.starts_with(begins) {
        return None;
    }
    let (mut bits, mut axes, mut groups, mut parameters) = (None, Vec::new(), 1, 0);
    for (number, card) in bytes.chunks_exact(CARD).enumerate() {
        let (key, value) = card.split_at(8);
        let key = key.trim_ascii_end();
        if key == b"END" {
            let length = ((number + 1) * CARD).next_multiple_of(BLOCK);
            let values = if axes.is_empty() { 0 } else { axes.iter().copied().try_fold(1, usize::checked_mul)? };
            let bits: i64 = bits.filter(|_| length <= bytes.len())?;
            let number = match bits {
                -32 => Number::Single,
                -64 => Number::Double,
                _ => Number::Whole,
            };
            let width = usize::try_from(bits.unsigned_abs()).ok()? / 8;
            let data = values.checked_add(parameters)?.checked_mul(groups)?.checked_mul(width)?;
            return Some(Header { length, number, data });
        }
        let number = || integer(value.strip_prefix(b"= ")?);
        match key {
            b"BITPIX" => bits = Some(number()?).filter(|bits| bits.unsigned_abs() >= 8),
            b"NAXIS" => axes = vec![1; usize::try_from(number()?).ok().filter(|n| *n < 1_000)?],
            b"PCOUNT" => parameters = usize::try_from(number()?).ok()?,
            b"GCOUNT" => groups = usize::try_from(number()?).ok()?,
            _ => {
                if let Some(axis) = key.strip_prefix(b"NAXIS") {
                    let axis: usize = std::str::from_utf8(axis).ok()?.parse().ok()?;
                    *axes.get_mut(axis.checked_sub(1)?)? = usize::try_from(number()?).ok()?;
                }
            }
        }
    }
    None
}

/// The whole number of a card, before its comment.
fn integer(value: &[u8]) -> Option<i64> {
    let value = value.split(|byte| *byte == b'/').next()?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cards(cards: &[&str]) -> Vec<u8> {
        let mut out: Vec<u8> = cards.iter().flat_map(|card| format!("{card:80}").into_bytes()).collect();
        out.resize(out.len().next_multiple_of(BLOCK), b' ');
        out
    }

    fn image(begin: &str, bitpix: i32, axes: &[usize], bytes: usize) -> Vec<u8> {
        let mut lines =
            vec![begin.to_owned(), format!("BITPIX  = {bitpix:20} / bits"), format!("NAXIS   = {}", axes.len())];
        lines.extend(axes.iter().zip(1..).map(|(axis, n)| format!("NAXIS{n:<3}= {axis:20}")));
        lines.push("END".to_owned());
        let mut out = cards(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        out.extend((0..bytes).map(|i| i as u8));
        out.resize(out.len().next_multiple_of(BLOCK), 0);
        out
    }

    #[test]
    fn each_plane_and_header_is_a_piece() {
        let first = image("SIMPLE  =                    T", -32, &[30, 30], 3_600);
        let second = image("XTENSION= 'IMAGE   '", -64, &[5, 3, 2], 240);
        let none = image("XTENSION= 'IMAGE   '", 8, &[], 0);
        let file = [first.clone(), none.clone(), second.clone()].concat();
        let found: Vec<_> = pieces(&file).into_iter().map(|p| (p.kind, p.span.len())).collect();
        let expected = [
            (Kind::Header, 2_880),
            (Kind::Values(Number::Single), 3_600),
            (Kind::Padding, 2_160),
            (Kind::Header, 2_880),
            (Kind::Header, 2_880),
            (Kind::Values(Number::Double), 240),
            (Kind::Padding, 2_640),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_fits_stays_whole() {
        for bytes in [&b"no FITS"[..], b"", &[0; 9_000], b"SIMPLE  =                    T"] {
            let whole = pieces(bytes);
            assert_eq!(whole.len(), usize::from(!bytes.is_empty()));
            assert!(whole.iter().all(|p| p.kind == Kind::Other && p.span == (0..bytes.len())));
        }
        let huge = image("SIMPLE  =                    T", -64, &[usize::MAX / 2, 9], 100);
        assert_eq!(pieces(&huge)[0].kind, Kind::Other, "more bytes than can be counted");
    }

    proptest! {
        #[test]
        fn the_pieces_are_the_file(cut in 0..20_000usize, damage in prop::collection::vec((0..20_000usize, any::<u8>()), 0..6)) {
            let mut file = [image("SIMPLE  =                    T", -32, &[30, 30], 3_600),
                image("XTENSION= 'IMAGE   '", -32, &[30, 30], 3_600)].concat();
            file.truncate(cut);
            for (at, byte) in damage {
                if let Some(place) = file.get_mut(at) {
                    *place = byte;
                }
            }
            let mut at = 0;
            for piece in pieces(&file) {
                prop_assert_eq!(piece.span.start, at);
                prop_assert!(!piece.span.is_empty());
                at = piece.span.end;
            }
            prop_assert_eq!(at, file.len());
        }
    }
}
