//! Damage around a datum: containers and compression that are not what they should be.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use noctuary_packet::container::{MAGIC, put_block_prefix};

use super::Kind;
use crate::container::{Header, put_counted};

/// An alert that holds alerts, so that it can be nested as deep as one likes.
const NESTED: &str = r#"{"type": "record", "name": "simulated.nested", "fields": [
    {"name": "diaSourceId", "type": "long"},
    {"name": "diaSource", "type": {"type": "record", "name": "source", "fields": [
        {"name": "diaSourceId", "type": "long"}, {"name": "midpointMjdTai", "type": "double"},
        {"name": "ra", "type": "double"}, {"name": "dec", "type": "double"}]}},
    {"name": "inside", "type": ["null", "simulated.nested"]}]}"#;
/// An alert without an id.
const NAMELESS: &str = r#"{"type": "record", "name": "simulated.nameless", "fields": [
    {"name": "diaSourceId", "type": ["null", "long"]},
    {"name": "diaSource", "type": {"type": "record", "name": "source", "fields": [
        {"name": "diaSourceId", "type": "long"}, {"name": "midpointMjdTai", "type": "double"},
        {"name": "ra", "type": "double"}, {"name": "dec", "type": "double"}]}}]}"#;
/// An alert with a list of nulls, of which only the number is known.
const NULLS: &str = r#"{"type": "record", "name": "simulated.nulls", "fields": [
    {"name": "diaSourceId", "type": "long"},
    {"name": "diaSource", "type": {"type": "record", "name": "source", "fields": [
        {"name": "diaSourceId", "type": "long"}, {"name": "midpointMjdTai", "type": "double"},
        {"name": "ra", "type": "double"}, {"name": "dec", "type": "double"}]}},
    {"name": "nothing", "type": {"type": "array", "items": "null"}}]}"#;
/// Something that is no alert.
const STRANGE: &str = r#"{"type": "record", "name": "weather.report", "fields": [
    {"name": "station", "type": "string"}, {"name": "wind", "type": "double"}]}"#;

const DEPTH: usize = 1_000;

pub(super) fn damaged(kind: Kind, packet: &[u8]) -> Option<Vec<u8>> {
    // The same packet is always damaged in the same way.
    let of = packet.len() as u64;
    let header = |json: &str| Header::of_schema(json, 0, of);
    let named = |entries: &[(&str, &[u8])]| Header::new(entries, 0, of);
    let file = match kind {
        Kind::WrongMagic => {
            let mut file = header(STRANGE).with_record(packet);
            file[MAGIC.len() - 1] = 2;
            file
        }
        Kind::BadHeader => named(&[("avro.codec", b"null")]).with_record(packet),
        Kind::BadSchema => header("{\"type\": \"recrod\"}").with_record(packet),
        Kind::UnknownCodec => {
            named(&[("avro.codec", b"brotli"), ("avro.schema", NULLS.as_bytes())]).with_record(packet)
        }
        Kind::Corrupt => {
            named(&[("avro.codec", b"deflate"), ("avro.schema", NAMELESS.as_bytes())]).with_record(&[0xff; 99])
        }
        Kind::BadSync => {
            let mut file = header(NAMELESS).with_record(&[2, 2, 2]);
            if let Some(last) = file.last_mut() {
                *last ^= 1;
            }
            file
        }
        Kind::BadBlock => {
            let header = header(NAMELESS);
            let mut file = header.bytes.clone();
            put_block_prefix(&mut file, usize::MAX, packet.len());
            file.extend_from_slice(packet);
            file.extend_from_slice(header.sync());
            file
        }
        Kind::UnknownSurvey => {
            let mut report = Vec::new();
            put_counted(&mut report, b"Cerro Pachon");
            report.extend_from_slice(&7.5_f64.to_le_bytes());
            header(STRANGE).with_record(&report)
        }
        Kind::NotColumns => header(NULLS).with_record(&[&alert(&[2])[..], &[6, 0]].concat()),
        // The null branch of its id.
        Kind::NoId => header(NAMELESS).with_record(&alert(&[0])),
        Kind::TooDeep => {
            // The other branch of the union, again and again, and null at the end.
            let inside = [&alert(&[2])[..], &[2]].concat();
            let mut nested = inside.repeat(DEPTH);
            nested.extend_from_slice(&alert(&[2]));
            nested.push(0);
            header(NESTED).with_record(&nested)
        }
        Kind::BrokenGzip => {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
            // A vector takes everything.
            gzip.write_all(packet).ok()?;
            let mut file = gzip.finish().ok()?;
            file.truncate(file.len() / 2);
            file
        }
        _ => return None,
    };
    Some(file)
}

/// An id, and a trigger of the same short form in all the schemas above.
fn alert(id: &[u8]) -> Vec<u8> {
    let mut datum = id.to_vec();
    datum.push(2);
    for value in [61_354.0_f64, 150.1, 2.2] {
        datum.extend_from_slice(&value.to_le_bytes());
    }
    datum
}
