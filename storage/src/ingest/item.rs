//! What the reader hands on: pieces of input, not yet understood.

use std::sync::Arc;

use bytes::Bytes;
use noctuary_packet::container::Header;
use noctuary_packet::frame::{KEPT_OF_TOO_LARGE, MAX_PACKET_BYTES};
use noctuary_packet::hash::PacketHash;
use noctuary_packet::reason::Rejection;

use crate::log::SourceId;

/// One piece of an input: a file, a member of a tar, a block of a container.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub source: Arc<SourceId>,
    /// Position in the source, counted in pieces.
    pub piece: u64,
    /// Name inside a tar.
    pub member: Option<Arc<str>>,
    /// Byte in the file or member, unpacked, at which it begins.
    pub offset: u64,
    pub payload: Payload,
}

#[derive(Debug, Clone)]
pub(super) enum Payload {
    /// A whole file or message: a frame, or a datum alone.
    Message(Bytes),
    /// The records of a block.
    Block { header: Arc<Header>, records: u64, bytes: Bytes },
    /// What cannot be read.
    Broken(Broken),
    /// The source itself could not be read further, and why: what comes behind is not lost, it is read another time.
    Unreadable(String),
    /// Nothing is left of the source.
    End,
}

/// Bytes that are kept as they are, or the beginning of them.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    pub rejection: Rejection,
    pub bytes: Bytes,
    /// Length of the whole.
    pub length: u64,
    pub hash: PacketHash,
}

impl Broken {
    /// Keeps all of it, or the beginning if it is over the size limit.
    pub fn new(rejection: Rejection, bytes: Bytes) -> Self {
        let (hash, length) = (PacketHash::of(&[&bytes]), bytes.len() as u64);
        let bytes = match bytes.get(..KEPT_OF_TOO_LARGE) {
            Some(beginning) if bytes.len() > MAX_PACKET_BYTES => Bytes::copy_from_slice(beginning),
            _ => bytes,
        };
        Self { rejection, length, hash, bytes }
    }

    /// True if `bytes` is all of it.
    pub fn complete(&self) -> bool {
        self.bytes.len() as u64 == self.length
    }
}

impl Item {
    /// Bytes it holds in memory.
    pub fn weight(&self) -> usize {
        let bytes = match &self.payload {
            Payload::Message(bytes) | Payload::Block { bytes, .. } => bytes.len(),
            Payload::Broken(broken) => broken.bytes.len(),
            Payload::Unreadable(_) | Payload::End => 0,
        };
        bytes + 256
    }
}
