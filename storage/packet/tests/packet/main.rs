//! The packet crate on real packets and on invented ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod any;
mod apart;
mod diff;
mod real;
mod sent;
mod shapes;
mod surveys;
