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

/// A digest as a user wrote it: 64 hexadecimal digits.
fn digest(flag: &str, text: &str) -> Result<String, CliError> {
    let plain = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain {
        return Ok(text.to_ascii_lowercase());
    }
    let words = format!("{flag}: `{text}` is no SHA-256: 64 hexadecimal digits, as sha256sum says");
    Err(CliError::new(Exit::Usage, "bad_flag", words))
}
