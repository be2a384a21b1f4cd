//! Errors of questions, by what can be done about them.

use arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError};
use datafusion::error::DataFusionError;
use noctuary_storage::{ErrorKind as StorageKind, StorageError};
use parquet::errors::ParquetError;

/// What the caller can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The question is at fault: change it.
    Invalid,
    /// What was asked for does not exist.
    NotFound,
    /// The question needs more memory, disk or time than it may have: narrow it, or give more.
    ResourcesExhausted,
    /// Storage did not answer or refused: try again later, or mend access.
    Unavailable,
    /// What lies in the archive is not what was put there: run `noctuary verify`.
    Damaged,
    /// A fault of this program.
    Internal,
}

/// An error with its kind and its story.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    kind: ErrorKind,
    message: String,
}

/// Results of this crate.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

impl EngineError {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The question is at fault.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// The question needs more than it may have.
    pub(crate) fn exhausted(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::ResourcesExhausted, message)
    }

    /// What the caller can do.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl From<StorageError> for EngineError {
    fn from(error: StorageError) -> Self {
        Self { kind: storage_kind(&error), message: error.to_string() }
    }
}

fn storage_kind(error: &StorageError) -> ErrorKind {
    match error.kind() {
        StorageKind::NotFound => ErrorKind::NotFound,
        StorageKind::Invalid => ErrorKind::Invalid,
        StorageKind::Conflict | StorageKind::Unavailable => ErrorKind::Unavailable,
        StorageKind::Damaged => ErrorKind::Damaged,
        StorageKind::Internal => ErrorKind::Internal,
    }
}

impl From<ArrowError> for EngineError {
    fn from(error: ArrowError) -> Self {
        Self { kind: arrow_kind(&error), message: plain(&error.to_string()) }
    }
}

impl From<DataFusionError> for EngineError {
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => Self::from(*inner),
            DataFusionError::Collection(mut several) if !several.is_empty() => Self::from(several.swap_remove(0)),
            DataFusionError::ArrowError(inner, _) => match *inner {
                ArrowError::ExternalError(source) => external(source),
                other => told(&DataFusionError::ArrowError(Box::new(other), None)),
            },
            DataFusionError::External(source) => external(source),
            DataFusionError::Shared(shared) => told(&shared),
            other => told(&other),
        }
    }
}

fn told(error: &DataFusionError) -> EngineError {
    let (kind, message) = (kind_of(error), plain(&error.strip_backtrace()));
    // The disk for what does not fit into memory has a limit too, and its error is one of input and output.
    if kind == ErrorKind::ResourcesExhausted || message.contains(DISK_FULL) {
        return EngineError::exhausted(format!("{TOO_MUCH}\n{message}"));
    }
    EngineError { kind, message }
}

const DISK_FULL: &str = "The used disk space during the spilling process has exceeded";

const TOO_MUCH: &str = "the question needs more memory than it may have; give it more with --memory, or ask for less: a \
                        smaller part of the sky, fewer nights, fewer columns";

fn external(source: Box<dyn std::error::Error + Send + Sync>) -> EngineError {
    let source = match source.downcast::<EngineError>() {
        Ok(ours) => return *ours,
        Err(other) => other,
    };
    let source = match source.downcast::<StorageError>() {
        Ok(ours) => return EngineError::from(*ours),
        Err(other) => other,
    };
    match source.downcast::<DataFusionError>() {
        Ok(inner) => EngineError::from(*inner),
        Err(other) => EngineError { kind: ErrorKind::Internal, message: plain(&other.to_string()) },
    }
}

fn kind_of(error: &DataFusionError) -> ErrorKind {
    match error.find_root() {
        DataFusionError::SQL(..)
        | DataFusionError::Plan(_)
        | DataFusionError::SchemaError(..)
        | DataFusionError::Configuration(_)
        | DataFusionError::NotImplemented(_)
        | DataFusionError::Execution(_) => ErrorKind::Invalid,
        DataFusionError::ArrowError(inner, _) => arrow_kind(inner),
        DataFusionError::ResourcesExhausted(_) => ErrorKind::ResourcesExhausted,
        DataFusionError::ObjectStore(inner) => store_kind(inner),
        DataFusionError::IoError(_) => ErrorKind::Unavailable,
        DataFusionError::ParquetError(inner) => parquet_kind(inner),
        _ => ErrorKind::Internal,
    }
}

