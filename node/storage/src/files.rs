//! Which files a folder holds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::sink::SinkError;

/// Every name in a folder and below, that is text.
pub(super) fn names_in(folder: &Path) -> Result<Vec<String>, SinkError> {
    let mut files = BTreeSet::new();
    collect(folder, "", &mut files)?;
    Ok(files.into_iter().filter(|(_, plain)| *plain).map(|(name, _)| name).collect())
}

/// Collects the names of everything but folders, and whether it is a plain file with a plain name.
pub(super) fn collect(
    folder: &Path,
    prefix: &str,
    files: &mut BTreeSet<(String, bool)>,
) -> Result<(), SinkError> {
    let trouble = |error| SinkError::from_io(folder, error);
    for entry in fs::read_dir(folder).map_err(trouble)? {
        let entry = entry.map_err(trouble)?;
        let kind = entry.file_type().map_err(trouble)?;
        let name = entry.file_name();
        let plain = name.to_str().is_some() && kind.is_file();
        let name = format!("{prefix}{}", name.to_string_lossy());
        if kind.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.insert((name, plain));
        }
    }
    Ok(())
}
