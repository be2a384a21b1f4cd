//! Packets of the Zwicky Transient Facility.
mod digits;
mod schema;
mod stamps;
