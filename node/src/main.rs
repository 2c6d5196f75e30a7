//! The `fruitnode` binary: everything is in the library, so that tests can reach it.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// The buffers of a partition are large, short-lived and of uneven sizes; glibc keeps them.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    fruitnode::cli::main().into()
}
