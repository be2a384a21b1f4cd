//! The three small images of a ZTF alert: science, template, difference.
//!
//! Each is a FITS file of one plane, 63 x 63 singles, packed by gzip. The images are counts (DN) above nothing, not
//! above the sky: how well they pack is decided by how large the sky is against its noise, which is what photons make
//! of it. The template is the mean of some 15 to 20 exposures scaled to the science image, with the same sky and a
//! fifth of the noise, which resampling has spread over neighbours.

use flate2::{Compress, Compression, FlushCompress, Status};

use crate::fits::{BLOCK, Header, padded};
use crate::psf::Spread;
use crate::random::{Purpose, Stream, four_normals};
use crate::resampled::share_with_neighbours;

/// Side of a stamp in pixels, and the pixel in whose middle the source is but for a fraction.
pub(super) const SIDE: usize = 63;
const MIDDLE: f64 = 31.0;
/// Electrons in a count, and the variance that reading adds, in counts squared.
const GAIN: f64 = 6.2;
const READ: f64 = 2.6;
/// Noise of the template over that of an exposure, and what its neighbours share of a pixel's.
const TEMPLATE_NOISE: f32 = 0.21;
const SHARED: f32 = 0.1;

/// Deviation of a pixel of the sky in counts.
pub(super) fn deviation_of(background: f64) -> f64 {
    (background / GAIN + READ).sqrt()
}

/// What is to be seen, in counts and pixels.
#[derive(Debug, Clone)]
pub(super) struct Sight<'a> {
    /// Names the noise.
    pub(super) candid: i64,
    pub(super) background: f64,
    /// Deviation of a star image in the exposure and in the template.
    pub(super) blur: (f64, f64),
    /// The source: what changed, and what was there before.
    pub(super) change: f64,
    pub(super) before: f64,
    /// Fractions of a pixel that the source is beside the middle.
    pub(super) beside: (f64, f64),
    /// Other stars: distance from the source along x and y, and counts.
    pub(super) stars: &'a [(f64, f64, f64)],
    /// Seconds since 1970 at which the files were packed.
    pub(super) packed_at: u32,
}

/// Science, template, difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stamp {
    Science,
    Template,
    Difference,
}

/// Draws stamps and packs them.
pub(super) struct Stamps {
    seed: u64,
    header: Vec<u8>,
    packer: Compress,
    random: Vec<u8>,
    noise: Vec<f32>,
    smooth: Vec<f32>,
    light: [Vec<f32>; 2],
    planes: [Vec<u8>; 3],
    packed: [Vec<u8>; 3],
}

impl Stamps {
    pub(super) fn new(seed: u64) -> Self {
        let header = Header::new()
            .free("SIMPLE  =  T")
            .bare("BITPIX", -32)
            .bare("NAXIS", 2)
            .bare("NAXIS1", SIDE)
            .bare("NAXIS2", SIDE)
            .text("BUNIT", "DN", "")
            .end();
        Self {
            seed,
            header,
            packer: Compress::new(Compression::best(), false),
            random: vec![0; SIDE * SIDE * 8],
            noise: Vec::new(),
            smooth: Vec::new(),
            light: Default::default(),
            planes: Default::default(),
            packed: Default::default(),
        }
    }

    /// Paints and packs the stamps of an alert; [`Self::get`] gives them.
    pub(super) fn paint(&mut self, sight: &Sight<'_>) {
        self.pixels(sight);
        for (plane, packed) in self.planes.iter().zip(&mut self.packed) {
            pack(&mut self.packer, plane, sight.packed_at, packed);
        }
    }

    /// One of the files painted last.
    pub(super) fn get(&self, stamp: Stamp) -> &[u8] {
        &self.packed[stamp as usize]
    }

    fn pixels(&mut self, sight: &Sight<'_>) {
        let mut stream = Stream::new(self.seed, Purpose::Pixels, sight.candid as u64, 1);
        stream.fill(&mut self.random);
        let normals = |bytes: &[u8]| four_normals(bytes.iter().rev().fold(0, |word, b| word << 8 | u64::from(*b)));
        self.noise.clear();
        self.noise.extend(self.random.chunks_exact(8).map(|bytes| normals(bytes)[0]));
        share_with_neighbours(&mut self.noise, &mut self.smooth, SIDE, SHARED);

        // What is steady, as the exposure and as the template sees it.
        let centre = (MIDDLE + sight.beside.0, MIDDLE + sight.beside.1);
        for (light, blur) in self.light.iter_mut().zip([sight.blur.0, sight.blur.1]) {
            light.clear();
            light.resize(SIDE * SIDE, 0.0);
            add_star(light, centre, blur, sight.before);
            for (x, y, counts) in sight.stars {
                add_star(light, (centre.0 + x, centre.1 + y), blur, *counts);
            }
        }
        let now = Spread::new(SIDE, centre, (sight.blur.0, sight.blur.0));
        let background = sight.background as f32;
        let level = background * (1.0 + 0.01 * stream.normal() as f32);
        let (gain, sky) = (GAIN as f32, (sight.background / GAIN + READ) as f32);
        let sign = if sight.change < 0.0 { -1.0 } else { 1.0 };
        let change = sight.change as f32;
        for plane in &mut self.planes {
            plane.clear();
            plane.extend_from_slice(&self.header);
        }
        let [science, template, difference] = &mut self.planes;
        for (bytes, i) in self.random.chunks_exact(8).zip(0..) {
            let changed = change * now.at(i % SIDE, i / SIDE);
            let (steady, old) = (self.light[0][i], self.light[1][i]);
            let noise = (sky + (steady + changed).max(0.0) / gain).sqrt() * normals(bytes)[1];
            let deep = TEMPLATE_NOISE * (sky + old / gain).sqrt() * self.noise[i];
            let put = |plane: &mut Vec<u8>, value: f32| plane.extend_from_slice(&value.to_be_bytes());
            put(science, background + steady + changed + noise);
            put(template, level + old + deep);
            // Turned so that the source is positive.
            put(difference, sign * (changed + noise - deep));
        }
        let length = BLOCK + padded(SIDE * SIDE * 4);
        self.planes.iter_mut().for_each(|plane| plane.resize(length, 0));
    }
}

