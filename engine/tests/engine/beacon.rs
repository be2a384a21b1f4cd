//! An invented survey of beacons whose packets repeat what earlier ones held: histories, forced measurements, and
//! records of an object and of bodies of the Solar System. In version 1 a trigger is written otherwise than a record of
//! the history, in version 2 alike.

use std::sync::Arc;

use noctuary_packet::schema::{RegistryId, Schema};
use noctuary_storage::Archive;

use crate::make::{Value, datum, framed};
use crate::support::empty;

const MAPPING: &str = r#"
name = "beacon"
title = "Beacons of the coast"
[[recognise]]
fields = ["beaconId", "flash.time"]
[ids]
alert = ["beaconId"]
object = ["flash.tower"]
[position]
ra = ["flash.ra"]
dec = ["flash.dec"]
[time]
field = ["flash.time"]
form = "mjd"
scale = "tai"
[night]
utc_offset_hours = 0.0
[records]
trigger = ["flash"]
history = ["seen", "_before"]
forced = ["gauged"]
object = ["mast", "tower"]
solar = ["moon", "tide"]
[[tables]]
name = "Sight"
rows = "sources"
key = ["time"]
[[tables]]
name = "Flash"
rows = "triggers"
key = ["time"]
[[tables]]
name = "Before"
rows = "history"
[[tables]]
name = "Gauge"
rows = "forced"
key = ["time"]
[[tables]]
name = "Mast"
rows = "alerts"
record = ["mast", "tower"]
key = ["flash.tower"]
[[tables]]
name = "MastVersions"
rows = "alerts"
record = ["mast", "tower"]
[rights]
levels = ["public", "private"]
fields = ["access"]
values = { open = "public", closed = "private" }
"#;

const V1: &str = r#"{"type": "record", "name": "beacon", "version": "1.0", "fields": [
 {"name": "beaconId", "type": "long"}, {"name": "access", "type": "string"},
 {"name": "flash", "type": {"type": "record", "name": "flash", "fields": [
   {"name": "time", "type": "double"}, {"name": "ra", "type": "double"}, {"name": "dec", "type": "double"},
   {"name": "tower", "type": ["null", "long"]}, {"name": "flux", "type": "float"},
   {"name": "colour", "type": "string"}]}},
 {"name": "seen", "type": ["null", {"type": "array", "items": {"type": "record", "name": "sight", "fields": [
   {"name": "time", "type": "double", "doc": "when it was seen"}, {"name": "level", "type": "int"},
   {"name": "flux", "type": ["null", "float"], "unit": "cd"},
   {"name": "sky", "type": {"type": "record", "name": "sky", "fields": [
     {"name": "haze", "type": "float"}, {"name": "wind", "type": "int"}]}}]}}]},
 {"name": "gauged", "type": {"type": "array", "items": {"type": "record", "name": "gauge", "fields": [
   {"name": "time", "type": "double"}, {"name": "value", "type": "float"}, {"name": "_raw", "type": "int"}]}}},
 {"name": "tower", "type": ["null", {"type": "record", "name": "tower", "fields": [
   {"name": "height", "type": "double"}, {"name": "built", "type": "int"}]}]}]}"#;

