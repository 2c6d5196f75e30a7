//! The number of the last acknowledged write, kept beside the log.
//!
//! redb takes a damaged last write for one that a power cut tore, and opens with the one before:
//! then what this node acknowledged would be gone in silence. The same holds for an old copy of the
//! file. The mark is written after each write has become durable, and is not synced itself: it is
//! never ahead of what the disk was told to keep, and a stale mark only sees less.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::record;

/// Bytes of the mark: the sum, then the number.
const MARK_BYTES: usize = 16;

/// The mark's file.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    storage: String,
}

impl Mark {
    /// Opens the mark of the log at `path`, or makes one; with the number that it holds, if any.
    pub(super) fn open(path: &Path, storage: &str) -> io::Result<(Self, Option<u64>)> {
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o600).open(path.with_extension("mark"))?;
        let mark = Self { file, storage: storage.to_owned() };
        let mut bytes = [0; MARK_BYTES];
        let number = match mark.file.read_exact_at(&mut bytes, 0) {
            Ok(()) => mark.number(bytes),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error),
        };
        Ok((mark, number))
    }

    /// Removes the mark of a log that was at `path` before.
    pub(super) fn forget(path: &Path) -> io::Result<()> {
        match fs::remove_file(path.with_extension("mark")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Remembers that this write is durable.
    pub(super) fn set(&self, sequence: u64) -> io::Result<()> {
        let number = sequence.to_le_bytes();
        let sum = record::sum("mark", &[], &[self.storage.as_bytes(), &number].concat());
        self.file.write_all_at(&[sum, number].concat(), 0)
    }

    /// What the bytes say; nothing where they are torn, or of another log.
    fn number(&self, bytes: [u8; MARK_BYTES]) -> Option<u64> {
        let (sum, number) = bytes.split_at(MARK_BYTES / 2);
        let kept = record::sum("mark", &[], &[self.storage.as_bytes(), number].concat());
        (kept == sum).then(|| number.try_into().map(u64::from_le_bytes).unwrap_or_default())
    }
}
