//! One exposure of one of the 64 readout channels: what all records of it have in common.

use crate::calendar::{TAI_AHEAD_OF_UTC, date_from_days};
use crate::random::{Purpose, Stream};
use crate::visits::Visit;

use super::digits::decimals;
use super::stamps::deviation_of;

/// Julian Date less Modified Julian Date.
const JD_LESS_MJD: f64 = 2_400_000.5;
const DAY: f64 = 86_400.0;
/// Julian date of the evening from which nights are counted, 2017-01-01.
const FIRST_NIGHT: f64 = 2_457_754.5;
/// AB magnitude of a nanojansky.
const NANOJANSKY: f64 = 31.4;

/// AB magnitude of a flux in nJy.
pub(super) fn magnitude(flux: f64) -> f64 {
    NANOJANSKY - 2.5 * libm::log10(flux.abs().max(1e-3))
}

/// What an exposure of a channel was like. Fluxes in counts (DN), widths in pixels.
#[derive(Debug, Clone)]
pub(super) struct Exposure {
    /// Start, Julian date UTC.
    pub(super) jd: f64,
    /// Days since 2017-01-01, and that with the fraction of the day and channel as one number.
    pub(super) night: i64,
    pub(super) pid: i64,
    /// 1 g, 2 r, 3 i.
    pub(super) filter: i64,
    pub(super) field: i64,
    pub(super) channel: u32,
    /// 1 public, 2 partnership, 3 Caltech.
    pub(super) program: i64,
    /// Limiting magnitude.
    pub(super) limit: f64,
    pub(super) background: f64,
    pub(super) deviation: f64,
    pub(super) width: f64,
    pub(super) zero_point: f64,
    pub(super) zero_point_error: f64,
    pub(super) zero_point_scatter: f64,
    /// The same as history has it, worked out anew.
    pub(super) scatter_again: f64,
    pub(super) colour: f64,
    pub(super) colour_again: f64,
    pub(super) colour_error: f64,
    pub(super) astrometry: (f64, f64),
    pub(super) calibrators: i64,
    /// Name of the difference image as the trigger has it, and as history has it: packed, and with its folder.
    pub(super) file: String,
    pub(super) archived_file: String,
}

/// Start of an exposure, Julian Date UTC.
pub(super) fn start(visit: &Visit) -> f64 {
    let seconds = TAI_AHEAD_OF_UTC + visit.telescope.exposure / 2.0;
    decimals(visit.mjd - seconds / DAY + JD_LESS_MJD, 7)
}

impl Exposure {
    /// `restricted` is the share of exposures that are not of the public program.
    pub(super) fn new(seed: u64, visit: &Visit, channel: u32, restricted: f64) -> Self {
        let mut of_visit = Stream::new(seed, Purpose::Program, visit.id as u64, 0);
        let (chance, which) = (of_visit.uniform(), of_visit.uniform());
        let program = if chance >= restricted { 1 } else { 2 + i64::from(which < 0.5) };
        let mut s = Stream::new(seed, Purpose::Channel, visit.id as u64, channel.into());
        let jd = start(visit);
        let since = jd - FIRST_NIGHT;
        let night = since.floor();
        let day = since - night;
        let filter = visit.band.0 as i64;
        let pid = ((night as i64 * 100_000 + (day * 100_000.0) as i64) * 100 + i64::from(channel)) * 100 + 15;
        // Dark to moonlit; channels differ a little.
        let background = decimals(
            BACKGROUND[visit.band.0] * visit.sky / visit.telescope.sky[visit.band.0] * (1.0 + 0.05 * s.normal()),
            4,
        );
        let deviation = decimals(deviation_of(background) * (1.06 + 0.04 * s.normal()), 5);
        let zero_point = decimals(26.2 + 0.06 * s.normal() - 0.3 * s.exponential() * s.uniform(), 4);
        let width = decimals(visit.blur * 2.355 * (1.0 + 0.03 * s.normal()), 4);
        // Noise of the flux of a star; the factor is that of transmitted forced photometry.
        let noise = 3.2 * deviation * width;
        let limit = decimals(zero_point - 2.5 * libm::log10(5.0 * noise), 4);
        let digits = (day * 1e6) as i64;
        let (year, month, date) = date_from_days((night as i64) + DAYS_TO_2017);
        let field = i64::from(visit.field) * 7 % 800 + 245;
        let (letter, ccd, quadrant) = (FILTERS[visit.band.0], channel / 4 + 1, channel % 4 + 1);
        let colour = decimals(COLOUR[visit.band.0] + 0.02 * s.normal(), 6);
        let file = format!(
            "ztf_{year}{month:02}{date:02}{digits:06}_{field:06}_z{letter}_c{ccd:02}_o_q{quadrant}_scimrefdiffimg.fits"
        );
        let scatter = decimals(0.02 + 0.012 * s.exponential(), 6);
        Self {
            jd,
            night: night as i64,
            pid,
            filter,
            field,
            channel,
            program,
            limit,
            background,
            deviation,
            width,
            zero_point,
            zero_point_error: 4e-6 * libm::exp(1.1 + s.normal()),
            zero_point_scatter: scatter,
            scatter_again: scatter * s.between(0.6, 0.85),
            colour,
            colour_again: colour + 5e-7 * s.normal(),
            colour_error: 6e-6 * libm::exp(1.2 + s.normal()),
            astrometry: (decimals(s.between(0.06, 0.11), 6), decimals(s.between(0.06, 0.11), 6)),
            calibrators: s.log_between(100.0, 1_900.0) as i64,
            archived_file: format!("/ztf/archive/sci/{year}/{month:02}{date:02}/{digits:06}/{file}.fz"),
            file,
        }
    }

    /// Who asked for the exposure.
    pub(super) fn investigator(&self) -> &'static str {
        ["Kulkarni", "Partnership", "Caltech"][(self.program - 1).clamp(0, 2) as usize]
    }

    /// Id of a source.
    ///
    /// Its last six digits tell positive sources from negative ones and number them in blocks of 5,000.
    pub(super) fn candid(&self, positive: bool, nth: i64) -> i64 {
        let sign = if positive { 5_000 } else { 0 };
        self.pid * 1_000_000 + (nth / 5_000 + 1) * 10_000 + sign + nth % 5_000
    }

    /// Id of the reference image.
    pub(super) fn reference(&self) -> i64 {
        self.field * 1_000_000 + 120_000 + self.filter * 100 + i64::from(self.channel)
    }

    /// Counts of a flux in nJy.
    pub(super) fn counts(&self, flux: f64) -> f64 {
        flux * libm::exp(0.4 * std::f64::consts::LN_10 * (self.zero_point - NANOJANSKY))
    }

    /// Seconds since 1970 at which its alerts were packed: 10 to 20 minutes later.
    pub(super) fn packed_at(&self) -> u32 {
        let seconds = (self.jd - JD_LESS_MJD - 40_587.0) * DAY;
        (seconds + 600.0 + (self.pid / 100 % 600) as f64) as u32
    }
}

/// Days from 1970-01-01 to 2017-01-01.
const DAYS_TO_2017: i64 = 17_167;
/// Background of a dark night in counts, by band.
const BACKGROUND: [f64; 6] = [90.0, 95.0, 150.0, 190.0, 190.0, 190.0];
/// Colour terms of the calibration, by band.
const COLOUR: [f64; 6] = [0.0, -0.065, 0.1, 0.0, 0.0, 0.0];
/// Letters of the filters in file names, by band.
const FILTERS: [char; 6] = ['u', 'g', 'r', 'i', 'z', 'y'];
