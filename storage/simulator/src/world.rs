//! Everything that does not change while packets are made, whatever survey they are of.

use std::ops::Range;
use std::sync::OnceLock;

use crate::calendar::{MAX_COUNTER, NightOf, source_id};
use crate::fields::Field;
use crate::glance::Glance;
use crate::objects::{Object, Sky};
use crate::plan::{Plan, SimulationError};
use crate::telescope::Telescope;
use crate::visits::Visit;

/// How long ago a record must have been taken to be in the history: the pipeline loads the history of a region
/// before it observes it, and alerts an hour apart miss each other.
const LAG: f64 = 1.0 / 24.0;
/// History is no older than this many days.
const YEAR: f64 = 365.0;

/// Records that a packet of an object carries, by visit.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Carried {
    pub(crate) history: Vec<u32>,
    pub(crate) forced: Vec<u32>,
}

/// Plan, telescope, sky and visits.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) telescope: &'static Telescope,
    pub(crate) first_night: NightOf,
    pub(crate) fields: Vec<Field>,
    pub(crate) objects: Vec<Object>,
    /// Objects of each field.
    pub(crate) members: Vec<Range<u32>>,
    pub(crate) sky: Sky,
    /// In order of time; those before the simulated nights come first.
    pub(crate) visits: Vec<Visit>,
    /// The first visit that makes packets.
    pub(crate) begin: usize,
    /// Visits of each field, in order of time.
    of_field: Vec<Vec<u32>>,
    /// By object, once it has been asked for: its first detection before the first night, and all of them.
    first: Vec<OnceLock<Option<u32>>>,
    past: Vec<OnceLock<Box<[u32]>>>,
    /// Mean number of forced records where a plan limits the size of packets.
    pub(crate) forced_mean: Option<f64>,
}

impl World {
    /// A world whose telescope saw nothing before the first night.
    pub(crate) fn without_past(plan: &Plan) -> Result<Self, SimulationError> {
        plan.check()?;
        let telescope = plan.survey.telescope();
        let wrong_date = || SimulationError::OutOfRange {
            field: "first_night",
            value: plan.first_night.to_string(),
            range: "a date as yyyymmdd",
        };
        let first_night = NightOf::from_digits(plan.first_night).ok_or_else(wrong_date)?;
        let fields = crate::fields::fields(plan);
        let members = allot(plan.objects, &fields);
        check_numbers(plan, &members)?;
        let radius = plan.field_radius.unwrap_or(telescope.camera.radius);
        let sky = Sky {
            seed: plan.seed,
            begin: first_night.midpoint(telescope, 0),
            end: first_night.plus(plan.nights.into()).midpoint(telescope, 0),
            brightness: telescope.brightness,
            radius,
        };
        let of_fields = fields.iter().zip(&members).zip(0..);
        let objects: Vec<_> = of_fields
            .flat_map(|((field, members), number)| {
                members.clone().zip(0..).map(move |(n, nth)| Object::new(&sky, n, nth, field, number))
            })
            .collect();
        let mut world = Self {
            plan: plan.clone(),
            telescope,
            first_night,
            fields,
            members,
            sky,
            visits: Vec::new(),
            begin: 0,
            of_field: Vec::new(),
            first: Vec::new(),
            past: Vec::new(),
            objects,
            forced_mean: None,
        };
        world.set_visits(Vec::new(), crate::schedule::visits_of_plan(telescope, plan, first_night));
        Ok(world)
    }

    fn set_visits(&mut self, before: Vec<Visit>, simulated: Vec<Visit>) {
        self.begin = before.len();
        self.visits = before;
        self.visits.extend(simulated);
        self.of_field = vec![Vec::new(); self.fields.len()];
        for (visit, number) in self.visits.iter().zip(0..) {
            self.of_field[visit.field as usize].push(number);
        }
        self.first = self.objects.iter().map(|_| OnceLock::new()).collect();
        self.past = self.objects.iter().map(|_| OnceLock::new()).collect();
    }

    /// Lets the telescope have made these visits before the first night.
    pub(crate) fn set_past(&mut self, before: Vec<Visit>) {
        let simulated = self.visits.split_off(self.begin);
        self.set_visits(before, simulated);
    }

    /// Visits that make packets.
    pub(crate) fn simulated(&self) -> &[Visit] {
        &self.visits[self.begin..]
    }

    /// Running numbers up to this one are those of objects.
    pub(crate) fn spare_numbers(&self) -> u32 {
        self.members.iter().map(|m| m.end - m.start).max().unwrap_or(0) + 1
    }

    /// Visits in which an object was detected before the first night, in order of time.
    pub(crate) fn past_detections(&self, number: u32) -> &[u32] {
        let found = || self.looks_before(&self.objects[number as usize]).collect();
        self.past[number as usize].get_or_init(found)
    }

    /// The first of them, which is found sooner.
    pub(crate) fn first_past(&self, number: u32) -> Option<u32> {
        let found = || self.looks_before(&self.objects[number as usize]).next();
        *self.first[number as usize].get_or_init(found)
    }

    fn looks_before(&self, object: &Object) -> impl Iterator<Item = u32> {
        let of_field = &self.of_field[object.field as usize];
        let before = &of_field[..self.past_visits(object)];
        before.iter().copied().filter(|number| {
            let visit = &self.visits[*number as usize];
            Glance::at(self.plan.seed, object, visit).is_some_and(|glance| glance.detected)
        })
    }

