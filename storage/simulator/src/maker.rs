//! Makes the packets of a visit.

use crate::alert::{Alert, Encoded};
use crate::bodies::flux_of_magnitude;
use crate::calendar::source_id;
use crate::camera::{Place, point_in_cap};
use crate::cutout::Painter;
use crate::objects::TrueClass;
use crate::packets::SimulatedPacket;
use crate::random::{Purpose, Stream};
use crate::selection::{Passing, Selection, Subject, select};
use crate::solar_system::{OrbitRecord, Passage};
use crate::source::{Forced, Sight, Source, THRESHOLD};
use crate::summary::Gathering;
use crate::visits::{EXPOSURE, Visit};
use crate::world::World;

/// What has been seen of an object so far: numbers of visits, in order of time.
#[derive(Debug, Clone, Default)]
struct Seen {
    /// From before the first night; worked out when it is first needed.
    looked_back: bool,
    detections: Vec<u32>,
}

/// An alert that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    detector: u32,
    counter: u32,
    subject: Subject,
}

/// What changes while packets are made.
pub(crate) struct Maker {
    seen: Vec<Seen>,
    passing: Vec<Passing>,
    /// The visit whose alerts are due.
    visit: usize,
    due: std::vec::IntoIter<Due>,
    painter: Painter,
    history: Encoded,
    forced: Encoded,
    gathering: Gathering,
}

