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

/// Plans are made of thousands of small pieces, and rows of large ones that come and go: the system's own allocator
/// spends a fifth of a short question on the first, and gives the second back to the system each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
