//! Which field is visited when, and through which filter.

use crate::calendar::NightOf;
use crate::plan::Plan;
use crate::random::{Purpose, Stream};
use crate::telescope::Telescope;
use crate::visits::{Band, Visit, moon};

/// Fields that are gone through before the telescope returns to the first of them, which it then sees again after
/// half an hour.
const BLOCK: u32 = 46;
/// Most visits in a night to be simulated.
pub(crate) const MOST_VISITS: u32 = 1_000;

/// The filters in the telescope in a night: one of six has to stay outside, the reddest when the moon is new and the
/// bluest when it is full.
fn filters(telescope: &Telescope, night: NightOf) -> &'static [Band] {
    match telescope.bands {
        [dark @ .., _] if telescope.bands.len() == 6 && moon(night.mjd() + 1.0) < 0.5 => dark,
        [_, bright @ ..] if telescope.bands.len() == 6 => bright,
        all => all,
    }
}

/// The filter of the `nth` time that the telescope goes through its fields in a night.
fn filter(telescope: &Telescope, night: NightOf, nth: u32) -> Band {
    let filters = filters(telescope, night);
    filters[(night.0 as usize + nth as usize) % filters.len()]
}

/// The visits of the nights to be simulated, in order of time, but for those that the weather takes.
pub(crate) fn visits_of_plan(telescope: &'static Telescope, plan: &Plan, first: NightOf) -> Vec<Visit> {
    let mut visits = Vec::with_capacity((plan.nights * plan.visits_per_night) as usize);
    let pairs = plan.visits_per_night.div_ceil(2);
    let block = plan.fields.min(BLOCK);
    for back in 0..plan.nights {
        let night = first.plus(back.into());
        let lost = lost(plan, night);
        for at in 0..plan.visits_per_night {
            if lost.contains(&at) {
                continue;
            }
            let begin = at / (2 * block) * block;
            let length = block.min(pairs - begin);
            let within = at % (2 * block);
            let field = (back * pairs + begin + within % length) % plan.fields;
            let band = filter(telescope, night, 2 * (at / (2 * block)) + within / length);
            visits.push(Visit::new(telescope, plan.seed, night, at + 1, field, band));
        }
    }
    visits
}

/// The visits of a night that clouds take: all of them in half of the loss, a stretch of hours in the other half.
fn lost(plan: &Plan, night: NightOf) -> std::ops::Range<u32> {
    let mut stream = Stream::new(plan.seed, Purpose::Weather, night.0 as u64, 1);
    let nights = 0.5 * plan.weather_loss;
    if stream.uniform() < nights {
        return 0..plan.visits_per_night;
    }
    let hours = (plan.weather_loss - nights) / (1.0 - nights);
    if hours <= 0.0 {
        return 0..0;
    }
    // A power of a uniform number that has this mean: many short gaps, few long ones.
    let length = libm::pow(stream.uniform(), (1.0 - hours) / hours);
    let start = stream.uniform() * (1.0 - length);
    let visit = |share: f64| (share * f64::from(plan.visits_per_night)).round() as u32;
    visit(start)..visit(start + length)
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
pub(crate) fn visits_before(
    telescope: &'static Telescope,
    plan: &Plan,
    first: NightOf,
    cadence: Cadence,
) -> Vec<Visit> {
    let mut visits = Vec::new();
    for back in (1..=cadence.nights).rev() {
        let night = first.plus(-i64::from(back));
        if Stream::new(plan.seed, Purpose::Weather, night.0 as u64, 0).uniform() < 0.2 {
            continue;
        }
        // More fields than visits fit a night: they take turns.
        let tonight = plan.fields.min(900);
        for nth in 0..cadence.visits {
            let band = filter(telescope, night, nth);
            for turn in 0..tonight {
                let field = (turn + back * tonight) % plan.fields;
                visits.push(Visit::new(telescope, plan.seed, night, nth * tonight + turn + 1, field, band));
            }
        }
    }
    visits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visits(plan: &Plan) -> Vec<Visit> {
        visits_of_plan(&Telescope::LSST, plan, NightOf::from_digits(plan.first_night).unwrap())
    }

    #[test]
    fn visits_come_in_order_with_ids_of_their_own() {
        let plan = Plan { fields: 7, visits_per_night: 50, nights: 20, ..Plan::default() };
        let first = NightOf::from_digits(plan.first_night).unwrap();
        let mut all = visits_before(&Telescope::LSST, &plan, first, Cadence::new(9, 40, plan.fields));
        let before = all.len();
        all.extend(visits(&plan));
        assert_eq!(all.len() - before, 1_000);
        assert!(before > 1_000);
        assert!(all.windows(2).all(|w| w[0].id < w[1].id && w[0].mjd < w[1].mjd));
        assert!(all[before - 1].mjd < 61_353.5 && all[before].mjd > 61_353.9);
        assert_eq!(all[before].id, 2_026_110_900_001);
        for band in 0..6 {
            assert!(all[before..].iter().any(|v| v.band.0 == band));
        }
    }

    #[test]
    fn a_night_returns_to_its_fields_with_another_filter_and_goes_on() {
        let plan = Plan { fields: 300, visits_per_night: 201, nights: 2, ..Plan::default() };
        let all = visits(&plan);
        let tonight = &all[..201];
        let again = tonight[1..].iter().find(|v| v.field == tonight[0].field).unwrap();
        assert_eq!(again.sequence - tonight[0].sequence, BLOCK);
        assert_ne!(again.band, tonight[0].band);
        assert!(tonight[..46].iter().all(|v| v.band == tonight[0].band));
        let distinct = |visits: &[Visit]| visits.iter().map(|v| v.field).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(distinct(tonight).len(), 101);
        assert!(distinct(tonight).is_disjoint(&distinct(&all[201..])), "the next night looks elsewhere");
        // One filter stays outside.
        let bands: std::collections::BTreeSet<_> = tonight.iter().map(|v| v.band.0).collect();
        assert!(bands.len() <= 5);
    }

    #[test]
    fn the_weather_takes_its_share_in_nights_and_hours() {
        let plan = Plan { weather_loss: 0.3, nights: 300, visits_per_night: 200, ..Plan::default() };
        let kept = visits(&plan);
        let share = 1.0 - kept.len() as f64 / 60_000.0;
        assert!((share - 0.3).abs() < 0.06, "{share}");
        let mut nights = std::collections::BTreeMap::new();
        for visit in &kept {
            *nights.entry(visit.night).or_insert(0) += 1;
        }
        assert!((230..285).contains(&nights.len()), "{}", nights.len());
        assert!(nights.values().filter(|n| (20..180).contains(*n)).count() > 50);
        assert!(kept.windows(2).all(|w| w[0].id < w[1].id));
    }
}
