//! The archive on a folder, in memory and on S3, with real packets and with bad ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod real;
mod support;
