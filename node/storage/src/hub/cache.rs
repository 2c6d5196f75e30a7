//! The folder of fetched weights: files called after their SHA-256, what each source was last
//! found to be, and the parts of what is still to come.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hub::error::PullError;
use crate::hub::part::Part;
use crate::hub::source::Source;

/// How often a lock that another process holds is tried again.
const LOCK_EVERY: Duration = Duration::from_millis(200);

const READ_BYTES: usize = 1 << 20;

/// A folder of fetched weights.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// What a source was when it was last fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The source, without secrets.
    pub source: String,
    /// SHA-256 of the weights.
    pub sha256: String,
    /// Their size.
    pub bytes: u64,
    /// Commit of the repository, if the hub told.
    pub commit: Option<String>,
}

/// The exclusive right to fetch a source, while it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Cache {
    /// The cache in a folder, which need not be there yet.
    pub fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The weights with this digest, if they are here. Bytes that have another digest by now are
    /// removed.
    pub fn find(&self, sha256: &str) -> Option<PathBuf> {
        let path = self.weights(sha256);
        match digest_of(&path) {
            Ok((found, _)) if found == sha256 => Some(path),
            Ok((found, _)) => {
                tracing::warn!(path = %path.display(), found, "removed a damaged file from the \
                                                               cache");
                let _ = fs::remove_file(&path);
                None
            }
            Err(_) => None,
        }
    }

    /// The weights that a source was last found to be, if they are here.
    pub fn find_source(&self, source: &Source, endpoint: &Url) -> Option<(Known, PathBuf)> {
        let bytes = fs::read(self.name(source, endpoint, "json")).ok()?;
        let known: Known = serde_json::from_slice(&bytes).ok()?;
        let path = self.find(&known.sha256)?;
        Some((known, path))
    }

    /// Makes the folders.
    pub(super) fn prepare(&self) -> Result<(), PullError> {
        for folder in ["weights", "sources"] {
            let path = self.root.join(folder);
            fs::create_dir_all(&path).map_err(|source| PullError::Cache { path, source })?;
        }
        Ok(())
    }

    /// The part of a source.
    pub(super) fn part(&self, source: &Source, endpoint: &Url) -> Part {
        let name = |end: &str| self.name(source, endpoint, end);
        Part::at(name("part"), name("part.json"))
    }

    /// Waits until nobody else fetches the source. `waiting` is told once, if it must.
    pub(super) async fn lock(
        &self,
        source: &Source,
        endpoint: &Url,
        waiting: &mut dyn FnMut(),
    ) -> Result<Lock, PullError> {
        let path = self.name(source, endpoint, "lock");
        let trouble = |source| PullError::Cache { path: path.clone(), source };
        let options = File::options().create(true).append(true).open(&path);
        let file = options.map_err(trouble)?;
        let mut told = false;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(Errno::WOULDBLOCK) => {
                    if !std::mem::replace(&mut told, true) {
                        waiting();
                    }
                    tokio::time::sleep(LOCK_EVERY).await;
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(trouble(error.into())),
            }
        }
    }

    /// Gives a complete part its final name, and notes what the source was. The lock is held.
    pub(super) fn keep(
        &self,
        part: &Part,
        source: &Source,
        endpoint: &Url,
        known: &Known,
    ) -> Result<PathBuf, PullError> {
        let path = self.weights(&known.sha256);
        let trouble = |source| PullError::Cache { path: path.clone(), source };
        let folder = path.parent().expect("weights are in a folder");
        File::open(&part.path).and_then(|file| file.sync_all()).map_err(trouble)?;
        fs::rename(&part.path, &path).map_err(trouble)?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(trouble)?;
        self.note(source, endpoint, known)?;
        part.discard();
        Ok(path)
    }

    /// Notes what a source was found to be.
    pub(super) fn note(
        &self,
        source: &Source,
        endpoint: &Url,
        known: &Known,
    ) -> Result<(), PullError> {
        let path = self.name(source, endpoint, "json");
        let bytes = serde_json::to_vec(known).expect("strings and numbers are always JSON");
        let fresh = path.with_extension("json.new");
        let written = fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, &path));
        written.map_err(|source| PullError::Cache { path, source })
    }

    fn weights(&self, sha256: &str) -> PathBuf {
        self.root.join("weights").join(format!("{sha256}.safetensors"))
    }

    fn name(&self, source: &Source, endpoint: &Url, end: &str) -> PathBuf {
        let digest = Sha256::digest(source.identity(endpoint));
        self.root.join("sources").join(format!("{}.{end}", hex(&digest[..16])))
    }
}

/// SHA-256 and size of a file.
pub(super) fn digest_of(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((hex(&hash.finalize()), bytes)),
            read => {
                hash.update(&buffer[..read]);
                bytes += read as u64;
            }
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
