//! An archive: one log, its files, and the way to commit.

mod changes;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::Utc;
use moka::future::Cache;
use noctuary_packet::schema::{RegistryId, Schema, SchemaStore};
use noctuary_packet::survey::{Survey, Surveys};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::async_reader::{AsyncFileReader, ParquetRecordBatchStreamBuilder};
use tokio::sync::Mutex;

use crate::as_of::AsOf;
use crate::error::{ErrorKind, Result, StorageError};
use crate::footers::{Footers, ParquetFile, columns};
use crate::location::Location;
use crate::log::{DataFile, Entry, Log, SchemaRecord, SurveyRecord};
use crate::parts::{self, Parts};
use crate::paths;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::visible::{Visible, shown_rows};
use crate::{delta, index};

/// Memory for footers of Parquet files.
const FOOTER_BYTES: u64 = 256 << 20;
/// Memory for indices of rows: those of a hundred million rows, about.
const INDEX_BYTES: u64 = 256 << 20;
/// Headers of containers kept in memory; surveys have a handful.
const HEADERS: u64 = 256;
/// Files of which it is remembered how much of them some version shows.
const PARTS: u64 = 4_096;
/// Memory for what the packets of whole files are made of, while nights are replayed.
const MATTER_BYTES: u64 = 128 << 20;

/// An open archive. Cheap to clone; clones share what they know.
#[derive(Debug, Clone)]
pub struct Archive {
    location: Location,
    log: Log,
    footers: Footers,
    headers: Cache<String, Bytes>,
    /// Rows by label of files that a version shows in part.
    parts: Cache<(String, Visible), Arc<BTreeMap<String, u64>>>,
    newest: Arc<Mutex<Option<Snapshot>>>,
    published: delta::Memory,
    indices: index::Indices,
    matter: Cache<String, Arc<Parts>>,
}

/// How a commit ended.
#[derive(Debug, Clone)]
pub enum Commit {
    /// It is part of the archive.
    Done(Snapshot),
    /// Another commit was faster; the entry may still be right, seen from there.
    Overtaken(Snapshot),
}

impl Archive {
    /// Opens an archive that exists.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::NotFound`] if there is none.
    pub async fn open(location: Location) -> Result<Self> {
        let archive = Self::at(location);
        if archive.log.read(0).await?.is_none() {
            return Err(StorageError::not_found(format!(
                "there is no archive at {}; `noctuary ingest` makes one, `noctuary demo` makes one to try",
                archive.location.url()
            )));
        }
        archive.check_whole().await?;
        Ok(archive)
    }

