//! What has come of a file so far, and what is known of the whole. Either may be missing or be
//! left over from a file that has changed since: then it begins anew.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A file that is being fetched.
#[derive(Debug)]
pub(super) struct Part {
    /// The bytes.
    pub(super) path: PathBuf,
    facts: PathBuf,
}

/// What the server said of the whole when its first byte came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// The server's strong validator: only with one can a part be gone on with.
    pub(super) etag: Option<String>,
    /// Bytes of the whole, if it said.
    pub(super) total: Option<u64>,
    /// SHA-256 that the hub promised.
    pub(super) promised: Option<String>,
}

impl Part {
    /// The part at these names.
    pub(super) fn at(path: PathBuf, facts: PathBuf) -> Self {
        Self { path, facts }
    }

    /// Bytes that are here.
    pub(super) fn len(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |found| found.len())
    }

    /// What is known of the whole; nothing unless bytes are here that belong to it and can be gone
    /// on with.
    pub(super) fn facts(&self) -> Option<Facts> {
        let facts: Facts = serde_json::from_slice(&fs::read(&self.facts).ok()?).ok()?;
        (self.len() > 0 && facts.etag.is_some()).then_some(facts)
    }

    /// Begins anew.
    pub(super) fn begin(&self, facts: &Facts) -> io::Result<File> {
        let bytes = serde_json::to_vec(facts).expect("strings and numbers are always JSON");
        // First the bytes go: facts never speak of bytes that are not theirs.
        let file = File::create(&self.path)?;
        fs::write(&self.facts, bytes)?;
        Ok(file)
    }

    /// Goes on at the end.
    pub(super) fn go_on(&self) -> io::Result<File> {
        File::options().append(true).open(&self.path)
    }

    /// Removes what is here.
    pub(super) fn discard(&self) {
        for path in [&self.path, &self.facts] {
            if let Err(error) = fs::remove_file(path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(path = %path.display(), %error, "cannot be removed");
            }
        }
    }
}
