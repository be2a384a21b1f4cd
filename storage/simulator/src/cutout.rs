//! The three small images of an alert: difference, science, template.
//!
//! Each is a FITS file of three planes: the image, its variance, and the image of a star at this place (the PSF),
//! which is the same for all alerts of a visit and detector.

use crate::camera::{PIXEL, RADIAN};
use crate::fits::{BLOCK, Header, number, pad, padded};
use crate::lsst::source::Source;
use crate::random::{Purpose, Stream, four_normals};
use crate::visits::{SHOT, Visit};

/// One of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plane {
    Difference,
    Science,
    Template,
}

/// Smallest side of a cutout in pixels.
const SMALLEST: usize = 30;

/// Side of the PSF images in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PsfSize {
    pub(crate) side: usize,
    pub(crate) template: usize,
}

impl PsfSize {
    /// As transmitted.
    pub(crate) const FULL: Self = Self { side: 41, template: 53 };
    /// As small as fits one block, for plans that ask for small packets.
    pub(crate) const SMALL: Self = Self { side: 17, template: 17 };
}

/// Light of a star: a narrow and a wide normal distribution, each a product of one along x and one along y.
#[derive(Debug, Clone)]
struct Spread {
    narrow: (Vec<f32>, Vec<f32>),
    wide: (Vec<f32>, Vec<f32>),
}

impl Spread {
    const IN_WINGS: f64 = 0.12;

    /// For a star at a place of a square, with deviations along x and y.
    fn new(side: usize, centre: (f64, f64), deviation: (f64, f64)) -> Self {
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

    fn at(&self, x: usize, y: usize) -> f32 {
        self.narrow.0[x] * self.narrow.1[y] + self.wide.0[x] * self.wide.1[y]
    }
}

/// The PSF planes of a visit and detector, ready to be copied.
#[derive(Debug, Clone)]
pub(crate) struct PsfPlanes {
    visit: i64,
    detector: u32,
    science: Vec<u8>,
    template: Vec<u8>,
}

impl PsfPlanes {
    pub(crate) fn is_of(&self, source: &Source) -> bool {
        (self.visit, self.detector) == (source.visit, source.detector)
    }

    pub(crate) fn new(seed: u64, visit: &Visit, source: &Source, size: PsfSize) -> Self {
        let mut stream = Stream::new(seed, Purpose::Psf, source.detector.into(), visit.id as u64);
        let deviation = deviation(source);
        // The template is sharper, and turned by some angle against the detector.
        let science = psf_plane(&mut stream, size.side, deviation, None);
        let template = psf_plane(&mut stream, size.template, (1.75, 1.7), Some(visit.aim.angle));
        Self { visit: source.visit, detector: source.detector, science, template }
    }
}

fn deviation(source: &Source) -> (f64, f64) {
    (source.psf.xx.sqrt() / PIXEL, source.psf.yy.sqrt() / PIXEL)
}

/// Doubles, big endian. The PSF of the visit has the precision of singles and no corners; that of the template was
/// resampled and fills a turned square of 41 pixels.
fn psf_plane(stream: &mut Stream, side: usize, deviation: (f64, f64), turned: Option<f64>) -> Vec<u8> {
    let middle = (side as f64 - 1.0) / 2.0;
    let spread = Spread::new(side, (middle, middle), deviation);
    let (sin, cos) = libm::sincos(turned.unwrap_or(0.0));
    let reach = middle.min(20.5);
    let mut values = Vec::with_capacity(side * side);
    for y in 0..side {
        for x in 0..side {
            let (right, up) = (x as f64 - middle, y as f64 - middle);
            let inside = match turned {
                Some(_) => (cos * right + sin * up).abs() <= reach && (cos * up - sin * right).abs() <= reach,
                None => right * right + up * up <= 1.4 * middle * middle,
            };
            let grain = if turned.is_some() { 2e-5 } else { 4e-7 };
            values.push(if inside { f64::from(spread.at(x, y)) + grain * stream.normal() } else { 0.0 });
        }
    }
    let sum: f64 = values.iter().sum();
    let mut bytes = Vec::with_capacity(padded(side * side * 8));
    for value in values {
        let share = value / sum;
        let share = if turned.is_some() { share } else { f64::from(share as f32) };
        bytes.extend_from_slice(&share.to_be_bytes());
    }
    pad(&mut bytes, 0);
    bytes
}

/// Draws cutouts into a packet.
#[derive(Debug)]
pub(crate) struct Painter {
    seed: u64,
    size: PsfSize,
    psf: Option<PsfPlanes>,
    header: Vec<u8>,
    variance_header: Vec<u8>,
    psf_headers: [Vec<u8>; 2],
    side: usize,
    random: Vec<u8>,
    planes: [Vec<u8>; 6],
}

impl Painter {
    pub(crate) fn new(seed: u64, size: PsfSize) -> Self {
        let psf_header = |side: usize| {
            let header = extension(-64, side).text("EXTNAME", "PSFIMAGE", "extension name");
            header.end()
        };
        Self {
            seed,
            size,
            psf: None,
            header: Vec::new(),
            variance_header: Vec::new(),
            psf_headers: [psf_header(size.side), psf_header(size.template)],
            side: 0,
            random: Vec::new(),
            planes: Default::default(),
        }
    }

