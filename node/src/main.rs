//! The `fruitnode` binary: everything is in the library, so that tests can reach it.

use std::process::ExitCode;

use tikv_jemallocator::Jemalloc;

/// The buffers of a partition are large, short-lived and of uneven sizes. With glibc and mimalloc
/// ten times the photographs took a quarter more memory; with jemalloc they take the same.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    fruitnode::main().into()
}
