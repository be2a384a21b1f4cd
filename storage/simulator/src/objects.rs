//! What is on the sky beyond the solar system.

use serde::{Deserialize, Serialize};

use crate::camera::{Centre, RADIAN, point_in_cap};
use crate::fields::Field;
use crate::galaxy::Density;
use crate::light::{Colours, Course, Cycle, Light};
use crate::random::{Purpose, Stream, fraction};

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
    /// A star whose light another one bends.
    Microlensing,
    /// A star that does not change: noise crossed the threshold.
    ConstantStar,
    /// A body of the solar system.
    SolarSystem,
    /// An artefact of the image.
    Bogus,
}

impl TrueClass {
    /// Every class.
    pub const ALL: [Self; 8] = [
        Self::PeriodicVariable,
        Self::Supernova,
        Self::Flare,
        Self::ActiveNucleus,
        Self::Microlensing,
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
            Self::Microlensing => "microlensing",
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
    /// What the template holds at this place in r, in nJy, and in each band over that.
    still: (f64, Colours),
    pub(crate) light: Light,
}

/// Colours of things.
const STAR: Colours = &[0.3, 0.7, 1.0, 1.15, 1.2, 1.25];
const DWARF: Colours = &[0.05, 0.3, 1.0, 2.2, 3.2, 3.8];
const GALAXY: Colours = &[0.25, 0.55, 1.0, 1.4, 1.7, 1.9];
const NUCLEUS: Colours = &[0.8, 0.9, 1.0, 1.05, 1.1, 1.1];
/// A variable star changes most in the blue.
const PULSATION: Colours = &[0.5, 1.2, 1.0, 0.9, 0.8, 0.75];
const EXPLOSION: Colours = &[0.3, 0.9, 1.0, 0.8, 0.6, 0.5];
const FLARE: Colours = &[1.0, 0.6, 0.3, 0.15, 0.1, 0.07];

/// The sky in which objects are: seed, times between which something has to happen (MJD), and how bright things are
/// over what LSST sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sky {
    pub(crate) seed: u64,
    pub(crate) begin: f64,
    pub(crate) end: f64,
    pub(crate) brightness: f64,
    /// Degrees around the middle of a field within which its objects lie.
    pub(crate) radius: f64,
}

/// What there is in a field, by kind, in shares that grow to 1. Measured against the sky at the galactic poles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mix {
    shares: [(Kind, f64); 8],
    /// How many objects there are, over the galactic poles.
    pub(crate) weight: f64,
}

/// What an object is drawn as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Sine,
    Pulsating,
    Eclipsing,
    Flaring,
    Constant,
    Lensed,
    Supernova,
    Nucleus,
}

impl Mix {
    pub(crate) fn of(density: Density) -> Self {
        let Density { stars, beyond } = density;
        let mut shares = [
            (Kind::Sine, 0.16 * stars),
            (Kind::Pulsating, 0.14 * stars),
            (Kind::Eclipsing, 0.12 * stars),
            (Kind::Flaring, 0.10 * stars),
            (Kind::Constant, 0.18 * stars),
            // A star in front of each star behind.
            (Kind::Lensed, 0.01 * stars * stars.min(10.0)),
            (Kind::Supernova, 0.07 * beyond),
            (Kind::Nucleus, 0.22 * beyond),
        ];
        let weight: f64 = shares.iter().map(|(_, share)| share).sum();
        let mut sum = 0.0;
        for (_, share) in &mut shares {
            sum += *share / weight;
            *share = sum;
        }
        Self { shares, weight }
    }

    fn draw(&self, chance: f64) -> Kind {
        self.shares.iter().find(|(_, share)| chance < *share).map_or(Kind::Sine, |(kind, _)| *kind)
    }
}

