//! Bad input of every kind that the archive has an answer to: what is to be refused, and for what reason, and what is
//! to be kept although it is odd.
//!
//! ```
//! use noctuary_simulator::hostile::{Answer, Kind};
//! use noctuary_simulator::{Plan, Simulation};
//!
//! let simulation = Simulation::new(Plan { nights: 1, ..Plan::default() })?;
//! let packet = simulation.packets().next().map(|packet| packet.bytes).unwrap_or_default();
//! let kind: Kind = "trailing-bytes".parse()?;
//! let damaged = kind.damage(&packet).ok_or("not a packet")?;
//! assert!(damaged.starts_with(&packet) && damaged.len() > packet.len());
//! assert!(matches!(kind.answer(), Answer::Refused(reason) if reason.as_str() == "trailing-bytes"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod datum;
mod files;

use std::fmt;
use std::str::FromStr;

use noctuary_packet::reason::Reason;
use noctuary_packet::survey::Flags;
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal => $answer:expr;)+) => {
        /// One kind of bad input.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $kind,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$kind),+];

            /// Its name on the command line and in plans: `trailing-bytes`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// What it is, in words.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Self::$kind => concat!($($doc),+).trim_ascii(),)+ }
            }

            /// What the archive has to answer.
            #[must_use]
            pub fn answer(self) -> Answer {
                match self { $(Self::$kind => $answer,)+ }
            }
        }
    };
}

/// What is to become of bad input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It goes to the quarantine.
    Refused(Reason),
    /// It is stored, and flagged as odd.
    Flagged(Flags),
}

use Answer::{Flagged, Refused};

kinds! {
    /// No bytes at all.
    Empty = "empty" => Refused(Reason::Empty);
    /// A datum without the frame that says which schema wrote it.
    NoFrame = "no-frame" => Refused(Reason::NoFrame);
    /// A container whose first bytes are not those of one.
    WrongMagic = "wrong-magic" => Refused(Reason::NoFrame);
    /// A frame with a schema id that nobody has given away.
    UnknownSchema = "unknown-schema" => Refused(Reason::UnknownSchema);
    /// A frame with the schema id of another version.
    WrongSchema = "wrong-schema" => Refused(Reason::WrongSchema);
    /// A datum that ends in the middle of a number.
    Truncated = "truncated" => Refused(Reason::Truncated);
    /// A datum that ends in the middle of an image.
    CutShort = "cut-short" => Refused(Reason::BadLength);
    /// Some bytes more than the datum has.
    TrailingBytes = "trailing-bytes" => Refused(Reason::TrailingBytes);
    /// A branch that its union does not have.
    UnionIndex = "union-index" => Refused(Reason::UnionIndex);
    /// A list of more items than any computer holds.
    HugeCount = "huge-count" => Refused(Reason::BadLength);
    /// A list of fewer items than none: the smallest number there is.
    NegativeCount = "negative-count" => Refused(Reason::BadLength);
    /// A value longer than the rest of the packet.
    HugeLength = "huge-length" => Refused(Reason::BadLength);
    /// A value of less than no bytes.
    NegativeLength = "negative-length" => Refused(Reason::BadLength);
    /// A number of more than 64 bits.
    BadNumber = "bad-number" => Refused(Reason::BadValue);
    /// Text that is not UTF-8.
    BadText = "bad-text" => Refused(Reason::BadValue);
    /// Records inside records, a thousand deep. An archive refuses their schema first, for `not-columns`.
    TooDeep = "too-deep" => Refused(Reason::TooDeep);
    /// A valid packet of more than 64 MiB.
    TooLarge = "too-large" => Refused(Reason::TooLarge);
    /// An alert whose id is null.
    NoId = "no-id" => Refused(Reason::NoId);
    /// A right ascension that is not a number.
    NanPosition = "nan-position" => Flagged(Flags::NO_POSITION);
    /// A declination beyond the pole.
    OffSky = "off-sky" => Flagged(Flags::POSITION_OUT_OF_RANGE);
    /// A time that is not a number.
    NanTime = "nan-time" => Flagged(Flags::NO_TIME);
    /// A time in a far century.
    ImpossibleTime = "impossible-time" => Flagged(Flags::TIME_IMPOSSIBLE);
    /// An alert whose id differs from that of its trigger.
    IdsDiffer = "ids-differ" => Flagged(Flags::IDS_DIFFER);
    /// A container whose header has no schema.
    BadHeader = "bad-header" => Refused(Reason::BadHeader);
    /// A container whose schema is none.
    BadSchema = "bad-schema" => Refused(Reason::BadSchema);
    /// A container with a compression that nobody knows.
    UnknownCodec = "unknown-codec" => Refused(Reason::UnknownCodec);
    /// A container whose block does not decompress.
    Corrupt = "corrupt" => Refused(Reason::Corrupt);
    /// A container whose block ends with another marker than its header.
    BadSync = "bad-sync" => Refused(Reason::BadSync);
    /// A container with a block of fewer records than none.
    BadBlock = "bad-block" => Refused(Reason::BadLength);
    /// A container of something that is no alert of any survey.
    UnknownSurvey = "unknown-survey" => Refused(Reason::UnknownSurvey);
    /// A container of alerts that no table can hold.
    NotColumns = "not-columns" => Refused(Reason::NotColumns);
    /// A gzip'd packet that ends too early.
    BrokenGzip = "broken-gzip" => Refused(Reason::SourceBroken);
}

impl Kind {
    /// The packet, damaged: the bytes of a message or a file. `None` if the packet is none of a known schema, or has
    /// nothing that could be damaged in this way.
    #[must_use]
    pub fn damage(self, packet: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Empty => Some(Vec::new()),
            Self::BadHeader
            | Self::BadSchema
            | Self::UnknownCodec
            | Self::Corrupt
            | Self::BadSync
            | Self::BadBlock
            | Self::WrongMagic
            | Self::UnknownSurvey
            | Self::NotColumns
            | Self::NoId
            | Self::TooDeep
            | Self::BrokenGzip => files::damaged(self, packet),
            _ => datum::damaged(self, packet),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no [`Kind`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of bad input; there are {names}", names = Kind::ALL.map(Kind::as_str).join(", "))]
pub struct UnknownKind(String);

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownKind(text.to_owned()))
    }
}
