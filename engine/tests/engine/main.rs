//! SQL over small archives.

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
