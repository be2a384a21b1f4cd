//! The truth about everything that alerts.

use std::sync::Arc;

use crate::objects::TrueClass;
use crate::press::Press;
use crate::roll::{Roll, Seen};
use crate::selection::Subject;
use crate::world::World;

/// What an object, a body or an artefact really is.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Its number in packets: for LSST `diaObjectId`, of bodies `ssObjectId`; for ZTF `objectId` as a number, under which
    /// a body is another object each time it is seen.
    pub id: i64,
    /// What packets call it, where that is not the number: for ZTF `objectId`, of LSST's bodies the designation.
    pub name: Option<String>,
    /// What it is.
    pub class: TrueClass,
    /// Which kind of its class, where there are several: `sinusoid`, `rr_lyrae`, `eclipsing`.
    pub shape: Option<&'static str>,
    /// True position in degrees, ICRS; of a body where it was first seen.
    pub ra: f64,
    /// See `ra`.
    pub dec: f64,
    /// The first night on which it alerts, `yyyymmdd`.
    pub first_night: i32,
    /// Numbers that describe it, by their names in [`Self::PARAMETERS`]; those that mean nothing for it are left out.
    pub parameters: Vec<(&'static str, f64)>,
}

impl Label {
    /// Every parameter, with its unit and what it is.
    pub const PARAMETERS: [(&'static str, &'static str, &'static str); 22] = [
        ("amplitude_njy", "nJy", "amplitude in r: of the wave, the eclipse, the walk; peak of what flares or explodes"),
        ("template_njy", "nJy", "flux of the template in r"),
        ("period_d", "d", "period"),
        ("phase", "", "phase at MJD 0 (TAI), in periods"),
        ("second_harmonic", "", "second harmonic of a sinusoid over the first"),
        ("third_harmonic", "", "third harmonic of a sinusoid over the first"),
        ("rise_share", "", "share of the period in which an RR Lyrae star rises"),
        ("eclipse_share", "", "share of the period that the first eclipse takes"),
        ("second_eclipse", "", "depth of the second eclipse over the first"),
        ("start_mjd", "d", "time scale zero of a supernova, MJD TAI; its peak follows within days"),
        ("stretch", "", "how slow a supernova is, 1 for a typical one"),
        ("flare_interval_d", "d", "mean time from one flare to the next"),
        ("decay_d", "d", "time in which a flare falls to 1/e"),
        ("damping_d", "d", "time in which an active nucleus forgets"),
        ("peak_mjd", "d", "time of the closest approach of a lens, MJD TAI"),
        ("einstein_d", "d", "time in which a lens crosses the radius of its Einstein ring"),
        ("impact", "", "closest approach of a lens, in radii of the Einstein ring"),
        ("crossing_share", "", "share of visits in which the noise of a constant star crosses the threshold"),
        ("semi_major_au", "au", "semi-major axis of a body's orbit"),
        ("eccentricity", "", "eccentricity of a body's orbit"),
        ("inclination_deg", "deg", "inclination of a body's orbit to the ecliptic"),
        ("absolute_magnitude", "mag", "absolute magnitude of a body"),
    ];

    fn of(world: &World, press: &dyn Press, roll: &Roll, seen: &Seen) -> Option<Self> {
        let visit = &world.visits[seen.visit as usize];
        let first_night = visit.night.digits();
        let name = seen.object.and_then(|id| press.object_name(id));
        Some(match seen.due.subject {
            Subject::Object(number) => {
                let object = &world.objects[number as usize];
                let mut parameters = object.light.parameters();
                parameters.push(("template_njy", object.template(2)));
                let (class, shape, ra, dec) = (object.class, object.light.shape(), object.ra, object.dec);
                Self { id: seen.object?, name, class, shape, ra, dec, first_night, parameters }
            }
            Subject::Body(index) => {
                let body = roll.passing[visit.field as usize].bodies.get(index as usize)?;
                let (ra, dec) = body.towards(visit.mjd);
                let parameters = vec![
                    ("semi_major_au", body.elements.semi_major),
                    ("eccentricity", body.elements.eccentricity),
                    ("inclination_deg", body.elements.inclination),
                    ("absolute_magnitude", body.magnitude),
                ];
                let id = seen.object.unwrap_or(body.id);
                let name = name.or_else(|| Some(body.designation.clone()));
                Self { id, name, class: TrueClass::SolarSystem, shape: None, ra, dec, first_night, parameters }
            }
            Subject::Artefact(number) => {
                let (_, ra, dec, _) = crate::queue::artefact(world, visit, number);
                let parameters = Vec::new();
                Self { id: seen.object?, name, class: TrueClass::Bogus, shape: None, ra, dec, first_night, parameters }
            }
        })
    }

    /// A parameter by its name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<f64> {
        self.parameters.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

/// A label for each object, body and artefact that alerts, in the order in which they first do.
pub struct Labels {
    world: Arc<World>,
    press: Arc<dyn Press>,
    roll: Roll,
}

impl Labels {
    pub(crate) fn new(world: Arc<World>, press: Arc<dyn Press>) -> Self {
        Self { roll: Roll::new(&world), world, press }
    }
}

impl Iterator for Labels {
    type Item = Label;

    fn next(&mut self) -> Option<Label> {
        loop {
            let seen = self.roll.next(&self.world, &*self.press)?;
            if seen.new {
                return Label::of(&self.world, &*self.press, &self.roll, &seen);
            }
        }
    }
}

impl std::fmt::Debug for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Labels").finish_non_exhaustive()
    }
}
