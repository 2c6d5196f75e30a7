//! The replicated state: members, nodes and jobs. What changes them is in [`crate::apply`].

use std::collections::{BTreeMap, BTreeSet};

use crate::effect::Effect;
use crate::ids::{Digest, JobId, NodeId};
use crate::inputs::Inputs;
use crate::job::Job;
use crate::members::{Membership, TokenError};
use crate::node::Node;
use crate::reach::Reach;
use crate::slots::Slots;
use crate::task::Task;

/// Jobs that are over and still told of; the one that ended first is forgotten first.
pub const ENDED_JOBS_MAX: usize = 1_000;

/// What every voter agrees on. Equal commands in equal order give equal states.
#[derive(Debug, Clone, Default)]
pub struct ClusterState {
    pub(crate) membership: Membership,
    pub(crate) nodes: BTreeMap<NodeId, Node>,
    pub(crate) jobs: BTreeMap<JobId, Job>,
    /// Jobs that are not over.
    pub(crate) live: BTreeSet<JobId>,
    /// Jobs that are over, by the time when they ended.
    pub(crate) ended: BTreeSet<(u64, JobId)>,
    pub(crate) applied: u64,
    pub(crate) now_ms: u64,
    /// Who has room: follows from the nodes, and is kept beside them for speed.
    pub(crate) slots: Slots,
    /// Who can fetch moments from whom.
    pub(crate) reach: Reach,
}

impl ClusterState {
    /// Index of the last applied entry.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Time of the last applied entry, milliseconds since 1970-01-01 UTC.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Who can fetch moments from whom, as the last fetches showed.
    pub fn reach(&self) -> &Reach {
        &self.reach
    }

    /// Who belongs to the cluster.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// Whether a token lets a node in that enrols now. `is_secret` says whether the stored SHA-256
    /// is that of the secret at hand, in a time that does not depend on the answer.
    pub fn may_enroll(
        &self,
        token: &str,
        is_secret: impl FnOnce(&Digest) -> bool,
        now_ms: u64,
    ) -> Result<(), TokenError> {
        self.membership.may_enroll(token, is_secret, now_ms.max(self.now_ms))
    }

    /// Nodes that take leases, in the order of their ids.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().map(|(&id, node)| (id, node))
    }

    /// A node, while it takes leases.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// Jobs in the order of their ids.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values()
    }

    /// Jobs that are not over, in the order of their ids.
    pub fn live_jobs(&self) -> impl Iterator<Item = &Job> {
        self.live.iter().map(|id| &self.jobs[id])
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
        for job in self.live_jobs() {
            effects.extend(job.granted().map(|(task, attempt, node)| Effect::Start {
                job: job.id.clone(),
                task,
                attempt,
                node,
            }));
        }
        effects
    }
}
