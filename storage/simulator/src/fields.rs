//! Where the telescope looks.

use crate::camera::{Centre, RADIAN};
use crate::galaxy::Density;
use crate::objects::Mix;
use crate::plan::Plan;
use crate::random::{Purpose, Stream};
use crate::target::Target;
use crate::visits::Band;

/// A pointing.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) centre: Centre,
    pub(crate) target: &'static str,
    reason: [String; 6],
    /// What lies there.
    pub(crate) mix: Mix,
}

impl Field {
    fn new(target: Target, name: &'static str, reason: impl Fn(&str) -> String) -> Self {
        let Target { ra, dec } = target;
        let mix = Mix::of(Density::towards(ra, dec));
        Self { centre: Centre::new(ra, dec), target: name, reason: Band::NAMES.map(reason), mix }
    }

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

/// Those that the plan names, then the deep fields, then places anywhere in the wide survey.
pub(crate) fn fields(plan: &Plan) -> Vec<Field> {
    let (south, north) = plan.survey.telescope().declinations;
    let wide = |index: u64| {
        let mut stream = Stream::new(plan.seed, Purpose::Field, index, 0);
        let (south, north) = (libm::sin(south * RADIAN), libm::sin(north * RADIAN));
        let ra = stream.between(0.0, 360.0);
        let dec = libm::asin(stream.between(south, north)) / RADIAN;
        Field::new(Target { ra, dec }, "lowdust", |band| format!("template_blob_{band}_33.0"))
    };
    let named = plan.targets.iter().map(|target| {
        let deep = DEEP.iter().find(|(_, ra, dec)| (*ra, *dec) == (target.ra, target.dec));
        Field::new(*target, deep.map_or("simulated", |(name, ..)| name), |band| format!("simulated_{band}"))
    });
    let is_named = |ra: f64, dec: f64| plan.targets.iter().any(|t| (t.ra, t.dec) == (ra, dec));
    let deep = DEEP.iter().filter(|(_, ra, dec)| !is_named(*ra, *dec) && (south..=north).contains(dec));
    let deep = deep.map(|(name, ra, dec)| Field::new(Target { ra: *ra, dec: *dec }, name, |_| (*name).to_owned()));
    named.chain(deep).chain((0..).map(wide)).take(plan.fields as usize).collect()
}
