//! Bad input.

use serde::{Deserialize, Serialize};

/// One kind of bad input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// No bytes.
    Empty,
}
