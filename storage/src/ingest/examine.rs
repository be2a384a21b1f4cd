//! Understanding pieces: frame, schema, walk, keys, digest. No packet depends on another here, so this runs on all
//! cores.

use std::sync::Arc;

use bytes::Bytes;
use noctuary_packet::container::Header;
use noctuary_packet::frame::{self, Form, Frame, MAX_PACKET_BYTES};
use noctuary_packet::hash::PacketHash;
use noctuary_packet::reason::{Reason, Rejection};
use noctuary_packet::survey::AlertKeys;
use noctuary_packet::walk::{Validate, walk_prefix};

use super::item::{Broken, Item, Payload};
use super::resolve::{Resolved, Resolver};

/// How far behind a broken record the next one is searched for: many times the length of any survey's.
const MAX_SEARCH_BYTES: usize = 8 << 20;

/// A piece, understood: packets, refusals, or the end of its source.
#[derive(Debug)]
pub(super) struct Examined {
    pub item: Place,
    pub packets: Vec<Packet>,
    /// True if nothing is left of the source.
    pub end: bool,
    /// Why the source could not be read further.
    pub unreadable: Option<String>,
}

/// Where a piece came from.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub source: Arc<crate::log::SourceId>,
    pub piece: u64,
    pub member: Option<Arc<str>>,
}

/// One packet, accepted or refused.
#[derive(Debug)]
pub(super) struct Packet {
    /// Byte at which it begins in its file or member.
    pub offset: u64,
    pub verdict: Verdict,
}

#[derive(Debug)]
pub(super) enum Verdict {
    Accepted(Box<Accepted>),
    Refused(Box<Broken>),
}

/// A packet that can be stored.
#[derive(Debug)]
pub(super) struct Accepted {
    pub resolved: Arc<Resolved>,
    pub keys: AlertKeys,
    pub frame: Frame,
    pub datum: Bytes,
    pub hash: PacketHash,
    /// Length of the packet as transmitted.
    pub transmitted: usize,
}

pub(super) fn examine(item: Item, resolver: &Resolver) -> Examined {
    let place = Place { source: item.source, piece: item.piece, member: item.member };
    let offset = item.offset;
    let (mut end, mut unreadable) = (false, None);
    let packets = match item.payload {
        Payload::End => {
            end = true;
            Vec::new()
        }
        Payload::Unreadable(why) => {
            unreadable = Some(why);
            Vec::new()
        }
        Payload::Broken(broken) => vec![Packet { offset, verdict: Verdict::Refused(Box::new(broken)) }],
        Payload::Message(bytes) => vec![Packet { offset, verdict: message(bytes, resolver) }],
        Payload::Block { header, records, bytes } => block(&header, records, &bytes, offset, resolver),
    };
    Examined { item: place, packets, end, unreadable }
}

fn refused(rejection: Rejection, bytes: Bytes) -> Verdict {
    Verdict::Refused(Box::new(Broken::new(rejection, bytes)))
}

fn message(bytes: Bytes, resolver: &Resolver) -> Verdict {
    if bytes.is_empty() {
        return refused(Rejection::new(Reason::Empty, "no bytes"), bytes);
    }
    let framed = match frame::form_of(&bytes) {
        Form::Confluent => frame::confluent(&bytes).ok(),
        _ => None,
    };
    let known = framed.clone().and_then(|(id, datum)| Some((id, datum, resolver.by_id(id)?)));
    let (frame, datum, outcome) = match (known, resolver.bare()) {
        (Some((id, datum, outcome)), _) => (Frame::Confluent(id), bytes.slice(datum), outcome),
        (None, Some(outcome)) => (Frame::Bare, bytes.clone(), outcome),
        (None, None) => {
            let rejection = match framed {
                Some((id, _)) => Rejection::new(
                    Reason::UnknownSchema,
                    format!(
                        "the frame names schema id {}, of which nothing is known; add it with \
                         `noctuary schema add FILE --id {}` and then `noctuary quarantine retry --all`",
                        id.0, id.0
                    ),
                )
                .at(1),
                None => match frame::confluent(&bytes) {
                    Err(rejection) => rejection,
                    Ok(_) => Rejection::new(Reason::NoFrame, "no frame").at(0),
                },
            };
            return refused(rejection, bytes);
        }
    };
    let resolved = match outcome {
        Ok(resolved) => resolved,
        Err(rejection) => return refused(rejection, bytes),
    };
    let keys = match resolved.keys.read(&datum) {
        Ok(keys) if keys.flags.is_empty() || frame == Frame::Bare => keys,
        read => match (another_schema(&resolved, &datum, resolver, read.as_ref().err()), read) {
            (Some(rejection), _) if matches!(frame, Frame::Confluent(_)) => {
                return refused(shifted(rejection, bytes.len() - datum.len()), bytes);
            }
            (_, Ok(keys)) => keys,
            (_, Err(rejection)) => return refused(shifted(rejection, bytes.len() - datum.len()), bytes),
        },
    };
    let hash = PacketHash::of(&[&bytes]);
    Verdict::Accepted(Box::new(Accepted { resolved, keys, frame, datum, hash, transmitted: bytes.len() }))
}

/// The plausibility check of a frame's schema id. A datum that cannot be read under the schema its frame names, or
/// that makes no sense under it (position, time or ids), is held against every other schema that frames can name; if
/// it reads to its last byte and makes sense under one of those, the id is taken to be wrong. A datum that happens to
/// make sense under both is not noticed.
fn another_schema(named: &Resolved, datum: &[u8], resolver: &Resolver, error: Option<&Rejection>) -> Option<Rejection> {
    let fits = resolver
        .others(named.schema.fingerprint())
        .into_iter()
        .find(|other| other.keys.read(datum).is_ok_and(|keys| keys.flags.is_empty()))?;
    let found = error.map_or_else(|| "makes no sense under it".to_owned(), |e| format!("is not one of it ({e})"));
    Some(
        Rejection::new(
            Reason::WrongSchema,
            format!("the frame names {}, the datum {found} and reads as {}", named.schema.label(), fits.schema.label()),
        )
        .under(named.schema.label()),
    )
}

