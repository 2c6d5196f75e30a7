//! The newest entries in memory: what raft reads again and again costs no transaction.

use std::collections::VecDeque;

use fruitnode_coordinator::replica::LogEntry;

/// Bytes of entries that are kept: 8 MiB. Followers that are further behind read from the disk.
const TAIL_BYTES_MAX: usize = 8 << 20;

/// What an entry costs besides its bytes.
const ENTRY_COST_BYTES: usize = 64;

/// Entries without a gap, up to the last one of the log.
#[derive(Debug, Default)]
pub(super) struct Tail {
    entries: VecDeque<LogEntry>,
    bytes: usize,
}

impl Tail {
    /// Adds the entry that follows, and forgets the oldest beyond the limit.
    pub(super) fn push(&mut self, entry: LogEntry) {
        self.bytes += cost(&entry);
        self.entries.push_back(entry);
        while self.bytes > TAIL_BYTES_MAX && self.entries.len() > 1 {
            self.pop_front();
        }
    }

    /// Forgets entries at and after `index`.
    pub(super) fn cut(&mut self, index: u64) {
        while self.entries.back().is_some_and(|last| last.index >= index) {
            let last = self.entries.pop_back().map_or(0, |last| cost(&last));
            self.bytes -= last;
        }
    }

    /// Forgets entries up to and including `index`.
    pub(super) fn forget(&mut self, index: u64) {
        while self.entries.front().is_some_and(|first| first.index <= index) {
            self.pop_front();
        }
    }

    /// One entry, if it is kept.
    pub(super) fn get(&self, index: u64) -> Option<&LogEntry> {
        let first = self.entries.front()?.index;
        self.entries.get(usize::try_from(index.checked_sub(first)?).ok()?)
    }

    /// Entries from `index`, if that one is kept.
    pub(super) fn from(&self, index: u64) -> Option<impl Iterator<Item = &LogEntry>> {
        let first = self.entries.front()?.index;
        let at = usize::try_from(index.checked_sub(first)?).ok()?;
        (at < self.entries.len()).then(|| self.entries.range(at..))
    }

    fn pop_front(&mut self) {
        let first = self.entries.pop_front().map_or(0, |first| cost(&first));
        self.bytes -= first;
    }
}

fn cost(entry: &LogEntry) -> usize {
    entry.bytes.len() + ENTRY_COST_BYTES
}
