//! The part of the log that raft reads, in memory.
//!
//! Raft calls its storage in the midst of a decision and panics when that fails. So it is given
//! no disk to read: every entry that compaction has left is here, its number and bytes bounded by
//! compaction, and the store itself is only written after it was opened.

use std::cell::Cell;
use std::collections::VecDeque;

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot, SnapshotMetadata};
use raft::{GetEntriesContext, RaftState, StorageError};

use crate::conf;

/// Entries that compaction has left, and the newest snapshot.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Index and term of the entry before the first one here.
    base: (u64, u64),
    entries: VecDeque<Entry>,
    hard: HardState,
    snapshot: Snapshot,
    /// Somebody needs a snapshot whose configuration names it.
    wanted: Cell<bool>,
}

impl Tail {
    pub(super) fn new(hard: HardState, snapshot: Snapshot) -> Self {
        let meta = snapshot.get_metadata();
        Self {
            base: (meta.index, meta.term),
            entries: VecDeque::new(),
            hard,
            snapshot,
            wanted: Cell::new(false),
        }
    }

    /// Entries that are older than the snapshot, read back from a store: the first one only tells
    /// the term before the others.
    pub(super) fn with_older(mut self, entries: Vec<Entry>) -> Self {
        let mut entries = VecDeque::from(entries);
        if entries.front().is_some_and(|first| first.index <= self.base.0)
            && let Some(first) = entries.pop_front()
        {
            self.base = (first.index, first.term);
        }
        self.entries = entries;
        self
    }

    pub(super) fn last(&self) -> u64 {
        self.base.0 + self.entries.len() as u64
    }

    /// Index of the newest snapshot.
    pub(super) fn snapshot_index(&self) -> u64 {
        self.snapshot.get_metadata().index
    }

    /// Whether somebody waits for a newer snapshot.
    pub(super) fn snapshot_wanted(&self) -> bool {
        self.wanted.get()
    }

    /// What the store was told in `append`.
    pub(super) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else {
            return;
        };
        let keep = first.index.saturating_sub(self.base.0 + 1);
        self.entries.truncate(keep as usize);
        self.entries.extend(entries.iter().cloned());
    }

    /// What the store was told in `install`.
    pub(super) fn install(&mut self, snapshot: Snapshot) {
        let meta = snapshot.get_metadata();
        self.base = (meta.index, meta.term);
        self.entries.clear();
        self.snapshot = snapshot;
    }

    /// What the store was told in `compact`.
    pub(super) fn compact(&mut self, snapshot: Snapshot, remove_to: u64) {
        while let Some(first) = self.entries.front().filter(|first| first.index <= remove_to) {
            self.base = (first.index, first.term);
            self.entries.pop_front();
        }
        self.snapshot = snapshot;
        self.wanted.set(false);
    }

    fn term_of(&self, index: u64) -> raft::Result<u64> {
        if index == self.base.0 {
            return Ok(self.base.1);
        }
        let meta = self.snapshot.get_metadata();
        if index == meta.index {
            return Ok(meta.term);
        }
        let Some(at) = index.checked_sub(self.base.0 + 1) else {
            return Err(StorageError::Compacted.into());
        };
        let entry = self.entries.get(at as usize);
        entry.map(|entry| entry.term).ok_or_else(|| StorageError::Unavailable.into())
    }
}

impl raft::Storage for Tail {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let conf = self.snapshot.get_metadata().get_conf_state().clone();
        Ok(RaftState::new(self.hard.clone(), conf))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let Some(skip) = low.checked_sub(self.base.0 + 1) else {
            return Err(StorageError::Compacted.into());
        };
        if high > self.last() + 1 {
            return Err(StorageError::Unavailable.into());
        }
        let mut bytes_left = max_size.into().unwrap_or(u64::MAX);
        let mut taken = Vec::new();
        for entry in self.entries.iter().skip(skip as usize).take((high - low) as usize) {
            let bytes = u64::from(protobuf::Message::compute_size(entry));
            if bytes > bytes_left && !taken.is_empty() {
                break;
            }
            bytes_left = bytes_left.saturating_sub(bytes);
            taken.push(entry.clone());
        }
        Ok(taken)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        self.term_of(index)
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.base.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    /// A node throws away a snapshot whose configuration does not name it: one that was taken
    /// before the node was added is not sent, but taken anew.
    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<Snapshot> {
        let meta = self.snapshot.get_metadata();
        if meta.index < request_index || !conf::names(meta.get_conf_state(), to) {
            self.wanted.set(true);
            return Err(StorageError::SnapshotTemporarilyUnavailable.into());
        }
        Ok(self.snapshot.clone())
    }
}

/// A snapshot in raft's form.
pub(super) fn raft_snapshot(index: u64, term: u64, conf: ConfState, state: Vec<u8>) -> Snapshot {
    let mut meta = SnapshotMetadata { index, term, ..SnapshotMetadata::default() };
    meta.set_conf_state(conf);
    let mut snapshot = Snapshot { data: state.into(), ..Snapshot::default() };
    snapshot.set_metadata(meta);
    snapshot
}
