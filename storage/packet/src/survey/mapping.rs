//! The mapping file of a survey.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::schema::{NodeId, Schema, Shape};
use crate::time::{JD_LESS_MJD, MJD_OF_UNIX_EPOCH, MjdTai, SECONDS_PER_DAY};

/// Why a mapping file was refused.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// Not TOML, or not the fields of a mapping.
    #[error("not a survey mapping: {0}")]
    Toml(#[from] toml::de::Error),
    /// Readable, but not usable.
    #[error("survey mapping {survey:?}: {detail}")]
    Invalid {
        /// Its name.
        survey: String,
        /// What to change.
        detail: String,
    },
}

/// A survey, described as data. Paths are dotted (`diaSource.ra`); a path through a list means every element. Where
/// several paths are given, the first that a schema has is used, so that one file serves all versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survey {
    /// Short name: the SQL schema, lower-case letters, digits and `_`.
    pub name: String,
    /// Full name.
    pub title: String,
    /// What makes a schema one of this survey.
    pub recognise: Vec<Recognise>,
    /// Ids.
    pub ids: Ids,
    /// Where in the sky.
    #[serde(default)]
    pub position: Position,
    /// When.
    #[serde(default)]
    pub time: Time,
    /// Which exposure.
    #[serde(default)]
    pub exposure: Exposure,
    /// Which night.
    pub night: NightRule,
    /// The records inside.
    #[serde(default)]
    pub records: Records,
    /// What makes a light curve.
    pub photometry: Option<Photometry>,
    /// The images.
    #[serde(default)]
    pub cutouts: Vec<Cutout>,
    /// Tables that go by the survey's own names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<NamedTable>,
    /// Who may see a packet.
    pub rights: Rights,
}

/// A schema that has all of these fields is the survey's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recognise {
    /// Paths.
    pub fields: Vec<String>,
}

/// Ids: whole numbers or text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ids {
    /// Id of the alert; never null.
    pub alert: Vec<String>,
    /// Id of the object; may be null.
    #[serde(default)]
    pub object: Vec<String>,
    /// Pairs of fields that hold the same value in every valid packet.
    #[serde(default)]
    pub repeats: Vec<[String; 2]>,
}

/// Right ascension and declination, ICRS, degrees.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// 0 <= ra < 360.
    pub ra: Vec<String>,
    /// -90 <= dec <= 90.
    pub dec: Vec<String>,
}

/// Time of the observation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// Paths.
    pub field: Vec<String>,
    /// How it is counted.
    pub form: TimeForm,
    /// Which clock.
    pub scale: TimeScale,
}

/// How a time is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeForm {
    /// Modified Julian date: days since 1858-11-17 00:00.
    #[default]
    Mjd,
    /// Julian date: days since -4712-01-01 12:00.
    Jd,
    /// Seconds since 1970-01-01 00:00.
    Unix,
    /// Microseconds since 1970-01-01 00:00, as in a `timestamp-micros`.
    Micros,
}

/// Which clock a time is read from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeScale {
    /// Coordinated universal time.
    #[default]
    Utc,
    /// International atomic time.
    Tai,
}

/// Visit and detector: what was exposed together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exposure {
    /// A number for the exposure.
    #[serde(default)]
    pub visit: Vec<String>,
    /// The number of the exposure is that of the field divided by this: some surveys append digits for the detector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visit_divisor: Option<NonZeroU32>,
    /// A number for the detector or readout channel.
    #[serde(default)]
    pub detector: Vec<String>,
}

/// The night of a time is the date of (UTC + offset), so that it changes at noon at the telescope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NightRule {
    /// Hours to add to UTC, -36 to 36.
    pub utc_offset_hours: f64,
}

/// Where the records lie.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Records {
    /// The source that caused the alert.
    #[serde(default)]
    pub trigger: Vec<String>,
    /// Earlier sources.
    #[serde(default)]
    pub history: Vec<String>,
    /// Forced photometry.
    #[serde(default)]
    pub forced: Vec<String>,
    /// The object.
    #[serde(default)]
    pub object: Vec<String>,
    /// Records of a body of the Solar System: not one of several, but each that a schema has.
    #[serde(default)]
    pub solar: Vec<String>,
}

