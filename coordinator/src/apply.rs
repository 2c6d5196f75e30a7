//! The one function that changes the replicated state: what each command of the log does to it.

use crate::command::Command;
use crate::effect::{Effect, Outbox};
use crate::ids::{Digest, JobId, NodeId};
use crate::invariants;
use crate::job::Job;
use crate::lineage::Around;
use crate::members::{Client, Member, Process, Token};
use crate::node::Node;
use crate::phase::Outcome;
use crate::retry::FailureReason;
use crate::spec::JobSpec;
use crate::state::{ClusterState, ENDED_JOBS_MAX};
use crate::task::Task;

impl ClusterState {
    /// Applies the log's entry at `index`, proposed at `now_ms`, and says what the leader must do
    /// about it. Entries at or before the last applied index change nothing. Time never goes back:
    /// an entry whose proposer's clock is slow counts as proposed with the one before.
    pub fn apply(&mut self, index: u64, now_ms: u64, command: &Command) -> Vec<Effect> {
        if index <= self.applied {
            return Vec::new();
        }
        self.applied = index;
        self.now_ms = self.now_ms.max(now_ms);
        let mut out = Outbox::default();
        self.transition(command, &mut out);
        for node_id in out.freed {
            if let Some(node) = self.nodes.get_mut(&node_id) {
                node.used -= 1;
            }
            self.offer(node_id);
        }
        self.lay_to_rest(&out.effects);
        debug_assert_eq!(invariants::check(self), Vec::<String>::new(), "after {command:?}");
        out.effects
    }

