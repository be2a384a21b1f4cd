//! The three small images of an alert: difference, science, template.
//!
//! Each is a FITS file of three planes: the image, its variance, and the image of a star at this place (the PSF),
//! which is the same for all alerts of a visit and detector.

use crate::camera::{PIXEL, RADIAN};
use crate::fits::{BLOCK, Header, number, pad, padded};
use crate::lsst::source::Source;
use crate::psf::{PsfPlanes, PsfSize, Spread, TEMPLATE_DEVIATION, deviation};
use crate::random::{Purpose, Stream, four_normals};
use crate::resampled::Resampled;
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
/// Variance of the template over that of one visit: it is the mean of some thirty.
const STACKED: f32 = 0.03;

/// Draws cutouts into a packet.
#[derive(Debug)]
pub(crate) struct Painter {
    seed: u64,
    size: PsfSize,
    psf: Option<PsfPlanes>,
    header: Vec<u8>,
    variance_header: Vec<u8>,
    side: usize,
    random: Vec<u8>,
    resampled: Resampled,
    planes: [Vec<u8>; 6],
}

impl Painter {
    pub(crate) fn new(seed: u64, size: PsfSize) -> Self {
        Self {
            seed,
            size,
            psf: None,
            header: Vec::new(),
            variance_header: Vec::new(),
            side: 0,
            random: Vec::new(),
            resampled: Resampled::default(),
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
        self.resampled.set(visit, corner, side);
        self.pixels(visit, source, (reference.0 - 1.0, reference.1 - 1.0));
    }

    fn pixels(&mut self, visit: &Visit, source: &Source, centre: (f64, f64)) {
        let side = self.side;
        let sharp = Spread::new(side, centre, TEMPLATE_DEVIATION);
        let seeing = Spread::new(side, centre, deviation(source));
        let mut stream = Stream::new(self.seed, Purpose::Pixels, source.id as u64, 0);
        self.random.resize(side * side * 8, 0);
        stream.fill(&mut self.random);
        let normals = |bytes: &[u8]| four_normals(bytes.iter().rev().fold(0, |word, b| word << 8 | u64::from(*b)));
        for bytes in self.random.chunks_exact(8) {
            self.resampled.push(normals(bytes)[0]);
        }
        self.resampled.smooth();
        let (change, before) = (source.flux as f32, source.template as f32);
        let sky = visit.sky as f32;
        let shot = SHOT as f32;
        for plane in &mut self.planes {
            plane.clear();
        }
        let [difference, difference_variance, science, science_variance, template, template_variance] =
            &mut self.planes;
        for (bytes, i) in self.random.chunks_exact(8).zip(0..) {
            let (x, y) = (i % side, i / side);
            let [_, a, b, c] = normals(bytes);
            let star = seeing.at(x, y);
            let old = before * sharp.at(x, y);
            let now = (before + change) * star;
            let photon = (sky + shot * now.max(0.0)).sqrt() * a;
            let image = now + photon;
            // The pipeline takes the variance from the counts themselves.
            let variance = sky + shot * image.max(-0.3 * sky) + 0.004 * sky * b;
            let stacked = STACKED * (sky + shot * old.max(0.0));
            let deep = stacked * self.resampled.variance(x, y);
            let noise = deep.sqrt() * self.resampled.noise(x, y);
            let put = |plane: &mut Vec<u8>, value: f32| plane.extend_from_slice(&value.to_be_bytes());
            put(science, image);
            put(science_variance, variance);
            put(template, old + noise);
            put(template_variance, deep * (1.0 + 0.06 * c));
            // Matching the template to the seeing takes most of its noise away, but not from the variance plane.
            put(difference, change * star + photon - 0.4 * noise);
            put(difference_variance, variance + stacked);
        }
    }

    /// Bytes of one of the files.
    pub(crate) fn length(&self, plane: Plane) -> usize {
        2 * BLOCK + 2 * padded(self.side * self.side * 4) + self.psf_of(plane).len()
    }

    fn psf_of(&self, plane: Plane) -> &[u8] {
        let Some(psf) = &self.psf else { return &[] };
        match plane {
            Plane::Template => &psf.template,
            Plane::Difference | Plane::Science => &psf.science,
        }
    }

    /// Appends one of the files painted last.
    pub(crate) fn write(&self, plane: Plane, out: &mut Vec<u8>) {
        let first = match plane {
            Plane::Difference => 0,
            Plane::Science => 2,
            Plane::Template => 4,
        };
        for (header, data) in [(&self.header, first), (&self.variance_header, first + 1)] {
            out.extend_from_slice(header);
            let start = out.len();
            out.extend_from_slice(&self.planes[data]);
            pad(out, start);
        }
        out.extend_from_slice(self.psf_of(plane));
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

/// The beginning of the header of a plane after the first.
pub(crate) fn extension(bits: i32, side: usize) -> Header {
    Header::new()
        .text("XTENSION", "IMAGE", "Image extension")
        .right("BITPIX", bits, "array data type")
        .right("NAXIS", 2, "number of array dimensions")
        .right("NAXIS1", side, "")
        .right("NAXIS2", side, "")
        .right("PCOUNT", 0, "number of parameters")
        .right("GCOUNT", 1, "number of groups")
}
