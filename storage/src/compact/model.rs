//! Ten years of the policy, by the sizes of files instead of their bytes: how many there are, and how often each byte is
//! written.
//!
//! The sizes are those of simulated packets of 176 KB with a history of a hundred sources, as `noctuary stats` tells
//! them at each level.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use noctuary_packet::schema::SchemaStore;
use noctuary_packet::survey::Surveys;

use super::policy::{Level, Policy, Task, plan};
use crate::log::{DataFile, Entry, FileStats};
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::tables::Table;

/// Packets of a night, which is about what the survey sends in 2026.
const PACKETS: u64 = 1_000_000;
/// Nights of a year that are clear.
const CLEAR: i32 = 300;
/// Groups of a night before they are merged. There are more, but they all go into the same merges.
const GROUPS: u64 = 8;

/// Bytes of columns for each packet, where its object has alerted so often in the time of the group.
fn column_bytes(alerts_of_an_object: u64) -> [(Table, u64); 4] {
    let records = (100 + alerts_of_an_object) * 140 / alerts_of_an_object;
    let forced = (200 + 2 * alerts_of_an_object) * 32 / alerts_of_an_object;
    [(Table::Alerts, 420), (Table::Packets, 400), (Table::Sources, records), (Table::Forced, forced)]
}

/// How often an object has alerted in the time of a level.
fn alerts_of_an_object(level: Level) -> u64 {
    match level {
        Level::Commit => 1,
        Level::Night => 2,
        Level::Month => 10,
        Level::Year | Level::Ever => 100,
    }
}

const CUTOUT_BYTES: u64 = 20_700;

/// The archive of the model.
#[derive(Default)]
struct Model {
    state: State,
    groups: u64,
    written: u64,
    put: u64,
}

impl Model {
    /// Files of a group.
    fn group(
        &mut self,
        level: Level,
        packets: u64,
        nights: (i32, i32),
        sky: (i64, i64),
        cutouts: bool,
    ) -> Vec<DataFile> {
        self.groups += 1;
        let group = format!("g{:08}", self.groups);
        let own = column_bytes(alerts_of_an_object(level)).into_iter();
        let pieces = cutouts.then_some((Table::Cutouts, CUTOUT_BYTES));
        let files = own.chain(pieces).map(|(table, bytes)| DataFile {
            table,
            survey: Some("survey".into()),
            schema: Some("a".into()),
            group: group.clone(),
            record: None,
            path: format!("{table}/{group}"),
            bytes: bytes * packets,
            rows: packets,
            checksum: String::new(),
            stats: FileStats { night: Some(nights), healpix_29: Some(sky), ..FileStats::default() },
            level: level as u8,
            commits: (level != Level::Commit).then_some((1, self.state.version)),
            pieces: Vec::new(),
            commit: self.state.version + 1,
        });
        let files: Vec<DataFile> = files.collect();
        self.written += files.iter().map(|file| file.bytes).sum::<u64>();
        files
    }

    fn commit(&mut self, entry: Entry) {
        self.state.apply(self.state.version + 1, entry);
        self.state.gone.clear();
        self.state.versions.clear();
    }

    fn snapshot(&self) -> Snapshot {
        let (schemas, surveys) = (Arc::new(SchemaStore::with_known()), Arc::new(Surveys::built_in()));
        Snapshot::new(Arc::new(self.state.clone()), schemas, surveys)
    }

    /// Does a merge as far as sizes go: as many groups, each of a part of the sky.
    fn merge(&mut self, snapshot: &Snapshot, task: &Task, at: DateTime<Utc>) {
        let packets: u64 = task.groups.iter().map(|file| file.rows).sum();
        let tiles = packets.div_ceil(task.rows_of_a_tile(usize::try_from(packets).unwrap()) as u64);
        let ends = |of: fn(&FileStats) -> Option<(i64, i64)>| {
            let all = task.groups.iter().filter_map(|file| of(&file.stats)).flat_map(|(a, b)| [a, b]);
            crate::range::range(all).unwrap()
        };
        let (first, last) = ends(|stats| stats.healpix_29);
        let nights = ends(|stats| stats.night.map(|(a, b)| (a.into(), b.into())));
        let nights = (i32::try_from(nights.0).unwrap(), i32::try_from(nights.1).unwrap());
        let mut entry = Entry::new(at, "merge");
        let cutouts = task.groups.iter().any(|file| file.level == 0);
        for tile in 0..tiles {
            let step = (last - first) / i64::try_from(tiles).unwrap() + 1;
            let from = first + step * i64::try_from(tile).unwrap();
            entry.add.extend(self.group(task.level, packets / tiles, nights, (from, from + step - 1), cutouts));
        }
        for packets in &task.groups {
            for table in [Table::Alerts, Table::Packets, Table::Sources, Table::Forced] {
                entry.remove.extend(snapshot.beside(packets, table).map(|file| file.path.clone()));
            }
            if packets.level == 0 {
                entry.remove.extend(snapshot.beside(packets, Table::Cutouts).map(|file| file.path.clone()));
            }
        }
        self.commit(entry);
    }

    fn column_files(&self) -> usize {
        self.state.files.iter().filter(|file| file.table != Table::Cutouts).count()
    }
}

#[test]
#[ignore = "takes minutes; run it when the policy changes"]
fn ten_years_are_few_files_and_each_byte_is_written_few_times() {
    let mut model = Model::default();
    model.state.apply(0, Entry::new(Utc::now(), "created"));
    let start = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
    let epoch = start.signed_duration_since(NaiveDate::from_ymd_opt(1970, 1, 1).unwrap());
    let first = i32::try_from(epoch.num_days()).unwrap();
    let (mut most, mut of_years) = (0, BTreeMap::new());
    for day in 0..3_650 {
        let at = DateTime::<Utc>::UNIX_EPOCH + epoch + TimeDelta::days(day.into());
        let night = first + day;
        if day % 365 < CLEAR {
            let mut entry = Entry::new(at, "ingest");
            for group in 0..GROUPS {
                // Fields of a night lie anywhere.
                let field = (u64::from(day.unsigned_abs()) * 7_919 + group * 104_729) % 3_072;
                let cell = i64::try_from(field).unwrap() << 50;
                let sky = (cell, cell + (1 << 50) - 1);
                let files = model.group(Level::Commit, PACKETS / GROUPS, (night, night), sky, true);
                model.put += files.iter().map(|file| file.bytes).sum::<u64>();
                entry.add.extend(files);
            }
            model.commit(entry);
        }
        // Now and then is as good as every day, and sooner counted.
        if day % 15 == 14 {
            let policy = Policy::of(start.checked_add_days(Days::new(day.unsigned_abs().into())).unwrap());
            loop {
                let snapshot = model.snapshot();
                let tasks = plan(&snapshot, &policy);
                if tasks.is_empty() {
                    break;
                }
                for task in &tasks {
                    model.merge(&snapshot, task, at);
                }
            }
            most = most.max(model.column_files());
            of_years.insert(day / 365, (model.column_files(), model.written, model.put));
        }
    }
    for (year, (files, written, put)) in &of_years {
        let amplification = *written as f64 / *put as f64;
        println!("after year {}: {files} files, written {amplification:.2} times what was put", year + 1);
        assert!(amplification <= 4.0, "{amplification}");
    }
    println!("at most {most} files");
    assert!(most <= 20_000, "{most} files");
}
