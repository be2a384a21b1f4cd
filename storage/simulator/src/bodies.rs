//! Bodies of the solar system.

use crate::fields::Field;
use crate::objects::Sky;
use crate::orbit::{Elements, SUN, State, Vector, earth};
use crate::random::{Purpose, Stream};

/// Nights for which a set of bodies stays in a field.
pub(crate) const STAY: u32 = 3;

/// A minor planet that passes through a field.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) key: u64,
    /// The survey's number: the packed designation read as a number.
    pub(crate) id: i64,
    /// Designations: `2015 RA12`, `K15R12A`.
    pub(crate) designation: String,
    pub(crate) packed: String,
    pub(crate) epoch: f64,
    pub(crate) elements: Elements,
    state: State,
    /// Absolute magnitude.
    pub(crate) magnitude: f64,
}

/// Where a body is, as seen from the Earth and the Sun, and how bright. Units au, au / d, degrees.
#[derive(Debug, Clone)]
pub(crate) struct Ephemeris {
    pub(crate) ra: f64,
    pub(crate) dec: f64,
    pub(crate) from_sun: State,
    pub(crate) from_earth: State,
    pub(crate) elongation: f64,
    pub(crate) phase: f64,
    pub(crate) magnitude: f64,
    /// Motion on the sky in degrees a day, to the east (along the parallel) and to the north.
    pub(crate) rate: (f64, f64),
}

impl Body {
    /// The `nth` body that is in a field around the middle of a stay (MJD). No two have the same number.
    pub(crate) fn new(sky: &Sky, field: &Field, number: u64, middle: f64) -> Self {
        let mut stream = Stream::new(sky.seed, Purpose::Body, number, 0);
        let place = crate::camera::point_in_cap(sky.radius, stream.uniform() * 0.8, stream.uniform());
        let (ra, dec) = field.centre.to_sky(place);
        let towards = Vector::towards(ra, dec);
        let here = earth(middle).place;
        let distance_from_sun = stream.between(1.9, 3.4);
        // The point of the line of sight at that distance from the Sun.
        let along = here.dot(towards);
        let reach = along * along - here.dot(here) + distance_from_sun * distance_from_sun;
        let distance = -along + reach.max(0.01).sqrt();
        let place = here.plus(towards, distance);
        // Around the Sun as the planets go, on nearly a circle.
        let pole = Vector(0.0, 0.0, 1.0).to_equatorial();
        let onwards = pole.cross(place).unit();
        let outwards = place.unit();
        let upwards = outwards.cross(onwards);
        let speed = (SUN / place.length()).sqrt() * (1.0 + 0.05 * stream.normal());
        let velocity = onwards
            .times(speed)
            .plus(outwards, speed * 0.1 * stream.normal())
            .plus(upwards, speed * 0.08 * stream.normal());
        let state = State { place, velocity };
        let (designation, packed) = designations(sky.seed, number);
        let id = packed.bytes().fold(0, |id, byte| id << 8 | i64::from(byte));
        let visible = stream.between(18.5, 23.5) - 2.5 * libm::log10(sky.brightness);
        let magnitude = visible - 5.0 * libm::log10(place.length() * distance);
        Self { key: number, id, designation, packed, epoch: middle, elements: Elements::of(state), state, magnitude }
    }

    /// Right ascension and declination in degrees at a time within the stay.
    pub(crate) fn towards(&self, mjd: f64) -> (f64, f64) {
        self.state.after(mjd - self.epoch).place.plus(earth(mjd).place, -1.0).angles()
    }

    /// Where it is at a time within the stay, and how bright.
    pub(crate) fn at(&self, mjd: f64) -> Ephemeris {
        let from_sun = self.state.after(mjd - self.epoch);
        let here = earth(mjd);
        let from_earth = State {
            place: from_sun.place.plus(here.place, -1.0),
            velocity: from_sun.velocity.plus(here.velocity, -1.0),
        };
        let (ra, dec) = from_earth.place.angles();
        let phase = from_sun.place.separation(from_earth.place);
        let north_pole = Vector(0.0, 0.0, 1.0);
        let east = north_pole.cross(from_earth.place).unit();
        let north = from_earth.place.unit().cross(east);
        let turn = |axis: Vector| from_earth.velocity.dot(axis) / from_earth.place.length() / crate::camera::RADIAN;
        Ephemeris {
            ra,
            dec,
            elongation: here.place.times(-1.0).separation(from_earth.place),
            phase,
            magnitude: self.magnitude
                + 5.0 * libm::log10(from_sun.place.length() * from_earth.place.length())
                + 0.03 * phase,
            rate: (turn(east), turn(north)),
            from_sun,
            from_earth,
        }
    }
}

/// Flux in nJy of an AB magnitude.
pub(crate) fn flux_of_magnitude(magnitude: f64) -> f64 {
    libm::pow(10.0, (31.4 - magnitude) / 2.5)
}

/// A provisional designation and its packed form, of years 2000 to 2025; one for each number below 1.56 million.
fn designations(seed: u64, number: u64) -> (String, String) {
    const LETTERS: &[u8; 25] = b"ABCDEFGHJKLMNOPQRSTUVWXYZ";
    const COUNT: u64 = 26 * 24 * 100 * 25;
    // 700,001 has no factor in common with the count, so that each number has a place of its own.
    let at = (number % COUNT * 700_001 + seed % COUNT) % COUNT;
    let letter = |index: u64| char::from(LETTERS[index as usize % 25]);
    let (second, cycle, half_month, year) = (letter(at % 25), at / 25 % 100, at / 2_500 % 24, at / 60_000);
    let half_month = letter(half_month);
    (
        format!("{} {half_month}{second}{}", 2_000 + year, if cycle == 0 { String::new() } else { cycle.to_string() }),
        format!("K{year:02}{half_month}{cycle:02}{second}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    #[test]
    fn bodies_move_through_their_field_on_ellipses() {
        let plan = Plan { fields: 7, ..Plan::default() };
        let sky = Sky { seed: 1, begin: 61_353.0, end: 61_356.0, brightness: 1.0, radius: 1.35 };
        for (number, field) in (0..).zip(crate::fields::fields(&plan).iter().cycle().take(70)) {
            let body = Body::new(&sky, field, number, 61_354.0);
            assert_eq!(body.towards(61_354.1), (body.at(61_354.1).ra, body.at(61_354.1).dec));
            let (e, a) = (body.elements.eccentricity, body.elements.semi_major);
            assert!(e < 0.6 && (1.2..7.0).contains(&a), "{body:?}");
            let (before, now, after) = (body.at(61_353.9), body.at(61_354.0), body.at(61_354.1));
            let step = crate::orbit::Vector::towards(before.ra, before.dec)
                .separation(crate::orbit::Vector::towards(after.ra, after.dec));
            let rate = (now.rate.0 * now.rate.0 + now.rate.1 * now.rate.1).sqrt();
            assert!((step - 0.2 * rate).abs() < 1e-4 && rate < 1.0, "{step} {rate}");
            assert!((14.0..28.0).contains(&now.magnitude), "{now:?}");
        }
    }

    #[test]
    fn designations_are_unique_and_packed_as_numbers() {
        let mut seen = std::collections::BTreeSet::new();
        for number in 0..5_000 {
            let (plain, packed) = designations(99, number);
            assert_eq!(packed.len(), 7);
            assert!(seen.insert(packed) && plain.len() >= 7);
        }
        // As in a transmitted packet.
        assert_eq!(b"K08D13Y".iter().fold(0, |id, b| id << 8 | i64::from(*b)), 21_163_641_473_676_121);
    }
}