impl Object {
    /// The object of a number, the `nth` of its field.
    pub(crate) fn new(sky: &Sky, number: u32, nth: u32, field: &Field, of_field: u32) -> Self {
        let key = u64::from(number);
        let mut stream = Stream::new(sky.seed, Purpose::Object, key, 0);
        let point = point_in_cap(sky.radius, stream.uniform(), stream.uniform());
        let (ra, dec) = field.centre.to_sky(point);
        let (class, still, mut light) = draw(field.mix.draw(stream.uniform()), sky, key, &mut stream);
        light.amplitude *= sky.brightness;
        let still = (still.0 * sky.brightness, still.1);
        Self { key, counter: nth + 1, field: of_field, class, ra, dec, point, still, light }
    }

    /// What the template holds at this place in a band, in nJy.
    pub(crate) fn template(&self, band: usize) -> f64 {
        self.still.0 * self.still.1[band]
    }
}

fn draw(kind: Kind, sky: &Sky, key: u64, s: &mut Stream) -> (TrueClass, (f64, Colours), Light) {
    let of = |amplitude, colours, course| Light { amplitude, colours, course };
    match kind {
        Kind::Sine | Kind::Pulsating | Kind::Eclipsing => {
            let amplitude = s.log_between(1_500.0, 60_000.0);
            let (days, cycle) = match kind {
                Kind::Pulsating => (s.log_between(0.25, 0.9), Cycle::Sawtooth { rise: s.between(0.12, 0.3) }),
                Kind::Eclipsing => {
                    let half_length = s.between(0.03, 0.14);
                    (s.log_between(0.25, 20.0), Cycle::Eclipses { half_length, second: s.between(0.1, 1.0) })
                }
                _ => {
                    let (second, third) = (s.between(-0.4, 0.4), s.between(-0.15, 0.15));
                    (s.log_between(0.2, 100.0), Cycle::Sine { second, third })
                }
            };
            // No eclipse takes more light than there is.
            let template =
                amplitude / if kind == Kind::Eclipsing { s.between(0.2, 0.8) } else { s.between(0.05, 0.35) };
            let course = Course::Periodic { frequency: 1.0 / days, phase: s.uniform(), cycle };
            let colours = if kind == Kind::Eclipsing { STAR } else { PULSATION };
            (TrueClass::PeriodicVariable, (template, STAR), of(amplitude, colours, course))
        }
        Kind::Supernova => {
            let course =
                Course::Supernova { stretch: s.between(0.8, 1.25), start: s.between(sky.begin - 150.0, sky.end) };
            let light = of(s.log_between(4_000.0, 60_000.0), EXPLOSION, course);
            (TrueClass::Supernova, (s.log_between(500.0, 50_000.0), GALAXY), light)
        }
        Kind::Flaring => {
            let (cell, decay) = (s.between(2.0, 10.0), s.log_between(0.02, 0.2));
            let light =
                of(s.log_between(5_000.0, 150_000.0), FLARE, Course::Flaring { cell, decay, seed: sky.seed, key });
            (TrueClass::Flare, (s.log_between(3_000.0, 50_000.0), DWARF), light)
        }
        Kind::Nucleus => {
            let amplitude = s.log_between(1_500.0, 15_000.0);
            let template = amplitude / s.between(0.05, 0.25);
            let damping = s.log_between(30.0, 300.0);
            let light = of(amplitude, NUCLEUS, Course::wandering(damping, s));
            (TrueClass::ActiveNucleus, (template, NUCLEUS), light)
        }
        Kind::Lensed => {
            let flux = s.log_between(3_000.0, 100_000.0);
            let course = Course::Lensed {
                peak: s.between(sky.begin - 60.0, sky.end + 20.0),
                crossing: s.log_between(5.0, 80.0),
                closest: s.between(0.02, 0.8),
            };
            (TrueClass::Microlensing, (flux, STAR), of(flux, STAR, course))
        }
        Kind::Constant => {
            let flux = s.log_between(10_000.0, 1_000_000.0);
            let light = of(0.0, STAR, Course::Constant { crossing: s.log_between(0.003, 0.1) });
            (TrueClass::ConstantStar, (flux, STAR), light)
        }
    }
}

