//! Which ready task goes to which node: a pure function from the state to grants.
//!
//! Slots are filled round about the jobs, fewest leases first, so that several share the cluster
//! fairly. A node is given the neighbour of its last partition, so that the moments it holds merge
//! among themselves; a node without one starts at its own share of the key space.

use std::collections::{BTreeMap, BTreeSet};

use crate::command::Command;
use crate::ids::{Attempt, JobId, NodeId, PartitionId};
use crate::job::Job;
use crate::state::{ClusterState, Node};
use crate::task::{Task, TaskKind};
use crate::tree::TreeNode;

/// Moments made again at a time by one node: each occupies memory until it is merged.
const REMAKES_PER_NODE_MAX: usize = 1;

/// Grants that fill the free slots, in the order in which they should be proposed. Applying them
/// and asking again yields none: the assignment is complete.
pub fn grants(state: &ClusterState) -> Vec<Command> {
    let mut round = Round::new(state);
    let mut commands = Vec::new();
    while let Some((job, task, node)) = round.next() {
        let attempt = round.take(&job, task, node);
        commands.push(Command::Grant { job, task, attempt, node });
    }
    commands
}

/// The state as it would be after the grants made so far.
struct Round<'a> {
    state: &'a ClusterState,
    free: BTreeMap<NodeId, u32>,
    jobs: BTreeMap<JobId, JobRound>,
}

#[derive(Default)]
struct JobRound {
    taken: BTreeSet<Task>,
    last: BTreeMap<NodeId, PartitionId>,
    remakes: BTreeMap<NodeId, usize>,
}

impl<'a> Round<'a> {
    fn new(state: &'a ClusterState) -> Self {
        let given_nothing = |id| state.membership.is_draining(id);
        let free = |(&id, node): (&NodeId, &Node)| {
            (id, if given_nothing(id) { 0 } else { node.slots - node.used })
        };
        let free = state.nodes.iter().map(free).collect();
        let live = state.jobs.values().filter(|job| !job.ended());
        let jobs = live
            .map(|job| {
                let mut round = JobRound::default();
                for ((task, _), node) in &job.granted {
                    if task.kind() == TaskKind::Remake {
                        *round.remakes.entry(*node).or_default() += 1;
                    }
                }
                (job.id.clone(), round)
            })
            .collect();
        Self { state, free, jobs }
    }

    fn next(&self) -> Option<(JobId, Task, NodeId)> {
        let leases = |id: &JobId| self.jobs[id].taken.len() + self.state.jobs[id].granted.len();
        let mut order: Vec<&JobId> = self.jobs.keys().collect();
        order.sort_by_key(|id| leases(id));
        order.into_iter().find_map(|id| {
            let job = &self.state.jobs[id];
            let (task, node) = TaskKind::ALL
                .into_iter()
                .find_map(|kind| self.assign(job, &self.jobs[id], kind))?;
            Some((id.clone(), task, node))
        })
    }

    fn take(&mut self, job: &JobId, task: Task, node: NodeId) -> Attempt {
        if task.takes_slot()
            && let Some(free) = self.free.get_mut(&node)
        {
            *free -= 1;
        }
        let round = self.jobs.get_mut(job).expect("a job that was assigned from is in the round");
        let attempt = Attempt(self.state.jobs[job].next_attempt.0 + round.taken.len() as u32);
        round.taken.insert(task);
        if let Some(partition) = task.partition() {
            round.last.insert(node, partition);
        }
        if task.kind() == TaskKind::Remake {
            *round.remakes.entry(node).or_default() += 1;
        }
        attempt
    }

