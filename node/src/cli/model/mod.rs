//! `fruitnode model`: what weights and fitted models are, whether they are sound, and how to get
//! them.

mod inspect;
pub(super) mod pull;
mod verify;

use crate::cli::args::{ModelCommand, TerminalArgs};
use crate::cli::exit::Exit;
use crate::cli::message::CliError;

/// Does what was asked for.
pub(super) fn model(command: &ModelCommand, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    match command {
        ModelCommand::Inspect(args) => inspect::inspect(args, terminal),
        ModelCommand::Verify(args) => verify::verify(args, terminal),
        ModelCommand::Pull(args) => pull::pull(args, terminal),
    }
}
