//! What the pipeline measures of a source in a difference image.

use crate::camera::Place;
use crate::objects::{TrueClass, parallel_arcsecond};
use crate::random::{Stream, fraction};
use crate::visits::Visit;

use super::digits::decimals;
use super::exposure::{Exposure, magnitude};
use super::scene::{PIXEL, Scene};

/// Columns and rows of a channel.
const PIXELS: (f64, f64) = (3_072.0, 3_080.0);

/// What there is to be measured.
pub(super) struct Sight<'a> {
    pub(super) visit: &'a Visit,
    pub(super) exposure: &'a Exposure,
    pub(super) scene: &'a Scene,
    pub(super) place: Place,
    /// True position in degrees.
    pub(super) ra: f64,
    pub(super) dec: f64,
    /// Difference flux as measured and its uncertainty, in nJy.
    pub(super) flux: f64,
    pub(super) error: f64,
    /// Number among the sources of the exposure.
    pub(super) nth: i64,
    pub(super) class: TrueClass,
    /// The body that it is: number and magnitude.
    pub(super) body: Option<(i64, f64)>,
    pub(super) stream: Stream,
}

/// A source. Magnitudes are AB, lengths in pixels, the names of the survey in other words.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) candid: i64,
    pub(super) positive: bool,
    pub(super) nth: i64,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) ra: f64,
    pub(super) dec: f64,
    pub(super) magnitude: f64,
    pub(super) error: f64,
    pub(super) chi: f64,
    pub(super) aperture: f64,
    pub(super) aperture_error: f64,
    pub(super) large_aperture: f64,
    pub(super) large_aperture_error: f64,
    pub(super) nearest: f64,
    pub(super) sky: f64,
    pub(super) width: f64,
    pub(super) star: f64,
    pub(super) edge: f64,
    pub(super) widths: f64,
    pub(super) major: f64,
    pub(super) minor: f64,
    pub(super) negatives: i64,
    pub(super) sum: f64,
    pub(super) significance: f64,
    pub(super) shallow: f64,
    pub(super) deep: f64,
    /// Scores of the two classifiers, 0 bogus to 1 real.
    pub(super) forest: f64,
    pub(super) network: f64,
    /// Distance in arcseconds, magnitude and number of the nearest body of the solar system.
    pub(super) body: Option<(f64, f64, String)>,
}

