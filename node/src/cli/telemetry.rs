//! Logs on standard error: for whoever looks for a cause. What a user must know is said elsewhere,
//! but for what only the store of a result finds out.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::cli::args::TerminalArgs;

/// Starts logging: `RUST_LOG` decides, else `-v`.
pub(super) fn init(terminal: &TerminalArgs) {
    let level = match (terminal.quiet, terminal.verbose) {
        (true, _) => "error",
        // Whoever waits for a lock, or writes where nothing fences others off, must know.
        (false, 0) => "error,fruitnode::storage::s3=warn",
        (false, 1) => "fruitnode=info",
        (false, _) => "fruitnode=debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let color = match terminal.color {
        clap::ColorChoice::Always => true,
        clap::ColorChoice::Never => false,
        clap::ColorChoice::Auto => stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(color)
        .with_target(false)
        .init();
}
