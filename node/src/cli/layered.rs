//! Every flag as a setting: what the command line does not say is taken from the environment, from
//! configuration files, and then from the defaults.
//!
//! There is no second list of flags. Tables, keys, types and the names of environment variables all
//! follow from clap's own definition, and what a file says becomes a default of that definition.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

use clap::builder::BoolishValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};

use crate::config::{Config, ConfigError, ConfigFile, Kind, Known, Line};

/// Flags that no file may set: one names the file, one would turn every run into none, one is a
/// secret, one would make all jobs the same, and the others are said for one time alone.
const IN_NO_FILE: [&str; 9] =
    ["config", "dry-run", "token", "id", "yes", "force", "unsafe", "undo", "watch"];

/// Flags without an environment variable: a place to write to that is inherited from somewhere
/// would surprise, and so would a consent. `--cluster` is a name for one command and a switch for
/// another.
const IN_NO_ENVIRONMENT: [&str; 9] =
    ["from", "to", "id", "yes", "force", "unsafe", "undo", "watch", "cluster"];

/// Flags that clap adds by itself.
const OF_CLAP: [&str; 2] = ["help", "version"];

/// Commands that take no settings.
const WITHOUT_SETTINGS: [&str; 4] = ["config", "completion", "man", "help"];

/// Headings of the help whose flags are the same for every command that has them, and so have a
/// table of their own.
const SHARED: [(&str, &str); 4] =
    [("Machine", "machine"), ("S3", "storage"), ("Node", "node"), ("Client", "client")];

/// The table of the flags that all commands have.
pub(super) const TERMINAL: &str = "terminal";

/// What is put before the name of a flag to name its environment variable.
const PREFIX: &str = "FRUITNODE_";

/// One flag of one command.
#[derive(Debug, Clone)]
pub(super) struct Flag {
    /// Its long name: the key in a file.
    pub(super) key: String,
    /// Its identifier in clap's matches.
    pub(super) id: String,
    /// The command, word by word; none for the flags of all commands.
    pub(super) command: Vec<String>,
    /// Tables where it may stand; the first counts most.
    pub(super) tables: Vec<String>,
    /// What its value may be.
    pub(super) kind: Kind,
    /// What it is without anyone's saying.
    pub(super) default: Option<Vec<String>>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The command line.
    Flag,
    /// An environment variable.
    Environment(String),
    /// A configuration file.
    File(Line),
    /// The program itself.
    Default,
}

impl Flag {
    /// Its environment variable, if it has one.
    pub(super) fn variable(&self) -> Option<String> {
        variable(&self.key)
    }

    /// What the environment or the files say, before the command line is heard.
    pub(super) fn layered(&self, config: &Config) -> (Option<Vec<String>>, Origin) {
        if let Some(name) = self.variable()
            && let Some(word) = set_variable(&name)
        {
            return (Some(vec![word.to_string_lossy().into_owned()]), Origin::Environment(name));
        }
        match config.find(&self.tables, &self.key) {
            Some((value, line)) => (Some(value.words.clone()), Origin::File(line)),
            None => (self.default.clone(), Origin::Default),
        }
    }
}

/// Every flag of every command that can be set outside the command line.
pub(super) fn flags(command: &Command) -> Vec<Flag> {
    let mut found = Vec::new();
    collect(command, &[], &mut found);
    found
}

/// The tables and keys that may stand in a file.
pub(super) fn known(flags: &[Flag]) -> Known {
    let mut known = Known::default();
    for flag in flags {
        for table in &flag.tables {
            known.add(table, &flag.key, flag.kind);
        }
    }
    known
}

/// The command line with what the files say as its defaults.
pub(super) fn with_files(command: Command, config: &Config) -> Command {
    for_each_arg(command, &[], &mut |path, arg| {
        let Some(key) = arg.get_long().filter(|key| settable(key)).map(str::to_owned) else {
            return arg;
        };
        match config.find(&tables(path, &arg), &key) {
            Some((value, _)) => {
                let words = value.words.iter().map(|word| &*word.clone().leak());
                arg.default_values(words.collect::<Vec<_>>()).required(false)
            }
            None => arg,
        }
    })
}

/// The command line with an environment variable for each flag.
pub(super) fn with_environment(command: Command) -> Command {
    for_each_arg(command, &[], &mut |_, mut arg| {
        let variable = arg.get_long().filter(|key| !OF_CLAP.contains(key)).and_then(variable);
        let Some(name) = variable.filter(|name| set_variable(name).is_some()) else { return arg };
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            // `1` and `yes` in the environment are as good as `true`.
            arg = arg.value_parser(BoolishValueParser::new());
        }
        arg.env(&*name.leak()).hide_env(true)
    })
}

/// Has clap look at every value of a file, as it would look at the flag's.
///
/// # Errors
/// The first value that it refuses.
pub(super) fn check(
    command: &Command,
    flags: &[Flag],
    file: &ConfigFile,
) -> Result<(), ConfigError> {
    for (table, key, value) in file.values() {
        let having = flags
            .iter()
            .find(|flag| flag.key == key && flag.tables.iter().any(|known| known == table));
        let Some(flag) = having.filter(|flag| flag.kind != Kind::Switch) else { continue };
        for word in &value.words {
            let words = std::iter::once("fruitnode".to_owned())
                .chain(flag.command.iter().cloned())
                .chain([format!("--{key}={word}")]);
            // Whatever else is missing from such a line is of no interest here.
            let Err(error) = command.clone().try_get_matches_from(words) else { continue };
            let refused = [ErrorKind::InvalidValue, ErrorKind::ValueValidation];
            if refused.contains(&error.kind()) {
                return Err(ConfigError::Value {
                    at: file.at(value),
                    table: table.to_owned(),
                    key: key.to_owned(),
                    words: first_words(&error),
                });
            }
        }
    }
    Ok(())
}

