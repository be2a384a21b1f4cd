//! Packets one after the other, in the order in which they would arrive.

use std::sync::Arc;

use crate::press::{Maker, Press, SimulatedPacket};
use crate::queue::Queue;
use crate::world::World;

/// Packets in the order of visits, within a visit of detectors, within a detector of ids, but for those that arrive
/// late or again. Made as they are asked for, on the thread that asks.
pub struct Packets {
    world: Arc<World>,
    queue: Queue,
    maker: Box<dyn Maker>,
    /// Packets to come, where that is known.
    left: Option<u64>,
}

impl Packets {
    pub(crate) fn new(world: Arc<World>, press: &dyn Press) -> Self {
        let left = crate::total(&world);
        Self { queue: Queue::new(&world), maker: press.maker(&world), left, world }
    }
}

impl Iterator for Packets {
    type Item = SimulatedPacket;

    fn next(&mut self) -> Option<SimulatedPacket> {
        let sending = self.queue.next(&self.world)?;
        self.left = self.left.map(|left| left.saturating_sub(1));
        Some(self.maker.packet(&self.world, &sending))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.left.and_then(|left| usize::try_from(left).ok());
        (left.unwrap_or(0), left)
    }
}

impl std::fmt::Debug for Packets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packets").field("left", &self.left).finish_non_exhaustive()
    }
}
