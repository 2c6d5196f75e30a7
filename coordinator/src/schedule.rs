//! Which ready task goes to which node: a pure function from the state to grants.
//!
//! Slots are filled round about the jobs, fewest leases first, so that several share the cluster
//! fairly. A node is given the neighbour of its last partition, so that the moments it holds merge
//! among themselves; a node without one starts at its own share of the key space.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::command::Command;
use crate::ids::{Attempt, JobId, NodeId, PartitionId, RangeId};
use crate::job::Job;
use crate::leases::{LeaseName, OverdueNames};
use crate::slots::{Class, Free};
use crate::state::ClusterState;
use crate::task::{Task, TaskKind};
use crate::tree::TreeNode;

/// Moments made again at a time by one node: each occupies memory until it is merged.
const REMAKES_PER_NODE_MAX: usize = 1;

/// Ranges listed at a time by one node, of whatever jobs: each waits for one page of the store, and
/// occupies the memory of a few.
pub const RANGES_PER_NODE_MAX: u32 = 8;

/// Nodes that are at one task at a time, because each before the last is overdue.
const NODES_PER_TASK_MAX: usize = 3;

/// Grants that fill the free slots, in the order in which they should be proposed. Applying them
/// and asking again yields none: the assignment is complete.
pub fn grants(state: &ClusterState) -> Vec<Command> {
    turn(state, &OverdueNames::new()).grants
}

/// What is to be done about the work that waits and the attempts that are overdue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Turn {
    /// In the order in which they should be proposed.
    pub grants: Vec<Command>,
    /// Overdue attempts that nobody else can take over: their nodes should end them, so that their
    /// tasks can be offered anew.
    pub give_up: Vec<(LeaseName, NodeId)>,
}

/// As [`grants`], and first of all each task whose every attempt is overdue is granted to one more
/// node that is not at it: whoever is done first is accepted, and the others are called back.
pub fn turn(state: &ClusterState, overdue: &OverdueNames) -> Turn {
    let mut round = Round::new(state);
    let mut turn = Turn::default();
    let mut grant = |round: &mut Round<'_>, (job, task, node): (JobId, Task, NodeId)| {
        let attempt = round.take(&job, task, node);
        turn.grants.push(Command::Grant { job, task, attempt, node });
    };
    if overdue.iter().any(|(_, task, _)| task.kind() == TaskKind::ListRange) {
        round.listers = by_ranges(state);
    }
    for (id, task) in round.stuck(overdue) {
        let job = &state.jobs[&id];
        match round.another(job, task) {
            Some(node) => grant(&mut round, (id, task, node)),
            // A fit may be at work for long without a word, and would never end.
            None if task == Task::Fit => {}
            None => {
                let at = job.attempts_at(task);
                turn.give_up.extend(at.map(|(attempt, node)| ((id.clone(), task, attempt), node)));
            }
        }
    }
    while let Some(next) = round.next() {
        grant(&mut round, next);
    }
    turn
}

/// The state as it would be after the grants made so far.
struct Round<'a> {
    state: &'a ClusterState,
    /// Free slots by class, where they differ from the state's.
    free: BTreeMap<&'a Class, Free>,
    /// Slots taken in this round.
    used: BTreeMap<NodeId, u32>,
    /// Nodes by the ranges that they list, the idle first; nobody while no range is ready.
    listers: BTreeSet<(u32, NodeId)>,
    jobs: BTreeMap<&'a JobId, JobRound>,
}

#[derive(Default)]
struct JobRound {
    taken: BTreeSet<Task>,
    last: BTreeMap<NodeId, PartitionId>,
    remakes: BTreeMap<NodeId, usize>,
}

impl<'a> Round<'a> {
    fn new(state: &'a ClusterState) -> Self {
        let jobs = state.live_jobs().map(|job| {
            let mut round = JobRound::default();
            let remakes = span(TaskKind::Remake);
            let (low, high) = (*remakes.start(), *remakes.end());
            let leased = job.granted.range((low, Attempt(0))..=(high, Attempt(u32::MAX)));
            for node in leased.map(|(_, node)| *node) {
                *round.remakes.entry(node).or_default() += 1;
            }
            (&job.id, round)
        });
        Self {
            state,
            free: BTreeMap::new(),
            used: BTreeMap::new(),
            listers: listers(state),
            jobs: jobs.collect(),
        }
    }

