//! `--model`: a folder as it is named, or one in a bucket by way of the cache.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::cli::args::StorageArgs;
use crate::cli::exit::Exit;
use crate::cli::message::CliError;
use crate::cli::run::reactor;
use crate::env::unique_name;
use crate::failure::Failure;
use crate::hub::Surroundings;
use crate::output::digest::sha256;
use crate::output::names::{MODEL_JSON, MODEL_SAFETENSORS};
use crate::storage::{Place, S3Error, S3Result};

/// The folder of a model, fetched if it is in a bucket.
pub(super) fn at_hand(model: &Path, storage: &StorageArgs, to: &str) -> Result<PathBuf, CliError> {
    let text = model.display().to_string();
    let bad = |error: &dyn std::error::Error| CliError::of(Exit::Usage, "bad_flag", error);
    if !text.contains("://") {
        return Ok(model.to_owned());
    }
    let place: Place = text.parse().map_err(|error| bad(&error))?;
    if to.parse::<Place>().is_ok_and(|to| place.lies_in(&to)) {
        let words = format!("--to {to} holds the model that is to be used: name another place");
        return Err(CliError::new(Exit::Conflict, "target_taken", words));
    }
    let Place::S3 { bucket, prefix } = place else { return Ok(model.to_owned()) };
    let reading = async {
        let result = S3Result::open(&bucket, &prefix, &storage.options()).await?;
        let mut files = Vec::new();
        for name in [MODEL_JSON, MODEL_SAFETENSORS] {
            files.push((bare(name), read(&result, name, &text).await?));
        }
        Ok::<_, S3Error>(files)
    };
    let files = reactor(std::num::NonZeroUsize::MIN)?.block_on(Box::pin(reading));
    let files = files.map_err(|error| CliError::from(Failure::of(error.reason(), &error)))?;
    keep(&files)
}

/// A file of the model, whether the place is its folder or the result that holds it.
async fn read(result: &S3Result, name: &str, place: &str) -> Result<Bytes, S3Error> {
    for name in [name, bare(name)] {
        if let Some(bytes) = result.read(name).await? {
            return Ok(bytes);
        }
    }
    Err(S3Error::Nothing { place: format!("{}/{}", place.trim_end_matches('/'), bare(name)) })
}

fn bare(name: &str) -> &str {
    name.strip_prefix("model/").unwrap_or(name)
}

/// Writes the files under a name of what they hold, all at once.
fn keep(files: &[(&str, Bytes)]) -> Result<PathBuf, CliError> {
    let surroundings = Surroundings::of_env().map_err(|error| error.failure())?;
    let whole: Vec<u8> = files.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    let models = surroundings.cache.root().join("models");
    let folder = models.join(sha256(&whole).hex());
    let fresh = models.join(unique_name());
    let written = fs::create_dir_all(&fresh)
        .and_then(|()| {
            files.iter().try_for_each(|(name, bytes)| fs::write(fresh.join(name), bytes))
        })
        .and_then(|()| match fs::rename(&fresh, &folder) {
            // The same bytes are there already.
            Err(_) if folder.is_dir() => fs::remove_dir_all(&fresh),
            renamed => renamed,
        });
    written.map_err(|error| {
        let words = format!("cannot write {}: {error}", folder.display());
        CliError::new(Exit::Failed, "storage_unavailable", words)
    })?;
    Ok(folder)
}
