//! Any bytes are read or refused: nothing panics, nothing hangs, and what the walk accepts can be put in columns.
//!
//! The first byte chooses what the rest is taken for: a datum of one of the schemas, a container, or a schema.

#![no_main]

mod schemas;
mod seeds;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use libfuzzer_sys::fuzz_target;
use noctuary_packet::blocks::Blocks;
use noctuary_packet::cutout::cutouts;
use noctuary_packet::decode::Decoder;
use noctuary_packet::frame::{self, Frame};
use noctuary_packet::json::to_json;
use noctuary_packet::schema::{Fingerprint, NodeId, Schema, decoder_schema, diff};
use noctuary_packet::survey::{KeyReader, Surveys};
use noctuary_packet::walk::{Validate, walk, walk_prefix};

fuzz_target!(
    init: {
        if let Some(folder) = std::env::var_os("NOCTUARY_FUZZ_SEEDS") {
            seeds::write(folder.as_ref());
        }
    },
    |input: &[u8]| one(input)
);

fn one(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else { return };
    let known = schemas::all();
    match known.get(usize::from(*choice)) {
        Some(schema) => datum(schema, rest, true),
        None if choice % 2 == 0 => container(rest),
        None => schema(rest),
    }
}

fn surveys() -> &'static Surveys {
    static SURVEYS: OnceLock<Surveys> = OnceLock::new();
    SURVEYS.get_or_init(Surveys::built_in)
}

fn datum(schema: &Arc<Schema>, bytes: &[u8], all_columns: bool) {
    // A frame comes apart and goes together again.
    if let Ok((id, range)) = frame::confluent(bytes) {
        assert_eq!(Frame::Confluent(id).wrap(&bytes[range]), bytes);
    }
    let accepted = walk(schema, bytes, &mut Validate);
    let length = walk_prefix(schema, bytes, &mut Validate);
    assert_eq!(accepted.is_ok(), length == Ok(bytes.len()));
    if let Some(survey) = surveys().recognise(schema) {
        let _ = KeyReader::new(survey, schema).read(bytes);
        let _ = cutouts(survey, schema, bytes);
    }
    assert_eq!(to_json(schema, bytes).is_ok(), accepted.is_ok());
    if accepted.is_ok() && all_columns {
        columns(schema, bytes);
    }
}

/// Decoders take long to make and are good for many datums.
fn columns(schema: &Arc<Schema>, bytes: &[u8]) {
    static DECODERS: OnceLock<Mutex<BTreeMap<Fingerprint, Option<Decoder>>>> = OnceLock::new();
    let mut decoders = DECODERS.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    let decoder = decoders.entry(schema.fingerprint()).or_insert_with(|| Decoder::new(schema, &[], 1).ok());
    if let Some(decoder) = decoder {
        decoder.push(bytes).expect("what the walk accepts can be pushed");
        assert_eq!(decoder.finish().expect("and has columns").num_rows(), 1);
    }
}

fn container(bytes: &[u8]) {
    let Ok(blocks) = Blocks::open(bytes) else { return };
    let schema = Schema::parse(blocks.header().schema()).ok().map(Arc::new);
    let mut at = blocks.header().bytes().len() as u64;
    for block in blocks {
        match (block, &schema) {
            (Ok(block), Some(schema)) => {
                assert!(block.offset >= at);
                at = block.offset;
                // Two walks more than a record needs are enough to find a panic.
                let mut rest = &block.bytes[..];
                for _ in 0..block.records.min(2) {
                    let Ok(length) = walk_prefix(schema, rest, &mut Validate) else { break };
                    let small = schema.len() < 64;
                    datum(schema, &rest[..length], false);
                    if small && let Ok(mut decoder) = Decoder::new(schema, &[], 1) {
                        decoder.push(&rest[..length]).expect("what the walk accepts can be pushed");
                        decoder.finish().expect("and has columns");
                    }
                    rest = &rest[length..];
                }
            }
            (Ok(_), None) => {}
            (Err(lost), _) => {
                assert!(lost.offset >= at && lost.bytes.len() as u64 <= lost.length);
                at = lost.offset;
            }
        }
    }
}

fn schema(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(schema) = Schema::parse(text) else { return };
    let schema = Arc::new(schema);
    assert!(diff(&schema, &schema).is_empty());
    let _ = (schema.label(), decoder_schema(&schema, NodeId::ROOT), Decoder::new(&schema, &[], 1).is_ok());
    let again = Schema::parse(schema.json()).expect("what was read once");
    assert_eq!(again.fingerprint(), schema.fingerprint());
}
