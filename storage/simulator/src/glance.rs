//! A first look at an object in a visit: enough to decide whether it is detected.

use crate::light::Course;
use crate::objects::Object;
use crate::random::{Purpose, Stream};
use crate::visits::Visit;

/// Detections are above this many times their noise.
pub(crate) const THRESHOLD: f64 = 5.0;
/// No noise is larger than this many times its deviation.
const LARGEST_NOISE: f64 = 3.5;

/// What a first look gives. The rest of the stream is for measuring.
#[derive(Debug, Clone)]
pub(crate) struct Glance {
    pub(crate) detected: bool,
    /// Random order among the detections of a visit.
    pub(crate) rank: u64,
    /// Difference flux as measured and its uncertainty, in nJy.
    pub(crate) flux: f64,
    pub(crate) error: f64,
    noise: f64,
    pub(crate) stream: Stream,
}

impl Glance {
    /// `None` if no noise could lift it over the threshold, which is what most looks come to.
    pub(crate) fn at(seed: u64, object: &Object, visit: &Visit) -> Option<Self> {
        let band = visit.band.0;
        let difference = object.light.difference(band, visit.mjd);
        let least =
            (THRESHOLD - LARGEST_NOISE) * (THRESHOLD - LARGEST_NOISE) * visit.flux_variance(object.template(band));
        let hopeless = difference * difference < least && !matches!(object.light.course, Course::Constant { .. });
        (!hopeless).then(|| Self::of(seed, object, visit, difference))
    }

    /// Looks whether or not there is anything to see.
    pub(crate) fn new(seed: u64, object: &Object, visit: &Visit) -> Self {
        Self::of(seed, object, visit, object.light.difference(visit.band.0, visit.mjd))
    }

    fn of(seed: u64, object: &Object, visit: &Visit, difference: f64) -> Self {
        let error = visit.flux_error(object.template(visit.band.0) + difference.max(0.0));
        let mut stream = Stream::new(seed, Purpose::Source, object.key, visit.id as u64);
        let rank = stream.word();
        let luck = stream.uniform();
        let noise = stream.normal();
        let flux = difference + noise * error;
        let detected = match object.light.course {
            Course::Constant { crossing } => luck < crossing,
            _ => luck < 0.95 && flux.abs() > THRESHOLD * error,
        };
        Self { detected, rank, flux, error, noise, stream }
    }

    /// Lifts the flux over the threshold if it is not there: of a constant star only the noise that crosses is seen.
    pub(crate) fn lifted(mut self) -> Self {
        if self.flux.abs() <= THRESHOLD * self.error {
            let over = THRESHOLD + 0.02 + 0.7 * self.stream.exponential();
            self.flux = if self.noise < 0.0 { -over } else { over } * self.error;
        }
        self
    }
}
