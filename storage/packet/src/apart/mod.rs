//! Taking packets apart, and putting them together again byte for byte.
//!
//! A packet repeats what earlier packets held: the history of its object, forced photometry, and inside its images the
//! star image of a visit and detector. [`take_apart`] cuts these out of a datum and leaves the rest, with the places
//! of the holes; [`Rebuild`] fills them again. Records that were cut out become rows by [`Decoder::exact`] and bytes
//! again by [`RecordEncoder`]; images are cut further by [`fits::pieces`],
//! and unpacked before by [`gzip::unpack`]. A [`Recipe`] says what of all that fills
//! the holes of one packet.
//!
//! Nothing here trusts itself: whoever takes a packet apart rebuilds it and compares, and keeps the bytes where the
//! two differ. Writers may cut a list into blocks or write a number in more bytes than it needs; such a list is left
//! in the rest.
//!
//! [`Decoder::exact`]: crate::decode::Decoder::exact

mod anatomy;
mod encode;
pub mod fits;
pub mod gzip;
mod rebuild;
mod recipe;
mod take;

pub use anatomy::{Anatomy, RecordKind, RecordList};
pub use encode::RecordEncoder;
pub use rebuild::Rebuild;
pub use recipe::{Fill, Hole, Packing, Recipe, Run, Runs};
pub use take::{Apart, Cut, Part, take_apart};