    fn next(&self) -> Option<(JobId, Task, NodeId)> {
        let leases = |id: &JobId| self.jobs[id].taken.len() + self.state.jobs[id].granted.len();
        let mut order: Vec<&JobId> = self.jobs.keys().copied().collect();
        order.sort_by_key(|id| leases(id));
        order.into_iter().find_map(|id| {
            let job = &self.state.jobs[id];
            let (task, node) = TaskKind::ALL
                .into_iter()
                .find_map(|kind| self.assign(job, &self.jobs[id], kind))?;
            Some((id.clone(), task, node))
        })
    }

    /// Tasks that are still to be done and whose every attempt is overdue.
    fn stuck(&self, overdue: &OverdueNames) -> BTreeSet<(JobId, Task)> {
        let is_stuck = |(id, task): &(JobId, Task)| {
            let job = self.state.jobs.get(id).filter(|job| job.is_granted(*task));
            job.is_some_and(|job| {
                let late = |attempt| overdue.contains(&(id.clone(), *task, attempt));
                job.is_due(*task) && job.attempts_at(*task).all(|(attempt, _)| late(attempt))
            })
        };
        let tasks = overdue.iter().map(|(id, task, _)| (id.clone(), *task));
        tasks.filter(is_stuck).collect()
    }

    /// One more node for a task, beside those that are at it.
    fn another(&self, job: &Job, task: Task) -> Option<NodeId> {
        let at: BTreeSet<NodeId> = job.attempts_at(task).map(|(_, node)| node).collect();
        if at.len() >= NODES_PER_TASK_MAX {
            return None;
        }
        if task.kind() == TaskKind::ListRange {
            return self.lister(job, task, &at);
        }
        let fits = |class: &Class| match task.kind() {
            TaskKind::Extract | TaskKind::Remake | TaskKind::Merge => {
                class.compute == job.spec.compute_class
            }
            TaskKind::Project | TaskKind::Fit => job.spec.suits_fit_class(&class.fit),
            TaskKind::List | TaskKind::ListRange | TaskKind::Gather | TaskKind::Publish => true,
        };
        self.emptiest(fits, |node| !at.contains(&node) && self.may_try(job, task, node, fits))
    }

    fn take(&mut self, job: &JobId, task: Task, node: NodeId) -> Attempt {
        if task.takes_slot() {
            self.take_slot(node);
        }
        let round = self.jobs.get_mut(job).expect("a job that was assigned from is in the round");
        let taken = round.taken.len() as u32;
        let attempt = Attempt(self.state.jobs[job].next_attempt.0.saturating_add(taken));
        round.taken.insert(task);
        if let Some(partition) = task.partition() {
            round.last.insert(node, partition);
        }
        if task.kind() == TaskKind::ListRange
            && let Some(lister) = self.listers.iter().find(|(_, lister)| *lister == node).copied()
        {
            self.listers.remove(&lister);
            self.listers.insert((lister.0 + 1, node));
        }
        if task.kind() == TaskKind::Remake {
            *round.remakes.entry(node).or_default() += 1;
        }
        attempt
    }

    fn take_slot(&mut self, node: NodeId) {
        let Some((class, free)) = self.state.slots.of(node) else {
            return;
        };
        let known = self.state.slots.classes().find(|(known, _)| *known == class);
        let offers = self
            .free
            .entry(class)
            .or_insert_with(|| known.map(|(_, offers)| offers.free.clone()).unwrap_or_default());
        let used = self.used.entry(node).or_default();
        offers.remove(&(Reverse(free - *used), node));
        *used += 1;
        if free > *used {
            offers.insert((Reverse(free - *used), node));
        }
    }

