//! Configuration files: settings that a user writes once instead of at every command.
//!
//! A file is TOML with a table per command and a few that commands share. Which tables and keys
//! there are is told by whoever reads ([`Known`]): nothing here repeats the command line. Files are
//! read from the one that counts most to the one that counts least ([`Config::find`]).

mod file;
mod nearest;
mod places;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub(crate) use file::read;
pub(crate) use places::{Layer, Places, user_folder};

/// The tables and keys that may stand in a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    tables: BTreeMap<String, BTreeMap<String, Kind>>,
}

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Switch,
    /// A number.
    Number,
    /// Text, or a number that stands for its own digits.
    Text,
    /// A list of texts.
    List,
}

/// A value as the command line would take it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    /// One word; several, or none, where the key takes a list.
    pub words: Vec<String>,
    /// Line of the key, from 1.
    pub line: usize,
}

/// One file that was read.
#[derive(Debug, Clone)]
pub(crate) struct ConfigFile {
    /// Which of the files it is.
    pub layer: Layer,
    /// Where it lies, as messages say it.
    pub path: PathBuf,
    /// Values by table and key.
    values: BTreeMap<(String, String), Value>,
}

/// A place in a file: shown as `path:line`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

/// All files that were read, the one that counts most first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Config {
    files: Vec<ConfigFile>,
}

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    /// A file that was named is not there.
    #[error("the configuration file {} does not exist: check --config", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("the configuration file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is far too long, or no plain file.
    #[error(
        "{} is not a configuration file: it {why}; name a TOML file such as `fruitnode.toml`",
        path.display()
    )]
    NoFile {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        why: &'static str,
    },
    /// It is not TOML.
    #[error("{at}: invalid TOML: {words}")]
    Syntax {
        /// Where.
        at: Line,
        /// What the parser says.
        words: String,
    },
    /// A key that stands in no table.
    #[error("{at}: `{key}` is not in a table: put it below a line such as `[{table}]`")]
    Outside {
        /// Where.
        at: Line,
        /// The key.
        key: String,
        /// A table that knows it, or any.
        table: String,
    },
    /// A table that no command has.
    #[error("{at}: unknown table `[{table}]`{}", hint(nearest.as_deref()))]
    UnknownTable {
        /// Where.
        at: Line,
        /// The table.
        table: String,
        /// One that looks like it.
        nearest: Option<String>,
    },
    /// A key that its table does not have.
    #[error("{at}: unknown key `{key}` in `[{table}]`{}", hint(nearest.as_deref()))]
    UnknownKey {
        /// Where.
        at: Line,
        /// The table.
        table: String,
        /// The key.
        key: String,
        /// One that looks like it, or the table where it stands.
        nearest: Option<String>,
    },
    /// A value of another type.
    #[error("{at}: `{key}` in `[{table}]` must be {expected}, but is {found}")]
    Type {
        /// Where.
        at: Line,
        /// The table.
        table: String,
        /// The key.
        key: String,
        /// What it takes.
        expected: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// A value that the flag refuses.
    #[error("{at}: `{key}` in `[{table}]`: {words}")]
    Value {
        /// Where.
        at: Line,
        /// The table.
        table: String,
        /// The key.
        key: String,
        /// What is wrong with it.
        words: String,
    },
    /// A secret in words.
    #[error(
        "{at}: `{key}` in `[{table}]` looks like a secret: remove it from the configuration file, \
         and keep it in the AWS credentials file or in the environment"
    )]
    Secret {
        /// Where.
        at: Line,
        /// The table.
        table: String,
        /// The key.
        key: String,
    },
}

impl Known {
    /// Adds a key to a table.
    pub(crate) fn add(&mut self, table: &str, key: &str, kind: Kind) {
        self.tables.entry(table.to_owned()).or_default().insert(key.to_owned(), kind);
    }

    fn kind(&self, table: &str, key: &str) -> Option<Kind> {
        self.tables.get(table)?.get(key).copied()
    }

    /// Whether it is a table, or holds some.
    fn holds(&self, table: &str) -> bool {
        let below = format!("{table}.");
        self.tables.keys().any(|known| known == table || known.starts_with(&below))
    }

    /// A table that has this key.
    fn table_of(&self, key: &str) -> Option<&str> {
        let mut having = self.tables.iter().filter(|(_, keys)| keys.contains_key(key));
        having.next().map(|(table, _)| table.as_str())
    }

    fn nearest_table(&self, table: &str) -> Option<String> {
        nearest::nearest(table, self.tables.keys()).map(|known| format!("`[{known}]`"))
    }

    fn nearest_key(&self, table: &str, key: &str) -> Option<String> {
        let keys = self.tables.get(table)?;
        let near = nearest::nearest(key, keys.keys()).map(|known| format!("`{known}`"));
        near.or_else(|| self.table_of(key).map(|table| format!("`{key}` in `[{table}]`")))
    }
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::Switch => "true or false",
            Self::Number => "a number",
            Self::Text => "text",
            Self::List => "a list of strings",
        }
    }
}

impl ConfigFile {
    /// Every value, by table and key.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &str, &Value)> {
        self.values.iter().map(|((table, key), value)| (table.as_str(), key.as_str(), value))
    }

    /// Where a value stands.
    pub(crate) fn at(&self, value: &Value) -> Line {
        Line { path: self.path.clone(), line: value.line }
    }
}

impl Config {
    /// Reads every file that is there.
    ///
    /// # Errors
    /// The first file that cannot be used; that a file which was named is not there.
    pub(crate) fn read(places: &Places, known: &Known) -> Result<Self, ConfigError> {
        let mut files = Vec::new();
        for (layer, path) in places.iter() {
            match read(layer, path, known) {
                Ok(file) => files.push(file),
                Err(ConfigError::Missing { .. }) if layer != Layer::Named => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { files })
    }

    /// The files, the one that counts most first.
    pub(crate) fn files(&self) -> &[ConfigFile] {
        &self.files
    }

    /// The value that counts: of the first file that has the key in one of these tables, where the
    /// first table counts most.
    pub(crate) fn find(&self, tables: &[String], key: &str) -> Option<(&Value, Line)> {
        self.files.iter().find_map(|file| {
            let mut found =
                tables.iter().filter_map(|table| file.values.get(&(table.clone(), key.to_owned())));
            found.next().map(|value| (value, file.at(value)))
        })
    }
}

impl From<ConfigFile> for Config {
    fn from(file: ConfigFile) -> Self {
        Self { files: vec![file] }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.path.display(), self.line)
    }
}

fn hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!(": did you mean {nearest}?"),
        None => ": `fruitnode config show` lists them".to_owned(),
    }
}
