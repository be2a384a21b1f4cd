//! What is asked of flat rows, by id and by place. The text is the same for all who answer.

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::flat::{DEEP, FLAGS, Object, PLANE_DEC, PLANE_RA, Sources};

/// Columns of a light curve.
const COLUMNS: &str = "diaSourceId, midpointMjdTai, ra, dec, psfFlux, psfFluxErr, band";
/// How often a question of all rows is asked.
pub const OF_ALL: usize = 5;

/// A question, asked again and again of other objects and places.
#[derive(Debug)]
pub struct Question {
    /// Its name, which goals are written down under.
    pub name: &'static str,
    /// What is asked.
    pub what: &'static str,
    /// As it is asked each time.
    pub sql: Vec<String>,
}

/// What tells one answer from another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Rows.
    pub rows: u64,
    /// All whole numbers in it, added up.
    pub whole: i64,
    /// All other numbers in it, added up.
    pub other: f64,
}

impl Answer {
    /// True if it may be the same: sums of fractions depend on their order.
    fn is_like(&self, other: &Self) -> bool {
        let near = (self.other - other.other).abs() <= 1e-6 * self.other.abs().max(1.0);
        self.rows == other.rows && self.whole == other.whole && near
    }
}

/// Names of all questions.
pub const NAMES: [&str; 11] = [
    "1 id",
    "100 ids",
    "10,000 ids",
    "cone of 5 arcsec",
    "cone of 1 degree, plane",
    "cone of 1 degree, deep field",
    "cone of 0.5 degrees, 7 nights",
    "by band and night",
    "16 flags and 2 cuts",
    "16 flags and 2 cuts, one night",
    "75,000 positions, 2 arcsec, best match",
];

/// All questions, each asked so often.
pub fn all(sources: &Sources, nights: u64, runs: usize) -> Vec<Question> {
    let [one, some, many, near, plane, deep, window, nightly, flags, flags_of_night, list] = NAMES;
    let rows = |condition: String| format!("SELECT {COLUMNS} FROM lsst.sources WHERE {condition}");
    let each = |sql: &dyn Fn(usize) -> String| (0..runs).map(sql).collect::<Vec<_>>();
    let of_all = |sql: String| vec![sql; runs.min(OF_ALL)];
    let ids = |run: usize, count: usize| {
        let ids: Vec<String> = chosen(&sources.objects, run, count).map(|object| object.id.to_string()).collect();
        rows(format!("diaObjectId IN ({})", ids.join(", ")))
    };
    let good = format!(
        "SELECT count(*) AS n FROM lsst.sources WHERE NOT ({}) AND psfFlux > 1000 AND psfFlux / psfFluxErr > 5",
        FLAGS.get(..16).unwrap_or(&FLAGS).join(" OR ")
    );
    let inside = |(from, to): (f64, f64), part: f64| from + 1.0 + (to - from - 2.0) * part;
    let in_deep = |run: usize| (DEEP.0 - 0.2 + 0.4 * part(run, 0.0), DEEP.1 - 0.2 + 0.4 * part(run, 0.5));
    // No cone here crosses the meridian where right ascension begins, nor holds a pole: the peer's is a simple one.
    let plain: Vec<Object> = plain(sources).into_iter().copied().collect();
    vec![
        Question {
            name: one,
            what: "the light curve of an object",
            sql: each(&|run| {
                let id = chosen(&sources.objects, run, 1).next().map_or(0, |object| object.id);
                rows(format!("diaObjectId = {id}"))
            }),
        },
        Question { name: some, what: "light curves of objects all over the sky", sql: each(&|run| ids(run, 100)) },
        Question { name: many, what: "light curves of objects all over the sky", sql: each(&|run| ids(run, 10_000)) },
        Question {
            name: near,
            what: "around an object anywhere",
            sql: each(&|run| {
                let at = chosen(&plain, run, 1).next().map_or(DEEP, |object| (object.ra, object.dec));
                rows(cone(at, 5.0 / 3_600.0))
            }),
        },
        Question {
            name: plane,
            what: "where 60 % of all objects lie",
            sql: each(&|run| rows(cone((inside(PLANE_RA, part(run, 0.0)), inside(PLANE_DEC, part(run, 0.5))), 1.0))),
        },
        Question {
            name: deep,
            what: "around the middle of the deep field, which has 2.5 % of all objects",
            sql: each(&|run| rows(cone(in_deep(run), 1.0))),
        },
        Question {
            name: window,
            what: "in the deep field, of nights that follow each other",
            sql: each(&|run| {
                let first = (part(run, 0.25) * nights.saturating_sub(6) as f64) as u64;
                let (from, to) = sources.days(first, 7);
                rows(format!("{} AND midpointMjdTai BETWEEN {from:.6} AND {to:.6}", cone(in_deep(run), 0.5)))
            }),
        },
        Question {
            name: nightly,
            what: "number and mean flux, of all rows",
            sql: of_all(
                "SELECT band, floor(midpointMjdTai) AS night, count(*) AS n, avg(psfFlux) AS mean FROM lsst.sources \
                 GROUP BY 1, 2"
                    .into(),
            ),
        },
        Question { name: flags, what: "how many of all rows are good and bright", sql: of_all(good.clone()) },
        Question {
            name: flags_of_night,
            what: "the same of one night",
            sql: each(&|run| {
                let (from, to) = sources.days(run as u64 * 7 % nights, 1);
                format!("{good} AND midpointMjdTai BETWEEN {from:.6} AND {to:.6}")
            }),
        },
        Question {
            name: list,
            what: "a file of positions matched with all rows",
            sql: of_all(format!(
                "SELECT id, diaSourceId FROM crossmatch('mine', 'lsst.sources', {:.10}, 'best')",
                2.0 / 3_600.0
            )),
        },
    ]
}

