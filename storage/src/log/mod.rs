//! The log: one object per version, put where there was none.
//!
//! A version exists once its object does. Two writers that try for the same version are told apart by the store's
//! put-if-absent; the one that comes second looks at what the first did and decides again.

mod entry;
mod own_time;

use std::sync::Arc;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

pub(crate) use entry::ROLLBACKS_SAY_SOURCES;
pub use entry::{
    Cleared, Counts, DataFile, Entry, FIRST_FORMAT, FORMAT, FileStats, Purged, PurgedPacket, SchemaRecord, SourceId,
    SourceMove, SurveyRecord,
};
pub use own_time::OwnTime;

use crate::error::{Result, StorageError};
use crate::paths;
use crate::state::State;

/// How an attempt to write a version ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Append {
    /// The version is ours.
    Written,
    /// Somebody else's entry stands there.
    Taken,
}

/// The log of one archive.
#[derive(Debug, Clone)]
pub struct Log {
    store: Arc<dyn ObjectStore>,
}

impl Log {
    /// The log in a store whose root is the archive.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Reads one version; `None` if it does not exist yet.
    ///
    /// # Errors
    /// When storage fails, or the entry cannot be read or is of a later format.
    pub async fn read(&self, version: u64) -> Result<Option<Entry>> {
        let path = paths::log_entry(version);
        let bytes = match self.store.get(&path).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let damaged =
            |e: serde_json::Error| StorageError::damaged(format!("the log entry {path} cannot be read ({e})"));
        // The format comes first: the rest may be of a form that only a newer program knows.
        let Format { format } = serde_json::from_slice(&bytes).map_err(damaged)?;
        readable(&format!("log entry {path}"), format)?;
        let mut entry: Entry = serde_json::from_slice(&bytes).map_err(damaged)?;
        for file in &mut entry.add {
            file.commit = version;
        }
        Ok(Some(entry))
    }

    /// Tries to write a version.
    ///
    /// # Errors
    /// When storage fails. A put whose acknowledgement was lost is recognised by the entry's id.
    pub async fn append(&self, version: u64, entry: &Entry) -> Result<Append> {
        let path = paths::log_entry(version);
        let bytes = serde_json::to_vec(entry)
            .map_err(|e| StorageError::internal(format!("a log entry could not be written ({e})")))?;
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.store.put_opts(&path, PutPayload::from(bytes), options).await {
            Ok(_) => Ok(Append::Written),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                match self.read(version).await? {
                    Some(there) if there.id == entry.id => Ok(Append::Written),
                    _ => Ok(Append::Taken),
                }
            }
            Err(e) => Err(e.into()),
        }
    }

    /// The first version beyond this one of which there is an entry.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn first_beyond(&self, version: u64) -> Result<Option<u64>> {
        let (folder, from) = (Path::from(paths::LOG), paths::log_entry(version));
        let names: Vec<_> = self.store.list_with_offset(Some(&folder), &from).try_collect().await?;
        Ok(names.iter().filter_map(|meta| paths::log_version(&meta.location)).filter(|v| *v > version).min())
    }

    /// The newest checkpoint that is not beyond `limit`.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn newest_checkpoint(&self, limit: Option<u64>) -> Result<Option<u64>> {
        let folder = Path::from(paths::CHECKPOINTS);
        let names: Vec<_> = self.store.list(Some(&folder)).try_collect().await?;
        Ok(names
            .iter()
            .filter_map(|meta| paths::checkpoint_version(&meta.location))
            .filter(|version| limit.is_none_or(|limit| *version <= limit))
            .max())
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// When storage fails, or the checkpoint cannot be read or is of a later format.
    pub async fn read_checkpoint(&self, version: u64) -> Result<State> {
        let path = paths::checkpoint(version);
        let packed = self.store.get(&path).await?.bytes().await?;
        let damaged =
            |e: &dyn std::fmt::Display| StorageError::damaged(format!("the checkpoint {path} cannot be read ({e})"));
        let bytes = zstd::stream::decode_all(&packed[..]).map_err(|e| damaged(&e))?;
        // The format comes first: the rest may be of a form that only a newer program knows.
        let Format { format } = serde_json::from_slice(&bytes).map_err(|e| damaged(&e))?;
        readable(&format!("checkpoint {path}"), format)?;
        serde_json::from_slice(&bytes).map_err(|e| damaged(&e))
    }

    /// Writes a checkpoint. It changes no meaning: whoever writes it first or again writes the same.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn write_checkpoint(&self, version: u64, state: &State) -> Result<()> {
        let bytes = serde_json::to_vec(state)
            .map_err(|e| StorageError::internal(format!("a checkpoint could not be written ({e})")))?;
        let packed = zstd::stream::encode_all(&bytes[..], 3)?;
        self.store.put(&paths::checkpoint(version), PutPayload::from(packed)).await?;
        Ok(())
    }
}

/// What every entry and checkpoint says first of itself.
#[derive(serde::Deserialize)]
struct Format {
    #[serde(default)]
    format: u32,
}

fn readable(what: &str, format: u32) -> Result<()> {
    if format < FIRST_FORMAT {
        return Err(StorageError::invalid(format!(
            "the {what} has format {format}, from before the format was settled; take the packets that it was made of \
             into a new archive"
        )));
    }
    if format > FORMAT {
        return Err(StorageError::invalid(format!(
            "the {what} has format {format}, this program reads up to {FORMAT}; use a newer noctuary"
        )));
    }
    Ok(())
}
