//! Errors of the archive, by what can be done about them.

use noctuary_packet::reason::Rejection;
use noctuary_packet::schema::{SchemaError, StoreError};
use noctuary_packet::survey::MappingError;

/// What the caller can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// What was asked for does not exist.
    NotFound,
    /// The request is at fault: change it.
    Invalid,
    /// Somebody else was faster: look at the archive again, then decide.
    Conflict,
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
pub struct StorageError {
    kind: ErrorKind,
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Results of this crate.
pub type Result<T, E = StorageError> = std::result::Result<T, E>;

impl StorageError {
    /// An error that nothing else caused.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// The request is at fault.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// It does not exist.
    #[must_use]
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// What lies in the archive is not what was put there.
    #[must_use]
    pub fn damaged(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Damaged, message)
    }

    /// A fault of this program.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// What the caller can do.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Says what was being done when it happened.
    #[must_use]
    pub fn during(mut self, what: impl std::fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl From<object_store::Error> for StorageError {
    fn from(error: object_store::Error) -> Self {
        let kind = match &error {
            object_store::Error::NotFound { .. } => ErrorKind::NotFound,
            object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } => ErrorKind::Conflict,
            object_store::Error::InvalidPath { .. } => ErrorKind::Invalid,
            _ => ErrorKind::Unavailable,
        };
        Self { kind, message: format!("storage: {error}"), source: Some(Box::new(error)) }
    }
}

impl From<parquet::errors::ParquetError> for StorageError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        let parquet::errors::ParquetError::External(source) = error else {
            return Self { kind: ErrorKind::Damaged, message: error.to_string(), source: Some(Box::new(error)) };
        };
        // It came from storage, through the reader.
        let source = match source.downcast::<Self>() {
            Ok(ours) => return *ours,
            Err(other) => other,
        };
        match source.downcast::<object_store::Error>() {
            // The log names it: a file that is not there has been lost.
            Ok(error) => match Self::from(*error) {
                missing if missing.kind == ErrorKind::NotFound => Self { kind: ErrorKind::Damaged, ..missing },
                other => other,
            },
            Err(other) => Self { kind: ErrorKind::Unavailable, message: other.to_string(), source: Some(other) },
        }
    }
}

impl From<arrow::error::ArrowError> for StorageError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self { kind: ErrorKind::Internal, message: error.to_string(), source: Some(Box::new(error)) }
    }
}

impl From<std::io::Error> for StorageError {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::PermissionDenied => ErrorKind::Invalid,
            _ => ErrorKind::Unavailable,
        };
        Self { kind, message: error.to_string(), source: Some(Box::new(error)) }
    }
}

impl From<Rejection> for StorageError {
    fn from(rejection: Rejection) -> Self {
        Self { kind: ErrorKind::Damaged, message: rejection.to_string(), source: None }
    }
}

macro_rules! users_mistake {
    ($($error:ty),*) => {$(
        impl From<$error> for StorageError {
            fn from(error: $error) -> Self {
                Self { kind: ErrorKind::Invalid, message: error.to_string(), source: Some(Box::new(error)) }
            }
        }
    )*};
}
users_mistake!(SchemaError, StoreError, MappingError, url::ParseError);

impl From<tokio::task::JoinError> for StorageError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self { kind: ErrorKind::Internal, message: format!("a worker ended early ({error})"), source: None }
    }
}
