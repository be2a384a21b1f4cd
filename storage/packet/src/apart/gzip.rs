//! Images that are packed by gzip: unpacked where packing them again gives the same bytes.
//!
//! Format: RFC 1952 around RFC 1951. What deflate makes of bytes is not fixed by them, so every stream is packed again
//! and compared before it is believed that it can be.

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

/// Larger than any cutout by an order of magnitude; what would unpack to more stays packed.
const MAX_UNPACKED_BYTES: usize = 16 << 20;
/// Levels that are tried: the best, which surveys use, and the one that most programs use unasked.
const LEVELS: [u8; 2] = [9, 6];
/// Bytes of checksum and length behind the stream.
const TRAILER: usize = 8;

/// What was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpacked {
    /// Bytes of the header of gzip.
    pub header: usize,
    /// The level at which it packs to the same bytes.
    pub level: u8,
    /// What was inside.
    pub bytes: Vec<u8>,
}

/// Unpacks an image that [`pack`] packs to the same bytes again; `None` if it is not packed, or not like that.
#[must_use]
pub fn unpack(packed: &[u8]) -> Option<Unpacked> {
    let header = header(packed)?;
    let (stream, trailer) = packed.get(header..)?.split_at_checked(packed.len().checked_sub(header + TRAILER)?)?;
    let unpacked = u32::from_le_bytes(*trailer.last_chunk()?) as usize;
    if unpacked > MAX_UNPACKED_BYTES {
        return None;
    }
    let mut bytes = Vec::with_capacity(unpacked);
    let mut inflate = Decompress::new(false);
    let status = inflate.decompress_vec(stream, &mut bytes, FlushDecompress::Finish).ok()?;
    if status != Status::StreamEnd || inflate.total_in() != stream.len() as u64 {
        return None;
    }
    let mut again = Vec::with_capacity(packed.len());
    let level = LEVELS.into_iter().find(|level| {
        again.clear();
        pack(&packed[..header], *level, &bytes, &mut again);
        again == packed
    })?;
    Some(Unpacked { header, level, bytes })
}

/// Appends a member of gzip: its header, the packed bytes, their checksum and length.
pub fn pack(header: &[u8], level: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(header);
    let mut deflate = Compress::new(Compression::new(level.into()), false);
    loop {
        // Incompressible bytes grow by some thousandths.
        out.reserve(bytes.len() / 2 + 256);
        let rest = &bytes[usize::try_from(deflate.total_in()).unwrap_or(bytes.len()).min(bytes.len())..];
        match deflate.compress_vec(rest, out, FlushCompress::Finish) {
            Ok(Status::Ok | Status::BufError) => {}
            Ok(Status::StreamEnd) | Err(_) => break,
        }
    }
    let mut crc = Crc::new();
    crc.update(bytes);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&crc.amount().to_le_bytes());
}

/// The length of the header of a member; `None` if this is none.
fn header(bytes: &[u8]) -> Option<usize> {
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    const CHECKSUM: u8 = 2;
    let [0x1f, 0x8b, 8, flags, ..] = *bytes else { return None };
    let mut at = 10;
    if flags & EXTRA != 0 {
        let length = bytes.get(at..at + 2)?;
        at += 2 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            at += 1 + bytes.get(at..)?.iter().position(|byte| *byte == 0)?;
        }
    }
    if flags & CHECKSUM != 0 {
        at += 2;
    }
    (at <= bytes.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::GzBuilder;
    use proptest::prelude::*;
    use std::io::Write;

    fn packed(bytes: &[u8], level: u32, name: Option<&str>) -> Vec<u8> {
        let mut builder = GzBuilder::new().mtime(1_700_000_000);
        if let Some(name) = name {
            builder = builder.filename(name).comment("seen").extra(vec![1, 2, 3]);
        }
        let mut writer = builder.write(Vec::new(), Compression::new(level));
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    proptest! {
        #[test]
        fn what_is_unpacked_packs_again(seed: u64, length in 0..40_000usize, six: bool, named: bool) {
            let mut state = seed | 1;
            let bytes: Vec<u8> = (0..length).map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state % 23) as u8
            }).collect();
            let level = if six { 6 } else { 9 };
            let packed = packed(&bytes, level, named.then_some("stamp.fits"));
            let found = unpack(&packed).unwrap();
            prop_assert_eq!(&found.bytes, &bytes);
            let mut again = Vec::new();
            pack(&packed[..found.header], found.level, &found.bytes, &mut again);
            prop_assert_eq!(again, packed);
        }

        #[test]
        fn damage_is_left_as_it_is(cut in 0..400usize, damage in prop::collection::vec((0..400usize, any::<u8>()), 0..4)) {
            let mut bytes = packed(&[7; 3_000], 9, Some("x"));
            for (at, byte) in damage {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            bytes.truncate(cut);
            if let Some(found) = unpack(&bytes) {
                let mut again = Vec::new();
                pack(&bytes[..found.header], found.level, &found.bytes, &mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }

    #[test]
    fn other_levels_and_several_members_stay_packed() {
        let text: Vec<u8> = (0..20_000u32).flat_map(|i| (i * i % 1_013).to_le_bytes()).collect();
        assert_eq!(unpack(&packed(&text, 1, None)), None);
        let two = [packed(&text, 9, None), packed(&text, 9, None)].concat();
        assert_eq!(unpack(&two), None);
        assert_eq!(unpack(b"SIMPLE  ="), None);
        assert_eq!(unpack(b""), None);
    }
}