    /// Visits of a field, in order of time.
    pub(crate) fn visits_of(&self, field: u32) -> &[u32] {
        &self.of_field[field as usize]
    }

    /// How often its field was visited before the first night.
    pub(crate) fn past_visits(&self, object: &Object) -> usize {
        self.of_field[object.field as usize].partition_point(|v| (*v as usize) < self.begin)
    }

    /// The number that the survey gives an object: that of its first source, found in this visit.
    pub(crate) fn object_id(&self, number: u32, first: u32) -> i64 {
        let (object, visit) = (&self.objects[number as usize], &self.visits[first as usize]);
        source_id(visit.night, visit.sequence, visit.aim.place(object.point).detector, object.counter)
    }

    /// Which of its detections (in order of time) the packet of a visit carries, and which forced photometry.
    /// `chance` in `[0, 1)` decides how far back the latter goes.
    pub(crate) fn carried(&self, object: &Object, detections: &[u32], visit: u32, chance: f64) -> Carried {
        let now = self.visits[visit as usize].mjd;
        let before = |list: &[u32], mjd: f64| list.partition_point(|v| self.visits[*v as usize].mjd < mjd);
        let history = &detections[before(detections, now - YEAR)..before(detections, now - LAG)];
        let Some(first) = detections.first().filter(|_| !history.is_empty()) else { return Carried::default() };
        let of_field = &self.of_field[object.field as usize];
        let since = now - (3.0 + 18.0 * chance);
        let known_since = self.visits[*first as usize].mjd;
        let end = before(of_field, now - LAG);
        let begin = before(of_field, since.max(known_since)).min(end);
        // The newest ones, and that of the visit itself.
        let most = self.forced_mean.map_or(usize::MAX, |mean| (mean * (0.4 + 1.2 * chance)) as usize);
        let begin = begin.max(end.saturating_sub(most));
        let mut forced = of_field[begin..end].to_vec();
        forced.push(visit);
        Carried { history: history.to_vec(), forced }
    }

    /// How many simulated visits of its field came so long before a visit that their records are in its packets.
    pub(crate) fn simulated_before(&self, visit: u32) -> usize {
        let this = &self.visits[visit as usize];
        let of_field = &self.of_field[this.field as usize];
        let begin = of_field.partition_point(|v| (*v as usize) < self.begin);
        of_field[begin..].partition_point(|v| self.visits[*v as usize].mjd < this.mjd - LAG)
    }
}

/// Shares objects among fields by how much there is in each.
fn allot(objects: u32, fields: &[Field]) -> Vec<Range<u32>> {
    let all: f64 = fields.iter().map(|field| field.mix.weight).sum();
    let (mut sum, mut start) = (0.0, 0);
    let shares = fields.iter().map(|field| {
        sum += field.mix.weight;
        let end = ((f64::from(objects) * (sum / all)).round() as u32).clamp(start, objects);
        std::mem::replace(&mut start, end)..end
    });
    let mut shares: Vec<_> = shares.collect();
    // Whatever the rounding, none is left over.
    if let Some(last) = shares.last_mut() {
        last.end = objects;
    }
    shares
}

/// Objects, bodies and artefacts each have running numbers of their own in the ids of a visit.
fn check_numbers(plan: &Plan, members: &[Range<u32>]) -> Result<(), SimulationError> {
    let most = f64::from(members.iter().map(|m| m.end - m.start).max().unwrap_or(0));
    let both = plan.solar_system_share + plan.bogus_share;
    let alerts = if plan.natural_rate { most / (1.0 - both).max(0.01) } else { f64::from(plan.alerts_per_visit) };
    if most + 3.0 * alerts + 8.0 <= f64::from(MAX_COUNTER) {
        return Ok(());
    }
    Err(SimulationError::OutOfRange {
        field: "objects",
        value: plan.objects.to_string(),
        range: "few enough for 524287 running numbers in a field, three for each alert and one for each object",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_has_a_field_and_crowded_fields_have_more() {
        let plan = Plan { objects: 5_000, fields: 60, ..Plan::default() };
        let world = World::without_past(&plan).unwrap();
        assert_eq!(world.objects.len(), 5_000);
        assert_eq!(world.members.iter().map(ExactSizeIterator::len).sum::<usize>(), 5_000);
        for (members, field) in world.members.iter().zip(0..) {
            for number in members.clone() {
                let object = &world.objects[number as usize];
                assert_eq!((object.key, object.field), (u64::from(number), field));
                assert!((1..world.spare_numbers()).contains(&object.counter));
            }
        }
        let sizes: Vec<_> = world.members.iter().map(ExactSizeIterator::len).collect();
        assert!(sizes.iter().max() > sizes.iter().min().map(|n| 5 * n).as_ref(), "{sizes:?}");
    }

    #[test]
    fn running_numbers_suffice() {
        for wrong in [
            Plan { objects: 1_000_000, fields: 1, ..Plan::default() },
            Plan { objects: 400_000, fields: 1, natural_rate: true, ..Plan::default() },
        ] {
            assert!(matches!(World::without_past(&wrong), Err(SimulationError::OutOfRange { field: "objects", .. })));
        }
    }
}
