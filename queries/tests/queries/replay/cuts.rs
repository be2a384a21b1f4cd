//! The order, and what changes nothing about it: cuts, workers, merges, vacuums, mirrors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Float64Type, Int64Type};
use futures::TryStreamExt;
use noctuary_engine::ErrorKind;
use noctuary_packet::hash::PacketHash;
use noctuary_queries::replay::{Plan, Position, Replays, Signer, last_place};
use noctuary_simulator::{Plan as Sky, Simulation, Survey};
use noctuary_storage::compact::{Level, compact};
use noctuary_storage::mirror::mirror;
use noctuary_storage::vacuum::vacuum;
use noctuary_storage::{Access, Archive, Location, Meter};
use object_store::memory::InMemory;

use super::{PLACE, archive_of, distinct, everything, part, plan, policy, replays, rows, sent, sky, take, text, told};

#[tokio::test(flavor = "multi_thread")]
async fn every_packet_comes_once_in_order_and_as_it_was_sent() {
    for survey in [Survey::Lsst, Survey::Ztf] {
        let archive = archive_of(&[survey]).await;
        let replays = replays(&archive, Access::Everything);
        let rows = rows(&replays, "{}").await;
        let hashes: Vec<PacketHash> = told(&rows).into_iter().map(|(_, hash)| hash).collect();
        assert_eq!(hashes.len(), hashes.iter().collect::<BTreeSet<_>>().len(), "{survey:?}: each once");
        assert_eq!(hashes.into_iter().collect::<BTreeSet<_>>(), distinct(&sent(survey)), "{survey:?}");
        // The order of SQL is that of the replay.
        let session = replays.engine().session(Default::default()).await.unwrap();
        let name = format!("{survey:?}").to_lowercase();
        let sql = format!(
            "SELECT {} FROM {name}.alerts ORDER BY _night, _visit NULLS FIRST, _detector NULLS FIRST, _commit, _seq",
            PLACE.join(", ")
        );
        let answer = session.plan(&sql).await.unwrap();
        let schema = answer.schema();
        let batches: Vec<RecordBatch> = answer.execute().await.unwrap().try_collect().await.unwrap();
        assert_eq!(text(&rows, &PLACE), text(&concat_batches(&schema, &batches).unwrap(), &PLACE));
        assert_eq!(rows.column_by_name("_visit").unwrap().null_count(), 0, "{survey:?} has visits");
        // A visit has one time, and later visits later ones.
        let visits = rows.column_by_name("_visit").unwrap().as_primitive::<Int64Type>();
        let times = rows.column_by_name("_mjd_tai").unwrap().as_primitive::<Float64Type>();
        let mut of_visits: BTreeMap<i64, (f64, f64)> = BTreeMap::new();
        for (visit, time) in visits.values().iter().zip(times.values()) {
            let (from, to) = of_visits.entry(*visit).or_insert((*time, *time));
            (*from, *to) = (from.min(*time), to.max(*time));
        }
        assert_eq!(of_visits.len(), 12);
        assert!(of_visits.values().is_sorted_by(|a, b| a.1 < b.0), "{survey:?}: {of_visits:?}");
    }
}

