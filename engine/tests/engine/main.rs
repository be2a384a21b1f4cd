//! SQL over small archives.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../../storage/tests/archive/make.rs"]
#[allow(dead_code, reason = "the makers are shared with the archive's own tests")]
mod make;

mod answers;
mod joins;
mod lamp;
mod pruning;
mod reads;
mod rights;
mod shape;
mod support;
mod words;
