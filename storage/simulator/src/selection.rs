//! Which things become alerts in a visit.

use std::sync::Arc;

use crate::bodies::{Body, STAY};
use crate::camera::RADIAN;
use crate::glance::Glance;
use crate::light::Course;
use crate::random::{Purpose, Stream};
use crate::visits::Visit;
use crate::world::World;

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// Number of an object.
    Object(u32),
    /// Index among the bodies of the field.
    Body(u32),
    /// Running number of an artefact in this visit.
    Artefact(u32),
}

/// Bodies that are in a field at present.
#[derive(Debug, Clone, Default)]
pub(crate) struct Passing {
    pub(crate) stay: Option<u32>,
    pub(crate) bodies: Arc<[Body]>,
}

impl Passing {
    /// Lets the next bodies in when the stay of the last is over.
    pub(crate) fn update(&mut self, world: &World, visit: &Visit) {
        let night = (visit.night.0 - world.first_night.0).max(0) as u32;
        let stay = night / STAY;
        if self.stay == Some(stay) {
            return;
        }
        let plan = &world.plan;
        let alerts = if plan.natural_rate {
            world.members.iter().map(ExactSizeIterator::len).max().unwrap_or(0) as f64 * 0.3
        } else {
            f64::from(plan.alerts_per_visit)
        };
        let wanted = (alerts * plan.solar_system_share * 1.6).ceil() as u64;
        let count = if plan.solar_system_share > 0.0 { wanted + 2 } else { 0 };
        let set = u64::from(stay) * u64::from(plan.fields) + u64::from(visit.field);
        let middle = world.first_night.plus(i64::from(stay * STAY) + 1).midpoint(world.telescope, 0).round();
        let field = &world.fields[visit.field as usize];
        let body = |n| Body::new(&world.sky, field, set * count + n, middle);
        self.stay = Some(stay);
        self.bodies = (0..count).map(body).collect();
    }
}

/// What becomes an alert.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) subjects: Vec<Subject>,
    /// Objects that were bright enough, chosen or not.
    pub(crate) candidates: usize,
}

/// As many as the plan asks for, no more and no fewer; at the natural rate, everything.
pub(crate) fn select(world: &World, visit: &Visit, passing: &Passing) -> Selection {
    let plan = &world.plan;
    if plan.natural_rate {
        return select_all(world, visit, passing);
    }
    let count = plan.alerts_per_visit as usize;
    let bodies = plan.part(plan.solar_system_share, count, visit.id, 0);
    let artefacts = plan.part(plan.bogus_share, count, visit.id, 1);

    let mut subjects = bodies_in_view(world, visit, passing, bodies);
    let artefacts = artefacts.min(count - subjects.len());
    let wanted = count - subjects.len() - artefacts;
    let (objects, candidates) = objects_in_view(world, visit, wanted);
    let missing = wanted - objects.len();
    subjects.extend(objects.into_iter().map(Subject::Object));
    subjects.extend((0..).take(artefacts + missing).map(Subject::Artefact));
    Selection { subjects, candidates }
}

fn select_all(world: &World, visit: &Visit, passing: &Passing) -> Selection {
    let plan = &world.plan;
    let (objects, candidates) = objects_in_view(world, visit, usize::MAX);
    let others = 1.0 - plan.solar_system_share - plan.bogus_share;
    let part = |share: f64, nth| {
        let times = share / others;
        candidates * times.floor() as usize + plan.part(times - times.floor(), candidates, visit.id, nth)
    };
    let (bodies, artefacts) = (part(plan.solar_system_share, 0), part(plan.bogus_share, 1));
    let mut subjects = bodies_in_view(world, visit, passing, bodies);
    subjects.extend(objects.into_iter().map(Subject::Object));
    subjects.extend((0..).take(artefacts).map(Subject::Artefact));
    Selection { subjects, candidates }
}

fn bodies_in_view(world: &World, visit: &Visit, passing: &Passing, wanted: usize) -> Vec<Subject> {
    if wanted == 0 {
        return Vec::new();
    }
    let centre = world.fields[visit.field as usize].centre;
    let edge = libm::tan(world.telescope.camera.radius * RADIAN);
    let in_view = passing.bodies.iter().zip(0..).filter(|(body, _)| {
        let (ra, dec) = body.towards(visit.mjd);
        centre.onto_plane(ra, dec).is_some_and(|(xi, eta)| xi * xi + eta * eta < edge * edge)
    });
    let ranked = in_view.map(|(body, index)| {
        let rank = Stream::new(world.plan.seed, Purpose::Selection, visit.id as u64, body.key + 1).word();
        (rank, index)
    });
    first(ranked.collect(), wanted).map(Subject::Body).collect()
}

/// Transients first, then as it comes; constant stars make up what is missing of a number.
fn objects_in_view(world: &World, visit: &Visit, wanted: usize) -> (Vec<u32>, usize) {
    let mut detected = Vec::new();
    let mut constant = Vec::new();
    for number in world.members[visit.field as usize].clone() {
        let object = &world.objects[number as usize];
        let Some(glance) = Glance::at(world.plan.seed, object, visit) else { continue };
        if glance.detected {
            detected.push(((!object.light.is_transient(), glance.rank), number));
        } else if matches!(object.light.course, Course::Constant { .. }) {
            constant.push((glance.rank, number));
        }
    }
    let candidates = detected.len();
    if wanted == usize::MAX {
        return (detected.into_iter().map(|(_, number)| number).collect(), candidates);
    }
    let mut chosen: Vec<u32> = first(detected, wanted).collect();
    let missing = wanted - chosen.len();
    chosen.extend(first(constant, missing));
    (chosen, candidates)
}

/// Those of lowest rank. Ranks are distinct but for one chance in 2^64, and then the order is still that of the pairs.
fn first<R: Ord, N: Ord>(mut ranked: Vec<(R, N)>, wanted: usize) -> impl Iterator<Item = N> {
    if wanted < ranked.len() {
        ranked.select_nth_unstable(wanted);
        ranked.truncate(wanted);
    }
    ranked.into_iter().map(|(_, number)| number)
}