impl Maker {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            seen: vec![Seen::default(); world.objects.len()],
            passing: vec![Passing::default(); world.fields.len()],
            visit: world.begin,
            due: Vec::new().into_iter(),
            painter: Painter::new(world.plan.seed, world.psf),
            history: Encoded::default(),
            forced: Encoded::default(),
            gathering: Gathering::default(),
        }
    }

    /// Chooses what alerts in a visit, and puts it in order of detector and number.
    pub(crate) fn open(&mut self, world: &World, number: usize) -> Selection {
        let visit = &world.visits[number];
        let passing = &mut self.passing[visit.field as usize];
        passing.update(world, visit);
        let selection = select(world, visit, passing);
        let mut due: Vec<_> = selection.subjects.iter().map(|s| self.place(world, visit, *s)).collect();
        due.sort_unstable();
        self.visit = number;
        self.due = due.into_iter();
        selection
    }

    fn place(&self, world: &World, visit: &Visit, subject: Subject) -> Due {
        // Running numbers after those of the objects.
        let spare = world.plan.objects.div_ceil(world.plan.fields) + 1;
        match subject {
            Subject::Object(number) => {
                let object = &world.objects[number as usize];
                Due { detector: visit.aim.place(object.point).detector, counter: object.counter, subject }
            }
            Subject::Body(index) => {
                let body = &self.passing[visit.field as usize].bodies[index as usize];
                let at = body.at(visit.mjd);
                let place = in_view(world, visit, at.ra, at.dec);
                Due { detector: place.detector, counter: spare + index, subject }
            }
            Subject::Artefact(number) => {
                let (place, ..) = artefact(world, visit, number);
                // Counted down from the end, where the objects and bodies do not reach.
                Due { detector: place.detector, counter: crate::calendar::MAX_COUNTER - number, subject }
            }
        }
    }

    /// Makes the packet of the next alert of the visit that is open.
    pub(crate) fn next(&mut self, world: &World) -> Option<SimulatedPacket> {
        let due = self.due.next()?;
        let visit = &world.visits[self.visit];
        self.history.clear();
        self.forced.clear();
        Some(match due.subject {
            Subject::Object(number) => self.of_object(world, visit, number),
            Subject::Body(index) => self.of_body(world, visit, due, index),
            Subject::Artefact(number) => self.of_artefact(world, visit, due, number),
        })
    }

    fn of_object(&mut self, world: &World, visit: &Visit, number: u32) -> SimulatedPacket {
        let (seed, object) = (world.plan.seed, &world.objects[number as usize]);
        let this = self.visit as u32;
        let seen = &mut self.seen[number as usize];
        if !seen.looked_back {
            seen.detections = world.past_detections(object);
            seen.looked_back = true;
        }
        seen.detections.push(this);
        let detections = &seen.detections;
        // An object has the number of its first source.
        let first = &world.visits[detections[0] as usize];
        let detector = first.aim.place(object.point).detector;
        let id = source_id(first.night, first.sequence, detector, object.counter);
        let measure = |visit| Source::measure(Sight::of_object(seed, object, visit, id));

        let chance = Stream::new(seed, Purpose::Window, object.key, visit.id as u64).uniform();
        let earlier = &detections[..detections.len() - 1];
        let carried = world.carried(object, earlier, this, chance);
        self.gathering.start(visit.band.name());
        for number in &carried.history {
            let source = measure(&world.visits[*number as usize]).into_history();
            self.gathering.add(&source);
            world.writer.push_history(&mut self.history, &source);
        }
        for number in &carried.forced {
            let detected = detections.binary_search(number).is_ok();
            let visit = &world.visits[*number as usize];
            world.writer.push_forced(&mut self.forced, &Forced::measure(seed, object, visit, id, detected));
        }
        let mut trigger = measure(visit);
        trigger.body = Some(0);
        self.gathering.add(&trigger);
        self.finish(world, visit, &trigger, object.class, None)
    }

    fn of_body(&mut self, world: &World, visit: &Visit, due: Due, index: u32) -> SimulatedPacket {
        let body = self.passing[visit.field as usize].bodies[index as usize].clone();
        let at = body.at(visit.mjd);
        let mut stream = Stream::new(world.plan.seed, Purpose::Source, body.key, visit.id as u64 | 1 << 63);
        let bright = flux_of_magnitude(at.magnitude) * (1.0 + 0.1 * stream.normal());
        let error = visit.flux_error(bright);
        let flux = bright.max((THRESHOLD + 0.1 + stream.exponential()) * error);
        let rate = (at.rate.0 * at.rate.0 + at.rate.1 * at.rate.1).sqrt();
        let trigger = Source::measure(Sight {
            visit,
            place: in_view(world, visit, at.ra, at.dec),
            counter: due.counter,
            ra: at.ra,
            dec: at.dec,
            flux,
            error,
            template: 0.0,
            class: TrueClass::SolarSystem,
            trail: rate * 3_600.0 * EXPOSURE / 86_400.0,
            object: None,
            body: Some(body.id),
            stream,
        });
        let passage = Passage::new(&body, at, &trigger);
        let orbit = OrbitRecord::new(world.plan.seed, body);
        self.finish(world, visit, &trigger, TrueClass::SolarSystem, Some((passage, orbit)))
    }

    fn of_artefact(&mut self, world: &World, visit: &Visit, due: Due, number: u32) -> SimulatedPacket {
        let (place, ra, dec, mut stream) = artefact(world, visit, number);
        let template = stream.log_between(10.0, 300_000.0);
        let error = visit.flux_error(template);
        let sign = if stream.uniform() < 0.5 { -1.0 } else { 1.0 };
        let flux = sign * error * (THRESHOLD + 4.0 * stream.exponential() * stream.exponential());
        let id = source_id(visit.night, visit.sequence, place.detector, due.counter);
        let trigger = Source::measure(Sight {
            visit,
            place,
            counter: due.counter,
            ra,
            dec,
            flux,
            error,
            template,
            class: TrueClass::Bogus,
            trail: 0.0,
            object: Some(id),
            body: Some(0),
            stream,
        });
        self.gathering.start(visit.band.name());
        self.gathering.add(&trigger);
        self.finish(world, visit, &trigger, TrueClass::Bogus, None)
    }

    fn finish(
        &mut self,
        world: &World,
        visit: &Visit,
        trigger: &Source,
        class: TrueClass,
        body: Option<(Passage, OrbitRecord)>,
    ) -> SimulatedPacket {
        self.painter.paint(visit, trigger);
        let field = &world.fields[visit.field as usize];
        let alert = Alert {
            trigger,
            reason: field.reason(visit.band),
            target: field.target,
            history: &self.history,
            forced: body.is_none().then_some(&self.forced),
            object: trigger.object.map(|id| self.gathering.finish(id, trigger)),
            body,
        };
        SimulatedPacket {
            bytes: world.writer.packet(&alert, &self.painter),
            alert_id: trigger.id,
            object_id: trigger.object,
            night: visit.night.digits(),
            visit: visit.id,
            detector: trigger.detector as i32,
            class,
        }
    }
}

/// Where a place in the sky falls; the middle of the field if it is out of view.
fn in_view(world: &World, visit: &Visit, ra: f64, dec: f64) -> Place {
    let centre = world.fields[visit.field as usize].centre;
    visit.aim.place(centre.onto_plane(ra, dec).unwrap_or_default())
}

/// Where an artefact is, on the detector and in the sky.
fn artefact(world: &World, visit: &Visit, number: u32) -> (Place, f64, f64, Stream) {
    let mut stream = Stream::new(world.plan.seed, Purpose::Artefact, visit.id as u64, number.into());
    let point = point_in_cap(stream.uniform(), stream.uniform());
    let (ra, dec) = world.fields[visit.field as usize].centre.to_sky(point);
    (visit.aim.place(point), ra, dec, stream)
}
