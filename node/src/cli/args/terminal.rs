//! The part of the command line that is about how a command speaks.

use std::path::PathBuf;

use clap::{Args, ColorChoice, ValueEnum};

/// How a command speaks.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TerminalArgs {
    /// Output format on standard output.
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub output: Format,
    /// Print only errors.
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Log more to standard error; repeat for even more. A running node logs at info level by
    /// default. RUST_LOG overrides this.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Format of log lines on standard error.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "text|json",
        hide_possible_values = true
    )]
    pub log_format: LogFormat,
    /// When to use colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
    /// Configuration file to use instead of ./fruitnode.toml.
    #[arg(short, long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Form of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// Form of what goes to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs: one JSON document with a `schema_version`.
    Json,
}
