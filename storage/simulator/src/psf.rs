//! Images of a star (the PSF), which the cutouts of a visit and detector share.

use crate::camera::PIXEL;
use crate::cutout::extension;
use crate::fits::{pad, padded};
use crate::lsst::source::Source;
use crate::random::{Purpose, Stream};
use crate::visits::Visit;

/// Sides of the PSF images in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PsfSize {
    /// As transmitted.
    Full,
    /// As small as fits one block, for plans that ask for small packets.
    Small,
}

impl PsfSize {
    /// Side of the PSF of the visit.
    const SIDE: usize = 41;
    const SMALL_SIDE: usize = 17;

    fn of_visit(self) -> usize {
        if self == Self::Full { Self::SIDE } else { Self::SMALL_SIDE }
    }

    /// Side of the template's PSF: a square of the same size, turned, in one that it all but fits. Odd, and two pixels
    /// less than its corners reach: 53 at 26 degrees, 55 at 45, as in transmitted packets.
    fn of_template(self, angle: f64) -> usize {
        let side = self.of_visit();
        if self == Self::Small {
            return side;
        }
        let (sin, cos) = libm::sincos(angle);
        let corners = (side as f64 * (sin.abs() + cos.abs())) as usize;
        side.max(corners.div_ceil(2) * 2 - 3)
    }
}

/// Light of a star: a narrow and a wide normal distribution, each a product of one along x and one along y.
#[derive(Debug, Clone)]
pub(crate) struct Spread {
    narrow: (Vec<f32>, Vec<f32>),
    wide: (Vec<f32>, Vec<f32>),
}

impl Spread {
    const IN_WINGS: f64 = 0.12;

    /// For a star at a place of a square, with deviations along x and y.
    pub(crate) fn new(side: usize, centre: (f64, f64), deviation: (f64, f64)) -> Self {
        let profile = |centre: f64, deviation: f64, weight: f64| -> Vec<f32> {
            let peak = weight / (std::f64::consts::TAU.sqrt() * deviation);
            let at = |i: usize| (i as f64 - centre) / deviation;
            (0..side).map(|i| (peak * libm::exp(-0.5 * at(i) * at(i))) as f32).collect()
        };
        let both = |scale: f64, weight: f64| {
            (profile(centre.0, deviation.0 * scale, 1.0), profile(centre.1, deviation.1 * scale, weight))
        };
        Self { narrow: both(0.93, 1.0 - Self::IN_WINGS), wide: both(1.9, Self::IN_WINGS) }
    }

    pub(crate) fn at(&self, x: usize, y: usize) -> f32 {
        self.narrow.0[x] * self.narrow.1[y] + self.wide.0[x] * self.wide.1[y]
    }
}

/// Deviations of a star image in pixels, along x and y.
pub(crate) fn deviation(source: &Source) -> (f64, f64) {
    (source.psf.xx.sqrt() / PIXEL, source.psf.yy.sqrt() / PIXEL)
}

/// The PSF planes of a visit and detector with their headers, ready to be copied.
#[derive(Debug, Clone)]
pub(crate) struct PsfPlanes {
    visit: i64,
    detector: u32,
    pub(crate) science: Vec<u8>,
    pub(crate) template: Vec<u8>,
}

impl PsfPlanes {
    pub(crate) fn is_of(&self, source: &Source) -> bool {
        (self.visit, self.detector) == (source.visit, source.detector)
    }

    pub(crate) fn new(seed: u64, visit: &Visit, source: &Source, size: PsfSize) -> Self {
        let mut stream = Stream::new(seed, Purpose::Psf, source.detector.into(), visit.id as u64);
        let angle = visit.aim.angle;
        let science = plane(&mut stream, size.of_visit(), deviation(source), None);
        // The template is sharper, and turned against the detector.
        let template = plane(&mut stream, size.of_template(angle), TEMPLATE_DEVIATION, Some(angle));
        Self { visit: source.visit, detector: source.detector, science, template }
    }
}

/// Deviations of a star image in the template, in pixels.
pub(crate) const TEMPLATE_DEVIATION: (f64, f64) = (1.75, 1.7);

/// Header and doubles, big endian. The PSF of the visit has the precision of singles and no corners; that of the
/// template was resampled and fills a turned square.
fn plane(stream: &mut Stream, side: usize, deviation: (f64, f64), turned: Option<f64>) -> Vec<u8> {
    let middle = (side as f64 - 1.0) / 2.0;
    let spread = Spread::new(side, (middle, middle), deviation);
    let (sin, cos) = libm::sincos(turned.unwrap_or(0.0));
    // Resampling reaches a little beyond the edge.
    let reach = middle.min(PsfSize::SIDE as f64 / 2.0 + 0.3);
    let mut values = Vec::with_capacity(side * side);
    for y in 0..side {
        for x in 0..side {
            let (right, up) = (x as f64 - middle, y as f64 - middle);
            let inside = match turned {
                Some(_) => (cos * right + sin * up).abs() <= reach && (cos * up - sin * right).abs() <= reach,
                None => right * right + up * up <= 1.38 * middle * middle,
            };
            let grain = if turned.is_some() { 2e-5 } else { 4e-7 };
            values.push(if inside { f64::from(spread.at(x, y)) + grain * stream.normal() } else { 0.0 });
        }
    }
    let sum: f64 = values.iter().sum();
    let mut bytes = extension(-64, side).text("EXTNAME", "PSFIMAGE", "extension name").end();
    let start = bytes.len();
    bytes.reserve(padded(side * side * 8));
    for value in values {
        let share = value / sum;
        let share = if turned.is_some() { share } else { f64::from(share as f32) };
        bytes.extend_from_slice(&share.to_be_bytes());
    }
    pad(&mut bytes, start);
    bytes
}
