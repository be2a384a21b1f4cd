//! What changes an archive: entries of its log, and the few that people ask for by name.

use std::sync::Arc;

use chrono::Utc;
use noctuary_packet::hash::PacketHash;
use noctuary_packet::schema::{RegistryId, Schema};
use noctuary_packet::survey::Survey;
use object_store::{ObjectStoreExt, PutPayload};

use super::{Archive, Commit};
use crate::as_of::AsOf;
use crate::error::{ErrorKind, Result, StorageError};
use crate::log::{Append, Entry, SchemaRecord, SurveyRecord};
use crate::snapshot::Snapshot;
use crate::{compact, delta, paths};

/// A checkpoint is written every so many versions.
const CHECKPOINT_EVERY: u64 = 64;

impl Archive {
    /// Puts an entry behind `base`.
    ///
    /// Files that the entry adds must have been put before. A conflict about a source is an error; any other commit
    /// in between is [`Commit::Overtaken`], and the caller looks whether the entry still holds.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Conflict`] if another ingester moved one of the entry's sources.
    pub async fn commit(&self, base: &Snapshot, mut entry: Entry) -> Result<Commit> {
        base.state.check(&entry)?;
        // Clocks of several machines differ; versions follow each other in time, so that a time names one.
        entry.at = base.versions().last().map_or(entry.at, |last| entry.at.max(last.at));
        let version = base.version() + 1;
        match self.log.append(version, &entry).await? {
            Append::Taken => {
                let newer = self.snapshot().await?;
                newer.state.check(&entry)?;
                Ok(Commit::Overtaken(newer))
            }
            Append::Written => {
                for file in &mut entry.add {
                    file.commit = version;
                }
                let mut snapshot = base.clone();
                let stepped = async {
                    self.step(&mut snapshot, version, entry).await?;
                    self.look_at_parts(snapshot).await
                };
                let snapshot = stepped
                    .await
                    .map_err(|e| e.during(format!("version {version} is committed, but could not be read back")))?;
                if version.is_multiple_of(CHECKPOINT_EVERY)
                    && let Err(e) = self.log.write_checkpoint(version, &snapshot.state).await
                {
                    // It only saves time; without it the log is read from further back.
                    tracing::warn!("no checkpoint of version {version}: {e}");
                }
                let mut newest = self.newest.lock().await;
                if newest.as_ref().is_none_or(|known| known.version() < version) {
                    *newest = Some(snapshot.clone());
                }
                drop(newest);
                if let Err(e) = delta::follow(self, &snapshot).await {
                    // The next commit makes up for it.
                    tracing::warn!("version {version} is committed, and is not published yet: {e}");
                }
                Ok(Commit::Done(snapshot))
            }
        }
    }

    /// Commits an entry that holds whatever anyone else does meanwhile.
    ///
    /// # Errors
    /// As [`Archive::commit`].
    pub async fn commit_always(&self, entry: Entry) -> Result<Snapshot> {
        let mut base = self.snapshot().await?;
        loop {
            match self.commit(&base, entry.clone()).await? {
                Commit::Done(snapshot) => return Ok(snapshot),
                Commit::Overtaken(newer) => base = newer,
            }
        }
    }

    /// Keeps the JSON of a schema and returns the record for a log entry.
    ///
    /// # Errors
    /// When storage fails.
    pub async fn keep_schema(&self, schema: &Schema, registry_id: Option<RegistryId>) -> Result<SchemaRecord> {
        let text = PacketHash::of(&[schema.json().as_bytes()]).to_hex();
        let fingerprint = schema.fingerprint().to_hex();
        let path = paths::schema(&fingerprint, &text);
        self.store().put(&path, PutPayload::from(schema.json().to_owned())).await?;
        Ok(SchemaRecord { fingerprint, path: path.to_string(), registry_id: registry_id.map(|id| id.0) })
    }

