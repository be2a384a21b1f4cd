//! The packet crate on real packets and on invented ones.

mod real;
