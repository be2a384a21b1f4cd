//! The catalogue, the functions and the light curve, over real and invented packets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod filters;
mod functions;
mod lightcurve;
mod plain;
mod support;