/// Adds a star, as far as its light reaches.
fn add_star(light: &mut [f32], centre: (f64, f64), blur: f64, counts: f64) {
    let spread = Spread::new(SIDE, centre, (blur, blur));
    let reach = 8.0 * blur + 2.0;
    let range = |middle: f64| {
        let (low, high) = ((middle - reach).max(0.0), (middle + reach).min(SIDE as f64 - 1.0));
        low as usize..(high.max(-1.0) + 1.0) as usize
    };
    for y in range(centre.1) {
        for x in range(centre.0) {
            light[y * SIDE + x] += counts as f32 * spread.at(x, y);
        }
    }
}

/// A gzip member (RFC 1952) as ZTF has it: no name, time of packing, strongest compression, made on Unix.
fn pack(packer: &mut Compress, plain: &[u8], time: u32, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&[0x1f, 0x8b, 8, 0]);
    out.extend_from_slice(&time.to_le_bytes());
    out.extend_from_slice(&[2, 3]);
    packer.reset();
    let mut taken = 0;
    loop {
        out.reserve(plain.len() - taken + 1_024);
        // It fails only on a stream that has ended, which was just begun anew.
        let status = packer.compress_vec(&plain[taken..], out, FlushCompress::Finish);
        taken = packer.total_in() as usize;
        match status {
            Ok(Status::Ok | Status::BufError) => {}
            Ok(Status::StreamEnd) | Err(_) => break,
        }
    }
    out.extend_from_slice(&crc32fast::hash(plain).to_le_bytes());
    out.extend_from_slice(&(plain.len() as u32).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn sight(candid: i64, background: f64, stars: &[(f64, f64, f64)]) -> Sight<'_> {
        Sight {
            candid,
            background,
            blur: (0.9, 0.8),
            change: -2_000.0,
            before: 9_000.0,
            beside: (0.3, -0.2),
            stars,
            packed_at: 1_700_000_000,
        }
    }

    #[test]
    fn stamps_unpack_to_fits_with_the_source_in_the_middle() {
        let mut stamps = Stamps::new(1);
        stamps.paint(&sight(7, 200.0, &[(20.0, -15.0, 3_000.0), (400.0, 0.0, 1e5)]));
        for stamp in [Stamp::Science, Stamp::Template, Stamp::Difference] {
            let packed = stamps.get(stamp);
            assert_eq!(packed[..10], [0x1f, 0x8b, 8, 0, 0, 0xf1, 0x53, 0x65, 2, 3]);
            let mut plain = Vec::new();
            flate2::bufread::GzDecoder::new(packed).read_to_end(&mut plain).unwrap();
            assert_eq!(plain.len(), 2_880 * 7);
            assert!(plain.starts_with(b"SIMPLE  =  T   "));
            let pixel = |x: usize, y: usize| {
                let at = 2_880 + 4 * (y * SIDE + x);
                f32::from_be_bytes(plain[at..at + 4].try_into().unwrap())
            };
            let sky = if stamp == Stamp::Difference { 0.0 } else { 200.0 };
            assert!((pixel(5, 5) - sky).abs() < 40.0);
            // The change is negative, the difference turned.
            assert!(pixel(31, 31) > sky + 100.0, "{}", pixel(31, 31));
            if stamp != Stamp::Difference {
                assert!(pixel(51, 16) > sky + 100.0);
            }
        }
    }

    #[test]
    fn packing_is_the_same_after_another_file() {
        let mut stamps = Stamps::new(1);
        stamps.paint(&sight(7, 200.0, &[]));
        let first = stamps.get(Stamp::Science).to_vec();
        stamps.paint(&sight(8, 90.0, &[]));
        assert_ne!(stamps.get(Stamp::Science), first);
        stamps.paint(&sight(7, 200.0, &[]));
        assert_eq!(stamps.get(Stamp::Science), first);
    }
}
