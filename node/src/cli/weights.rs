//! `--weights`: a file as it is named, or a source by way of the cache.

use std::path::{Path, PathBuf};

use fruitnode_result::digest::sha256;
use fruitnode_storage::hub::{PullError, Source, Surroundings};
use fruitnode_vision::model::embedded;

use crate::cli::args::{MachineArgs, StorageArgs, TerminalArgs};
use crate::cli::exit::Exit;
use crate::cli::message::CliError;
use crate::cli::model::pull::fetch;

/// The file behind a word, fetched if it is a source and was not before.
pub(super) fn at_hand(
    word: Option<&Path>,
    machine: &MachineArgs,
    storage: &StorageArgs,
    terminal: &TerminalArgs,
) -> Result<Option<PathBuf>, CliError> {
    let Some(word) = word else { return Ok(None) };
    let text = word.display().to_string();
    if !Source::is_meant(&text) {
        return Ok(Some(word.to_owned()));
    }
    let source = Source::parse(&text)
        .map_err(|error| CliError::of(Exit::Usage, "bad_flag", &error))?
        .at(storage.endpoint.as_deref());
    let mut surroundings = Surroundings::of_env().map_err(|error| error.failure())?;
    surroundings.storage = storage.options();
    if let Some((known, path)) = surroundings.cache.find_source(&source, &surroundings.endpoint) {
        tracing::info!(source = %source, sha256 = known.sha256, "weights from the cache");
        return Ok(Some(path));
    }
    if machine.offline {
        return Err(PullError::Offline(source.to_string()).failure().into());
    }
    Ok(Some(fetch(&surroundings, &source, None, terminal)?.path))
}

/// `--weights` as a job carries it: without what may be secret in an address. Which weights are
/// meant is said by their digest.
pub(super) fn told(word: Option<&Path>) -> Option<String> {
    let text = word?.display().to_string();
    match Source::parse(&text) {
        Ok(source) if Source::is_meant(&text) => Some(source.to_string()),
        _ => Some(text),
    }
}

/// The weights of a digest: `None` for those in this binary, and for those that are nowhere.
pub(super) fn of_digest(digest: &str) -> Option<PathBuf> {
    if sha256(embedded()).hex() == digest {
        return None;
    }
    Surroundings::of_env().ok()?.cache.find(digest)
}
