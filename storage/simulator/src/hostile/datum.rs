//! Damage inside a datum, at places that the survey's mapping knows.

use std::ops::Range;
use std::sync::Arc;

use noctuary_packet::container;
use noctuary_packet::cursor::put_long;
use noctuary_packet::frame::{Form, Frame, MAX_PACKET_BYTES, confluent, form_of};
use noctuary_packet::schema::{NodeId, RegistryId, Schema, SchemaStore, Shape};
use noctuary_packet::survey::{KeyReader, Survey, Surveys};
use noctuary_packet::walk::{Leaf, Visitor, walk, walk_prefix};

use super::Kind;
use crate::container::put_counted;

/// A schema id that no registry gives away.
const NOBODYS: u32 = u32::MAX;

/// A packet, opened.
struct Victim {
    frame: Frame,
    schema: Arc<Schema>,
    survey: Arc<Survey>,
    datum: Vec<u8>,
    schemas: SchemaStore,
}

pub(super) fn damaged(kind: Kind, packet: &[u8]) -> Option<Vec<u8>> {
    let mut victim = Victim::open(packet)?;
    match kind {
        Kind::NoFrame => return Some(victim.datum),
        Kind::UnknownSchema => victim.frame = framed(&victim.frame, RegistryId(NOBODYS))?,
        Kind::WrongSchema => victim.frame = framed(&victim.frame, victim.another_version()?)?,
        Kind::TrailingBytes => victim.datum.extend_from_slice(&[0x2a; 7]),
        Kind::Truncated => {
            let place = victim.find(&victim.survey.position.dec, is_number)?;
            victim.datum.truncate(place.start + 3);
        }
        Kind::CutShort => {
            let image =
                victim.find(&[victim.survey.cutouts.last()?.field.clone()], |leaf| matches!(leaf, Leaf::Bytes(_)))?;
            victim.datum.truncate(image.start + image.len() / 2);
        }
        Kind::UnionIndex => victim.replace_branch(97, &[])?,
        Kind::HugeCount => victim.replace_branch(victim.list_branch()?, &long(i64::MAX / 3))?,
        Kind::NegativeCount => victim.replace_branch(victim.list_branch()?, &long(i64::MIN))?,
        Kind::HugeLength => victim.replace_first(is_text, &long(1 << 40))?,
        Kind::NegativeLength => victim.replace_first(is_text, &long(-2))?,
        Kind::BadText => victim.replace_first(is_text, &[4, 0xff, 0xfe])?,
        Kind::BadNumber => {
            victim.replace(&victim.survey.ids.alert.clone(), |leaf| leaf.as_i64().is_some(), &[0xff; 11])?
        }
        Kind::TooLarge => {
            let image =
                victim.find(&[victim.survey.cutouts.last()?.field.clone()], |leaf| matches!(leaf, Leaf::Bytes(_)))?;
            let mut large = Vec::with_capacity(MAX_PACKET_BYTES + 16);
            put_counted(&mut large, &vec![0; MAX_PACKET_BYTES]);
            victim.datum.splice(image, large);
        }
        Kind::NanPosition => victim.set_number(&victim.survey.position.ra.clone(), f64::NAN)?,
        Kind::OffSky => victim.set_number(&victim.survey.position.dec.clone(), -123.0)?,
        Kind::NanTime => victim.set_number(&victim.survey.time.field.clone(), f64::NAN)?,
        Kind::ImpossibleTime => victim.set_number(&victim.survey.time.field.clone(), 9e6)?,
        Kind::IdsDiffer => {
            let paths: Vec<String> = victim.survey.ids.repeats.iter().map(|[_, inside]| inside.clone()).collect();
            let id = victim.survey.ids.alert.clone();
            let mut other = None;
            victim.look(&id, |leaf, _| other = other.or(leaf.as_i64()))?;
            victim.replace(&paths, |leaf| leaf.as_i64().is_some(), &long(other?.wrapping_add(1)))?;
        }
        _ => return None,
    }
    Some(victim.frame.wrap(&victim.datum))
}

fn long(value: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_long(&mut bytes, value);
    bytes
}

fn is_text(leaf: &Leaf<'_>) -> bool {
    matches!(leaf, Leaf::Text(_))
}

fn is_number(leaf: &Leaf<'_>) -> bool {
    leaf.as_f64().is_some()
}

fn framed(frame: &Frame, id: RegistryId) -> Option<Frame> {
    matches!(frame, Frame::Confluent(_)).then_some(Frame::Confluent(id))
}

