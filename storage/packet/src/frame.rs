//! What a packet was wrapped in when it was transmitted.

use std::ops::Range;

use crate::container;
use crate::reason::{Reason, Rejection};
use crate::schema::RegistryId;

/// Packets larger than this are not stored: 64 MiB.
pub const MAX_PACKET_BYTES: usize = 64 << 20;
/// How much of a packet that is too large is kept for a look: 64 KiB.
pub const KEPT_OF_TOO_LARGE: usize = 64 << 10;
/// Bytes of a Confluent frame before the datum.
pub const CONFLUENT_PREFIX: usize = 5;

/// The wrapping of a datum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// `00`, schema id (big endian), datum.
    Confluent(RegistryId),
    /// One record of an Avro object container file. `header` is everything before the first block, marker included.
    Container {
        /// Magic, metadata and marker, exactly as they were.
        header: std::sync::Arc<container::Header>,
    },
    /// A datum alone. Its schema has to be named by whoever hands it over.
    Bare,
}

impl Frame {
    /// The word for it in tables.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Confluent(_) => "confluent",
            Self::Container { .. } => "container",
            Self::Bare => "bare",
        }
    }

    /// The bytes that stand before and after a datum of this length.
    ///
    /// For a container this makes the file that holds just this record, uncompressed: `header`, one block, marker.
    #[must_use]
    pub fn around(&self, datum_length: usize) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::Confluent(id) => {
                let mut before = vec![0];
                before.extend_from_slice(&id.0.to_be_bytes());
                (before, Vec::new())
            }
            Self::Container { header } => {
                let mut before = header.bytes().to_vec();
                container::put_block_prefix(&mut before, 1, datum_length);
                (before, header.sync().to_vec())
            }
            Self::Bare => (Vec::new(), Vec::new()),
        }
    }

    /// The packet: frame and datum in one piece.
    #[must_use]
    pub fn wrap(&self, datum: &[u8]) -> Vec<u8> {
        let (mut packet, after) = self.around(datum.len());
        packet.extend_from_slice(datum);
        packet.extend_from_slice(&after);
        packet
    }
}

/// How the beginning of some bytes looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Starts as an object container file does.
    Container,
    /// Starts as a Confluent frame does.
    Confluent,
    /// Neither: a bare datum, or no alert at all.
    Other,
}

/// Tells containers and Confluent frames apart by their first bytes.
#[must_use]
pub fn form_of(bytes: &[u8]) -> Form {
    if bytes.starts_with(&container::MAGIC) {
        Form::Container
    } else if bytes.first() == Some(&0) && bytes.len() > CONFLUENT_PREFIX {
        Form::Confluent
    } else {
        Form::Other
    }
}

/// Reads the prefix of a Confluent frame: the schema id and where the datum lies.
///
/// # Errors
/// [`Reason::Empty`] or [`Reason::NoFrame`] if it is not one.
pub fn confluent(bytes: &[u8]) -> Result<(RegistryId, Range<usize>), Rejection> {
    match bytes {
        [] => Err(Rejection::new(Reason::Empty, "no bytes")),
        [0, a, b, c, d, _, ..] => Ok((RegistryId(u32::from_be_bytes([*a, *b, *c, *d])), CONFLUENT_PREFIX..bytes.len())),
        _ => Err(Rejection::new(
            Reason::NoFrame,
            "neither a Confluent frame (first byte 00) nor an object container file (Obj 01); \
             if it is a datum without frame, say which schema wrote it with --schema",
        )
        .at(0)),
    }
}
