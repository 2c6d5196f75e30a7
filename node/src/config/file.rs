//! One file: read, parsed and checked, with the line of every key.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::config::{ConfigError, ConfigFile, Kind, Known, Layer, Line, Value};

/// Longest file, in bytes.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 20;

/// Parts of names that tell a secret. A name that ends so names only where a secret lies.
const SECRETS: [&str; 7] =
    ["secret", "password", "passwd", "token", "access-key", "credential", "private-key"];
const WHERE_SECRETS_LIE: &str = "-file";

/// What is read, while it is read.
struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    known: &'a Known,
    values: BTreeMap<(String, String), Value>,
}

/// Reads a file and checks its tables, keys and types.
///
/// # Errors
/// What is wrong first, with its line. [`ConfigError::Missing`] where there is no file.
pub(crate) fn read(layer: Layer, path: &Path, known: &Known) -> Result<ConfigFile, ConfigError> {
    let text = text_of(path)?;
    let mut reader = Reader { path, text: &text, known, values: BTreeMap::new() };
    let parsed = DeTable::parse(&text).map_err(|error| ConfigError::Syntax {
        at: reader.line(error.span().unwrap_or_default()),
        words: error.message().to_owned(),
    })?;
    reader.table("", parsed.get_ref())?;
    Ok(ConfigFile { layer, path: path.to_owned(), values: reader.values })
}

fn text_of(path: &Path) -> Result<String, ConfigError> {
    let trouble = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            ConfigError::Missing { path: path.to_owned() }
        }
        _ => ConfigError::Unreadable { path: path.to_owned(), source },
    };
    let no_file = |why| ConfigError::NoFile { path: path.to_owned(), why };
    // Opened without waiting: a pipe would keep every command waiting for its writer.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    if fs::metadata(path).map_err(trouble)?.is_dir() {
        return Err(no_file("is a folder"));
    }
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(trouble)?;
    if !file.metadata().map_err(trouble)?.is_file() {
        return Err(no_file("is a pipe or a device"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(trouble)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(no_file("is larger than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| no_file("is not UTF-8 text"))
}

impl Reader<'_> {
    /// Takes the values of the table `name`, which is empty for the whole file.
    fn table(&mut self, name: &str, table: &DeTable<'_>) -> Result<(), ConfigError> {
        // In the order of the file, so that the first fault is told first.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let at = self.line(key.span());
            let key = key.get_ref().escape_debug().to_string();
            match value.get_ref() {
                DeValue::Table(below) => {
                    let name = if name.is_empty() { key } else { format!("{name}.{key}") };
                    if !self.known.holds(&name) {
                        let nearest = self.known.nearest_table(&name);
                        return Err(ConfigError::UnknownTable { at, table: name, nearest });
                    }
                    self.table(&name, below)?;
                }
                value => self.value(name, key, value, at)?,
            }
        }
        Ok(())
    }

    fn value(
        &mut self,
        table: &str,
        key: String,
        value: &DeValue<'_>,
        at: Line,
    ) -> Result<(), ConfigError> {
        let owned = table.to_owned();
        if is_secret(&key) {
            return Err(ConfigError::Secret { at, table: owned, key });
        }
        if table.is_empty() {
            let table = self.known.table_of(&key).unwrap_or("run").to_owned();
            return Err(ConfigError::Outside { at, key, table });
        }
        let Some(kind) = self.known.kind(table, &key) else {
            let nearest = self.known.nearest_key(table, &key);
            return Err(ConfigError::UnknownKey { at, table: owned, key, nearest });
        };
        let Some(words) = words(kind, value) else {
            let (expected, found) = (kind.words(), found(value));
            return Err(ConfigError::Type { at, table: owned, key, expected, found });
        };
        if words.iter().any(|word| holds_password(word)) {
            return Err(ConfigError::Secret { at, table: owned, key });
        }
        self.values.insert((owned, key), Value { words, line: at.line });
        Ok(())
    }

    fn line(&self, span: Range<usize>) -> Line {
        let before = self.text.as_bytes().iter().take(span.start);
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        Line { path: self.path.to_owned(), line }
    }
}

/// The value in the words of the command line, or nothing if it is of another type.
fn words(kind: Kind, value: &DeValue<'_>) -> Option<Vec<String>> {
    let word = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => Some(number.to_string()),
        // As it is written: 1.0 is a share, and 1 a number of components.
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    };
    let one = match (kind, value) {
        (Kind::Switch, DeValue::Boolean(on)) => Some(on.to_string()),
        (Kind::Number, DeValue::Integer(_) | DeValue::Float(_)) => word(value),
        (Kind::Text | Kind::List, DeValue::String(_)) => word(value),
        (Kind::Text, DeValue::Integer(_) | DeValue::Float(_)) => word(value),
        (Kind::List, DeValue::Array(items)) => {
            return items.iter().map(|item| word(item.get_ref())).collect();
        }
        _ => None,
    };
    one.map(|word| vec![word])
}

fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date: put it in quotes",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase().replace('_', "-");
    !key.ends_with(WHERE_SECRETS_LIE) && SECRETS.iter().any(|part| key.contains(part))
}

/// Whether a text is a URL with a password in it.
fn holds_password(word: &str) -> bool {
    let Some((_, rest)) = word.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}
