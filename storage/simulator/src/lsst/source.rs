//! What the pipeline measures where something was detected.

use crate::calendar::source_id;
use crate::camera::{PIXEL, Place};
use crate::glance::Glance;
use crate::objects::{Object, TrueClass, beside};
use crate::random::Stream;
use crate::visits::{Moments, Visit};

/// Everything that measuring needs to know of what is there.
pub(crate) struct Sight<'a> {
    pub(crate) visit: &'a Visit,
    pub(crate) place: Place,
    pub(crate) counter: u32,
    /// True position in degrees.
    pub(crate) ra: f64,
    pub(crate) dec: f64,
    /// Difference flux as measured, its uncertainty, and the flux in the template, in nJy.
    pub(crate) flux: f64,
    pub(crate) error: f64,
    pub(crate) template: f64,
    pub(crate) class: TrueClass,
    /// Length of the trail beyond that of a point, in arcseconds.
    pub(crate) trail: f64,
    pub(crate) object: Option<i64>,
    pub(crate) body: Option<i64>,
    pub(crate) stream: Stream,
}

impl<'a> Sight<'a> {
    /// An object that was detected.
    pub(crate) fn of_object(seed: u64, object: &Object, visit: &'a Visit, id: i64) -> Self {
        let Glance { flux, error, stream, .. } = Glance::new(seed, object, visit).lifted();
        Self {
            visit,
            place: visit.aim.place(object.point),
            counter: object.counter,
            ra: object.ra,
            dec: object.dec,
            flux,
            error,
            template: object.template(visit.band.0),
            class: object.class,
            trail: 0.0,
            object: Some(id),
            body: None,
            stream,
        }
    }
}

impl Sight<'_> {
    /// The number of the source.
    pub(crate) fn source_id(&self) -> i64 {
        source_id(self.visit.night, self.visit.sequence, self.place.detector, self.counter)
    }
}

/// Flags that are set now and then.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Flags {
    pub(crate) fit_failed: bool,
    pub(crate) shape_failed: bool,
    pub(crate) dipole: bool,
    pub(crate) edge: bool,
    pub(crate) bad: bool,
    pub(crate) cosmic_ray: bool,
    pub(crate) saturated: bool,
    pub(crate) suspect: bool,
    pub(crate) streak: bool,
    pub(crate) glint: bool,
}

impl Flags {
    fn new(class: TrueClass, stream: &mut Stream) -> Self {
        let (first, second) = (stream.uniform(), stream.uniform());
        if class == TrueClass::Bogus {
            // Every artefact has its cause.
            return Self {
                dipole: first < 0.35,
                cosmic_ray: (0.35..0.55).contains(&first),
                streak: (0.55..0.65).contains(&first),
                glint: (0.65..0.7).contains(&first),
                saturated: (0.7..0.8).contains(&first),
                bad: (0.8..0.9).contains(&first),
                edge: first >= 0.9,
                suspect: second < 0.1,
                fit_failed: second > 0.9,
                shape_failed: second > 0.85,
            };
        }
        Self {
            fit_failed: first < 0.013,
            shape_failed: first < 0.027,
            dipole: (0.03..0.07).contains(&first),
            edge: second < 0.001,
            bad: (0.001..0.005).contains(&second),
            cosmic_ray: (0.005..0.006).contains(&second),
            saturated: (0.006..0.0065).contains(&second),
            suspect: (0.0065..0.007).contains(&second),
            streak: (0.007..0.008).contains(&second),
            glint: (0.008..0.0082).contains(&second),
        }
    }
}

/// One source record. Fluxes in nJy, positions in degrees, the names of the survey in other words.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) id: i64,
    pub(crate) visit: i64,
    pub(crate) detector: u32,
    pub(crate) object: Option<i64>,
    /// Zero in a trigger that is no body; missing in the later copy of any.
    pub(crate) body: Option<i64>,
    pub(crate) mjd: f64,
    pub(crate) processed: f64,
    pub(crate) band: &'static str,
    pub(crate) ra: f64,
    pub(crate) dec: f64,
    /// Uncertainties of the position in degrees; not a number where the fit failed badly.
    pub(crate) ra_error: f64,
    pub(crate) dec_error: f64,
    pub(crate) covariance: f64,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) x_error: f64,
    pub(crate) y_error: f64,
    pub(crate) snr: f64,
    pub(crate) flux: f64,
    pub(crate) flux_error: f64,
    pub(crate) aperture: f64,
    pub(crate) aperture_error: f64,
    pub(crate) chi2: f64,
    pub(crate) trail_flux: f64,
    pub(crate) trail_flux_error: f64,
    pub(crate) trail_ra: f64,
    pub(crate) trail_dec: f64,
    pub(crate) trail_length: f64,
    pub(crate) trail_angle: f64,
    /// Flux, its uncertainty, length in arcseconds, angle, chi squared of the two lobes.
    pub(crate) dipole: [f64; 5],
    pub(crate) dipole_pixels: i64,
    pub(crate) science: f64,
    pub(crate) science_error: f64,
    pub(crate) template: f64,
    pub(crate) template_error: f64,
    /// Second moments in arcseconds squared.
    pub(crate) shape: Moments,
    pub(crate) psf: Moments,
    pub(crate) extendedness: f64,
    pub(crate) reliability: f64,
    /// Side of the box around the footprint, in pixels.
    pub(crate) size: u32,
    pub(crate) flags: Flags,
}

