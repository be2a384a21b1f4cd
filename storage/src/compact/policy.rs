//! What is merged, and when.
//!
//! Files of a commit are merged when their night is over, those of nights when their month is, those of months when
//! their year is: every row is written about four times, and what it repeats is found at each step over a longer time.
//! Backfills, whose nights are long over, go to the highest level at once. What comes late waits until there is enough
//! of it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{Datelike, Days, NaiveDate};
use noctuary_packet::time::Night;

use crate::error::StorageError;
use crate::log::DataFile;
use crate::snapshot::Snapshot;
use crate::tables::Table;

/// How long a time the groups of packets of a level are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// As commits put them.
    Commit = 0,
    /// Of a night.
    Night = 1,
    /// Of a month.
    Month = 2,
    /// Of a year.
    Year = 3,
    /// Of several years, or of no known night.
    Ever = 4,
}

impl Level {
    /// Those that are merged to, highest first.
    const MERGED: [Self; 4] = [Self::Ever, Self::Year, Self::Month, Self::Night];

    /// The time around a night, with the first day after it; `None` if it has no end.
    fn period(self, night: i32) -> (i64, Option<NaiveDate>) {
        let date = Night(night).date();
        match self {
            Self::Commit | Self::Night => (night.into(), date.checked_add_days(Days::new(1))),
            Self::Month => {
                let month = date.year() * 12 + date.month0().cast_signed();
                let next = date.with_day(1).and_then(|first| first.checked_add_months(chrono::Months::new(1)));
                (month.into(), next)
            }
            Self::Year => (date.year().into(), NaiveDate::from_ymd_opt(date.year() + 1, 1, 1)),
            Self::Ever => (0, None),
        }
    }

    /// Days after its time until something is merged, for what comes late.
    fn grace(self) -> u64 {
        match self {
            Self::Commit | Self::Night => 1,
            Self::Month => 3,
            Self::Year | Self::Ever => 30,
        }
    }

    /// The one that a file says it is of; what is of none is of the highest.
    #[must_use]
    pub fn of(level: u8) -> Self {
        [Self::Commit, Self::Night, Self::Month, Self::Year].get(usize::from(level)).copied().unwrap_or(Self::Ever)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Night => "night",
            Self::Month => "month",
            Self::Year => "year",
            Self::Ever => "ever",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = StorageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::MERGED.into_iter().find(|level| level.name() == text).ok_or_else(|| {
            StorageError::invalid(format!("{text:?} is no level of merging; they are night, month, year and ever"))
        })
    }
}

/// When to merge, and how much at once.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The day it is.
    pub today: NaiveDate,
    /// The highest level to merge to.
    pub level: Level,
    /// Merge now: wait neither until a time is over nor until there is enough.
    pub now: bool,
    /// Bytes of files that go into one merge, at most, unless a single group has more.
    pub input_bytes: u64,
    /// Bytes of the packets of a group, parts but no pieces of images, about: groups of more are divided by the sky.
    /// Groups of months and years, of which there are most, may have four times as many.
    pub group_bytes: u64,
}

/// Files that go into one merge and take as much memory as the policy lets them.
const INPUT_BYTES: u64 = 16 << 30;
/// Large enough that ten years are some thousands of files.
const GROUP_BYTES: u64 = 1 << 30;
/// Packets of a merge, whose keys are in memory.
const INPUT_ROWS: u64 = 1_000_000;
/// Records of a merge, of each of which it is in memory where it goes.
const INPUT_RECORDS: u64 = 64_000_000;
/// Late groups that are merged with what is there already, however small they are.
const LATE_GROUPS: usize = 64;
/// A late group that is larger than this part of what is there is not small.
const LATE_PART: u64 = 8;

impl Policy {
    /// What is done by itself, as of a day.
    #[must_use]
    pub fn of(today: NaiveDate) -> Self {
        Self { today, level: Level::Ever, now: false, input_bytes: INPUT_BYTES, group_bytes: GROUP_BYTES }
    }

