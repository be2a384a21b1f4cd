//! A replay cut into chunks: whole visits, in order.

use std::collections::VecDeque;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use noctuary_engine::{EngineError, Session};
use noctuary_packet::time::Night;
use noctuary_storage::night::{Span, Visit};
use serde::{Deserialize, Serialize};

use super::request::Request;
use super::select::{Selection, rows, table};

/// What is known of a visit that is to be replayed.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Its survey.
    pub survey: String,
    /// Which it is.
    pub visit: Visit,
    /// Packets that are wanted.
    pub packets: u64,
    /// Their bytes as transmitted.
    pub bytes: u64,
    /// The least time of their triggers, MJD TAI.
    pub begins: f64,
}

/// Visits of one survey, from one to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// The survey.
    pub survey: String,
    /// Night (days since 1970) and number of the first visit.
    first: (i32, Option<i64>),
    /// The same of the last.
    last: (i32, Option<i64>),
}

impl Range {
    /// The visits.
    #[must_use]
    pub fn span(&self) -> Span {
        let visit = |(night, number): (i32, Option<i64>)| (Night(night), number);
        Span { first: visit(self.first), last: visit(self.last) }
    }
}

/// Visits that follow each other in a replay.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Of each survey the visits.
    pub ranges: Vec<Range>,
    /// Packets.
    pub packets: u64,
    /// Their bytes as transmitted.
    pub bytes: u64,
    /// The first visit.
    pub first: Summary,
    /// The last visit.
    pub last: Summary,
}

/// The visits of a survey that have packets that are wanted, in order.
pub(super) async fn visits_of(session: &Session, selection: &Selection) -> Result<Vec<Summary>, EngineError> {
    let sql = format!(
        "SELECT _night, _visit, count(*) AS n, coalesce(sum(_bytes), 0) AS b, min(_mjd_tai) AS t {} \
         GROUP BY _night, _visit ORDER BY _night, _visit NULLS FIRST",
        selection.from(None)
    );
    let mut visits = Vec::new();
    for batch in rows(session, &sql).await? {
        let nights = batch.column(0).as_primitive::<Date32Type>();
        let numbers = batch.column(1).as_primitive::<Int64Type>();
        let whole = |at: usize| batch.column(at).as_primitive::<Int64Type>();
        let times = batch.column(4).as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            visits.push(Summary {
                survey: selection.survey.clone(),
                visit: (Night(nights.value(row)), numbers.is_valid(row).then(|| numbers.value(row))),
                packets: whole(2).value(row).unsigned_abs(),
                bytes: whole(3).value(row).unsigned_abs(),
                begins: times.value(row),
            });
        }
    }
    Ok(visits)
}

/// The visits of several surveys, each in its order, as they are replayed together: whichever begins first goes first.
/// Surveys are in the order of their names.
pub(super) fn together(of_surveys: Vec<Vec<Summary>>) -> Vec<Summary> {
    let mut heads: Vec<VecDeque<Summary>> = of_surveys.into_iter().map(VecDeque::from).collect();
    let mut merged = Vec::with_capacity(heads.iter().map(VecDeque::len).sum());
    let begins = |visits: &VecDeque<Summary>| visits.front().map(|visit| visit.begins);
    while let Some(next) = first_to_begin(heads.iter().map(begins)) {
        merged.extend(heads[next].pop_front());
    }
    merged
}

/// Which of several begins first, those that have ended left aside; of equals the first.
pub(super) fn first_to_begin(begins: impl Iterator<Item = Option<f64>>) -> Option<usize> {
    let live = begins.enumerate().filter_map(|(at, begins)| Some((at, begins?)));
    live.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(at, _)| at)
}

/// Cuts visits into chunks of `target` packets or more, the last aside.
pub(super) fn cut(visits: Vec<Summary>, target: u64) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for visit in visits {
        let (night, number) = visit.visit;
        let place = (night.0, number);
        match chunks.last_mut().filter(|chunk| chunk.packets < target) {
            Some(chunk) => {
                match chunk.ranges.iter_mut().find(|range| range.survey == visit.survey) {
                    Some(range) => range.last = place,
                    None => chunk.ranges.push(Range { survey: visit.survey.clone(), first: place, last: place }),
                }
                chunk.packets += visit.packets;
                chunk.bytes += visit.bytes;
                chunk.last = visit;
            }
            None => chunks.push(Chunk {
                ranges: vec![Range { survey: visit.survey.clone(), first: place, last: place }],
                packets: visit.packets,
                bytes: visit.bytes,
                first: visit.clone(),
                last: visit,
            }),
        }
    }
    chunks
}

