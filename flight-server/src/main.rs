//! The program `noctuary`.

use std::process::ExitCode;

fn main() -> ExitCode {
    noctuary::run()
}