/// A file that cannot be read is damaged, unless storage is what failed. A file that is not there is damage too: the
/// log says that it is.
pub(crate) fn parquet_kind(error: &ParquetError) -> ErrorKind {
    let ParquetError::External(source) = error else { return ErrorKind::Damaged };
    if let Some(error) = source.downcast_ref::<StorageError>() {
        return Some(storage_kind(error)).filter(|kind| *kind != ErrorKind::NotFound).unwrap_or(ErrorKind::Damaged);
    }
    if let Some(error) = source.downcast_ref::<object_store::Error>() {
        return store_kind(error);
    }
    // What unpacks pages has errors of its own.
    source.downcast_ref::<ParquetError>().map_or(ErrorKind::Damaged, parquet_kind)
}

fn store_kind(error: &object_store::Error) -> ErrorKind {
    match error {
        object_store::Error::NotFound { .. } => ErrorKind::Damaged,
        _ => ErrorKind::Unavailable,
    }
}

fn arrow_kind(error: &ArrowError) -> ErrorKind {
    match error {
        ArrowError::DivideByZero
        | ArrowError::ArithmeticOverflow(_)
        | ArrowError::CastError(_)
        | ArrowError::ParseError(_)
        | ArrowError::InvalidArgumentError(_)
        | ArrowError::ComputeError(_)
        | ArrowError::NotYetImplemented(_) => ErrorKind::Invalid,
        ArrowError::MemoryError(_) => ErrorKind::ResourcesExhausted,
        ArrowError::ParquetError(_) => ErrorKind::Damaged,
        ArrowError::IoError(..) => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    }
}

/// The names of classes that DataFusion and Arrow put before their messages mean nothing to whoever asked.
const CLASSES: [&str; 16] = [
    "Error during planning: ",
    "Schema error: ",
    "Execution error: ",
    "Arrow error: ",
    "SQL error: ",
    "Resources exhausted: ",
    "This feature is not implemented: ",
    "Invalid or Unsupported Configuration: ",
    "Parquet error: ",
    "External error: ",
    "External: ",
    "Object Store error: ",
    "Optimizer rule 'simplify_expressions' failed\ncaused by\n",
    "type_coercion\ncaused by\n",
    "Parser error: ",
    "Cast error: ",
];

pub(crate) fn plain(message: &str) -> String {
    let mut text = message.trim();
    while let Some(rest) = CLASSES.iter().find_map(|class| text.strip_prefix(class)) {
        text = rest;
    }
    text.trim_end_matches('.').to_owned()
}

/// The unknown column in an error, if that is what it is about.
pub(crate) fn unknown_column(error: &DataFusionError) -> Option<Column> {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => unknown_column(inner),
        DataFusionError::Collection(several) => several.iter().find_map(unknown_column),
        DataFusionError::Shared(inner) => unknown_column(inner),
        DataFusionError::SchemaError(inner, _) => match &**inner {
            SchemaError::FieldNotFound { field, .. } => Some(field.as_ref().clone()),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_parquet(source: impl std::error::Error + Send + Sync + 'static) -> ErrorKind {
        EngineError::from(DataFusionError::from(ParquetError::External(Box::new(source)))).kind()
    }

    #[test]
    fn an_outage_is_no_damage() {
        let path = || "alerts/lsst/1.parquet".to_owned();
        let gone = || object_store::Error::NotFound { path: path(), source: "none".into() };
        let slow = || object_store::Error::Generic { store: "S3", source: "503 slow down".into() };
        assert_eq!(of_parquet(slow()), ErrorKind::Unavailable);
        assert_eq!(of_parquet(StorageError::from(slow())), ErrorKind::Unavailable);
        assert_eq!(of_parquet(ParquetError::External(Box::new(slow()))), ErrorKind::Unavailable);
        assert_eq!(of_parquet(gone()), ErrorKind::Damaged);
        assert_eq!(of_parquet(StorageError::from(gone())), ErrorKind::Damaged);
        assert_eq!(of_parquet(StorageError::damaged("checksum")), ErrorKind::Damaged);
        let unpacked = std::io::Error::new(std::io::ErrorKind::InvalidData, "not zstd");
        assert_eq!(of_parquet(unpacked), ErrorKind::Damaged);
        let broken = DataFusionError::from(ParquetError::General("no footer".into()));
        assert_eq!(EngineError::from(broken).kind(), ErrorKind::Damaged);
        assert_eq!(EngineError::from(DataFusionError::from(slow())).kind(), ErrorKind::Unavailable);
    }
}
