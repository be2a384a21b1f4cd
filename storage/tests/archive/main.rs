//! The archive on a folder, in memory and on S3, with real packets and with bad ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod apart;
mod bad_containers;
mod bad_input;
mod bad_sources;
mod compact;
mod crash;
mod delta;
mod dump;
mod faults;
mod fencing;
mod format;
mod invented;
mod load;
mod make;
mod mirror;
mod purge;
mod real;
mod rights;
mod s3;
mod schedules;
mod seen;
#[path = "../../packet/tests/packet/sent.rs"]
mod sent;
mod stores;
mod support;
mod versions;
