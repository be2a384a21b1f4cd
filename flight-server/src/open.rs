//! Opening what a command works on.

use std::sync::Arc;

use noctuary_engine::{Engine, EngineOptions, Session, SessionOptions};
use noctuary_storage::{Access, Archive, Location};

use crate::config::Config;
use crate::error::Result;

/// Opens the archive, which must exist.
///
/// # Errors
/// When it does not.
pub async fn archive(config: &Config) -> Result<Archive> {
    Ok(Archive::open(Location::parse(&config.archive.value)?).await?)
}

/// Opens the archive, or makes an empty one.
///
/// # Errors
/// When storage fails.
pub async fn archive_or_new(config: &Config) -> Result<Archive> {
    Ok(Archive::open_or_create(Location::parse(&config.archive.value)?).await?)
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