    /// Adds schemas, with the ids that frames use for them.
    ///
    /// # Errors
    /// When an id already means another structure, or storage fails.
    pub async fn add_schemas(&self, schemas: &[(Arc<Schema>, Option<RegistryId>)]) -> Result<Snapshot> {
        let mut known = (**self.snapshot().await?.schemas()).clone();
        let mut entry = Entry::new(Utc::now(), format!("{} schemas added", schemas.len()));
        for (schema, id) in schemas {
            if let Some(id) = id {
                known.add_with_id(*id, Arc::clone(schema))?;
            }
            entry.schemas.push(self.keep_schema(schema, *id).await?);
        }
        self.commit_always(entry).await
    }

    /// Adds a survey by its mapping file, or replaces the one of its name. Adding the same file again changes nothing.
    ///
    /// # Errors
    /// When the mapping is not valid, or fits alerts that another survey has stored: their packets would be stored
    /// again under its name, which P2 forbids. When storage fails.
    pub async fn add_survey(&self, mapping: &str) -> Result<Snapshot> {
        let survey = Survey::parse(mapping)?;
        let path = paths::survey(&survey.name, &PacketHash::of(&[mapping.as_bytes()]).to_hex());
        let snapshot = self.snapshot().await?;
        if snapshot.state.surveys.iter().any(|known| known.path == *path.as_ref()) {
            return Ok(snapshot);
        }
        for other in snapshot.survey_names().into_iter().filter(|name| *name != survey.name) {
            if let Some((schema, rows)) = snapshot.stored_schemas(&other).iter().find(|(s, _)| survey.recognises(s)) {
                return Err(StorageError::invalid(format!(
                    "the mapping fits {}, too, of which {rows} alerts are stored as survey {other:?}; name fields in \
                     [[recognise]] that only the alerts of {:?} have, or give the mapping the name {other:?} to \
                     replace that one",
                    schema.label(),
                    survey.name
                )));
            }
        }
        self.store().put(&path, PutPayload::from(mapping.to_owned())).await?;
        let mut entry = Entry::new(Utc::now(), format!("survey {} added", survey.name));
        entry.surveys.push(SurveyRecord { name: survey.name, path: path.to_string() });
        self.commit_always(entry).await
    }

    /// Undoes every commit after a version. Nothing is deleted: `snapshot_at` still shows what was.
    ///
    /// # Errors
    /// When there is no such version.
    pub async fn roll_back(&self, to: u64) -> Result<Snapshot> {
        let mut base = self.snapshot().await?;
        loop {
            let mut entry = Entry::new(Utc::now(), format!("rolled back to version {to}"));
            entry.rollback_to = Some(to);
            base.state.check(&entry)?;
            entry.sources = base.state.moves_back(&self.replay(to).await?.state);
            match self.commit(&base, entry).await {
                // What is published has no rows that are hidden.
                Ok(Commit::Done(snapshot)) if snapshot.publishes() => return compact::mend(self, snapshot).await,
                Ok(Commit::Done(snapshot)) => return Ok(snapshot),
                Ok(Commit::Overtaken(newer)) => base = newer,
                // An ingest went on meanwhile: what it did is undone as well.
                Err(e) if e.kind() == ErrorKind::Conflict => base = self.snapshot().await?,
                Err(e) => return Err(e),
            }
        }
    }

    /// Gives a version a name, or takes the name away.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Invalid`] if the name could be taken for a number or a time, or there is no such
    /// version.
    pub async fn tag(&self, name: &str, version: Option<u64>) -> Result<Snapshot> {
        let known = self.snapshot().await?;
        if version.is_some() {
            AsOf::check_tag(name)?;
        } else if !known.tags().contains_key(name) {
            return Err(StorageError::not_found(format!("no version is tagged {name:?}")));
        }
        let what = match version {
            Some(version) => format!("version {version} tagged {name}"),
            None => format!("tag {name} taken away"),
        };
        let mut entry = Entry::new(Utc::now(), what);
        entry.tags.insert(name.to_owned(), version);
        self.commit_always(entry).await
    }
}
