//! Avro object container files: their header, and the compressions that brokers use. Blocks: [`crate::blocks`].

use std::io::Read;
use std::sync::Arc;

use crate::cursor::{Cursor, put_long};
use crate::hash::PacketHash;
use crate::reason::{Reason, Rejection};

/// The first four bytes.
pub const MAGIC: [u8; 4] = *b"Obj\x01";
/// Schemas of alerts take 40 KB; this leaves room without letting a broken length ask for gigabytes.
pub const MAX_HEADER_BYTES: usize = 16 << 20;

/// How the blocks of a file are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Not at all.
    Null,
    /// Raw deflate.
    Deflate,
    /// Snappy, with a CRC-32 behind it.
    Snappy,
    /// Zstandard.
    Zstandard,
}

/// The header of a file, kept byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    bytes: Box<[u8]>,
    schema: Box<str>,
    codec: Codec,
    digest: PacketHash,
}

impl Header {
    /// The bytes of a header of our own making, for blocks of the codec that Avro calls so. Any sixteen bytes will do
    /// for the marker, and the same ones make the same file.
    #[must_use]
    pub fn write(schema: &str, codec: &str, marker: &[u8; 16]) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        put_long(&mut file, 2);
        for text in ["avro.codec", codec, "avro.schema", schema] {
            put_long(&mut file, text.len() as i64);
            file.extend_from_slice(text.as_bytes());
        }
        put_long(&mut file, 0);
        file.extend_from_slice(marker);
        file
    }

    /// Reads a header from the beginning of a file; the second value is where the blocks begin.
    ///
    /// # Errors
    /// [`Reason::BadHeader`] or [`Reason::UnknownCodec`]; [`Reason::Truncated`] if more bytes are needed.
    pub fn parse(file: &[u8]) -> Result<(Arc<Self>, usize), Rejection> {
        let mut cursor = Cursor::new(file);
        if cursor.take(4)? != MAGIC {
            return Err(Rejection::new(Reason::BadHeader, "not an object container file (no Obj 01)").at(0));
        }
        let (mut schema, mut codec) = (None, Codec::Null);
        loop {
            let at = cursor.position();
            let count = cursor.long()?;
            if count == 0 {
                break;
            }
            if count < 0 {
                cursor.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                let key = cursor.counted()?;
                let value = cursor.counted()?;
                match key {
                    b"avro.schema" => {
                        let text = std::str::from_utf8(value).map_err(|_| {
                            Rejection::new(Reason::BadHeader, "avro.schema is not UTF-8").at(at).in_field("avro.schema")
                        })?;
                        schema = Some(text);
                    }
                    b"avro.codec" => codec = Codec::named(value)?,
                    _ => {}
                }
            }
        }
        cursor.take(16)?;
        let end = cursor.position();
        let Some(schema) = schema else {
            return Err(Rejection::new(Reason::BadHeader, "the header has no avro.schema").at(end));
        };
        let digest = PacketHash::of(&[&file[..end - 16]]);
        Ok((Arc::new(Self { bytes: file[..end].into(), schema: schema.into(), codec, digest }), end))
    }

    /// Magic, metadata and marker.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The marker that ends every block.
    #[must_use]
    pub fn sync(&self) -> &[u8] {
        &self.bytes[self.bytes.len() - 16..]
    }

    /// Everything but the marker: what many files have in common.
    #[must_use]
    pub fn shared(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - 16]
    }

    /// The JSON of the writer schema.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The compression of the blocks.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Digest of [`Header::shared`], by which an archive keeps it.
    #[must_use]
    pub fn digest(&self) -> PacketHash {
        self.digest
    }
}

impl Codec {
    fn named(name: &[u8]) -> Result<Self, Rejection> {
        match name {
            b"null" | b"" => Ok(Self::Null),
            b"deflate" => Ok(Self::Deflate),
            b"snappy" => Ok(Self::Snappy),
            b"zstandard" => Ok(Self::Zstandard),
            other => Err(Rejection::new(
                Reason::UnknownCodec,
                format!(
                    "blocks are compressed with {:?}; null, deflate, snappy and zstandard are understood",
                    String::from_utf8_lossy(other)
                ),
            )
            .in_field("avro.codec")),
        }
    }

