//! The seam between the sky and the packets of a survey.

use crate::objects::TrueClass;
use crate::plan::{SimulationError, Survey};
use crate::queue::{Delivery, Due, Sending};
use crate::world::World;

/// A packet, and the truth about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedPacket {
    /// As transmitted: for LSST a Confluent frame and an Avro datum, for ZTF an Avro file of one record.
    pub bytes: Vec<u8>,
    /// Id of the alert: for LSST `diaSourceId` of the trigger, for ZTF `candid`.
    pub alert_id: i64,
    /// Id of the object: for LSST `diaObjectId`, which bodies of the solar system do not have; for ZTF the two digits and
    /// seven letters of `objectId`, the letters as digits to the base 26.
    pub object_id: Option<i64>,
    /// `yyyymmdd` of the evening on which it was observed.
    pub night: i32,
    /// The survey's number of the visit, for LSST `yyyymmddnnnnn`.
    pub visit: i64,
    /// The survey's number of the detector, for LSST 0 to 188; for ZTF that of the readout channel, 0 to 63.
    pub detector: i32,
    /// What it really is.
    pub class: TrueClass,
    /// Why it arrives when it does.
    pub delivery: Delivery,
    /// `yyyymmdd` of the night and number of the visit during which it arrives: its own, or later ones.
    pub arrival_night: i32,
    /// See `arrival_night`.
    pub arrival_visit: i64,
    /// What it is damaged by, if it is.
    pub damage: Option<crate::hostile::Kind>,
}

/// Makes packets of one survey. Shared by threads.
pub(crate) trait Press: Send + Sync {
    /// What one thread makes packets with.
    fn maker(&self, world: &World) -> Box<dyn Maker>;
    /// The schema of its datums, as the header of a container has it.
    fn schema_json(&self) -> &str;
    /// The number that packets give to the object of an alert of a visit, if they give it one. `first` is the visit in
    /// which an object was first detected.
    fn object_id(&self, world: &World, visit: u32, due: &Due, first: u32) -> Option<i64>;
    /// What packets call the object of a number, where they do not give the number itself.
    fn object_name(&self, id: i64) -> Option<String>;
}

/// Makes one packet after the other. What it makes depends on nothing but what it is asked for.
pub(crate) trait Maker: Send {
    /// The packet, as it was meant to be sent.
    fn packet(&mut self, world: &World, sending: &Sending) -> SimulatedPacket;
}

/// The press of the plan's survey; gives the world its past.
pub(crate) fn press(world: &mut World) -> Result<Box<dyn Press>, SimulationError> {
    match world.plan.survey {
        Survey::Lsst => Ok(Box::new(crate::lsst::LsstPress::new(world)?)),
        Survey::Ztf => Ok(Box::new(crate::ztf::ZtfPress::new(world)?)),
    }
}
