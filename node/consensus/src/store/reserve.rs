//! Room kept for the day on which the disk is full.
//!
//! A log that cannot be written cannot be compacted either, so a full disk would keep a node from
//! starting for good. A file of [`RESERVE_BYTES`] lies beside the log: when the log is opened and
//! there is no room, the file is removed, which gives the node room to start, to compact, and to
//! tell of it. It is made again as soon as there is room for it twice.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// Size of the file.
pub(super) const RESERVE_BYTES: u64 = 16 << 20;

/// With less room than this a log is not opened without its reserve: its first writes would fail.
const ROOM_BYTES_MIN: u64 = 4 << 20;

/// The file beside a log.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// That of the log at `path`.
    pub(super) fn beside(path: &Path) -> Self {
        Self { path: path.with_extension("reserve") }
    }

    /// Whether there is too little room to begin.
    pub(super) fn is_needed(&self) -> bool {
        self.room().is_some_and(|room| room < ROOM_BYTES_MIN)
    }

    /// Gives the room back to the disk; whether there was any.
    pub(super) fn give(&self) -> io::Result<bool> {
        match fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes the file, if it is not there and there is room for it twice. Whether it is there.
    pub(super) fn fill(&self) -> bool {
        if fs::metadata(&self.path).is_ok_and(|found| found.len() == RESERVE_BYTES) {
            return true;
        }
        if self.room().is_none_or(|room| room < 2 * RESERVE_BYTES) {
            return false;
        }
        let filled = self.allocate();
        if let Err(error) = &filled {
            tracing::warn!(path = %self.path.display(), %error, "cannot keep a reserve for a full \
                                                                 disk");
            // What there is of it holds nothing.
            let _ = fs::remove_file(&self.path);
        }
        filled.is_ok()
    }

    fn allocate(&self) -> io::Result<()> {
        let mut options = File::options();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
        if fallocate(&file, FallocateFlags::empty(), 0, RESERVE_BYTES).is_err() {
            // A file system that cannot promise room takes bytes.
            let zeros = vec![0; 1 << 20];
            for _ in 0..RESERVE_BYTES >> 20 {
                file.write_all(&zeros)?;
            }
        }
        file.sync_all()
    }

    /// Bytes that are free on the disk; nothing where the system does not tell.
    fn room(&self) -> Option<u64> {
        let disk = statvfs(self.path.parent()?).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}
