//! Everything that does not change while packets are made.

use noctuary_packet::schema::known_lsst;

use crate::alert::AlertWriter;
use crate::calendar::NightOf;
use crate::objects::Object;
use crate::plan::{Plan, SimulationError};
use crate::psf::PsfSize;
use crate::source::Glance;
use crate::visits::{Field, Visit};

/// The version of the schema, and its id in frames.
const VERSION: &str = "11.1";
const REGISTRY_ID: u32 = 1101;

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

/// Plan, sky, visits and schema.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) first_night: NightOf,
    pub(crate) fields: Vec<Field>,
    pub(crate) objects: Vec<Object>,
    /// Objects of each field.
    pub(crate) members: Vec<Vec<u32>>,
    /// In order of time; those before the simulated nights come first.
    pub(crate) visits: Vec<Visit>,
    /// The first visit that makes packets.
    pub(crate) begin: usize,
    /// Visits of each field, in order of time.
    of_field: Vec<Vec<u32>>,
    pub(crate) writer: AlertWriter,
    pub(crate) psf: PsfSize,
    /// Mean number of forced records where a plan limits the size of packets.
    pub(crate) forced_mean: Option<f64>,
}

impl World {
    /// A world whose telescope saw nothing before the first night.
    pub(crate) fn without_past(plan: &Plan) -> Result<Self, SimulationError> {
        plan.check()?;
        let writer = known_lsst(VERSION)
            .and_then(|schema| AlertWriter::new(&schema, REGISTRY_ID))
            .ok_or(SimulationError::NoSchema(VERSION))?;
        let wrong_date = || SimulationError::OutOfRange {
            field: "first_night",
            value: plan.first_night.to_string(),
            range: "a date as yyyymmdd",
        };
        let first_night = NightOf::from_digits(plan.first_night).ok_or_else(wrong_date)?;
        let fields = crate::visits::fields(plan);
        let visits = crate::visits::visits_of_plan(plan, first_night);
        let (begin, end) = (first_night.midpoint(0), first_night.plus(plan.nights.into()).midpoint(0));
        let objects: Vec<_> = (0..plan.objects).map(|n| Object::new(plan.seed, n, &fields, begin, end)).collect();
        let mut members = vec![Vec::new(); fields.len()];
        for (object, number) in objects.iter().zip(0..) {
            members[object.field as usize].push(number);
        }
        let mut world = Self {
            plan: plan.clone(),
            first_night,
            fields,
            objects,
            members,
            visits: Vec::new(),
            begin: 0,
            of_field: Vec::new(),
            writer,
            psf: PsfSize::Full,
            forced_mean: None,
        };
        world.set_visits(Vec::new(), visits);
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
    }

    /// Lets the telescope have made these visits before the first night.
    pub(crate) fn set_past(&mut self, before: Vec<Visit>) {
        let simulated = self.visits.split_off(self.begin);
        self.set_visits(before, simulated);
    }

    /// Visits in which an object was detected before the first night.
    pub(crate) fn past_detections(&self, object: &Object) -> Vec<u32> {
        let of_field = &self.of_field[object.field as usize];
        let before = self.past_visits(object);
        let detected = |number: &u32| {
            let visit = &self.visits[*number as usize];
            !Glance::is_hopeless(object, visit) && Glance::new(self.plan.seed, object, visit).detected
        };
        of_field[..before].iter().copied().filter(detected).collect()
    }

    /// How often its field was visited before the first night.
    pub(crate) fn past_visits(&self, object: &Object) -> usize {
        self.of_field[object.field as usize].partition_point(|v| (*v as usize) < self.begin)
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
