//! The catalogue, the functions and the light curve, over real and invented packets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "../../../storage/tests/archive/make.rs"]
#[allow(dead_code, reason = "the makers are shared with the archive's own tests")]
mod make;

mod features;
mod filters;
mod functions;
mod lightcurve;
mod lists;
mod lookups;
mod named;
mod own_tables;
mod plain;
mod regions;
mod relations;
mod replay;
mod rubin;
mod science;
#[path = "../../../storage/packet/tests/packet/sent.rs"]
#[allow(dead_code, reason = "the reader of real packets is shared with the tests of packets")]
mod sent;
mod support;