/// The same replay, cut at random and resumed, by so many workers.
async fn by_workers(replays: &Replays, plan: &Plan, workers: usize, seed: u64) -> Vec<(i64, PacketHash)> {
    let signer = Signer::new(&replays.engine().archive().ticket_key().await.unwrap());
    let tickets: Vec<String> = plan.parts().unwrap().iter().map(|part| signer.ticket(part, 100).unwrap()).collect();
    let mut tasks = Vec::new();
    for worker in 0..workers {
        let own: Vec<(usize, String)> =
            tickets.iter().cloned().enumerate().filter(|(at, _)| at % workers == worker).collect();
        let (replays, signer) = (replays.clone(), signer.clone());
        tasks.push(tokio::spawn(async move {
            let mut chunks: Vec<(usize, Vec<(i64, PacketHash)>)> = Vec::new();
            let mut random = seed * 31 + worker as u64;
            for (chunk, ticket) in own {
                let (mut got, mut position) = (Vec::new(), String::new());
                loop {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let batches = 1 + (random >> 33) as usize % 3;
                    let text = if position.is_empty() { ticket.clone() } else { format!("{ticket}.{position}") };
                    let read = signer.read(text.as_bytes(), 0).unwrap();
                    let (_, mut pieces) = replays.stream(&read.part, &read.after.after).await.unwrap();
                    let mut at = read.after;
                    let mut ended = false;
                    for _ in 0..batches {
                        let Some(piece) = pieces.try_next().await.unwrap() else {
                            ended = true;
                            break;
                        };
                        // Some of a batch is dealt with, and some is lost with the connection.
                        let rows = 1 + (random >> 20) as usize % piece.batch.num_rows();
                        let rows = piece.batch.slice(0, rows);
                        at.after.insert(piece.survey.to_string(), last_place(&rows).unwrap().unwrap());
                        at.done += rows.num_rows() as u64;
                        got.extend(told(&rows));
                        if rows.num_rows() < piece.batch.num_rows() {
                            break;
                        }
                    }
                    position = signer.position(&ticket, &at).unwrap();
                    if ended {
                        assert_eq!(at.done, read.part.packets);
                        break;
                    }
                }
                chunks.push((chunk, got));
            }
            chunks
        }));
    }
    let mut chunks = Vec::new();
    for task in tasks {
        chunks.extend(task.await.unwrap());
    }
    chunks.sort_by_key(|(chunk, _)| *chunk);
    chunks.into_iter().flat_map(|(_, rows)| rows).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_cut_and_shared_is_the_same() {
    let archive = archive_of(&[Survey::Lsst, Survey::Ztf]).await;
    let replays = replays(&archive, Access::Everything);
    let request = r#"{"survey": ["ztf", "lsst"], "chunk": 30}"#;
    let whole = told(&rows(&replays, request).await);
    assert_eq!(whole.len(), distinct(&sent(Survey::Lsst)).len() + distinct(&sent(Survey::Ztf)).len());
    let plan = plan(&replays, request).await;
    assert!(plan.chunks.len() > 4, "{}", plan.chunks.len());
    for (workers, seed) in [(1, 1), (2, 2), (3, 3), (5, 4)] {
        assert_eq!(by_workers(&replays, &plan, workers, seed).await, whole, "{workers} workers");
    }
    // The size of chunks is no matter either.
    for chunk in [1, 100_000] {
        let other = format!(r#"{{"survey": ["lsst", "ztf"], "chunk": {chunk}}}"#);
        assert_eq!(told(&rows(&replays, &other).await), whole);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn surveys_take_turns_by_the_time_of_their_visits() {
    let archive = archive_of(&[Survey::Lsst, Survey::Ztf]).await;
    let replays = replays(&archive, Access::Everything);
    let both = rows(&replays, r#"{"survey": ["lsst", "ztf"], "chunk": 30}"#).await;
    let surveys = text(&both, &["_survey"]);
    assert!(surveys.windows(2).filter(|pair| pair[0] != pair[1]).count() > 2, "they are not one behind the other");
    let times = both.column_by_name("_mjd_tai").unwrap().as_primitive::<Float64Type>();
    // Times within a visit of LSST differ by less than visits do.
    assert!(times.values().windows(2).all(|pair| pair[1] - pair[0] > -30.0 / 86_400.0));
    for survey in ["lsst", "ztf"] {
        let alone = rows(&replays, &format!(r#"{{"survey": "{survey}"}}"#)).await;
        let own: Vec<String> = text(&both, &PLACE)
            .into_iter()
            .zip(&surveys)
            .filter(|(_, of)| *of == survey)
            .map(|(place, _)| place)
            .collect();
        assert_eq!(own, text(&alone, &PLACE), "{survey}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn merging_clearing_and_copying_change_no_replay_and_no_ticket() {
    let archive = archive_of(&[Survey::Lsst, Survey::Ztf]).await;
    let request = r#"{"survey": ["lsst", "ztf"], "where": "_dec > -90", "chunk": 40}"#;
    let slim = r#"{"survey": "lsst", "shape": "slim", "fields": ["diaSourceId", "prvDiaSources.psfFlux"]}"#;
    let before = replays(&archive, Access::Everything);
    let old = plan(&before, request).await;
    let (whole, thin) = (rows(&before, request).await, rows(&before, slim).await);
    let columns = [r#"{"survey": "lsst", "shape": "alerts"}"#, r#"{"survey": "ztf", "shape": "sources"}"#];
    let mut of_columns = Vec::new();
    for request in columns {
        of_columns.push(rows(&before, request).await);
    }
    let halves = half_of_each(&before, &old).await;
    let as_of = format!(r#"{{"survey": ["lsst", "ztf"], "as_of": {}}}"#, old.version);
    // What comes later is in no ticket that is out.
    let later = Simulation::new(Sky { seed: 12, nights: 1, ..sky(Survey::Lsst) }).unwrap();
    take(&archive, "later", &later.packets().collect::<Vec<_>>(), 1 << 20).await;
    for (what, level) in [("nights", Some(Level::Night)), ("everything", Some(Level::Ever)), ("cleared", None)] {
        match level {
            Some(level) => {
                assert!(compact(&archive, &policy(level), &Meter::default()).await.unwrap().merges > 0, "{what}");
            }
            None => assert!(vacuum(&archive, &everything()).await.unwrap().superseded > 0),
        }
        let after = replays(&archive, Access::Everything);
        assert_eq!(told(&rows(&after, &as_of).await), told(&whole), "{what}");
        assert_eq!(by_workers(&after, &old, 2, 7).await, told(&whole), "{what}: tickets from before");
        let thin_again = format!(r#"{{"as_of": {}, {}"#, old.version, &slim[1..]);
        assert_eq!(rows(&after, &thin_again).await, thin, "{what}: slim");
        for (request, of_columns) in columns.iter().zip(&of_columns) {
            let again = format!(r#"{{"as_of": {}, {}"#, old.version, &request[1..]);
            assert_eq!(rows(&after, &again).await, *of_columns, "{what}: {request}");
        }
        assert_eq!(resumed(&after, &old, &halves).await, told(&whole), "{what}: positions from before");
    }
    // A mirror takes tickets of the original, for it has its key.
    let copy = Location::with_store("memory:///copy", Arc::new(InMemory::new())).unwrap();
    mirror(&archive, &copy, &Meter::default()).await.unwrap();
    let copy = Archive::open(copy).await.unwrap();
    assert_eq!(copy.ticket_key().await.unwrap(), archive.ticket_key().await.unwrap());
    let there = replays(&copy, Access::Everything);
    assert_eq!(told(&rows(&there, &as_of).await), told(&whole), "mirror");
    assert_eq!(by_workers(&there, &old, 3, 9).await, told(&whole), "mirror: tickets from before");
    assert_eq!(resumed(&there, &old, &halves).await, told(&whole), "mirror: positions from before");
}

/// What a client holds that has taken about a half of a chunk: rows, and the ticket for the rest.
type Half = (Vec<(i64, PacketHash)>, String);

async fn half_of_each(replays: &Replays, plan: &Plan) -> Vec<Half> {
    let signer = Signer::new(&replays.engine().archive().ticket_key().await.unwrap());
    let mut halves = Vec::new();
    for part in plan.parts().unwrap() {
        let ticket = signer.ticket(&part, 100).unwrap();
        let (_, mut pieces) = replays.stream(&part, &BTreeMap::new()).await.unwrap();
        let (mut got, mut at) = (Vec::new(), Position::default());
        while let Some(piece) = pieces.try_next().await.unwrap() {
            let left = usize::try_from(part.packets / 2).unwrap().saturating_sub(got.len());
            let rows = piece.batch.slice(0, left.min(piece.batch.num_rows()));
            let Some(last) = last_place(&rows).unwrap() else { break };
            at.after.insert(piece.survey.to_string(), last);
            at.done += rows.num_rows() as u64;
            got.extend(told(&rows));
        }
        let position = signer.position(&ticket, &at).unwrap();
        halves.push((got, format!("{ticket}.{position}")));
    }
    halves
}

async fn resumed(replays: &Replays, plan: &Plan, halves: &[Half]) -> Vec<(i64, PacketHash)> {
    let signer = Signer::new(&replays.engine().archive().ticket_key().await.unwrap());
    assert_eq!(plan.chunks.len(), halves.len());
    let mut all = Vec::new();
    for (got, ticket) in halves {
        assert!(!got.is_empty());
        all.extend(got.iter().copied());
        let read = signer.read(ticket.as_bytes(), 0).unwrap();
        for piece in part(replays, &read.part, &read.after).await {
            all.extend(told(&piece.batch));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_of_before_the_first_replay_takes_its_tickets_too() {
    let archive = archive_of(&[Survey::Lsst]).await;
    let copy = Location::with_store("memory:///early", Arc::new(InMemory::new())).unwrap();
    mirror(&archive, &copy, &Meter::default()).await.unwrap();
    let there = Archive::open(copy).await.unwrap();
    // Whichever is asked first.
    assert_eq!(there.ticket_key().await.unwrap(), archive.ticket_key().await.unwrap());
    let plan = plan(&replays(&archive, Access::Everything), r#"{"chunk": 40}"#).await;
    let here = by_workers(&replays(&archive, Access::Everything), &plan, 2, 5).await;
    assert_eq!(by_workers(&replays(&there, Access::Everything), &plan, 2, 6).await, here);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vacuum_under_a_stream_is_no_damage() {
    let archive = archive_of(&[Survey::Lsst]).await;
    let before = replays(&archive, Access::Everything);
    // A visit at a time, so that most of it is not read before it is wanted.
    let request = r#"{"pace": 1e9}"#;
    let plan = plan(&before, request).await;
    let [part] = &plan.parts().unwrap()[..] else { panic!("one chunk") };
    let whole = text(&rows(&before, request).await, &PLACE);
    let (_, mut pieces) = replays(&archive, Access::Everything).stream(part, &BTreeMap::new()).await.unwrap();
    let first = pieces.try_next().await.unwrap().unwrap();
    compact(&archive, &policy(Level::Ever), &Meter::default()).await.unwrap();
    vacuum(&archive, &everything()).await.unwrap();
    let (mut got, mut place) = (text(&first.batch, &PLACE), last_place(&first.batch).unwrap().unwrap());
    let ended = loop {
        match pieces.try_next().await {
            Ok(Some(piece)) => {
                got.extend(text(&piece.batch, &PLACE));
                place = last_place(&piece.batch).unwrap().unwrap();
            }
            Ok(None) => panic!("all of it was read before the files went"),
            Err(e) => break e,
        }
    };
    assert_eq!(ended.kind(), ErrorKind::Unavailable, "{ended}");
    let position = Position { after: BTreeMap::from([("lsst".to_owned(), place)]), done: 0 };
    for piece in super::part(&replays(&archive, Access::Everything), part, &position).await {
        got.extend(text(&piece.batch, &PLACE));
    }
    assert_eq!(got, whole);
}