const V2: &str = r#"{"type": "record", "name": "beacon", "version": "2.0", "fields": [
 {"name": "beaconId", "type": "long"}, {"name": "access", "type": "string"},
 {"name": "seen", "type": ["null", {"type": "array", "items": {"type": "record", "name": "sight", "fields": [
   {"name": "flux", "type": ["null", "double"], "unit": "kcd", "doc": "how bright"}, {"name": "time", "type": "double"},
   {"name": "ra", "type": "double"}, {"name": "dec", "type": "double"}, {"name": "tower", "type": ["null", "long"]},
   {"name": "level", "type": "string"}]}}]},
 {"name": "flash", "type": "sight"},
 {"name": "gauged", "type": ["null", {"type": "array", "items": {"type": "record", "name": "gauge", "fields": [
   {"name": "_raw", "type": "long"}, {"name": "value", "type": "double"}, {"name": "time", "type": "double"}]}}]},
 {"name": "mast", "type": ["null", {"type": "record", "name": "mast", "fields": [
   {"name": "height", "type": "double", "unit": "m"}, {"name": "lamps", "type": "int"},
   {"name": "_ra", "type": "double"}]}]},
 {"name": "moon", "type": ["null", {"type": "record", "name": "moon", "fields": [
   {"name": "phase", "type": "float"}, {"name": "height", "type": "double"}]}]},
 {"name": "tide", "type": ["null", {"type": "record", "name": "tide", "fields": [
   {"name": "height", "type": "double", "unit": "m"}, {"name": "name", "type": "string"}]}]}]}"#;

/// One of the versions.
pub fn schema(version: u32) -> Arc<Schema> {
    Arc::new(Schema::parse(if version == 1 { V1 } else { V2 }).unwrap())
}

/// An archive that knows beacons.
pub async fn archive() -> Archive {
    let archive = empty().await;
    archive.add_survey(MAPPING).await.unwrap();
    let schemas = [(schema(1), Some(RegistryId(1))), (schema(2), Some(RegistryId(2)))];
    archive.add_schemas(&schemas).await.unwrap();
    archive
}

/// A record of a history.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    pub time: f64,
    /// NaN is written as such.
    pub flux: Option<f64>,
    pub level: i64,
    pub haze: f64,
}

/// A forced measurement.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    pub time: f64,
    pub value: f64,
    pub raw: i64,
}

/// What a packet holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Beacon {
    pub version: u32,
    pub id: i64,
    pub closed: bool,
    pub tower: Option<i64>,
    pub seen: Option<Vec<Sight>>,
    /// Never null in version 1.
    pub gauged: Option<Vec<Gauge>>,
    /// Height of the object: of the tower in version 1, of the mast in version 2.
    pub height: Option<f64>,
}

impl Beacon {
    /// An alert without lists.
    pub fn new(version: u32, id: i64) -> Self {
        let gauged = Some(Vec::new());
        Self { version, id, closed: false, tower: Some(id / 10), seen: None, gauged, height: None }
    }

    /// Its time.
    pub fn time(&self) -> f64 {
        60_000.0 + self.id as f64 * 0.25
    }

    /// Its packet; `more` overrides.
    pub fn packet_with(&self, more: &[(&str, Value)]) -> Vec<u8> {
        let real = |v: f64| Value::Real(v);
        let mut values: Vec<(&str, Value)> = vec![
            ("beaconId", self.id.into()),
            ("access", if self.closed { "closed" } else { "open" }.into()),
            ("flash.time", self.time().into()),
            ("flash.ra", ((self.id * 7 % 360) as f64).into()),
            ("flash.dec", ((self.id % 90) as f64).into()),
            ("flash.tower", self.tower.map_or(Value::Null, Value::Whole)),
            ("flash.flux", real(self.id as f64 * 0.5)),
        ];
        let each = |of: &dyn Fn(&Sight) -> Value| Value::Each(self.seen.iter().flatten().map(of).collect());
        values.push(("seen", self.seen.as_ref().map_or(Value::Null, |seen| Value::Items(seen.len()))));
        values.push(("seen[].time", each(&|s| real(s.time))));
        values.push(("seen[].flux", each(&|s| s.flux.map_or(Value::Null, real))));
        if self.version == 1 {
            values.push(("seen[].level", each(&|s| s.level.into())));
            values.push(("seen[].sky.haze", each(&|s| real(s.haze))));
            values.push(("seen[].sky.wind", each(&|s| (s.level + 1).into())));
        } else {
            values.push(("seen[].level", each(&|s| format!("L{}", s.level).as_str().into())));
        }
        let each = |of: &dyn Fn(&Gauge) -> Value| Value::Each(self.gauged.iter().flatten().map(of).collect());
        values.push(("gauged", self.gauged.as_ref().map_or(Value::Null, |gauged| Value::Items(gauged.len()))));
        values.push(("gauged[].time", each(&|g| real(g.time))));
        values.push(("gauged[].value", each(&|g| real(g.value))));
        values.push(("gauged[]._raw", each(&|g| g.raw.into())));
        if let Some(height) = self.height {
            values.push((if self.version == 1 { "tower.height" } else { "mast.height" }, height.into()));
        }
        values.extend(more.iter().cloned());
        framed(self.version, &datum(&schema(self.version), &values))
    }

