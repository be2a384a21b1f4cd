//! Reading the keys of an alert while its datum is walked.

use std::fmt;
use std::sync::Arc;

use super::mapping::{Survey, first};
use crate::id::Id;
use crate::reason::{Reason, Rejection};
use crate::schema::{NodeId, Schema, Shape};
use crate::time::{MjdTai, Night};
use crate::walk::{Leaf, Visitor, walk};

/// What of an alert is odd, though it can be read. Such alerts are stored, and say so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u8);

impl Flags {
    /// No position, or NaN.
    pub const NO_POSITION: Self = Self(1);
    /// A position that is not on the sphere.
    pub const POSITION_OUT_OF_RANGE: Self = Self(2);
    /// No time, or NaN.
    pub const NO_TIME: Self = Self(4);
    /// A time outside the years 1990 to 2100.
    pub const TIME_IMPOSSIBLE: Self = Self(8);
    /// The id of the alert and its repetition inside differ.
    pub const IDS_DIFFER: Self = Self(16);

    const NAMES: [(Self, &'static str); 5] = [
        (Self::NO_POSITION, "no-position"),
        (Self::POSITION_OUT_OF_RANGE, "position-out-of-range"),
        (Self::NO_TIME, "no-time"),
        (Self::TIME_IMPOSSIBLE, "time-impossible"),
        (Self::IDS_DIFFER, "ids-differ"),
    ];

    /// True if nothing is odd.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds another's flags.
    pub fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// True if all of another's flags are set.
    #[must_use]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (flag, name) in Self::NAMES {
            if self.contains(flag) {
                write!(f, "{separator}{name}")?;
                separator = ",";
            }
        }
        Ok(())
    }
}

/// What an archive sorts, finds and guards an alert by.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertKeys {
    /// Id of the alert.
    pub alert: Id,
    /// Id of the object, if it has one.
    pub object: Option<Id>,
    /// Right ascension, ICRS, degrees; `None` if missing or not finite.
    pub ra: Option<f64>,
    /// Declination, ICRS, degrees; `None` if missing or not finite.
    pub dec: Option<f64>,
    /// Time of the observation.
    pub time: Option<MjdTai>,
    /// Night of the observation.
    pub night: Option<Night>,
    /// Number of the exposure.
    pub visit: Option<i64>,
    /// Number of the detector.
    pub detector: Option<i64>,
    /// How restricted it is: rank in the survey's `rights.levels`.
    pub rights: u8,
    /// What is odd about it.
    pub flags: Flags,
}

impl AlertKeys {
    /// Right ascension and declination, degrees, if they are a place on the sphere.
    #[must_use]
    pub fn position(&self) -> Option<(f64, f64)> {
        let (ra, dec) = (self.ra?, self.dec?);
        on_the_sphere(ra, dec).then_some((ra, dec))
    }
}

fn on_the_sphere(ra: f64, dec: f64) -> bool {
    (0.0..360.0).contains(&ra) && (-90.0..=90.0).contains(&dec)
}

/// Two fields that should hold the same value: which pair, and which side of it.
type Repeat = (u8, bool);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Alert,
    Object,
    Ra,
    Dec,
    Time,
    Visit,
    Detector,
    Rights,
}

/// A survey's mapping, compiled for one schema.
#[derive(Debug, Clone)]
pub struct KeyReader {
    survey: Arc<Survey>,
    schema: Arc<Schema>,
    /// By node: 0 for nothing, else one more than an index into `slots`.
    by_node: Box<[u8]>,
    slots: Vec<Vec<Slot>>,
    repeats: Vec<(NodeId, Repeat)>,
    pairs: usize,
}

impl KeyReader {
    /// Compiles the mapping.
    #[must_use]
    pub fn new(survey: &Arc<Survey>, schema: &Arc<Schema>) -> Self {
        let mut reader = Self {
            survey: Arc::clone(survey),
            schema: Arc::clone(schema),
            by_node: vec![0; schema.len()].into(),
            slots: Vec::new(),
            repeats: Vec::new(),
            pairs: 0,
        };
        let single = [
            (&survey.ids.alert, Slot::Alert),
            (&survey.ids.object, Slot::Object),
            (&survey.position.ra, Slot::Ra),
            (&survey.position.dec, Slot::Dec),
            (&survey.time.field, Slot::Time),
            (&survey.exposure.visit, Slot::Visit),
            (&survey.exposure.detector, Slot::Detector),
        ];
        for (paths, slot) in single {
            if let Some(node) = first(schema, paths) {
                reader.assign(node, Some(slot));
            }
        }
        for path in &survey.rights.fields {
            let Some(node) = schema.find(path) else { continue };
            // Whichever of several types it has counts.
            let branches = match &schema.node(node).shape {
                Shape::Union(branches) => branches.to_vec(),
                _ => vec![node],
            };
            // A null there says nothing of rights, which is not the same as public.
            for place in branches.into_iter().chain(schema.null_beside(node)) {
                reader.assign(place, Some(Slot::Rights));
            }
        }
        for [a, b] in &survey.ids.repeats {
            if let (Some(a), Some(b)) = (schema.find(a), schema.find(b))
                && let Ok(pair) = u8::try_from(reader.pairs)
            {
                reader.repeats.push((a, (pair, false)));
                reader.repeats.push((b, (pair, true)));
                reader.assign(a, None);
                reader.assign(b, None);
                reader.pairs += 1;
            }
        }
        reader
    }

