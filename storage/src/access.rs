//! Who may see what.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What a reader may see, by the labels that rows carry in `_rights`.
///
/// Every door takes one of these and filters before anything else is computed, so that neither a count nor an error
/// tells of rows behind it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Access {
    /// Every row: the operator.
    #[default]
    Everything,
    /// Rows with one of these labels.
    Labels(BTreeSet<String>),
}

impl Access {
    /// Rows that everybody may see.
    #[must_use]
    pub fn public() -> Self {
        Self::Labels(BTreeSet::from(["public".to_owned()]))
    }

    /// True if a row with this label may be seen. A row without label is seen by the operator only.
    #[must_use]
    pub fn allows(&self, label: Option<&str>) -> bool {
        match self {
            Self::Everything => true,
            Self::Labels(labels) => label.is_some_and(|l| labels.contains(l)),
        }
    }

    /// True if nothing is hidden.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!(self, Self::Everything)
    }
}

impl FromStr for Access {
    type Err = crate::error::StorageError;

    /// Reads `all`, or labels separated by commas: `public`, `public,partnership`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let labels: BTreeSet<String> =
            text.split(',').map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
        if labels.is_empty() {
            return Err(crate::error::StorageError::invalid(
                "no label of rights; write `all`, or labels such as `public,partnership`",
            ));
        }
        Ok(if labels.contains("all") { Self::Everything } else { Self::Labels(labels) })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("all"),
            Self::Labels(labels) => f.write_str(&labels.iter().map(String::as_str).collect::<Vec<_>>().join(",")),
        }
    }
}
