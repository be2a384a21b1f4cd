//! What is to be simulated, as plain data.

use serde::{Deserialize, Serialize};

use crate::calendar::NightOf;
use crate::hostile::Kind;
use crate::random::{Purpose, Stream};
use crate::schedule::MOST_VISITS;
use crate::target::Target;
use crate::telescope::Telescope;

/// The surveys that can be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Survey {
    /// The Legacy Survey of Space and Time of the Vera C. Rubin Observatory.
    #[default]
    Lsst,
    /// The Zwicky Transient Facility.
    Ztf,
}

impl Survey {
    /// Every survey.
    pub const ALL: [Self; 2] = [Self::Lsst, Self::Ztf];

    /// Its name, as the archive has it: `lsst`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lsst => "lsst",
            Self::Ztf => "ztf",
        }
    }

    /// Versions of its packets that can be made, the newest last.
    #[must_use]
    pub fn schemas(self) -> &'static [&'static str] {
        match self {
            Self::Lsst => &["9.0", "10.0", "11.0", "11.1"],
            Self::Ztf => &["3.3", "4.02"],
        }
    }

    pub(crate) fn telescope(self) -> &'static Telescope {
        match self {
            Self::Lsst => &Telescope::LSST,
            Self::Ztf => &Telescope::ZTF,
        }
    }
}

/// What is to be simulated.
///
/// An object alerts about as often as it can if there are three to five times as many objects in a field as alerts in
/// a visit; with more objects than that, those that alert are drawn at random from those bright enough, and with
/// fewer, constant stars whose noise crosses the threshold make up the number.
///
/// ```
/// use noctuary_simulator::Plan;
///
/// let plan = Plan { nights: 1, ..Plan::default() };
/// assert!(plan.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// Whose telescope and packets.
    pub survey: Survey,
    /// Version of the packets, one of [`Survey::schemas`]. Without it, the newest.
    pub schema: Option<String>,
    /// Everything follows from it.
    pub seed: u64,
    /// How many nights, 1 to 366. There is alert history from before the first.
    pub nights: u32,
    /// The date on which the first night begins, as `yyyymmdd`, from 2011 to 2089.
    pub first_night: i32,
    /// Visits in a night that the weather spares, 1 to 1,000.
    pub visits_per_night: u32,
    /// Share of the visits that clouds take, 0 to 0.9: half of them by whole nights, half by hours.
    pub weather_loss: f64,
    /// Alerts in a visit, 1 to 100,000; each visit has exactly this many, unless the rate is natural.
    pub alerts_per_visit: u32,
    /// Lets everything alert that is detected, as many as there are: fields in the plane of the Galaxy send more.
    /// Bodies and artefacts come on top, in their shares.
    pub natural_rate: bool,
    /// Objects on the sky beyond the solar system, 1 to 2,000,000, shared among the fields as stars and galaxies are
    /// on the sky. Memory grows with it, not with the number of packets.
    pub objects: u32,
    /// Pointings of the telescope, 1 to 1,000. Up to 46 are gone through and then gone through again; then come others.
    pub fields: u32,
    /// Where the first of the fields are. The deep drilling fields follow, then places of the wide survey.
    pub targets: Vec<Target>,
    /// Degrees around the middle of a field within which its objects lie, 0.01 to the radius of the camera (1.35 for
    /// LSST), which it is without this. Crowds them: 0.1 puts the alerts of a visit on one detector of LSST or four,
    /// and in one HEALPix pixel of order 7 or four.
    pub field_radius: Option<f64>,
    /// Mean size of a packet in bytes, reached to a few per cent through the length of history and, below 250,000,
    /// smaller star images in the cutouts. Without it, objects have a year of history with one visit in a clear night.
    /// What the simulated nights themselves add is allowed for, but cannot be taken away: ask for no less than the
    /// mean of the last night would be if many visits went to few fields.
    pub packet_bytes: Option<u32>,
    /// Share of alerts that are solar-system bodies, 0 to 1.
    pub solar_system_share: f64,
    /// Share of alerts that are artefacts of the image, 0 to 1; the two shares together are at most 1.
    pub bogus_share: f64,
    /// Share of packets that arrive up to 40 visits late, 0 to 1.
    pub late_share: f64,
    /// Share of packets that arrive a second time, the same to the last byte, 0 to 1.
    pub duplicate_share: f64,
    /// Share of alerts of which a second packet with other contents arrives later, 0 to 1.
    pub revision_share: f64,
    /// Share of ZTF's exposures that are not public, 0 to 1: one half of the partnership, the other of Caltech. An
    /// object's history holds exposures of all three. LSST's packets are public.
    pub restricted_share: f64,
    /// What packets are damaged by, in turn. Without any, none is.
    pub hostile: Vec<Kind>,
    /// Share of packets that are damaged if `hostile` says how, 0 to 1.
    pub hostile_share: f64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            survey: Survey::Lsst,
            schema: None,
            seed: 1,
            nights: 3,
            first_night: 20_261_109,
            visits_per_night: 40,
            weather_loss: 0.0,
            alerts_per_visit: 25,
            natural_rate: false,
            objects: 400,
            fields: 4,
            targets: Vec::new(),
            field_radius: None,
            packet_bytes: None,
            solar_system_share: 0.1,
            bogus_share: 0.08,
            late_share: 0.0,
            duplicate_share: 0.0,
            revision_share: 0.0,
            restricted_share: 0.0,
            hostile: Vec::new(),
            hostile_share: 0.1,
        }
    }
}

