//! Tickets: what to stream, as text that is signed, so that the server need not remember it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use noctuary_engine::EngineError;
use noctuary_packet::time::Night;
use noctuary_storage::night::Place;
use ring::hmac;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Part;

/// What every ticket begins with; the number is that of the form.
const PREFIX: &str = "noctuary-replay-1";

/// A ticket, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticket {
    /// What to stream.
    pub part: Part,
    /// Behind what to go on.
    pub after: Position,
    /// Seconds since 1970 in UTC, after which it is not taken.
    pub expires: u64,
}

/// Where the stream of a chunk stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// By survey, the last packet that was sent.
    pub after: BTreeMap<String, Place>,
    /// Packets of the chunk so far.
    pub done: u64,
}

/// Why a ticket is not taken.
#[derive(Debug)]
pub enum Refused {
    /// It is none, or was altered or cut short, or belongs to another archive.
    Altered(String),
    /// It is too old.
    Expired(String),
}

#[derive(Serialize, Deserialize)]
struct Payload {
    part: Part,
    expires: u64,
}

/// A place as text has it.
type Written = (i32, Option<i64>, Option<i64>, u64, i32);

#[derive(Serialize, Deserialize)]
struct WrittenPosition {
    after: BTreeMap<String, Written>,
    done: u64,
}

/// Signs tickets, and knows its own again.
#[derive(Debug, Clone)]
pub struct Signer {
    key: hmac::Key,
}

impl Signer {
    /// With the key of an archive, [`noctuary_storage::Archive::ticket_key`].
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    /// A ticket for all of a part.
    ///
    /// # Errors
    /// Never, for what can be written as JSON.
    pub fn ticket(&self, part: &Part, expires: u64) -> Result<String, EngineError> {
        let body = encode(&Payload { part: part.clone(), expires })?;
        let signed = format!("{PREFIX}.{body}");
        let tag = self.tag(&signed);
        Ok(format!("{signed}.{tag}"))
    }

    /// A position for the end of a ticket.
    ///
    /// # Errors
    /// Never, for what can be written as JSON.
    pub fn position(&self, ticket: &str, position: &Position) -> Result<String, EngineError> {
        let written = |p: &Place| (p.night.0, p.visit, p.detector, p.commit, p.seq);
        let after = position.after.iter().map(|(survey, place)| (survey.clone(), written(place))).collect();
        let body = encode(&WrittenPosition { after, done: position.done })?;
        let tag = self.tag(&format!("{}.{body}", base(ticket)));
        Ok(format!("{body}.{tag}"))
    }

    /// Reads a ticket, with the position behind it if there is one, at a time in seconds since 1970.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn read(&self, ticket: &[u8], now: u64) -> Result<Ticket, Refused> {
        let altered = |what: &str| {
            Refused::Altered(format!(
                "the {what} was altered or cut short, or is of another archive; ask for the replay again"
            ))
        };
        let text = std::str::from_utf8(ticket).map_err(|_| altered("ticket"))?;
        let mut pieces = text.split('.');
        let (prefix, body, tag) = (pieces.next(), pieces.next(), pieces.next());
        let (Some(PREFIX), Some(body), Some(tag)) = (prefix, body, tag) else { return Err(altered("ticket")) };
        if !self.holds(&format!("{PREFIX}.{body}"), tag) {
            return Err(altered("ticket"));
        }
        let Payload { part, expires } = decode(body).ok_or_else(|| altered("ticket"))?;
        let after = match (pieces.next(), pieces.next(), pieces.next()) {
            (None, ..) => Position::default(),
            (Some(body), Some(tag), None) if self.holds(&format!("{}.{body}", base(text)), tag) => {
                let WrittenPosition { after, done } = decode(body).ok_or_else(|| altered("position"))?;
                let place = |(survey, (night, visit, detector, commit, seq)): (String, Written)| {
                    (survey, Place { night: Night(night), visit, detector, commit, seq })
                };
                Position { after: after.into_iter().map(place).collect(), done }
            }
            _ => return Err(altered("position")),
        };
        if now > expires {
            let at = chrono::DateTime::from_timestamp(i64::try_from(expires).unwrap_or(i64::MAX), 0);
            let at = at.map_or_else(String::new, |at| format!(" on {}", at.format("%Y-%m-%d %H:%M:%S UTC")));
            return Err(Refused::Expired(format!("the ticket has expired{at}; ask for the replay again")));
        }
        Ok(Ticket { part, after, expires })
    }

    fn tag(&self, signed: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, signed.as_bytes()))
    }

    fn holds(&self, signed: &str, tag: &str) -> bool {
        // Another way of writing the same bytes is not taken either.
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(tag).unwrap_or_default();
        hmac::verify(&self.key, signed.as_bytes(), &bytes).is_ok()
    }
}