/// No source lies further from its object than this, in arcseconds.
const FARTHEST: f64 = 1.1;

/// What is measured first: all that a flat row holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Core {
    pub(crate) flags: Flags,
    pub(crate) snr: f64,
    pub(crate) reliability: f64,
    /// As measured, in degrees.
    pub(crate) ra: f64,
    pub(crate) dec: f64,
    /// The same less the true position, in arcseconds.
    east: f64,
    north: f64,
    /// Uncertainties in pixels.
    x_error: f64,
    y_error: f64,
    failed_badly: bool,
}

impl Core {
    pub(crate) fn measure(sight: &mut Sight<'_>) -> Self {
        let s = &mut sight.stream;
        let flags = Flags::new(sight.class, s);
        // Of detection, on the image as convolved for it: a little higher than that of the fit.
        let snr = (sight.flux / sight.error).abs() * (1.0 + 0.01 * s.normal().abs());
        let failed_badly = flags.fit_failed && s.uniform() < 0.25;
        let centring = 1.55 * sight.visit.blur / snr;
        let (x_error, y_error) = (centring * (1.0 + 0.1 * s.normal()), centring * (1.0 + 0.1 * s.normal()));
        // Atmosphere and astrometry scatter bright sources as well.
        let rare = if s.uniform() < 0.03 { 3.0 } else { 1.0 };
        let scatter = rare * (0.05 + centring * PIXEL);
        let (east, north) = (scatter * s.normal(), scatter * s.normal());
        let within = (FARTHEST / (east * east + north * north).sqrt()).min(1.0);
        let (east, north) = (east * within, north * within);
        let (ra, dec) = beside((sight.ra, sight.dec), east, north);
        let reliability = reliability(sight.class, snr, s);
        Self { flags, snr, reliability, ra, dec, east, north, x_error, y_error, failed_badly }
    }
}

