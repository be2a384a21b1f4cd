//! What the pipeline knows of an object as a whole when one of its sources becomes an alert.

use super::source::Source;
use crate::random::fraction;

/// The object record. Statistics are those of the band of the alert, as in transmitted packets; the other bands are
/// not filled.
#[derive(Debug, Clone)]
pub(crate) struct Summary {
    pub(crate) id: i64,
    pub(crate) valid_from: f64,
    pub(crate) ra: f64,
    pub(crate) dec: f64,
    pub(crate) ra_error: f64,
    pub(crate) dec_error: f64,
    pub(crate) covariance: f64,
    pub(crate) band: &'static str,
    pub(crate) sources: i64,
    pub(crate) in_band: i64,
    pub(crate) mean: f64,
    pub(crate) mean_error: f64,
    pub(crate) deviation: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    pub(crate) steepest: f64,
    pub(crate) error_mean: f64,
    pub(crate) science_mean: f64,
    pub(crate) science_mean_error: f64,
}

/// Gathers sources in order of time.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    band: &'static str,
    first: Option<[f64; 5]>,
    sources: i64,
    /// Sums of the offsets from the first position, in degrees.
    offsets: (f64, f64),
    /// Time, flux, its uncertainty, total flux and its uncertainty.
    in_band: Vec<[f64; 5]>,
}

impl Gathering {
    /// Starts anew for an alert in a band.
    pub(crate) fn start(&mut self, band: &'static str) {
        self.in_band.clear();
        *self = Self { band, in_band: std::mem::take(&mut self.in_band), ..Self::default() };
    }

    pub(crate) fn add(&mut self, source: &Source) {
        let first =
            *self.first.get_or_insert([source.ra, source.dec, source.ra_error, source.dec_error, source.covariance]);
        // Across 0h the shorter way around.
        let east = fraction((source.ra - first[0]) / 360.0 + 0.5) * 360.0 - 180.0;
        self.offsets.0 += east;
        self.offsets.1 += source.dec - first[1];
        self.sources += 1;
        if source.band == self.band {
            // What is transmitted is single precision, and so is what statistics are made of.
            let single = |value: f64| f64::from(value as f32);
            self.in_band.push([
                source.mjd,
                single(source.flux),
                single(source.flux_error),
                single(source.science),
                single(source.science_error),
            ]);
        }
    }

    /// The record for the alert whose source was added last.
    pub(crate) fn finish(&self, id: i64, trigger: &Source) -> Summary {
        let first = self.first.unwrap_or([f64::NAN; 5]);
        let count = self.sources as f64;
        let points = &self.in_band;
        let number = points.len() as f64;
        let several = points.len() > 1;
        let (mean, mean_error) = weighted(points.iter().map(|p| (p[1], p[2])));
        let (science_mean, science_mean_error) = weighted(points.iter().map(|p| (p[3], p[4])));
        let plain = points.iter().map(|p| p[1]).sum::<f64>() / number;
        let squares: f64 = points.iter().map(|p| (p[1] - plain) * (p[1] - plain)).sum();
        let slopes = points.windows(2).map(|w| (w[1][1] - w[0][1]) / (w[1][0] - w[0][0]));
        Summary {
            id,
            // The object is written a few seconds after its source.
            valid_from: trigger.processed + (3.8 + 3.0 * fraction(trigger.processed * 1_000.0)) / 86_400.0,
            ra: fraction((first[0] + self.offsets.0 / count) / 360.0) * 360.0,
            dec: first[1] + self.offsets.1 / count,
            ra_error: first[2],
            dec_error: first[3],
            covariance: first[4],
            band: self.band,
            sources: self.sources,
            in_band: points.len() as i64,
            mean,
            mean_error,
            deviation: if several { (squares / (number - 1.0)).sqrt() } else { f64::NAN },
            lowest: points.iter().map(|p| p[1]).fold(f64::INFINITY, f64::min),
            highest: points.iter().map(|p| p[1]).fold(f64::NEG_INFINITY, f64::max),
            steepest: if several { slopes.fold(f64::NEG_INFINITY, f64::max) } else { f64::NAN },
            error_mean: points.iter().map(|p| p[2]).sum::<f64>() / number,
            science_mean,
            science_mean_error,
        }
    }
}

/// Mean weighted by inverse variance, and its uncertainty.
fn weighted(points: impl Iterator<Item = (f64, f64)>) -> (f64, f64) {
    let (sum, weights) = points.fold((0.0, 0.0), |(sum, weights), (value, error)| {
        let weight = 1.0 / (error * error);
        (sum + weight * value, weights + weight)
    });
    (sum / weights, 1.0 / weights.sqrt())
}

#[cfg(test)]
mod tests {
    use super::weighted;

    #[test]
    fn weights_are_inverse_variances() {
        let (mean, error) = weighted([(1.0, 1.0), (4.0, 2.0)].into_iter());
        assert!((mean - 1.6).abs() < 1e-12 && (error - 0.8_f64.sqrt()).abs() < 1e-12);
    }
}
