//! Opening what a command works on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use noctuary_engine::{Engine, EngineOptions, Session, SessionOptions};
use noctuary_storage::{Access, Archive, Location};

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

/// An engine over an archive, with the functions of the sky.
///
/// # Errors
/// When its limits make no sense.
pub fn engine(archive: Archive, config: &Config) -> Result<Engine> {
    let options = EngineOptions {
        memory_bytes: usize::try_from(config.memory.value.0).unwrap_or(usize::MAX),
        threads: config.threads.value,
        extend: vec![Arc::new(noctuary_queries::register)],
        ..EngineOptions::default()
    };
    Ok(Engine::new(archive, options)?)
}

/// A session that sees what `access` allows, as of a version or now.
///
/// # Errors
/// When there is no such version.
pub async fn session(engine: &Engine, access: &Access, as_of: Option<u64>) -> Result<Session> {
    Ok(engine.session(SessionOptions { as_of, access: access.clone() }).await?)
}

/// Archive, engine and session of the operator, for commands that ask one thing.
///
/// # Errors
/// As the three of them.
pub async fn operator_session(config: &Config) -> Result<Session> {
    let engine = engine(archive(config).await?, config)?;
    session(&engine, &Access::Everything, None).await
}