    fn assign(&self, job: &Job, round: &JobRound, kind: TaskKind) -> Option<(Task, NodeId)> {
        let open = |task: &Task| !round.taken.contains(task);
        let first = || job.ready.iter().filter(|task| task.kind() == kind).find(|task| open(task));
        match kind {
            TaskKind::Merge => {
                let task = *first()?;
                let Task::Merge(tree_node) = task else {
                    return None;
                };
                Some((task, self.merger(job, tree_node)?))
            }
            TaskKind::Publish | TaskKind::List => Some((*first()?, self.emptiest(|_, _| true)?)),
            TaskKind::Fit => {
                let task = *first()?;
                let fits = |_: NodeId, node: &Node| job.spec.suits_fit_class(&node.fit_class);
                if job.spec.given_fit {
                    return Some((task, self.emptiest(fits)?));
                }
                let holder = job.held.get(&job.plan().root()?)?.node;
                let at_holder = self.emptiest(|id, node| id == holder && fits(id, node));
                Some((task, at_holder.or_else(|| self.emptiest(fits))?))
            }
            TaskKind::Remake => {
                let node = self.emptiest(|id, node| {
                    let busy = round.remakes.get(&id).copied().unwrap_or(0);
                    node.compute_class == job.spec.compute_class && busy < REMAKES_PER_NODE_MAX
                })?;
                Some((*first()?, node))
            }
            TaskKind::Extract => {
                let fits = |node: &Node| node.compute_class == job.spec.compute_class;
                self.neighbour(job, round, Task::Extract, fits)
            }
            TaskKind::Project => {
                let fits = |node: &Node| job.spec.suits_fit_class(&node.fit_class);
                self.neighbour(job, round, Task::Project, fits)
            }
        }
    }

    /// Who merges two moments: whoever holds the left ones, so that only the right ones travel. A
    /// node that drains is to be rid of what it holds.
    fn merger(&self, job: &Job, tree_node: TreeNode) -> Option<NodeId> {
        let (left, right) = job.plan().children(tree_node)?;
        let holders = [job.held.get(&left)?.node, job.held.get(&right)?.node];
        let stays = |node: &NodeId| !self.state.membership.is_draining(*node);
        let suits = |_: NodeId, node: &Node| node.compute_class == job.spec.compute_class;
        holders.into_iter().find(stays).or_else(|| self.emptiest(suits))
    }

    /// The node with the most free slots among those that fit; the lowest id breaks ties.
    fn emptiest(&self, fits: impl Fn(NodeId, &Node) -> bool) -> Option<NodeId> {
        let free = |id: &NodeId| self.free[id];
        self.state
            .nodes
            .iter()
            .filter(|(id, node)| free(id) > 0 && fits(**id, node))
            .min_by_key(|(id, _)| (std::cmp::Reverse(free(id)), **id))
            .map(|(id, _)| *id)
    }

    fn neighbour(
        &self,
        job: &Job,
        round: &JobRound,
        task: fn(PartitionId) -> Task,
        fits: impl Fn(&Node) -> bool,
    ) -> Option<(Task, NodeId)> {
        let (low, high) = (task(PartitionId(0)), task(PartitionId(u32::MAX)));
        let open = |task: &&Task| !round.taken.contains(task);
        // Asked first: most calls find nothing, and then the nodes need not be looked at.
        job.ready.range(low..=high).find(open)?;
        let node = self.emptiest(|_, node| fits(node))?;
        let last = round.last.get(&node).or_else(|| job.last.get(&node));
        let from = match last {
            Some(last) => last.0.saturating_add(1),
            None => self.share(job, node, fits),
        };
        let onward = job.ready.range(task(PartitionId(from))..=high).find(open);
        let task = onward.or_else(|| job.ready.range(low..=high).find(open))?;
        Some((*task, node))
    }

    /// Where the node's share of the partitions begins.
    fn share(&self, job: &Job, node: NodeId, fits: impl Fn(&Node) -> bool) -> u32 {
        let fitting: Vec<_> =
            self.state.nodes.iter().filter(|(_, node)| fits(node)).map(|(id, _)| *id).collect();
        let rank = fitting.iter().position(|id| *id == node).unwrap_or(0) as u64;
        let partitions = job.partitions.len() as u64;
        (partitions * rank / fitting.len().max(1) as u64) as u32
    }
}
