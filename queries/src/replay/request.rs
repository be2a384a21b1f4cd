//! What is asked for: the JSON of `docs/replay.md`.

use std::collections::BTreeMap;

use chrono::DateTime;
use noctuary_engine::EngineError;
use noctuary_packet::time::{MjdTai, Night};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// A replay, as it was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// Whose alerts; of the only survey that has some if empty.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub survey: Vec<String>,
    /// Nights and ranges of them; all if empty.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub nights: Vec<Nights>,
    /// Not before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Moment>,
    /// Before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Moment>,
    /// The first visit, by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_visit: Option<i64>,
    /// The last visit, by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_visit: Option<i64>,
    /// A condition in SQL.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// Where in the sky.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Of these objects only; of all if empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<Object>,
    /// The version: its number, a tag or a time.
    #[serde(deserialize_with = "text_or_number", skip_serializing_if = "Option::is_none")]
    pub as_of: Option<String>,
    /// What is given of a packet.
    pub shape: Shape,
    /// With the history.
    pub history: bool,
    /// With forced photometry.
    pub forced: bool,
    /// With images.
    pub cutouts: bool,
    /// Chosen fields or columns.
    #[serde(deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// So many times the speed of the night; as fast as it goes if `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pace: Option<f64>,
    /// When the first visit is due; RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begin: Option<String>,
    /// Packets in a chunk, about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk: Option<u64>,
    /// Seconds that tickets are good for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            survey: Vec::new(),
            nights: Vec::new(),
            from: None,
            to: None,
            from_visit: None,
            to_visit: None,
            condition: None,
            region: None,
            objects: Vec::new(),
            as_of: None,
            shape: Shape::Packets,
            history: true,
            forced: true,
            cutouts: false,
            fields: Vec::new(),
            pace: None,
            begin: None,
            chunk: None,
            expires_in: None,
        }
    }
}

/// What is given of a packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// The bytes that were transmitted.
    #[default]
    Packets,
    /// Columns in the packet's own shape.
    Alerts,
    /// The trigger, flat.
    Sources,
    /// An Avro datum of chosen fields.
    Slim,
}

impl Shape {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Alerts => "alerts",
            Self::Sources => "sources",
            Self::Slim => "slim",
        }
    }

    /// Packets in a chunk if nobody says.
    pub(super) fn chunk(self) -> u64 {
        if self == Self::Sources { 100_000 } else { 5_000 }
    }
}

/// Nights from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nights {
    /// The first.
    pub first: Night,
    /// The last.
    pub last: Night,
}

impl std::str::FromStr for Nights {
    type Err = EngineError;

    /// Reads `2026-11-09`, `20261109` or `2026-11-09..2026-11-20`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let night = |text: &str| text.trim().parse::<Night>().map_err(|e| EngineError::invalid(e.to_string()));
        let nights = Self { first: night(first)?, last: night(last)? };
        if nights.last < nights.first {
            return Err(EngineError::invalid(format!("{text:?} ends before it begins; write the earlier night first")));
        }
        Ok(nights)
    }
}

impl<'de> Deserialize<'de> for Nights {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Nights {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{}..{}", self.first, self.last))
    }
}

/// A time, MJD TAI.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment(pub f64);

impl std::str::FromStr for Moment {
    type Err = EngineError;

    /// Reads a time of RFC 3339, or a number of days.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.trim().parse::<f64>().ok().filter(|days| days.is_finite());
        let moment = number.or_else(|| Some(MjdTai::from_unix(unix(text)?).0));
        moment.map(Self).ok_or_else(|| {
            EngineError::invalid(format!(
                "{text:?} is no time; write 2026-11-10T03:00:00Z, or an MJD TAI such as 61354.125"
            ))
        })
    }
}

/// Seconds since 1970 of a time of RFC 3339.
pub(super) fn unix(text: &str) -> Option<f64> {
    let time = DateTime::parse_from_rfc3339(text.trim()).ok()?;
    Some(time.timestamp() as f64 + f64::from(time.timestamp_subsec_nanos()) / 1e9)
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::Number(days) => days.as_f64().map(Self).ok_or_else(|| D::Error::custom("no time")),
            Value::String(text) => text.parse().map_err(D::Error::custom),
            other => Err(D::Error::custom(format!("{other} is no time; write 2026-11-10T03:00:00Z, or an MJD TAI"))),
        }
    }
}