    /// Paints the pixels of an alert; [`Self::write`] puts them in a packet.
    pub(crate) fn paint(&mut self, visit: &Visit, source: &Source) {
        let psf = self.psf.take().filter(|psf| psf.is_of(source));
        self.psf = psf.or_else(|| Some(PsfPlanes::new(self.seed, visit, source, self.size)));
        let side = SMALLEST.max(source.size as usize);
        if side != self.side {
            self.side = side;
            self.variance_header = extension(-32, side)
                .text("UTYPE", "VarianceUncertainty", "")
                .text("EXTNAME", "UNCERT", "extension name")
                .end();
        }
        // The corner and the place of the source count pixels from 0 and 1, as in transmitted cutouts.
        let corner = (source.x.floor() - (side / 2) as f64, source.y.floor() - (side / 2) as f64);
        let reference = (source.x - corner.0, source.y - corner.1);
        self.header = primary_header(visit, source, side, corner, reference);
        self.pixels(visit, source, (reference.0 - 1.0, reference.1 - 1.0));
    }

    fn pixels(&mut self, visit: &Visit, source: &Source, centre: (f64, f64)) {
        let side = self.side;
        let sharp = Spread::new(side, centre, (1.75, 1.7));
        let seeing = Spread::new(side, centre, deviation(source));
        let mut stream = Stream::new(self.seed, Purpose::Pixels, source.id as u64, 0);
        self.random.resize(side * side * 16, 0);
        stream.fill(&mut self.random);
        let (change, before) = (source.flux as f32, source.template as f32);
        let sky = visit.sky as f32;
        let template_sky = sky * 0.03;
        let shot = SHOT as f32;
        for plane in &mut self.planes {
            plane.clear();
        }
        let [difference, difference_variance, science, science_variance, template, template_variance] =
            &mut self.planes;
        for (words, i) in self.random.chunks_exact(16).zip(0..) {
            let (x, y) = (i % side, i / side);
            let word = |from: usize| words[from..from + 8].iter().rev().fold(0, |w, b| w << 8 | u64::from(*b));
            let ([a, b, c, d], [e, f, _, _]) = (four_normals(word(0)), four_normals(word(8)));
            let star = seeing.at(x, y);
            let old = before * sharp.at(x, y);
            let now = (before + change) * star;
            let photon = (sky + shot * now.max(0.0)).sqrt() * a;
            let deep = (template_sky + 0.03 * shot * old.max(0.0)).sqrt();
            let image = now + photon;
            // The pipeline takes the variance from the counts themselves.
            let variance = sky + shot * image.max(-0.3 * sky) + 0.004 * sky * b;
            let template_value = old + deep * c;
            let put = |plane: &mut Vec<u8>, value: f32| plane.extend_from_slice(&value.to_be_bytes());
            put(science, image);
            put(science_variance, variance);
            put(template, template_value);
            put(template_variance, deep * deep * (1.0 + 0.11 * d));
            put(difference, change * star + photon + 0.4 * deep * e);
            put(difference_variance, variance * 1.02 + 0.15 * deep * deep * (1.0 + 0.1 * f));
        }
    }

