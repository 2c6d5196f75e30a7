//! `--model`: a folder as it is named, or one in a bucket by way of the cache.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use fruitnode_storage::Place;

use crate::cli::args::StorageArgs;
use crate::cli::exit::Exit;
use crate::cli::machine::reactor;
use crate::cli::message::CliError;
use crate::tasks::model_place;

/// The folder of a model, fetched if it is in a bucket.
pub(super) fn at_hand(model: &Path, storage: &StorageArgs, to: &str) -> Result<PathBuf, CliError> {
    let text = model.display().to_string();
    if text.contains("://") {
        let place = text.parse::<Place>();
        let place = place.map_err(|error| CliError::of(Exit::Usage, "bad_flag", &error))?;
        if to.parse::<Place>().is_ok_and(|to| place.lies_in(&to)) {
            let words = format!("--to {to} contains the model to use: name another target");
            return Err(CliError::new(Exit::Conflict, "target_taken", words));
        }
    }
    let options = storage.options();
    let reading = Box::pin(model_place::folder_of(model, &options));
    let folder = reactor(NonZeroUsize::MIN)?.block_on(reading);
    folder.map_err(|error| CliError::from(error.failure()))
}
