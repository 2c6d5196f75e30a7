//! From the words of the command line to what a command is started with: the words are read once to
//! find the configuration files, and again with what these say.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{ArgMatches, ColorChoice, CommandFactory, FromArgMatches};

use fruitnode_vision::suspect::DECODE_ONE;

use crate::cli::args::{Cli, Format, LogFormat, Sse, TerminalArgs};
use crate::cli::exit::Exit;
use crate::cli::hints;
use crate::cli::layered::{self, Flag};
use crate::cli::message::CliError;
use crate::config::Config;

/// Flags of `run` that a node of a cluster has for itself, by their ids.
const NODES_OWN: [&str; 11] = [
    "allow_http",
    "batch",
    "endpoint",
    "no_sign_request",
    "path_style",
    "profile",
    "region",
    "request_payer",
    "sse",
    "sse_kms_key_id",
    "threads",
];

/// What a command is started with.
#[derive(Debug)]
pub(super) struct Started {
    /// What was asked for.
    pub(super) cli: Cli,
    /// The same as clap sees it, which tells what was given on the command line.
    pub(super) matches: ArgMatches,
    /// The configuration files.
    pub(super) config: Config,
}

impl Started {
    /// With the words of this process. Ends it where clap does: for help, and for wrong flags.
    pub(super) fn from_process() -> Result<Self, (CliError, TerminalArgs)> {
        let words: Vec<OsString> = std::env::args_os().collect();
        let color = said_color(&words).unwrap_or(ColorChoice::Auto);
        let command = || layered::with_environment(Cli::command());
        // Help and version are clap's own affair, and show the defaults of the program.
        let first = command().color(color).ignore_errors(true).try_get_matches_from(&words);
        let first = first.unwrap_or_else(|error| error.exit());
        let terminal = || TerminalArgs::from_arg_matches(&first).unwrap_or_else(|_| plain());
        let config = match wants_config(&first) {
            true => super::config::load(terminal().config.as_deref()),
            false => Ok(Config::default()),
        };
        let config = config.map_err(|error| (error, terminal()))?;
        let mut command = layered::with_files(command(), &config);
        command = command.color(said_color(&words).unwrap_or_else(|| color_of(&config)));
        let matches = command.clone().try_get_matches_from(&words);
        let matches = matches.unwrap_or_else(|error| refuse(&error, &words, &config));
        let cli = Cli::from_arg_matches(&matches);
        let mut cli =
            cli.unwrap_or_else(|error| refuse(&error.format(&mut command), &words, &config));
        if let Err(error) = settle(&mut cli.terminal, &matches) {
            return Err((error, cli.terminal));
        }
        Ok(Self { cli, matches, config })
    }

    /// Refuses a key for an encryption that takes none.
    pub(super) fn contradiction(&self) -> Option<CliError> {
        let mut matches = &self.matches;
        while let Some((_, below)) = matches.subcommand() {
            matches = below;
        }
        let sse = matches.try_get_one::<Sse>("sse").ok().flatten();
        let key = matches.try_get_one::<String>("sse_kms_key_id").ok().flatten();
        let both = sse == Some(&Sse::Aes256) && key.is_some();
        let words = "--sse-kms-key-id cannot be used with --sse AES256, only with --sse aws:kms: \
                     remove one of the two";
        both.then(|| CliError::new(Exit::Usage, "bad_flag", words))
    }

