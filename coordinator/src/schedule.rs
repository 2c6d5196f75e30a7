//! Which ready task goes to which node: a pure function from the state to grants.
//!
//! Slots are filled round about the jobs, fewest leases first, so that several share the cluster
//! fairly. A node is given the neighbour of its last partition, so that the moments it holds merge
//! among themselves; a node without one starts at its own share of the key space.
//!
//! Whoever is known not to reach a store, or the holder of moments, is passed over while there is
//! anybody else; a node that a store refused or did not answer is given nothing that needs a store
//! until it has waited, and then one task at a time.

use std::cell::{Cell, OnceCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use crate::command::Command;
use crate::ids::{Attempt, JobId, NodeId, PartitionId, RangeId};
use crate::job::Job;
use crate::leases::{LeaseName, OverdueNames};
use crate::room::Room;
use crate::slots::Class;
use crate::state::ClusterState;
use crate::task::{Task, TaskKind};
use crate::tree::TreeNode;

/// Moments made again at a time by one node: each occupies memory until it is merged.
const REMAKES_PER_NODE_MAX: usize = 1;

/// Ranges listed at a time by one node, of whatever jobs: each waits for one page of the store, and
/// occupies the memory of a few.
pub(crate) const RANGES_PER_NODE_MAX: u32 = 8;

/// Nodes that are at one task at a time, because each before the last is overdue.
const NODES_PER_TASK_MAX: usize = 3;

/// Tasks of one kind that are looked at, one after the other, for one that somebody may be given.
const LOOKED_AT_MAX: usize = 64;

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
    /// Overdue attempts that nobody else can take over, or that are at what cannot be done now:
    /// their nodes should end them, so that their tasks can be offered anew.
    pub give_up: Vec<(LeaseName, NodeId)>,
    /// When a task or a node that waits has waited long enough, milliseconds since 1970-01-01 UTC:
    /// then it is worth asking again, although nothing else may have changed.
    pub wake_ms: Option<u64>,
}

/// As [`grants`], and first of all each task whose every attempt is overdue is granted to one more
/// node that is not at it: whoever is done first is accepted, and the others are called back.
pub fn turn(state: &ClusterState, overdue: &OverdueNames) -> Turn {
    turn_at(state, overdue, state.now_ms())
}

/// When the next task or node of any job that waits now has waited long enough, milliseconds since
/// 1970-01-01 UTC. `None` if nothing waits.
pub fn next_due_ms(state: &ClusterState, now_ms: u64) -> Option<u64> {
    let now_ms = now_ms.max(state.now_ms());
    state.live_jobs().filter_map(|job| job.faults.next_due_ms(now_ms)).min()
}

/// As [`turn`], at a time that may be later than that of the last entry: the state's own stands
/// still while nothing is proposed, and what waits would wait for ever.
pub fn turn_at(state: &ClusterState, overdue: &OverdueNames, now_ms: u64) -> Turn {
    let now_ms = now_ms.max(state.now_ms());
    let mut round = Round::new(state, now_ms);
    let mut turn = Turn { wake_ms: next_due_ms(state, now_ms), ..Turn::default() };
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
            None => {
                let at = job.attempts_at(task);
                turn.give_up.extend(at.map(|(attempt, node)| ((id.clone(), task, attempt), node)));
            }
        }
    }
    // What an attempt was given has been lost since, and is to be made again: on its slot, maybe.
    turn.give_up.extend(round.needless(overdue));
    while let Some(next) = round.next() {
        grant(&mut round, next);
    }
    turn
}

/// The state as it would be after the grants made so far.
struct Round<'a> {
    state: &'a ClusterState,
    now_ms: u64,
    room: Room<'a>,
    /// Nodes of each class by their ids, once somebody begins at its share of the partitions.
    in_order: OnceCell<Vec<(&'a Class, Vec<NodeId>)>>,
    /// Nodes by the ranges that they list, the idle first; nobody while no range is ready.
    listers: BTreeSet<(u32, NodeId)>,
    jobs: BTreeMap<&'a JobId, JobRound>,
}

