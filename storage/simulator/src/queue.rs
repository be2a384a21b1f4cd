//! What is sent, in the order in which it arrives.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::bodies::Body;
use crate::camera::{Place, point_in_cap};
use crate::hostile::Kind;
use crate::random::{Purpose, Stream};
use crate::selection::{Passing, Selection, Subject, select};
use crate::visits::Visit;
use crate::world::World;

/// How a packet came to arrive when it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Delivery {
    /// With the others of its visit.
    OnTime,
    /// After packets of later visits.
    Late,
    /// A second time, the same to the last byte.
    Duplicate,
    /// A second packet of the same alert, with other contents.
    Revision,
}

/// Most visits that pass before what is late arrives.
const LATEST: u64 = 40;

/// An alert of a visit: what it is about, where, and its running number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Due {
    pub(crate) detector: u32,
    pub(crate) counter: u32,
    pub(crate) subject: Subject,
}

/// A packet that is to be made: everything that the world does not know of it.
#[derive(Debug, Clone)]
pub(crate) struct Sending {
    pub(crate) due: Due,
    /// Number of the visit that it is of, and of the one during which it arrives.
    pub(crate) visit: u32,
    pub(crate) arrival: u32,
    pub(crate) delivery: Delivery,
    /// Simulated visits in which the object alerted before, in order of time.
    pub(crate) earlier: Vec<u32>,
    /// The body that it is about, if it is about one.
    pub(crate) body: Option<Body>,
    pub(crate) damage: Option<Kind>,
}

/// Goes through the visits and says what is sent. Memory grows with objects and with alerts, by a number for each.
pub(crate) struct Queue {
    /// The next visit to open.
    visit: usize,
    passing: Vec<Passing>,
    /// By object: the simulated visits in which it alerted.
    alerted: Vec<Vec<u32>>,
    ready: VecDeque<Sending>,
    /// By the visit during which they arrive.
    later: BTreeMap<u32, Vec<Sending>>,
    /// Packets damaged so far.
    damaged: usize,
}

impl Queue {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            visit: world.begin,
            passing: vec![Passing::default(); world.fields.len()],
            alerted: vec![Vec::new(); world.objects.len()],
            ready: VecDeque::new(),
            later: BTreeMap::new(),
            damaged: 0,
        }
    }

    /// The next packet to be made.
    pub(crate) fn next(&mut self, world: &World) -> Option<Sending> {
        loop {
            if let Some(mut sending) = self.ready.pop_front() {
                sending.damage = self.damage(world, &sending);
                return Some(sending);
            }
            if self.visit < world.visits.len() {
                self.open(world, self.visit);
                self.visit += 1;
            } else {
                // What would have arrived after the last visit arrives with it.
                let (_, mut rest) = self.later.pop_first()?;
                let last = world.visits.len().saturating_sub(1) as u32;
                rest.iter_mut().for_each(|sending| sending.arrival = last);
                self.ready.extend(rest);
            }
        }
    }

    /// Lets a visit happen, whichever it is.
    pub(crate) fn open(&mut self, world: &World, number: usize) -> Selection {
        let visit = &world.visits[number];
        let (selection, all) = alerts(world, visit, &mut self.passing[visit.field as usize]);
        let number = number as u32;
        let bodies = &self.passing[visit.field as usize].bodies;
        let sendings: Vec<_> = all
            .into_iter()
            .map(|due| {
                let (mut earlier, mut body) = (Vec::new(), None);
                match due.subject {
                    Subject::Object(object) => {
                        let alerted = &mut self.alerted[object as usize];
                        earlier.clone_from(alerted);
                        alerted.push(number);
                    }
                    Subject::Body(index) => body = bodies.get(index as usize).cloned(),
                    Subject::Artefact(_) => {}
                }
                let delivery = Delivery::OnTime;
                Sending { due, visit: number, arrival: number, delivery, earlier, body, damage: None }
            })
            .collect();
        self.again(world, visit, &sendings, world.plan.duplicate_share, Delivery::Duplicate);
        self.again(world, visit, &sendings, world.plan.revision_share, Delivery::Revision);
        let late = chosen(world, visit, sendings.len(), world.plan.late_share, Delivery::Late);
        let mut late = late.into_iter().peekable();
        for (at, mut sending) in sendings.into_iter().enumerate() {
            if let Some((_, after)) = late.next_if(|(late, _)| *late == at) {
                sending.delivery = Delivery::Late;
                self.postpone(sending, after);
            } else {
                self.ready.push_back(sending);
            }
        }
        // What was to arrive by now comes behind what the visit itself sends.
        let yet_to_come = self.later.split_off(&(number + 1));
        self.ready.extend(std::mem::replace(&mut self.later, yet_to_come).into_values().flatten());
        selection
    }

    /// What the visits opened so far send.
    pub(crate) fn opened(&mut self) -> impl Iterator<Item = Sending> {
        self.ready.drain(..)
    }

    fn again(&mut self, world: &World, visit: &Visit, sendings: &[Sending], share: f64, delivery: Delivery) {
        for (at, after) in chosen(world, visit, sendings.len(), share, delivery) {
            self.postpone(Sending { delivery, ..sendings[at].clone() }, after);
        }
    }

    fn postpone(&mut self, mut sending: Sending, after: u32) {
        sending.arrival += after;
        self.later.entry(sending.arrival).or_default().push(sending);
    }

    fn damage(&mut self, world: &World, sending: &Sending) -> Option<Kind> {
        let kinds = &world.plan.hostile;
        if kinds.is_empty() {
            return None;
        }
        let visit = world.visits[sending.visit as usize].id as u64;
        let one = u64::from(sending.due.counter) << 8 | sending.delivery as u64;
        let chance = Stream::new(world.plan.seed, Purpose::Damage, visit, one).uniform();
        if chance >= world.plan.hostile_share {
            return None;
        }
        self.damaged += 1;
        kinds.get((self.damaged - 1) % kinds.len()).copied()
    }
}

