//! A log in memory: for tests, for the simulator, and for a job that one process does alone.

use std::collections::VecDeque;

use thiserror::Error;

use crate::store::{LogEntry, LogStore, Snapshot, Vote};

/// Why a log in memory refuses: it was told to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MemoryLogError {
    /// A write that was told to fail.
    #[error("the log in memory was told to fail")]
    Failing,
}

/// What is written, and what a crash would leave of it.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    now: Content,
    /// The newest commit, which a crash takes where nothing was written since.
    commit: u64,
    /// What a crash leaves, where that is not the same.
    synced: Option<Content>,
    lazy: bool,
    forgetful: bool,
    failing: bool,
}

#[derive(Debug, Clone, Default)]
struct Content {
    vote: Vote,
    snapshot: Option<Snapshot>,
    entries: VecDeque<LogEntry>,
}

impl MemoryLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether writes return before they are durable. A disk that lies does that, and so does
    /// code that forgets to sync.
    pub fn set_lazy(&mut self, lazy: bool) {
        self.lazy = lazy;
    }

    /// Whether a commit is never kept but beside something else that is written.
    pub fn set_forgetful(&mut self, forgetful: bool) {
        self.forgetful = forgetful;
    }

    /// Whether writes fail, and change nothing.
    pub fn set_failing(&mut self, failing: bool) {
        self.failing = failing;
    }

    /// Makes durable what is written.
    pub fn sync(&mut self) {
        self.synced = None;
    }

    /// The power goes: what was not durable is lost.
    pub fn crash(&mut self) {
        if let Some(synced) = self.synced.take() {
            self.now = synced;
        }
        self.close();
    }

    /// The process ends in good order: a commit that was not kept is forgotten all the same.
    pub fn close(&mut self) {
        self.commit = self.now.vote.commit;
    }

    fn write(&mut self, change: impl FnOnce(&mut Content)) -> Result<(), MemoryLogError> {
        if self.failing {
            return Err(MemoryLogError::Failing);
        }
        if !self.lazy {
            self.synced = None;
        } else if self.synced.is_none() {
            self.synced = Some(self.now.clone());
        }
        self.now.vote.commit = self.commit;
        change(&mut self.now);
        self.commit = self.now.vote.commit;
        Ok(())
    }
}

impl Content {
    fn first(&self) -> u64 {
        self.entries.front().map_or_else(|| self.base() + 1, |entry| entry.index)
    }

    fn last(&self) -> u64 {
        self.entries.back().map_or_else(|| self.base(), |entry| entry.index)
    }

    fn base(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |snapshot| snapshot.index)
    }
}

impl LogStore for MemoryLog {
    type Error = MemoryLogError;

    fn vote(&self) -> Result<Vote, MemoryLogError> {
        Ok(Vote { commit: self.commit, ..self.now.vote })
    }

    fn snapshot(&self) -> Result<Option<Snapshot>, MemoryLogError> {
        Ok(self.now.snapshot.clone())
    }

    fn last(&self) -> Result<u64, MemoryLogError> {
        Ok(self.now.last())
    }

    fn first(&self) -> Result<u64, MemoryLogError> {
        Ok(self.now.first())
    }

    fn entries(&self, from: u64, to: u64, bytes_max: u64) -> Result<Vec<LogEntry>, MemoryLogError> {
        let first = self.now.first();
        let (skip, take) = (from.saturating_sub(first), to.saturating_sub(from));
        let mut taken = Vec::new();
        let mut bytes = 0;
        for entry in self.now.entries.iter().skip(skip as usize).take(take as usize) {
            bytes += entry.bytes.len() as u64;
            if bytes > bytes_max && !taken.is_empty() {
                break;
            }
            taken.push(entry.clone());
        }
        Ok(taken)
    }

    fn term(&self, index: u64) -> Result<Option<u64>, MemoryLogError> {
        if let Some(snapshot) = &self.now.snapshot
            && snapshot.index == index
        {
            return Ok(Some(snapshot.term));
        }
        let Some(at) = index.checked_sub(self.now.first()) else {
            return Ok(None);
        };
        Ok(self.now.entries.get(at as usize).map(|entry| entry.term))
    }

    fn append(&mut self, entries: &[LogEntry], vote: Option<Vote>) -> Result<(), MemoryLogError> {
        let before = self.now.vote;
        if let Some(new) = vote
            && entries.is_empty()
            && (new.term, new.vote) == (before.term, before.vote)
        {
            self.commit = new.commit;
            return Ok(());
        }
        self.write(|content| {
            if let Some(new) = entries.first() {
                let keep = new.index.saturating_sub(content.first());
                content.entries.truncate(keep as usize);
                content.entries.extend(entries.iter().cloned());
            }
            content.vote = vote.unwrap_or(content.vote);
        })
    }

