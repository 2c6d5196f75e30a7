//! Logs on standard error: for whoever looks for a cause. What a user must know is said elsewhere,
//! but for what only the store of a result finds out.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::cli::args::{LogFormat, TerminalArgs};
use crate::cli::exit::Exit;
use crate::cli::message::CliError;
use crate::cli::screen::Screen;

/// The variable that decides what is logged.
const VARIABLE: &str = EnvFilter::DEFAULT_ENV;

/// Starts logging: `RUST_LOG` decides, else `-v`, else whether the command is a node.
///
/// # Errors
/// When `RUST_LOG` says nothing that can be understood.
pub(super) fn init(terminal: &TerminalArgs, is_node: bool) -> Result<(), CliError> {
    let level = level(terminal.quiet, terminal.verbose, is_node);
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
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Screen);
    match terminal.log_format {
        LogFormat::Text => lines.with_ansi(color).with_target(false).init(),
        LogFormat::Json => lines.with_ansi(false).json().flatten_event(true).init(),
    }
    Ok(())
}

fn level(quiet: bool, verbose: u8, is_node: bool) -> &'static str {
    match (quiet, verbose) {
        (true, _) => "error",
        // Nobody is there to ask a node that runs for weeks to say more about last night.
        (false, 0) if is_node => "warn,fruitnode=info",
        // Whoever waits for a lock, or writes where nothing fences others off, must know.
        (false, 0) => "error,fruitnode_storage::s3=warn",
        // Every crate of the program begins with this word.
        (false, 1) => "fruitnode=info",
        (false, _) => "fruitnode=debug",
    }
}

fn unclear(words: &str) -> CliError {
    let words = format!(
        "{VARIABLE}: `{words}` is not a valid log filter: set it to a level such as `debug`, or to \
         `fruitnode=debug,aws=warn`, or unset it"
    );
    CliError::new(Exit::Usage, "bad_flag", words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_tells_what_happens_and_a_command_what_fails() {
        assert_eq!(level(false, 0, true), "warn,fruitnode=info");
        assert!(level(false, 0, false).starts_with("error"));
        for is_node in [false, true] {
            assert_eq!(level(true, 0, is_node), "error");
            assert_eq!(level(false, 2, is_node), "fruitnode=debug");
        }
        for level in [level(false, 0, true), level(false, 1, false), level(true, 0, true)] {
            assert!(EnvFilter::try_new(level).is_ok(), "{level}");
        }
    }
}
