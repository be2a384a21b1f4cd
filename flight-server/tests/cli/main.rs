//! The program as it is used: the real binary, its output, its files and its exit codes.

mod ask;
mod demo;
mod keep;
mod serve;
mod support;
