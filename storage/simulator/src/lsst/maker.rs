//! Makes the packets of LSST.

use std::sync::Arc;

use super::LsstPress;
use super::alert::{Alert, AlertWriter, Encoded};
use super::passage::{OrbitRecord, Passage};
use super::source::{Forced, Sight, Source};
use super::summary::Gathering;
use crate::bodies::{Body, flux_of_magnitude};
use crate::calendar::source_id;
use crate::cutout::Painter;
use crate::glance::THRESHOLD;
use crate::objects::TrueClass;
use crate::press::{Maker, SimulatedPacket};
use crate::queue::{Delivery, Due, Sending, artefact, in_view};
use crate::random::{Purpose, Stream};
use crate::selection::Subject;
use crate::visits::Visit;
use crate::world::World;

/// What a thread makes packets with: buffers, and the star images of the last detector.
pub(crate) struct LsstMaker {
    writer: Arc<AlertWriter>,
    painter: Painter,
    detections: Vec<u32>,
    history: Encoded,
    forced: Encoded,
    gathering: Gathering,
}

impl LsstMaker {
    pub(crate) fn new(world: &World, press: &LsstPress) -> Self {
        Self {
            writer: Arc::clone(&press.writer),
            painter: Painter::new(world.plan.seed, press.psf),
            detections: Vec::new(),
            history: Encoded::default(),
            forced: Encoded::default(),
            gathering: Gathering::default(),
        }
    }
}

impl Maker for LsstMaker {
    fn packet(&mut self, world: &World, sending: &Sending) -> SimulatedPacket {
        self.history.clear();
        self.forced.clear();
        match (sending.due.subject, &sending.body) {
            (Subject::Object(number), _) => self.of_object(world, sending, number),
            (Subject::Body(_), Some(body)) => self.of_body(world, sending, body),
            (Subject::Artefact(number) | Subject::Body(number), _) => self.of_artefact(world, sending, number),
        }
    }
}

impl LsstMaker {
    fn of_object(&mut self, world: &World, sending: &Sending, number: u32) -> SimulatedPacket {
        let (seed, object) = (world.plan.seed, &world.objects[number as usize]);
        let visit = &world.visits[sending.visit as usize];
        self.detections.clear();
        self.detections.extend_from_slice(world.past_detections(number));
        self.detections.extend_from_slice(&sending.earlier);
        self.detections.push(sending.visit);
        let detections = &self.detections;
        let id = world.object_id(number, detections[0]);
        let measure = |visit| Source::measure(Sight::of_object(seed, object, visit, id));

        let chance = Stream::new(seed, Purpose::Window, object.key, visit.id as u64).uniform();
        let earlier = &detections[..detections.len() - 1];
        let carried = world.carried(object, earlier, sending.visit, chance);
        self.gathering.start(visit.band.name());
        for number in &carried.history {
            let source = measure(&world.visits[*number as usize]).into_history();
            self.gathering.add(&source);
            self.writer.push_history(&mut self.history, &source);
        }
        for number in &carried.forced {
            let detected = detections.binary_search(number).is_ok();
            let visit = &world.visits[*number as usize];
            self.writer.push_forced(&mut self.forced, &Forced::measure(seed, object, visit, id, detected));
        }
        let mut trigger = measure(visit);
        trigger.body = Some(0);
        self.finish(world, sending, trigger, object.class, None)
    }

    fn of_body(&mut self, world: &World, sending: &Sending, body: &Body) -> SimulatedPacket {
        let visit = &world.visits[sending.visit as usize];
        let trigger = Source::measure(Sight::of_body(world, visit, sending.due, body));
        let passage = Passage::new(body, body.at(visit.mjd), &trigger);
        let orbit = OrbitRecord::new(world.plan.seed, body.clone());
        self.finish(world, sending, trigger, TrueClass::SolarSystem, Some((passage, orbit)))
    }

    fn of_artefact(&mut self, world: &World, sending: &Sending, number: u32) -> SimulatedPacket {
        let visit = &world.visits[sending.visit as usize];
        let trigger = Source::measure(Sight::of_artefact(world, visit, sending.due, number));
        self.gathering.start(visit.band.name());
        self.finish(world, sending, trigger, TrueClass::Bogus, None)
    }

    fn finish(
        &mut self,
        world: &World,
        sending: &Sending,
        mut trigger: Source,
        class: TrueClass,
        body: Option<(Passage, OrbitRecord)>,
    ) -> SimulatedPacket {
        let visit = &world.visits[sending.visit as usize];
        if sending.delivery == Delivery::Revision {
            // The same images, processed anew some hours later; the object record says since when it holds.
            let mut stream = Stream::new(world.plan.seed, Purpose::Delivery, trigger.id as u64, 0);
            trigger.processed += stream.between(1.0, 20.0) / 24.0;
        }
        if body.is_none() {
            self.gathering.add(&trigger);
        }
        self.painter.paint(visit, &trigger);
        let field = &world.fields[visit.field as usize];
        let alert = Alert {
            trigger: &trigger,
            reason: field.reason(visit.band),
            target: field.target,
            history: &self.history,
            forced: body.is_none().then_some(&self.forced),
            object: trigger.object.map(|id| self.gathering.finish(id, &trigger)),
            body,
        };
        let arrival = &world.visits[sending.arrival as usize];
        SimulatedPacket {
            bytes: self.writer.packet(&alert, &self.painter),
            alert_id: trigger.id,
            object_id: trigger.object,
            night: visit.night.digits(),
            visit: visit.id,
            detector: trigger.detector as i32,
            class,
            delivery: sending.delivery,
            arrival_night: arrival.night.digits(),
            arrival_visit: arrival.id,
            damage: None,
        }
    }
}

impl<'a> Sight<'a> {
    /// A body that passes.
    pub(crate) fn of_body(world: &World, visit: &'a Visit, due: Due, body: &Body) -> Self {
        let at = body.at(visit.mjd);
        let mut stream = Stream::new(world.plan.seed, Purpose::Source, body.key, visit.id as u64 | 1 << 63);
        let bright = flux_of_magnitude(at.magnitude) * (1.0 + 0.1 * stream.normal());
        let error = visit.flux_error(bright);
        let flux = bright.max((THRESHOLD + 0.1 + stream.exponential()) * error);
        let rate = (at.rate.0 * at.rate.0 + at.rate.1 * at.rate.1).sqrt();
        Self {
            visit,
            place: in_view(world, visit, at.ra, at.dec),
            counter: due.counter,
            ra: at.ra,
            dec: at.dec,
            flux,
            error,
            template: 0.0,
            class: TrueClass::SolarSystem,
            trail: rate * 3_600.0 * visit.telescope.exposure / 86_400.0,
            object: None,
            body: Some(body.id),
            stream,
        }
    }

    /// An artefact: it has an object of its own.
    pub(crate) fn of_artefact(world: &World, visit: &'a Visit, due: Due, number: u32) -> Self {
        let (place, ra, dec, mut stream) = artefact(world, visit, number);
        let template = stream.log_between(10.0, 300_000.0);
        let error = visit.flux_error(template);
        let sign = if stream.uniform() < 0.5 { -1.0 } else { 1.0 };
        let flux = sign * error * (THRESHOLD + 4.0 * stream.exponential() * stream.exponential());
        let id = source_id(visit.night, visit.sequence, place.detector, due.counter);
        Self {
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
        }
    }
}
