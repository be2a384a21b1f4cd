//! Invented nights of the Rubin Observatory: alert packets as they would be transmitted.
//!
//! From a seed comes a sky with variable stars, supernovae, flares, active nuclei, minor planets and artefacts; a
//! telescope that visits it; and the stream of LSST 11.1 packets that it would send, each a Confluent frame with its
//! Avro datum. One seed gives the same bytes on every machine. The packets are valid and behave like transmitted
//! ones: history repeats from packet to packet to the byte, lags by an hour and never holds its own trigger; unknown
//! numbers are NaN; the star images of a visit and detector are shared. See [`Plan`] for what can be chosen.
//!
//! ```
//! use noctuary_simulator::{Plan, Simulation};
//!
//! let plan = Plan { seed: 7, nights: 1, visits_per_night: 4, alerts_per_visit: 5, ..Plan::default() };
//! let simulation = Simulation::new(plan)?;
//! let packets: Vec<_> = simulation.packets().collect();
//! assert_eq!(packets.len() as u64, simulation.total());
//! for packet in &packets {
//!     assert_eq!(packet.bytes[..5], [0, 0, 0, 4, 77], "frame with schema id 1101");
//!     println!("{} {} {}", packet.alert_id, packet.class.as_str(), packet.bytes.len());
//! }
//! # Ok::<(), noctuary_simulator::SimulationError>(())
//! ```

mod alert;
mod avro;
mod bodies;
mod calendar;
mod calibrate;
mod camera;
mod cutout;
mod fits;
mod light;
mod maker;
mod objects;
mod orbit;
mod packets;
mod plan;
mod psf;
mod random;
mod records;
mod resampled;
mod selection;
mod solar_system;
mod source;
mod summary;
#[cfg(test)]
mod tests;
mod visits;
mod world;
mod ztf;

use std::sync::Arc;

pub use objects::TrueClass;
pub use packets::{Packets, SimulatedPacket};
pub use plan::{Plan, SimulationError};

/// A sky and its telescope, ready to send.
#[derive(Clone)]
pub struct Simulation {
    world: Arc<world::World>,
}

impl Simulation {
    /// Makes the sky and its past.
    ///
    /// # Errors
    /// [`SimulationError`] if a number of the plan is out of range, or if its packets cannot be as small as it asks.
    pub fn new(plan: Plan) -> Result<Self, SimulationError> {
        let mut world = world::World::without_past(&plan)?;
        calibrate::give_past(&mut world)?;
        Ok(Self { world: Arc::new(world) })
    }

    /// The packets from the first on, made as they are asked for. Every call starts anew with the same bytes.
    #[must_use]
    pub fn packets(&self) -> Packets {
        Packets::new(Arc::clone(&self.world))
    }

    /// How many packets there are.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.world.plan.total()
    }

    /// What is simulated.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.world.plan
    }
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation").field("plan", &self.world.plan).finish_non_exhaustive()
    }
}
