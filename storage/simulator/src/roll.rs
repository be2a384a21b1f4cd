//! Everything that alerts, in the order in which it does, without packets.

use crate::press::Press;
use crate::queue::{Due, alerts};
use crate::selection::{Passing, Subject};
use crate::world::World;

/// An alert, and the number of the object that it is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) visit: u32,
    pub(crate) due: Due,
    /// As packets have it; in some surveys bodies have none.
    pub(crate) object: Option<i64>,
    /// True the first time.
    pub(crate) new: bool,
}

/// Goes through the visits and remembers, for each object, its number.
pub(crate) struct Roll {
    /// The next visit to open.
    visit: usize,
    pub(crate) passing: Vec<Passing>,
    /// By object; zero until it alerts.
    objects: Vec<i64>,
    /// By field and body: for which stay, and whether it was seen.
    bodies: Vec<(Option<u32>, Vec<bool>)>,
    due: std::vec::IntoIter<Due>,
}

impl Roll {
    pub(crate) fn new(world: &World) -> Self {
        Self {
            visit: world.begin,
            passing: vec![Passing::default(); world.fields.len()],
            objects: vec![0; world.objects.len()],
            bodies: vec![(None, Vec::new()); world.fields.len()],
            due: Vec::new().into_iter(),
        }
    }

    pub(crate) fn next(&mut self, world: &World, press: &dyn Press) -> Option<Seen> {
        loop {
            if let Some(due) = self.due.next() {
                return Some(self.seen(world, press, self.visit - 1, due));
            }
            let visit = world.visits.get(self.visit)?;
            let field = visit.field as usize;
            self.due = alerts(world, visit, &mut self.passing[field]).1.into_iter();
            let (stay, seen) = &mut self.bodies[field];
            if *stay != self.passing[field].stay {
                *stay = self.passing[field].stay;
                *seen = vec![false; self.passing[field].bodies.len()];
            }
            self.visit += 1;
        }
    }

    fn seen(&mut self, world: &World, press: &dyn Press, number: usize, due: Due) -> Seen {
        let visit = number as u32;
        let (object, new) = match due.subject {
            Subject::Object(object) => {
                let known = self.objects[object as usize];
                let id = if known == 0 {
                    press.object_id(world, visit, &due, world.first_past(object).unwrap_or(visit))
                } else {
                    Some(known)
                };
                self.objects[object as usize] = id.unwrap_or_default();
                (id, known == 0)
            }
            Subject::Body(index) => {
                let id = press.object_id(world, visit, &due, visit);
                let field = world.visits[number].field as usize;
                let before = std::mem::replace(&mut self.bodies[field].1[index as usize], true);
                (id, id.is_some() || !before)
            }
            Subject::Artefact(_) => (press.object_id(world, visit, &due, visit), true),
        };
        Seen { visit, due, object, new }
    }
}
