//! `fruitnode verify`: checks a result from its own files, and says what each check found.

use std::path::Path;

use crate::cli::args::{Format, TerminalArgs, VerifyArgs};
use crate::cli::exit::Exit;
use crate::cli::message::CliError;
use crate::verify::{self, Verdict};

/// Checks a result and prints every check.
#[allow(clippy::print_stdout, reason = "this is where the command speaks")]
pub fn verify(args: &VerifyArgs, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    let verdict = check(&args.out)?;
    match terminal.output {
        Format::Json => println!("{}", verdict.json()),
        Format::Table if terminal.quiet && verdict.passed() => {}
        Format::Table => print!("{}", verdict.table()),
    }
    if verdict.passed() { Ok(Exit::Done) } else { Ok(Exit::Failed) }
}

/// Checks a result.
pub fn check(out: &Path) -> Result<Verdict, CliError> {
    let folder = verify::Folder::open(out)
        .map_err(|error| CliError::of(Exit::NotFound, "input_missing", &error))?;
    Ok(verify::verify(&folder))
}
