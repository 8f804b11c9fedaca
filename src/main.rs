//! `pdr`: the personal-data registry, its server and its client commands in one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    registry::cli::main()
}
