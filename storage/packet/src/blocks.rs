//! The blocks of an object container file, one after the other, from input of any length.

use std::io::Read;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::container::{Header, MAX_HEADER_BYTES};
use crate::cursor::Cursor;
use crate::frame::{KEPT_OF_TOO_LARGE, MAX_PACKET_BYTES};
use crate::hash::PacketHash;
use crate::reason::{Reason, Rejection};

/// Blocks larger than this, packed or unpacked, are given up: 256 MiB.
pub const MAX_BLOCK_BYTES: usize = 256 << 20;
const CHUNK: usize = 256 << 10;

/// One block, decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// How many records the writer says it holds.
    pub records: u64,
    /// The records, one after the other.
    pub bytes: Vec<u8>,
    /// Where the block begins in the file.
    pub offset: u64,
}

/// A stretch of a file that is not a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// What is wrong with it, and at which of its bytes.
    pub rejection: Rejection,
    /// Where it begins in the file.
    pub offset: u64,
    /// How long it is.
    pub length: u64,
    /// Its bytes; if it is longer than the largest packet, as much of them as is kept of one that is too large.
    pub bytes: Vec<u8>,
    /// Digest of all of them.
    pub hash: PacketHash,
}

/// Reads a container from front to back and holds one block at a time.
///
/// Behind a broken block it looks for the next marker and goes on there, so that a bad block takes no good one with
/// it; what was skipped is handed over as [`Lost`].
#[derive(Debug)]
pub struct Blocks<R> {
    input: R,
    header: Arc<Header>,
    /// Bytes read and not yet used; the first of them is byte `offset` of the file.
    buffer: Vec<u8>,
    offset: u64,
    ended: bool,
    broken: Option<String>,
}

