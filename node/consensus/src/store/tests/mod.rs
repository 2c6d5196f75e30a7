//! The log against its model, against kills, and against damage.

mod damage;
mod killed;
mod model;
mod refusals;

use std::path::PathBuf;

use fruitnode_replica::{LogEntry, LogStore, Snapshot, Vote};

const STORAGE: &str = "5f0c";

/// What a log says of itself, whole.
#[derive(Debug, Clone, PartialEq)]
struct Content {
    vote: Vote,
    snapshot: Option<Snapshot>,
    first: u64,
    last: u64,
    entries: Vec<LogEntry>,
    terms: Vec<Option<u64>>,
}

fn content<S: LogStore>(log: &S) -> Content {
    let (first, last) = (log.first().unwrap(), log.last().unwrap());
    Content {
        vote: log.vote().unwrap(),
        snapshot: log.snapshot().unwrap(),
        first,
        last,
        entries: log.entries(first, last + 1, u64::MAX).unwrap(),
        terms: (first.saturating_sub(2)..last + 3).map(|index| log.term(index).unwrap()).collect(),
    }
}

/// Whether a log that was opened again holds the same. A commit index goes with the next write: it
/// may be older than the last one that was said.
fn is_same(opened: &Content, expected: &Content) -> bool {
    let commit = opened.vote.commit.min(expected.vote.commit);
    let vote = Vote { commit, ..expected.vote };
    *opened == Content { vote, ..expected.clone() }
}

fn entry(index: u64, term: u64, bytes: usize) -> LogEntry {
    let bytes = (0..bytes as u64).map(|at| (index * 31 + term * 7 + at) as u8).collect();
    LogEntry { index, term, bytes }
}

fn snapshot(index: u64, term: u64, bytes: usize) -> Snapshot {
    Snapshot { index, term, conf: vec![1, 2, 3], state: entry(index, term, bytes).bytes }
}

/// A folder that goes with the test, and the log's place in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.redb");
    (folder, path)
}

/// Numbers drawn from a seed: the same ones every time.
struct Draws(u64);

impl Draws {
    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }
}

/// One write that raft may ask for, drawn for a log that stands so.
fn write<S: LogStore>(log: &mut S, draws: &mut Draws) -> Result<(), S::Error> {
    let (first, last) = (log.first()?, log.last()?);
    let term = log.vote()?.term + draws.below(5) / 4;
    let vote = Vote { term, vote: draws.below(4), commit: last };
    match draws.below(20) {
        0 => {
            log.install(&snapshot(last + 1 + draws.below(5), term, drawn_bytes(draws)), Some(vote))
        }
        1 | 2 if first < last => {
            let index = first + draws.below(last - first + 1);
            let index = index.max(log.snapshot()?.map_or(1, |snapshot| snapshot.index));
            let remove_to = first + draws.below(index + 1 - first);
            let term = log.term(index)?.unwrap_or(term);
            log.compact(&snapshot(index, term, drawn_bytes(draws)), remove_to)
        }
        3 => log.append(&[], Some(vote)),
        _ => {
            let base = log.snapshot()?.map_or(0, |snapshot| snapshot.index);
            let from = (last + 1).saturating_sub(draws.below(8) * draws.below(2));
            let from = from.max(base + 1).max(first);
            let count = 1 + draws.below(10);
            let new = |index| entry(index, term, [0, 10, 300, 5_000][(index % 4) as usize]);
            let new: Vec<_> = (from..from + count).map(new).collect();
            log.append(&new, (draws.below(2) == 0).then_some(vote))
        }
    }
}

fn drawn_bytes(draws: &mut Draws) -> usize {
    [10, 1_000, 200_000][draws.below(3) as usize]
}