    /// Opens an archive, or makes an empty one.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn open_or_create(location: Location) -> Result<Self> {
        let archive = Self::at(location);
        if archive.log.read(0).await?.is_none() {
            archive.log.append(0, &Entry::new(Utc::now(), "created")).await?;
        }
        archive.check_whole().await?;
        Ok(archive)
    }

    /// A version that is missing while later ones are there would hide all of them, and be written anew by the next
    /// commit.
    async fn check_whole(&self) -> Result<()> {
        loop {
            let newest = self.snapshot().await?.version();
            let Some(beyond) = self.log.first_beyond(newest).await? else { return Ok(()) };
            // Others commit while we look.
            if self.log.read(newest + 1).await?.is_none() {
                return Err(StorageError::damaged(format!(
                    "version {} of the log ({}) is missing although version {beyond} is there; put the file back from \
                     a copy of the archive",
                    newest + 1,
                    paths::log_entry(newest + 1)
                )));
            }
        }
    }

    fn at(location: Location) -> Self {
        let log = Log::new(Arc::clone(location.store()));
        Self {
            location,
            log,
            footers: Footers::new(FOOTER_BYTES),
            headers: Cache::new(HEADERS),
            parts: Cache::new(PARTS),
            newest: Arc::default(),
            published: Arc::default(),
            indices: index::indices(INDEX_BYTES),
            matter: parts::cache(MATTER_BYTES),
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The store; its root is the archive.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        self.location.store()
    }

    /// The footers that are kept in memory.
    #[must_use]
    pub fn footers(&self) -> &Footers {
        &self.footers
    }

    /// What is known of the tables that are published for other engines.
    pub(crate) fn published(&self) -> &delta::Memory {
        &self.published
    }

    /// The indices that are kept in memory.
    pub(crate) fn indices(&self) -> &index::Indices {
        &self.indices
    }

    /// Parts of whole files that are kept in memory.
    pub(crate) fn matter(&self) -> &Cache<String, Arc<Parts>> {
        &self.matter
    }

    /// A reader of one of the archive's Parquet files.
    #[must_use]
    pub fn parquet(&self, file: &DataFile) -> ParquetFile {
        self.footers.reader(self.store(), Path::from(file.path.as_str()), file.bytes)
    }

    /// The rows of one of the archive's Parquet files.
    ///
    /// # Errors
    /// When its footer cannot be read.
    pub async fn rows(&self, file: &DataFile) -> Result<ParquetRecordBatchStreamBuilder<ParquetFile>> {
        let mut reader = self.parquet(file);
        let footer = reader.get_metadata(None).await?;
        let columns = columns(file.table, footer)?;
        Ok(ParquetRecordBatchStreamBuilder::new_with_metadata(reader, columns))
    }

    /// The shared part of the header of containers, by its digest.
    pub(crate) async fn header(&self, digest: &str) -> Result<Bytes> {
        let path = paths::header(digest);
        let loaded = self.headers.try_get_with(digest.to_owned(), self.named(&path)).await;
        loaded.map_err(|e: Arc<StorageError>| StorageError::new(e.kind(), format!("header {digest}: {e}")))
    }

    /// The newest version. Costs one request when nothing has changed.
    ///
    /// # Errors
    /// When storage fails or the log is damaged.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let mut newest = self.newest.lock().await;
        let before = newest.as_ref().map(Snapshot::version);
        let mut snapshot = match newest.take() {
            Some(snapshot) => snapshot,
            None => self.load(None).await?,
        };
        let advanced = self.advance(&mut snapshot, None).await;
        if advanced.is_ok() && before != Some(snapshot.version()) {
            snapshot = self.look_at_parts(snapshot).await?;
        }
        *newest = Some(snapshot.clone());
        advanced.map(|()| snapshot)
    }

    /// An older version, or the newest by its number.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::NotFound`] if there is no such version yet.
    pub async fn snapshot_at(&self, version: u64) -> Result<Snapshot> {
        let newest = match self.snapshot().await {
            Ok(newest) => newest,
            // What comes after a version does not keep it from being read.
            Err(e) => match self.newest.lock().await.clone() {
                Some(known) if known.version() >= version => known,
                _ => return Err(e),
            },
        };
        if version == newest.version() {
            return Ok(newest);
        }
        if version > newest.version() {
            return Err(StorageError::not_found(format!(
                "there is no version {version}; the newest is {} (`noctuary versions` lists them)",
                newest.version()
            )));
        }
        let cleared = newest.cleared();
        let mut snapshot = self.replay(version).await?;
        if version < cleared {
            if newest.is_undone(version) {
                return Err(StorageError::not_found(format!(
                    "version {version} was undone by a rollback, and a vacuum has cleared it away since"
                )));
            }
            // Its own files may be gone. Those of a later version hold its rows, and say which they are.
            snapshot = snapshot.in_files_of(&self.replay(cleared).await?.state);
        }
        self.look_at_parts(snapshot).await
    }

    /// A version as the log tells it, whose own files may be gone.
    ///
    /// # Errors
    /// When storage fails or the log is damaged.
    pub(crate) async fn as_logged(&self, version: u64) -> Result<Snapshot> {
        if let Some(known) = self.newest.lock().await.clone().filter(|known| known.version() == version) {
            return Ok(known);
        }
        self.replay(version).await
    }

    async fn replay(&self, version: u64) -> Result<Snapshot> {
        let mut snapshot = self.load(Some(version)).await?;
        self.advance(&mut snapshot, Some(version)).await?;
        Ok(snapshot)
    }

    /// The version that a user means: a number, a tag, or the newest at a time (`2026-04-07`, `2026-04-07 12:30`,
    /// `2026-04-07T12:30:00Z`; UTC).
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::NotFound`] if there is none, [`crate::error::ErrorKind::Invalid`] if it is nothing of
    /// these.
    pub async fn version_of(&self, asked: &AsOf) -> Result<u64> {
        let newest = self.snapshot().await?;
        match asked {
            AsOf::Version(version) => Ok(*version),
            AsOf::Tag(tag) => newest.tags().get(tag).copied().ok_or_else(|| {
                let known: Vec<&str> = newest.tags().keys().map(String::as_str).collect();
                let known = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
                StorageError::not_found(format!(
                    "no version is tagged {tag:?} ({known}), and it is neither a number nor a time such as 2026-04-07 \
                     or 2026-04-07T12:30:00Z"
                ))
            }),
            AsOf::Time(time) => {
                newest.versions().iter().rev().find(|v| v.at <= *time).map(|v| v.version).ok_or_else(|| {
                    let first = newest.versions().first().map_or_else(String::new, |v| format!(", made {}", v.at));
                    StorageError::not_found(format!("the archive{first} is younger than {time}"))
                })
            }
        }
    }

    /// Finds out how much of files is shown that are shown in part.
    async fn look_at_parts(&self, snapshot: Snapshot) -> Result<Snapshot> {
        let mut parts = BTreeMap::new();
        for file in snapshot.state.files.iter().filter(|file| snapshot.shows_part_of(file)) {
            let key = (file.path.clone(), Visible::clone(&snapshot.visible));
            let rights = self.parts.try_get_with(key, shown_rows(self, file, &snapshot.visible)).await;
            let rights = rights.map_err(|e: Arc<StorageError>| StorageError::new(e.kind(), e.to_string()))?;
            parts.insert(file.path.clone(), (*rights).clone());
        }
        Ok(if parts.is_empty() { snapshot } else { snapshot.with_parts(parts) })
    }

    /// The state to start from: the newest checkpoint, or the first entry.
    async fn load(&self, limit: Option<u64>) -> Result<Snapshot> {
        let state = self.first_state(limit).await?;
        let (schemas, surveys) = (Arc::new(SchemaStore::with_known()), Arc::new(Surveys::built_in()));
        let mut snapshot = Snapshot::new(Arc::new(state), schemas, surveys);
        let state = Arc::clone(&snapshot.state);
        self.learn(&mut snapshot, &state.schemas, &state.surveys).await?;
        Ok(snapshot)
    }

    async fn first_state(&self, mut limit: Option<u64>) -> Result<State> {
        while let Some(version) = self.log.newest_checkpoint(limit).await? {
            match self.log.read_checkpoint(version).await {
                Ok(state) => return Ok(state),
                // What it says can be had from an older one or from the log.
                Err(e) if e.kind() == ErrorKind::Damaged => tracing::warn!("{e}; the log is read from further back"),
                Err(e) => return Err(e),
            }
            let Some(before) = version.checked_sub(1) else { break };
            limit = Some(before);
        }
        let first = self.log.read(0).await?;
        let mut state = State::default();
        state.apply(0, first.ok_or_else(|| StorageError::damaged("the log has no first entry"))?);
        Ok(state)
    }

    async fn advance(&self, snapshot: &mut Snapshot, limit: Option<u64>) -> Result<()> {
        loop {
            let next = snapshot.version() + 1;
            if limit.is_some_and(|limit| next > limit) {
                return Ok(());
            }
            let Some(entry) = self.log.read(next).await? else { return Ok(()) };
            self.step(snapshot, next, entry).await?;
        }
    }

    async fn step(&self, snapshot: &mut Snapshot, version: u64, entry: Entry) -> Result<()> {
        self.learn(snapshot, &entry.schemas, &entry.surveys).await?;
        snapshot.step(version, entry);
        Ok(())
    }

    /// Reads schemas and surveys that entries name. What the archive says an id means counts, whatever a program
    /// comes with.
    async fn learn(&self, snapshot: &mut Snapshot, schemas: &[SchemaRecord], surveys: &[SurveyRecord]) -> Result<()> {
        let unreadable =
            |path: &str, e: &dyn std::fmt::Display| StorageError::damaged(format!("{path} cannot be read ({e})"));
        for record in schemas {
            let text = self.text(&record.path).await?;
            let schema = Arc::new(Schema::parse(&text).map_err(|e| unreadable(&record.path, &e))?);
            let store = Arc::make_mut(&mut snapshot.schemas);
            match record.registry_id {
                Some(id) => store.define(RegistryId(id), schema),
                None => {
                    store.add(schema);
                }
            }
        }
        for record in surveys {
            let survey = Survey::parse(&self.text(&record.path).await?).map_err(|e| unreadable(&record.path, &e))?;
            Arc::make_mut(&mut snapshot.surveys).add(survey);
        }
        Ok(())
    }

    async fn text(&self, path: &str) -> Result<String> {
        let bytes = self.named(&Path::from(path)).await?;
        String::from_utf8(bytes.into()).map_err(|_| StorageError::damaged(format!("{path} is not text")))
    }

    /// An object that the log or a row names: if it is not there, the archive is damaged.
    async fn named(&self, path: &Path) -> Result<Bytes> {
        match self.store().get(path).await {
            Ok(found) => Ok(found.bytes().await?),
            Err(object_store::Error::NotFound { .. }) => {
                Err(StorageError::damaged(format!("{path} is missing; put it back from a copy of the archive")))
            }
            Err(e) => Err(e.into()),
        }
    }
}