/// Says of nights that were asked for which are not there; else why nothing was found, where nothing was.
///
/// # Errors
/// [`noctuary_engine::ErrorKind::Invalid`] never; [`noctuary_engine::ErrorKind::NotFound`] for a night that is not there.
pub(super) async fn missing(
    session: &Session,
    surveys: &[String],
    request: &Request,
    found: &[Summary],
) -> Result<Option<String>, EngineError> {
    let has = |first: Night, last: Night| found.iter().any(|v| (first..=last).contains(&v.visit.0));
    let single = |nights: &&super::request::Nights| nights.first == nights.last;
    let absent: Vec<_> = request.nights.iter().filter(single).filter(|n| !has(n.first, n.last)).collect();
    if absent.is_empty() && !found.is_empty() {
        return Ok(None);
    }
    // Rare, and worth a look at all nights.
    let mut there: Vec<(Night, u64)> = Vec::new();
    for survey in surveys {
        let sql = format!(
            "SELECT _night, count(*) AS n FROM {} WHERE _night IS NOT NULL GROUP BY _night ORDER BY _night",
            table(survey)
        );
        let add = |batch: &RecordBatch| {
            let nights = batch.column(0).as_primitive::<Date32Type>();
            let counts = batch.column(1).as_primitive::<Int64Type>();
            nights.values().iter().zip(counts.values()).map(|(n, c)| (Night(*n), c.unsigned_abs())).collect::<Vec<_>>()
        };
        there.extend(rows(session, &sql).await?.iter().flat_map(add));
    }
    there.sort_unstable();
    let whose = surveys.join(" or ");
    if there.is_empty() {
        return Err(not_found(format!("there are no alerts of {whose} here that you may see")));
    }
    for nights in &request.nights {
        let is_there = there.iter().any(|(night, _)| (nights.first..=nights.last).contains(night));
        let wanted = nights.first == nights.last || found.is_empty();
        if wanted && !is_there {
            let before =
                there.iter().rev().find(|(night, _)| *night < nights.first).map(|(night, _)| night.to_string());
            let after = there.iter().find(|(night, _)| *night > nights.last).map(|(night, _)| night.to_string());
            let near = before.into_iter().chain(after).collect::<Vec<_>>().join(" and ");
            let asked = match nights.first == nights.last {
                true => format!("no night {}", nights.first),
                false => format!("no night from {} to {}", nights.first, nights.last),
            };
            return Err(not_found(format!("there is {asked} of {whose}; the nearest that are there: {near}")));
        }
    }
    if !found.is_empty() {
        return Ok(None);
    }
    let asked =
        |night: &Night| request.nights.is_empty() || request.nights.iter().any(|n| (n.first..=n.last).contains(night));
    let all: u64 = there.iter().filter(|(night, _)| asked(night)).map(|(_, count)| count).sum();
    let mut what = Vec::new();
    if request.region.is_some() {
        what.push("in the region");
    }
    if !request.objects.is_empty() {
        what.push("of the objects");
    }
    if request.from.is_some() || request.to.is_some() || request.from_visit.is_some() || request.to_visit.is_some() {
        what.push("of the times and visits");
    }
    if request.condition.is_some() {
        what.push("that meets the condition");
    }
    Ok(Some(format!("of {all} alerts of {whose} in these nights there is none {}", what.join(", "))))
}

fn not_found(message: String) -> EngineError {
    noctuary_storage::StorageError::not_found(message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(survey: &str, number: i64, packets: u64, begins: f64) -> Summary {
        Summary { survey: survey.into(), visit: (Night(1), Some(number)), packets, bytes: packets * 10, begins }
    }

    #[test]
    fn surveys_take_turns_by_time() {
        let a = vec![visit("a", 1, 1, 1.0), visit("a", 2, 1, 4.0), visit("a", 3, 1, 3.0)];
        let b = vec![visit("b", 7, 1, 1.0), visit("b", 8, 1, 2.0), visit("b", 9, 1, 9.0)];
        let merged = together(vec![a, b]);
        let order: Vec<_> = merged.iter().map(|v| v.visit.1.unwrap()).collect();
        // A survey's own order is kept, whatever its times.
        assert_eq!(order, [1, 7, 8, 2, 3, 9]);
    }

    #[test]
    fn chunks_are_whole_visits_and_all_of_them() {
        let visits: Vec<Summary> =
            (0..20).map(|n| visit(if n % 3 == 0 { "b" } else { "a" }, n, 1 + n as u64 % 4, n as f64)).collect();
        for target in [1, 3, 5, 1000] {
            let chunks = cut(visits.clone(), target);
            assert_eq!(chunks.iter().map(|c| c.packets).sum::<u64>(), visits.iter().map(|v| v.packets).sum::<u64>());
            assert!(chunks.iter().rev().skip(1).all(|chunk| chunk.packets >= target));
            for visit in &visits {
                let holds = |r: &Range| r.survey == visit.survey && r.span().holds(visit.visit);
                assert_eq!(chunks.iter().filter(|c| c.ranges.iter().any(holds)).count(), 1);
            }
        }
        assert!(cut(Vec::new(), 5).is_empty());
    }
}
