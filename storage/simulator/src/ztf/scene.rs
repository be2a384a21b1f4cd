//! What is steady around a source: the reference image and the catalogues of others.

use crate::objects::parallel_arcsecond;
use crate::random::{Purpose, Stream};

use super::digits::decimals;
use super::exposure::magnitude;

/// Side of a pixel in arcseconds.
pub(super) const PIXEL: f64 = 1.01;
/// The faintest that the reference images show.
const FAINTEST: f64 = 22.8;

/// The nearest source of the reference image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Nearest {
    /// Degrees.
    pub(super) ra: f64,
    pub(super) dec: f64,
    pub(super) magnitude: f64,
    pub(super) error: f64,
    pub(super) chi: f64,
    pub(super) sharp: f64,
}

/// A source of the Pan-STARRS catalogue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Neighbour {
    pub(super) id: i64,
    /// Arcseconds.
    pub(super) distance: f64,
    /// 0 galaxy, 1 star.
    pub(super) score: f64,
    /// In g, r, i, z, where it was seen.
    pub(super) magnitudes: [Option<f64>; 4],
}

/// Everything steady at a place, in one filter.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) nearest: Nearest,
    pub(super) neighbours: [Option<Neighbour>; 3],
    /// Sources of Pan-STARRS within 30 arcseconds.
    pub(super) matches: i64,
    /// Distance in arcseconds and magnitude of the nearest source of Gaia, and of the nearest bright one.
    pub(super) gaia: Option<(f64, f64)>,
    pub(super) gaia_bright: Option<(f64, f64)>,
    /// Start and end of the exposures behind the reference image, Julian dates, and how many they are.
    pub(super) reference: (f64, f64, i64),
    /// Other stars: distance along x and y in pixels, and flux in nJy.
    pub(super) stars: Vec<(f64, f64, f64)>,
}

impl Scene {
    /// `key` names the place, `template` is the flux in nJy that the reference image holds there in the filter.
    pub(super) fn new(seed: u64, key: u64, filter: i64, place: (f64, f64), template: f64) -> Self {
        // What does not depend on the filter comes from a stream of its own.
        let mut s = Stream::new(seed, Purpose::Scene, key, 0);
        let at_place = magnitude(template);
        let is_seen = at_place < FAINTEST - 0.3;
        let first = if is_seen { 0.05 + 0.4 * s.exponential().min(2.0) } else { 2.0 + 7.0 * s.exponential().min(2.4) };
        let angle = s.between(0.0, std::f64::consts::TAU);
        let stars = stars(&mut s);
        let neighbours = neighbours(&mut s, place, first, is_seen.then_some(at_place));
        let gaia = (s.uniform() < 0.975).then(|| {
            let near = is_seen && at_place < 20.5;
            let distance = if near { first } else { 15.0 + 22.0 * s.exponential().min(3.0) };
            (distance, if near { decimals(at_place + 0.1, 4) } else { 21.0 - 3.0 * s.exponential().min(2.8) })
        });
        let gaia_bright = (s.uniform() < 0.3).then(|| match gaia {
            Some((distance, magnitude)) if magnitude < 14.0 => (distance, magnitude),
            _ => (s.between(15.0, 90.0), s.between(11.0, 14.0)),
        });

        let mut f = Stream::new(seed, Purpose::Scene, key, filter as u64);
        let (sin, cos) = libm::sincos(angle + 0.1 * f.normal());
        let distance = first * PIXEL * (1.0 + 0.05 * f.normal());
        let of_nearest = if is_seen { at_place } else { FAINTEST - 1.4 * f.uniform() };
        let begun = decimals(2_458_150.0 + f.between(0.0, 250.0), 6);
        Self {
            nearest: Nearest {
                ra: decimals(place.0 + distance * sin * parallel_arcsecond(place.1), 7),
                dec: decimals(place.1 + distance * cos / 3_600.0, 7),
                magnitude: decimals(of_nearest, 3),
                error: decimals(0.009 + 0.25 * libm::exp(of_nearest - FAINTEST), 3),
                chi: decimals(0.35 + 0.5 * f.exponential(), 3),
                sharp: decimals(0.02 + 0.2 * f.normal(), 3),
            },
            neighbours,
            matches: (30.0 * s.uniform() * s.uniform()) as i64 + 1,
            gaia,
            gaia_bright,
            reference: (begun, decimals(begun + f.between(20.0, 400.0), 6), 15 + (f.word() % 6) as i64),
            stars,
        }
    }
}