    /// True if the time around a night is over and nothing more is waited for.
    fn is_over(&self, level: Level, night: i32) -> bool {
        let (_, end) = level.period(night);
        self.now
            || end.and_then(|end| end.checked_add_days(Days::new(level.grace()))).is_some_and(|end| end <= self.today)
    }
}

/// Groups of packets that become fewer.
#[derive(Debug, Clone)]
pub struct Task {
    /// Their survey.
    pub survey: String,
    /// The fingerprint of their schema, in hexadecimal.
    pub schema: String,
    /// The level of what is made.
    pub level: Level,
    /// Their files of packets.
    pub groups: Vec<Arc<DataFile>>,
    /// Bytes of all of their files that are read.
    pub bytes: u64,
    /// Bytes that are to be in a group, about.
    pub group_bytes: u64,
    /// Bytes of their files other than pieces of images.
    pub own_bytes: u64,
}

impl Task {
    /// Packets that a group may have, of so many in all.
    pub(super) fn rows_of_a_tile(&self, rows: usize) -> usize {
        let tiles = usize::try_from(self.own_bytes.div_ceil(self.group_bytes.max(1))).unwrap_or(usize::MAX);
        rows.div_ceil(tiles.max(1)).max(1)
    }

    /// What it does, for people.
    #[must_use]
    pub fn what(&self) -> String {
        let nights = self.groups.iter().filter_map(|file| file.stats.night);
        let nights = crate::range::range(nights.flat_map(|(a, b)| [a, b]));
        let of = match nights {
            Some((from, to)) if from == to => format!(", night {}", Night(from)),
            Some((from, to)) => format!(", nights {} to {}", Night(from), Night(to)),
            None => String::new(),
        };
        format!("{} groups of {} merged{of}", self.groups.len(), self.survey)
    }
}

/// A group as the policy sees it.
#[derive(Debug, Clone)]
struct Group {
    packets: Arc<DataFile>,
    own_bytes: u64,
    bytes: u64,
    records: u64,
    /// The lowest level whose time holds all of its nights.
    natural: Level,
}

/// What there is to merge. No group is in two tasks.
#[must_use]
pub fn plan(snapshot: &Snapshot, policy: &Policy) -> Vec<Task> {
    let mut kinds: BTreeMap<(String, String), Vec<Group>> = BTreeMap::new();
    for packets in snapshot.files(Table::Packets, None) {
        let (Some(survey), Some(schema)) = (&packets.survey, &packets.schema) else { continue };
        kinds.entry((survey.clone(), schema.clone())).or_default().push(Group::of(snapshot, packets));
    }
    let mut tasks = Vec::new();
    for ((survey, schema), mut groups) in kinds {
        for level in Level::MERGED.into_iter().filter(|level| *level <= policy.level) {
            let (within, rest): (Vec<Group>, Vec<Group>) =
                groups.into_iter().partition(|group| group.may_become(level));
            groups = rest;
            let mut periods: BTreeMap<i64, Vec<Group>> = BTreeMap::new();
            for group in within {
                let night = group.packets.stats.night.map_or(0, |(first, _)| first);
                if level == Level::Ever || policy.is_over(level, night) {
                    periods.entry(level.period(night).0).or_default().push(group);
                } else {
                    groups.push(group);
                }
            }
            for of_period in periods.into_values() {
                match worth(level, of_period, policy) {
                    Ok(chosen) => tasks.extend(chunks(&survey, &schema, level, chosen, policy)),
                    Err(not) => groups.extend(not),
                }
            }
        }
    }
    tasks
}

impl Group {
    fn of(snapshot: &Snapshot, packets: &Arc<DataFile>) -> Self {
        let tables = [Table::Alerts, Table::Sources, Table::Forced];
        let beside: u64 = tables.iter().flat_map(|table| snapshot.beside(packets, *table)).map(|file| file.bytes).sum();
        let own_bytes = packets.bytes + beside;
        let pieces: u64 = snapshot.beside(packets, Table::Cutouts).map(|file| file.bytes).sum();
        let bytes = if packets.level == 0 { own_bytes + pieces } else { own_bytes };
        let records = [Table::Sources, Table::Forced].iter().flat_map(|table| snapshot.beside(packets, *table));
        let records = records.map(|file| file.rows).sum();
        Self { packets: Arc::clone(packets), own_bytes, bytes, records, natural: natural(packets) }
    }

