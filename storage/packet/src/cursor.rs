//! Reading the primitives of Avro from a slice, without ever reading past its end.

use crate::reason::{Reason, Rejection};

/// A position in the bytes of a datum or a header.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`Reason::Truncated`] if fewer are left.
    #[inline]
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Rejection> {
        match self.bytes[self.at..].get(..n) {
            Some(taken) => {
                self.at += n;
                Ok(taken)
            }
            None => Err(self.truncated(n)),
        }
    }

    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`Reason::Truncated`] if fewer are left.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Rejection> {
        match self.bytes[self.at..].first_chunk::<N>() {
            Some(taken) => {
                self.at += N;
                Ok(*taken)
            }
            None => Err(self.truncated(N)),
        }
    }

    /// A zigzag varint of up to 64 bits.
    ///
    /// # Errors
    /// [`Reason::Truncated`], or [`Reason::BadValue`] if it does not fit 64 bits.
    #[inline]
    pub fn long(&mut self) -> Result<i64, Rejection> {
        // Branches of unions, and most counts, take one byte.
        if let Some(byte @ 0..0x80) = self.bytes.get(self.at).copied() {
            self.at += 1;
            return Ok(i64::from(byte >> 1) ^ -i64::from(byte & 1));
        }
        self.long_of_several()
    }

    fn long_of_several(&mut self) -> Result<i64, Rejection> {
        let mut value = 0u64;
        for (i, byte) in self.bytes[self.at..].iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                if i == 9 && *byte > 1 {
                    break;
                }
                self.at += i + 1;
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        if self.left() < 10 {
            return Err(self.truncated(1));
        }
        Err(Rejection::new(Reason::BadValue, "a number longer than 64 bits").at(self.at))
    }

    /// A zigzag varint of up to 32 bits.
    ///
    /// # Errors
    /// As [`Cursor::long`], for 32 bits.
    #[inline]
    pub fn int(&mut self) -> Result<i32, Rejection> {
        let start = self.at;
        let value = self.long()?;
        i32::try_from(value)
            .map_err(|_| Rejection::new(Reason::BadValue, format!("{value} does not fit an int")).at(start))
    }

    /// A length and as many bytes.
    ///
    /// # Errors
    /// [`Reason::BadLength`] if the length is negative or more than is left.
    #[inline]
    pub fn counted(&mut self) -> Result<&'a [u8], Rejection> {
        let start = self.at;
        let length = self.long()?;
        match usize::try_from(length) {
            Ok(n) if n <= self.left() => self.take(n),
            Ok(n) => {
                Err(Rejection::new(Reason::BadLength, format!("a length of {n} where {} bytes are left", self.left()))
                    .at(start))
            }
            Err(_) => Err(Rejection::new(Reason::BadLength, format!("a length of {length}")).at(start)),
        }
    }

    fn truncated(&self, wanted: usize) -> Rejection {
        Rejection::new(
            Reason::Truncated,
            format!("the bytes end where {wanted} more {} expected", if wanted == 1 { "is" } else { "are" }),
        )
        .at(self.bytes.len())
    }
}

/// Appends a zigzag varint.
pub fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        // The mask keeps seven bits, so nothing is lost.
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn longs_read_back(value: i64) {
            let mut bytes = Vec::new();
            put_long(&mut bytes, value);
            let mut cursor = Cursor::new(&bytes);
            prop_assert_eq!(cursor.long(), Ok(value));
            prop_assert_eq!(cursor.left(), 0);
        }

        #[test]
        fn the_short_way_is_the_long_way(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let (mut short, mut long) = (Cursor::new(&bytes), Cursor::new(&bytes));
            prop_assert_eq!(short.long(), long.long_of_several());
            prop_assert_eq!(short.position(), long.position());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut cursor = Cursor::new(&bytes);
            while cursor.left() > 0 && cursor.long().is_ok() {}
            let _ = Cursor::new(&bytes).counted();
            let _ = Cursor::new(&bytes).int();
        }
    }

    #[test]
    fn limits_of_longs() {
        let max = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Cursor::new(&max).long(), Ok(i64::MAX));
        let over = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(Cursor::new(&over).long().map_err(|e| e.reason), Err(Reason::BadValue));
        assert_eq!(Cursor::new(&over[..9]).long().map_err(|e| e.reason), Err(Reason::Truncated));
        assert_eq!(Cursor::new(&[0x01]).counted().map_err(|e| e.reason), Err(Reason::BadLength));
    }
}