impl<R: Read> Blocks<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// As [`Header::parse`]; [`Reason::SourceBroken`] if the input cannot be read.
    pub fn open(input: R) -> Result<Self, Rejection> {
        let mut buffer = Vec::new();
        let mut input = input;
        loop {
            let more = read_some(&mut input, &mut buffer, CHUNK)
                .map_err(|e| Rejection::new(Reason::SourceBroken, format!("could not be read ({e})")))?;
            match Header::parse(&buffer) {
                Ok((header, end)) => {
                    buffer.drain(..end);
                    return Ok(Self { input, header, buffer, offset: end as u64, ended: false, broken: None });
                }
                Err(e) if more && buffer.len() < MAX_HEADER_BYTES && needs_more(&e) => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// The header of the file.
    #[must_use]
    pub fn header(&self) -> &Arc<Header> {
        &self.header
    }

    /// Makes at least `n` bytes available, fewer only at the end of the input.
    fn fill(&mut self, n: usize) {
        while self.buffer.len() < n && !self.ended {
            let missing = (n - self.buffer.len()).max(CHUNK);
            match read_some(&mut self.input, &mut self.buffer, missing) {
                Ok(more) => self.ended = !more,
                Err(e) => {
                    self.ended = true;
                    self.broken = Some(e.to_string());
                }
            }
        }
    }

    fn block(&mut self) -> Result<Block, Rejection> {
        self.fill(20);
        let mut cursor = Cursor::new(&self.buffer);
        let count = cursor.long()?;
        let records = u64::try_from(count)
            .map_err(|_| Rejection::new(Reason::BadLength, format!("a block of {count} records")).at(0))?;
        let length_at = cursor.position();
        let stated = cursor.long()?;
        let prefix = cursor.position();
        let length = usize::try_from(stated)
            .map_err(|_| Rejection::new(Reason::BadLength, format!("a block of {stated} bytes")).at(length_at))?;
        if length > MAX_BLOCK_BYTES {
            let what = format!("a block of {length} bytes; {} MiB is the limit", MAX_BLOCK_BYTES >> 20);
            return Err(Rejection::new(Reason::TooLarge, what).at(length_at));
        }
        let end = prefix + length + 16;
        self.fill(end);
        if self.buffer.len() < end {
            let what = format!("the file ends {} bytes before the block does", end - self.buffer.len());
            return Err(Rejection::new(Reason::Truncated, what).at(self.buffer.len()));
        }
        if self.buffer[end - 16..end] != *self.header.sync() {
            let what = "the marker after a block is not that of the header";
            return Err(Rejection::new(Reason::BadSync, what).at(end - 16));
        }
        let bytes = self.header.codec().decompress(&self.buffer[prefix..end - 16], MAX_BLOCK_BYTES)?;
        let block = Block { records, bytes, offset: self.offset };
        self.consume(end);
        Ok(block)
    }

    fn consume(&mut self, n: usize) {
        self.buffer.drain(..n);
        self.offset += n as u64;
    }

    /// Where a block that begins at `start` of the buffer ends, if there is one and it ends with the marker.
    fn whole_block(&mut self, start: usize) -> Option<usize> {
        self.fill(start + 20);
        let mut cursor = Cursor::new(self.buffer.get(start..)?);
        let (count, length) = (cursor.long().ok()?, usize::try_from(cursor.long().ok()?).ok()?);
        if count <= 0 || length > MAX_BLOCK_BYTES {
            return None;
        }
        let end = start + cursor.position() + length + 16;
        self.fill(end);
        (self.buffer.get(end - 16..end)? == self.header.sync()).then_some(end)
    }

    /// Where to go on after the block at the front of the buffer turned out to be broken, if its own length leads
    /// there: only its marker is damaged then, and searching for the next marker would skip a good block.
    fn stated_end(&mut self) -> Option<usize> {
        let mut cursor = Cursor::new(&self.buffer);
        let (_, length) = (cursor.long().ok()?, usize::try_from(cursor.long().ok()?).ok()?);
        let end = cursor.position().checked_add(length)?.checked_add(16)?;
        (end <= self.buffer.len() && (self.whole_block(end).is_some() || (self.ended && end == self.buffer.len())))
            .then_some(end)
    }

    /// Skips the broken block.
    fn resync(&mut self, rejection: Rejection) -> Lost {
        let offset = self.offset;
        let mut hash = Sha256::new();
        let (mut length, mut bytes) = (0, Vec::new());
        let stated = self.stated_end();
        loop {
            let sync = self.header.sync();
            let found = match stated {
                Some(end) => Some(end - 16),
                None => self.buffer.windows(16).position(|w| w == sync),
            };
            let skip = match found {
                Some(at) => at + 16,
                // A marker may lie across the edge of what has been read.
                None if !self.ended => self.buffer.len().saturating_sub(15),
                None => self.buffer.len(),
            };
            hash.update(&self.buffer[..skip]);
            length += skip as u64;
            if length <= MAX_PACKET_BYTES as u64 {
                bytes.extend_from_slice(&self.buffer[..skip]);
            } else {
                let missing = KEPT_OF_TOO_LARGE.saturating_sub(bytes.len()).min(skip);
                bytes.extend_from_slice(&self.buffer[..missing]);
                bytes.truncate(KEPT_OF_TOO_LARGE);
                bytes.shrink_to_fit();
            }
            self.consume(skip);
            if found.is_some() || self.ended {
                return Lost { rejection, offset, length, bytes, hash: PacketHash(hash.finalize().into()) };
            }
            self.fill(self.buffer.len() + CHUNK);
        }
    }
}

impl<R: Read> Iterator for Blocks<R> {
    type Item = Result<Block, Lost>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fill(1);
        if self.buffer.is_empty() {
            let what = self.broken.take()?;
            let (rejection, offset) = (cannot_go_on(&what), self.offset);
            return Some(Err(Lost { rejection, offset, length: 0, bytes: Vec::new(), hash: PacketHash::of(&[]) }));
        }
        Some(self.block().map_err(|mut rejection| {
            // Why the bytes end is told with what they were to be the beginning of.
            if rejection.reason == Reason::Truncated
                && let Some(what) = self.broken.take()
            {
                rejection = Rejection { offset: rejection.offset, ..cannot_go_on(&what) };
            }
            self.resync(rejection)
        }))
    }
}

fn cannot_go_on(why: &str) -> Rejection {
    Rejection::new(Reason::SourceBroken, format!("could not be read further ({why})"))
}

/// Appends up to `n` bytes; false at the end of the input.
fn read_some(input: &mut impl Read, buffer: &mut Vec<u8>, n: usize) -> std::io::Result<bool> {
    Ok(input.by_ref().take(n as u64).read_to_end(buffer)? > 0)
}

fn needs_more(rejection: &Rejection) -> bool {
    // A length that reaches beyond what has been read so far looks the same as one that is wrong.
    matches!(rejection.reason, Reason::Truncated | Reason::BadLength)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{Codec, put_block_prefix};

    const SYNC: [u8; 16] = *b"0123456789abcdef";

    fn file(codec: &str, blocks: &[&[u8]]) -> Vec<u8> {
        let mut out = Header::write("\"long\"", codec, &SYNC);
        let (header, _) = Header::parse(&out).unwrap();
        for block in blocks {
            let packed = header.codec().compress(block).unwrap();
            put_block_prefix(&mut out, 1, packed.len());
            out.extend_from_slice(&packed);
            out.extend_from_slice(&SYNC);
        }
        out
    }

    #[test]
    fn every_codec_reads_back() {
        for codec in ["null", "deflate", "snappy", "zstandard"] {
            let bytes = file(codec, &[b"one", &[7; 100_000]]);
            let blocks: Vec<_> = Blocks::open(&bytes[..]).unwrap().map(|b| b.unwrap().bytes).collect();
            assert_eq!(blocks, [b"one".to_vec(), vec![7; 100_000]], "{codec}");
        }
        assert_eq!(Blocks::open(&file("null", &[])[..]).unwrap().header().codec(), Codec::Null);
    }

    #[test]
    fn a_broken_marker_costs_one_block() {
        let mut bytes = file("null", &[b"one", b"two", b"three"]);
        let two = bytes.windows(3).position(|w| w == b"two").unwrap();
        bytes[two + 3] ^= 1;
        let read: Vec<_> = Blocks::open(&bytes[..]).unwrap().collect();
        assert_eq!(read.len(), 3);
        assert_eq!(read[0].as_ref().unwrap().bytes, b"one");
        let lost = read[1].as_ref().unwrap_err();
        assert_eq!(lost.rejection.reason, Reason::BadSync);
        assert!(lost.bytes.windows(3).any(|w| w == b"two"));
        assert_eq!(read[2].as_ref().unwrap().bytes, b"three");
    }

    #[test]
    fn a_wrong_length_costs_one_block() {
        for length in [0x7f, 0x01, 0x00] {
            let mut bytes = file("null", &[b"one", b"two", b"three"]);
            let two = bytes.windows(3).position(|w| w == b"two").unwrap();
            bytes[two - 1] = length;
            let read: Vec<_> = Blocks::open(&bytes[..]).unwrap().collect();
            assert_eq!(read.len(), 3, "{length}");
            assert_eq!(read[2].as_ref().unwrap().bytes, b"three");
        }
    }

    #[test]
    fn a_file_cut_short_is_said_to_be() {
        let bytes = file("null", &[b"one", b"two"]);
        let read: Vec<_> = Blocks::open(&bytes[..bytes.len() - 20]).unwrap().collect();
        assert_eq!(read[0].as_ref().unwrap().bytes, b"one");
        assert_eq!(read[1].as_ref().unwrap_err().rejection.reason, Reason::Truncated);
        let header = file("null", &[]).len();
        for cut in [3, 10, header - 1] {
            assert!(Blocks::open(&bytes[..cut]).is_err());
        }
    }
}
