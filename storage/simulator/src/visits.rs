//! When the telescope looked where, and what the sky was like.

use crate::calendar::NightOf;
use crate::camera::{Aim, Centre, RADIAN};
use crate::plan::Plan;
use crate::random::{Purpose, Stream, fraction};

/// A filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Band(pub(crate) usize);

impl Band {
    pub(crate) const NAMES: [&'static str; 6] = ["u", "g", "r", "i", "z", "y"];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self.0]
    }
}

/// A pointing.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) centre: Centre,
    pub(crate) target: &'static str,
    reason: [String; 6],
}

impl Field {
    /// Why the scheduler chose it.
    pub(crate) fn reason(&self, band: Band) -> &str {
        &self.reason[band.0]
    }
}

/// The deep drilling fields, in degrees, those of the southern spring first.
const DEEP: [(&str, f64, f64); 6] = [
    ("ddf_elaiss1", 9.45, -44.025),
    ("ddf_xmm_lss", 35.575, -4.82),
    ("ddf_ecdfs", 52.98, -28.117),
    ("ddf_edfs_a", 58.9, -49.315),
    ("ddf_edfs_b", 63.6, -47.6),
    ("ddf_cosmos", 150.11, 2.23),
];

/// The deep fields first, then places anywhere in the wide survey.
pub(crate) fn fields(plan: &Plan) -> Vec<Field> {
    let wide = |index: u64| {
        let mut stream = Stream::new(plan.seed, Purpose::Field, index, 0);
        let (south, north) = (libm::sin(-70.0 * RADIAN), libm::sin(5.0 * RADIAN));
        let ra = stream.between(0.0, 360.0);
        let dec = libm::asin(stream.between(south, north)) / RADIAN;
        let reason = Band::NAMES.map(|band| format!("template_blob_{band}_33.0"));
        Field { centre: Centre::new(ra, dec), target: "lowdust", reason }
    };
    let deep = DEEP.map(|(name, ra, dec)| Field {
        centre: Centre::new(ra, dec),
        target: name,
        reason: Band::NAMES.map(|_| name.to_owned()),
    });
    let count = plan.fields as usize;
    deep.into_iter().chain((0..).map(wide)).take(count).collect()
}

/// One exposure.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) id: i64,
    pub(crate) night: NightOf,
    pub(crate) sequence: u32,
    /// Middle of the exposure, MJD TAI.
    pub(crate) mjd: f64,
    pub(crate) field: u32,
    pub(crate) band: Band,
    pub(crate) aim: Aim,
    /// Deviation of the star image in pixels.
    pub(crate) blur: f64,
    /// Variance of the sky in one pixel, nJy squared.
    pub(crate) sky: f64,
}

/// Second moments of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Moments {
    pub(crate) xx: f64,
    pub(crate) yy: f64,
    pub(crate) xy: f64,
}

/// Seconds of exposure.
pub(crate) const EXPOSURE: f64 = 30.0;
/// Variance that a nanojansky adds to its pixel, in nJy squared.
pub(crate) const SHOT: f64 = 0.6;

impl Visit {
    fn new(seed: u64, night: NightOf, sequence: u32, field: u32, band: Band) -> Self {
        /// Full width at half maximum of a good night in arcseconds, and variance of the sky, by band.
        const WIDTH: [f64; 6] = [1.0, 0.95, 0.9, 0.87, 0.85, 0.85];
        const SKY: [f64; 6] = [3_500.0, 430.0, 750.0, 930.0, 3_300.0, 20_000.0];
        let id = night.visit_id(sequence);
        let mut stream = Stream::new(seed, Purpose::Visit, id as u64, 0);
        let width = WIDTH[band.0] * libm::exp(0.16 * stream.normal() + 0.08);
        let sky = SKY[band.0] * libm::exp(0.15 * stream.normal());
        let angle = stream.between(0.0, std::f64::consts::TAU);
        let shift = (0.01 * RADIAN * stream.normal(), 0.01 * RADIAN * stream.normal());
        Self {
            id,
            night,
            sequence,
            mjd: night.midpoint(sequence),
            field,
            band,
            aim: Aim::new(angle, shift),
            blur: width / 2.355 / crate::camera::PIXEL,
            sky,
        }
    }