    fn assign(&mut self, node: NodeId, slot: Option<Slot>) {
        let entry = &mut self.by_node[node.index()];
        if *entry == 0 {
            self.slots.push(Vec::new());
            // A mapping names a dozen fields.
            *entry = u8::try_from(self.slots.len()).unwrap_or(u8::MAX);
        }
        if let Some(list) = self.slots.get_mut(usize::from(*entry) - 1) {
            list.extend(slot);
        }
    }

    /// The survey whose mapping it is.
    #[must_use]
    pub fn survey(&self) -> &Arc<Survey> {
        &self.survey
    }

    /// True if the survey repeats ids inside its alerts, so that bytes that merely look like one are told by them.
    #[must_use]
    pub fn repeats_ids(&self) -> bool {
        self.pairs > 0
    }

    /// Walks a datum to its last byte and reads the keys on the way.
    ///
    /// # Errors
    /// As [`walk`]; [`Reason::NoId`] if the id of the alert is null or empty.
    pub fn read(&self, datum: &[u8]) -> Result<AlertKeys, Rejection> {
        let mut found = Found { reader: self, keys: KeysSoFar::default(), repeated: vec![(None, None); self.pairs] };
        walk(&self.schema, datum, &mut found)?;
        let Found { keys, repeated, .. } = found;
        let mut flags = Flags::default();
        if repeated.iter().any(|(a, b)| a.is_some() && b.is_some() && a != b) {
            flags.insert(Flags::IDS_DIFFER);
        }
        let finite = |v: Option<f64>| v.filter(|v| v.is_finite());
        let (ra, dec) = (finite(keys.ra), finite(keys.dec));
        match (ra, dec) {
            (Some(ra), Some(dec)) if on_the_sphere(ra, dec) => {}
            (Some(_), Some(_)) => flags.insert(Flags::POSITION_OUT_OF_RANGE),
            _ => flags.insert(Flags::NO_POSITION),
        }
        let time = finite(keys.time).map(|t| self.survey.time.to_mjd_tai(t));
        match time {
            Some(MjdTai(mjd)) if (47_892.0..88_070.0).contains(&mjd) => {}
            Some(_) => flags.insert(Flags::TIME_IMPOSSIBLE),
            None => flags.insert(Flags::NO_TIME),
        }
        let night = time.and_then(|t| Night::of(t, self.survey.night.utc_offset_hours));
        let alert =
            keys.alert.ok_or_else(|| Rejection::new(Reason::NoId, "the alert has no id").under(self.schema.label()))?;
        Ok(AlertKeys {
            alert,
            object: keys.object,
            ra,
            dec,
            time,
            night,
            visit: keys.visit.map(|number| self.survey.exposure.visit_of(number)),
            detector: keys.detector,
            rights: keys.rights.unwrap_or_else(|| self.rights_unstated()),
            flags,
        })
    }

    /// How restricted an alert is in which none of the fields that say so is found.
    fn rights_unstated(&self) -> u8 {
        let rights = &self.survey.rights;
        if rights.fields.is_empty() { 0 } else { rights.rank("") }
    }
}

#[derive(Default)]
struct KeysSoFar {
    alert: Option<Id>,
    object: Option<Id>,
    ra: Option<f64>,
    dec: Option<f64>,
    time: Option<f64>,
    visit: Option<i64>,
    detector: Option<i64>,
    rights: Option<u8>,
}

struct Found<'r> {
    reader: &'r KeyReader,
    keys: KeysSoFar,
    repeated: Vec<(Option<Id>, Option<Id>)>,
}

impl Visitor for Found<'_> {
    #[inline]
    fn leaf(&mut self, node: NodeId, value: Leaf<'_>, _: std::ops::Range<usize>) {
        let slot = self.reader.by_node[node.index()];
        if slot != 0 {
            self.take(node, slot, value);
        }
    }
}

impl Found<'_> {
    fn take(&mut self, node: NodeId, slot: u8, value: Leaf<'_>) {
        let reader = self.reader;
        for slot in reader.slots.get(usize::from(slot) - 1).into_iter().flatten() {
            match slot {
                Slot::Alert => self.keys.alert = id(value),
                Slot::Object => self.keys.object = id(value),
                Slot::Ra => self.keys.ra = value.as_f64(),
                Slot::Dec => self.keys.dec = value.as_f64(),
                Slot::Time => self.keys.time = value.as_f64(),
                Slot::Visit => self.keys.visit = value.as_i64(),
                Slot::Detector => self.keys.detector = value.as_i64(),
                Slot::Rights => {
                    let rank = match value {
                        Leaf::Text(text) => reader.survey.rights.rank(text),
                        other => reader.survey.rights.rank(&other.as_i64().map_or_else(String::new, |v| v.to_string())),
                    };
                    self.keys.rights = self.keys.rights.max(Some(rank));
                }
            }
        }
        for (at, (pair, second)) in &reader.repeats {
            if *at == node {
                let entry = &mut self.repeated[usize::from(*pair)];
                *(if *second { &mut entry.1 } else { &mut entry.0 }) = id(value);
            }
        }
    }
}

fn id(value: Leaf<'_>) -> Option<Id> {
    match value {
        Leaf::Int(v) => Some(Id::Number(i64::from(v))),
        Leaf::Long(v) => Some(Id::Number(v)),
        Leaf::Text(text) if !text.is_empty() => Some(Id::Text(text.into())),
        _ => None,
    }
}
