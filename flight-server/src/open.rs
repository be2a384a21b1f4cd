//! Opening what a command works on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use noctuary_engine::{Engine, EngineOptions, Session, SessionOptions};
use noctuary_storage::{Access, Archive, AsOf, Location, Snapshot};

use crate::config::Config;
use crate::error::{Failure, Result};

/// Opens the archive, which must exist.
///
/// # Errors
/// When it does not.
pub async fn archive(config: &Config) -> Result<Archive> {
    Ok(Archive::open(location(config)?).await?)
}

/// Opens the archive, or makes an empty one.
///
/// # Errors
/// When storage fails.
pub async fn archive_or_new(config: &Config) -> Result<Archive> {
    Ok(Archive::open_or_create(location(config)?).await?)
}

fn location(config: &Config) -> Result<Location> {
    let place = config.archive.value.trim();
    if place.is_empty() {
        return Err(Failure::request(format!(
            "the archive has an empty name ({}); give --archive or NOCTUARY_ARCHIVE a folder or s3://BUCKET/PREFIX, or \
             leave both out",
            config.archive.origin
        )));
    }
    let location = Location::parse(place)?;
    match location.url().to_file_path() {
        // The URL of a folder ends with a slash, and a file is not found under such a name.
        Ok(path) => no_file(&path.components().collect::<PathBuf>()).map(|()| location),
        Err(()) => Ok(location),
    }
}

/// A folder for an archive, which need not be there yet.
///
/// # Errors
/// When it is a file.
pub fn folder(path: &Path) -> Result<Location> {
    no_file(path)?;
    Ok(Location::folder(path)?)
}

fn no_file(path: &Path) -> Result<()> {
    if path.exists() && !path.is_dir() {
        return Err(Failure::request(format!(
            "{} is a file, and an archive is a folder: name another; `noctuary ingest FILE` takes packets into it",
            path.display()
        )));
    }
    Ok(())
}

/// Opens the archive and its newest version for a reader, whose rights must mean something there.
///
/// # Errors
/// When there is no archive, or no survey gives a label of the rights.
pub async fn for_reader(config: &Config) -> Result<(Archive, Snapshot)> {
    let archive = archive(config).await?;
    let snapshot = archive.snapshot().await?;
    known_labels(&config.rights.value, &snapshot)?;
    Ok((archive, snapshot))
}

/// A label that no survey gives was most likely mistyped, and would show nothing without a word.
fn known_labels(access: &Access, snapshot: &Snapshot) -> Result<()> {
    let Access::Labels(labels) = access else { return Ok(()) };
    let surveys = snapshot.surveys().list();
    let known: BTreeSet<&str> = surveys.iter().flat_map(|s| s.rights.levels.iter().map(String::as_str)).collect();
    match labels.iter().find(|label| !known.contains(label.as_str())) {
        None => Ok(()),
        Some(label) => Err(Failure::request(format!(
            "no survey has the rights {label:?}; there are {}, and all",
            known.into_iter().collect::<Vec<_>>().join(", ")
        ))),
    }
}

/// An engine over the archive for a reader.
///
/// # Errors
/// As [`for_reader`] and [`engine`].
pub async fn reader_engine(config: &Config) -> Result<Engine> {
    engine(for_reader(config).await?.0, config)
}

/// An engine over an archive, with the functions of the sky.
///
/// # Errors
/// When its limits make no sense.
pub fn engine(archive: Archive, config: &Config) -> Result<Engine> {
    let options = noctuary_queries::with_functions(EngineOptions {
        memory_bytes: usize::try_from(config.memory.value.0).unwrap_or(usize::MAX),
        threads: config.threads.value,
        deadline: config.deadline.value.0,
        ..EngineOptions::default()
    });
    Ok(Engine::new(archive, options)?)
}

/// A session that sees what `access` allows, as of a version or now.
///
/// # Errors
/// When there is no such version.
pub async fn session(engine: &Engine, access: &Access, as_of: Option<&AsOf>) -> Result<Session> {
    let as_of = match as_of {
        Some(asked) => Some(engine.archive().version_of(asked).await?),
        None => None,
    };
    Ok(engine.session(SessionOptions { as_of, access: access.clone() }).await?)
}

/// The version that is asked for, the newest by default.
///
/// # Errors
/// When there is none.
pub async fn version(archive: &Archive, as_of: Option<&AsOf>) -> Result<Snapshot> {
    match as_of {
        Some(asked) => Ok(archive.snapshot_at(archive.version_of(asked).await?).await?),
        None => Ok(archive.snapshot().await?),
    }
}

/// Refuses a command that counts packets of all rights to whoever may not see all of them.
///
/// # Errors
/// When the rights in force are not all.
pub fn all_rights(config: &Config) -> Result<()> {
    let rights = &config.rights;
    if rights.value.is_everything() {
        return Ok(());
    }
    Err(Failure::request(format!(
        "this command tells of packets of all rights, and the rights in force are {} ({}): give --rights all if you \
         may see everything; `noctuary sql` counts what you may see",
        rights.value, rights.origin
    )))
}
