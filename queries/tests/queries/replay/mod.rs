//! Replays: each packet once, in order, as it was sent, however the replay is cut and whatever becomes of the archive.

mod asked;
mod cuts;
mod shapes;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;
use chrono::{NaiveDate, TimeDelta, Utc};
use futures::TryStreamExt;
use noctuary_engine::{Engine, EngineOptions};
use noctuary_packet::hash::PacketHash;
use noctuary_queries::replay::{Part, Piece, Plan, Position, Replays, Request};
use noctuary_simulator::{Plan as Sky, SimulatedPacket, Simulation, Survey};
use noctuary_storage::compact::{Level, Policy};
use noctuary_storage::ingest::{IngestOptions, Source, ingest};
use noctuary_storage::vacuum::VacuumOptions;
use noctuary_storage::{Access, Archive};

use crate::support::empty;

/// Some alerts come late, some twice and some anew.
fn sky(survey: Survey) -> Sky {
    Sky {
        survey,
        seed: 11,
        nights: 2,
        visits_per_night: 6,
        alerts_per_visit: 12,
        objects: 60,
        fields: 2,
        weather_loss: 0.0,
        late_share: 0.1,
        duplicate_share: 0.05,
        revision_share: 0.05,
        ..Sky::default()
    }
}

fn sent(survey: Survey) -> Vec<SimulatedPacket> {
    Simulation::new(sky(survey)).unwrap().packets().collect()
}

async fn take(archive: &Archive, name: &str, packets: &[SimulatedPacket], commit_bytes: usize) {
    let bytes: Vec<Vec<u8>> = packets.iter().map(|packet| packet.bytes.clone()).collect();
    let options = IngestOptions { commit_bytes, ..IngestOptions::default() };
    ingest(archive, vec![Source::packets(name, Box::new(bytes.into_iter()))], &options, &Arc::default()).await.unwrap();
}

/// Two nights in several commits.
async fn archive_of(surveys: &[Survey]) -> Archive {
    let archive = empty().await;
    for survey in surveys {
        take(&archive, &format!("{survey:?}"), &sent(*survey), 2 << 20).await;
    }
    archive
}

fn replays(archive: &Archive, access: Access) -> Replays {
    let options = noctuary_queries::with_functions(EngineOptions { threads: 2, ..EngineOptions::default() });
    Replays::new(Arc::new(Engine::new(archive.clone(), options).unwrap()), access, 16 << 20)
}

async fn plan(replays: &Replays, request: &str) -> Plan {
    replays.plan(&Request::parse(request).unwrap(), 0).await.unwrap()
}

async fn part(replays: &Replays, part: &Part, position: &Position) -> Vec<Piece> {
    let (schema, pieces) = replays.stream(part, &position.after).await.unwrap();
    let pieces: Vec<Piece> = pieces.try_collect().await.unwrap();
    assert!(pieces.iter().all(|piece| piece.batch.schema() == schema));
    pieces
}

/// All rows of a replay, chunk after chunk.
async fn rows(replays: &Replays, request: &str) -> RecordBatch {
    let plan = plan(replays, request).await;
    let mut all = Vec::new();
    for chunk in plan.parts().unwrap() {
        all.extend(part(replays, &chunk, &Position::default()).await.into_iter().map(|piece| piece.batch));
    }
    let rows = concat_batches(&plan.schema, &all).unwrap();
    assert_eq!(rows.num_rows() as u64, plan.packets());
    rows
}

/// Id of the alert and digest of the bytes, row by row.
fn told(rows: &RecordBatch) -> Vec<(i64, PacketHash)> {
    let ids = rows.column_by_name("_alert").unwrap().as_primitive::<Int64Type>();
    let packets = rows.column_by_name("packet").unwrap().as_binary::<i64>();
    let hashes = rows.column_by_name("_sha256").unwrap().as_fixed_size_binary();
    (0..rows.num_rows())
        .map(|row| {
            let hash = PacketHash::of(&[packets.value(row)]);
            assert_eq!(hash.0, hashes.value(row));
            (ids.value(row), hash)
        })
        .collect()
}

fn text(rows: &RecordBatch, columns: &[&str]) -> Vec<String> {
    let of = |row: usize| {
        let values = columns.iter().map(|name| {
            let column = rows.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"));
            arrow::util::display::array_value_to_string(column, row).unwrap()
        });
        values.collect::<Vec<_>>().join("|")
    };
    (0..rows.num_rows()).map(of).collect()
}

const PLACE: [&str; 6] = ["_night", "_visit", "_detector", "_commit", "_seq", "_alert"];

/// Different packets that were sent, by their bytes.
fn distinct(packets: &[SimulatedPacket]) -> BTreeSet<PacketHash> {
    packets.iter().map(|packet| PacketHash::of(&[&packet.bytes])).collect()
}

fn policy(level: Level) -> Policy {
    Policy { now: true, level, ..Policy::of(NaiveDate::from_ymd_opt(2080, 1, 1).unwrap()) }
}

fn everything() -> VacuumOptions {
    let now = Utc::now() + TimeDelta::seconds(5);
    VacuumOptions { now, keep: TimeDelta::zero(), grace: TimeDelta::zero(), before: None, dry_run: false }
}