/// Why nothing can be simulated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SimulationError {
    /// A number of the plan is out of its range: change it.
    #[error("{field} is {value}, but must be {range}")]
    OutOfRange {
        /// Name of the field of [`Plan`].
        field: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// Packets cannot be that small: ask for more, or leave the size open.
    #[error("packet_bytes is {wanted}, but cutouts and records alone make {smallest} bytes a packet")]
    TooSmall {
        /// What the plan asks for.
        wanted: u32,
        /// Mean size without any history.
        smallest: u32,
    },
    /// The packet schema is not there: a fault of the program, not of the plan.
    #[error("schema {0} is not among those that come with the program, or is not one of alerts")]
    NoSchema(String),
}

impl Plan {
    /// Checks every range.
    ///
    /// # Errors
    /// [`SimulationError::OutOfRange`] names the first field that is out of its range.
    pub fn check(&self) -> Result<(), SimulationError> {
        whole("nights", self.nights, 1, 366, "1 to 366")?;
        whole("visits_per_night", self.visits_per_night, 1, MOST_VISITS, "1 to 1000")?;
        whole("alerts_per_visit", self.alerts_per_visit, 1, 100_000, "1 to 100000")?;
        whole("objects", self.objects, 1, 2_000_000, "1 to 2000000")?;
        whole("fields", self.fields, 1, 1_000, "1 to 1000")?;
        let out = |field, value: String, range| Err(SimulationError::OutOfRange { field, value, range });
        if let Some(wanted) = self.schema.as_deref().filter(|s| !self.survey.schemas().contains(s)) {
            let versions = match self.survey {
                Survey::Lsst => "9.0, 10.0, 11.0 or 11.1",
                Survey::Ztf => "3.3 or 4.02",
            };
            return out("schema", wanted.to_owned(), versions);
        }
        let year = self.first_night / 10_000;
        if NightOf::from_digits(self.first_night).is_none() || !(2011..2090).contains(&year) {
            return out("first_night", self.first_night.to_string(), "a date as yyyymmdd from 2011 to 2089");
        }
        if let Some(target) = self.targets.iter().find(|t| !t.is_on_sky()) {
            return out(
                "targets",
                target.to_string(),
                "right ascensions from 0 to 360 and declinations from -90 to 90",
            );
        }
        if self.targets.len() > self.fields as usize {
            return out("targets", self.targets.len().to_string(), "no more than there are fields");
        }
        if let Some(bytes) = self.packet_bytes.filter(|_| self.survey == Survey::Ztf) {
            return out("packet_bytes", bytes.to_string(), "left open: packets of ZTF have the size that they have");
        }
        let radius = self.survey.telescope().camera.radius;
        if let Some(wanted) = self.field_radius.filter(|r| !(0.01..=radius).contains(r)) {
            return out("field_radius", wanted.to_string(), "0.01 to the radius of the camera");
        }
        if !(0.0..=0.9).contains(&self.weather_loss) {
            return out("weather_loss", self.weather_loss.to_string(), "0 to 0.9");
        }
        for (field, share) in [
            ("solar_system_share", self.solar_system_share),
            ("bogus_share", self.bogus_share),
            ("late_share", self.late_share),
            ("duplicate_share", self.duplicate_share),
            ("revision_share", self.revision_share),
            ("restricted_share", self.restricted_share),
            ("hostile_share", self.hostile_share),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return out(field, share.to_string(), "0 to 1");
            }
        }
        let both = self.solar_system_share + self.bogus_share;
        if both > 1.0 + 1e-9 {
            return out("solar_system_share + bogus_share", both.to_string(), "at most 1");
        }
        if self.natural_rate && both > 0.99 {
            return out("solar_system_share + bogus_share", both.to_string(), "at most 0.99 at the natural rate");
        }
        Ok(())
    }

    /// The version of its packets.
    #[must_use]
    pub fn schema(&self) -> &str {
        let newest = self.survey.schemas().last().copied().unwrap_or_default();
        self.schema.as_deref().unwrap_or(newest)
    }

    /// How many of `count` things in a visit have something that a share of all has: in the mean over many visits
    /// the share, whatever the rounding of one.
    pub(crate) fn part(&self, share: f64, count: usize, visit: i64, nth: u64) -> usize {
        if share <= 0.0 {
            return 0;
        }
        let chance = Stream::new(self.seed, Purpose::Delivery, visit as u64, nth).uniform();
        ((count as f64 * share + chance).floor() as usize).min(count)
    }
}

