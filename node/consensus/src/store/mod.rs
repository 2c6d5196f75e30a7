//! The durable log of a voter: one redb file, and two small files beside it.
//!
//! Each method of [`LogStore`] that writes is one synced transaction. A write that fails latches:
//! nobody knows what is on the disk, so every later call fails and the process has to end; on the
//! next start the file says what is there. Opening reads every record and checks it against its
//! sum, so that a damaged file is refused in words.
//!
//! A commit index that grew is no write of its own: it goes with the next one. Raft learns it again
//! from its leader, or by its own election, and a snapshot's write takes it along, so that it is
//! never behind what is removed. That spares every second sync.
//!
//! Architecture invariant: redb is named in this folder alone.

mod error;
mod mark;
mod open;
mod record;
mod reserve;
mod tables;

#[cfg(test)]
mod tests;

use std::fs;
use std::path::PathBuf;

use redb::{Database, ReadableDatabase, WriteTransaction};

use fruitnode_replica::{LogEntry, LogStore, Snapshot, Vote};

use self::mark::Mark;
use self::record::Head;
use self::reserve::Reserve;
use self::tables::{ENTRIES, commit, keep, remove};

pub use self::error::StoreError;
pub use self::open::CHECK_THREAD;

/// A larger file is made smaller when the log is compacted: redb keeps freed pages, and doubles
/// the file when it needs more.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// The log of a voter, in a file.
#[derive(Debug)]
pub struct RedbLog {
    path: PathBuf,
    database: Database,
    head: Head,
    mark: Mark,
    reserve: Reserve,
    // The length of the file from which making it smaller is tried.
    shrink_at: u64,
    latched: bool,
    // The commit that is in the file.
    kept: u64,
}

impl RedbLog {
    /// Bytes of the file.
    pub fn file_bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |found| found.len())
    }

    /// One transaction: what `change` does, and the head that it leaves.
    fn write(
        &mut self,
        change: impl FnOnce(&WriteTransaction, &mut Head) -> Result<(), redb::Error>,
    ) -> Result<(), StoreError> {
        self.usable()?;
        let mut head = self.head;
        head.sequence += 1;
        if let Err(error) = commit(&self.database, &mut head, change) {
            self.latched = true;
            return Err(error::writing(&self.path, &error));
        }
        self.head = head;
        self.kept = head.vote.commit;
        if let Err(error) = self.mark.set(head.sequence) {
            self.latched = true;
            return Err(error::writing(&self.path, &redb::Error::Io(error)));
        }
        Ok(())
    }

    /// Gives freed pages back to the disk, where that is worth its time.
    fn shrink(&mut self) -> Result<(), StoreError> {
        if self.file_bytes() <= self.shrink_at {
            return Ok(());
        }
        if let Err(error) = self.database.compact() {
            self.latched = true;
            return Err(error::writing(&self.path, &error.into()));
        }
        self.shrink_at = FILE_BYTES_MAX.max(2 * self.file_bytes());
        Ok(())
    }

    fn usable(&self) -> Result<(), StoreError> {
        match self.latched {
            true => Err(StoreError::Latched { path: self.path.clone() }),
            false => Ok(()),
        }
    }

    fn damaged(&self, why: String) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), why }
    }
}

impl LogStore for RedbLog {
    type Error = StoreError;

    fn vote(&self) -> Result<Vote, StoreError> {
        self.usable()?;
        Ok(self.head.vote)
    }

    fn snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        self.usable()?;
        tables::kept(&self.path, &self.database, &self.head)
    }

    fn last(&self) -> Result<u64, StoreError> {
        self.usable()?;
        Ok(self.head.last)
    }

    fn first(&self) -> Result<u64, StoreError> {
        self.usable()?;
        Ok(self.head.first)
    }

    fn entries(&self, from: u64, to: u64, bytes_max: u64) -> Result<Vec<LogEntry>, StoreError> {
        self.usable()?;
        if from >= to {
            return Ok(Vec::new());
        }
        let failed = |error: redb::Error| error::reading(&self.path, error);
        let transaction = self.database.begin_read().map_err(|error| failed(error.into()))?;
        let table = transaction.open_table(ENTRIES).map_err(|error| failed(error.into()))?;
        let range = table.range(from..to).map_err(|error| failed(error.into()))?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for record in range {
            let (index, record) = record.map_err(|error| failed(error.into()))?;
            let entry = record::unpack_entry(index.value(), record.value());
            let entry = entry.ok_or_else(|| self.damaged(format!("entry {}", index.value())))?;
            bytes += entry.bytes.len() as u64;
            if bytes > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn term(&self, index: u64) -> Result<Option<u64>, StoreError> {
        self.usable()?;
        if index == self.head.snapshot_index && index > 0 {
            return Ok(Some(self.head.snapshot_term));
        }
        Ok(self.entries(index, index + 1, 0)?.first().map(|entry| entry.term))
    }

    fn append(&mut self, entries: &[LogEntry], vote: Option<Vote>) -> Result<(), StoreError> {
        self.usable()?;
        let (first, last) = (self.head.first, self.head.last);
        let from = entries.first().map_or(last + 1, |entry| entry.index);
        let follows = entries.iter().zip(from..).all(|(entry, index)| entry.index == index);
        if from < first || from > last + 1 || !follows {
            return Err(StoreError::Gap { from, first, last });
        }
        let before = self.head.vote;
        let vote = vote.unwrap_or(before);
        if entries.is_empty() && (vote.term, vote.vote) == (before.term, before.vote) {
            self.head.vote = vote;
            return Ok(());
        }
        self.write(|transaction, head| {
            let mut table = transaction.open_table(ENTRIES)?;
            remove(&mut table, from, last)?;
            for entry in entries {
                table.insert(entry.index, &record::pack_entry(entry)[..])?;
            }
            head.last = from - 1 + entries.len() as u64;
            head.vote = vote;
            Ok(())
        })
    }

    fn keep_commit(&mut self) -> Result<(), StoreError> {
        match self.kept == self.head.vote.commit {
            true => Ok(()),
            false => self.write(|_, _| Ok(())),
        }
    }

    fn install(&mut self, snapshot: &Snapshot, vote: Option<Vote>) -> Result<(), StoreError> {
        let (first, last) = (self.head.first, self.head.last);
        self.write(|transaction, head| {
            let mut table = transaction.open_table(ENTRIES)?;
            remove(&mut table, first, last)?;
            keep(transaction, head, snapshot)?;
            (head.first, head.last) = (snapshot.index + 1, snapshot.index);
            head.vote = vote.unwrap_or(head.vote);
            Ok(())
        })?;
        self.shrink()
    }

    fn compact(&mut self, snapshot: &Snapshot, remove_to: u64) -> Result<(), StoreError> {
        let (first, last) = (self.head.first, self.head.last);
        self.write(|transaction, head| {
            let mut table = transaction.open_table(ENTRIES)?;
            remove(&mut table, first, remove_to.min(last))?;
            keep(transaction, head, snapshot)?;
            head.first = first.max(remove_to + 1);
            if head.first > last {
                (head.first, head.last) = (snapshot.index + 1, snapshot.index);
            }
            Ok(())
        })?;
        self.shrink()?;
        self.reserve.fill();
        Ok(())
    }
}
