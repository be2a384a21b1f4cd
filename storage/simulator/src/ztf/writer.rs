//! A whole packet: a file with one datum, in the order of its schema.

use noctuary_packet::cursor::put_long;
use noctuary_packet::schema::{NodeId, Schema, Shape};

use crate::avro::{Fill, RecordWriter, Slot};
use crate::container::{Header, put_counted};

use super::records::{Entry, Measured, Trigger, forced, history, trigger};
use super::stamps::{Stamp, Stamps};

/// What one packet says, its stamps apart.
pub(super) struct Alert<'a> {
    pub(super) object: &'a str,
    pub(super) candid: i64,
    pub(super) trigger: &'a Trigger,
    /// Null if there is nothing before the trigger.
    pub(super) history: &'a List,
    pub(super) forced: &'a List,
    /// Names of the files with the stamps, in the order of [`Stamp`].
    pub(super) files: [String; 3],
}

/// Encoded records.
#[derive(Debug, Default)]
pub(super) struct List {
    count: usize,
    bytes: Vec<u8>,
}

impl List {
    pub(super) fn clear(&mut self) {
        self.count = 0;
        self.bytes.clear();
    }
}

enum Part {
    Version,
    Publisher,
    Object,
    Candid,
    Trigger,
    History,
    Forced,
    Stamp(Stamp),
    Unknown,
}

/// Writes packets under one schema.
pub(super) struct FileWriter {
    schema: Schema,
    version: String,
    parts: Vec<(Part, Slot)>,
    trigger: RecordWriter<Trigger>,
    history: RecordWriter<Entry>,
    forced: Option<RecordWriter<Measured>>,
}

impl FileWriter {
    /// `None` if there is no schema of this version.
    pub(super) fn new(version: &str) -> Option<Self> {
        let schema = super::schema::schema(version)?;
        let Shape::Record(fields) = &schema.node(NodeId::ROOT).shape else { return None };
        let parts = fields.iter().map(|field| {
            let part = match &*field.name {
                "schemavsn" => Part::Version,
                "publisher" => Part::Publisher,
                "objectId" => Part::Object,
                "candid" => Part::Candid,
                "candidate" => Part::Trigger,
                "prv_candidates" => Part::History,
                "fp_hists" => Part::Forced,
                "cutoutScience" => Part::Stamp(Stamp::Science),
                "cutoutTemplate" => Part::Stamp(Stamp::Template),
                "cutoutDifference" => Part::Stamp(Stamp::Difference),
                _ => Part::Unknown,
            };
            (part, Slot::new(&schema, field.node))
        });
        Some(Self {
            parts: parts.collect(),
            trigger: RecordWriter::compile(&schema, schema.find("candidate")?, trigger)?,
            history: items(&schema, "prv_candidates", history)?,
            forced: items(&schema, "fp_hists", forced),
            version: version.to_owned(),
            schema,
        })
    }

    /// True if packets have forced photometry.
    pub(super) fn has_forced(&self) -> bool {
        self.forced.is_some()
    }

    pub(super) fn push_history(&self, list: &mut List, entry: &Entry) {
        list.count += 1;
        self.history.write(&mut list.bytes, entry);
    }

    pub(super) fn push_forced(&self, list: &mut List, measured: &Measured) {
        if let Some(writer) = &self.forced {
            list.count += 1;
            writer.write(&mut list.bytes, measured);
        }
    }

    /// The schema of the datums.
    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The file as transmitted; its marker follows from the seed and the id.
    pub(super) fn packet(&self, alert: &Alert<'_>, stamps: &Stamps, seed: u64) -> Vec<u8> {
        let mut datum = Vec::with_capacity(64 << 10);
        for (part, slot) in &self.parts {
            self.part(part, slot, alert, stamps, &mut datum);
        }
        Header::of_schema(self.schema.json(), seed, alert.candid as u64).with_record(&datum)
    }

    fn part(&self, part: &Part, slot: &Slot, alert: &Alert<'_>, stamps: &Stamps, out: &mut Vec<u8>) {
        match part {
            Part::Version => counted(slot, self.version.as_bytes(), out),
            Part::Publisher => counted(slot, b"ZTF (www.ztf.caltech.edu)", out),
            Part::Object => counted(slot, alert.object.as_bytes(), out),
            Part::Candid => {
                out.extend_from_slice(&slot.before);
                put_long(out, alert.candid);
            }
            Part::Trigger => {
                out.extend_from_slice(&slot.before);
                self.trigger.write(out, alert.trigger);
            }
            Part::History => list(slot, alert.history, out),
            Part::Forced => list(slot, alert.forced, out),
            Part::Stamp(stamp) => {
                counted(slot, alert.files[*stamp as usize].as_bytes(), out);
                put_counted(out, stamps.get(*stamp));
            }
            Part::Unknown => out.extend_from_slice(&slot.nothing),
        }
    }
}

fn items<T>(schema: &Schema, path: &str, fill: impl Fn(&str) -> Option<Fill<T>>) -> Option<RecordWriter<T>> {
    let Shape::Array(item) = schema.node(schema.find(path)?).shape else { return None };
    RecordWriter::compile(schema, item, fill)
}

/// Text or bytes behind their length; of a record of two fields, the first.
fn counted(slot: &Slot, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&slot.before);
    put_counted(out, value);
}

/// Null if there are none; else one block with all items, and the block of none that ends the list.
fn list(slot: &Slot, list: &List, out: &mut Vec<u8>) {
    if list.count == 0 {
        out.extend_from_slice(&slot.nothing);
        return;
    }
    out.extend_from_slice(&slot.before);
    put_long(out, list.count as i64);
    out.extend_from_slice(&list.bytes);
    out.push(0);
}
