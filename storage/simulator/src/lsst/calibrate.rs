//! How much of a past the sky needs for packets of a given size.
//!
//! A packet is what its cutouts and records take, which the sky decides, and history, which grows with the number of
//! visits before the first night. A few visits are simulated to learn the former; then objects that alert in them are
//! followed back, and the survey is made to begin when their history has the length that is wanted.

use std::collections::BTreeMap;

use super::LsstPress;
use super::alert::Encoded;
use super::source::{Forced, Sight, Source};
use crate::plan::SimulationError;
use crate::press::Press;
use crate::psf::PsfSize;
use crate::queue::Queue;
use crate::random::{Purpose, Stream};
use crate::schedule::{Cadence, visits_before};
use crate::selection::Subject;
use crate::world::World;

/// Visits looked at, packets made, and objects followed back.
const VISITS: usize = 12;
const PACKETS: usize = 96;
const OBJECTS: usize = 600;

/// Of what history takes, the share of forced photometry: 14 of 61 per cent in transmitted packets.
const FORCED: f64 = 0.23;
/// Plans that ask for less get small PSF images, as three full ones alone take 60 KB.
const FULL_SIZE: u32 = 250_000;

/// Makes the visits before the first night.
pub(super) fn give_past(world: &mut World, press: &mut LsstPress) -> Result<(), SimulationError> {
    let before = |world: &World, cadence| visits_before(world.telescope, &world.plan, world.first_night, cadence);
    let Some(wanted) = world.plan.packet_bytes.filter(|_| !world.simulated().is_empty()) else {
        world.set_past(before(world, Cadence::new(1, 372, world.plan.fields)));
        return Ok(());
    };
    if wanted < FULL_SIZE {
        press.psf = PsfSize::Small;
    }
    let sample = Sample::take(world, press);
    let room = (f64::from(wanted) - sample.bytes) / sample.objects_share;
    if sample.objects.is_empty() || room < 0.0 {
        // Within a few per cent it is what was asked for.
        if sample.bytes > f64::from(wanted) * 1.03 {
            return Err(SimulationError::TooSmall { wanted, smallest: sample.bytes as u32 });
        }
        return Ok(());
    }
    let record = record_sizes(world, press);
    let forced = FORCED * room / record.1;
    let history = (1.0 - FORCED) * room / record.0;
    world.forced_mean = Some(forced);
    // Enough visits a night for the forced photometry of a window, and for the history within half a year.
    let mut visits = (forced / 8.0).max(history / 50.0).ceil() as u32;
    loop {
        let nights = (history / (0.12 * f64::from(visits))).ceil() as u32 + 22;
        let cadence = Cadence::new(visits, nights, world.plan.fields);
        world.set_past(before(world, cadence));
        let reached = sample.begin_where(world, record, room);
        if reached || cadence.visits < visits {
            return Ok(());
        }
        visits *= 2;
    }
}

/// Bytes of a source and of a forced record.
fn record_sizes(world: &World, press: &LsstPress) -> (f64, f64) {
    let (object, visit) = (&world.objects[0], &world.visits[world.begin]);
    let source = Source::measure(Sight::of_object(world.plan.seed, object, visit, i64::MAX)).into_history();
    let forced = Forced::measure(world.plan.seed, object, visit, i64::MAX, true);
    let (mut sources, mut forceds) = (Encoded::default(), Encoded::default());
    press.writer.push_history(&mut sources, &source);
    press.writer.push_forced(&mut forceds, &forced);
    (sources.bytes.len() as f64, forceds.bytes.len() as f64)
}

/// An object that alerts in a visit.
struct Follow {
    visit: u32,
    object: u32,
    /// Share of detections that become alerts in this visit.
    chosen: f64,
}

struct Sample {
    /// Mean size of packets without history.
    bytes: f64,
    /// Share of alerts that can have history.
    objects_share: f64,
    objects: Vec<Follow>,
}

impl Sample {
    fn take(world: &World, press: &LsstPress) -> Self {
        let simulated = world.visits.len() - world.begin;
        let visits = simulated.min(VISITS);
        let every = (visits * world.plan.alerts_per_visit as usize).div_ceil(PACKETS).max(1);
        let (mut bytes, mut packets, mut alerts) = (0, 0, 0);
        let mut objects = Vec::new();
        for nth in 0..visits {
            // From the middle of equal parts of the nights.
            let number = world.begin + (2 * nth + 1) * simulated / (2 * visits);
            let mut queue = Queue::new(world);
            let mut maker = press.maker(world);
            let selection = queue.open(world, number);
            let of_objects = |s: &Subject| if let Subject::Object(object) = s { Some(*object) } else { None };
            let chosen: Vec<u32> = selection.subjects.iter().filter_map(of_objects).collect();
            let share = (chosen.len() as f64 / selection.candidates.max(1) as f64).min(1.0);
            objects.extend(chosen.into_iter().map(|object| Follow { visit: number as u32, object, chosen: share }));
            for sending in queue.opened() {
                alerts += 1;
                if alerts % every == 0 || packets == 0 {
                    bytes += maker.packet(world, &sending).bytes.len();
                    packets += 1;
                }
            }
        }
        let objects_share = objects.len() as f64 / alerts as f64;
        let step = objects.len().div_ceil(OBJECTS).max(1);
        let objects = objects.into_iter().step_by(step).collect();
        Self { bytes: bytes as f64 / f64::from(packets.max(1)), objects_share, objects }
    }

    /// Lets the survey begin as late as gives history and forced records of this mean size together; false if there
    /// are not enough of them even from the first visit on.
    fn begin_where(&self, world: &mut World, record: (f64, f64), room: f64) -> bool {
        let mut detections = BTreeMap::new();
        for follow in &self.objects {
            detections.entry(follow.object).or_insert_with(|| world.past_detections(follow.object).to_vec());
        }
        let mean = |begin: u32| {
            let sizes = self.objects.iter().map(|follow| {
                let all = detections.get(&follow.object).map_or(&[][..], Vec::as_slice);
                let since = &all[all.partition_point(|v| *v < begin)..];
                let object = &world.objects[follow.object as usize];
                let visit = world.visits[follow.visit as usize + world.begin].id as u64;
                let chance = Stream::new(world.plan.seed, Purpose::Window, object.key, visit).uniform();
                let carried = world.carried(object, since, follow.visit + world.begin as u32, chance);
                let rate = all.len() as f64 / world.past_visits(object).max(1) as f64;
                let simulated = world.simulated_before(follow.visit + world.begin as u32) as f64;
                let history = carried.history.len() as f64 + simulated * rate * follow.chosen;
                history * record.0 + carried.forced.len() as f64 * record.1
            });
            sizes.sum::<f64>() / self.objects.len() as f64
        };
        let (mut low, mut high) = (0, world.begin as u32);
        let reached = mean(low) >= room;
        while reached && high - low > 1 {
            let middle = low + (high - low) / 2;
            if mean(middle) >= room { low = middle } else { high = middle }
        }
        let kept = world.visits[low as usize..world.begin].to_vec();
        world.set_past(kept);
        reached
    }
}