#[derive(Default)]
struct JobRound {
    taken: BTreeSet<Task>,
    /// Partitions before which nothing is to be given away any more.
    extracts: Cell<u32>,
    projects: Cell<u32>,
    last: BTreeMap<NodeId, PartitionId>,
    /// Moments that each node is given to make again.
    remakes: BTreeMap<NodeId, usize>,
    /// Nodes that something is wrong with, and that are given a task which needs a store.
    probing: BTreeSet<NodeId>,
}

impl<'a> Round<'a> {
    fn new(state: &'a ClusterState, now_ms: u64) -> Self {
        let jobs = state.live_jobs().map(|job| (&job.id, JobRound::default()));
        Self {
            state,
            now_ms,
            room: Room::new(&state.slots),
            in_order: OnceCell::new(),
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

    /// Overdue attempts at tasks that could not be offered now.
    fn needless(&self, overdue: &OverdueNames) -> impl Iterator<Item = (LeaseName, NodeId)> {
        overdue.iter().filter_map(|(id, task, attempt)| {
            let job = self.state.jobs.get(id).filter(|job| !job.is_due(*task))?;
            let (_, node) = job.attempts_at(*task).find(|(at, _)| at == attempt)?;
            Some(((id.clone(), *task, *attempt), node))
        })
    }

    /// One more node for a task, beside those that are at it.
    fn another(&self, job: &'a Job, task: Task) -> Option<NodeId> {
        let at: BTreeSet<NodeId> = job.attempts_at(task).map(|(_, node)| node).collect();
        if at.len() >= NODES_PER_TASK_MAX {
            return None;
        }
        if task.kind() == TaskKind::ListRange {
            return self.lister(job, task, &at);
        }
        // One more that cannot get at the moments would not end it: the others are to give it up.
        let reaches = |node: NodeId| {
            let mut holders = job.holders(task).into_iter();
            holders.all(|at| at == node || self.state.reach.may_fetch(node, at, self.now_ms))
        };
        self.best(job, task, |node| !at.contains(&node) && reaches(node))
    }

    fn take(&mut self, job: &JobId, task: Task, node: NodeId) -> Attempt {
        if task.takes_slot() {
            self.room.take(node);
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
        if matches!(task.kind(), TaskKind::Remake | TaskKind::Rebuild) {
            *round.remakes.entry(node).or_default() += 1;
        }
        if task.kind().needs_store() && !self.state.jobs[job].faults.trusts(node) {
            round.probing.insert(node);
        }
        attempt
    }

    fn assign(&self, job: &'a Job, round: &JobRound, kind: TaskKind) -> Option<(Task, NodeId)> {
        if matches!(kind, TaskKind::Extract | TaskKind::Project) {
            let task = if kind == TaskKind::Extract { Task::Extract } else { Task::Project };
            return self.neighbour(job, round, kind, task);
        }
        let open = job.ready.range(span(kind)).filter(|task| self.is_open(job, round, *task));
        open.take(LOOKED_AT_MAX).find_map(|task| {
            let node = match task {
                Task::Merge(tree_node) => self.merger(job, tree_node)?,
                Task::Fit => self.fitter(job)?,
                Task::Remake(_) | Task::Rebuild(_) => self.maker(job, round, task)?,
                Task::ListRange(_) => self.lister(job, task, &BTreeSet::new())?,
                _ => self.best(job, task, |_| true)?,
            };
            Some((task, node))
        })
    }

    /// Whether a ready task is still to be given away in this round.
    fn is_open(&self, job: &Job, round: &JobRound, task: Task) -> bool {
        !round.taken.contains(&task) && !job.faults.holds_back(task, self.now_ms)
    }

    /// Who merges two moments: whoever holds the left ones, so that only the right ones travel, or
    /// the right ones, or a third node that reaches both. A node that drains is to be rid of what
    /// it holds.
    fn merger(&self, job: &'a Job, tree_node: TreeNode) -> Option<NodeId> {
        let task = Task::Merge(tree_node);
        let (left, right) = job.plan().children(tree_node)?;
        let (left, right) = (job.held.get(&left)?.node, job.held.get(&right)?.node);
        let (reach, now_ms) = (&self.state.reach, self.now_ms);
        let stays =
            |node: NodeId| self.state.slots.of(node).is_some() && self.may_try(job, task, node);
        let sides = [(left, right), (right, left)];
        let one = sides.into_iter().filter(|(node, _)| stays(*node));
        let mut reaching =
            one.clone().filter(|(node, other)| reach.may_fetch(*node, *other, now_ms));
        let third = || {
            let able = job.able(task, &self.state.slots);
            reach.third(able.filter(|node| self.may_try(job, task, *node)), [left, right], now_ms)
        };
        // Somebody is to try in any case: what comes of it decides what is done next.
        let anybody = || one.clone().next().map(|(node, _)| node);
        let reaching = reaching.next().map(|(node, _)| node);
        reaching.or_else(third).or_else(anybody).or_else(|| self.best(job, task, |_| true))
    }

    /// Who fits: whoever holds the root, if it may and has room, or somebody who may reach it.
    fn fitter(&self, job: &'a Job) -> Option<NodeId> {
        if job.spec.given_fit {
            return self.best(job, Task::Fit, |_| true);
        }
        let holder = job.held.get(&job.plan().root()?)?.node;
        let able = |node: &NodeId| {
            self.may_try(job, Task::Fit, *node) && !job.faults.bars(*node, self.now_ms)
        };
        let mut fitters = job.able(Task::Fit, &self.state.slots).filter(able).peekable();
        fitters.peek()?;
        let reaches =
            |node: NodeId| node == holder || self.state.reach.may_fetch(node, holder, self.now_ms);
        let is_holder = |node: NodeId| node == holder;
        self.best(job, Task::Fit, is_holder).or_else(|| match fitters.any(reaches) {
            true => self.best(job, Task::Fit, reaches),
            false => self.best(job, Task::Fit, |_| true),
        })
    }

    /// Who makes moments again: where that matters, a node on which they come together with those
    /// next to them. One that is busy is waited for; one that may not, or does not reach the store,
    /// is not.
    fn maker(&self, job: &'a Job, round: &JobRound, task: Task) -> Option<NodeId> {
        let wanted = match task {
            Task::Rebuild(tree_node) => job.rebuilds.get(&tree_node).copied().flatten(),
            _ => None,
        };
        let beside = match task {
            Task::Remake(partition) if self.state.reach.is_walled() => {
                job.neighbour_of(TreeNode::leaf(partition.0))
            }
            _ => None,
        };
        let meets = |node: NodeId| {
            wanted.is_none_or(|on| on == node)
                && beside.is_none_or(|other| self.state.reach.may_meet(node, other, self.now_ms))
        };
        let usable =
            |node: &NodeId| self.may_try(job, task, *node) && !job.faults.bars(*node, self.now_ms);
        let is_remake = |(task, _): &(Task, Attempt)| {
            matches!(task.kind(), TaskKind::Remake | TaskKind::Rebuild)
        };
        let is_free = |node: NodeId| {
            let given = round.remakes.get(&node).copied().unwrap_or(0);
            given + job.granted_to(node).filter(is_remake).count() < REMAKES_PER_NODE_MAX
        };
        let somebody_meets = job.able(task, &self.state.slots).filter(usable).any(meets);
        self.best(job, task, |node| is_free(node) && (meets(node) || !somebody_meets))
    }

    /// Who lists a range, but for those that are at it: whoever lists the fewest, so that they are
    /// spread evenly.
    fn lister(&self, job: &Job, task: Task, at: &BTreeSet<NodeId>) -> Option<NodeId> {
        let open = self.listers.iter().take_while(|(ranges, _)| *ranges < RANGES_PER_NODE_MAX);
        let open = open.map(|(_, node)| *node);
        let mut open = open.filter(|node| !at.contains(node) && self.may_try(job, task, *node));
        let trusted = open.clone().find(|node| job.faults.trusts(*node));
        trusted.or_else(|| open.find(|node| self.may_probe(job, *node)))
    }

    /// Whether a node may be given a task: not one at which it failed, while there is another node
    /// that could do it.
    fn may_try(&self, job: &Job, task: Task, node: NodeId) -> bool {
        let avoids = |node: NodeId| job.avoids(task, node) || job.faults.bars(node, self.now_ms);
        !job.avoids(task, node) || job.able(task, &self.state.slots).all(avoids)
    }

    /// Whether a node that did not reach a store, or was refused, may try again: when it has
    /// waited, and with one task.
    fn may_probe(&self, job: &Job, node: NodeId) -> bool {
        !job.faults.bars(node, self.now_ms)
            && !self.jobs[&job.id].probing.contains(&node)
            && !job.granted_to(node).any(|(task, _)| task.kind().needs_store())
    }

    /// The emptiest of the nodes that may be given a task, those that reach the stores first.
    fn best(&self, job: &'a Job, task: Task, may: impl Fn(NodeId) -> bool) -> Option<NodeId> {
        let may = |node: NodeId| may(node) && self.may_try(job, task, node);
        self.candidates(job, task.kind()).find(|node| may(*node))
    }

    /// Who may be given something of a kind, the emptiest first; the lowest id breaks ties. Those
    /// that reach the stores come first.
    fn candidates(&self, job: &'a Job, kind: TaskKind) -> impl Iterator<Item = NodeId> {
        let fitting = move || self.room.emptiest_first(move |class| job.fits(kind, class));
        let (store, faults) = (kind.needs_store(), &job.faults);
        let trusted = fitting().filter(move |node| !store || faults.trusts(*node));
        let others = (store && faults.nodes().next().is_some()).then(fitting);
        let others = others.into_iter().flatten();
        let may = move |node: &NodeId| !faults.trusts(*node) && self.may_probe(job, *node);
        trusted.chain(others.filter(may))
    }

    /// The emptiest node that has something to do next to what it did last, or else where its share
    /// begins, or else anywhere.
    fn neighbour(
        &self,
        job: &'a Job,
        round: &JobRound,
        kind: TaskKind,
        task: fn(PartitionId) -> Task,
    ) -> Option<(Task, NodeId)> {
        let high = task(PartitionId(u32::MAX));
        // Where nothing is left, nobody is looked for.
        let passed = if kind == TaskKind::Project { &round.projects } else { &round.extracts };
        let low = task(PartitionId(passed.get()));
        let first = job.ready.range(low..=high).find(|task| self.is_open(job, round, *task));
        passed.set(first.and_then(Task::partition).map_or(u32::MAX, |partition| partition.0));
        let first = first?;
        // A node is passed over only if it failed at whatever is left.
        self.candidates(job, kind).find_map(|node| {
            let last = round.last.get(&node).or_else(|| job.last.get(&node));
            let from = match last {
                Some(last) => last.0.saturating_add(1),
                None => self.share(job, kind, node),
            };
            let open =
                |task: &Task| self.is_open(job, round, *task) && self.may_try(job, *task, node);
            let onward = job.ready.range(task(PartitionId(from))..=high).find(open);
            Some((onward.or_else(|| job.ready.range(first..=high).find(open))?, node))
        })
    }

    /// Where the node's share of the partitions begins.
    fn share(&self, job: &Job, kind: TaskKind, node: NodeId) -> u32 {
        let in_order = self.in_order.get_or_init(|| {
            let classes = self.state.slots.classes();
            classes.map(|(class, offers)| (class, offers.nodes.iter().copied().collect())).collect()
        });
        let fitting = in_order.iter().filter(|(class, _)| job.fits(kind, class));
        let (rank, count) = fitting.fold((0, 0), |(rank, count), (_, nodes)| {
            (rank + nodes.partition_point(|other| *other < node), count + nodes.len())
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
    let below = |task: fn(TreeNode) -> Task| {
        task(TreeNode::leaf(0))..=task(TreeNode::Fold { rank: u32::MAX })
    };
    match kind {
        TaskKind::Publish => Task::Publish..=Task::Publish,
        TaskKind::Fit => Task::Fit..=Task::Fit,
        TaskKind::Merge => below(Task::Merge),
        TaskKind::Rebuild => below(Task::Rebuild),
        TaskKind::Remake => all(Task::Remake),
        TaskKind::Project => all(Task::Project),
        TaskKind::Extract => all(Task::Extract),
        TaskKind::Gather => Task::Gather..=Task::Gather,
        TaskKind::ListRange => Task::ListRange(RangeId(0))..=Task::ListRange(RangeId(u32::MAX)),
        TaskKind::List => Task::List..=Task::List,
    }
}
