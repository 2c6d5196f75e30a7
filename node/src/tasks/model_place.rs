//! Where a fitted model lies: in a folder, or in a bucket, from which it is fetched into the cache.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use fruitnode_env::unique_name;
use fruitnode_result::digest::sha256;
use fruitnode_result::names::{MODEL_JSON, MODEL_SAFETENSORS};
use fruitnode_storage::hub::Surroundings;
use fruitnode_storage::{Place, S3Error, S3Options, S3Result};

use crate::tasks::GivenError;

/// The folder of a model that is named as a folder or as `s3://BUCKET/PREFIX`; of one in a bucket
/// both files are read and kept in the cache, under a name that follows from what they hold.
///
/// # Errors
/// When the place is none, or the bucket or the cache cannot be used.
pub(crate) async fn folder_of(model: &Path, storage: &S3Options) -> Result<PathBuf, GivenError> {
    let text = model.display().to_string();
    if !text.contains("://") {
        return Ok(model.to_owned());
    }
    let Place::S3 { bucket, prefix } = text.parse()? else { return Ok(model.to_owned()) };
    let result = S3Result::open(&bucket, &prefix, storage).await?;
    let mut files = Vec::new();
    for name in [MODEL_JSON, MODEL_SAFETENSORS] {
        files.push((bare(name), read(&result, name, &text).await?));
    }
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
fn keep(files: &[(&str, Bytes)]) -> Result<PathBuf, GivenError> {
    let whole: Vec<u8> = files.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect();
    let models = Surroundings::of_env()?.cache.root().join("models");
    let folder = models.join(sha256(&whole).hex());
    match write(files, &models.join(unique_name()), &folder) {
        Ok(()) => Ok(folder),
        Err(source) => Err(GivenError::Cache { folder, source }),
    }
}

fn write(files: &[(&str, Bytes)], fresh: &Path, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(fresh)?;
    for (name, bytes) in files {
        fs::write(fresh.join(name), bytes)?;
    }
    match fs::rename(fresh, folder) {
        // The same bytes are there already.
        Err(_) if folder.is_dir() => fs::remove_dir_all(fresh),
        renamed => renamed,
    }
}
