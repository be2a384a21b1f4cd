//! When visits are due.

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// The times of a replay that is not flat out: every visit is due as long after the first as it was then, divided by the
/// pace.
///
/// ```
/// use noctuary_queries::replay::Pace;
///
/// // At a hundred times the speed, 39 s are 0.39 s.
/// let pace = Pace { times: 100.0, origin: 61_354.0, begin: 1_000.0 };
/// assert!((pace.due(61_354.0 + 39.0 / 86_400.0) - 1_000.39).abs() < 1e-5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// So many times the speed of the night; above 0.
    pub times: f64,
    /// When the first visit began, MJD TAI.
    pub origin: f64,
    /// When the first visit is due, seconds since 1970 in UTC.
    pub begin: f64,
}

impl Pace {
    /// When a visit is due that began at an MJD TAI: seconds since 1970 in UTC. Not before the first visit.
    #[must_use]
    pub fn due(&self, began: f64) -> f64 {
        self.begin + ((began - self.origin) * DAY / self.times).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_due_before_the_first() {
        let pace = Pace { times: 0.5, origin: 61_354.0, begin: 10.0 };
        assert!((pace.due(61_353.0) - 10.0).abs() < f64::EPSILON);
        assert!((pace.due(61_354.5) - (10.0 + 86_400.0)).abs() < 1e-6);
    }
}
