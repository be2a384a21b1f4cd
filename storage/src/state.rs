//! What the entries of a log add up to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::StorageError;
use crate::log::{
    Counts, DataFile, Entry, PurgedPacket, ROLLBACKS_SAY_SOURCES, SchemaRecord, SourceId, SourceMove, SurveyRecord,
};

/// The state that the entries of a log add up to; what a checkpoint holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The highest format among the entries that it adds up.
    #[serde(default)]
    pub format: u32,
    /// The version.
    pub version: u64,
    /// Files in the order in which they came.
    #[serde(with = "shared")]
    pub files: Vec<Arc<DataFile>>,
    /// Position of every source that packets were taken from.
    #[serde(with = "as_list")]
    pub sources: BTreeMap<SourceId, Position>,
    /// Schemas in the order in which they became known; one structure may have several ids and texts.
    pub schemas: Vec<SchemaRecord>,
    /// Surveys in the order in which they were added, one of a name: the last that fits a schema is its survey.
    pub surveys: Vec<SurveyRecord>,
    /// Quarantined packets that have been stored since, with the commit that did.
    pub released: BTreeMap<String, u64>,
    /// Every version so far.
    pub versions: Vec<VersionInfo>,
    /// Every move of a source, so that a rollback can put the source back; kept while entries are of a format whose
    /// rollbacks do not say it themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moves: Vec<CommittedMove>,
    /// Versions that rollbacks have undone: first and last of each range.
    #[serde(default)]
    pub undone: Vec<(u64, u64)>,
    /// Names of versions.
    #[serde(default)]
    pub tags: BTreeMap<String, u64>,
    /// Versions before this one have no files of their own any more.
    #[serde(default)]
    pub cleared: u64,
    /// Files that some version shows that has its own, and this one does not, and those that have been cleared last.
    #[serde(default)]
    pub gone: Vec<Gone>,
    /// Files that no entry may name from here on.
    #[serde(default)]
    pub dead: BTreeSet<String>,
    /// What has been given up by order.
    #[serde(default, skip_serializing_if = "Purges::is_empty")]
    pub purged: Purges,
    /// The version since which whoever commits publishes the tables for other engines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publishes: Option<u64>,
}

/// What has been given up by order, in all versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purges {
    /// Packets.
    #[serde(default)]
    pub packets: Vec<PurgedPacket>,
    /// Groups without their pieces of images, and the version that did it.
    #[serde(default)]
    pub cutouts: BTreeMap<String, u64>,
    /// The versions that did it: when, and what.
    #[serde(default)]
    pub orders: BTreeMap<u64, (DateTime<Utc>, String)>,
}

impl Purges {
    /// True if nothing has been.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A file that has been merged or undone, and is there for earlier versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Its name.
    pub path: String,
    /// The version that did without it.
    pub at: u64,
}

/// How far a source has been taken in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Pieces taken in, as [`SourceMove`] counts them.
    pub at: u64,
    /// True if nothing is left.
    pub complete: bool,
}

/// One version, for `noctuary versions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// The version.
    pub version: u64,
    /// When it was committed.
    pub at: DateTime<Utc>,
    /// What it did.
    pub what: String,
    /// Sums of its ledger rows.
    pub counts: Counts,
    /// True if a later rollback undid it.
    #[serde(default)]
    pub undone: bool,
}

/// A move of a source and the commit that made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedMove {
    /// The commit.
    pub commit: u64,
    /// The move.
    #[serde(flatten)]
    pub by: SourceMove,
}

