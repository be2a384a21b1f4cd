//! What tests want to know of a packet.

use std::ops::Range;
use std::sync::Arc;

use noctuary_packet::schema::{NodeId, Schema, Shape, known_lsst};
use noctuary_packet::walk::{Leaf, Visitor, walk};

/// A source record, of the trigger or of the history.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) id: i64,
    pub(super) visit: i64,
    pub(super) detector: i64,
    pub(super) object: Option<i64>,
    pub(super) body: Option<i64>,
    pub(super) mjd: f64,
    pub(super) ra: f64,
    pub(super) dec: f64,
    pub(super) snr: f64,
    pub(super) flux: f64,
    pub(super) band: String,
    /// Bytes of the record, and where `ssObjectId` lies in them without the branch before it.
    pub(super) bytes: Vec<u8>,
    pub(super) body_at: Range<usize>,
}

/// The object record.
#[derive(Debug, Clone, Default)]
pub(super) struct Object {
    pub(super) sources: i64,
    /// Count and mean flux by band.
    pub(super) bands: Vec<(i64, f64)>,
}

/// A packet taken apart.
#[derive(Debug, Default)]
pub(super) struct Read {
    pub(super) id: i64,
    pub(super) trigger: Record,
    pub(super) history: Option<Vec<Record>>,
    pub(super) forced: Option<Vec<Record>>,
    pub(super) object: Option<Object>,
    pub(super) has_passage: bool,
    pub(super) has_orbit: bool,
    /// Difference, science, template.
    pub(super) cutouts: Vec<Vec<u8>>,
}

/// Takes a packet apart, which must be valid to the last byte.
pub(super) fn read(packet: &[u8]) -> Read {
    assert_eq!(packet[..5], [0, 0, 0, 4, 77]);
    read_datum(&known_lsst("11.1").unwrap(), &packet[5..])
}

/// The same for a datum of any version.
pub(super) fn read_datum(schema: &Arc<Schema>, datum: &[u8]) -> Read {
    let schema = Arc::clone(schema);
    let mut reader = Reader { schema: Arc::clone(&schema), datum, read: Read::default(), open: Record::default() };
    walk(&schema, datum, &mut reader).unwrap();
    reader.read
}

struct Reader<'a> {
    schema: Arc<Schema>,
    datum: &'a [u8],
    read: Read,
    open: Record,
}

impl Visitor for Reader<'_> {
    fn leaf(&mut self, node: NodeId, value: Leaf<'_>, span: Range<usize>) {
        let schema = Arc::clone(&self.schema);
        let path = &*schema.node(node).path;
        let (place, name) = path.rsplit_once('.').unwrap_or(("", path));
        let whole = value.as_i64();
        let real = value.as_f64().unwrap_or(f64::NAN);
        match (place, name) {
            ("", "diaSourceId") => self.read.id = whole.unwrap(),
            ("", cutout) if cutout.starts_with("cutout") => {
                let Leaf::Bytes(bytes) = value else { panic!("{value:?}") };
                self.read.cutouts.push(bytes.to_vec());
            }
            ("diaObject", "nDiaSources") => self.object().sources = whole.unwrap(),
            ("diaObject", count) if count.ends_with("_psfFluxNdata") => {
                self.object().bands.last_mut().unwrap().0 = whole.unwrap();
            }
            ("diaObject", mean) if mean.ends_with("_psfFluxMean") => self.object().bands.push((0, real)),
            (_, "diaSourceId" | "diaForcedSourceId") => self.open.id = whole.unwrap_or_default(),
            (_, "visit") => self.open.visit = whole.unwrap(),
            (_, "detector") => self.open.detector = whole.unwrap(),
            (_, "diaObjectId") => self.open.object = whole,
            (_, "ssObjectId") => {
                self.open.body = whole;
                self.open.body_at = span;
            }
            (_, "midpointMjdTai") => self.open.mjd = real,
            (_, "ra") => self.open.ra = real,
            (_, "dec") => self.open.dec = real,
            (_, "snr") => self.open.snr = real,
            (_, "psfFlux") => self.open.flux = real,
            (_, "band") => {
                let Leaf::Text(band) = value else { panic!("{value:?}") };
                self.open.band = band.to_owned();
            }
            _ => {}
        }
    }

    fn enter(&mut self, node: NodeId, _: usize) {
        let node = self.schema.node(node);
        match (&*node.path, &node.shape) {
            ("prvDiaSources", Shape::Array(_)) => self.read.history = Some(Vec::new()),
            ("prvDiaForcedSources", Shape::Array(_)) => self.read.forced = Some(Vec::new()),
            ("ssSource", Shape::Record(_)) => self.read.has_passage = true,
            ("mpc_orbits" | "MPCORB", Shape::Record(_)) => self.read.has_orbit = true,
            ("diaObject", Shape::Record(_)) => self.read.object = Some(Object::default()),
            _ => {}
        }
    }

    fn leave(&mut self, node: NodeId, span: Range<usize>) {
        let node = self.schema.node(node);
        if !matches!(node.shape, Shape::Record(_)) {
            return;
        }
        let mut record = std::mem::take(&mut self.open);
        record.bytes = self.datum[span.clone()].to_vec();
        record.body_at = record.body_at.start.saturating_sub(span.start)..record.body_at.end.saturating_sub(span.start);
        match &*node.path {
            "diaSource" => self.read.trigger = record,
            "prvDiaSources[]" => self.read.history.as_mut().unwrap().push(record),
            "prvDiaForcedSources[]" => self.read.forced.as_mut().unwrap().push(record),
            _ => {}
        }
    }
}

impl Reader<'_> {
    fn object(&mut self) -> &mut Object {
        self.read.object.as_mut().unwrap()
    }
}