    /// Uncertainty of the flux of a point source, in nJy, from the total flux at its place.
    pub(crate) fn flux_error(&self, total: f64) -> f64 {
        let pixels = 4.0 * std::f64::consts::PI * self.blur * self.blur;
        (1.2 * pixels * self.sky + 1.3 * SHOT * total.max(0.0)).sqrt()
    }

    /// Second moments of a star image on a detector, in pixels squared.
    pub(crate) fn moments(&self, detector: u32) -> Moments {
        let turn = |a: f64, b: f64| fraction(f64::from(detector) * a + f64::from(self.sequence) * b) - 0.5;
        let size = self.blur * self.blur * (1.0 + 0.12 * turn(0.618_033_989, 0.324_717_957));
        let (stretch, skew) = (0.16 * turn(0.819_172_513, 0.671_043_607), 0.1 * turn(0.549_700_478, 0.245_122_334));
        Moments { xx: size * (1.0 + stretch), yy: size * (1.0 - stretch), xy: size * skew }
    }

    /// When the images of a detector had been processed, MJD TAI: 126 to 185 seconds later.
    pub(crate) fn processed(&self, detector: u32) -> f64 {
        let spread = fraction(f64::from(detector) * 0.754_877_666 + f64::from(self.sequence) * 0.569_840_291);
        self.mjd + (126.0 + 59.0 * spread) / 86_400.0
    }
}

/// The visits of the nights to be simulated, in order of time.
pub(crate) fn visits_of_plan(plan: &Plan, first: NightOf) -> Vec<Visit> {
    let mut visits = Vec::with_capacity((plan.nights * plan.visits_per_night) as usize);
    let mut of_field = vec![0; plan.fields as usize];
    let pairs = plan.visits_per_night.div_ceil(2);
    for night in 0..plan.nights {
        for sequence in 1..=plan.visits_per_night {
            let field = (night * pairs + (sequence - 1) / 2) % plan.fields;
            let count: &mut usize = &mut of_field[field as usize];
            let band = Band(*count % 6);
            *count += 1;
            visits.push(Visit::new(plan.seed, first.plus(night.into()), sequence, field, band));
        }
    }
    visits
}

/// How often the fields were visited before the nights to be simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cadence {
    /// Visits to each field in a clear night.
    pub(crate) visits: u32,
    /// How many nights back it began.
    pub(crate) nights: u32,
}

impl Cadence {
    /// At most as many visits as fit a night.
    pub(crate) fn new(visits: u32, nights: u32, fields: u32) -> Self {
        Self { visits: visits.clamp(1, (900 / fields).max(1)), nights: nights.min(372) }
    }
}

/// The visits before the first night, in order of time. One night in five is cloudy.
pub(crate) fn visits_before(plan: &Plan, first: NightOf, cadence: Cadence) -> Vec<Visit> {
    let mut visits = Vec::new();
    let mut count = 0;
    for back in (1..=cadence.nights).rev() {
        let night = first.plus(-i64::from(back));
        if Stream::new(plan.seed, Purpose::Weather, night.0 as u64, 0).uniform() < 0.2 {
            continue;
        }
        // More fields than visits fit a night: they take turns.
        let tonight = plan.fields.min(900);
        for turn in 0..tonight {
            let field = (turn + back * tonight) % plan.fields;
            for nth in 0..cadence.visits {
                let band = Band((count + nth as usize) % 6);
                visits.push(Visit::new(plan.seed, night, turn * cadence.visits + nth + 1, field, band));
            }
        }
        count += cadence.visits as usize;
    }
    visits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_come_in_order_with_ids_of_their_own() {
        let plan = Plan { fields: 7, visits_per_night: 50, ..Plan::default() };
        let first = NightOf::from_digits(plan.first_night).unwrap();
        let mut all = visits_before(&plan, first, Cadence::new(9, 40, plan.fields));
        let before = all.len();
        all.extend(visits_of_plan(&plan, first));
        assert_eq!(all.len() - before, 150);
        assert!(before > 1_000);
        assert!(all.windows(2).all(|w| w[0].id < w[1].id && w[0].mjd < w[1].mjd));
        assert!(all[before - 1].mjd < 61_353.5 && all[before].mjd > 61_353.9);
        assert_eq!(all[before].id, 2_026_110_900_001);
        for band in 0..6 {
            assert!(all[before..].iter().any(|v| v.band.0 == band));
        }
    }
}
