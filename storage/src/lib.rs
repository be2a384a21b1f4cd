//! The archive of alerts: what is kept, where, and how it gets there and back.
//!
//! One URL holds everything: a log whose entries are put where there was none, and Parquet files that the entries
//! name. See `docs/format.md` for what lies on disk.

pub mod access;
pub mod archive;
pub mod error;
pub mod location;
pub mod log;
pub mod paths;
pub mod snapshot;
pub mod tables;

pub use access::Access;
pub use archive::{Archive, Commit};
pub use error::{ErrorKind, Result, StorageError};
pub use location::Location;
pub use snapshot::Snapshot;
pub use tables::Table;