    /// Its packet.
    pub fn packet(&self) -> Vec<u8> {
        self.packet_with(&[])
    }

    /// The history as a table of both versions shows it.
    pub fn shown_seen(&self) -> String {
        let one = |s: &Sight| {
            let flux = s.flux.map_or_else(none, number);
            if self.version == 1 {
                let haze = number(s.haze);
                format!(
                    "{{flux: {flux}, time: {:?}, ra: -, dec: -, tower: -, level: -, level_int: {}, \
                     sky: {{haze: {haze}, wind: {}}}}}",
                    s.time,
                    s.level,
                    s.level + 1
                )
            } else {
                format!(
                    "{{flux: {flux}, time: {:?}, ra: 0.0, dec: 0.0, tower: -, level: L{}, level_int: -, sky: -}}",
                    s.time, s.level
                )
            }
        };
        list(self.seen.as_ref().map(|seen| seen.iter().map(one).collect()))
    }

    /// The forced measurements as a table of both versions shows them.
    pub fn shown_gauged(&self) -> String {
        let one = |g: &Gauge| format!("{{_raw: {}, value: {}, time: {:?}}}", g.raw, number(g.value), g.time);
        list(self.gauged.as_ref().map(|gauged| gauged.iter().map(one).collect()))
    }
}

fn none() -> String {
    "-".to_owned()
}

fn number(value: f64) -> String {
    if value.is_nan() { none() } else { format!("{value:?}") }
}

fn list(items: Option<Vec<String>>) -> String {
    items.map_or_else(none, |items| format!("[{}]", items.join(", ")))
}

/// Beacons of some towers, each with what the earlier ones of its tower were, in every way in which a list can be.
pub fn beacons(count: i64, version: impl Fn(i64) -> u32) -> Vec<Beacon> {
    let sight = |tower: i64, n: i64| Sight {
        time: 50_000.0 + tower as f64 + n as f64 * 0.5,
        flux: match (tower + n) % 5 {
            0 => None,
            1 => Some(f64::NAN),
            _ => Some(n as f64 * 0.25),
        },
        level: n,
        haze: if n % 3 == 0 { f64::NAN } else { n as f64 },
    };
    let gauge = |tower: i64, n: i64| Gauge {
        time: 40_000.0 + n as f64,
        value: if n % 4 == 3 { f64::NAN } else { (tower * 100 + n) as f64 },
        raw: n * 11 - 5,
    };
    let make = |at: i64| {
        let id = at + 1;
        let (tower, turn, version) = (id % 7, id / 7, version(id));
        let seen = match id % 11 {
            3 => None,
            4 => Some(Vec::new()),
            // What a writer would not do, but could: out of order, and one record twice.
            5 => Some([4, 1, 1, 0].map(|n| sight(tower, n)).to_vec()),
            _ => Some((0..turn % 40).map(|n| sight(tower, n)).collect()),
        };
        let gauged = match id % 13 {
            2 if version == 2 => None,
            3 => Some(Vec::new()),
            _ => Some((turn % 30 / 3..turn % 30).map(|n| gauge(tower, n)).collect()),
        };
        let (tower, height) = ((id % 17 != 0).then_some(tower), (id % 3 == 0).then_some(id as f64 + 0.5));
        Beacon { version, id, closed: id % 4 == 0, tower, seen, gauged, height }
    };
    (0..count).map(make).collect()
}