/// Objects that peers whose geometry is a simple one can be asked about.
pub fn plain(sources: &Sources) -> Vec<&Object> {
    sources.objects.iter().filter(|o| o.dec.abs() < 80.0 && (1.0..359.0).contains(&o.ra)).collect()
}

fn cone((ra, dec): (f64, f64), radius: f64) -> String {
    format!("cone(ra, dec, {ra:.6}, {dec:.6}, {radius:.8})")
}

/// A part of a whole for a run: steps of the golden section, far from those of other runs.
fn part(run: usize, begin: f64) -> f64 {
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    // The two axes of a place go in steps that have nothing to do with each other.
    ((run + 1) as f64 * golden.powi(if begin > 0.0 { 3 } else { 1 }) + begin).fract()
}

/// So many objects, spread over all, others for each run.
fn chosen(objects: &[Object], run: usize, count: usize) -> impl Iterator<Item = &Object> {
    let count = count.min(objects.len());
    let begin = (part(run, 0.0) * objects.len() as f64) as usize;
    (0..count).filter_map(move |at| objects.get((begin + at * objects.len() / count) % objects.len()))
}

/// Holds the answers of two against each other.
pub fn compare(name: &str, ours: &[Answer], theirs: &[Answer]) -> Result<(), Failure> {
    if ours.len() != theirs.len() {
        return Err(Failure(format!("{name}: {} answers, {} of the peer", ours.len(), theirs.len())));
    }
    match ours.iter().zip(theirs).position(|(ours, theirs)| !ours.is_like(theirs)) {
        Some(at) => Err(Failure(format!("{name}, time {at}: {:?}, and the peer's {:?}", ours[at], theirs[at]))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::workload::Flat;

    #[test]
    fn each_time_it_is_another_question() {
        let flat =
            Flat { seed: 7, rows: 9_000, quick_rows: 300, objects: 900, nights: 30, hot_commits: 2, hot_rows: 5 };
        let questions = all(&Sources::new(flat), 30, 20);
        assert_eq!(questions.iter().map(|q| q.name).collect::<Vec<_>>(), NAMES);
        for question in &questions {
            let different = question.sql.iter().collect::<HashSet<_>>().len();
            let whole = question.sql.len() == OF_ALL;
            // There are no 10,000 objects: all of them are asked for, in another order each time.
            assert_eq!(different, if whole { 1 } else { 20 }, "{}", question.name);
        }
    }

    #[test]
    fn answers_differ_by_more_than_the_order_of_sums() {
        let answer = Answer { rows: 2, whole: 5, other: 1e9 };
        assert!(compare("x", &[answer], &[Answer { other: 1e9 + 1.0, ..answer }]).is_ok());
        for wrong in [Answer { rows: 3, ..answer }, Answer { whole: 6, ..answer }, Answer { other: 1.1e9, ..answer }] {
            assert!(compare("x", &[answer], &[wrong]).is_err());
        }
        assert!(compare("x", &[answer], &[]).is_err());
    }
}