fn whole(field: &'static str, value: u32, low: u32, high: u32, range: &'static str) -> Result<(), SimulationError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(SimulationError::OutOfRange { field, value: value.to_string(), range })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_range_is_checked() {
        let wrong = [
            Plan { nights: 0, ..Plan::default() },
            Plan { visits_per_night: 1_001, ..Plan::default() },
            Plan { alerts_per_visit: 0, ..Plan::default() },
            Plan { objects: 0, ..Plan::default() },
            Plan { schema: Some("7.4".to_owned()), ..Plan::default() },
            Plan { targets: vec![Target { ra: 10.0, dec: -91.0 }], ..Plan::default() },
            Plan { targets: vec![Target { ra: 10.0, dec: 1.0 }; 5], ..Plan::default() },
            Plan { field_radius: Some(1.4), ..Plan::default() },
            Plan { weather_loss: 0.95, ..Plan::default() },
            Plan { late_share: -0.1, ..Plan::default() },
            Plan { natural_rate: true, solar_system_share: 0.5, bogus_share: 0.5, ..Plan::default() },
            Plan { fields: 0, ..Plan::default() },
            Plan { first_night: 20_260_230, ..Plan::default() },
            Plan { solar_system_share: f64::NAN, ..Plan::default() },
            Plan { solar_system_share: 0.7, bogus_share: 0.4, ..Plan::default() },
        ];
        for plan in wrong {
            assert!(matches!(plan.check(), Err(SimulationError::OutOfRange { .. })), "{plan:?}");
        }
    }

    #[test]
    fn plans_are_data() {
        let plan: Plan = serde_json::from_str(r#"{"seed": 9, "packet_bytes": 82000}"#).unwrap();
        assert_eq!(plan, Plan { seed: 9, packet_bytes: Some(82_000), ..Plan::default() });
        assert_eq!(plan.schema(), "11.1");
        assert!(serde_json::from_str::<Plan>(r#"{"sede": 9}"#).is_err());
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