/// Stars on and around a stamp: more faint ones than bright ones, as the sky has them.
fn stars(s: &mut Stream) -> Vec<(f64, f64, f64)> {
    let count = (2.0 + 6.0 * s.exponential()).min(40.0) as usize;
    let mut star = || {
        let (x, y) = (s.between(-45.0, 45.0), s.between(-45.0, 45.0));
        // From magnitude 22, and a third as many for each magnitude that they are brighter.
        (x, y, 6_000.0 * libm::exp(0.84 * s.exponential()))
    };
    (0..count).map(|_| star()).collect()
}

fn neighbours(s: &mut Stream, place: (f64, f64), first: f64, at_place: Option<f64>) -> [Option<Neighbour>; 3] {
    let mut distance = first * PIXEL;
    [0.97, 0.93, 0.88].map(|kept| {
        let brightness = match at_place {
            Some(magnitude) if distance < 2.0 => magnitude,
            _ => 22.2 - 1.5 * s.exponential().min(5.0),
        };
        let magnitudes = [(0.5, 0.65), (0.0, 0.72), (-0.2, 0.9), (-0.3, 0.85)].map(|(colour, seen)| {
            (s.uniform() < seen + (21.0 - brightness).clamp(-0.1, 0.1))
                .then(|| decimals(brightness + colour + 0.2 * s.normal(), 4))
        });
        let score = if s.uniform() < 0.2 { 0.5 } else { s.uniform() };
        // Declination in steps of half an arcminute, then the place, as the catalogue numbers its sources.
        let zone = ((place.1 + 90.0) * 120.0) as i64;
        let id = zone * 10_000_000_000_000 + (place.0 * 1e6) as i64 * 10_000 + (s.word() % 10_000) as i64;
        let found = s.uniform() < kept;
        let neighbour = found.then_some(Neighbour { id, distance, score, magnitudes });
        distance = (distance + 1.0 + 6.0 * s.exponential()).min(29.9);
        neighbour
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_looks_the_same_each_time() {
        let scene = |filter| Scene::new(1, 5, filter, (200.0, 30.0), 50_000.0);
        let (g, again, r) = (scene(1), scene(1), scene(2));
        assert_eq!(format!("{g:?}"), format!("{again:?}"));
        assert_eq!(format!("{:?}", g.stars), format!("{:?}", r.stars));
        assert_ne!(g.nearest.ra, r.nearest.ra);
        // The source itself is in the reference image.
        assert!((g.nearest.magnitude - 19.653).abs() < 2e-3);
        assert!((g.nearest.dec - 30.0).abs() < 1.5 / 3_600.0);
        let far = Scene::new(1, 5, 1, (200.0, 30.0), 0.0);
        let apart = ((far.nearest.ra - 200.0) * 0.866).hypot(far.nearest.dec - 30.0) * 3_600.0;
        assert!(apart > 1.8, "{apart}");
    }

    #[test]
    fn neighbours_are_missing_now_and_then_and_come_in_order() {
        let scenes: Vec<_> = (0..400).map(|key| Scene::new(1, key, 2, (200.0, 30.0), 1_000.0)).collect();
        for nth in 0..3 {
            let missing = scenes.iter().filter(|s| s.neighbours[nth].is_none()).count();
            assert!((2..90).contains(&missing), "{missing}");
        }
        for scene in scenes {
            let distances: Vec<_> = scene.neighbours.iter().flatten().map(|n| n.distance).collect();
            assert!(distances.windows(2).all(|d| d[0] <= d[1]));
        }
    }
}