impl Found {
    pub(super) fn measure(sight: Sight<'_>) -> Self {
        let Sight { visit, exposure, scene, place, flux, error, class, mut stream, .. } = sight;
        let s = &mut stream;
        let snr = (flux / error).abs();
        let positive = flux >= 0.0;
        let apparent = magnitude(flux);
        // Bright sources are limited by how well the images match.
        let floor = 0.012 + 0.02 * s.exponential();
        let relative = ((1.085_7 / snr) * (1.085_7 / snr) + floor * floor).sqrt();

        let scatter = 0.06 + 0.6 * exposure.width / snr / 2.355;
        let (east, north) = (scatter * s.normal() * PIXEL, scatter * s.normal() * PIXEL);
        let ra = decimals(fraction((sight.ra + east * parallel_arcsecond(sight.dec)) / 360.0) * 360.0, 7);
        let dec = decimals((sight.dec + north / 3_600.0).clamp(-90.0, 90.0), 7);
        let (sin, cos) = (visit.aim.sin, visit.aim.cos);
        let x = (place.x + (sin * north - cos * east) / PIXEL).clamp(1.0, PIXELS.0);
        let y = (place.y + (sin * east + cos * north) / PIXEL).clamp(1.0, PIXELS.1);
        let across = (ra - scene.nearest.ra) * 3_600.0 * libm::cos(dec.to_radians());
        let nearest = across.hypot((dec - scene.nearest.dec) * 3_600.0) / PIXEL;

        let bogus = class == TrueClass::Bogus;
        let odd = if bogus { 1.0 } else { 0.25 };
        let difference = 0.08 * s.normal() + if bogus { 0.25 } else { 0.0 };
        let width = decimals(exposure.width * libm::exp(0.25 * odd + 0.3 * odd * s.normal()), 2).max(0.9);
        let major = decimals(0.31 * width * libm::exp(0.2 * s.normal()), 3);
        let minor = decimals(major / (1.0 + 0.12 * s.exponential()), 3);
        let deep = (exposure.deviation * 2.0 + 30.0 * s.exponential()) * (1.0 + 20.0 / snr);
        let shallow = deep * s.between(0.3, 0.9);
        Self {
            candid: exposure.candid(positive, sight.nth),
            positive,
            nth: sight.nth % 5_000,
            x,
            y,
            ra,
            dec,
            magnitude: apparent,
            error: relative,
            chi: 0.8 + 1.5 * s.exponential() + snr * snr * 2e-3 * s.uniform(),
            aperture: decimals(apparent + difference, 4),
            aperture_error: decimals(relative * s.between(0.4, 1.2), 4),
            large_aperture: decimals(apparent + difference + 0.03 * s.normal(), 4),
            large_aperture_error: decimals(relative * s.between(0.6, 1.5), 4),
            nearest,
            sky: 0.3 * exposure.deviation * s.normal(),
            width,
            star: decimals(if bogus { s.between(0.4, 1.0) } else { 1.0 - 0.06 * s.exponential().min(8.0) }, 3),
            edge: x.min(PIXELS.0 - x).min(y.min(PIXELS.1 - y)),
            widths: (libm::exp(0.4 * odd * s.normal())).min(2.0),
            major,
            minor,
            negatives: (3.0 * odd * s.exponential()).min(20.0) as i64,
            sum: (1.0 - 0.15 * odd * s.exponential()).max(0.1),
            significance: snr * s.between(0.7, 1.1),
            shallow,
            deep,
            // One of the seven hundred values that its trees can give.
            forest: (score(bogus, 0.8, s) * 700.0).round() / 700.0,
            network: decimals(score(bogus, 0.97, s), 10),
            body: sight.body.map(|(number, v)| {
                (s.exponential().min(25.0).floor(), decimals(v + 0.2 * s.normal(), 1), number.to_string())
            }),
        }
    }
}

/// Low for what is bogus, mostly above the `middle` for what is real.
fn score(bogus: bool, middle: f64, s: &mut Stream) -> f64 {
    let (a, b) = (s.uniform(), s.uniform());
    if bogus {
        0.45 * a * b + 0.02 * b
    } else {
        1.0 - (1.0 - middle) * (a + 2.5 * b * b * b).min(0.999 / (1.0 - middle))
    }
}

/// Forced photometry at the place of an object.
#[derive(Debug, Clone)]
pub(super) struct Forced {
    /// Flux and its uncertainty in counts; missing where the reference image or the fit failed.
    pub(super) flux: Option<(f64, f64)>,
    /// What the fit says of itself: 0 for all is well.
    pub(super) status: &'static str,
    /// Distance to the nearest source in arcseconds, if there is one.
    pub(super) nearest: Option<f64>,
}

impl Forced {
    pub(super) fn measure(
        exposure: &Exposure,
        scene: &Scene,
        place: (f64, f64),
        flux: (f64, f64),
        s: &mut Stream,
    ) -> Self {
        let chance = s.uniform();
        let status = match chance {
            c if c < 0.80 => "0",
            c if c < 0.95 => "61",
            c if c < 0.98 => "56",
            _ => "55",
        };
        let failed = matches!(status, "61" | "55");
        let (east, north) =
            ((place.0 - scene.nearest.ra) * libm::cos(place.1.to_radians()), place.1 - scene.nearest.dec);
        let distance = east.hypot(north) * 3_600.0;
        Self {
            flux: (!failed).then(|| (exposure.counts(flux.0), exposure.counts(flux.1))),
            status,
            nearest: (distance < 5.0 && status != "61").then_some(distance),
        }
    }
}
