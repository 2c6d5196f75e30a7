//! `fruitnode config`: what is set, by whom, and whether a file is right.

use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use serde::Serialize;
use toml::de::DeValue;

use crate::cli::args::{Cli, Command, ConfigArgs, ConfigCommand, Format, ShowArgs, TerminalArgs};
use crate::cli::exit::Exit;
use crate::cli::layered::{self, Flag, Origin, TERMINAL};
use crate::cli::message::CliError;
use crate::cli::plain::plain_lines;
use crate::cli::prepare;
use crate::config::{self, Config, ConfigError, Kind, Layer, Places};

/// Where the comment begins that says whence a value comes.
const ORIGIN_COLUMN: usize = 44;

/// One setting, for programs.
#[derive(Debug, Serialize)]
struct Setting {
    table: String,
    key: String,
    /// In the words of the command line; `null` where nothing is set.
    value: Option<Vec<String>>,
    origin: &'static str,
    /// The environment variable, or `file:line`.
    place: Option<String>,
    #[serde(skip)]
    kind: Kind,
}

#[derive(Serialize)]
struct FileRead<'a> {
    layer: &'static str,
    path: &'a Path,
    read: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    files: &'a [FileRead<'a>],
    settings: &'a [Setting],
}

/// Does what is asked. `matches` are those of the whole command line.
pub(super) fn config(
    args: &ConfigArgs,
    terminal: &TerminalArgs,
    matches: &ArgMatches,
    config: &Config,
) -> Result<Exit, CliError> {
    match &args.command {
        ConfigCommand::Show(args) => show(args, terminal, matches, config),
        ConfigCommand::Validate(args) => validate(&args.file, terminal),
    }
}

/// The files that count for a command line, read and checked.
pub(super) fn load(named: Option<&Path>) -> Result<Config, CliError> {
    let command = Cli::command();
    let flags = layered::flags(&command);
    let known = layered::known(&flags);
    let config = Config::read(&Places::of_this_process(named), &known).map_err(trouble)?;
    for file in config.files() {
        layered::check(&command, &flags, file).map_err(trouble)?;
    }
    Ok(config)
}

fn trouble(error: ConfigError) -> CliError {
    let (exit, code) = match &error {
        ConfigError::Missing { .. } => (Exit::NotFound, "input_missing"),
        ConfigError::Unreadable { .. } => (Exit::Refused, "storage_refused"),
        _ => (Exit::Usage, "bad_config"),
    };
    CliError::of(exit, code, &error)
}

#[allow(clippy::print_stdout, reason = "this is where the command speaks")]
fn show(
    args: &ShowArgs,
    terminal: &TerminalArgs,
    matches: &ArgMatches,
    config: &Config,
) -> Result<Exit, CliError> {
    let settings = settings(matches, config);
    if terminal.output == Format::Table {
        print!("{}", plain_lines(&text(&settings, args.origin)));
        return Ok(Exit::Done);
    }
    let places = Places::of_this_process(terminal.config.as_deref());
    let read = |layer| config.files().iter().any(|file| file.layer == layer);
    let files: Vec<_> = places
        .iter()
        .map(|(layer, path)| FileRead { layer: layer.name(), path, read: read(layer) })
        .collect();
    let document = Document { schema_version: 1, files: &files, settings: &settings };
    let json = serde_json::to_string_pretty(&document);
    println!("{}", json.expect("paths are shown as text, and text is always JSON"));
    Ok(Exit::Done)
}

/// Every setting, by table: a command's own, and once for all what commands share.
fn settings(matches: &ArgMatches, config: &Config) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    for flag in layered::flags(&Cli::command()) {
        let shared = flag.tables.last().expect("every flag has a table").clone();
        let common = Flag { tables: vec![shared.clone()], ..flag.clone() };
        let (value, origin) = match said(matches, &flag) {
            Some(words) => (Some(words), Origin::Flag),
            None => common.layered(config),
        };
        if !settings.iter().any(|setting| setting.table == shared && setting.key == flag.key) {
            settings.push(setting(shared.clone(), &flag, value, origin));
        }
        // One command may have its own word on what others share.
        let own = flag.tables.first().expect("every flag has a table").clone();
        let (value, origin) = flag.layered(config);
        if own != shared && own_word(&flag, &own, config) {
            settings.push(setting(own, &flag, value, origin));
        }
    }
    settings.sort_by(|a, b| a.table.cmp(&b.table));
    settings
}

