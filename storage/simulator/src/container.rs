//! Avro object container files, uncompressed (Avro 1.11, "Object Container Files").

use noctuary_packet::container::{MAGIC, put_block_prefix};
use noctuary_packet::cursor::put_long;

use crate::random::{Purpose, Stream};

/// Length of the marker that ends the header and every block.
const SYNC: usize = 16;

/// What stands before the blocks of a file, and the marker behind each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) bytes: Vec<u8>,
}

impl Header {
    /// A header with these entries, whose marker follows from a seed and what the file is of.
    pub(crate) fn new(entries: &[(&str, &[u8])], seed: u64, of: u64) -> Self {
        let mut bytes = MAGIC.to_vec();
        put_long(&mut bytes, entries.len() as i64);
        for (key, value) in entries {
            put_counted(&mut bytes, key.as_bytes());
            put_counted(&mut bytes, value);
        }
        if !entries.is_empty() {
            bytes.push(0);
        }
        let mut sync = [0; SYNC];
        Stream::new(seed, Purpose::Sync, of, 0).fill(&mut sync);
        bytes.extend_from_slice(&sync);
        Self { bytes }
    }

    /// The header of an uncompressed file of records of a schema.
    pub(crate) fn of_schema(json: &str, seed: u64, of: u64) -> Self {
        Self::new(&[("avro.codec", b"null"), ("avro.schema", json.as_bytes())], seed, of)
    }

    pub(crate) fn sync(&self) -> &[u8] {
        &self.bytes[self.bytes.len() - SYNC..]
    }

    /// Appends a block.
    pub(crate) fn put_block(&self, out: &mut Vec<u8>, records: usize, body: &[u8]) {
        put_block_prefix(out, records, body.len());
        out.extend_from_slice(body);
        out.extend_from_slice(self.sync());
    }

    /// The file with one block of one record.
    pub(crate) fn with_record(&self, datum: &[u8]) -> Vec<u8> {
        let mut file = self.bytes.clone();
        self.put_block(&mut file, 1, datum);
        file
    }
}

/// Appends bytes behind their length.
pub(crate) fn put_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}