    /// Refuses what was typed for a job of the cluster and has its place on the nodes: whoever
    /// types it would think that it counts.
    pub(super) fn without_effect(&self) -> Option<CliError> {
        let Some(("job", job)) = self.matches.subcommand() else { return None };
        let Some((command @ ("submit" | "transform"), flags)) = job.subcommand() else {
            return None;
        };
        let typed = |id: &&'static str| flags.value_source(id) == Some(ValueSource::CommandLine);
        // A look is made here, and weights on S3 are read here to know them by their digest.
        let weights = flags.try_get_one::<PathBuf>("weights").ok().flatten();
        let of_s3 = weights.is_some_and(|weights| weights.to_string_lossy().contains("://"));
        if flags.get_flag("dry_run") || of_s3 {
            return None;
        }
        let flag = NODES_OWN.into_iter().find(typed)?.replace('_', "-");
        let words = format!(
            "--{flag} has no effect on `job {command}`: each node uses its own setting. Set it \
             when starting the nodes (`fruitnode start --{flag} …`, or in their configuration), \
             and omit it here"
        );
        Some(CliError::new(Exit::Usage, "bad_flag", words))
    }

    /// Says of a mistake that is not on the command line where it is.
    pub(super) fn blame(&self, error: CliError) -> CliError {
        let mut path = Vec::new();
        let mut matches = &self.matches;
        while let Some((name, below)) = matches.subcommand() {
            path.push(name.to_owned());
            matches = below;
        }
        let flags = layered::flags(&Cli::command());
        let flags: Vec<_> = flags.into_iter().filter(|flag| flag.command == path).collect();
        let given = |flag: &Flag| matches.value_source(&flag.id) == Some(ValueSource::CommandLine);
        error.blaming(&flags, &given, &self.config)
    }
}

/// Whether the command heeds configuration files. One that checks a file must not fail over
/// another, and a child that decodes must not depend on where it is started.
fn wants_config(matches: &ArgMatches) -> bool {
    match matches.subcommand() {
        Some(("config", below)) => below.subcommand_name() != Some("validate"),
        Some((name, _)) => ![DECODE_ONE, "completion", "man"].contains(&name),
        None => false,
    }
}

/// Ends the process with what clap says, and with the place of what is not on the command line.
#[allow(clippy::print_stderr, reason = "this is where the command speaks")]
fn refuse(error: &clap::Error, words: &[OsString], config: &Config) -> ! {
    let values = [ErrorKind::InvalidValue, ErrorKind::ValueValidation];
    let flags = layered::flags(&Cli::command());
    let refused = error.get(ContextKind::InvalidValue).map(ToString::to_string);
    // What the command line says itself is not to be found elsewhere.
    let given = |flag: &Flag| flag.layered(config).0.map(|words| words.join(" ")) != refused;
    match hint(error) {
        // What clap takes for similar would only lead astray.
        Some(hint) => eprintln!("{}\n\n  tip: {hint}", clap_words(error)),
        None => _ = error.print(),
    }
    let mut message = match error.kind() {
        // What clap says is the whole help.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a subcommand is missing: --help lists them".to_owned()
        }
        _ => layered::first_words(error),
    };
    if values.contains(&error.kind()) {
        let note = layered::blame(&message, &flags, &given, config);
        if let Some(note) = note.strip_prefix("; ") {
            eprintln!("note: {note}");
        }
        message.push_str(&note);
    }
    let json = said_output(words).or_else(|| setting("output", config));
    if error.use_stderr() && json.as_deref() == Some("json") {
        CliError::new(Exit::Usage, "bad_flag", message).show_json();
    }
    std::process::exit(error.exit_code());
}

/// How it is called here what somebody typed.
fn hint(error: &clap::Error) -> Option<&'static str> {
    let said = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    match error.kind() {
        ErrorKind::UnknownArgument => hints::argument(said(ContextKind::InvalidArg)?),
        ErrorKind::InvalidSubcommand => hints::command(said(ContextKind::InvalidSubcommand)?),
        ErrorKind::InvalidValue => {
            hints::value(said(ContextKind::InvalidArg)?, said(ContextKind::InvalidValue)?)
        }
        _ => None,
    }
}

