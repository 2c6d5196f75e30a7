//! The replicated state: nodes, jobs, and the one function that changes them.

use std::collections::BTreeMap;

use crate::command::Command;
use crate::effect::{Effect, Outbox};
use crate::ids::{JobId, NodeId};
use crate::invariants;
use crate::job::{Job, Outcome};
use crate::task::{Inputs, Task};

/// A member that takes leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Leases that it takes at a time.
    pub slots: u32,
    /// Slots that are taken.
    pub used: u32,
    /// What its features' bits depend on.
    pub compute_class: String,
    /// What its fits' bits depend on.
    pub fit_class: String,
}

/// What every voter agrees on. Equal commands in equal order give equal states.
#[derive(Debug, Clone, Default)]
pub struct ClusterState {
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    pub(crate) jobs: BTreeMap<JobId, Job>,
    applied: u64,
}

impl ClusterState {
    /// Applies the log's entry at `index` and says what the leader must do about it. Entries at or
    /// before the last applied index change nothing.
    pub fn apply(&mut self, index: u64, command: &Command) -> Vec<Effect> {
        if index <= self.applied {
            return Vec::new();
        }
        self.applied = index;
        let mut out = Outbox::default();
        self.transition(command, &mut out);
        for node in out.freed {
            if let Some(node) = self.nodes.get_mut(&node) {
                node.used -= 1;
            }
        }
        debug_assert_eq!(invariants::check(self), Vec::<String>::new(), "after {command:?}");
        out.effects
    }

    /// Index of the last applied entry.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Members in the order of their ids.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().map(|(&id, node)| (id, node))
    }

    /// Jobs in the order of their ids.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    /// One job.
    pub fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.get(id)
    }

    /// What an attempt at the task needs. `None` when it cannot be done in this state.
    pub fn inputs(&self, job: &JobId, task: Task) -> Option<Inputs> {
        self.jobs.get(job)?.inputs(task)
    }

    /// Every lease that is out: what a new leader sends again, since it cannot know what its
    /// predecessor still sent.
    pub fn outstanding_effects(&self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for job in self.jobs.values() {
            effects.extend(job.granted().map(|(task, attempt, node)| Effect::Start {
                job: job.id.clone(),
                task,
                attempt,
                node,
            }));
        }
        effects
    }

    fn transition(&mut self, command: &Command, out: &mut Outbox) {
        match command {
            Command::AddNode { node, slots, compute_class, fit_class } => {
                self.nodes.entry(*node).or_insert_with(|| Node {
                    slots: *slots,
                    used: 0,
                    compute_class: compute_class.clone(),
                    fit_class: fit_class.clone(),
                });
            }
            Command::LoseNode { node } => {
                if self.nodes.remove(node).is_some() {
                    self.jobs.values_mut().for_each(|job| job.lose_node(*node, out));
                }
            }
            Command::SubmitJob { job, spec } => {
                self.jobs.entry(job.clone()).or_insert_with(|| Job::new(job.clone(), spec.clone()));
            }
            Command::CancelJob { job } => {
                if let Some(job) = self.live(job) {
                    job.end(Outcome::Cancelled, out);
                }
            }
            Command::Grant { job, task, attempt, node } => {
                let Some(lessee) = self.nodes.get_mut(node) else {
                    return;
                };
                let Some(job) = self.jobs.get_mut(job) else {
                    return;
                };
                let slots = u32::from(task.takes_slot());
                if lessee.used + slots <= lessee.slots && job.grant(*task, *attempt, *node, out) {
                    lessee.used += slots;
                }
            }
            Command::Accept { job, task, attempt, result } => {
                if let Some(job) = self.live(job) {
                    job.accept(*task, *attempt, result, out);
                }
            }
            Command::Fail { job, task, attempt, reason, detail } => {
                if let Some(job) = self.live(job) {
                    job.fail(*task, *attempt, *reason, detail, out);
                }
            }
            Command::DropMoments { job, tree_node, node } => {
                if let Some(job) = self.live(job) {
                    job.drop_moments(*tree_node, *node);
                }
            }
        }
    }

    fn live(&mut self, job: &JobId) -> Option<&mut Job> {
        self.jobs.get_mut(job).filter(|job| !job.ended())
    }
}
