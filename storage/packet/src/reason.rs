//! Why a packet was refused.

use std::fmt;

/// The kinds of bad input, as they are named in the quarantine and the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// No bytes.
    Empty,
    /// Neither a frame nor a container, and no schema was named for bare datums.
    NoFrame,
    /// A frame whose schema id nothing is known of.
    UnknownSchema,
    /// The schema in a container is not one that can be read.
    BadSchema,
    /// The header of a container cannot be read.
    BadHeader,
    /// A compression that is not one of null, deflate, snappy, zstandard.
    UnknownCodec,
    /// Compressed bytes that do not decompress, or whose checksum is wrong.
    Corrupt,
    /// The marker after a block is not the marker of the header.
    BadSync,
    /// The bytes end before the datum does.
    Truncated,
    /// The datum ends before the bytes do.
    TrailingBytes,
    /// A branch that the union does not have.
    UnionIndex,
    /// A count or length that is negative or larger than what is left.
    BadLength,
    /// A number that does not fit its type, or text that is not UTF-8.
    BadValue,
    /// Records nested deeper than any alert.
    TooDeep,
    /// Larger than the size limit.
    TooLarge,
    /// Read under the schema its frame names it makes no sense, and it does under another.
    WrongSchema,
    /// No survey's mapping recognises the schema.
    UnknownSurvey,
    /// The alert has no id.
    NoId,
    /// Valid, but not something that can be put in columns.
    NotColumns,
    /// The source ended or could not be read where a packet was expected.
    SourceBroken,
}

impl Reason {
    /// All of them, for help texts and tests.
    pub const ALL: [Self; 20] = [
        Self::Empty,
        Self::NoFrame,
        Self::UnknownSchema,
        Self::BadSchema,
        Self::BadHeader,
        Self::UnknownCodec,
        Self::Corrupt,
        Self::BadSync,
        Self::Truncated,
        Self::TrailingBytes,
        Self::UnionIndex,
        Self::BadLength,
        Self::BadValue,
        Self::TooDeep,
        Self::TooLarge,
        Self::WrongSchema,
        Self::UnknownSurvey,
        Self::NoId,
        Self::NotColumns,
        Self::SourceBroken,
    ];

    /// Its name in tables: `trailing-bytes`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NoFrame => "no-frame",
            Self::UnknownSchema => "unknown-schema",
            Self::BadSchema => "bad-schema",
            Self::BadHeader => "bad-header",
            Self::UnknownCodec => "unknown-codec",
            Self::Corrupt => "corrupt",
            Self::BadSync => "bad-sync",
            Self::Truncated => "truncated",
            Self::TrailingBytes => "trailing-bytes",
            Self::UnionIndex => "union-index",
            Self::BadLength => "bad-length",
            Self::BadValue => "bad-value",
            Self::TooDeep => "too-deep",
            Self::TooLarge => "too-large",
            Self::WrongSchema => "wrong-schema",
            Self::UnknownSurvey => "unknown-survey",
            Self::NoId => "no-id",
            Self::NotColumns => "not-columns",
            Self::SourceBroken => "source-broken",
        }
    }

    /// What can be done about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::NoFrame => "if it is a bare datum, ingest it again and name its schema: `--schema NAME`",
            Self::UnknownSchema => "`noctuary schema add FILE --id N`, then `noctuary quarantine retry --all`",
            Self::UnknownSurvey => "`noctuary survey add FILE`, then `noctuary quarantine retry --all`",
            Self::WrongSchema => "ask the sender which schema wrote it",
            Self::TooLarge => "`noctuary quarantine show ID` tells where it came from",
            Self::NotColumns | Self::BadSchema => "nothing: the schema has no form in columns; the bytes are kept",
            Self::Empty
            | Self::BadHeader
            | Self::Corrupt
            | Self::BadSync
            | Self::Truncated
            | Self::TrailingBytes
            | Self::SourceBroken => "fetch it again from where it came from",
            Self::UnknownCodec => "ask the sender for null, deflate, snappy or zstandard",
            Self::UnionIndex | Self::BadLength | Self::BadValue | Self::TooDeep | Self::NoId => {
                "`noctuary quarantine show ID` tells where it breaks; ask the sender"
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refused packet: what is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The kind.
    pub reason: Reason,
    /// In words; says what to do where something can be done.
    pub detail: String,
    /// Byte in the packet at which it shows.
    pub offset: Option<u64>,
    /// Label of the schema it was read with.
    pub schema: Option<String>,
    /// Path of the field.
    pub field: Option<String>,
}

impl Rejection {
    /// A rejection that has no place inside the packet.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), offset: None, schema: None, field: None }
    }

    /// Adds the byte at which it shows.
    #[must_use]
    pub fn at(mut self, offset: usize) -> Self {
        self.offset = Some(offset as u64);
        self
    }

    /// Adds the field.
    #[must_use]
    pub fn in_field(mut self, path: impl Into<String>) -> Self {
        self.field = Some(path.into());
        self
    }

    /// Adds the schema it was read with.
    #[must_use]
    pub fn under(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.detail)?;
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        if let Some(field) = &self.field {
            write!(f, ", field {field}")?;
        }
        if let Some(schema) = &self.schema {
            write!(f, ", schema {schema}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page of promises is what users read; the program says the same.
    #[test]
    fn the_page_of_promises_lists_every_reason_with_its_remedy() {
        let page = include_str!("../../../docs/promises.md");
        let rows = page.lines().filter(|line| line.starts_with("| `")).map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells[1], cells[3])
        });
        let mut listed: Vec<&str> = Vec::new();
        for (reasons, remedy) in rows {
            for name in reasons.split(", ").map(|name| name.trim_matches('`')) {
                let reason = Reason::ALL.into_iter().find(|r| r.as_str() == name);
                assert_eq!(reason.map(Reason::remedy), Some(remedy), "{name}");
                listed.push(name);
            }
        }
        let mut all = Reason::ALL.map(Reason::as_str).to_vec();
        listed.sort_unstable();
        all.sort_unstable();
        assert_eq!(listed, all);
    }
}