    fn level(&self) -> u8 {
        self.packets.level
    }

    /// True if it can be merged to a level. What has a time of its own is not put to what has none.
    fn may_become(&self, level: Level) -> bool {
        let fits = if level == Level::Ever { self.natural == level } else { self.natural <= level };
        fits && self.level() <= level as u8
    }

    /// True if they may have objects in common.
    fn touches(&self, other: &Self) -> bool {
        match (self.packets.stats.healpix_29, other.packets.stats.healpix_29) {
            (Some(a), Some(b)) => a.0 <= b.1 && b.0 <= a.1,
            _ => true,
        }
    }
}

/// The lowest level whose time holds all nights of a file.
fn natural(packets: &DataFile) -> Level {
    let without = packets.stats.lacks("_night");
    let Some((first, last)) = packets.stats.night.filter(|_| !without) else { return Level::Ever };
    let holds = |level: &Level| level.period(first).0 == level.period(last).0;
    [Level::Night, Level::Month, Level::Year].into_iter().find(holds).unwrap_or(Level::Ever)
}

/// The groups of a time that are merged now; all of them, as an error, if it is not worth the writing.
fn worth(level: Level, groups: Vec<Group>, policy: &Policy) -> Result<Vec<Group>, Vec<Group>> {
    let (there, new): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(|group| group.level() == level as u8);
    let there: Vec<Group> = there.into_iter().filter(|group| new.iter().any(|new| new.touches(group))).collect();
    let bytes = |groups: &[Group]| groups.iter().map(|group| group.bytes).sum::<u64>();
    let enough = policy.now || there.is_empty() || bytes(&new) >= bytes(&there) / LATE_PART || new.len() >= LATE_GROUPS;
    // What has no time is never over, and waits for more of its kind.
    let waits = level == Level::Ever && !policy.now && new.len() < LATE_GROUPS;
    // What a commit put is written once more even alone, as small as it can be.
    let alone = new.len() + there.len() < 2 && new.iter().all(|group| group.level() > 0);
    if new.is_empty() || !enough || waits || alone {
        return Err([there, new].concat());
    }
    Ok([there, new].concat())
}

/// Tasks of a bounded size, each of groups that lie near each other.
fn chunks(survey: &str, schema: &str, level: Level, mut groups: Vec<Group>, policy: &Policy) -> Vec<Task> {
    groups.sort_by_key(|group| group.packets.stats.healpix_29);
    let mut tasks: Vec<Vec<Group>> = Vec::new();
    let (mut bytes, mut rows, mut records) = (0, 0, 0);
    for group in groups {
        (bytes, rows, records) = (bytes + group.bytes, rows + group.packets.rows, records + group.records);
        match tasks.last_mut() {
            Some(task) if bytes <= policy.input_bytes && rows <= INPUT_ROWS && records <= INPUT_RECORDS => {
                task.push(group);
            }
            _ => {
                (bytes, rows, records) = (group.bytes, group.packets.rows, group.records);
                tasks.push(vec![group]);
            }
        }
    }
    let task = |mut groups: Vec<Group>| {
        groups.sort_by_key(|group| group.packets.span());
        Task {
            survey: survey.to_owned(),
            schema: schema.to_owned(),
            level,
            bytes: groups.iter().map(|group| group.bytes).sum(),
            own_bytes: groups.iter().map(|group| group.own_bytes).sum(),
            group_bytes: if level >= Level::Month { 4 * policy.group_bytes } else { policy.group_bytes },
            groups: groups.into_iter().map(|group| group.packets).collect(),
        }
    };
    let worth = |groups: &Vec<Group>| groups.len() > 1 || groups.iter().all(|group| group.level() == 0);
    let is_new = |groups: &Vec<Group>| groups.iter().any(|group| group.level() < level as u8);
    tasks.into_iter().filter(|groups| worth(groups) && is_new(groups)).map(task).collect()
}
