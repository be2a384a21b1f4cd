//! What one entry of the log says.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use noctuary_packet::id::Id;
use serde::{Deserialize, Serialize};

use super::OwnTime;
use crate::tables::Table;

/// The first format that is read for ever.
pub const FIRST_FORMAT: u32 = 2;
/// The highest format that this program knows. Readers refuse a higher one.
pub const FORMAT: u32 = 4;
/// The format of entries that say nothing which a program of before could misread.
const WRITTEN: u32 = 3;
/// The first format whose rollbacks say themselves where sources stand again.
pub(crate) const ROLLBACKS_SAY_SOURCES: u32 = 3;

/// One commit: everything it changes becomes visible with it, or nothing does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Format of this entry.
    pub format: u32,
    /// Unique to this attempt, so that a writer whose acknowledgement was lost recognises its own entry.
    pub id: String,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// What it did, for people.
    pub what: String,
    /// Files that are part of the archive from here on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<DataFile>,
    /// Files whose rows stand in files that this entry adds, and which are not read from here on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// How far the sources have been taken in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceMove>,
    /// Sums over the ledger rows of this commit.
    #[serde(default, skip_serializing_if = "Counts::is_zero")]
    pub counts: Counts,
    /// Schemas that became known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<SchemaRecord>,
    /// Surveys that became known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub surveys: Vec<SurveyRecord>,
    /// Quarantined packets that have been stored since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub released: Vec<String>,
    /// Undoes every commit after this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_to: Option<u64>,
    /// Names that versions get, or lose.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, Option<u64>>,
    /// What may be deleted from here on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared: Option<Cleared>,
    /// What is given up for good. An entry with it is of format 4: a program that does not know of it would take what
    /// is gone for damage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purged: Option<Purged>,
    /// From here on whoever commits publishes the tables for other engines, or nobody does. An entry with it is of format
    /// 4: a program that does not know of it would take what is published for leftovers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish: Option<bool>,
}

/// What an order to purge takes away, from every version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purged {
    /// Why, in the words of whoever ordered it.
    pub reason: String,
    /// Packets of which nothing is kept but this. They are known: delivered again, they count as duplicates.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packets: Vec<PurgedPacket>,
    /// Groups whose pieces of images are gone. Packets made of them cannot be put together any more, and say so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cutouts: Vec<String>,
}

/// What is left of a packet that was purged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgedPacket {
    /// Its survey.
    pub survey: String,
    /// Its id.
    pub alert: Id,
    /// The SHA-256 of the packet as transmitted, hexadecimal.
    pub sha256: String,
}

/// What a vacuum gives up. Its entry stands before the first file is deleted, so that whoever still counts on one of
/// them is told so by the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    /// Versions before this one have no files of their own any more; what they showed is read from the files of this
    /// one.
    pub before: u64,
    /// Files that no entry has named. No entry may from here on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead: Vec<String>,
}

impl Entry {
    /// An entry that changes nothing yet.
    #[must_use]
    pub fn new(at: DateTime<Utc>, what: impl Into<String>) -> Self {
        Self {
            format: WRITTEN,
            id: uuid::Uuid::new_v4().to_string(),
            at,
            what: what.into(),
            add: Vec::new(),
            remove: Vec::new(),
            sources: Vec::new(),
            counts: Counts::default(),
            schemas: Vec::new(),
            surveys: Vec::new(),
            released: Vec::new(),
            rollback_to: None,
            tags: BTreeMap::new(),
            cleared: None,
            purged: None,
            publish: None,
        }
    }

    /// An entry that begins to publish the tables, or ends it.
    #[must_use]
    pub fn publishing(at: DateTime<Utc>, what: impl Into<String>, publish: bool) -> Self {
        Self { format: FORMAT, publish: Some(publish), ..Self::new(at, what) }
    }

    /// An entry that gives something up for good.
    #[must_use]
    pub fn purging(at: DateTime<Utc>, what: impl Into<String>, purged: Purged) -> Self {
        Self { format: FORMAT, purged: Some(purged), ..Self::new(at, what) }
    }
}

/// A file of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataFile {
    /// Its table.
    pub table: Table,
    /// The survey of its rows, where they are of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survey: Option<String>,
    /// Fingerprint of the schema of its rows, whole, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Alerts and packets of a group are the same rows in the same order; their records and pieces are rows of the
    /// group's other files.
    pub group: String,
    /// In `sources` and `forced`: where records of its columns stand in a packet, a list or a single record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// Its name in the archive.
    pub path: String,
    /// Length of the file.
    pub bytes: u64,
    /// Rows in it.
    pub rows: u64,
    /// XXH3 (128 bits) of the file, hexadecimal.
    pub checksum: String,
    /// What is known of the rows without opening it.
    #[serde(default)]
    pub stats: FileStats,
    /// How often its rows have been merged: 0 as a commit put them, then [`Level`](crate::compact::Level) by level.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub level: u8,
    /// The first and last of the versions that brought its rows, where these say themselves which did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits: Option<(u64, u64)>,
    /// In `packets`: the groups whose `cutouts` its packets are made of, by the numbers in `_pieces`; its own group if
    /// there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<String>,
    /// The version that brought it; filled in when the log is read.
    #[serde(default)]
    pub commit: u64,
}