    /// Bytes of one of the files.
    pub(crate) fn length(&self, plane: Plane) -> usize {
        let (psf, _) = self.psf_of(plane);
        3 * BLOCK + 2 * padded(self.side * self.side * 4) + psf.len()
    }

    fn psf_of(&self, plane: Plane) -> (&[u8], &[u8]) {
        let Some(psf) = &self.psf else { return (&[], &[]) };
        match plane {
            Plane::Template => (&psf.template, &self.psf_headers[1]),
            Plane::Difference | Plane::Science => (&psf.science, &self.psf_headers[0]),
        }
    }

    /// Appends one of the files painted last.
    pub(crate) fn write(&self, plane: Plane, out: &mut Vec<u8>) {
        let first = match plane {
            Plane::Difference => 0,
            Plane::Science => 2,
            Plane::Template => 4,
        };
        let (psf, psf_header) = self.psf_of(plane);
        for (header, data) in [(&self.header, first), (&self.variance_header, first + 1)] {
            out.extend_from_slice(header);
            let start = out.len();
            out.extend_from_slice(&self.planes[data]);
            pad(out, start);
        }
        out.extend_from_slice(psf_header);
        out.extend_from_slice(psf);
    }
}

fn primary_header(visit: &Visit, source: &Source, side: usize, corner: (f64, f64), reference: (f64, f64)) -> Vec<u8> {
    let step = PIXEL / 3_600.0;
    let (sin, cos) = (step * visit.aim.sin, step * visit.aim.cos);
    let matrix = "Coordinate transformation matrix element";
    let value = "Coordinate value at reference point";
    let pixel = "Pixel coordinate of reference point";
    let increment = "Coordinate increment at reference point";
    Header::new()
        .right("SIMPLE", 'T', "conforms to FITS standard")
        .right("BITPIX", -32, "array data type")
        .right("NAXIS", 2, "number of array dimensions")
        .right("NAXIS1", side, "")
        .right("NAXIS2", side, "")
        .right("EXTEND", 'T', "")
        .right("CUTMINX", corner.0 as i64, "")
        .right("CUTMINY", corner.1 as i64, "")
        .right("ROTPA", number(visit.aim.angle / RADIAN), "Pos angle in deg of focal plane +Y wrt North")
        .text("BUNIT", "nJy", "")
        .right("WCSAXES", 2, "Number of coordinate axes")
        .right("CRPIX1", number(reference.0), pixel)
        .right("CRPIX2", number(reference.1), pixel)
        .right("PC1_1", number(-cos), matrix)
        .right("PC1_2", number(sin), matrix)
        .right("PC2_1", number(sin), matrix)
        .right("PC2_2", number(cos), matrix)
        .right("CDELT1", "1.0", increment)
        .right("CDELT2", "1.0", increment)
        .right("CRVAL1", number(source.ra), value)
        .right("CRVAL2", number(source.dec), value)
        .right("LATPOLE", "90.0", "[deg] Native latitude of celestial pole")
        .right("MJDREF", "0.0", "[d] MJD of fiducial time")
        .end()
}

fn extension(bits: i32, side: usize) -> Header {
    Header::new()
        .text("XTENSION", "IMAGE", "Image extension")
        .right("BITPIX", bits, "array data type")
        .right("NAXIS", 2, "number of array dimensions")
        .right("NAXIS1", side, "")
        .right("NAXIS2", side, "")
        .right("PCOUNT", 0, "number of parameters")
        .right("GCOUNT", 1, "number of groups")
}
