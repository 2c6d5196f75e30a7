//! Photographs in a local folder.
//!
//! A file's version is its modification time, size and inode, looked at before and after it is
//! read.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task;

use crate::select::Selection;
use crate::source::{Entry, GetError, KeyRange, ListError, ListSummary, Source, Survey};
use crate::walk::{Identity, Walk, validator};

/// Entries per block sent by a listing.
const BLOCK_ENTRIES: usize = 1_024;

/// A folder of photographs.
#[derive(Debug, Clone)]
pub struct FolderSource {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    uri: String,
    root: PathBuf,
    identity: Identity,
    leave_out: Vec<PathBuf>,
}

impl FolderSource {
    /// Opens the folder `from`. Folders in `leave_out` (the job's target) are not listed, whatever
    /// path leads to them; they need not exist.
    pub fn open(from: &Path, leave_out: &[PathBuf]) -> Result<Self, ListError> {
        let uri = from.display().to_string();
        let metadata = match fs::metadata(from) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ListError::Missing { from: uri });
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(ListError::FolderDenied { folder: uri });
            }
            Err(source) => {
                return Err(ListError::Unavailable { place: uri, source: Box::new(source) });
            }
        };
        if !metadata.is_dir() {
            return Err(ListError::NotAFolder { from: uri });
        }
        let root = std::path::absolute(from).map_err(|source| ListError::Unavailable {
            place: uri.clone(),
            source: Box::new(source),
        })?;
        let identity = Identity::of(&metadata);
        let shared = Shared { uri, root, identity, leave_out: leave_out.to_vec() };
        Ok(Self { shared: Arc::new(shared) })
    }
}

#[async_trait]
impl Source for FolderSource {
    fn uri(&self) -> &str {
        &self.shared.uri
    }

    fn others(&self) -> &'static str {
        "pipes, devices or sockets"
    }

    /// Folders are walked whole: one file after the other is what disks do best.
    async fn survey(&self, _selection: &Selection) -> Result<Option<Survey>, ListError> {
        Ok(None)
    }

    async fn list(
        &self,
        selection: &Selection,
        _everything: &KeyRange,
        blocks: mpsc::Sender<Vec<Entry>>,
    ) -> Result<ListSummary, ListError> {
        let shared = Arc::clone(&self.shared);
        let selection = selection.clone();
        let walked = task::spawn_blocking(move || shared.walk(selection, &blocks)).await;
        walked.unwrap_or_else(|ended| {
            Err(ListError::Unavailable { place: self.shared.uri.clone(), source: Box::new(ended) })
        })
    }

    async fn get(&self, entry: &Entry, bytes_max: u64) -> Result<Bytes, GetError> {
        let shared = Arc::clone(&self.shared);
        let (wanted, key) = (entry.clone(), entry.key.clone());
        let read = task::spawn_blocking(move || shared.read(&wanted, bytes_max)).await;
        read.unwrap_or_else(|ended| Err(GetError::Unavailable { key, source: Box::new(ended) }))
    }
}

impl Shared {
    fn walk(
        &self,
        selection: Selection,
        blocks: &mpsc::Sender<Vec<Entry>>,
    ) -> Result<ListSummary, ListError> {
        let leave_out = self
            .leave_out
            .iter()
            .filter_map(|folder| fs::metadata(folder).ok())
            .map(|metadata| Identity::of(&metadata))
            .collect();
        let mut walk = Walk::start(&self.root, &self.uri, selection, leave_out)?;
        let mut block = Vec::with_capacity(BLOCK_ENTRIES);
        let stopped = || ListError::Stopped { from: self.uri.clone() };
        while let Some(entry) = walk.next()? {
            block.push(entry);
            if block.len() == BLOCK_ENTRIES {
                let full = std::mem::replace(&mut block, Vec::with_capacity(BLOCK_ENTRIES));
                blocks.blocking_send(full).map_err(|_| stopped())?;
            }
        }
        if !block.is_empty() {
            blocks.blocking_send(block).map_err(|_| stopped())?;
        }
        Ok(walk.finish())
    }

    fn read(&self, entry: &Entry, bytes_max: u64) -> Result<Bytes, GetError> {
        let key = || entry.key.clone();
        if let Some(problem) = entry.problem {
            return Err(GetError::Listed { key: key(), problem });
        }
        if entry.size > bytes_max {
            return Err(GetError::TooLarge { key: key(), size: entry.size, bytes_max });
        }
        let Some(below) = below(&entry.key) else {
            return Err(GetError::Gone { key: key() });
        };
        let opened = File::options()
            .read(true)
            // A pipe put in the place of a file must not block the reader for ever.
            .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
            .open(self.root.join(below));
        let mut file = opened.map_err(|error| self.open_trouble(key(), error))?;
        let read = read_version(&mut file, entry);
        match read.map_err(|source| unavailable(key(), source))? {
            Some(bytes) => Ok(bytes),
            None => Err(GetError::Changed { key: key() }),
        }
    }

    fn open_trouble(&self, key: String, error: io::Error) -> GetError {
        if error.kind() == io::ErrorKind::PermissionDenied {
            return GetError::Denied { key };
        }
        if !leads_nowhere(&error) {
            return unavailable(key, error);
        }
        // Where the whole source is gone (an unmounted disk), no photograph is to blame.
        match fs::metadata(&self.root) {
            Ok(metadata) if Identity::of(&metadata) == self.identity => GetError::Gone { key },
            Ok(_) | Err(_) => unavailable(key, error),
        }
    }
}

/// The bytes of the file in the version that was listed, or nothing if it is another version.
fn read_version(file: &mut File, entry: &Entry) -> io::Result<Option<Bytes>> {
    let listed = |file: &File| -> io::Result<bool> {
        let metadata = file.metadata()?;
        Ok(metadata.is_file() && validator(&metadata) == entry.validator)
    };
    if !listed(file)? {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(usize::try_from(entry.size).unwrap_or(usize::MAX))?;
    file.take(entry.size).read_to_end(&mut bytes)?;
    let whole = bytes.len() as u64 == entry.size;
    Ok((whole && listed(file)?).then(|| Bytes::from(bytes)))
}

/// The path of a key below the root; nothing for a key that no listing gives, such as `../x`.
fn below(key: &str) -> Option<&Path> {
    let plain =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    let path = Path::new(key);
    let normal = path.components().all(|part| matches!(part, Component::Normal(_)));
    (normal && key.split('/').all(plain)).then_some(path)
}

fn leads_nowhere(error: &io::Error) -> bool {
    let looped = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    looped || matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn unavailable(key: String, source: io::Error) -> GetError {
    GetError::Unavailable { key, source: Box::new(source) }
}
