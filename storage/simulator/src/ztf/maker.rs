//! Makes the packets of ZTF.

use std::sync::Arc;

use crate::bodies::{Body, flux_of_magnitude};
use crate::calendar::MAX_COUNTER;
use crate::camera::Place;
use crate::glance::{Glance, THRESHOLD};
use crate::objects::TrueClass;
use crate::press::{Maker, SimulatedPacket};
use crate::queue::{Delivery, Due, Sending, artefact, in_view};
use crate::random::{Purpose, Stream};
use crate::selection::Subject;
use crate::visits::Visit;
use crate::world::World;

use super::exposure::{Exposure, start};
use super::found::{Forced, Found, Sight};
use super::name::{NAMES, id, name};
use super::records::{Entry, Measured, Trigger};
use super::scene::Scene;
use super::stamps::{Sight as StampSight, Stamps};
use super::writer::{Alert, FileWriter, List};

/// History and forced photometry reach back so many days.
const WINDOW: f64 = 30.0;
/// An exposure is in the history of packets that are made so many days later, if it is there at all.
const LAG: f64 = 300.0 / 86_400.0;
/// Forced photometry is made by day, of the nights before.
const BY_DAY: f64 = 0.5;
/// No transmitted packet has more forced photometry.
const MOST_FORCED: usize = 21;
/// Keys of the places of bodies and artefacts; those of objects are small.
const ELSEWHERE: u64 = 1 << 62;
/// Deviation of a star image in the reference image, in pixels.
const TEMPLATE_BLUR: f64 = 0.85;

/// What alerts: its place, its light, and what is behind it.
struct Source {
    key: u64,
    place: Place,
    /// Degrees.
    sky: (f64, f64),
    /// nJy.
    flux: f64,
    error: f64,
    template: f64,
    class: TrueClass,
    body: Option<(i64, f64)>,
    stream: Stream,
}

/// What a thread makes packets with.
pub(super) struct ZtfMaker {
    writer: Arc<FileWriter>,
    stamps: Stamps,
    history: List,
    forced: List,
    detections: Vec<u32>,
}

impl ZtfMaker {
    pub(super) fn new(world: &World, writer: Arc<FileWriter>) -> Self {
        Self {
            writer,
            stamps: Stamps::new(world.plan.seed),
            history: List::default(),
            forced: List::default(),
            detections: Vec::new(),
        }
    }
}

impl Maker for ZtfMaker {
    fn packet(&mut self, world: &World, sending: &Sending) -> SimulatedPacket {
        self.history.clear();
        self.forced.clear();
        self.detections.clear();
        let visit = &world.visits[sending.visit as usize];
        let source = match (sending.due.subject, &sending.body) {
            (Subject::Object(number), _) => {
                self.detections.extend_from_slice(world.past_detections(number));
                self.detections.extend_from_slice(&sending.earlier);
                of_object(world, visit, number)
            }
            (Subject::Body(_), Some(body)) => of_body(world, visit, body),
            (Subject::Artefact(number) | Subject::Body(number), _) => of_artefact(world, visit, sending.due, number),
        };
        self.look_back(world, sending, &source);
        self.finish(world, sending, source)
    }
}

