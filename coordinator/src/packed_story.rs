//! The attempts of a job that ended, packed: a record takes some twenty bytes in place of eighty,
//! and a job of a hundred thousand partitions has three hundred thousand of them.

use crate::ids::{Attempt, NodeId, PartitionId, RangeId};
use crate::retry::FailureReason;
use crate::story::{AttemptFacts, AttemptRecord};
use crate::task::{Task, TaskKind};
use crate::tree::TreeNode;

/// Bytes after which a piece is closed: it is never copied or grown again, so that no memory is
/// held in advance but for one piece.
const PIECE_BYTES: usize = 4 << 10;

/// The longest record: one byte that says what follows, and numbers of 7 bits a byte.
const RECORD_BYTES_MAX: usize = 128;

/// What a record says beside its kind, in its first byte.
const HAS_REASON: u8 = 1 << 4;
const HAS_FACTS: u8 = 1 << 5;
const HAS_UNREACHED: u8 = 1 << 6;

/// In place of a level, of a place in the tree that is no block.
const FOLD: u64 = 0;

/// Records in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub(crate) struct PackedStory {
    pieces: Vec<Box<[u8]>>,
    open: Vec<u8>,
    count: usize,
    last: Before,
}

/// What a record is told in relation to: the one before in its piece.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    attempt: u32,
    ended_ms: u64,
}

impl PackedStory {
    pub(crate) fn push(&mut self, record: &AttemptRecord) {
        if self.open.capacity() == 0 {
            self.open.reserve_exact(PIECE_BYTES);
        }
        let mut writer = Writer { bytes: &mut self.open, before: self.last };
        writer.record(record);
        self.last = writer.before;
        self.count += 1;
        if self.open.len() + RECORD_BYTES_MAX > PIECE_BYTES {
            self.pieces.push(self.open.as_slice().into());
            self.open.clear();
            self.last = Before::default();
        }
    }

    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Memory that it takes, bytes.
    pub(crate) fn bytes(&self) -> usize {
        let pieces = self.pieces.capacity() * size_of::<Box<[u8]>>();
        let closed: usize = self.pieces.iter().map(|piece| piece.len()).sum();
        pieces + closed + self.open.capacity()
    }

    /// Every record, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = AttemptRecord> {
        let pieces = self.pieces.iter().map(|piece| &piece[..]).chain([self.open.as_slice()]);
        pieces.flat_map(|bytes| Reader { bytes, before: Before::default() })
    }
}

impl Extend<AttemptRecord> for PackedStory {
    fn extend<T: IntoIterator<Item = AttemptRecord>>(&mut self, records: T) {
        records.into_iter().for_each(|record| self.push(&record));
    }
}

impl FromIterator<AttemptRecord> for PackedStory {
    fn from_iter<T: IntoIterator<Item = AttemptRecord>>(records: T) -> Self {
        let mut story = Self::default();
        story.extend(records);
        story
    }
}

struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    before: Before,
}

impl Writer<'_> {
    fn record(&mut self, record: &AttemptRecord) {
        let AttemptRecord { task, attempt, node, reason, facts } = *record;
        let kinds = TaskKind::ALL.iter();
        let kind = kinds.take_while(|kind| **kind != task.kind()).count() as u8;
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let has_facts = facts != AttemptFacts::default();
        self.bytes.push(
            kind | flag(reason.is_some(), HAS_REASON)
                | flag(has_facts, HAS_FACTS)
                | flag(facts.unreached.is_some(), HAS_UNREACHED),
        );
        match task {
            Task::Extract(p) | Task::Remake(p) | Task::Project(p) => self.number(p.0.into()),
            Task::ListRange(range) => self.number(range.0.into()),
            Task::Merge(at) | Task::Rebuild(at) => self.tree_node(at),
            Task::List | Task::Gather | Task::Fit | Task::Publish => {}
        }
        // Both lie near those before, on either side of them.
        let (last, now) = (i64::from(self.before.attempt), i64::from(attempt.0));
        self.difference(now - last);
        self.before.attempt = attempt.0;
        self.number(node.0);
        if let Some(reason) = reason {
            let reasons = FailureReason::ALL.iter();
            self.bytes.push(reasons.take_while(|known| **known != reason).count() as u8);
        }
        if has_facts {
            self.facts(&facts);
        }
    }

    /// An attempt is over at about the time of the one before, however long it took.
    fn facts(&mut self, facts: &AttemptFacts) {
        let AttemptFacts { began_ms, took_ms, bytes, fetch_ms, compute_ms, write_ms, unreached } =
            *facts;
        let ended_ms = began_ms.wrapping_add(took_ms.into());
        self.difference(ended_ms.wrapping_sub(self.before.ended_ms).cast_signed());
        self.before.ended_ms = ended_ms;
        for part in [took_ms, fetch_ms, compute_ms, write_ms] {
            self.number(part.into());
        }
        self.number(bytes);
        if let Some(node) = unreached {
            self.number(node.0);
        }
    }

    fn tree_node(&mut self, at: TreeNode) {
        match at {
            TreeNode::Block { level, index } => {
                self.number(u64::from(level) + 1);
                self.number(index.into());
            }
            TreeNode::Fold { rank } => {
                self.number(FOLD);
                self.number(rank.into());
            }
        }
    }

    /// Small ones of either sign are short.
    fn difference(&mut self, difference: i64) {
        self.number(((difference << 1) ^ (difference >> 63)).cast_unsigned());
    }

    /// Seven bits a byte, the lowest first; each but the last has its eighth set.
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    before: Before,
}

