//! Every door of Noctuary: the command line and Arrow Flight.
//!
//! `noctuary help` is where to begin. This crate holds no astronomy and no storage: it reads what was asked, hands it to
//! the crates below, and shows what they say, with one exit code or gRPC status for each kind of failure.

mod bytesize;
mod cli;
mod config;
mod duration;
mod error;
mod flight;
mod image;
mod open;
mod output;
mod progress;

pub use cli::{run, run_with};