/// Names the environment variable or the line of a file from which a flag comes that these words
/// speak of: nobody looks for a mistake on a command line that holds none. `given` tells which of
/// the flags are on the command line.
pub(super) fn blame(
    words: &str,
    flags: &[Flag],
    given: &dyn Fn(&Flag) -> bool,
    config: &Config,
) -> String {
    let mut notes = BTreeMap::new();
    for flag in flags.iter().filter(|flag| names(words, &flag.key) && !given(flag)) {
        let place = match flag.layered(config).1 {
            Origin::Environment(name) => format!("the environment variable {name}"),
            Origin::File(line) => line.to_string(),
            Origin::Flag | Origin::Default => continue,
        };
        notes.insert(&flag.key, place);
    }
    notes.iter().map(|(key, place)| format!("; --{key} comes from {place}")).collect()
}

/// Says what clap says in one line.
pub(super) fn first_words(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let about = text.split("\n\nFor more information").next().unwrap_or(text);
    about.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn collect(command: &Command, path: &[String], found: &mut Vec<Flag>) {
    for arg in command.get_arguments() {
        let Some(key) = arg.get_long().filter(|key| settable(key)) else { continue };
        found.push(Flag {
            key: key.to_owned(),
            id: arg.get_id().to_string(),
            command: path.to_vec(),
            tables: tables(path, arg),
            kind: kind(arg),
            default: default(arg),
        });
    }
    for below in command.get_subcommands().filter(|below| takes_settings(below)) {
        let path: Vec<_> = path.iter().cloned().chain([below.get_name().to_owned()]).collect();
        collect(below, &path, found);
    }
}

/// Changes every flag of the commands that take settings. Names and values that clap is given here
/// live as long as the process, as the command line itself does: clap keeps references to them.
fn for_each_arg(
    command: Command,
    path: &[String],
    change: &mut dyn FnMut(&[String], Arg) -> Arg,
) -> Command {
    let command = command.mut_args(|arg| change(path, arg));
    command.mut_subcommands(|below| {
        if !takes_settings(&below) {
            return below;
        }
        let path: Vec<_> = path.iter().cloned().chain([below.get_name().to_owned()]).collect();
        for_each_arg(below, &path, change)
    })
}

fn settable(key: &str) -> bool {
    !IN_NO_FILE.contains(&key) && !OF_CLAP.contains(&key)
}

fn takes_settings(command: &Command) -> bool {
    !command.is_hide_set() && !WITHOUT_SETTINGS.contains(&command.get_name())
}

fn variable(key: &str) -> Option<String> {
    let name = || format!("{PREFIX}{}", key.to_uppercase().replace('-', "_"));
    (!IN_NO_ENVIRONMENT.contains(&key)).then(name)
}

/// The value of a variable; one that is set to nothing is as good as none.
fn set_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|word| !word.is_empty())
}

fn tables(path: &[String], arg: &Arg) -> Vec<String> {
    if path.is_empty() {
        return vec![TERMINAL.to_owned()];
    }
    let heading = arg.get_help_heading();
    let shared = SHARED.iter().find(|(known, _)| Some(*known) == heading);
    std::iter::once(path.join(".")).chain(shared.map(|(_, table)| (*table).to_owned())).collect()
}

fn kind(arg: &Arg) -> Kind {
    let numbers = [
        TypeId::of::<u8>(),
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<usize>(),
        TypeId::of::<f64>(),
        TypeId::of::<NonZeroU32>(),
        TypeId::of::<NonZeroU64>(),
        TypeId::of::<NonZeroUsize>(),
    ];
    let taken = arg.get_value_parser().type_id();
    match arg.get_action() {
        ArgAction::SetTrue | ArgAction::SetFalse => Kind::Switch,
        ArgAction::Count => Kind::Number,
        ArgAction::Append => Kind::List,
        _ if taken == TypeId::of::<bool>() => Kind::Switch,
        _ if numbers.iter().any(|number| taken == *number) => Kind::Number,
        _ => Kind::Text,
    }
}

fn default(arg: &Arg) -> Option<Vec<String>> {
    match arg.get_action() {
        ArgAction::SetTrue => return Some(vec!["false".to_owned()]),
        ArgAction::Count => return Some(vec!["0".to_owned()]),
        _ => {}
    }
    let words = arg.get_default_values().iter();
    let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    (!words.is_empty()).then_some(words)
}

/// Whether the words speak of this flag, and not only of one whose name begins as its own.
fn names(words: &str, key: &str) -> bool {
    let flag = format!("--{key}");
    words.match_indices(&flag).any(|(at, _)| {
        let next = words[at + flag.len()..].chars().next();
        !next.is_some_and(|letter| letter.is_alphanumeric() || letter == '-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_named_by_its_whole_name() {
        assert!(names("--pca: `x` is no number", "pca"));
        assert!(names("cannot use --to", "to"));
        assert!(!names("--token is wrong", "to"));
        assert!(!names("--label-from", "label"));
    }

    #[test]
    fn a_variable_is_named_after_its_flag_and_places_have_none() {
        assert_eq!(variable("rows-per-part").as_deref(), Some("FRUITNODE_ROWS_PER_PART"));
        assert_eq!(variable("to"), None);
    }
}
