//! What is on the sky beyond the solar system.

use serde::{Deserialize, Serialize};

use crate::camera::{RADIAN, point_in_cap};
use crate::light::Light;
use crate::random::{Purpose, Stream};
use crate::visits::Field;

/// What an alert really is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrueClass {
    /// A star with a regular period of hours to months.
    PeriodicVariable,
    /// A supernova.
    Supernova,
    /// A star with flares of hours.
    Flare,
    /// An active galactic nucleus.
    ActiveNucleus,
    /// A star that does not change: noise crossed the threshold.
    ConstantStar,
    /// A body of the solar system.
    SolarSystem,
    /// An artefact of the image.
    Bogus,
}

impl TrueClass {
    /// Every class.
    pub const ALL: [Self; 7] = [
        Self::PeriodicVariable,
        Self::Supernova,
        Self::Flare,
        Self::ActiveNucleus,
        Self::ConstantStar,
        Self::SolarSystem,
        Self::Bogus,
    ];

    /// Its name in tables: `periodic_variable`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PeriodicVariable => "periodic_variable",
            Self::Supernova => "supernova",
            Self::Flare => "flare",
            Self::ActiveNucleus => "active_nucleus",
            Self::ConstantStar => "constant_star",
            Self::SolarSystem => "solar_system",
            Self::Bogus => "bogus",
        }
    }
}

/// A thing at a fixed place.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// Number among all objects.
    pub(crate) key: u64,
    /// Running number in the ids of its sources; no other object of the field has it.
    pub(crate) counter: u32,
    pub(crate) field: u32,
    pub(crate) class: TrueClass,
    /// True place in degrees.
    pub(crate) ra: f64,
    pub(crate) dec: f64,
    /// The same in the tangent plane of the field, in radians.
    pub(crate) point: (f64, f64),
    /// What the template holds at this place, in nJy.
    pub(crate) template: [f64; 6],
    pub(crate) light: Light,
}

/// Colours of things, as flux in each band over that in r.
const STAR: [f64; 6] = [0.3, 0.7, 1.0, 1.15, 1.2, 1.25];
const DWARF: [f64; 6] = [0.05, 0.3, 1.0, 2.2, 3.2, 3.8];
const GALAXY: [f64; 6] = [0.25, 0.55, 1.0, 1.4, 1.7, 1.9];
const NUCLEUS: [f64; 6] = [0.8, 0.9, 1.0, 1.05, 1.1, 1.1];
/// A variable star changes most in the blue.
const PULSATION: [f64; 6] = [0.5, 1.2, 1.0, 0.9, 0.8, 0.75];
const EXPLOSION: [f64; 6] = [0.3, 0.9, 1.0, 0.8, 0.6, 0.5];
const FLARE: [f64; 6] = [1.0, 0.6, 0.3, 0.15, 0.1, 0.07];

impl Object {
    /// The object of a number. Supernovae explode between 150 days before `begin` and `end` (MJD).
    pub(crate) fn new(seed: u64, number: u32, fields: &[Field], begin: f64, end: f64) -> Self {
        let count = fields.len() as u32;
        let field = number % count;
        let key = u64::from(number);
        let mut stream = Stream::new(seed, Purpose::Object, key, 0);
        let point = point_in_cap(stream.uniform(), stream.uniform());
        let (ra, dec) = fields[field as usize].centre.to_sky(point);
        let times = |colours: [f64; 6], flux: f64| colours.map(|c| c * flux);
        let kind = stream.uniform();
        let (class, template, light) = if kind < 0.46 {
            let amplitude = stream.log_between(1_500.0, 60_000.0);
            let share = stream.between(0.05, 0.35);
            let light = Light::Periodic {
                amplitude: times(PULSATION, amplitude),
                frequency: 1.0 / stream.log_between(0.2, 100.0),
                phase: stream.uniform(),
                second: stream.between(-0.4, 0.4),
                third: stream.between(-0.15, 0.15),
            };
            (TrueClass::PeriodicVariable, times(STAR, amplitude / share), light)
        } else if kind < 0.52 {
            let stretch = stream.between(0.8, 1.25);
            let light = Light::Supernova {
                peak: times(EXPLOSION, stream.log_between(4_000.0, 60_000.0)),
                start: stream.between(begin - 150.0, end),
                rise: 3.0 * stretch,
                decline: [12.0, 18.0, 28.0, 35.0, 40.0, 45.0].map(|days| days * stretch),
            };
            (TrueClass::Supernova, times(GALAXY, stream.log_between(500.0, 50_000.0)), light)
        } else if kind < 0.62 {
            let light = Light::Flaring {
                amplitude: times(FLARE, stream.log_between(5_000.0, 150_000.0)),
                cell: stream.between(2.0, 10.0),
                decay: stream.log_between(0.02, 0.2),
                seed,
                key,
            };
            (TrueClass::Flare, times(DWARF, stream.log_between(3_000.0, 50_000.0)), light)
        } else if kind < 0.82 {
            let amplitude = stream.log_between(1_500.0, 15_000.0);
            let share = stream.between(0.05, 0.25);
            let damping = stream.log_between(30.0, 300.0);
            let light = Light::wandering(times(NUCLEUS, amplitude), damping, &mut stream);
            (TrueClass::ActiveNucleus, times(NUCLEUS, amplitude / share), light)
        } else {
            let light = Light::Constant { crossing: stream.log_between(0.003, 0.1) };
            (TrueClass::ConstantStar, times(STAR, stream.log_between(10_000.0, 1_000_000.0)), light)
        };
        Self { key, counter: number / count + 1, field, class, ra, dec, point, template, light }
    }
}

/// Degrees of right ascension in an arcsecond along the parallel.
pub(crate) fn parallel_arcsecond(dec: f64) -> f64 {
    // At the pole itself a step along the parallel has no meaning; keep it finite.
    1.0 / 3_600.0 / libm::cos(dec * RADIAN).max(1e-6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    #[test]
    fn every_class_is_there_and_every_object_in_its_field() {
        let plan = Plan { fields: 9, ..Plan::default() };
        let fields = crate::visits::fields(&plan);
        let objects: Vec<_> = (0..4_000).map(|n| Object::new(1, n, &fields, 61_000.0, 61_003.0)).collect();
        for class in &TrueClass::ALL[..5] {
            assert!(objects.iter().filter(|o| o.class == *class).count() > 100, "{class:?}");
        }
        for object in &objects {
            let point = fields[object.field as usize].centre.onto_plane(object.ra, object.dec).unwrap();
            assert!((point.0 - object.point.0).abs() < 1e-10);
            assert!(object.template.iter().all(|f| *f > 0.0));
        }
    }

    #[test]
    fn class_names_are_those_of_serde() {
        for class in TrueClass::ALL {
            assert_eq!(serde_json::to_string(&class).unwrap(), format!("{:?}", class.as_str()));
        }
    }
}
