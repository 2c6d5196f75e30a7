//! Logs on standard error: for whoever looks for a cause. What a user must know is said elsewhere,
//! but for what only the store of a result finds out.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::cli::args::TerminalArgs;
use crate::cli::exit::Exit;
use crate::cli::message::CliError;
use crate::cli::screen::Screen;

/// The variable that decides what is logged.
const VARIABLE: &str = EnvFilter::DEFAULT_ENV;

/// Starts logging: `RUST_LOG` decides, else `-v`.
///
/// # Errors
/// When `RUST_LOG` says nothing that can be understood.
pub(super) fn init(terminal: &TerminalArgs) -> Result<(), CliError> {
    let level = match (terminal.quiet, terminal.verbose) {
        (true, _) => "error",
        // Whoever waits for a lock, or writes where nothing fences others off, must know.
        (false, 0) => "error,fruitnode::storage::s3=warn",
        (false, 1) => "fruitnode=info",
        (false, _) => "fruitnode=debug",
    };
    let filter = match std::env::var(VARIABLE) {
        Ok(words) if !words.trim().is_empty() => {
            EnvFilter::try_new(&words).map_err(|_| unclear(&words))?
        }
        Err(std::env::VarError::NotUnicode(words)) => {
            return Err(unclear(&words.to_string_lossy()));
        }
        Ok(_) | Err(std::env::VarError::NotPresent) => EnvFilter::new(level),
    };
    let color = match terminal.color {
        clap::ColorChoice::Always => true,
        clap::ColorChoice::Never => false,
        clap::ColorChoice::Auto => stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Screen)
        .with_ansi(color)
        .with_target(false)
        .init();
    Ok(())
}

fn unclear(words: &str) -> CliError {
    let words = format!(
        "{VARIABLE}: `{words}` does not say what to log: write a level such as `debug`, or \
         `fruitnode=debug,aws=warn`, or unset it"
    );
    CliError::new(Exit::Usage, "bad_flag", words)
}
