//! The `fruitnode` binary again, built where cargo tells this crate's tests its path.

use std::process::ExitCode;

fn main() -> ExitCode {
    fruitnode::main().into()
}