/// A ticket without a position.
fn base(ticket: &str) -> &str {
    let end = ticket.match_indices('.').nth(2).map_or(ticket.len(), |(at, _)| at);
    &ticket[..end]
}

fn encode(value: &impl Serialize) -> Result<String, EngineError> {
    let json = serde_json::to_vec(value).map_err(|e| EngineError::invalid(format!("no ticket can be made ({e})")))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(json))
}

fn decode<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> Part {
        Part {
            request: r#"{"nights":["2026-11-09..2026-11-09"]}"#.into(),
            version: 7,
            ranges: Vec::new(),
            packets: 12,
            origin: super::super::Moment(61_354.123_456_789),
            begin: None,
        }
    }

    fn position() -> Position {
        let place = Place { night: Night(20_766), visit: Some(2_026_110_900_012), detector: None, commit: 3, seq: 17 };
        Position { after: BTreeMap::from([("lsst".to_owned(), place)]), done: 5 }
    }

    #[test]
    fn tickets_read_back_with_and_without_position() {
        let signer = Signer::new(&[7; 32]);
        let ticket = signer.ticket(&part(), 1_000).unwrap();
        assert_eq!(
            signer.read(ticket.as_bytes(), 1_000).unwrap(),
            Ticket { part: part(), after: Position::default(), expires: 1_000 }
        );
        let resumed = format!("{ticket}.{}", signer.position(&ticket, &position()).unwrap());
        assert_eq!(signer.read(resumed.as_bytes(), 0).unwrap().after, position());
        // A stream that was resumed gives positions for the same ticket.
        assert_eq!(signer.position(&resumed, &position()).unwrap(), signer.position(&ticket, &position()).unwrap());
        assert!(resumed.bytes().all(|b| b.is_ascii_graphic()));
    }

    #[test]
    fn every_altered_byte_and_every_cut_is_noticed() {
        let signer = Signer::new(&[7; 32]);
        let ticket = signer.ticket(&part(), 1_000).unwrap();
        let resumed = format!("{ticket}.{}", signer.position(&ticket, &position()).unwrap());
        for at in 0..resumed.len() {
            for change in [1, 2, 4, 32, 128] {
                let mut bytes = resumed.clone().into_bytes();
                bytes[at] ^= change;
                assert!(matches!(signer.read(&bytes, 0), Err(Refused::Altered(_))), "byte {at} ^ {change}");
            }
            let whole = at == ticket.len();
            assert_eq!(signer.read(&resumed.as_bytes()[..at], 0).is_ok(), whole, "cut at {at}");
        }
        let more = format!("{resumed}.AAAA");
        assert!(signer.read(more.as_bytes(), 0).is_err());
        assert!(Signer::new(&[8; 32]).read(ticket.as_bytes(), 0).is_err());
        let other = signer.ticket(&Part { version: 8, ..part() }, 1_000).unwrap();
        let mixed = format!("{other}.{}", signer.position(&ticket, &position()).unwrap());
        assert!(matches!(signer.read(mixed.as_bytes(), 0), Err(Refused::Altered(_))));
    }

    #[test]
    fn old_tickets_say_that_they_are() {
        let signer = Signer::new(&[7; 32]);
        let ticket = signer.ticket(&part(), 1_000).unwrap();
        let Err(Refused::Expired(why)) = signer.read(ticket.as_bytes(), 1_001) else {
            panic!("an old ticket was taken")
        };
        assert!(why.contains("1970-01-01 00:16:40 UTC"), "{why}");
    }
}
