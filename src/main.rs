//! `pdr`: the personal-data registry, its server and its client commands in one binary.

use std::process::ExitCode;

/// A check makes a dozen small texts: this allocator takes half the time of the system's for them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    registry::cli::main()
}