    fn keep_commit(&mut self) -> Result<(), MemoryLogError> {
        match self.commit == self.now.vote.commit || self.forgetful {
            true => Ok(()),
            false => self.write(|_| {}),
        }
    }

    fn install(&mut self, snapshot: &Snapshot, vote: Option<Vote>) -> Result<(), MemoryLogError> {
        self.write(|content| {
            content.entries.clear();
            content.snapshot = Some(snapshot.clone());
            content.vote = vote.unwrap_or(content.vote);
        })
    }

    fn compact(&mut self, snapshot: &Snapshot, remove_to: u64) -> Result<(), MemoryLogError> {
        self.write(|content| {
            while content.entries.front().is_some_and(|entry| entry.index <= remove_to) {
                content.entries.pop_front();
            }
            content.snapshot = Some(snapshot.clone());
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, term: u64) -> LogEntry {
        LogEntry { index, term, bytes: vec![index as u8; 10] }
    }

    fn snapshot(index: u64) -> Snapshot {
        Snapshot { index, term: 1, conf: vec![1], state: vec![2] }
    }

    #[test]
    fn an_append_replaces_the_tail_it_conflicts_with() {
        let mut log = MemoryLog::new();
        log.install(&snapshot(1), None).unwrap();
        assert_eq!((log.first().unwrap(), log.last().unwrap()), (2, 1));
        log.append(&[entry(2, 1), entry(3, 1), entry(4, 1)], None).unwrap();
        log.append(&[entry(3, 2)], Some(Vote { term: 2, vote: 7, commit: 2 })).unwrap();
        assert_eq!((log.first().unwrap(), log.last().unwrap()), (2, 3));
        assert_eq!(log.term(3).unwrap(), Some(2));
        assert_eq!(log.term(1).unwrap(), Some(1));
        assert_eq!(log.term(4).unwrap(), None);
        assert_eq!(log.vote().unwrap().vote, 7);
    }

    #[test]
    fn a_range_yields_at_least_one_entry_and_no_more_than_its_bytes() {
        let mut log = MemoryLog::new();
        log.install(&snapshot(1), None).unwrap();
        log.append(&[entry(2, 1), entry(3, 1), entry(4, 1)], None).unwrap();
        let indexes = |from, to, bytes| {
            let entries = log.entries(from, to, bytes).unwrap();
            entries.iter().map(|entry| entry.index).collect::<Vec<_>>()
        };
        assert_eq!(indexes(2, 5, 0), [2]);
        assert_eq!(indexes(2, 5, 20), [2, 3]);
        assert_eq!(indexes(3, 4, 1_000), [3]);
    }

    #[test]
    fn compaction_keeps_entries_that_others_may_still_need() {
        let mut log = MemoryLog::new();
        log.install(&snapshot(1), None).unwrap();
        log.append(&[entry(2, 1), entry(3, 1), entry(4, 1)], None).unwrap();
        log.compact(&snapshot(4), 2).unwrap();
        assert_eq!((log.first().unwrap(), log.last().unwrap()), (3, 4));
        log.compact(&snapshot(4), 4).unwrap();
        assert_eq!((log.first().unwrap(), log.last().unwrap()), (5, 4));
    }

    #[test]
    fn a_crash_takes_what_a_lazy_log_had_not_synced() {
        let mut log = MemoryLog::new();
        log.install(&snapshot(1), None).unwrap();
        log.set_lazy(true);
        log.append(&[entry(2, 1)], None).unwrap();
        log.append(&[entry(3, 1)], None).unwrap();
        log.crash();
        assert_eq!(log.last().unwrap(), 1);
        log.append(&[entry(2, 1)], None).unwrap();
        log.set_lazy(false);
        log.append(&[entry(3, 1)], None).unwrap();
        log.crash();
        assert_eq!(log.last().unwrap(), 3);
    }

    #[test]
    fn a_crash_takes_a_commit_that_was_not_kept() {
        let mut log = MemoryLog::new();
        log.install(&snapshot(1), Some(Vote { term: 1, vote: 1, commit: 1 })).unwrap();
        log.append(&[entry(2, 1), entry(3, 1)], None).unwrap();
        let commit = |commit| Some(Vote { term: 1, vote: 1, commit });
        log.append(&[], commit(2)).unwrap();
        assert_eq!(log.vote().unwrap().commit, 2);
        log.crash();
        assert_eq!(log.vote().unwrap().commit, 1);
        log.append(&[], commit(3)).unwrap();
        log.keep_commit().unwrap();
        log.crash();
        assert_eq!(log.vote().unwrap().commit, 3);
    }

    #[test]
    fn a_write_that_fails_changes_nothing() {
        let mut log = MemoryLog::new();
        log.set_failing(true);
        assert_eq!(log.install(&snapshot(1), None), Err(MemoryLogError::Failing));
        assert_eq!(log.snapshot().unwrap(), None);
    }
}
