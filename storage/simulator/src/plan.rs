//! What is to be simulated, as plain data.

use serde::{Deserialize, Serialize};

use crate::calendar::{MAX_COUNTER, NightOf};

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
    /// Everything follows from it.
    pub seed: u64,
    /// How many nights, 1 to 366. There is alert history from before the first.
    pub nights: u32,
    /// The date on which the first night begins, as `yyyymmdd`, from 2011 to 2089.
    pub first_night: i32,
    /// Visits in a night, 1 to 1,000, one every 39 seconds.
    pub visits_per_night: u32,
    /// Alerts in a visit, 1 to 100,000; each visit has exactly this many.
    pub alerts_per_visit: u32,
    /// Objects on the sky beyond the solar system, 1 to 2,000,000, shared evenly among the fields. Memory grows with
    /// it, not with the number of packets.
    pub objects: u32,
    /// Pointings of the telescope, 1 to 1,000. Each is visited twice, then comes the next.
    pub fields: u32,
    /// Mean size of a packet in bytes, reached to a few per cent through the length of history and, below 250,000,
    /// smaller star images in the cutouts. Without it, objects have a year of history with one visit in a clear night.
    /// What the simulated nights themselves add is allowed for, but cannot be taken away: ask for no less than the
    /// mean of the last night would be if many visits went to few fields.
    pub packet_bytes: Option<u32>,
    /// Share of alerts that are solar-system bodies, 0 to 1.
    pub solar_system_share: f64,
    /// Share of alerts that are artefacts of the image, 0 to 1; the two shares together are at most 1.
    pub bogus_share: f64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            nights: 3,
            first_night: 20_261_109,
            visits_per_night: 40,
            alerts_per_visit: 25,
            objects: 400,
            fields: 4,
            packet_bytes: None,
            solar_system_share: 0.1,
            bogus_share: 0.08,
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
    NoSchema(&'static str),
}

impl Plan {
    /// Checks every range.
    ///
    /// # Errors
    /// [`SimulationError::OutOfRange`] names the first field that is out of its range.
    pub fn check(&self) -> Result<(), SimulationError> {
        within("nights", self.nights, 1, 366, "1 to 366")?;
        within("visits_per_night", self.visits_per_night, 1, 1_000, "1 to 1000")?;
        within("alerts_per_visit", self.alerts_per_visit, 1, 100_000, "1 to 100000")?;
        within("objects", self.objects, 1, 2_000_000, "1 to 2000000")?;
        within("fields", self.fields, 1, 1_000, "1 to 1000")?;
        let out = |field, value: String, range| Err(SimulationError::OutOfRange { field, value, range });
        // Objects, bodies and artefacts each have running numbers of their own.
        let numbers = self.objects.div_ceil(self.fields) + 3 * self.alerts_per_visit + 8;
        if numbers > MAX_COUNTER {
            return out(
                "objects",
                self.objects.to_string(),
                "few enough for 524287 running numbers in a field, three for each alert and one for each object",
            );
        }
        let year = self.first_night / 10_000;
        if NightOf::from_digits(self.first_night).is_none() || !(2011..2090).contains(&year) {
            return out("first_night", self.first_night.to_string(), "a date as yyyymmdd from 2011 to 2089");
        }
        for (field, share) in [("solar_system_share", self.solar_system_share), ("bogus_share", self.bogus_share)] {
            if !(0.0..=1.0).contains(&share) {
                return out(field, share.to_string(), "0 to 1");
            }
        }
        let both = self.solar_system_share + self.bogus_share;
        if both > 1.0 + 1e-9 {
            return out("solar_system_share + bogus_share", both.to_string(), "at most 1");
        }
        Ok(())
    }

    /// Number of packets that it makes.
    #[must_use]
    pub fn total(&self) -> u64 {
        u64::from(self.nights) * u64::from(self.visits_per_night) * u64::from(self.alerts_per_visit)
    }
}

fn within(field: &'static str, value: u32, low: u32, high: u32, range: &'static str) -> Result<(), SimulationError> {
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
            Plan { objects: 1_000_000, fields: 1, ..Plan::default() },
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
        assert!(serde_json::from_str::<Plan>(r#"{"sede": 9}"#).is_err());
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