impl Iterator for Reader<'_> {
    type Item = AttemptRecord;

    /// `None` at the end. Nobody but [`Writer`] makes what is read here.
    fn next(&mut self) -> Option<AttemptRecord> {
        let first = self.byte()?;
        let kind = TaskKind::ALL[usize::from(first & 0xf)];
        let task = match kind {
            TaskKind::Extract => Task::Extract(PartitionId(self.number()? as u32)),
            TaskKind::Remake => Task::Remake(PartitionId(self.number()? as u32)),
            TaskKind::Project => Task::Project(PartitionId(self.number()? as u32)),
            TaskKind::ListRange => Task::ListRange(RangeId(self.number()? as u32)),
            TaskKind::Merge => Task::Merge(self.tree_node()?),
            TaskKind::Rebuild => Task::Rebuild(self.tree_node()?),
            TaskKind::List => Task::List,
            TaskKind::Gather => Task::Gather,
            TaskKind::Fit => Task::Fit,
            TaskKind::Publish => Task::Publish,
        };
        self.before.attempt = (i64::from(self.before.attempt) + self.difference()?) as u32;
        let (attempt, node) = (Attempt(self.before.attempt), NodeId(self.number()?));
        let reason = match first & HAS_REASON {
            0 => None,
            _ => Some(FailureReason::ALL[usize::from(self.byte()?)]),
        };
        let facts = match first & HAS_FACTS {
            0 => AttemptFacts::default(),
            _ => self.facts(first & HAS_UNREACHED != 0)?,
        };
        Some(AttemptRecord { task, attempt, node, reason, facts })
    }
}

impl Reader<'_> {
    fn facts(&mut self, has_unreached: bool) -> Option<AttemptFacts> {
        let since = self.difference()?.cast_unsigned();
        self.before.ended_ms = self.before.ended_ms.wrapping_add(since);
        let took_ms = self.number()? as u32;
        Some(AttemptFacts {
            began_ms: self.before.ended_ms.wrapping_sub(took_ms.into()),
            took_ms,
            fetch_ms: self.number()? as u32,
            compute_ms: self.number()? as u32,
            write_ms: self.number()? as u32,
            bytes: self.number()?,
            unreached: if has_unreached { Some(NodeId(self.number()?)) } else { None },
        })
    }

    fn tree_node(&mut self) -> Option<TreeNode> {
        Some(match self.number()? {
            FOLD => TreeNode::Fold { rank: self.number()? as u32 },
            level => TreeNode::Block { level: (level - 1) as u8, index: self.number()? as u32 },
        })
    }

    fn difference(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
            shift += 7;
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn task() -> impl Strategy<Value = Task> {
        let at = prop_oneof![
            (any::<u8>(), any::<u32>()).prop_map(|(level, index)| TreeNode::Block { level, index }),
            any::<u32>().prop_map(|rank| TreeNode::Fold { rank }),
        ];
        let fixed = vec![Task::List, Task::Gather, Task::Fit, Task::Publish];
        prop_oneof![
            proptest::sample::select(fixed),
            any::<u32>().prop_map(|p| Task::Extract(PartitionId(p))),
            any::<u32>().prop_map(|p| Task::Project(PartitionId(p))),
            any::<u32>().prop_map(|p| Task::Remake(PartitionId(p))),
            any::<u32>().prop_map(|range| Task::ListRange(RangeId(range))),
            at.clone().prop_map(Task::Merge),
            at.prop_map(Task::Rebuild),
        ]
    }

    prop_compose! {
        fn facts()(
            (began_ms, bytes) in (any::<u64>(), any::<u64>()),
            (took_ms, fetch_ms) in (any::<u32>(), any::<u32>()),
            (compute_ms, write_ms) in (any::<u32>(), any::<u32>()),
            unreached in proptest::option::of(any::<u64>().prop_map(NodeId)),
        ) -> AttemptFacts {
            AttemptFacts { began_ms, took_ms, bytes, fetch_ms, compute_ms, write_ms, unreached }
        }
    }

    prop_compose! {
        fn record()(
            (task, attempt, node) in (task(), any::<u32>(), any::<u64>()),
            reason in proptest::option::of(proptest::sample::select(FailureReason::ALL.to_vec())),
            facts in prop_oneof![Just(AttemptFacts::default()), facts()],
        ) -> AttemptRecord {
            AttemptRecord { task, attempt: Attempt(attempt), node: NodeId(node), reason, facts }
        }
    }

    proptest! {
        #[test]
        fn whatever_is_packed_comes_back(
            records in proptest::collection::vec(record(), 0..300),
        ) {
            let story: PackedStory = records.iter().copied().collect();
            prop_assert_eq!(story.len(), records.len());
            prop_assert!(story.open.capacity() <= PIECE_BYTES);
            prop_assert_eq!(story.iter().collect::<Vec<_>>(), records);
        }
    }

    #[test]
    fn a_record_of_a_large_job_takes_some_twenty_bytes() {
        let records = (0..100_000_u32).map(|number| AttemptRecord {
            task: Task::Extract(PartitionId(number * 31 % 100_000)),
            attempt: Attempt(number + number % 5_000),
            node: NodeId(1 + u64::from(number % 5_000)),
            reason: None,
            facts: AttemptFacts {
                began_ms: 1_700_000_000_000 + u64::from(number * 40),
                took_ms: 30_000 + number % 9_000,
                bytes: 100_000_000 + u64::from(number),
                fetch_ms: 60_000,
                compute_ms: 110_000,
                write_ms: 400,
                unreached: None,
            },
        });
        let story: PackedStory = records.collect();
        let each = story.bytes() / story.len();
        assert!((20..28).contains(&each), "{each} bytes");
    }
}