impl Serialize for Moment {
    /// As text, which reads back to the last bit.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

/// A condition of all surveys, or of each its own.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Condition {
    /// Of all.
    All(String),
    /// By survey.
    Each(BTreeMap<String, String>),
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(text) => Ok(Self::All(text)),
            Value::Object(each) => {
                let texts = each.into_iter().map(|(survey, text)| match text {
                    Value::String(text) => Ok((survey, text)),
                    other => Err(D::Error::custom(format!("the condition of {survey:?} is {other}, and no text"))),
                });
                Ok(Self::Each(texts.collect::<Result<_, _>>()?))
            }
            other => {
                Err(D::Error::custom(format!("{other} is no condition; write a text such as \"diaSource.snr > 10\"")))
            }
        }
    }
}

/// A part of the sky: degrees, ICRS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Region {
    /// Within a radius of a point.
    Circle {
        /// Of the middle.
        ra: f64,
        /// Of the middle.
        dec: f64,
        /// 0 or more.
        radius: f64,
    },
    /// From west to east and from south to north.
    Box {
        /// West and east.
        ra: [f64; 2],
        /// South and north.
        dec: [f64; 2],
    },
    /// Right ascension and declination of each vertex, three or more.
    Polygon(Vec<[f64; 2]>),
    /// A coverage map, MOC 2.0 as ASCII or JSON.
    Moc(String),
}

/// The id of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Object {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Value::deserialize(from)? {
            Value::String(text) => Ok(Self::Text(text)),
            // Ids never pass through a float.
            Value::Number(number) if number.is_i64() => Ok(Self::Number(number.as_i64().unwrap_or_default())),
            other => Err(D::Error::custom(format!("{other} is no id of an object; ids are whole numbers or texts"))),
        }
    }
}

/// A list, or the one item of it.
fn one_or_many<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let items = match Value::deserialize(from)? {
        Value::Array(items) => items,
        one => vec![one],
    };
    items.into_iter().map(|item| serde_json::from_value(item).map_err(D::Error::custom)).collect()
}

fn text_or_number<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    match Option::<Value>::deserialize(from)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(D::Error::custom(format!("{other} is no version; write its number, a tag or a time"))),
    }
}