/// The first line of what clap says.
fn clap_words(error: &clap::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Of silence and talk the one counts that was said closer to the command.
fn settle(terminal: &mut TerminalArgs, matches: &ArgMatches) -> Result<(), CliError> {
    if !terminal.quiet || terminal.verbose == 0 {
        return Ok(());
    }
    let (quiet, verbose) = (matches.value_source("quiet"), matches.value_source("verbose"));
    if quiet == verbose {
        let words = "--quiet and --verbose contradict each other: remove one of the two";
        return Err(CliError::new(Exit::Usage, "bad_flag", words));
    }
    if quiet < verbose {
        terminal.quiet = false;
    } else {
        terminal.verbose = 0;
    }
    Ok(())
}

fn plain() -> TerminalArgs {
    TerminalArgs {
        output: Format::Table,
        quiet: false,
        verbose: 0,
        color: ColorChoice::Auto,
        config: None,
        log_format: LogFormat::Text,
    }
}

/// The choice of colour, before the command line is parsed: the messages of the parser need it.
fn said_color(words: &[OsString]) -> Option<ColorChoice> {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let after = words.iter().position(|word| word == "--color").and_then(|at| words.get(at + 1));
    let word = words.iter().find_map(|word| word.strip_prefix("--color="));
    color(word.or_else(|| after.map(AsRef::as_ref))?)
}

/// The same from the environment or the files.
fn color_of(config: &Config) -> ColorChoice {
    setting("color", config).and_then(|word| color(&word)).unwrap_or(ColorChoice::Auto)
}

/// The form of the result, on a command line that cannot be parsed.
fn said_output(words: &[OsString]) -> Option<String> {
    let words: Vec<_> = words.iter().skip(1).map(|word| word.to_string_lossy()).collect();
    let flags = words.iter().position(|word| word == "--").unwrap_or(words.len());
    let said = |at: usize| -> Option<String> {
        let word = &words[at];
        let value = match (word.strip_prefix("--output"), word.strip_prefix('-')) {
            (Some(value), _) => value,
            // Beside the two short flags that take no value.
            (None, Some(short)) => short.trim_start_matches(['q', 'v']).strip_prefix('o')?,
            (None, None) => return None,
        };
        match value.strip_prefix('=').unwrap_or(value) {
            "" => words.get(at + 1).map(|word| word.clone().into_owned()),
            value => Some(value.to_owned()),
        }
    };
    (0..flags).rev().find_map(said)
}

/// A setting of all commands, from the environment, the files or the defaults.
fn setting(key: &str, config: &Config) -> Option<String> {
    let flags = layered::flags(&Cli::command());
    let flag = flags.iter().find(|flag| flag.key == key)?;
    flag.layered(config).0?.into_iter().next()
}

fn color(word: &str) -> Option<ColorChoice> {
    match word {
        "always" => Some(ColorChoice::Always),
        "never" => Some(ColorChoice::Never),
        "auto" => Some(ColorChoice::Auto),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_is_found_in_both_spellings() {
        let said = |words: &[&str]| said_color(&words.iter().map(Into::into).collect::<Vec<_>>());
        assert_eq!(said(&["fruitnode", "--color", "never", "run"]), Some(ColorChoice::Never));
        assert_eq!(said(&["fruitnode", "run", "--color=always"]), Some(ColorChoice::Always));
        assert_eq!(said(&["fruitnode", "run", "--color"]), None);
    }

    #[test]
    fn the_form_of_the_result_is_found_on_any_command_line() {
        for (line, found) in [
            ("run -o json --nonsense", Some("json")),
            ("-ojson run", Some("json")),
            ("run -qo json", Some("json")),
            ("run -vvo=json", Some("json")),
            ("run --output json", Some("json")),
            ("run --output=table -o json", Some("json")),
            ("run --output=table", Some("table")),
            ("run -o", None),
            ("run --from -overnight", Some("vernight")),
            ("run -- -o json", None),
            ("run --nonsense", None),
        ] {
            let words = std::iter::once("fruitnode").chain(line.split(' '));
            let said = said_output(&words.map(Into::into).collect::<Vec<_>>());
            assert_eq!(said.as_deref(), found, "{line}");
        }
    }
}