impl Victim {
    fn open(packet: &[u8]) -> Option<Self> {
        let schemas = SchemaStore::with_known();
        let (frame, schema, datum) = match form_of(packet) {
            Form::Confluent => {
                let (id, datum) = confluent(packet).ok()?;
                (Frame::Confluent(id), Arc::clone(schemas.by_id(id)?), packet[datum].to_vec())
            }
            Form::Container => {
                let (header, start) = container::Header::parse(packet).ok()?;
                let schema = Arc::new(Schema::parse(header.schema()).ok()?);
                let mut cursor = noctuary_packet::cursor::Cursor::new(&packet[start..]);
                cursor.long().ok()?;
                let body = cursor.counted().ok()?;
                let end = walk_prefix(&schema, body, &mut noctuary_packet::walk::Validate).ok()?;
                (Frame::Container { header }, schema, body[..end].to_vec())
            }
            Form::Other => return None,
        };
        let survey = Arc::clone(Surveys::built_in().recognise(&schema)?);
        Some(Self { frame, schema, survey, datum, schemas })
    }

    /// Shows every value at one of these paths, with the bytes that it takes.
    fn look(&self, paths: &[String], see: impl FnMut(&Leaf<'_>, Range<usize>)) -> Option<()> {
        let mut looker = Looker { schema: &self.schema, paths, see };
        walk(&self.schema, &self.datum, &mut looker).ok()
    }

    fn find(&self, paths: &[String], like: impl Fn(&Leaf<'_>) -> bool) -> Option<Range<usize>> {
        let mut found = None;
        self.look(paths, |leaf, span| {
            if found.is_none() && like(leaf) {
                found = Some(span);
            }
        })?;
        found
    }

    fn replace(&mut self, paths: &[String], like: impl Fn(&Leaf<'_>) -> bool, with: &[u8]) -> Option<()> {
        let span = self.find(paths, like)?;
        self.datum.splice(span, with.iter().copied());
        Some(())
    }

    fn replace_first(&mut self, like: impl Fn(&Leaf<'_>) -> bool, with: &[u8]) -> Option<()> {
        self.replace(&[], like, with)
    }

    fn set_number(&mut self, paths: &[String], value: f64) -> Option<()> {
        let span = self.find(paths, is_number)?;
        match span.len() {
            4 => self.datum[span].copy_from_slice(&(value as f32).to_le_bytes()),
            8 => self.datum[span].copy_from_slice(&value.to_le_bytes()),
            _ => return None,
        }
        Some(())
    }

    /// The branch of the history's union that is a list.
    fn list_branch(&self) -> Option<i64> {
        let path = self.survey.records.history.iter().find(|path| self.schema.find(path).is_some())?;
        let node = self.schema.fields().iter().find(|field| *field.name == **path)?.node;
        let Shape::Union(branches) = &self.schema.node(node).shape else { return None };
        let list = |branch: &NodeId| matches!(self.schema.node(*branch).shape, Shape::Array(_));
        branches.iter().position(list).map(|branch| branch as i64)
    }

    /// Puts another branch where the history begins, and bytes behind it.
    fn replace_branch(&mut self, branch: i64, behind: &[u8]) -> Option<()> {
        let path = self.survey.records.history.iter().find(|path| self.schema.find(path).is_some())?;
        let mut start = Start { schema: &self.schema, path, at: None };
        walk(&self.schema, &self.datum, &mut start).ok()?;
        // A branch takes one byte.
        let at = start.at?.checked_sub(1)?;
        let mut bytes = long(branch);
        bytes.extend_from_slice(behind);
        self.datum.splice(at..=at, bytes);
        Some(())
    }

    /// The id of a version under which the datum makes no sense.
    fn another_version(&self) -> Option<RegistryId> {
        let mut ids: Vec<_> = self.schemas.ids().collect();
        ids.sort_unstable();
        let differs = |(id, fingerprint): &(RegistryId, _)| {
            let schema = self.schemas.get(*fingerprint).filter(|s| s.fingerprint() != self.schema.fingerprint())?;
            let keys = KeyReader::new(&self.survey, schema).read(&self.datum);
            (!keys.is_ok_and(|keys| keys.flags.is_empty())).then_some(*id)
        };
        ids.iter().rev().find_map(differs)
    }
}

/// Tells of values by their paths; without paths, of all.
struct Looker<'a, F> {
    schema: &'a Schema,
    paths: &'a [String],
    see: F,
}

impl<F: FnMut(&Leaf<'_>, Range<usize>)> Visitor for Looker<'_, F> {
    fn leaf(&mut self, node: NodeId, value: Leaf<'_>, span: Range<usize>) {
        let path = &self.schema.node(node).path;
        if self.paths.is_empty() || self.paths.iter().any(|wanted| **wanted == **path) {
            (self.see)(&value, span);
        }
    }
}

/// Finds where the first value of a path begins, null or not.
struct Start<'a> {
    schema: &'a Schema,
    path: &'a str,
    at: Option<usize>,
}

impl Start<'_> {
    fn note(&mut self, node: NodeId, at: usize) {
        if self.at.is_none() && *self.schema.node(node).path == *self.path {
            self.at = Some(at);
        }
    }
}

impl Visitor for Start<'_> {
    fn leaf(&mut self, node: NodeId, _: Leaf<'_>, span: Range<usize>) {
        self.note(node, span.start);
    }

    fn enter(&mut self, node: NodeId, at: usize) {
        self.note(node, at);
    }
}