    fn transition(&mut self, command: &Command, out: &mut Outbox) {
        match command {
            Command::SubmitJob { job, spec } => self.submit(job, spec, out),
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
                if !self.membership.is_draining(*node)
                    && lessee.slots > 0
                    && lessee.used + slots <= lessee.slots
                    && job.grant(*task, *attempt, *node, out)
                {
                    lessee.used += slots;
                    self.offer(*node);
                }
            }
            Command::Accept { job, task, attempt, result, facts } => {
                if let Some((job, mut around)) = self.live_and_around(job) {
                    job.accept(*task, *attempt, (result, *facts), &mut around, out);
                }
            }
            Command::Fail { job, task, attempt, reason, detail, facts } => {
                if let Some((job, mut around)) = self.live_and_around(job) {
                    let failure = (*reason, detail.as_str(), *facts);
                    job.fail(*task, *attempt, failure, &mut around, out);
                }
            }
            Command::DropMoments { job, tree_node, node } => {
                if let Some(job) = self.live(job) {
                    job.drop_moments(*tree_node, *node);
                }
            }
            Command::AddNode { .. }
            | Command::LoseNode { .. }
            | Command::FoundCluster { .. }
            | Command::CreateToken { .. }
            | Command::RevokeToken { .. }
            | Command::Enroll { .. }
            | Command::RegisterClient { .. }
            | Command::RevokeClient { .. }
            | Command::DrainNode { .. }
            | Command::RemoveNode { .. } => self.associate(command, out),
        }
    }

    /// Commands about who belongs to the cluster.
    fn associate(&mut self, command: &Command, out: &mut Outbox) {
        let (index, now_ms) = (self.applied, self.now_ms);
        match command {
            Command::AddNode {
                node,
                incarnation,
                starts,
                address,
                release,
                slots,
                compute_class,
                fit_class,
            } => {
                let process = Process { starts: *starts, incarnation: *incarnation };
                let offer = Node {
                    slots: *slots,
                    used: 0,
                    compute_class: compute_class.clone(),
                    fit_class: fit_class.clone(),
                    incarnation: *incarnation,
                };
                if self.membership.takes(*node, &process) {
                    self.add(*node, offer, out);
                    self.membership.heard(*node, process, (address, release), index);
                }
            }
            Command::LoseNode { node, incarnation } => {
                let meant = |present: &Node| [0, present.incarnation].contains(incarnation);
                if self.nodes.get(node).is_some_and(meant) {
                    self.lose(*node, out);
                }
            }
            Command::FoundCluster { .. } => self.found(command),
            Command::CreateToken { id, hash, uses, expires_ms } => {
                let token = Token { hash: *hash, uses_left: *uses, expires_ms: *expires_ms };
                self.membership.create_token(id, token, now_ms);
            }
            Command::RevokeToken { id } => self.membership.revoke_token(id),
            Command::Enroll { token, key, address, storage } => {
                self.membership.enroll(token, newcomer(*key, address, storage, now_ms), index);
            }
            Command::RegisterClient { name, serial, expires_ms } => {
                let client = Client { name: name.clone(), expires_ms: *expires_ms, revoked: false };
                self.membership.register_client(serial, client, (now_ms, index));
            }
            Command::RevokeClient { name } => self.membership.revoke_client(name, index),
            Command::DrainNode { node, undo, leaving } => self.drain(*node, *undo, *leaving),
            Command::RemoveNode { node } => {
                self.membership.remove(*node, index);
                if !self.membership.admits(*node) {
                    self.lose(*node, out);
                }
                // Another one may stay for that.
                let ids: Vec<_> = self.nodes.keys().copied().collect();
                ids.into_iter().for_each(|id| self.offer(id));
            }
            // The others are `transition`'s.
            _ => {}
        }
    }

    /// The first entry of a cluster, void where there is anything.
    fn found(&mut self, command: &Command) {
        let Command::FoundCluster {
            cluster,
            name,
            voters_wanted,
            address,
            storage,
            key,
            certificate_life_ms,
        } = command
        else {
            return;
        };
        let (index, now_ms) = (self.applied, self.now_ms);
        let nothing = self.nodes.is_empty() && self.jobs.is_empty();
        if nothing && self.membership.found(cluster, name, *voters_wanted, index) {
            self.membership.certificate_life_ms = *certificate_life_ms;
            self.membership.let_in(newcomer(*key, address, storage, now_ms), index);
        }
    }

    fn add(&mut self, id: NodeId, offer: Node, out: &mut Outbox) {
        let same = |present: &Node| present.incarnation == offer.incarnation;
        if self.nodes.get(&id).is_some_and(|present| !same(present)) {
            self.lose(id, out);
        }
        let slots = offer.slots;
        let node = self.nodes.entry(id).or_insert(offer);
        // A process that is to end offers nothing more, whatever it is still at.
        node.slots = if slots == 0 { 0 } else { slots.max(node.used) };
        self.offer(id);
    }

    /// Of two that would leave for good at once the log alone knows who asked first.
    fn drain(&mut self, node: NodeId, undo: bool, leaving: bool) {
        if leaving && !undo && !self.can_spare(node) {
            return;
        }
        self.membership.drain(node, undo, leaving);
        self.offer(node);
    }

    /// Whether somebody is there, and stays, when a node leaves for good.
    fn can_spare(&self, node: NodeId) -> bool {
        let mut others = self.membership.staying().filter(|other| *other != node);
        others.any(|other| self.nodes.contains_key(&other))
    }

    /// Takes note of what a node offers now: nothing while it drains.
    pub(crate) fn offer(&mut self, id: NodeId) {
        match self.nodes.get(&id) {
            Some(node) if node.slots > 0 && !self.membership.is_draining(id) => {
                self.slots.set(id, node);
            }
            _ => self.slots.remove(id),
        }
    }

    fn lose(&mut self, node: NodeId, out: &mut Outbox) {
        if self.nodes.remove(&node).is_some() {
            for id in &self.live {
                let job = self.jobs.get_mut(id).expect("every live job is kept");
                job.lose_node(node, out);
            }
            self.reach.forget(node);
            // Slots of a node that is gone are nobody's, not even of its next process.
            out.freed.retain(|freed| *freed != node);
            self.offer(node);
        }
    }

    /// Two jobs that write at one place would take each other's objects for their own, so the
    /// later one ends before it begins.
    fn submit(&mut self, id: &JobId, spec: &JobSpec, out: &mut Outbox) {
        if self.jobs.contains_key(id) {
            return;
        }
        let place = |to: &str| to.trim_end_matches('/').to_owned();
        let to = place(&spec.to);
        let rival = self.live_jobs().find(|job| place(&job.spec.to) == to).map(|job| &job.id);
        let refusal = rival.map(|rival| {
            format!(
                "job {rival} is already writing to {to}: wait for it, cancel it with `fruitnode \
                 job cancel {rival}`, or choose another target"
            )
        });
        let mut job = Job::new(id.clone(), spec.clone(), self.now_ms);
        if let Some(detail) = refusal {
            let (task, reason) = (Task::List, FailureReason::TargetTaken);
            job.end(Outcome::Failed { task, reason, detail }, out);
        }
        self.live.insert(id.clone());
        self.jobs.insert(id.clone(), job);
    }

    /// Moves jobs that have just ended to those that are over, and forgets the oldest of these.
    fn lay_to_rest(&mut self, effects: &[Effect]) {
        for effect in effects {
            let Effect::End { job: id, .. } = effect else {
                continue;
            };
            self.live.remove(id);
            self.ended.insert((self.now_ms, id.clone()));
            if let Some(job) = self.jobs.get_mut(id) {
                job.ended_ms = self.now_ms;
            }
        }
        while self.ended.len() > ENDED_JOBS_MAX {
            if let Some((_, id)) = self.ended.pop_first() {
                self.jobs.remove(&id);
            }
        }
    }

    /// A job that is not over, and what its decisions need beside it.
    fn live_and_around(&mut self, job: &JobId) -> Option<(&mut Job, Around<'_>)> {
        let job = self.jobs.get_mut(job).filter(|job| !job.ended())?;
        let Self { nodes, slots, reach, membership, now_ms, .. } = self;
        Some((job, Around { nodes, slots, reach, membership, now_ms: *now_ms }))
    }

    fn live(&mut self, job: &JobId) -> Option<&mut Job> {
        self.jobs.get_mut(job).filter(|job| !job.ended())
    }
}

fn newcomer(key: Digest, address: &str, storage: &str, joined_ms: u64) -> Member {
    Member {
        key,
        address: address.to_owned(),
        storage: storage.to_owned(),
        joined_ms,
        draining: false,
        leaving: false,
        removed: false,
        release: String::new(),
        process: Process::default(),
    }
}