impl DataFile {
    /// The first and last of the versions that brought its rows.
    #[must_use]
    pub fn span(&self) -> (u64, u64) {
        self.commits.unwrap_or((self.commit, self.commit))
    }
}

fn is_zero(level: &u8) -> bool {
    *level == 0
}

/// Least and greatest values, ends included; `None` where no row has one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FileStats {
    /// Nights, as days since 1970-01-01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub night: Option<(i32, i32)>,
    /// Visits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visit: Option<(i64, i64)>,
    /// Ids of alerts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<(Id, Id)>,
    /// Ids of objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<(Id, Id)>,
    /// Times, MJD TAI.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "exact")]
    pub mjd_tai: Option<(f64, f64)>,
    /// Declinations, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "exact")]
    pub dec: Option<(f64, f64)>,
    /// Right ascensions, degrees.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "exact")]
    pub ra: Option<(f64, f64)>,
    /// HEALPix cells of order 29, NESTED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healpix_29: Option<(i64, i64)>,
    /// Times of records, by their own column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_time: Option<OwnTime>,
    /// Columns of the above in which some row has no value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with_nulls: Vec<String>,
    /// Every label of rights in it, with its rows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rights: BTreeMap<String, u64>,
}

impl FileStats {
    /// Of a file of which only the nights of its packets are known, and whether some have none.
    #[must_use]
    pub fn of_nights(night: Option<(i32, i32)>, some_without: bool) -> Self {
        let with_nulls = if some_without { vec!["_night".to_owned()] } else { Vec::new() };
        Self { night, with_nulls, ..Self::default() }
    }

    /// True if some row has no value in a column that is counted here.
    #[must_use]
    pub fn lacks(&self, column: &str) -> bool {
        self.with_nulls.iter().any(|name| name == column)
    }
}

/// Something that packets come from: a file with its size and time, a stream with its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId {
    /// Where it lies.
    pub url: String,
    /// What tells this content from a later one at the same place.
    pub mark: String,
}

/// How far a source has been taken in, in pieces from its beginning: files, members of a tar, blocks of a container,
/// and at last its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceMove {
    /// Which.
    #[serde(flatten)]
    pub source: SourceId,
    /// The position before; a commit whose `from` is not the committed position is refused.
    pub from: u64,
    /// The position after.
    pub to: u64,
    /// True if nothing is left.
    pub complete: bool,
}

/// Sums. `received = stored + duplicate + quarantined + purged`; revisions, flagged and inline are among the stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Packets that came.
    pub received: i64,
    /// Packets that were kept.
    pub stored: i64,
    /// Packets that had been kept before.
    pub duplicate: i64,
    /// Packets that were refused.
    pub quarantined: i64,
    /// Stored packets whose id had other bytes before.
    pub revisions: i64,
    /// Stored packets that are odd.
    pub flagged: i64,
    /// Stored packets that are kept whole, because they could not be put together again from their parts.
    #[serde(default)]
    pub inline: i64,
    /// Transmitted bytes of what came.
    pub bytes: i64,
    /// Packets that were kept once, and of which nothing is by order.
    #[serde(default, skip_serializing_if = "is_none")]
    pub purged: i64,
}

impl Counts {
    /// True if nothing came.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// Adds another's sums.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.stored += other.stored;
        self.duplicate += other.duplicate;
        self.quarantined += other.quarantined;
        self.revisions += other.revisions;
        self.flagged += other.flagged;
        self.inline += other.inline;
        self.bytes += other.bytes;
        self.purged += other.purged;
    }
}

fn is_none(count: &i64) -> bool {
    *count == 0
}

/// A schema that became known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaRecord {
    /// Its fingerprint, whole, in hexadecimal.
    pub fingerprint: String,
    /// Where its JSON lies.
    pub path: String,
    /// The id that Confluent frames use for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry_id: Option<u32>,
}

/// A survey that became known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyRecord {
    /// Its name.
    pub name: String,
    /// Where its mapping lies.
    pub path: String,
}

/// Ranges of floats as text: `serde_json` reads numbers to within a unit in the last place, and a bound that is off by
/// one would hide the row that it came from.
pub(super) mod exact {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(range: &Option<(f64, f64)>, to: S) -> Result<S::Ok, S::Error> {
        range.map(|(least, greatest)| (least.to_string(), greatest.to_string())).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<(f64, f64)>, D::Error> {
        Option::<(String, String)>::deserialize(from)?
            .map(|(least, greatest)| {
                Ok((least.parse().map_err(D::Error::custom)?, greatest.parse().map_err(D::Error::custom)?))
            })
            .transpose()
    }
}
