//! Every kind of bad input gets the answer that it should, from the crate that reads packets.

use std::io::Read;
use std::sync::Arc;

use noctuary_packet::blocks::Blocks;
use noctuary_packet::decode::Decoder;
use noctuary_packet::frame::{Form, MAX_PACKET_BYTES, confluent, form_of};
use noctuary_packet::reason::{Reason, Rejection};
use noctuary_packet::schema::{Schema, SchemaStore};
use noctuary_packet::survey::{Flags, KeyReader, Surveys};

use super::{packets, small};
use crate::hostile::{Answer, Kind};
use crate::{Plan, Simulation};

/// Reads a file as an archive does.
fn answer(file: &[u8]) -> Answer {
    match judge(file) {
        Ok(flags) => Answer::Flagged(flags),
        Err(rejection) => Answer::Refused(rejection.reason),
    }
}

fn judge(file: &[u8]) -> Result<Flags, Rejection> {
    if file.starts_with(&[0x1f, 0x8b]) {
        let mut bytes = Vec::new();
        let broken = |e: std::io::Error| Rejection::new(Reason::SourceBroken, e.to_string());
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).map_err(broken)?;
        return judge(&bytes);
    }
    if file.len() > MAX_PACKET_BYTES {
        return Err(Rejection::new(Reason::TooLarge, "by its size"));
    }
    if form_of(file) == Form::Container {
        let mut blocks = Blocks::open(file)?;
        let text = blocks.header().schema().to_owned();
        let block = blocks.next().unwrap().map_err(|lost| lost.rejection)?;
        let schema = Schema::parse(&text).map_err(|e| Rejection::new(Reason::BadSchema, e.to_string()))?;
        return flags(&Arc::new(schema), &block.bytes);
    }
    let (id, datum) = confluent(file)?;
    let schemas = SchemaStore::with_known();
    let unknown = || Rejection::new(Reason::UnknownSchema, id.0.to_string());
    let schema = schemas.by_id(id).ok_or_else(unknown)?;
    let read = flags(schema, &file[datum.clone()]);
    if read.as_ref().is_ok_and(|flags| flags.is_empty()) {
        return read;
    }
    let mut others = schemas.list().into_iter().filter(|other| other.fingerprint() != schema.fingerprint());
    if others.any(|other| flags(&other, &file[datum.clone()]).is_ok_and(|flags| flags.is_empty())) {
        return Err(Rejection::new(Reason::WrongSchema, "reads under another"));
    }
    read
}

fn flags(schema: &Arc<Schema>, datum: &[u8]) -> Result<Flags, Rejection> {
    let surveys = Surveys::built_in();
    let survey = surveys.recognise(schema).ok_or_else(|| Rejection::new(Reason::UnknownSurvey, "none"))?;
    let keys = KeyReader::new(survey, schema).read(datum)?;
    Decoder::new(schema, &[], 1)?;
    Ok(keys.flags)
}

#[test]
fn every_kind_gets_its_answer() {
    for version in ["9.0", "11.1"] {
        let plan = Plan { schema: Some(version.to_owned()), nights: 1, ..small() };
        for packet in packets(plan).iter().step_by(40) {
            assert_eq!(answer(&packet.bytes), Answer::Flagged(Flags::default()));
            for kind in Kind::ALL {
                let damaged = kind.damage(&packet.bytes).unwrap();
                assert_eq!(answer(&damaged), kind.answer(), "{kind} of {version}");
                assert_eq!(kind.damage(&packet.bytes).unwrap(), damaged);
            }
        }
    }
}

#[test]
fn every_reason_has_a_kind() {
    for reason in Reason::ALL {
        assert!(Kind::ALL.iter().any(|kind| kind.answer() == Answer::Refused(reason)), "{reason}");
    }
}

#[test]
fn containers_can_be_damaged_too() {
    let simulation = Simulation::new(Plan { nights: 1, ..small() }).unwrap();
    let packet = simulation.packets().next().unwrap();
    let header = crate::container::Header::of_schema(simulation.press.schema_json(), 1, 1);
    let file = header.with_record(&packet.bytes[5..]);
    assert_eq!(answer(&file), Answer::Flagged(Flags::default()));
    for kind in [Kind::Truncated, Kind::UnionIndex, Kind::NanPosition, Kind::BadText, Kind::TrailingBytes] {
        assert_eq!(answer(&kind.damage(&file).unwrap()), kind.answer(), "{kind}");
    }
    assert_eq!(Kind::UnknownSchema.damage(&file), None, "a container has no id");
    assert_eq!(Kind::Truncated.damage(b"no packet"), None);
}

#[test]
fn a_hostile_stream_is_hostile_in_part() {
    let kinds = vec![Kind::Truncated, Kind::NanPosition, Kind::UnknownSchema];
    let plan = Plan { hostile: kinds.clone(), hostile_share: 0.3, ..small() };
    let simulation = Simulation::new(plan).unwrap();
    let made: Vec<_> = simulation.packets().collect();
    let damaged: Vec<_> = made.iter().filter(|p| p.damage.is_some()).collect();
    let share = damaged.len() as f64 / made.len() as f64;
    assert!((share - 0.3).abs() < 0.06, "{share}");
    for kind in kinds {
        let of_kind: Vec<_> = damaged.iter().filter(|p| p.damage == Some(kind)).collect();
        assert!(of_kind.len() > 40);
        assert!(of_kind.iter().all(|p| answer(&p.bytes) == kind.answer()));
    }
    for packet in made.iter().filter(|p| p.damage.is_none()) {
        assert_eq!(answer(&packet.bytes), Answer::Flagged(Flags::default()));
    }
    assert!(simulation.packets_on(3).eq(made));
}

#[test]
fn kinds_read_back_from_their_names() {
    for kind in Kind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
        assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        assert!(kind.about().ends_with('.') && !kind.about().starts_with(' '));
    }
    assert!("trunc".parse::<Kind>().unwrap_err().to_string().contains("truncated, cut-short"));
}