/// Names of the fields, in the trigger and in history alike, that make a light curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Photometry {
    /// Time.
    pub time: String,
    /// Flux or magnitude.
    pub value: String,
    /// Its standard error.
    pub error: String,
    /// Band or filter.
    pub band: String,
    /// How bright something would have had to be to be seen, in the unit of the value.
    #[serde(default)]
    pub limit: Option<String>,
    /// Values that stand for one that is missing.
    #[serde(default)]
    pub missing: Vec<f64>,
    /// What is called otherwise in forced photometry.
    #[serde(default)]
    pub forced: ForcedPhotometry,
}

/// Names of the fields of forced photometry; those that are left out are called as elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForcedPhotometry {
    /// Time.
    pub time: Option<String>,
    /// Flux or magnitude.
    pub value: Option<String>,
    /// Its standard error.
    pub error: Option<String>,
    /// Band or filter.
    pub band: Option<String>,
    /// How bright something would have had to be to be seen.
    pub limit: Option<String>,
    /// The magnitude of a flux of 1: of a survey whose other values are magnitudes, while these are fluxes.
    pub zero_point: Option<String>,
    /// Values that stand for one that is missing.
    #[serde(default)]
    pub missing: Vec<f64>,
}

/// A table that goes by the survey's own name, so that questions written for the survey's own database need no change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedTable {
    /// Its name, as the survey writes it.
    pub name: String,
    /// What its rows are.
    pub rows: RowsAre,
    /// Where the record of alerts lies whose fields are the columns; for rows of alerts only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub record: Vec<String>,
    /// The field of a row that tells it from all others; of rows that share it the latest is shown. Without it every row
    /// is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// What the survey calls the object of a row, where the row itself does not say it: a column beside `_object`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// What the rows of a [`NamedTable`] are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowsAre {
    /// Records of triggers and of histories.
    Sources,
    /// Records of triggers.
    Triggers,
    /// Records of histories.
    History,
    /// Forced photometry.
    Forced,
    /// A record of alerts.
    Alerts,
}

/// Tables that every survey has, or may have.
const COMMON_TABLES: [&str; 5] = ["alerts", "sources", "forced", "objects", "ssobjects"];

/// An image inside the packet: FITS, plain or gzip'd.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cutout {
    /// What it shows: `difference`, `science`, `template`.
    pub kind: String,
    /// Path of the bytes.
    pub field: String,
}

/// Labels from the most public to the most restricted, and the fields that choose among them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rights {
    /// Labels; the first is what everybody may see.
    pub levels: Vec<String>,
    /// Fields whose values choose a label, in the trigger and in the records that come with it.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Label of each value. A value that is not listed is as restricted as can be, and so is a packet in which none
    /// of the fields is found.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}

impl Time {
    /// A value of the field as modified Julian date in TAI.
    #[must_use]
    pub fn to_mjd_tai(&self, value: f64) -> MjdTai {
        let mjd = match self.form {
            TimeForm::Mjd => value,
            TimeForm::Jd => value - JD_LESS_MJD,
            TimeForm::Unix => value / SECONDS_PER_DAY + MJD_OF_UNIX_EPOCH,
            TimeForm::Micros => value / 1e6 / SECONDS_PER_DAY + MJD_OF_UNIX_EPOCH,
        };
        match self.scale {
            TimeScale::Tai => MjdTai(mjd),
            TimeScale::Utc => MjdTai::from_utc(mjd),
        }
    }
}

impl Exposure {
    /// The number of the exposure, by what its field says.
    pub(super) fn visit_of(&self, number: i64) -> i64 {
        self.visit_divisor.map_or(number, |divisor| number.div_euclid(divisor.get().into()))
    }
}

