//! Packets one after the other, in the order in which they would arrive.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::press::{Maker, Press, SimulatedPacket};
use crate::queue::{Queue, Sending};
use crate::world::World;

/// Packets that a thread makes at a time.
const AT_ONCE: usize = 16;

/// Packets in the order of visits, within a visit of detectors, within a detector of ids, but for those that arrive
/// late or again. The bytes are the same whatever the number of threads.
pub struct Packets {
    world: Arc<World>,
    queue: Queue,
    how: How,
    /// Packets to come, where that is known.
    left: Option<u64>,
}

enum How {
    /// One at a time, on the thread that asks.
    Here(Box<dyn Maker>),
    /// Some ahead of those that are asked for, on threads.
    There(Workers),
}

impl Packets {
    /// Made as they are asked for.
    pub(crate) fn new(world: Arc<World>, press: &dyn Press) -> Self {
        let how = How::Here(press.maker(&world));
        Self { queue: Queue::new(&world), left: crate::total(&world), how, world }
    }

    /// Made by so many threads.
    pub(crate) fn on_threads(world: Arc<World>, press: &dyn Press, threads: usize) -> Self {
        let how = How::There(Workers::start(&world, press, threads));
        Self { queue: Queue::new(&world), left: crate::total(&world), how, world }
    }
}

impl Iterator for Packets {
    type Item = SimulatedPacket;

    fn next(&mut self) -> Option<SimulatedPacket> {
        let packet = match &mut self.how {
            How::Here(maker) => make(&mut **maker, &self.world, &self.queue.next(&self.world)?),
            How::There(workers) => workers.next(&mut self.queue, &self.world)?,
        };
        self.left = self.left.map(|left| left.saturating_sub(1));
        Some(packet)
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

/// The packet as it arrives.
fn make(maker: &mut dyn Maker, world: &World, sending: &Sending) -> SimulatedPacket {
    let mut packet = maker.packet(world, sending);
    if let Some(bytes) = sending.damage.and_then(|kind| kind.damage(&packet.bytes)) {
        packet.bytes = bytes;
        packet.damage = sending.damage;
    }
    packet
}

struct Job {
    sendings: Vec<Sending>,
    to: Sender<Vec<SimulatedPacket>>,
}

/// Threads that make packets, and what they are making, in order.
struct Workers {
    jobs: Option<Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
    underway: VecDeque<Receiver<Vec<SimulatedPacket>>>,
    /// So many jobs are underway at most, which bounds memory.
    most: usize,
    ready: std::vec::IntoIter<SimulatedPacket>,
}

impl Workers {
    fn start(world: &Arc<World>, press: &dyn Press, count: usize) -> Self {
        let (jobs, waiting) = channel::<Job>();
        let waiting = Arc::new(Mutex::new(waiting));
        let thread = |_| {
            let (world, waiting, mut maker) = (Arc::clone(world), Arc::clone(&waiting), press.maker(world));
            std::thread::spawn(move || {
                loop {
                    // Held only while waiting: whoever has a job lets the next one wait.
                    let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { return };
                    let packets = job.sendings.iter().map(|sending| make(&mut *maker, &world, sending)).collect();
                    // Nobody wants them any more if this fails.
                    let _ = job.to.send(packets);
                }
            })
        };
        let threads: Vec<_> = (0..count.max(1)).map(thread).collect();
        let (underway, ready) = (VecDeque::new(), Vec::new().into_iter());
        Self { jobs: Some(jobs), most: 2 * threads.len() + 1, threads, underway, ready }
    }

    fn next(&mut self, queue: &mut Queue, world: &World) -> Option<SimulatedPacket> {
        loop {
            if let Some(packet) = self.ready.next() {
                return Some(packet);
            }
            while self.underway.len() < self.most {
                let sendings: Vec<_> = std::iter::from_fn(|| queue.next(world)).take(AT_ONCE).collect();
                if sendings.is_empty() {
                    break;
                }
                let (to, from) = channel();
                if let Some(jobs) = &self.jobs
                    && jobs.send(Job { sendings, to }).is_ok()
                {
                    self.underway.push_back(from);
                }
            }
            match self.underway.pop_front()?.recv() {
                Ok(packets) => self.ready = packets.into_iter(),
                Err(_) => self.fail(),
            }
        }
    }

    /// A job without an answer: its thread has panicked, and so does this one, rather than leave packets out.
    fn fail(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if let Err(payload) = thread.join() {
                std::panic::resume_unwind(payload);
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.jobs = None;
        self.underway.clear();
        for thread in self.threads.drain(..) {
            // If it panicked, whoever asked for packets knows.
            let _ = thread.join();
        }
    }
}