    /// Restores the bytes of a block.
    ///
    /// # Errors
    /// [`Reason::Corrupt`], or [`Reason::TooLarge`] beyond `limit` bytes.
    pub fn decompress(self, block: &[u8], limit: usize) -> Result<Vec<u8>, Rejection> {
        let corrupt = |detail: String| Rejection::new(Reason::Corrupt, detail);
        match self {
            Self::Null => Ok(block.to_vec()),
            Self::Deflate => bounded(flate2::read::DeflateDecoder::new(block), limit, "block", "deflate"),
            Self::Zstandard => {
                let decoder = zstd::stream::read::Decoder::with_buffer(block)
                    .map_err(|e| corrupt(format!("the block is not zstandard ({e})")))?;
                bounded(decoder, limit, "block", "zstandard")
            }
            Self::Snappy => {
                let (body, sum) =
                    block.split_last_chunk::<4>().ok_or_else(|| corrupt("a snappy block without checksum".into()))?;
                let length =
                    snap::raw::decompress_len(body).map_err(|e| corrupt(format!("the block is not snappy ({e})")))?;
                if length > limit {
                    return Err(too_large(limit, "block"));
                }
                let bytes = snap::raw::Decoder::new()
                    .decompress_vec(body)
                    .map_err(|e| corrupt(format!("the block is not snappy ({e})")))?;
                if crc32fast::hash(&bytes) != u32::from_be_bytes(*sum) {
                    return Err(corrupt("the checksum of a snappy block is wrong".into()));
                }
                Ok(bytes)
            }
        }
    }

    /// Compresses a block as a writer of such files would; the result is valid, not necessarily the writer's own.
    ///
    /// # Errors
    /// [`Reason::Corrupt`] if the compressor refuses, which it has no reason to.
    pub fn compress(self, bytes: &[u8]) -> Result<Vec<u8>, Rejection> {
        let failed = |e: &dyn std::fmt::Display| Rejection::new(Reason::Corrupt, format!("could not compress ({e})"));
        match self {
            Self::Null => Ok(bytes.to_vec()),
            Self::Deflate => {
                let mut out = Vec::new();
                flate2::read::DeflateEncoder::new(bytes, flate2::Compression::default())
                    .read_to_end(&mut out)
                    .map_err(|e| failed(&e))?;
                Ok(out)
            }
            Self::Zstandard => zstd::stream::encode_all(bytes, 3).map_err(|e| failed(&e)),
            Self::Snappy => {
                let mut out = snap::raw::Encoder::new().compress_vec(bytes).map_err(|e| failed(&e))?;
                out.extend_from_slice(&crc32fast::hash(bytes).to_be_bytes());
                Ok(out)
            }
        }
    }
}

/// Unpacks to at most `limit` bytes.
pub(crate) fn bounded(reader: impl Read, limit: usize, what: &str, form: &str) -> Result<Vec<u8>, Rejection> {
    let mut out = Vec::new();
    reader
        .take(limit as u64 + 1)
        .read_to_end(&mut out)
        .map_err(|e| Rejection::new(Reason::Corrupt, format!("the {what} is not {form} ({e})")))?;
    if out.len() > limit {
        return Err(too_large(limit, what));
    }
    Ok(out)
}

fn too_large(limit: usize, what: &str) -> Rejection {
    Rejection::new(Reason::TooLarge, format!("a {what} of more than {} MiB", limit >> 20))
}

/// Appends what stands before the records of a block.
pub fn put_block_prefix(out: &mut Vec<u8>, records: usize, length: usize) {
    // Lengths of slices fit an i64 on every machine that can hold them.
    put_long(out, records as i64);
    put_long(out, length as i64);
}