impl ZtfMaker {
    /// Fills history and forced photometry: every exposure of the place within the window.
    fn look_back(&mut self, world: &World, sending: &Sending, source: &Source) {
        let all = world.visits_of(world.visits[sending.visit as usize].field);
        let now = world.visits[sending.visit as usize].mjd;
        let before = |mjd: f64| all.partition_point(|v| world.visits[*v as usize].mjd < mjd);
        let tonight = world.visits[sending.visit as usize].night;
        for visit_number in &all[before(now - WINDOW)..before(now - LAG)] {
            let visit = &world.visits[*visit_number as usize];
            let found = match sending.due.subject {
                Subject::Object(number) if self.detections.binary_search(visit_number).is_ok() => Some(number),
                _ => None,
            };
            let exposure = exposure(world, visit, source.place);
            let mut sign = "t";
            let found = found.map(|number| {
                let earlier = of_object(world, visit, number);
                // The table that is read by night has the sign in another form.
                sign = match (earlier.flux >= 0.0, visit.night == tonight) {
                    (true, true) => "1",
                    (true, false) => "t",
                    (false, true) => "0",
                    (false, false) => "f",
                };
                measure(world, visit, &exposure, earlier, sending.due)
            });
            self.writer.push_history(&mut self.history, &Entry { exposure, found, sign });
        }
        if !self.writer.has_forced() {
            return;
        }
        for visit_number in all[before(now - WINDOW)..before(now - BY_DAY)].iter().rev().take(MOST_FORCED) {
            let visit = &world.visits[*visit_number as usize];
            let exposure = exposure(world, visit, source.place);
            let scene = scene(world, visit, &exposure, source);
            let mut stream = Stream::new(world.plan.seed, Purpose::Window, source.key, visit.id as u64);
            let (flux, error) = match sending.due.subject {
                Subject::Object(number) => {
                    let glance = Glance::new(world.plan.seed, &world.objects[number as usize], visit);
                    (glance.flux, glance.error)
                }
                // Nothing was there then.
                _ => (visit.flux_error(0.0) * stream.normal(), visit.flux_error(0.0)),
            };
            let forced = Forced::measure(&exposure, &scene, source.sky, (flux, error), &mut stream);
            self.writer.push_forced(&mut self.forced, &Measured { exposure, scene, forced });
        }
    }

    fn finish(&mut self, world: &World, sending: &Sending, source: Source) -> SimulatedPacket {
        let visit = &world.visits[sending.visit as usize];
        let exposure = exposure(world, visit, source.place);
        let (class, place, flux, template) = (source.class, source.place, source.flux, source.template);
        let (mut found, scene) = measure(world, visit, &exposure, source, sending.due);
        let mut packed_at = exposure.packed_at();
        if sending.delivery == Delivery::Revision {
            // Packed anew some hours later, by when the classifiers had been trained again.
            let mut stream = Stream::new(world.plan.seed, Purpose::Delivery, found.candid as u64, 0);
            packed_at += (3_600.0 * stream.between(1.0, 20.0)) as u32;
            found.network = (found.network + 0.002 * stream.uniform()).min(1.0);
        }
        let counts = |flux: f64| exposure.counts(flux);
        let stars: Vec<_> = scene.stars.iter().map(|(x, y, flux)| (*x, *y, counts(*flux))).collect();
        self.stamps.paint(&StampSight {
            candid: found.candid,
            background: exposure.background,
            blur: (exposure.width / 2.355, TEMPLATE_BLUR),
            change: counts(flux),
            before: counts(template),
            beside: (found.x.fract() - 0.5, found.y.fract() - 0.5),
            stars: &stars,
            packed_at,
        });
        let candid = found.candid;
        let first = self.detections.first().copied().unwrap_or(sending.visit);
        let object_id = object_id(world, sending.due.subject, sending.visit, first);
        let difference = if found.positive { "scimref" } else { "refmsci" };
        let pid = exposure.pid;
        let files = [
            format!("candid{candid}_pid{pid}_targ_sci.fits.gz"),
            format!("candid{candid}_ref.fits.gz"),
            format!("candid{candid}_pid{pid}_targ_{difference}.fits.gz"),
        ];
        let sign = if found.positive { "t" } else { "f" };
        let exposures = world.visits_of(visit.field).partition_point(|v| *v <= sending.visit) as i64;
        let trigger = Trigger {
            entry: Entry { exposure, found: Some((found, scene)), sign },
            detections: self.detections.len() as i64 + 1,
            exposures,
            since: start(&world.visits[first as usize]),
        };
        let (history, forced) = (&self.history, &self.forced);
        let alert = Alert { object: &name(object_id), candid, trigger: &trigger, history, forced, files };
        let arrival = &world.visits[sending.arrival as usize];
        SimulatedPacket {
            bytes: self.writer.packet(&alert, &self.stamps, world.plan.seed),
            alert_id: candid,
            object_id: Some(object_id),
            night: visit.night.digits(),
            visit: visit.id,
            detector: place.detector as i32,
            class,
            delivery: sending.delivery,
            arrival_night: arrival.night.digits(),
            arrival_visit: arrival.id,
            damage: None,
        }
    }
}

fn exposure(world: &World, visit: &Visit, place: Place) -> Exposure {
    Exposure::new(world.plan.seed, visit, place.detector, world.plan.restricted_share)
}