    fn assign(&self, job: &Job, round: &JobRound, kind: TaskKind) -> Option<(Task, NodeId)> {
        let open = |task: &&Task| !round.taken.contains(task);
        if kind == TaskKind::ListRange {
            let ranges = job.ready.range(span(kind)).filter(open);
            return ranges.copied().find_map(|task| {
                let node = self.lister(job, task, &BTreeSet::new())?;
                Some((task, node))
            });
        }
        let task = *job.ready.range(span(kind)).find(open)?;
        let extracts = |class: &Class| class.compute == job.spec.compute_class;
        let fits = |class: &Class| job.spec.suits_fit_class(&class.fit);
        let node = match (kind, task) {
            (TaskKind::Extract, _) => return self.neighbour(job, round, Task::Extract, extracts),
            (TaskKind::Project, _) => return self.neighbour(job, round, Task::Project, fits),
            (TaskKind::Merge, Task::Merge(tree_node)) => self.merger(job, tree_node)?,
            (TaskKind::Fit, _) => self.fitter(job)?,
            (TaskKind::Remake, _) => self.emptiest(extracts, |node| {
                let busy = round.remakes.get(&node).copied().unwrap_or(0);
                busy < REMAKES_PER_NODE_MAX && self.may_try(job, task, node, extracts)
            })?,
            _ => self.emptiest(|_| true, |node| self.may_try(job, task, node, |_| true))?,
        };
        Some((task, node))
    }

    /// Who merges two moments: whoever holds the left ones, so that only the right ones travel. A
    /// node that drains is to be rid of what it holds.
    fn merger(&self, job: &Job, tree_node: TreeNode) -> Option<NodeId> {
        let (left, right) = job.plan().children(tree_node)?;
        let holders = [job.held.get(&left)?.node, job.held.get(&right)?.node];
        let suits = |class: &Class| class.compute == job.spec.compute_class;
        let may = |node: NodeId| self.may_try(job, Task::Merge(tree_node), node, suits);
        let stays = |node: &NodeId| self.state.slots.of(*node).is_some() && may(*node);
        holders.into_iter().find(stays).or_else(|| self.emptiest(suits, may))
    }

    /// Who fits: whoever holds the root, if it may and has room.
    fn fitter(&self, job: &Job) -> Option<NodeId> {
        let fits = |class: &Class| job.spec.suits_fit_class(&class.fit);
        let may = |node: NodeId| self.may_try(job, Task::Fit, node, fits);
        if job.spec.given_fit {
            return self.emptiest(fits, may);
        }
        let holder = job.held.get(&job.plan().root()?)?.node;
        let has_room = self.free(holder) > 0;
        let suits = self.state.slots.of(holder).is_some_and(|(class, _)| fits(class));
        if has_room && suits && may(holder) { Some(holder) } else { self.emptiest(fits, may) }
    }

    /// Who lists a range, but for those that are at it: whoever lists the fewest, so that they are
    /// spread evenly.
    fn lister(&self, job: &Job, task: Task, at: &BTreeSet<NodeId>) -> Option<NodeId> {
        let open = self.listers.iter().take_while(|(ranges, _)| *ranges < RANGES_PER_NODE_MAX);
        let mut open = open.map(|(_, node)| *node);
        open.find(|node| !at.contains(node) && self.may_try(job, task, *node, |_| true))
    }

    fn free(&self, node: NodeId) -> u32 {
        let free = self.state.slots.of(node).map_or(0, |(_, free)| free);
        free - self.used.get(&node).copied().unwrap_or(0)
    }

    /// Whether a node may be given a task: not one at which it failed, while there is another node
    /// that could do it.
    fn may_try(&self, job: &Job, task: Task, node: NodeId, fits: impl Fn(&Class) -> bool) -> bool {
        if !job.avoids(task, node) {
            return true;
        }
        let mut suitable = self.state.slots.classes().filter(|(class, _)| fits(class));
        !suitable.any(|(_, offers)| offers.nodes.iter().any(|other| !job.avoids(task, *other)))
    }