/// Thirty days.
const LONGEST: u64 = 2_592_000;
/// Seven days.
const USUAL: u64 = 604_800;

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// [`noctuary_engine::ErrorKind::Invalid`] with what to change.
    pub fn parse(json: &str) -> Result<Self, EngineError> {
        let wrong = |e: serde_json::Error| EngineError::invalid(format!("the replay that is asked for: {e}"));
        let value: Value = serde_json::from_str(json).map_err(wrong)?;
        if !value.is_object() {
            return Err(EngineError::invalid(format!(
                "the replay that is asked for is {value}; write an object, as {{\"nights\": \"2026-11-09\"}}"
            )));
        }
        let request: Self = serde_json::from_value(value).map_err(wrong)?;
        request.check()?;
        Ok(request)
    }

    /// The same as text, which reads back as the same.
    ///
    /// # Errors
    /// Never, for what was read or checked.
    pub fn to_text(&self) -> Result<String, EngineError> {
        serde_json::to_string(self).map_err(|e| EngineError::invalid(format!("the replay cannot be written: {e}")))
    }

    /// Seconds that tickets are good for.
    #[must_use]
    pub fn lifetime(&self) -> u64 {
        self.expires_in.unwrap_or(USUAL)
    }

    /// Checks what can be checked without an archive.
    ///
    /// # Errors
    /// [`noctuary_engine::ErrorKind::Invalid`] with what to change.
    pub fn check(&self) -> Result<(), EngineError> {
        let invalid = |what: String| Err(EngineError::invalid(what));
        if let Some(pace) = self.pace
            && !(pace > 0.0 && pace.is_finite())
        {
            return invalid(format!(
                "a pace of {pace}: write a number above 0, 1 for that of the night, or leave it out"
            ));
        }
        if let Some(begin) = &self.begin {
            if unix(begin).is_none() {
                return invalid(format!("begin: {begin:?} is no time; write it as 2026-12-01T20:00:00Z"));
            }
            if self.pace.is_none() {
                return invalid("begin has a meaning with a pace only: give a pace, such as 1".into());
            }
        }
        if self.chunk == Some(0) {
            return invalid("a chunk of no packets: write 1 or more".into());
        }
        if !(1..=LONGEST).contains(&self.lifetime()) {
            return invalid(format!("expires_in: write 1 to {LONGEST} seconds"));
        }
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from.0 >= to.0
        {
            return invalid(format!("from {} to {}: nothing lies between", from.0, to.0));
        }
        match self.shape {
            Shape::Slim if self.fields.is_empty() => {
                return invalid(
                    "slim packets need the fields to keep, such as [\"diaSourceId\", \"diaSource.psfFlux\"]".into(),
                );
            }
            Shape::Packets if !self.fields.is_empty() => {
                return invalid("packets have all of their fields; for some of them ask for the shape slim".into());
            }
            Shape::Alerts | Shape::Sources if self.survey.len() > 1 => {
                return invalid(format!(
                    "surveys have different columns: ask for {} of one survey at a time, or for packets",
                    self.shape.name()
                ));
            }
            _ => {}
        }
        if self.cutouts && self.shape != Shape::Alerts {
            return invalid("cutouts are given with alerts; packets have them anyway".into());
        }
        match &self.region {
            Some(Region::Polygon(vertices)) if vertices.len() < 3 => {
                invalid("a polygon has three vertices or more: [[ra, dec], [ra, dec], [ra, dec]]".into())
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_back_to_the_last_bit() {
        let text = r#"{"survey":"lsst","nights":["20261109","2026-11-11..2026-11-20"],"from":"2026-11-10T03:00:00.1Z",
            "to":61400.1,"from_visit":2026110900012,"where":{"lsst":"diaSource.snr > 10"},
            "region":{"circle":{"ra":150.1,"dec":2.2,"radius":1.5}},"objects":[170239611403501617,"ZTF18abc"],"as_of":7,
            "shape":"slim","fields":"diaSourceId","pace":1,"begin":"2026-12-01T20:00:00Z","chunk":10}"#;
        let request = Request::parse(text).unwrap();
        assert_eq!(request.objects[0], Object::Number(170_239_611_403_501_617));
        assert_eq!(request.as_of.as_deref(), Some("7"));
        assert_eq!(request.nights[0], "2026-11-09..2026-11-09".parse().unwrap());
        let again = Request::parse(&request.to_text().unwrap()).unwrap();
        assert_eq!(again, request);
        let Moment(from) = request.from.unwrap();
        // 37 s behind UTC.
        assert!((from - (61_354.125 + 37.1 / 86_400.0)).abs() < 1e-9, "{from}");
        assert_eq!(Request::parse("{}").unwrap(), Request::default());
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_to_do() {
        for (text, told) in [
            ("", "EOF"),
            ("[]", "replay"),
            (r#"{"nihgts":"2026-11-09"}"#, "nihgts"),
            (r#"{"nights":"last"}"#, "2026-04-07"),
            (r#"{"nights":"2026-11-10..2026-11-09"}"#, "earlier night first"),
            (r#"{"pace":0}"#, "above 0"),
            (r#"{"pace":-1}"#, "above 0"),
            (r#"{"begin":"2026-12-01T20:00:00Z"}"#, "pace"),
            (r#"{"pace":1,"begin":"soon"}"#, "2026-12-01"),
            (r#"{"from":"yesterday"}"#, "MJD TAI"),
            (r#"{"from":61000,"to":61000}"#, "nothing lies between"),
            (r#"{"where":7}"#, "condition"),
            (r#"{"region":{"ellipse":{}}}"#, "circle"),
            (r#"{"region":{"circle":{"ra":1,"dec":2}}}"#, "radius"),
            (r#"{"region":{"polygon":[[1,2],[3,4]]}}"#, "three"),
            (r#"{"objects":[1.5]}"#, "whole numbers"),
            (r#"{"shape":"frames"}"#, "packets"),
            (r#"{"shape":"slim"}"#, "fields"),
            (r#"{"fields":["diaSource"]}"#, "slim"),
            (r#"{"shape":"alerts","survey":["lsst","ztf"]}"#, "one survey"),
            (r#"{"cutouts":true}"#, "alerts"),
            (r#"{"chunk":0}"#, "1 or more"),
            (r#"{"expires_in":99999999}"#, "2592000"),
        ] {
            let refused = Request::parse(text).unwrap_err().to_string();
            assert!(refused.contains(told), "{text}: {refused}");
        }
    }
}
