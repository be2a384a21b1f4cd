//! The log benchmark: what a long log with many files costs to open, to follow and to ask of.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use noctuary_engine::{Engine, EngineOptions, SessionOptions};
use noctuary_storage::log::{DataFile, Entry, FileStats, Log};
use noctuary_storage::state::State;
use noctuary_storage::{Archive, Location, Table};

use crate::ingest::remove;
use crate::machine::Machine;
use crate::process::Sample;
use crate::report::{Report, Row, number};
use crate::workload::{Input, Workload};
use crate::{Failure, Options};

/// Files of a group of packets.
const TABLES: [Table; 5] = [Table::Alerts, Table::Packets, Table::Sources, Table::Forced, Table::Cutouts];

/// Runs a workload.
pub fn run(workload: &Workload, options: &Options) -> Result<Report, Failure> {
    let Input::Log { entries, files } = workload.input else {
        return Err(Failure("a workload of kind log needs a log as its input".into()));
    };
    let (entries, files) = if options.quick { (entries / 50, files / 50) } else { (entries, files) };
    let folder = options.work()?.join("log-archive");
    remove(&folder)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    eprintln!("  writing {entries} entries");
    runtime.block_on(write(&folder, entries, files))?;
    let mut report = Report::new(workload, Machine::here());
    report.fact("log", format!("{entries} entries, {files} files, newest checkpoint up to 63 entries back"));
    let measured = runtime.block_on(measure(&folder, workload.runs))?;
    remove(&folder)?;
    for (name, what, milliseconds) in measured {
        let sample = Sample { latencies: milliseconds.clone(), ..Sample::default() };
        report.row(Row::new(name, what, &sample).cell("ms", number(median(&milliseconds))));
    }
    Ok(report)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// Writes a log whose entries each add a group, and remove one where there are too many.
async fn write(folder: &Path, entries: u64, files: u64) -> Result<(), Failure> {
    let archive = Archive::open_or_create(Location::folder(folder)?).await?;
    let schema = archive.snapshot().await?.schemas().list().last().map(|schema| schema.fingerprint().to_hex());
    let begun = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000);
    let groups = files / TABLES.len() as u64;
    let log = Log::new(Arc::clone(archive.store()));
    let mut state = State::default();
    state.apply(0, log.read(0).await?.ok_or_else(|| Failure("no first entry".into()))?);
    let path = |table: Table, group: u64| format!("{table}/lsst/{group:012}-000000-0.parquet");
    for version in 1..=entries {
        let minutes = i64::try_from(version).unwrap_or_default();
        let mut entry = Entry::new(begun + TimeDelta::minutes(minutes), "ingest");
        let night = 20_000 + i32::try_from(version / 600).unwrap_or_default();
        let number = i64::try_from(version).unwrap_or_default();
        let stats = FileStats {
            night: Some((night, night)),
            visit: Some((number, number)),
            alert: Some(((number * 1_000).into(), (number * 1_000 + 999).into())),
            object: Some(((number * 7_919 % 1_000_003).into(), (number * 7_919 % 1_000_003 + 500).into())),
            mjd_tai: Some((f64::from(night) + 0.1, f64::from(night) + 0.2)),
            healpix_29: Some((number << 40, (number << 40) + 99)),
            rights: [("public".to_owned(), 400)].into(),
            ..FileStats::default()
        };
        entry.add.extend(TABLES.map(|table| DataFile {
            table,
            survey: Some("lsst".into()),
            schema: schema.clone(),
            group: format!("{version:012}-000000-0"),
            record: match table {
                Table::Sources => Some("prvDiaSources".into()),
                Table::Forced => Some("prvDiaForcedSources".into()),
                _ => None,
            },
            path: path(table, version),
            bytes: 1 << 20,
            rows: 400,
            checksum: format!("{version:032x}"),
            stats: stats.clone(),
            level: 0,
            commits: None,
            pieces: Vec::new(),
            commit: 0,
        }));
        if version > groups {
            entry.remove = TABLES.iter().map(|table| path(*table, version - groups)).collect();
        }
        let text = serde_json::to_vec(&entry)?;
        std::fs::write(folder.join(format!("_log/{version:012}.json")), text)?;
        for file in &mut entry.add {
            file.commit = version;
        }
        state.apply(version, entry);
        state.gone.clear();
        if version == entries / 64 * 64 {
            log.write_checkpoint(version, &state).await?;
        }
    }
    Ok(())
}

/// Times opening, following and planning.
async fn measure(folder: &Path, runs: usize) -> Result<Vec<(&'static str, &'static str, Vec<f64>)>, Failure> {
    let (mut open, mut commit, mut follow, mut first, mut plan) = (vec![], vec![], vec![], vec![], vec![]);
    let location = Location::folder(folder)?;
    for _ in 0..runs.max(1) {
        let begun = Instant::now();
        let archive = Archive::open(location.clone()).await?;
        open.push(since(begun));
        let follower = Archive::open(location.clone()).await?;
        let begun = Instant::now();
        archive.commit_always(Entry::new(Utc::now(), "nothing")).await?;
        commit.push(since(begun));
        let begun = Instant::now();
        let seen = follower.snapshot().await?;
        follow.push(since(begun));
        if seen.version() != archive.snapshot().await?.version() {
            return Err(Failure("the follower has not seen the commit".into()));
        }
        let engine = Engine::new(archive, EngineOptions::default())?;
        // No file holds the visit, so that nothing is read: what is left is planning.
        let question = "SELECT diaSourceId FROM lsst.alerts WHERE _visit = -1";
        for at in 0..runs.max(2) {
            let begun = Instant::now();
            let session = engine.session(SessionOptions::default()).await?;
            let rows = session.sql(question).await?.try_collect::<Vec<_>>().await?;
            if rows.iter().any(|batch| batch.num_rows() > 0) {
                return Err(Failure("there is a row where none should be".into()));
            }
            if at == 0 { &mut first } else { &mut plan }.push(since(begun));
        }
    }
    Ok(vec![
        ("open", "the newest version, from the newest checkpoint on", open),
        ("commit", "an entry, checkpoints now and then", commit),
        ("follow", "another reader sees it when it looks", follow),
        ("first question", "of a version: session, plan and an answer without rows", first),
        ("question", "of the same version: session, plan and an answer without rows", plan),
    ])
}

fn since(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}
