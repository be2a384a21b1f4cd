//! Sources and objects as flat rows, without packets: what fills a table or an index with tens of millions of them.

use std::sync::Arc;

use crate::lsst::source::{Core, Sight};
use crate::objects::TrueClass;
use crate::press::Press;
use crate::roll::{Roll, Seen};
use crate::selection::Subject;
use crate::visits::Band;
use crate::world::World;

/// Sources, a vector for each column. All are of the same length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceRows {
    /// The survey's number of the source; the id of the alert that a packet would have.
    pub source_id: Vec<i64>,
    /// Of its object; bodies have none.
    pub object_id: Vec<Option<i64>>,
    /// Of the body, if it is one.
    pub body_id: Vec<Option<i64>>,
    /// `yyyymmdd` of the evening.
    pub night: Vec<i32>,
    /// Number of the visit.
    pub visit: Vec<i64>,
    /// Number of the detector.
    pub detector: Vec<i32>,
    /// Middle of the exposure, MJD TAI.
    pub mjd: Vec<f64>,
    /// Right ascension, degrees.
    pub ra: Vec<f64>,
    /// Declination, degrees.
    pub dec: Vec<f64>,
    /// `u`, `g`, `r`, `i`, `z` or `y`.
    pub band: Vec<&'static str>,
    /// Difference flux, nJy.
    pub flux: Vec<f32>,
    /// Its uncertainty, nJy.
    pub flux_error: Vec<f32>,
    /// Signal over noise of the detection.
    pub snr: Vec<f32>,
    /// 0 for an artefact to 1 for what is real.
    pub reliability: Vec<f32>,
    /// What it really is.
    pub class: Vec<TrueClass>,
}

impl SourceRows {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.source_id.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.source_id.is_empty()
    }
}

/// Objects, a vector for each column. All are of the same length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObjectRows {
    /// The survey's number of the object.
    pub object_id: Vec<i64>,
    /// True right ascension, degrees.
    pub ra: Vec<f64>,
    /// True declination, degrees.
    pub dec: Vec<f64>,
    /// When it first alerted, MJD TAI.
    pub first_mjd: Vec<f64>,
    /// What the template holds in u, g, r, i, z and y, nJy; zero for artefacts.
    pub template: [Vec<f32>; 6],
    /// What it really is.
    pub class: Vec<TrueClass>,
}

impl ObjectRows {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.object_id.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.object_id.is_empty()
    }
}

/// Rows that belong together: sources, and the objects that are seen for the first time in them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RowBatch {
    /// In the order of visits, detectors and ids.
    pub sources: SourceRows,
    /// In the order in which they first alert.
    pub objects: ObjectRows,
}

/// The triggers of all packets as rows, batch by batch: for LSST with the numbers that the packets hold. Rows of other
/// surveys are measured and numbered in the same way. Memory grows with the objects of the plan and the size of a
/// batch, not with the number of rows.
pub struct Rows {
    world: Arc<World>,
    press: Arc<dyn Press>,
    roll: Roll,
    size: usize,
}

impl Rows {
    pub(crate) fn new(world: Arc<World>, press: Arc<dyn Press>, size: usize) -> Self {
        Self { roll: Roll::new(&world), size: size.max(1), world, press }
    }

    fn push(&self, seen: &Seen, batch: &mut RowBatch) {
        let world = &*self.world;
        let visit = &world.visits[seen.visit as usize];
        let (mut sight, object) = match seen.due.subject {
            Subject::Object(number) => {
                let object = &world.objects[number as usize];
                let id = seen.object.unwrap_or_default();
                (Sight::of_object(world.plan.seed, object, visit, id), Some(object))
            }
            Subject::Body(index) => {
                let body = &self.roll.passing[visit.field as usize].bodies[index as usize];
                (Sight::of_body(world, visit, seen.due, body), None)
            }
            Subject::Artefact(number) => (Sight::of_artefact(world, visit, seen.due, number), None),
        };
        let core = Core::measure(&mut sight);
        if let Some(id) = seen.object.filter(|_| seen.new) {
            let rows = &mut batch.objects;
            rows.object_id.push(id);
            rows.ra.push(sight.ra);
            rows.dec.push(sight.dec);
            rows.first_mjd.push(visit.mjd);
            for (band, column) in rows.template.iter_mut().enumerate() {
                column.push(object.map_or(0.0, |o| o.template(band) as f32));
            }
            rows.class.push(sight.class);
        }
        let rows = &mut batch.sources;
        rows.source_id.push(sight.source_id());
        rows.object_id.push(seen.object);
        rows.body_id.push(sight.body.filter(|id| *id != 0));
        rows.night.push(visit.night.digits());
        rows.visit.push(visit.id);
        rows.detector.push(seen.due.detector as i32);
        rows.mjd.push(visit.mjd);
        rows.ra.push(core.ra);
        rows.dec.push(core.dec);
        rows.band.push(Band::NAMES[visit.band.0]);
        rows.flux.push(sight.flux as f32);
        rows.flux_error.push(sight.error as f32);
        rows.snr.push(core.snr as f32);
        rows.reliability.push(core.reliability as f32);
        rows.class.push(sight.class);
    }
}

impl Iterator for Rows {
    type Item = RowBatch;

    fn next(&mut self) -> Option<RowBatch> {
        let mut batch = RowBatch::default();
        while batch.sources.len() < self.size {
            let Some(seen) = self.roll.next(&self.world, &*self.press) else { break };
            self.push(&seen, &mut batch);
        }
        (!batch.sources.is_empty()).then_some(batch)
    }
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rows").field("size", &self.size).finish_non_exhaustive()
    }
}
