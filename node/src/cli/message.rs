//! How a command that failed says so: one error in words on standard error, and a JSON document on
//! standard output for those who asked for one.

use std::error::Error;

use serde::Serialize;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::retry::FailureReason;

use crate::cli::args::{Format, TerminalArgs};
use crate::cli::exit::Exit;
use crate::cli::layered::{self, Flag};
use crate::cli::plain::{plain, plain_json};
use crate::config::Config;

/// Why a command failed.
#[derive(Debug)]
pub(super) struct CliError {
    exit: Exit,
    code: &'static str,
    words: String,
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    outcome: &'static str,
    code: &'a str,
    message: &'a str,
}

impl CliError {
    /// With an exit code and a stable code of its own.
    pub(super) fn new(exit: Exit, code: &'static str, words: impl Into<String>) -> Self {
        Self { exit, code, words: words.into() }
    }

    /// With the words of an error and of its causes.
    pub(super) fn of(exit: Exit, code: &'static str, error: &dyn Error) -> Self {
        // The reason is not used: only the words of the whole chain are.
        Self { exit, code, words: Failure::of(FailureReason::InvalidJob, error).words }
    }

    /// With more words at the end.
    pub(super) fn with(mut self, more: &str) -> Self {
        self.words.push_str(more);
        self
    }

    /// The exit code.
    #[cfg(test)]
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    /// What went wrong.
    pub(super) fn words(&self) -> &str {
        &self.words
    }

    /// Of wrong flags, with the places they come from; `given` tells which are on the command line.
    pub(super) fn blaming(
        mut self,
        flags: &[Flag],
        given: &dyn Fn(&Flag) -> bool,
        config: &Config,
    ) -> Self {
        if self.exit == Exit::Usage {
            self.words.push_str(&layered::blame(&self.words, flags, given, config));
        }
        self
    }

    /// Says it.
    #[allow(clippy::print_stdout, clippy::print_stderr, reason = "this is where a command speaks")]
    pub(super) fn show(&self, terminal: &TerminalArgs) -> Exit {
        // One line, whatever an expression's parser or a system's message brings along.
        let line = plain(&self.words.split_whitespace().collect::<Vec<_>>().join(" "));
        // Whoever interrupts a command is told what became of it: that is no error.
        match self.exit {
            Exit::Interrupted => eprintln!("{line}"),
            _ => eprintln!("error: {line}"),
        }
        if terminal.output == Format::Json {
            self.show_json();
        }
        self.exit
    }

    /// Says it to programs alone.
    #[allow(clippy::print_stdout, reason = "this is where a command speaks")]
    pub(super) fn show_json(&self) {
        let outcome = if self.exit == Exit::Interrupted { "interrupted" } else { "failed" };
        let document =
            Document { schema_version: 1, outcome, code: self.code, message: &self.words };
        let json = serde_json::to_string_pretty(&document);
        println!("{}", plain_json(&json.expect("strings are always JSON")));
    }
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        Self { exit: failure.reason.into(), code: failure.reason.code(), words: failure.words }
    }
}
