//! The archive of alerts: what is kept, where, and how it gets there and back.
//!
//! One URL holds everything: a log whose entries are put where there was none, and Parquet files that the entries
//! name. See `docs/format.md` for what lies on disk.

pub mod access;
mod anchor;
pub mod archive;
mod as_of;
mod checksum;
pub mod compact;
pub mod copies;
mod delete;
pub mod delta;
pub mod error;
mod files;
pub mod footers;
pub mod index;
pub mod ingest;
mod lanes;
pub mod load;
pub mod location;
pub mod log;
mod meter;
pub mod mirror;
pub mod night;
pub mod packets;
mod parts;
pub mod paths;
pub mod purge;
pub mod quarantine;
mod range;
mod rows;
mod secret;
pub mod snapshot;
pub mod space;
pub mod state;
pub mod tables;
pub mod vacuum;
pub mod verify;
pub mod visible;

pub use access::Access;
pub use archive::{Archive, Commit};
pub use as_of::AsOf;
pub use error::{ErrorKind, Result, StorageError};
pub use location::Location;
pub use meter::Meter;
pub use rows::selected;
pub use snapshot::Snapshot;
pub use tables::Table;
pub use visible::{Shown, Visible};
