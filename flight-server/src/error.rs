//! How anything here fails, and what the caller of each door is told: an exit code or a gRPC status.

use std::fmt;
use std::process::ExitCode;

use noctuary_engine::EngineError;
use noctuary_packet::reason::Rejection;
use noctuary_storage::StorageError;

/// What the user can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request is at fault: change it.
    Request,
    /// What was asked for does not exist.
    NotFound,
    /// It was good once: ask anew.
    Expired,
    /// Somebody else was faster: start again.
    Conflict,
    /// It needs more memory or time than it may have.
    Exhausted,
    /// Storage or network did not answer: try again later.
    Unavailable,
    /// What lies in the archive is not what was put there.
    Damaged,
    /// A fault of this program.
    Internal,
    /// Whoever read our output has gone away, as `head` does: not a failure.
    Closed,
    /// Stopped by the user.
    Interrupted,
}

/// A failure with its kind, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What can be done about it.
    pub kind: Kind,
    /// What happened.
    pub message: String,
}

/// Results of this crate.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure of any kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The request is at fault.
    pub fn request(message: impl Into<String>) -> Self {
        Self::new(Kind::Request, message)
    }

    /// It does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, message)
    }

    /// A fault of this program.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// Says what was being done when it happened.
    pub fn during(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The exit code: 0 to 2 and 130 are those of most programs; `noctuary help` lists them.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Closed => 0,
            Kind::Request => 2,
            Kind::Interrupted => 130,
            _ => 1,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        use noctuary_storage::ErrorKind as Storage;
        let kind = match error.kind() {
            Storage::NotFound => Kind::NotFound,
            Storage::Invalid => Kind::Request,
            Storage::Conflict => Kind::Conflict,
            Storage::Unavailable => Kind::Unavailable,
            Storage::Damaged => Kind::Damaged,
            Storage::Internal => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        use noctuary_engine::ErrorKind as Engine;
        let kind = match error.kind() {
            Engine::Invalid => Kind::Request,
            Engine::NotFound => Kind::NotFound,
            Engine::ResourcesExhausted => Kind::Exhausted,
            Engine::Unavailable => Kind::Unavailable,
            Engine::Damaged => Kind::Damaged,
            Engine::Internal => Kind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<datafusion::error::DataFusionError> for Failure {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        EngineError::from(error).into()
    }
}

impl From<arrow::error::ArrowError> for Failure {
    fn from(error: arrow::error::ArrowError) -> Self {
        match error {
            arrow::error::ArrowError::IoError(_, source) => source.into(),
            other => Self::internal(other.to_string()),
        }
    }
}

impl From<parquet::errors::ParquetError> for Failure {
    fn from(error: parquet::errors::ParquetError) -> Self {
        match error {
            parquet::errors::ParquetError::External(source) => match source.downcast::<std::io::Error>() {
                Ok(io) => (*io).into(),
                Err(other) => Self::internal(other.to_string()),
            },
            other => Self::internal(other.to_string()),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::BrokenPipe => Kind::Closed,
            std::io::ErrorKind::NotFound => Kind::NotFound,
            std::io::ErrorKind::PermissionDenied => Kind::Request,
            _ => Kind::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<Rejection> for Failure {
    fn from(rejection: Rejection) -> Self {
        Self::new(Kind::Damaged, rejection.to_string())
    }
}

impl From<tokio::task::JoinError> for Failure {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::internal(format!("a worker ended early ({error})"))
    }
}

macro_rules! at_fault {
    ($($error:ty),* $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::request(error.to_string())
            }
        }
    )*};
}
at_fault!(noctuary_packet::schema::StoreError, noctuary_packet::schema::SchemaError);