impl Survey {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// [`MappingError`] with what to change.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let survey: Self = toml::from_str(text)?;
        survey.check()?;
        Ok(survey)
    }

    fn check(&self) -> Result<(), MappingError> {
        let invalid = |detail: String| Err(MappingError::Invalid { survey: self.name.clone(), detail });
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let taken = ["archive", "information_schema", "temp"];
        if self.name.is_empty() || !self.name.chars().all(word) || taken.contains(&self.name.as_str()) {
            return invalid(format!("the name must be lower-case letters, digits and _, and none of {taken:?}"));
        }
        if self.recognise.is_empty() || self.recognise.iter().any(|r| r.fields.is_empty()) {
            return invalid("[[recognise]] needs at least one field".into());
        }
        if self.ids.alert.is_empty() {
            return invalid("ids.alert needs at least one field".into());
        }
        if !(-36.0..=36.0).contains(&self.night.utc_offset_hours) {
            return invalid("night.utc_offset_hours must lie between -36 and 36".into());
        }
        self.check_tables()?;
        let levels = &self.rights.levels;
        if levels.first().is_none_or(|first| first != "public") || levels.len() > 100 {
            return invalid("rights.levels needs one to a hundred labels, of which the first is \"public\"".into());
        }
        let label = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if let Some(bad) = levels.iter().find(|l| l.is_empty() || *l == "all" || !l.chars().all(label)) {
            return invalid(format!("rights.levels has {bad:?}; labels are letters, digits, _ and -, and not \"all\""));
        }
        if let Some(label) = self.rights.values.values().find(|l| !self.rights.levels.contains(l)) {
            return invalid(format!("rights.values uses {label:?}, which is not one of rights.levels"));
        }
        Ok(())
    }

    fn check_tables(&self) -> Result<(), MappingError> {
        let invalid = |detail: String| Err(MappingError::Invalid { survey: self.name.clone(), detail });
        for (at, table) in self.tables.iter().enumerate() {
            let name = &table.name;
            let lower = name.to_lowercase();
            // A survey whose packets have no record of objects may call its own table so.
            let common =
                COMMON_TABLES.contains(&lower.as_str()) && (lower != "objects" || !self.records.object.is_empty());
            let twice = self.tables.iter().take(at).any(|other| other.name.to_lowercase() == lower);
            if common || twice {
                return invalid(format!("tables has {name:?}, of which there is one already"));
            }
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return invalid(format!("tables has {name:?}; names of tables are letters, digits and _"));
            }
            if table.record.is_empty() == (table.rows == RowsAre::Alerts) {
                return invalid(format!("table {name:?} needs a record if its rows are of alerts, and only then"));
            }
        }
        Ok(())
    }

    /// True if a schema is one of this survey's.
    #[must_use]
    pub fn recognises(&self, schema: &Schema) -> bool {
        self.recognise.iter().any(|r| r.fields.iter().all(|f| schema.find(f).is_some()))
            && first(schema, &self.ids.alert).is_some()
    }

    /// The nodes of the cutouts that a schema has, by kind.
    #[must_use]
    pub fn cutout_nodes(&self, schema: &Schema) -> Vec<(String, NodeId)> {
        self.cutouts
            .iter()
            .filter_map(|c| {
                let node = schema.find(&c.field)?;
                matches!(schema.node(node).shape, Shape::Bytes | Shape::Fixed(_)).then(|| (c.kind.clone(), node))
            })
            .collect()
    }
}

/// The first of several paths that a schema has.
pub(super) fn first(schema: &Schema, paths: &[String]) -> Option<NodeId> {
    paths.iter().find_map(|p| schema.find(p))
}

/// The most public label first: how restricted a value is.
impl Rights {
    /// Rank of a value of one of the `fields`; 0 is the most public.
    #[must_use]
    pub fn rank(&self, value: &str) -> u8 {
        let most = self.levels.len() - 1;
        let rank = self.values.get(value).and_then(|label| self.levels.iter().position(|l| l == label)).unwrap_or(most);
        u8::try_from(rank).unwrap_or(u8::MAX)
    }

    /// The label of a rank.
    #[must_use]
    pub fn label(&self, rank: u8) -> &str {
        let last = self.levels.len() - 1;
        &self.levels[usize::from(rank).min(last)]
    }
}
