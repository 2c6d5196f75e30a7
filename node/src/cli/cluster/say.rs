//! Where the cluster's commands speak and ask.

use std::io::{IsTerminal, Write, stderr, stdin};

use serde_json::Value;

use crate::cli::args::{Format, TerminalArgs};
use crate::cli::exit::Exit;
use crate::cli::message::CliError;
use crate::cli::plain::{plain, plain_json, plain_lines};

/// Says what a command found, in the form that was asked for.
#[allow(clippy::print_stdout, reason = "this is where the commands speak")]
pub(super) fn say(
    terminal: &TerminalArgs,
    json: impl FnOnce() -> Value,
    text: impl FnOnce() -> String,
) {
    match terminal.output {
        Format::Json => println!("{}", plain_json(&format!("{:#}", json()))),
        Format::Table if terminal.quiet => {}
        Format::Table => print!("{}", plain_lines(&text())),
    }
}

/// Says in a line what was done, or `{"outcome": …}` with more about it.
pub(super) fn done(terminal: &TerminalArgs, mut json: Value, words: &str) {
    if let Some(fields) = json.as_object_mut() {
        fields.insert("schema_version".to_owned(), 1.into());
    }
    say(terminal, || json, || format!("{words}\n"));
}

/// Tells people something beside the result.
#[allow(clippy::print_stderr, reason = "this is where the commands speak")]
pub(super) fn tell(terminal: &TerminalArgs, words: &str) {
    if !terminal.quiet {
        eprintln!("{}", plain_lines(words));
    }
}

/// Whether there is somebody to ask.
pub(super) fn somebody() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// Asks whether to go on: `yes` says so at once.
pub(super) fn confirm(question: &str, yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !somebody() {
        let words = format!("{question} Cannot ask without a terminal: confirm with --yes");
        return Err(CliError::new(Exit::Usage, "not_confirmed", words));
    }
    match ask(&format!("{question} [y/N] ")).trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(CliError::new(Exit::Interrupted, "not_confirmed", "nothing was changed")),
    }
}

/// Asks for a word; nothing if there is no answer.
#[allow(clippy::print_stderr, reason = "this is where the commands speak")]
pub(super) fn ask(question: &str) -> String {
    // Names of nodes and of the cluster are in it, which others chose.
    eprint!("{}", plain(question));
    let _ = stderr().flush();
    let mut line = String::new();
    // No answer is one: the caller goes the careful way.
    let _ = stdin().read_line(&mut line);
    line
}
