//! Packets of the Rubin Observatory: what its pipeline measures, and the records that carry it.

mod alert;
mod calibrate;
mod maker;
mod passage;
mod records;
pub(crate) mod source;
mod summary;

use std::sync::Arc;

use noctuary_packet::schema::{Schema, known_schemas};

use crate::calendar::source_id;
use crate::plan::SimulationError;
use crate::press::{Maker, Press};
use crate::psf::PsfSize;
use crate::queue::Due;
use crate::selection::Subject;
use crate::world::World;

/// What makes LSST packets: a schema, and how large star images are in the cutouts.
pub(crate) struct LsstPress {
    pub(crate) writer: Arc<alert::AlertWriter>,
    pub(crate) psf: PsfSize,
    schema: Box<str>,
}

impl LsstPress {
    /// For the schema that the plan asks for, with a past that makes packets as large as it asks for.
    pub(crate) fn new(world: &mut World) -> Result<Self, SimulationError> {
        let mut press = Self::without_past(world)?;
        calibrate::give_past(world, &mut press)?;
        Ok(press)
    }

    /// For a telescope that saw nothing before the first night.
    pub(crate) fn without_past(world: &World) -> Result<Self, SimulationError> {
        let version = world.plan.schema();
        let known = known_schemas().iter().find(|(_, schema)| schema.version() == Some(version));
        let registered = known.and_then(|(id, schema)| Some(((*id)?, schema)));
        let press = registered.and_then(|(id, schema)| Self::of_schema(schema, id));
        press.ok_or_else(|| SimulationError::NoSchema(version.to_owned()))
    }

    /// For any schema of alerts, under the id that frames give it.
    pub(crate) fn of_schema(schema: &Schema, registry_id: u32) -> Option<Self> {
        let writer = Arc::new(alert::AlertWriter::new(schema, registry_id)?);
        Some(Self { writer, psf: PsfSize::Full, schema: schema.json().into() })
    }
}

impl Press for LsstPress {
    fn maker(&self, world: &World) -> Box<dyn Maker> {
        Box::new(maker::LsstMaker::new(world, self))
    }

    fn schema_json(&self) -> &str {
        &self.schema
    }

    fn object_id(&self, world: &World, visit: u32, due: &Due, first: u32) -> Option<i64> {
        let visit = &world.visits[visit as usize];
        match due.subject {
            Subject::Object(number) => Some(world.object_id(number, first)),
            Subject::Body(_) => None,
            Subject::Artefact(_) => Some(source_id(visit.night, visit.sequence, due.detector, due.counter)),
        }
    }

    fn object_name(&self, _: i64) -> Option<String> {
        None
    }
}
