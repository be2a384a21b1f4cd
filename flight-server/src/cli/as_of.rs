//! What every command that reads takes: the version that it reads.

use clap::Args;
use noctuary_storage::AsOf;

/// Which version of the archive is read.
#[derive(Debug, Clone, Default, Args)]
pub struct VersionArg {
    /// The archive as it was at a version: its number, a tag, or a time such as 2026-04-07T12:00:00Z (`noctuary
    /// versions` lists them) [default: the newest].
    #[arg(long, value_name = "VERSION")]
    pub as_of: Option<AsOf>,
}
