//! Alert packets, from transmitted bytes to columns.
//!
//! This crate is pure: it sees bytes and gives back bytes, values and Arrow batches. It never opens a file.
//!
//! ```
//! use noctuary_packet::frame;
//! use noctuary_packet::schema::{Schema, SchemaStore};
//! use noctuary_packet::walk::{Validate, walk};
//!
//! let schemas = SchemaStore::with_known();
//! let packet = [0, 0, 0, 4, 0x4d, 0xff];
//! let (id, datum) = frame::confluent(&packet)?;
//! let schema = schemas.by_id(id).expect("LSST 11.1 is known");
//! assert_eq!(schema.version(), Some("11.1"));
//! let refused = walk(schema, &packet[datum], &mut Validate).unwrap_err();
//! assert_eq!(refused.reason.as_str(), "truncated");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod apart;
pub mod blocks;
mod columns;
pub mod container;
pub mod cursor;
pub mod cutout;
pub mod decode;
pub mod frame;
pub mod hash;
pub mod id;
pub mod json;
pub mod reason;
pub mod schema;
pub mod slim;
pub mod survey;
pub mod time;
pub mod walk;

pub use columns::{Columns, nan_to_null};
