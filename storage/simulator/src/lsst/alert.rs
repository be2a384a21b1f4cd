//! A whole packet: frame, and the alert record in the order of its schema.

use noctuary_packet::cursor::put_long;
use noctuary_packet::schema::{NodeId, Schema, Shape};

use super::passage::{OrbitRecord, Passage};
use super::records;
use super::source::{Forced, Source};
use super::summary::Summary;
use crate::avro::{Fill, RecordWriter, Slot};
use crate::cutout::{Painter, Plane};

/// What the record of a body's orbit is called, since version 10 and before.
const ORBITS: [&str; 2] = ["mpc_orbits", "MPCORB"];

/// Encoded records of a list.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    pub(crate) count: usize,
    pub(crate) bytes: Vec<u8>,
}

impl Encoded {
    pub(crate) fn clear(&mut self) {
        self.count = 0;
        self.bytes.clear();
    }
}

/// What one packet says, its cutouts apart.
pub(crate) struct Alert<'a> {
    pub(crate) trigger: &'a Source,
    pub(crate) reason: &'a str,
    pub(crate) target: &'a str,
    /// Null if there is none.
    pub(crate) history: &'a Encoded,
    /// Null for bodies, an empty list for objects without history.
    pub(crate) forced: Option<&'a Encoded>,
    pub(crate) object: Option<Summary>,
    pub(crate) body: Option<(Passage, OrbitRecord)>,
}

enum Part {
    Id,
    Reason,
    Target,
    Trigger,
    History,
    Forced,
    Object,
    Passage,
    Orbit,
    Cutout(Plane),
    Unknown,
}

/// A list and what goes before each of its items.
struct List<T> {
    item: RecordWriter<T>,
    before: Vec<u8>,
}

impl<T> List<T> {
    fn compile(schema: &Schema, path: &str, fill: impl Fn(&str) -> Option<Fill<T>>) -> Option<Self> {
        let Shape::Array(item) = schema.node(schema.find(path)?).shape else { return None };
        let (record, _) = schema.unwrap_nullable(item);
        Some(Self { item: RecordWriter::compile(schema, record, fill)?, before: Slot::new(schema, item).before })
    }

    fn push(&self, list: &mut Encoded, thing: &T) {
        list.count += 1;
        list.bytes.extend_from_slice(&self.before);
        self.item.write(&mut list.bytes, thing);
    }
}

/// Writes packets under one schema.
pub(crate) struct AlertWriter {
    frame: [u8; 5],
    parts: Vec<(Part, Slot)>,
    trigger: RecordWriter<Source>,
    history: List<Source>,
    forced: List<Forced>,
    object: RecordWriter<Summary>,
    passage: RecordWriter<Passage>,
    orbit: RecordWriter<OrbitRecord>,
}

impl AlertWriter {
    /// `None` if the schema is not one of LSST's alerts since version 9.
    pub(crate) fn new(schema: &Schema, registry_id: u32) -> Option<Self> {
        let Shape::Record(fields) = &schema.node(NodeId::ROOT).shape else { return None };
        let parts = fields.iter().map(|field| {
            let part = match &*field.name {
                "diaSourceId" => Part::Id,
                "observation_reason" => Part::Reason,
                "target_name" => Part::Target,
                "diaSource" => Part::Trigger,
                "prvDiaSources" => Part::History,
                "prvDiaForcedSources" => Part::Forced,
                "diaObject" => Part::Object,
                "ssSource" => Part::Passage,
                name if ORBITS.contains(&name) => Part::Orbit,
                "cutoutDifference" => Part::Cutout(Plane::Difference),
                "cutoutScience" => Part::Cutout(Plane::Science),
                "cutoutTemplate" => Part::Cutout(Plane::Template),
                _ => Part::Unknown,
            };
            (part, Slot::new(schema, field.node))
        });
        let [a, b, c, d] = registry_id.to_be_bytes();
        Some(Self {
            frame: [0, a, b, c, d],
            parts: parts.collect(),
            trigger: RecordWriter::compile(schema, schema.find("diaSource")?, records::source)?,
            history: List::compile(schema, "prvDiaSources", records::source)?,
            forced: List::compile(schema, "prvDiaForcedSources", records::forced)?,
            object: RecordWriter::compile(schema, schema.find("diaObject")?, records::object)?,
            passage: RecordWriter::compile(schema, schema.find("ssSource")?, records::passage)?,
            orbit: RecordWriter::compile(schema, ORBITS.iter().find_map(|name| schema.find(name))?, records::orbit)?,
        })
    }

    pub(crate) fn push_history(&self, list: &mut Encoded, source: &Source) {
        self.history.push(list, source);
    }

    pub(crate) fn push_forced(&self, list: &mut Encoded, forced: &Forced) {
        self.forced.push(list, forced);
    }

    /// The packet as transmitted.
    pub(crate) fn packet(&self, alert: &Alert<'_>, cutouts: &Painter) -> Vec<u8> {
        let planes = [Plane::Difference, Plane::Science, Plane::Template];
        let pixels: usize = planes.iter().map(|p| cutouts.length(*p)).sum();
        let lists = alert.history.bytes.len() + alert.forced.map_or(0, |f| f.bytes.len());
        let mut bytes = Vec::with_capacity(pixels + lists + 8_192);
        bytes.extend_from_slice(&self.frame);
        for (part, slot) in &self.parts {
            self.part(part, slot, alert, cutouts, &mut bytes);
        }
        bytes
    }

    fn part(&self, part: &Part, slot: &Slot, alert: &Alert<'_>, cutouts: &Painter, out: &mut Vec<u8>) {
        let start = |out: &mut Vec<u8>, is: bool| {
            out.extend_from_slice(if is { &slot.before } else { &slot.nothing });
            is
        };
        match part {
            Part::Id => {
                start(out, true);
                put_long(out, alert.trigger.id);
            }
            Part::Reason => text(slot, alert.reason, out),
            Part::Target => text(slot, alert.target, out),
            Part::Trigger => {
                start(out, true);
                self.trigger.write(out, alert.trigger);
            }
            Part::History => {
                if start(out, alert.history.count > 0) {
                    list(alert.history, out);
                }
            }
            Part::Forced => {
                if let (true, Some(forced)) = (start(out, alert.forced.is_some()), alert.forced) {
                    list(forced, out);
                }
            }
            Part::Object => {
                if let (true, Some(object)) = (start(out, alert.object.is_some()), &alert.object) {
                    self.object.write(out, object);
                }
            }
            Part::Passage => {
                if let (true, Some((passage, _))) = (start(out, alert.body.is_some()), &alert.body) {
                    self.passage.write(out, passage);
                }
            }
            Part::Orbit => {
                if let (true, Some((_, orbit))) = (start(out, alert.body.is_some()), &alert.body) {
                    self.orbit.write(out, orbit);
                }
            }
            Part::Cutout(plane) => {
                start(out, true);
                put_long(out, cutouts.length(*plane) as i64);
                cutouts.write(*plane, out);
            }
            Part::Unknown => out.extend_from_slice(&slot.nothing),
        }
    }
}

fn text(slot: &Slot, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&slot.before);
    put_long(out, value.len() as i64);
    out.extend_from_slice(value.as_bytes());
}

/// One block with all items, then the block of none that ends the list.
fn list(items: &Encoded, out: &mut Vec<u8>) {
    if items.count > 0 {
        put_long(out, items.count as i64);
        out.extend_from_slice(&items.bytes);
    }
    out.push(0);
}
