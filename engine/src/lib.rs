//! SQL over the archive.
//!
//! A [`Session`] sees one version of the archive with one reader's rights. It has a schema for each survey, with the
//! table `alerts` in the packet's own shape and with tables of the records that packets are made of (`sources`,
//! `forced`, `objects`, `ssobjects`) or go by the survey's own names, and the schema `archive` with what the archive knows of itself.
//!
//! ```no_run
//! # async fn ask(archive: noctuary_storage::Archive) -> noctuary_engine::Result<()> {
//! use noctuary_engine::{Engine, EngineOptions, SessionOptions};
//!
//! let engine = Engine::new(archive, EngineOptions::default())?;
//! let session = engine.session(SessionOptions::default()).await?;
//! let bright = session.plan("SELECT diaSourceId, diaSource.psfFlux FROM lsst.alerts WHERE diaSource.snr > 10").await?;
//! let mut rows = bright.execute().await?;
//! # Ok(()) }
//! ```

mod adapter;
mod aliases;
mod apart;
mod as_of;
mod assemble;
mod catalog;
mod clauses;
mod columns;
mod commits;
mod conditions;
mod convert;
mod copies;
mod deadline;
mod describe;
mod early;
mod engine;
mod error;
mod explain;
mod gather;
mod guard;
mod hints;
mod information;
mod kept;
mod lookup;
mod made;
mod meanings;
mod merge;
mod named;
mod names;
mod narrow;
mod objects;
mod patience;
mod plan;
mod pruning;
mod reader;
mod records;
mod regions;
mod relations;
mod runs;
mod session;
mod sky;
mod spelling;
mod sql;
mod state;
mod system;
mod table;
mod temporary;
mod views;
mod whole;

pub use engine::{Engine, EngineOptions, Extension, SessionOptions};
pub use error::{EngineError, ErrorKind, Result};
pub use plan::Planned;
pub use regions::{Extent, MakeExtent, Regions};
pub use relations::{Argument, Asked, Call, Given, Makes, NO_NUMBER, Parameter, Relation, Takes};
pub use session::Session;
pub use sky::{ANGULAR_DISTANCE, HEALPIX};