fn scene(world: &World, visit: &Visit, exposure: &Exposure, source: &Source) -> Scene {
    let template = if source.key < ELSEWHERE {
        world.objects[source.key as usize].template(visit.band.0)
    } else {
        source.template
    };
    Scene::new(world.plan.seed, source.key, exposure.filter, source.sky, template)
}

/// The source as measured in a visit.
fn measure(world: &World, visit: &Visit, exposure: &Exposure, source: Source, due: Due) -> (Found, Scene) {
    let scene = scene(world, visit, exposure, &source);
    // Artefacts are counted down from the end: every other number is theirs.
    let nth = match due.subject {
        Subject::Artefact(_) => 2 * i64::from(MAX_COUNTER - due.counter) + 1,
        _ => 2 * i64::from(due.counter),
    };
    let (ra, dec) = source.sky;
    let Source { place, flux, error, class, body, stream, .. } = source;
    let sight = Sight { visit, exposure, scene: &scene, place, ra, dec, flux, error, nth, class, body, stream };
    (Found::measure(sight), scene)
}

fn of_object(world: &World, visit: &Visit, number: u32) -> Source {
    let object = &world.objects[number as usize];
    let Glance { flux, error, stream, .. } = Glance::new(world.plan.seed, object, visit).lifted();
    Source {
        key: u64::from(number),
        place: visit.aim.place(object.point),
        sky: (object.ra, object.dec),
        flux,
        error,
        template: object.template(visit.band.0),
        class: object.class,
        body: None,
        stream,
    }
}

fn of_body(world: &World, visit: &Visit, body: &Body) -> Source {
    let at = body.at(visit.mjd);
    let mut stream = Stream::new(world.plan.seed, Purpose::Source, body.key, visit.id as u64 | 1 << 63);
    let bright = flux_of_magnitude(at.magnitude) * (1.0 + 0.1 * stream.normal());
    let error = visit.flux_error(bright);
    Source {
        key: ELSEWHERE | stream.word() >> 3,
        place: in_view(world, visit, at.ra, at.dec),
        sky: (at.ra, at.dec),
        flux: bright.max((THRESHOLD + 0.1 + stream.exponential()) * error),
        error,
        template: 0.0,
        class: TrueClass::SolarSystem,
        body: Some((body_number(body), at.magnitude)),
        stream,
    }
}

fn of_artefact(world: &World, visit: &Visit, due: Due, number: u32) -> Source {
    let (place, ra, dec, mut stream) = artefact(world, visit, number);
    let template = world.telescope.brightness * stream.log_between(10.0, 300_000.0);
    let error = visit.flux_error(template);
    let sign = if stream.uniform() < 0.5 { -1.0 } else { 1.0 };
    let flux = sign * error * (THRESHOLD + 4.0 * stream.exponential() * stream.exponential());
    let key = ELSEWHERE | (visit.id as u64) << 19 | u64::from(due.counter);
    Source { key, place, sky: (ra, dec), flux, error, template, class: TrueClass::Bogus, body: None, stream }
}

/// The number of what alerts in a visit, first seen in another. Objects have the first numbers of a year; bodies and
/// artefacts get a new one each time, in the order of visits.
pub(super) fn object_id(world: &World, subject: Subject, visit: u32, first: u32) -> i64 {
    let others = world.objects.len() as u64;
    // Room for all objects of a field as bodies or artefacts, and for those that a plan asks for on top.
    let room = 2 * u64::from(world.spare_numbers() + world.plan.alerts_per_visit);
    let of_visit = others + u64::from(visit).saturating_sub(world.begin as u64) * room;
    let number = match subject {
        Subject::Object(number) => u64::from(number),
        Subject::Body(index) => of_visit + 2 * u64::from(index),
        Subject::Artefact(index) => of_visit + 2 * u64::from(index) + 1,
    };
    let number = if number < NAMES { number } else { others + number % (NAMES - others) };
    id(i64::from(world.visits[first as usize].night.digits() / 10_000), number)
}

/// The number by which a body is known. Bodies that are followed for long have small ones.
fn body_number(body: &Body) -> i64 {
    10_000 + body.key as i64
}