    /// The node with the most free slots among those that fit; the lowest id breaks ties.
    fn emptiest(
        &self,
        fits: impl Fn(&Class) -> bool,
        may: impl Fn(NodeId) -> bool,
    ) -> Option<NodeId> {
        let classes = self.state.slots.classes().filter(|(class, _)| fits(class));
        let free = classes.map(|(class, offers)| self.free.get(class).unwrap_or(&offers.free));
        let best = free.filter_map(|free| free.iter().find(|(_, node)| may(*node)));
        best.min().map(|(_, node)| *node)
    }

    fn neighbour(
        &self,
        job: &Job,
        round: &JobRound,
        task: fn(PartitionId) -> Task,
        fits: impl Fn(&Class) -> bool + Copy,
    ) -> Option<(Task, NodeId)> {
        let (low, high) = (task(PartitionId(0)), task(PartitionId(u32::MAX)));
        let mut unsuited = BTreeSet::new();
        // Ends soon: a node is passed over only if it failed at whatever is left.
        loop {
            let node = self.emptiest(fits, |node| !unsuited.contains(&node))?;
            let last = round.last.get(&node).or_else(|| job.last.get(&node));
            let from = match last {
                Some(last) => last.0.saturating_add(1),
                None => self.share(job, node, fits),
            };
            let open =
                |task: &&Task| !round.taken.contains(task) && self.may_try(job, **task, node, fits);
            let onward = job.ready.range(task(PartitionId(from))..=high).find(open);
            if let Some(task) = onward.or_else(|| job.ready.range(low..=high).find(open)) {
                return Some((*task, node));
            }
            unsuited.insert(node);
        }
    }

    /// Where the node's share of the partitions begins.
    fn share(&self, job: &Job, node: NodeId, fits: impl Fn(&Class) -> bool) -> u32 {
        let fitting = self.state.slots.classes().filter(|(class, _)| fits(class));
        let (rank, count) = fitting.fold((0, 0), |(rank, count), (_, offers)| {
            (rank + offers.nodes.range(..node).count(), count + offers.nodes.len())
        });
        let partitions = job.partitions.len() as u64;
        (partitions * rank as u64 / count.max(1) as u64) as u32
    }
}

/// Nodes by the ranges that they list now; nobody while no range is ready.
fn listers(state: &ClusterState) -> BTreeSet<(u32, NodeId)> {
    let ready = |job: &Job| job.ready.range(span(TaskKind::ListRange)).next().is_some();
    if state.live_jobs().any(ready) { by_ranges(state) } else { BTreeSet::new() }
}

/// Nodes by the ranges that they list now.
fn by_ranges(state: &ClusterState) -> BTreeSet<(u32, NodeId)> {
    let offers = state.slots.classes().flat_map(|(_, offers)| &offers.nodes);
    let mut ranges: BTreeMap<NodeId, u32> = offers.map(|node| (*node, 0)).collect();
    let leased = span(TaskKind::ListRange);
    let (low, high) = (*leased.start(), *leased.end());
    for job in state.live_jobs() {
        let leased = job.granted.range((low, Attempt(0))..=(high, Attempt(u32::MAX)));
        for (_, node) in leased {
            ranges.entry(*node).and_modify(|ranges| *ranges += 1);
        }
    }
    ranges.into_iter().map(|(node, ranges)| (ranges, node)).collect()
}

/// All tasks of a kind, in the order in which ready ones are kept.
fn span(kind: TaskKind) -> RangeInclusive<Task> {
    let all = |task: fn(PartitionId) -> Task| task(PartitionId(0))..=task(PartitionId(u32::MAX));
    match kind {
        TaskKind::Publish => Task::Publish..=Task::Publish,
        TaskKind::Fit => Task::Fit..=Task::Fit,
        TaskKind::Merge => {
            Task::Merge(TreeNode::leaf(0))..=Task::Merge(TreeNode::Fold { rank: u32::MAX })
        }
        TaskKind::Remake => all(Task::Remake),
        TaskKind::Project => all(Task::Project),
        TaskKind::Extract => all(Task::Extract),
        TaskKind::Gather => Task::Gather..=Task::Gather,
        TaskKind::ListRange => Task::ListRange(RangeId(0))..=Task::ListRange(RangeId(u32::MAX)),
        TaskKind::List => Task::List..=Task::List,
    }
}
