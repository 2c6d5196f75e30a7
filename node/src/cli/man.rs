//! `fruitnode man`: the manual, from the same definition as the help.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::cli::args::{Cli, ManArgs};
use crate::cli::completion::{print, visible};
use crate::cli::exit::Exit;
use crate::cli::layered;
use crate::cli::message::CliError;

/// What introduces the examples and the exit codes in the help of a command.
const EXAMPLES: &str = "Examples:";
const EXIT_CODES: &str = "Exit codes:";

/// Every exit code, for commands whose help does not say more.
const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "Done."),
    ("1", "Failed, or a check does not hold."),
    ("2", "Wrong flags or settings."),
    ("3", "No coordinator, or no node at all, can be reached."),
    ("4", "Not permitted: permissions, credentials, certificates or tokens."),
    ("5", "Not found, or nothing to read."),
    ("6", "The target is not empty, or in use."),
    ("7", "More bad photographs than --max-bad allows."),
    ("124", "Timed out."),
    ("130", "Interrupted by Ctrl-C or a signal."),
];

/// A variable or a file, what it is for, and the flag without which it concerns no command.
type Entry = (&'static str, &'static str, Option<&'static str>);

const ENVIRONMENT: &[Entry] = &[
    ("RUST_LOG", "What to log, such as `debug` or `fruitnode=debug,aws=warn`.", None),
    ("NO_COLOR", "If set, colours are only used with --color always.", None),
    ("XDG_CONFIG_HOME", "Folder of the user's configuration, instead of ~/.config.", None),
    ("AWS_PROFILE, AWS_REGION, AWS_ACCESS_KEY_ID, ...", "As for every AWS tool.", Some("endpoint")),
    ("AWS_ENDPOINT_URL", "S3-compatible server to use instead of AWS.", Some("endpoint")),
    ("FRUITNODE_CACHE", "Folder for downloaded weights.", Some("weights")),
    ("HF_ENDPOINT, HF_TOKEN", "The model hub, and a token for it.", Some("weights")),
    ("HTTPS_PROXY, NO_PROXY", "Proxies for downloading weights.", Some("weights")),
];

const FILES: &[Entry] = &[
    ("./fruitnode.toml", "Settings of the project; --config names another file.", None),
    ("~/.config/fruitnode/config.toml", "Settings of the user.", None),
    ("/etc/fruitnode/config.toml", "Settings of the system.", None),
    ("~/.config/fruitnode/client", "The client certificate.", Some("certs-dir")),
    ("/var/lib/fruitnode", "Data directory of a node that root runs.", Some("data-dir")),
    ("~/.local/share/fruitnode", "Data directory of a node of another user.", Some("data-dir")),
    ("~/.cache/fruitnode", "Downloaded weights.", Some("weights")),
];

/// Prints the first page, or writes all of them.
pub(super) fn man(args: &ManArgs) -> Result<Exit, CliError> {
    let mut command = visible(&Cli::command()).disable_help_subcommand(true);
    command.build();
    let Some(dir) = &args.to else {
        let mut out = Vec::new();
        page(&command, &[], &mut out).expect("memory takes every page");
        return print(&out);
    };
    fs::create_dir_all(dir).and_then(|()| pages(&command, &[], dir)).map_err(|error| {
        let words =
            format!("cannot write the man pages to {}: {error}; name a folder", dir.display());
        CliError::new(Exit::Refused, "storage_refused", words)
    })?;
    Ok(Exit::Done)
}

/// Writes the page of a command, and those of the commands below it.
fn pages(command: &Command, path: &[String], dir: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        let path: Vec<_> = path.iter().cloned().chain([below.get_name().to_owned()]).collect();
        pages(below, &path, dir)?;
    }
    let name = Man::new(command.clone()).get_filename();
    let mut file = File::create(dir.join(name))?;
    page(command, path, &mut file)
}

fn page(command: &Command, path: &[String], out: &mut dyn Write) -> io::Result<()> {
    let man = Man::new(command.clone());
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    man.render_options_section(out)?;
    if command.has_subcommands() {
        man.render_subcommands_section(out)?;
    }
    out.write_all(sections(command, path).as_bytes())?;
    man.render_version_section(out)
}

/// What clap knows nothing of.
fn sections(command: &Command, path: &[String]) -> String {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (mut examples, mut codes, mut notes) = (None, None, Vec::new());
    for paragraph in help.split("\n\n") {
        if let Some(text) = paragraph.strip_prefix(EXAMPLES) {
            examples = Some(text.trim_matches('\n').to_owned());
        } else if let Some(text) = paragraph.strip_prefix(EXIT_CODES) {
            codes = Some(text.split_whitespace().collect::<Vec<_>>().join(" "));
        } else if !paragraph.trim().is_empty() {
            notes.push(paragraph);
        }
    }
    let mut out = String::new();
    if !notes.is_empty() {
        section(&mut out, "NOTES");
        verbatim(&mut out, &notes.join("\n\n"));
    }
    if let Some(examples) = examples {
        section(&mut out, "EXAMPLES");
        verbatim(&mut out, &examples);
    }
    section(&mut out, "EXIT STATUS");
    match codes {
        Some(codes) => _ = writeln!(out, "{}", escaped(&codes)),
        None => EXIT_STATUS.iter().for_each(|(code, words)| entry(&mut out, code, words)),
    }
    let flags = layered::flags(&Cli::command());
    let own: Vec<_> = flags.iter().filter(|flag| flag.command == path).collect();
    let concerns =
        |(_, _, flag): &&Entry| flag.is_none_or(|wanted| own.iter().any(|flag| flag.key == wanted));
    section(&mut out, "ENVIRONMENT");
    for flag in flags.iter().filter(|flag| flag.command == path) {
        if let Some(variable) = flag.variable() {
            entry(&mut out, &variable, &format!("Sets --{}.", flag.key));
        }
    }
    for (name, words, _) in ENVIRONMENT.iter().filter(concerns) {
        entry(&mut out, name, words);
    }
    section(&mut out, "FILES");
    for (name, words, _) in FILES.iter().filter(concerns) {
        entry(&mut out, name, words);
    }
    out
}

fn section(out: &mut String, name: &str) {
    let _ = writeln!(out, ".SH \"{name}\"");
}

/// A term and what it means.
fn entry(out: &mut String, term: &str, words: &str) {
    let _ = writeln!(out, ".TP\n\\fB{}\\fR\n{}", escaped(term), escaped(words));
}

/// Lines as they are.
fn verbatim(out: &mut String, text: &str) {
    out.push_str(".nf\n");
    for line in text.lines() {
        let _ = writeln!(out, "{}", escaped(line));
    }
    out.push_str(".fi\n");
}

/// Text in which roff sees no requests and no escapes.
fn escaped(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-");
    match escaped.starts_with(['.', '\'']) {
        true => format!("\\&{escaped}"),
        false => escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_roff_would_obey_is_escaped() {
        assert_eq!(escaped("./fruitnode.toml"), "\\&./fruitnode.toml");
        assert_eq!(escaped(r"a\b --to"), r"a\eb \-\-to");
    }

    #[test]
    fn every_exit_code_is_in_the_manual() {
        for code in [
            Exit::Done,
            Exit::Failed,
            Exit::Usage,
            Exit::Unreachable,
            Exit::Refused,
            Exit::NotFound,
            Exit::Conflict,
            Exit::TooManyBad,
            Exit::TimedOut,
            Exit::Interrupted,
        ] {
            let code = (code as u8).to_string();
            assert!(EXIT_STATUS.iter().any(|(known, _)| *known == code), "{code}");
        }
    }
}