fn shifted(mut rejection: Rejection, by: usize) -> Rejection {
    rejection.offset = rejection.offset.map(|o| o + by as u64);
    rejection
}

/// The packets of a block. Behind a record that cannot be read, the next place from which the rest of the block can
/// be read to its end is searched for.
fn block(header: &Arc<Header>, records: u64, bytes: &Bytes, offset: u64, resolver: &Resolver) -> Vec<Packet> {
    let resolved = match resolver.by_header(header) {
        Ok(resolved) => resolved,
        Err(rejection) => return vec![Packet { offset, verdict: refused(rejection, whole(header, bytes)) }],
    };
    let mut packets = Vec::new();
    let mut at = 0;
    let mut left = records;
    while left > 0 && at < bytes.len() {
        let end = match walk_prefix(&resolved.schema, &bytes[at..], &mut Validate) {
            // The last record takes everything, so that what trails it is told with it. One of no bytes is no alert,
            // and there could be any number of them.
            Ok(length @ 1..) if left > 1 => at + length,
            Ok(0) => {
                left = 1;
                bytes.len()
            }
            Ok(_) => bytes.len(),
            Err(_) => match resume(&resolved, bytes, at, left) {
                Some(next) => next,
                None => {
                    left = 1;
                    bytes.len()
                }
            },
        };
        // A slice would keep the whole block in memory for as long as any of its packets.
        let datum = if records > 1 { Bytes::copy_from_slice(&bytes[at..end]) } else { bytes.slice(at..end) };
        packets.push(Packet { offset, verdict: record(&resolved, header, datum) });
        at = end;
        left -= 1;
    }
    let rest = &bytes[at..];
    let rejection = match left {
        0 if rest.is_empty() => return packets,
        0 => Rejection::new(
            Reason::TrailingBytes,
            format!("a block that says it holds {records} records has {} bytes behind them", rest.len()),
        ),
        _ => Rejection::new(
            Reason::Truncated,
            format!("a block that says it holds {records} records ends with {left} of them missing"),
        ),
    };
    packets.push(Packet { offset, verdict: refused(rejection.under(resolved.schema.label()), whole(header, rest)) });
    packets
}

fn record(resolved: &Arc<Resolved>, header: &Arc<Header>, datum: Bytes) -> Verdict {
    if datum.len() > MAX_PACKET_BYTES {
        let what = format!("{} bytes; packets of up to {} MiB are stored", datum.len(), MAX_PACKET_BYTES >> 20);
        return refused(Rejection::new(Reason::TooLarge, what), datum);
    }
    let frame = Frame::Container { header: Arc::clone(header) };
    let (before, after) = frame.around(datum.len());
    match resolved.keys.read(&datum) {
        Ok(keys) => {
            let hash = PacketHash::of(&[&before, &datum, &after]);
            let transmitted = before.len() + datum.len() + after.len();
            let resolved = Arc::clone(resolved);
            Verdict::Accepted(Box::new(Accepted { resolved, keys, frame, datum, hash, transmitted }))
        }
        Err(rejection) => refused(shifted(rejection, before.len()), whole(header, &datum)),
    }
}

/// The container that holds just this, so that what is quarantined can be tried again.
fn whole(header: &Arc<Header>, datum: &[u8]) -> Bytes {
    let frame = Frame::Container { header: Arc::clone(header) };
    match header.codec().compress(datum) {
        Ok(packed) => frame.wrap(&packed).into(),
        Err(_) => Bytes::copy_from_slice(datum),
    }
}

/// Where the next record begins behind a broken one: the first byte from which all that are left can be read, to the
/// end of the block and with keys that make sense. If there is none, because more of them are broken, the first from
/// which enough can be read to be sure.
fn resume(resolved: &Resolved, bytes: &[u8], broken: usize, left: u64) -> Option<usize> {
    let mut likely: Vec<usize> = Vec::new();
    for start in broken + 1..bytes.len().min(broken + MAX_SEARCH_BYTES) {
        // What is likely is not questioned beyond its own end.
        if left < 2 || likely.last().is_some_and(|end| start >= *end) {
            break;
        }
        // From inside a likely row of records the same row would be followed again.
        if likely.binary_search(&start).is_ok() {
            continue;
        }
        let bounds = sound_records(resolved, bytes, start, left - 1);
        let records = bounds.len() as u64 - 1;
        let to_the_end = bounds.last() == Some(&bytes.len());
        if to_the_end && records == left - 1 {
            return Some(start);
        }
        let sure = records > 1 || (records == 1 && (to_the_end || resolved.keys.repeats_ids()));
        if sure && likely.is_empty() {
            likely = bounds;
        }
    }
    likely.first().copied()
}

/// Where records, up to `most`, lie one behind the other and make sense: the start of each, and the end of the last.
fn sound_records(resolved: &Resolved, bytes: &[u8], start: usize, most: u64) -> Vec<usize> {
    let (mut bounds, mut at) = (vec![start], start);
    while (bounds.len() as u64) <= most && at < bytes.len() {
        let rest = &bytes[at..];
        match walk_prefix(&resolved.schema, rest, &mut Validate) {
            Ok(length @ 1..) if resolved.keys.read(&rest[..length]).is_ok_and(|k| k.flags.is_empty()) => at += length,
            _ => break,
        }
        bounds.push(at);
    }
    bounds
}
