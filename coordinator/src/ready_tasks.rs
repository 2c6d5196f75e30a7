//! Tasks that can be leased now. Those of partitions are kept as runs of neighbours: there are
//! about as many of these as nodes, however many partitions there are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::ids::PartitionId;
use crate::task::Task;

/// A set of tasks, in the order in which they are offered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ReadyTasks {
    project: Runs,
    extract: Runs,
    others: BTreeSet<Task>,
}

/// Numbers, as the first and the last of each run of neighbours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Runs(BTreeMap<u32, u32>);

impl ReadyTasks {
    pub(crate) fn insert(&mut self, task: Task) {
        match task {
            Task::Project(p) => self.project.insert(p.0),
            Task::Extract(p) => self.extract.insert(p.0),
            _ => _ = self.others.insert(task),
        }
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, task: &Task) -> bool {
        match task {
            Task::Project(p) => self.project.remove(p.0),
            Task::Extract(p) => self.extract.remove(p.0),
            _ => self.others.remove(task),
        }
    }

    pub(crate) fn contains(&self, task: &Task) -> bool {
        match task {
            Task::Project(p) => self.project.run_of(p.0).is_some(),
            Task::Extract(p) => self.extract.run_of(p.0).is_some(),
            _ => self.others.contains(task),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.project.0.is_empty() && self.extract.0.is_empty() && self.others.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Nothing is to be reduced any more.
    pub(crate) fn remove_reductions(&mut self) {
        self.others.retain(|task| !task.kind().is_reduction());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Task> {
        self.range(Task::Publish..=Task::List)
    }

    /// Those from one task to another one, in order.
    pub(crate) fn range(&self, within: RangeInclusive<Task>) -> impl Iterator<Item = Task> {
        let (low, high) = within.into_inner();
        let first = |task: fn(PartitionId) -> Task| task(PartitionId(0));
        let of = |task: fn(PartitionId) -> Task| {
            let last = task(PartitionId(u32::MAX));
            (low <= last && high >= first(task)).then(|| {
                let number = |of: Task, beyond: u32| match of.partition() {
                    Some(p) if task(p) == of => p.0,
                    _ => beyond,
                };
                number(low, 0)..=number(high, u32::MAX)
            })
        };
        let others = self.others.range(low..=high).copied();
        let before = others.clone().take_while(move |task| *task < first(Task::Project));
        let after = others.skip_while(move |task| *task < first(Task::Project));
        let project = of(Task::Project).into_iter().flat_map(|within| self.project.range(within));
        let extract = of(Task::Extract).into_iter().flat_map(|within| self.extract.range(within));
        let project = project.map(|p| Task::Project(PartitionId(p)));
        let extract = extract.map(|p| Task::Extract(PartitionId(p)));
        before.chain(project).chain(extract).chain(after)
    }
}

impl Extend<Task> for ReadyTasks {
    fn extend<T: IntoIterator<Item = Task>>(&mut self, tasks: T) {
        tasks.into_iter().for_each(|task| self.insert(task));
    }
}

impl FromIterator<Task> for ReadyTasks {
    fn from_iter<T: IntoIterator<Item = Task>>(tasks: T) -> Self {
        let mut ready = Self::default();
        ready.extend(tasks);
        ready
    }
}

impl Runs {
    /// The run that a number is in.
    fn run_of(&self, at: u32) -> Option<(u32, u32)> {
        let (first, last) = self.0.range(..=at).next_back()?;
        (*last >= at).then_some((*first, *last))
    }

    fn insert(&mut self, at: u32) {
        if self.run_of(at).is_some() {
            return;
        }
        let before = at.checked_sub(1).and_then(|before| self.run_of(before));
        let after = at.checked_add(1).and_then(|after| self.0.remove(&after));
        let first = before.map_or(at, |(first, _)| first);
        self.0.insert(first, after.unwrap_or(at));
    }

    fn remove(&mut self, at: u32) -> bool {
        let Some((first, last)) = self.run_of(at) else {
            return false;
        };
        self.0.remove(&first);
        if first < at {
            self.0.insert(first, at - 1);
        }
        if at < last {
            self.0.insert(at + 1, last);
        }
        true
    }

    fn range(&self, within: RangeInclusive<u32>) -> impl Iterator<Item = u32> {
        let (low, high) = within.into_inner();
        let from = self.run_of(low).map_or(low, |(first, _)| first);
        self.0
            .range(from..=high)
            .flat_map(move |(first, last)| (*first).max(low)..=(*last).min(high))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::RangeId;
    use crate::tree::TreeNode;

    fn task((kind, number): (u8, u32)) -> Task {
        match kind {
            0 => Task::Extract(PartitionId(number)),
            1 => Task::Project(PartitionId(number)),
            2 => Task::Remake(PartitionId(number)),
            3 => Task::Merge(TreeNode::leaf(number)),
            4 => Task::ListRange(RangeId(number)),
            5 => Task::Publish,
            _ => Task::Gather,
        }
    }

    proptest! {
        #[test]
        fn it_is_the_set_that_it_stands_for(
            steps in proptest::collection::vec((any::<bool>(), (0..7_u8, 0..12_u32)), 0..200),
            ends in ((0..7_u8, 0..14_u32), (0..7_u8, 0..14_u32)),
        ) {
            let (mut ready, mut set) = (ReadyTasks::default(), BTreeSet::new());
            for (insert, named) in steps {
                let task = task(named);
                prop_assert_eq!(ready.contains(&task), set.contains(&task));
                if insert {
                    ready.insert(task);
                    set.insert(task);
                } else {
                    prop_assert_eq!(ready.remove(&task), set.remove(&task));
                }
            }
            prop_assert_eq!(ready.is_empty(), set.is_empty());
            prop_assert!(ready.iter().eq(set.iter().copied()));
            let (one, other) = (task(ends.0), task(ends.1));
            let within = one.min(other)..=one.max(other);
            prop_assert!(ready.range(within.clone()).eq(set.range(within).copied()));
            // Equal sets are equal, however they came to be.
            prop_assert_eq!(set.iter().copied().collect::<ReadyTasks>(), ready.clone());
            ready.remove_reductions();
            set.retain(|task| !task.kind().is_reduction());
            prop_assert!(ready.iter().eq(set));
        }
    }

    #[test]
    fn partitions_next_to_each_other_are_one_run() {
        let mut ready: ReadyTasks = (0..100_000).map(|p| Task::Extract(PartitionId(p))).collect();
        assert_eq!(ready.extract.0, BTreeMap::from([(0, 99_999)]));
        assert!(ready.remove(&Task::Extract(PartitionId(7))));
        assert_eq!(ready.extract.0, BTreeMap::from([(0, 6), (8, 99_999)]));
        ready.insert(Task::Extract(PartitionId(u32::MAX)));
        ready.insert(Task::Extract(PartitionId(7)));
        assert_eq!(ready.extract.0.len(), 2);
    }
}
