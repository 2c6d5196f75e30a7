//! Which folder a result may become, and what stands there already.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};

use crate::files::collect;
use crate::publish::sync_folder;
use crate::sink::{SUCCESS, SinkError, is_private};

/// What a target folder holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// It is absent or empty.
    Nothing,
    /// Parts of a fruitnode result, or folders without a file.
    Ours,
    /// Something else: the first name in order.
    Foreign(String),
}

/// The absolute path of the target without symbolic links, after making the folders above it.
/// Refuses what a folder cannot take the place of, and a target that holds the source `from`.
pub(super) fn resolve(out: &Path, from: Option<&Path>) -> Result<PathBuf, SinkError> {
    match existing(out, from)? {
        Some(real) => Ok(real),
        None => resolve_absent(out),
    }
}

/// The same for a target that is there; nothing for one that is not.
pub(super) fn existing(out: &Path, from: Option<&Path>) -> Result<Option<PathBuf>, SinkError> {
    let unfit = |why| SinkError::Unfit { out: out.display().to_string(), why };
    let trouble = |error| SinkError::from_io(out, error);
    if out.as_os_str().is_empty() {
        return Err(unfit("is empty: name a folder for the result"));
    }
    match fs::symlink_metadata(out) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(unfit("is inside a file: choose another folder"));
        }
        Err(error) => return Err(trouble(error)),
    }
    let real = match fs::canonicalize(out) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(unfit("is a broken symbolic link: remove it, or choose another folder"));
        }
        real => real.map_err(trouble)?,
    };
    if !fs::metadata(&real).map_err(trouble)?.is_dir() {
        return Err(unfit("is not a folder: choose a folder for the result, or a new name"));
    }
    if let Some(from) = from.and_then(|from| fs::canonicalize(from).ok()) {
        if from == real {
            return Err(unfit("is the folder the photographs come from: choose another one"));
        }
        if from.starts_with(&real) {
            return Err(unfit("contains the folder the photographs come from: choose another one"));
        }
    }
    if is_mount_point(&real)? {
        return Err(unfit(
            "is a mount point, which cannot be replaced in one step: name a folder inside it",
        ));
    }
    Ok(Some(real))
}

/// Looks through the target.
pub(super) fn content(out: &Path, is_ours: fn(&str) -> bool) -> Result<Content, SinkError> {
    match fs::read_dir(out).map(|mut entries| entries.next().is_none()) {
        Ok(true) => return Ok(Content::Nothing),
        Ok(false) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::Nothing),
        Err(error) => return Err(SinkError::from_io(out, error)),
    }
    let mut files = BTreeSet::new();
    collect(out, "", &mut files)?;
    let foreign = files.into_iter().find(|(name, plain)| !plain || !is_ours(name));
    Ok(foreign.map_or(Content::Ours, |(name, _)| Content::Foreign(name)))
}

/// Names of the files in a built result, without its own story.
pub(super) fn public_names(built: &Path) -> Result<BTreeSet<String>, SinkError> {
    let mut files = BTreeSet::new();
    collect(built, "", &mut files)?;
    // The marker may be there from a commit that failed after it was written.
    let public = files.into_iter().map(|(name, _)| name);
    Ok(public.filter(|name| !is_private(name) && name != SUCCESS).collect())
}

/// Gives the new folder the permissions of the one it replaces.
pub(super) fn keep_permissions(out: &Path, built: &Path) -> Result<(), SinkError> {
    match fs::metadata(out) {
        Ok(metadata) => fs::set_permissions(built, metadata.permissions())
            .map_err(|error| SinkError::from_io(built, error)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(SinkError::from_io(out, error)),
    }
}

/// A target that is not there yet: makes the folders above it, durably.
fn resolve_absent(out: &Path) -> Result<PathBuf, SinkError> {
    let unfit = |why| SinkError::Unfit { out: out.display().to_string(), why };
    let absolute = std::path::absolute(out).map_err(|error| SinkError::from_io(out, error))?;
    let (Some(parent), Some(name)) = (absolute.parent(), absolute.file_name()) else {
        return Err(unfit("does not end with the name of a folder: add one"));
    };
    let missing: Vec<&Path> =
        parent.ancestors().take_while(|folder| fs::symlink_metadata(folder).is_err()).collect();
    match fs::create_dir_all(parent) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists
            ) =>
        {
            return Err(unfit("is inside something that is not a folder: choose another target"));
        }
        made => made.map_err(|error| SinkError::from_io(parent, error))?,
    }
    for folder in missing {
        sync_folder(folder.parent().unwrap_or(folder))?;
    }
    let parent = fs::canonicalize(parent).map_err(|error| SinkError::from_io(parent, error))?;
    Ok(parent.join(name))
}

fn is_mount_point(folder: &Path) -> Result<bool, SinkError> {
    let stat = statx(CWD, folder, AtFlags::empty(), StatxFlags::BASIC_STATS)
        .map_err(|error| SinkError::from_io(folder, error.into()))?;
    Ok(stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}
