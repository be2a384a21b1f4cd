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

mod avro;
mod bodies;
mod calendar;
mod camera;
mod container;
mod cutout;
mod fields;
mod fits;
mod galaxy;
mod glance;
pub mod hostile;
mod labels;
mod light;
mod lsst;
mod objects;
mod orbit;
mod output;
mod packets;
mod plan;
mod press;
mod psf;
mod queue;
mod random;
mod resampled;
mod roll;
mod rows;
mod schedule;
mod selection;
mod target;
mod telescope;
#[cfg(test)]
mod tests;
mod visits;
mod world;
mod ztf;

use std::sync::Arc;

pub use labels::{Label, Labels};
pub use objects::TrueClass;
pub use output::{Form, Written};
pub use packets::Packets;
pub use plan::{Plan, SimulationError, Survey};
pub use press::SimulatedPacket;
pub use queue::Delivery;
pub use rows::{ObjectRows, RowBatch, Rows, SourceRows};
pub use target::{BadTarget, Target};

use press::Press;
use world::World;

/// A sky and its telescope, ready to send.
#[derive(Clone)]
pub struct Simulation {
    world: Arc<World>,
    press: Arc<dyn Press>,
}

impl Simulation {
    /// Makes the sky and its past.
    ///
    /// # Errors
    /// [`SimulationError`] if a number of the plan is out of range, or if its packets cannot be as small as it asks.
    pub fn new(plan: Plan) -> Result<Self, SimulationError> {
        let mut world = World::without_past(&plan)?;
        let press = press::press(&mut world)?;
        Ok(Self { world: Arc::new(world), press: press.into() })
    }

    /// The packets from the first on, made as they are asked for. Every call starts anew with the same bytes.
    #[must_use]
    pub fn packets(&self) -> Packets {
        Packets::new(Arc::clone(&self.world), &*self.press)
    }

    /// The same packets in the same order, made by so many threads ahead of those that are asked for. Needs memory
    /// for some fifty packets a thread.
    #[must_use]
    pub fn packets_on(&self, threads: usize) -> Packets {
        Packets::on_threads(Arc::clone(&self.world), &*self.press, threads)
    }

    /// The truth about each object, body and artefact that alerts. No packets are made for it.
    #[must_use]
    pub fn labels(&self) -> Labels {
        Labels::new(Arc::clone(&self.world), Arc::clone(&self.press))
    }

    /// The triggers of the packets that arrive on time or late, as flat rows in batches of this size. No packets are
    /// made for it.
    ///
    /// ```
    /// # use noctuary_simulator::{Plan, Simulation};
    /// let simulation = Simulation::new(Plan { nights: 1, visits_per_night: 4, ..Plan::default() })?;
    /// let batches: Vec<_> = simulation.rows(30).collect();
    /// assert_eq!(batches.iter().map(|b| b.sources.len()).collect::<Vec<_>>(), [30, 30, 30, 10]);
    /// assert!(!batches[0].objects.is_empty());
    /// # Ok::<(), noctuary_simulator::SimulationError>(())
    /// ```
    #[must_use]
    pub fn rows(&self, size: usize) -> Rows {
        Rows::new(Arc::clone(&self.world), Arc::clone(&self.press), size)
    }

    /// How many packets there are. At the natural rate this goes through all visits, which takes a moment.
    #[must_use]
    pub fn total(&self) -> u64 {
        total(&self.world).unwrap_or_else(|| {
            let mut queue = queue::Queue::new(&self.world);
            std::iter::from_fn(|| queue.next(&self.world)).count() as u64
        })
    }

    /// What is simulated.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.world.plan
    }
}

/// How many packets there are, where that follows from the plan and the weather alone.
fn total(world: &World) -> Option<u64> {
    let plan = &world.plan;
    let count = plan.alerts_per_visit as usize;
    let of_visit = |visit: &visits::Visit| {
        let again = [(plan.duplicate_share, Delivery::Duplicate), (plan.revision_share, Delivery::Revision)];
        let again = again.map(|(share, delivery)| plan.part(share, count, visit.id, 2 + delivery as u64));
        (count + again[0] + again[1]) as u64
    };
    (!plan.natural_rate).then(|| world.simulated().iter().map(of_visit).sum())
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation").field("plan", &self.world.plan).finish_non_exhaustive()
    }
}
