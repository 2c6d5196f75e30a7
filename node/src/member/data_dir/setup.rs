//! A node's folder until it is one. A try that is cut short leaves files behind, over which the
//! next one begins anew; whatever is foreign is left alone, and the folder is refused.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::{DataDir, DataDirError, IDENTITY, JOINING_KEY, LOCK, NodeFile, identity};

/// Says that the folder is being set up.
const SETTING_UP: &str = "setting-up";

/// What the names of all files begin with that a try may leave behind: some are written beside
/// their place first, under a name with a dot before it.
const LEFT_BEHIND: [&str; 7] =
    ["ca.pem", "node.", "authority.key", "log.", "roster", "client", "identity."];

impl DataDir {
    /// Whether a node can be made in a folder, which is not touched: it may be there, but empty, or
    /// left by a try that was cut short.
    ///
    /// # Errors
    /// When it holds anything else.
    pub(crate) fn check_vacant(path: &Path) -> Result<(), DataDirError> {
        leftovers(path).map(drop)
    }

    /// Makes the folder of a node that is to be.
    ///
    /// # Errors
    /// When it is in use, or holds anything that no earlier try left there.
    pub(crate) fn create(path: &Path) -> Result<Self, DataDirError> {
        let trouble = DataDirError::io(path);
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(trouble)?;
        let dir = Self::lock(path)?;
        for name in leftovers(path)? {
            let file = dir.file(&name);
            let removed = match file.is_dir() {
                true => fs::remove_dir_all(&file),
                false => fs::remove_file(&file),
            };
            removed.map_err(DataDirError::io(&file))?;
        }
        dir.write(SETTING_UP, b"")?;
        Ok(dir)
    }

    /// Makes the folder that of a node, now that everything else is in it.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn finish(&self, file: &NodeFile) -> Result<(), DataDirError> {
        self.set_identity(file)?;
        self.remove(JOINING_KEY)?;
        self.remove(SETTING_UP)
    }
}

/// What an earlier try left in a folder, but for what the next one needs.
fn leftovers(path: &Path) -> Result<Vec<String>, DataDirError> {
    if let Ok(file) = identity(path) {
        let (path, node, cluster) = (path.to_owned(), file.node, file.cluster);
        return Err(DataDirError::Taken { path, node, cluster });
    }
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(DataDirError::io(path))?,
    };
    // An identity that cannot be read is one all the same.
    let cut_short = path.join(SETTING_UP).exists() && !path.join(IDENTITY).exists();
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(DataDirError::io(path))?.file_name();
        let name = name.to_string_lossy().into_owned();
        let bare = name.strip_prefix('.').unwrap_or(&name);
        match name.as_str() {
            LOCK | JOINING_KEY | SETTING_UP => {}
            // Written beside its place, before anything else is there.
            _ if [SETTING_UP, JOINING_KEY].iter().any(|ours| bare.starts_with(ours)) => {
                found.push(name);
            }
            _ if cut_short && LEFT_BEHIND.iter().any(|ours| bare.starts_with(ours)) => {
                found.push(name);
            }
            _ => return Err(DataDirError::NotEmpty { path: path.to_owned(), name }),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_at_a_time_and_nothing_foreign() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("node");
        let dir = DataDir::create(&path).unwrap();
        assert!(matches!(DataDir::create(&path), Err(DataDirError::Busy { .. })));
        drop(dir);
        fs::write(path.join("photo.jpg"), b"x").unwrap();
        let error = DataDir::create(&path).unwrap_err().to_string();
        assert!(error.contains("photo.jpg"), "{error}");
    }

    #[test]
    fn a_try_that_was_cut_short_is_begun_anew_and_nothing_else_is_touched() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("node");
        let dir = DataDir::create(&path).unwrap();
        for name in ["ca.pem", "log.redb", "log.mark", "client.key", ".node.pem.12"] {
            fs::write(path.join(name), b"x").unwrap();
        }
        fs::write(path.join(JOINING_KEY), b"key").unwrap();
        drop(dir);
        DataDir::check_vacant(&path).unwrap();
        assert!(path.join("ca.pem").exists(), "a look touches nothing");
        let dir = DataDir::create(&path).unwrap();
        let mut left: Vec<_> =
            fs::read_dir(&path).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [JOINING_KEY, LOCK, SETTING_UP]);
        drop(dir);
        // A power cut before the mark itself was whole.
        fs::remove_file(path.join(SETTING_UP)).unwrap();
        fs::write(path.join("setting-up.new"), b"").unwrap();
        fs::write(path.join(".joining.key.7"), b"").unwrap();
        let dir = DataDir::create(&path).unwrap();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 3);
        fs::write(path.join("log.redb"), b"x").unwrap();
        fs::write(path.join("photo.jpg"), b"x").unwrap();
        drop(dir);
        let error = DataDir::create(&path).unwrap_err().to_string();
        assert!(error.contains("photo.jpg"), "{error}");
        assert!(path.join("log.redb").exists(), "what is refused stays as it is");
    }

    #[test]
    fn files_of_a_node_that_was_whole_once_are_foreign() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("node");
        let dir = DataDir::create(&path).unwrap();
        let file = NodeFile::new(3, "ab12cd34", "store", "127.0.0.1:7400", "127.0.0.1:7400");
        fs::write(path.join("log.redb"), b"x").unwrap();
        dir.finish(&file).unwrap();
        assert!(!path.join(SETTING_UP).exists());
        drop(dir);
        fs::remove_file(path.join(IDENTITY)).unwrap();
        let error = DataDir::create(&path).unwrap_err().to_string();
        assert!(error.contains("log.redb"), "{error}");
    }
}
