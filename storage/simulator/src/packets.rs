//! Packets one after the other, in the order in which they would be sent.

use std::sync::Arc;

use crate::maker::Maker;
use crate::objects::TrueClass;
use crate::world::World;

/// A packet, and the truth about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedPacket {
    /// As transmitted: Confluent frame and Avro datum.
    pub bytes: Vec<u8>,
    /// `diaSourceId` of the trigger.
    pub alert_id: i64,
    /// `diaObjectId`; bodies of the solar system have none.
    pub object_id: Option<i64>,
    /// `yyyymmdd` of the evening.
    pub night: i32,
    /// The survey's number of the visit, `yyyymmddnnnnn`.
    pub visit: i64,
    /// 0 to 188.
    pub detector: i32,
    /// What it really is.
    pub class: TrueClass,
}

/// Packets in the order of visits, within a visit of detectors, within a detector of ids. Knows how many are left.
pub struct Packets {
    world: Arc<World>,
    maker: Maker,
    /// The next visit to open.
    visit: usize,
    left: u64,
}

impl Packets {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { maker: Maker::new(&world), visit: world.begin, left: world.plan.total(), world }
    }
}

impl Iterator for Packets {
    type Item = SimulatedPacket;

    fn next(&mut self) -> Option<SimulatedPacket> {
        loop {
            if let Some(packet) = self.maker.next(&self.world) {
                self.left = self.left.saturating_sub(1);
                return Some(packet);
            }
            if self.visit >= self.world.visits.len() {
                return None;
            }
            self.maker.open(&self.world, self.visit);
            self.visit += 1;
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left).ok();
        (left.unwrap_or(usize::MAX), left)
    }
}

impl ExactSizeIterator for Packets {}

impl std::fmt::Debug for Packets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packets").field("left", &self.left).finish_non_exhaustive()
    }
}