/// Which of the packets of a visit something happens to, by index, and how many visits later it shows.
fn chosen(world: &World, visit: &Visit, count: usize, share: f64, delivery: Delivery) -> Vec<(usize, u32)> {
    let wanted = world.plan.part(share, count, visit.id, 2 + delivery as u64);
    if wanted == 0 {
        return Vec::new();
    }
    let mut stream = Stream::new(world.plan.seed, Purpose::Delivery, visit.id as u64, 10 + delivery as u64);
    let mut ranked: Vec<_> = (0..count).map(|at| (stream.word(), at)).collect();
    ranked.sort_unstable();
    ranked.truncate(wanted);
    ranked.sort_unstable_by_key(|(_, at)| *at);
    ranked.into_iter().map(|(word, at)| (at, 1 + (word % LATEST) as u32)).collect()
}

/// What alerts in a visit, in order of detector and running number.
pub(crate) fn alerts(world: &World, visit: &Visit, passing: &mut Passing) -> (Selection, Vec<Due>) {
    passing.update(world, visit);
    let selection = select(world, visit, passing);
    let spare = world.spare_numbers();
    let mut all: Vec<_> = selection
        .subjects
        .iter()
        .map(|subject| match *subject {
            Subject::Object(number) => {
                let object = &world.objects[number as usize];
                Due { detector: visit.aim.place(object.point).detector, counter: object.counter, subject: *subject }
            }
            Subject::Body(index) => {
                let (ra, dec) = passing.bodies[index as usize].towards(visit.mjd);
                // Running numbers after those of the objects.
                Due { detector: in_view(world, visit, ra, dec).detector, counter: spare + index, subject: *subject }
            }
            Subject::Artefact(number) => {
                let (place, ..) = artefact(world, visit, number);
                // Counted down from the end, where the objects and bodies do not reach.
                let counter = crate::calendar::MAX_COUNTER - number;
                Due { detector: place.detector, counter, subject: *subject }
            }
        })
        .collect();
    all.sort_unstable();
    (selection, all)
}

/// Where a place in the sky falls; the middle of the field if it is out of view.
pub(crate) fn in_view(world: &World, visit: &Visit, ra: f64, dec: f64) -> Place {
    let centre = world.fields[visit.field as usize].centre;
    visit.aim.place(centre.onto_plane(ra, dec).unwrap_or_default())
}

/// Where an artefact is, on the detector and in the sky, and what is left of its random numbers.
pub(crate) fn artefact(world: &World, visit: &Visit, number: u32) -> (Place, f64, f64, Stream) {
    let mut stream = Stream::new(world.plan.seed, Purpose::Artefact, visit.id as u64, number.into());
    let point = point_in_cap(world.sky.radius, stream.uniform(), stream.uniform());
    let (ra, dec) = world.fields[visit.field as usize].centre.to_sky(point);
    (visit.aim.place(point), ra, dec, stream)
}
