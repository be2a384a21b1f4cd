//! Taking packets in.
//!
//! ```text
//! sources -> reader (thread)          pieces: files, tar members, container blocks
//!         -> examine (all cores)      frame, schema, walk, keys, SHA-256
//!         -> known (in order)         new, revision or duplicate
//!         -> build (cores)            packets taken apart: records, pieces, rests; columns; all as Parquet
//!         -> prove and put (cores)    every packet put together again from those files, and compared
//!         -> commit (in order)        one log entry: files, counts and source positions together
//! ```
//!
//! Each stage keeps the order of the one before, and a commit ends where the number of bytes says, so that a run that
//! was stopped and repeated makes the same commits as one that was not.

mod apart;
mod batch;
mod build;
mod builders;
mod examine;
mod item;
mod known;
mod packets;
mod pieces;
mod pipeline;
mod progress;
mod proof;
mod reader;
mod records;
mod resolve;
mod retry;
mod source;
mod stats;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;

use noctuary_packet::reason::Reason;
use noctuary_packet::schema::Schema;

pub(crate) use apart::TRIGGER;
pub(crate) use batch::TallyKey;
pub(crate) use packets::runs;
pub use pipeline::ingest;
pub use progress::Progress;
pub(crate) use records::digest;
pub(crate) use retry::Retry;
pub use source::Source;
pub(crate) use source::id_of_file;
pub(crate) use told::ledger_rows;

use crate::log::Counts;

/// How to take packets in.
#[derive(Debug, Clone)]
pub struct IngestOptions {
    /// The schema of datums without a frame. Without it they are quarantined: a datum can read cleanly under the
    /// wrong version, so it is never guessed.
    pub schema: Option<Arc<Schema>>,
    /// Transmitted bytes after which a commit is made.
    pub commit_bytes: usize,
    /// Cores to use.
    pub threads: usize,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self {
            schema: None,
            commit_bytes: 64 << 20,
            threads: std::thread::available_parallelism().map_or(2, usize::from),
        }
    }
}

/// What became of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Sums of the ledger rows that were written.
    pub counts: Counts,
    /// The newest version afterwards.
    pub version: u64,
    /// Commits made.
    pub commits: u64,
    /// Inputs read or found complete.
    pub sources: u64,
    /// Of these, inputs that the archive had got whole before.
    pub already: u64,
    /// Files in folders and tars that do not look like alerts and were not read.
    pub skipped: Vec<String>,
    /// Quarantined packets by reason.
    pub reasons: BTreeMap<Reason, u64>,
    /// Sources that could not be used at all, and why.
    pub refused_sources: Vec<(String, String)>,
}