fn own_word(flag: &Flag, own: &str, config: &Config) -> bool {
    let shared = Flag { tables: flag.tables[1..].to_vec(), ..flag.clone() };
    flag.tables[0] == own && flag.layered(config) != shared.layered(config)
}

/// What the command line itself says: only of what all commands have, here.
fn said(matches: &ArgMatches, flag: &Flag) -> Option<Vec<String>> {
    let here = flag.tables == [TERMINAL];
    if !here || matches.value_source(&flag.id) != Some(ValueSource::CommandLine) {
        return None;
    }
    if flag.kind == Kind::Switch {
        return Some(vec!["true".to_owned()]);
    }
    if flag.kind == Kind::Number {
        let count = matches.get_count(&flag.id);
        return Some(vec![count.to_string()]);
    }
    let words = matches.get_raw(&flag.id)?;
    Some(words.map(|word| word.to_string_lossy().into_owned()).collect())
}

fn setting(table: String, flag: &Flag, value: Option<Vec<String>>, origin: Origin) -> Setting {
    let (origin, place) = match origin {
        Origin::Flag => ("flag", None),
        Origin::Environment(name) => ("environment", Some(name)),
        Origin::File(line) => ("file", Some(line.to_string())),
        Origin::Default => ("default", None),
    };
    Setting { table, key: flag.key.clone(), value, origin, place, kind: flag.kind }
}

/// As a file: what is not set stands there as a comment.
fn text(settings: &[Setting], origin: bool) -> String {
    let mut out = String::new();
    let mut table = "";
    for setting in settings {
        if setting.table != table {
            table = &setting.table;
            let gap = if out.is_empty() { "" } else { "\n" };
            out.push_str(&format!("{gap}[{table}]\n"));
        }
        let mut line = match &setting.value {
            None => format!("# {} =", setting.key),
            Some(words) => format!("{} = {}", setting.key, literal(setting.kind, words)),
        };
        if origin {
            let place = setting.place.as_deref().unwrap_or(setting.origin);
            line = format!("{line:<ORIGIN_COLUMN$} # {place}");
        }
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// A value as TOML.
fn literal(kind: Kind, words: &[String]) -> String {
    let quoted = |word: &String| toml::Value::String(word.clone()).to_string();
    let [word] = words else {
        let items: Vec<_> = words.iter().map(quoted).collect();
        return format!("[{}]", items.join(", "));
    };
    let number = DeValue::parse(word)
        .is_ok_and(|value| value.get_ref().is_integer() || value.get_ref().is_float());
    match kind {
        Kind::Switch => word.clone(),
        Kind::Number | Kind::Text if number => word.clone(),
        Kind::List => format!("[{}]", quoted(word)),
        Kind::Number | Kind::Text => quoted(word),
    }
}

/// Checks one file as if it were the only one.
#[allow(clippy::print_stdout, reason = "this is where the command speaks")]
fn validate(path: &Path, terminal: &TerminalArgs) -> Result<Exit, CliError> {
    let command = Cli::command();
    let flags = layered::flags(&command);
    let file = config::read(Layer::Named, path, &layered::known(&flags)).map_err(trouble)?;
    layered::check(&command, &flags, &file).map_err(trouble)?;
    let values = file.values().count();
    let config = Config::from(file);
    check_words(command, &flags, &config)?;
    match terminal.output {
        Format::Json => {
            let document = serde_json::json!({
                "schema_version": 1, "outcome": "valid", "file": path, "values": values,
            });
            println!("{document:#}");
        }
        Format::Table if terminal.quiet => {}
        Format::Table => println!("{}: valid ({values} values)", path.display()),
    }
    Ok(Exit::Done)
}

/// What only `run` understands, such as a share of the variance.
fn check_words(command: clap::Command, flags: &[Flag], config: &Config) -> Result<(), CliError> {
    let places = ["from", "to"];
    let words = ["fruitnode", "run", "--from=photographs", "--to=result"];
    let matches = layered::with_files(command, config).try_get_matches_from(words);
    let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches));
    let wrong = |words: String| CliError::new(Exit::Usage, "bad_config", words);
    let Command::Run(args) = cli.map_err(|error| wrong(layered::first_words(&error)))?.command
    else {
        return Ok(());
    };
    prepare::settings(&args).map(drop).map_err(|error| {
        let flags: Vec<_> = flags.iter().filter(|flag| flag.command == ["run"]).cloned().collect();
        error.blaming(&flags, &|flag| places.contains(&flag.key.as_str()), config)
    })
}