impl State {
    /// Checks that an entry may follow this state.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Conflict`] if a source is not where the entry believes it to be, or the quarantine
    /// no longer holds what it releases: another ingester was there, and this one has to stop.
    pub fn check(&self, entry: &Entry) -> crate::error::Result<()> {
        for step in &entry.sources {
            let committed = self.sources.get(&step.source).map_or(0, |p| p.at);
            if step.from != committed {
                return Err(StorageError::new(
                    crate::error::ErrorKind::Conflict,
                    format!(
                        "{} has been taken in up to piece {committed} by another ingest, and this one was at {}; \
                         nothing is lost: start it again to go on from there",
                        step.source.url, step.from
                    ),
                ));
            }
        }
        let conflict = |what: String| Err(StorageError::new(crate::error::ErrorKind::Conflict, what));
        if let Some(file) = entry.add.iter().find(|file| self.dead.contains(&file.path)) {
            return conflict(format!(
                "{} was put so long ago that a vacuum has taken it for a leftover; nothing is lost: start it again",
                file.path
            ));
        }
        if !entry.remove.is_empty() {
            let live: BTreeSet<&str> = self.files.iter().map(|file| file.path.as_str()).collect();
            if let Some(path) = entry.remove.iter().find(|path| !live.contains(path.as_str())) {
                return conflict(format!("{path} has just been merged by another; nothing is lost: start it again"));
            }
        }
        if let Some(cleared) = &entry.cleared {
            let live = |path: &&String| self.files.iter().any(|file| file.path == **path);
            if let Some(path) = cleared.dead.iter().find(live) {
                return conflict(format!("{path} has just been committed; nothing is lost: start it again"));
            }
            if cleared.before > self.version {
                return Err(StorageError::invalid(format!(
                    "there is no version {} yet; the newest is {}",
                    cleared.before, self.version
                )));
            }
        }
        if let Some((tag, version)) =
            entry.tags.iter().find_map(|(tag, v)| Some((tag, v.filter(|v| *v > self.version)?)))
        {
            return Err(StorageError::invalid(format!(
                "there is no version {version} yet to be named {tag:?}; the newest is {}",
                self.version
            )));
        }
        if let Some(id) = entry.released.iter().find(|id| self.released.contains_key(*id)) {
            return Err(StorageError::new(
                crate::error::ErrorKind::Conflict,
                format!("{id} of the quarantine has been stored by another retry; nothing is lost: start it again"),
            ));
        }
        for new in &entry.schemas {
            let other =
                |known: &&SchemaRecord| known.registry_id == new.registry_id && known.fingerprint != new.fingerprint;
            if let (Some(id), Some(_)) = (new.registry_id, self.schemas.iter().find(other)) {
                return Err(StorageError::invalid(format!(
                    "schema id {id} has just been given to another structure; `noctuary schema list` shows it"
                )));
            }
        }
        match entry.rollback_to {
            Some(to) if to > self.version => {
                Err(StorageError::invalid(format!("there is no version {to} yet; the newest is {}", self.version)))
            }
            Some(to) if self.versions.iter().any(|v| v.version == to && v.undone) => {
                Err(StorageError::invalid(format!(
                    "version {to} was undone by a rollback itself; go back to one that stands (`noctuary versions` shows \
                     which do), or read it with --as-of {to}"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Applies the entry of the next version.
    pub fn apply(&mut self, version: u64, entry: Entry) {
        self.format = self.format.max(entry.format);
        self.version = version;
        self.versions.push(VersionInfo {
            version,
            at: entry.at,
            what: entry.what,
            counts: entry.counts,
            undone: false,
        });
        if let Some(to) = entry.rollback_to {
            self.roll_back(to, version);
        }
        if !entry.remove.is_empty() {
            let merged: BTreeSet<String> = entry.remove.into_iter().collect();
            self.keep_files(version, |file| !merged.contains(&file.path));
        }
        self.files.extend(entry.add.into_iter().map(Arc::new));
        let moves_are_kept = entry.format < ROLLBACKS_SAY_SOURCES;
        if !moves_are_kept {
            self.moves.clear();
        }
        for step in entry.sources {
            if step.to == 0 && !step.complete {
                self.sources.remove(&step.source);
            } else {
                self.sources.insert(step.source.clone(), Position { at: step.to, complete: step.complete });
            }
            if moves_are_kept {
                self.moves.push(CommittedMove { commit: version, by: step });
            }
        }
        for (tag, of) in entry.tags {
            match of {
                Some(of) => self.tags.insert(tag, of),
                None => self.tags.remove(&tag),
            };
        }
        if let Some(cleared) = entry.cleared {
            // Whoever cleared the versions before these may have been stopped before all was deleted.
            let deleted = self.cleared;
            self.gone.retain(|gone| gone.at > deleted);
            self.cleared = self.cleared.max(cleared.before);
            self.dead.extend(cleared.dead);
        }
        if let Some(publish) = entry.publish {
            self.publishes = publish.then_some(version);
        }
        if let Some(purged) = entry.purged {
            let what = self.versions.last().map(|own| (own.at, own.what.clone()));
            self.purged.orders.extend(what.map(|what| (version, what)));
            self.purged.packets.extend(purged.packets);
            self.purged.cutouts.extend(purged.cutouts.into_iter().map(|group| (group, version)));
        }
        for schema in entry.schemas {
            if !self.schemas.contains(&schema) {
                self.schemas.push(schema);
            }
        }
        for survey in entry.surveys {
            self.surveys.retain(|known| known.name != survey.name);
            self.surveys.push(survey);
        }
        for id in entry.released {
            self.released.insert(id, version);
        }
    }

    /// Files that this version does not show, and an earlier one that has its own does.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Gone> {
        self.gone.iter().filter(|gone| gone.at > self.cleared)
    }

    fn keep_files(&mut self, version: u64, keep: impl Fn(&DataFile) -> bool) {
        let gone = &mut self.gone;
        self.files.retain(|file| {
            let kept = keep(file);
            if !kept {
                gone.push(Gone { path: file.path.clone(), at: version });
            }
            kept
        });
    }

    /// Undoes the commits after `to`: their rows are no longer seen, and the sources stand where they stood then, so
    /// that the same packets can be taken in again. Schemas and surveys stay known.
    fn roll_back(&mut self, to: u64, now: u64) {
        if to + 1 < now {
            self.undone.retain(|(from, _)| *from <= to);
            self.undone.push((to + 1, now - 1));
        }
        // A file that was merged since holds rows from before, too.
        self.keep_files(now, |file| file.span().0 <= to);
        self.released.retain(|_, commit| *commit <= to);
        for undone in self.moves.iter().rev().filter(|m| m.commit > to) {
            self.sources.insert(undone.by.source.clone(), Position { at: undone.by.from, complete: false });
        }
        self.moves.retain(|m| m.commit <= to);
        self.sources.retain(|_, p| p.at > 0 || p.complete);
        for version in &mut self.versions {
            version.undone |= version.version > to && version.version < now;
        }
    }

    /// What puts the sources back to where they stood in an earlier state.
    pub(crate) fn moves_back(&self, earlier: &Self) -> Vec<SourceMove> {
        let moved = self.sources.iter().filter_map(|(source, now)| {
            let then = earlier.sources.get(source).copied().unwrap_or_default();
            let back = SourceMove { source: source.clone(), from: now.at, to: then.at, complete: then.complete };
            (then != *now).then_some(back)
        });
        moved.collect()
    }
}

/// JSON has no maps with keys that are not text.
mod as_list {
    use super::{BTreeMap, Position, SourceId};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(map: &BTreeMap<SourceId, Position>, to: S) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<SourceId, Position>, D::Error> {
        Ok(Vec::<(SourceId, Position)>::deserialize(from)?.into_iter().collect())
    }
}

/// Files are shared between versions in memory, and written plainly.
mod shared {
    use super::{Arc, DataFile};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(files: &[Arc<DataFile>], to: S) -> Result<S::Ok, S::Error> {
        files.iter().map(|f| &**f).collect::<Vec<_>>().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Arc<DataFile>>, D::Error> {
        Ok(Vec::<DataFile>::deserialize(from)?.into_iter().map(Arc::new).collect())
    }
}
