//! Packets of the Zwicky Transient Facility: Avro files of one alert each.
//!
//! The sky is that of the other surveys, seen through a smaller telescope. The history of a packet holds every
//! exposure of the place within 30 days, as a detection or as the limit to which nothing was seen. A detection is
//! written in three ways: with all digits where it is the trigger, with six digits and 't' or 'f' for its sign in later
//! packets, and with '1' or '0' in later packets of the same night.

mod digits;
mod exposure;
mod found;
mod maker;
mod name;
mod records;
mod scene;
mod schema;
mod stamps;
mod writer;

use std::sync::Arc;

use crate::plan::SimulationError;
use crate::press::{Maker, Press};
use crate::queue::Due;
use crate::schedule::{Cadence, visits_before};
use crate::world::World;

/// Nights before the first in which the telescope looked.
const PAST_NIGHTS: u32 = 90;

/// What makes ZTF packets.
pub(crate) struct ZtfPress {
    writer: Arc<writer::FileWriter>,
}

impl ZtfPress {
    /// For the schema that the plan asks for. Gives the world a past: a visit to each field in a clear night.
    pub(crate) fn new(world: &mut World) -> Result<Self, SimulationError> {
        let version = world.plan.schema();
        let writer = writer::FileWriter::new(version).ok_or_else(|| SimulationError::NoSchema(version.to_owned()))?;
        let cadence = Cadence::new(1, PAST_NIGHTS, world.plan.fields);
        world.set_past(visits_before(world.telescope, &world.plan, world.first_night, cadence));
        Ok(Self { writer: Arc::new(writer) })
    }
}

impl Press for ZtfPress {
    fn maker(&self, world: &World) -> Box<dyn Maker> {
        Box::new(maker::ZtfMaker::new(world, Arc::clone(&self.writer)))
    }

    fn schema_json(&self) -> &str {
        self.writer.schema().json()
    }

    fn object_id(&self, world: &World, visit: u32, due: &Due, first: u32) -> Option<i64> {
        Some(maker::object_id(world, due.subject, visit, first))
    }

    fn object_name(&self, id: i64) -> Option<String> {
        Some(name::name(id))
    }
}