/// Degrees of right ascension in an arcsecond along the parallel.
pub(crate) fn parallel_arcsecond(dec: f64) -> f64 {
    // At the pole itself a step along the parallel has no meaning; keep it finite.
    1.0 / 3_600.0 / libm::cos(dec * RADIAN).max(1e-6)
}

/// A place this many arcseconds to the east and to the north of another, in degrees.
pub(crate) fn beside((ra, dec): (f64, f64), east: f64, north: f64) -> (f64, f64) {
    if dec.abs() > 89.0 {
        // Parallels are small circles here.
        return Centre::new(ra, dec).to_sky((east / 3_600.0 * RADIAN, north / 3_600.0 * RADIAN));
    }
    (fraction((ra + east * parallel_arcsecond(dec)) / 360.0) * 360.0, dec + north / 3_600.0)
}

/// How far a place lies to the east and to the north of another one near it, in arcseconds.
pub(crate) fn offset((ra, dec): (f64, f64), from: (f64, f64)) -> (f64, f64) {
    // Across 0h the shorter way around.
    let east = fraction((ra - from.0) / 360.0 + 0.5) * 360.0 - 180.0;
    (east / parallel_arcsecond(dec), (dec - from.1) * 3_600.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    const SKY: Sky = Sky { seed: 1, begin: 61_000.0, end: 61_003.0, brightness: 1.0, radius: 1.35 };

    #[test]
    fn every_class_is_there_and_every_object_in_its_field() {
        let fields = crate::fields::fields(&Plan { fields: 9, ..Plan::default() });
        let objects: Vec<_> = (0..9_000).map(|n| Object::new(&SKY, n, n / 9, &fields[n as usize % 9], n % 9)).collect();
        for class in &TrueClass::ALL[..6] {
            assert!(objects.iter().filter(|o| o.class == *class).count() > 40, "{class:?}");
        }
        for object in &objects {
            let point = fields[object.field as usize].centre.onto_plane(object.ra, object.dec).unwrap();
            assert!((point.0 - object.point.0).abs() < 1e-10);
            assert!((0..6).all(|band| object.template(band) > 0.0));
        }
    }

    #[test]
    fn the_plane_of_the_galaxy_is_crowded_with_stars() {
        let (plane, pole) = (Mix::of(Density::towards(266.4, -28.9)), Mix::of(Density::towards(192.86, 27.13)));
        assert!(plane.weight > 10.0 * pole.weight);
        let count = |mix: &Mix, kind| (0..1_000).filter(|i| mix.draw(f64::from(*i) / 1_000.0) == kind).count();
        assert!(count(&pole, Kind::Nucleus) > 150 && count(&plane, Kind::Nucleus) < 10);
        assert!(count(&plane, Kind::Lensed) > 50 && count(&pole, Kind::Lensed) < 15);
    }

    #[test]
    fn places_beside_a_place_are_that_far_away() {
        for (ra, dec) in [(10.0, -30.0), (359.999_99, 5.0), (120.0, 89.9999), (77.0, -90.0), (5.0, 90.0)] {
            let towards = |(ra, dec)| crate::orbit::Vector::towards(ra, dec);
            for (east, north) in [(0.5, 0.0), (-0.3, 0.4), (0.0, -1.0)] {
                let moved = beside((ra, dec), east, north);
                assert!((0.0..360.0).contains(&moved.0) && (-90.0..=90.0).contains(&moved.1), "{moved:?}");
                let distance = towards(moved).separation(towards((ra, dec))) * 3_600.0;
                let wanted = (east * east + north * north).sqrt();
                assert!((distance - wanted).abs() < 1e-3, "{ra} {dec}: {distance} {wanted}");
            }
        }
        let (east, north) = offset((0.000_1, 5.0), (359.999_9, 5.0));
        assert!((east - 0.72 * 0.996_195).abs() < 1e-4 && north == 0.0, "{east}");
    }

    #[test]
    fn class_names_are_those_of_serde() {
        for class in TrueClass::ALL {
            assert_eq!(serde_json::to_string(&class).unwrap(), format!("{:?}", class.as_str()));
        }
    }
}