impl Source {
    /// Measures what is seen.
    pub(crate) fn measure(mut sight: Sight<'_>) -> Self {
        let core = Core::measure(&mut sight);
        let id = sight.source_id();
        let Sight { visit, place, flux, error, template, trail, mut stream, .. } = sight;
        let Core { flags, snr, reliability, ra, dec, east, north, x_error, y_error, failed_badly } = core;
        let s = &mut stream;
        let known = |value: f64, is: bool| if is { value } else { f64::NAN };
        let psf = visit.moments(place.detector);
        let (sin, cos) = (visit.aim.sin, visit.aim.cos);
        let (ra_error, dec_error) = (x_error * PIXEL / 3_600.0, y_error * PIXEL / 3_600.0);

        let aperture_error = error * (1.73 + 0.2 * s.normal());
        let (trail_length, longer) = ((0.86 + 0.22 * s.normal()).abs() + trail, 1.0 + trail);
        let trail = beside((ra, dec), 0.02 * s.normal(), 0.02 * s.normal());
        let lobes = [
            flux.abs() * 3.0 + template * 0.2,
            error * (0.84 + 0.02 * s.normal()),
            0.02 + 0.03 * s.normal().abs(),
            360.0 * s.uniform() - 180.0,
            1_254.0 * libm::exp(1.2 * s.normal()),
        ];
        let jitter = 0.25 * (8.0 / snr).min(1.5);
        let arc = PIXEL * PIXEL;
        let round = libm::exp(jitter * s.normal());
        let shape = Moments {
            xx: known(arc * psf.xx * round * (longer + 0.05 * s.normal()), !flags.shape_failed),
            yy: known(arc * psf.yy * round * (1.0 + 0.05 * s.normal()), !flags.shape_failed),
            xy: known(arc * (psf.xy + psf.xx * jitter * 0.4 * s.normal()), !flags.shape_failed),
        };
        let footprint = 7.3 * libm::pow(snr, 0.38) * (visit.blur / 2.1).sqrt() * (1.0 + 0.08 * s.normal());
        let fitted = !flags.shape_failed;
        Self {
            id,
            visit: visit.id,
            detector: place.detector,
            object: sight.object,
            body: sight.body,
            mjd: visit.mjd,
            processed: visit.processed(place.detector),
            band: visit.band.name(),
            ra,
            dec,
            ra_error: known(ra_error, !failed_badly),
            dec_error: known(dec_error, !failed_badly),
            covariance: known(ra_error * dec_error * 0.2 * s.normal(), !failed_badly),
            x: place.x + (sin * north - cos * east) / PIXEL,
            y: place.y + (sin * east + cos * north) / PIXEL,
            x_error: known(x_error, !failed_badly),
            y_error: known(y_error, !failed_badly),
            snr,
            flux,
            flux_error: error,
            aperture: flux + 0.7 * aperture_error * s.normal(),
            aperture_error,
            chi2: 1_681.0 * (1.0 + 0.035 * s.normal() + snr * snr * 1e-5),
            trail_flux: known(flux * (1.0 + 0.06 * s.normal()), fitted),
            trail_flux_error: known(4.0 * libm::exp(s.normal()), fitted),
            trail_ra: known(trail.0, fitted),
            trail_dec: known(trail.1, fitted),
            trail_length: known(trail_length, fitted),
            trail_angle: known(360.0 * s.uniform() - 180.0, fitted),
            dipole: lobes.map(|v| known(v, flags.dipole)),
            dipole_pixels: if flags.dipole { 1_400 + (s.word() % 900) as i64 } else { 0 },
            science: template + flux + 0.4 * error * s.normal(),
            science_error: error * (0.988 + 0.004 * s.normal()),
            template: template + 0.1 * error * s.normal(),
            template_error: error * (0.09 + 0.01 * s.normal()),
            shape,
            psf: Moments { xx: arc * psf.xx, yy: arc * psf.yy, xy: arc * psf.xy },
            extendedness: known(libm::exp(-2.7 + 1.3 * s.normal()).min(1.0), fitted),
            reliability,
            size: footprint.clamp(10.0, 90.0) as u32,
            flags,
        }
    }

    /// The record as later packets carry it: LSST forgets there whether a body was looked for.
    pub(crate) fn into_history(mut self) -> Self {
        self.body = None;
        self
    }
}

fn reliability(class: TrueClass, snr: f64, stream: &mut Stream) -> f64 {
    let (a, b) = (stream.uniform(), stream.uniform());
    match class {
        TrueClass::Bogus => 0.45 * a * b,
        TrueClass::ConstantStar => 0.1 + 0.55 * (a + b) / 2.0,
        TrueClass::SolarSystem => 1.0 - 0.3 * a * b * b,
        _ => 1.0 - (0.75 * a.min(b) + 0.5 * a * (5.0 / snr).min(1.0)).min(0.95),
    }
}

/// One forced-photometry record.
#[derive(Debug, Clone)]
pub(crate) struct Forced {
    pub(crate) id: i64,
    pub(crate) object: i64,
    pub(crate) ra: f64,
    pub(crate) dec: f64,
    pub(crate) visit: i64,
    pub(crate) detector: u32,
    pub(crate) mjd: f64,
    pub(crate) processed: f64,
    pub(crate) band: &'static str,
    pub(crate) flux: f64,
    pub(crate) flux_error: f64,
    pub(crate) science: f64,
    pub(crate) science_error: f64,
}

impl Forced {
    /// Measures the place of an object, whether or not it was detected there.
    pub(crate) fn measure(seed: u64, object: &Object, visit: &Visit, id: i64, detected: bool) -> Self {
        let glance = Glance::new(seed, object, visit);
        let Glance { flux, error, stream, .. } = if detected { glance.lifted() } else { glance };
        // The place of the object as it was known then is not quite that of the source.
        let mut s = stream;
        let place = visit.aim.place(object.point);
        let (ra, dec) = beside((object.ra, object.dec), 0.03 * s.normal(), 0.03 * s.normal());
        // Where the fit fails, a flux of exactly zero is sent.
        let flux = if s.uniform() < 0.02 { 0.0 } else { flux + 0.05 * error * s.normal() };
        Self {
            id: source_id(visit.night, visit.sequence, place.detector, object.counter),
            object: id,
            ra,
            dec,
            visit: visit.id,
            detector: place.detector,
            mjd: visit.mjd,
            processed: visit.processed(place.detector),
            band: visit.band.name(),
            flux,
            flux_error: error,
            science: object.template(visit.band.0) + flux + 0.4 * error * s.normal(),
            science_error: error * (0.988 + 0.004 * s.normal()),
        }
    }
}
