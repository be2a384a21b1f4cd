//! The program as it is used: the real binary, its output, its files and its exit codes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod ask;
mod compact;
mod demo;
mod keep;
mod killed;
mod parts;
mod purge;
mod replay;
mod rights;
mod serve;
mod simulate;
mod support;
