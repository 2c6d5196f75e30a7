//! `fruitnode completion`: a script that lets a shell complete commands and flags.

use std::io::{self, Write, stdout};

use clap::{Command, CommandFactory};
use clap_complete::generate;

use crate::cli::args::{Cli, CompletionArgs};
use crate::cli::exit::Exit;
use crate::cli::message::CliError;

/// Prints the script.
pub(super) fn completion(args: &CompletionArgs) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    generate(args.shell, &mut visible(&Cli::command()), "fruitnode", &mut script);
    print(&script)
}

/// The command line without what users need not know: the generators leave nothing out themselves.
pub(super) fn visible(command: &Command) -> Command {
    let below = command.get_subcommands().filter(|below| !below.is_hide_set()).cloned();
    Command::new("fruitnode")
        .version(env!("CARGO_PKG_VERSION"))
        .about(command.get_about().cloned().unwrap_or_default())
        .after_help(command.get_after_help().cloned().unwrap_or_default())
        .propagate_version(true)
        .args(command.get_arguments().cloned())
        .subcommands(below)
}

/// Writes to standard output, where a reader that has seen enough is no fault.
pub(super) fn print(bytes: &[u8]) -> Result<Exit, CliError> {
    let mut out = stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::of(Exit::Failed, "storage_unavailable", &error))
        }
        _ => Ok(Exit::Done),
    }
}
