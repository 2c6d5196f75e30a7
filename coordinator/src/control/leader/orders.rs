//! What the log has decided, told to the members it concerns; and the next leases.

use crate::control::leader::{Happening, Leader, Output, sessions::unstartable};
use crate::control::message::{Lease, Order, ToMember};
use crate::effect::Effect;
use crate::ids::{Attempt, JobId, NodeId};
use crate::leases::OverdueNames;
use crate::phase::Outcome;
use crate::schedule;
use crate::state::ClusterState;
use crate::task::Task;

impl Leader {
    /// Leases for whoever has room, once everything that was proposed before is settled.
    pub(super) fn grant(&mut self, state: &ClusterState, now_ms: u64) {
        let Some(tenure) = self.tenure.as_mut().filter(|tenure| tenure.changed) else { return };
        if !tenure.proposed.is_empty() {
            return;
        }
        tenure.changed = false;
        let looks = std::mem::take(&mut tenure.look);
        let overdue = tenure.overdue.iter().filter(|_| looks).map(|late| late.name.clone());
        let overdue: OverdueNames = overdue.collect();
        let term = tenure.term;
        let turn = schedule::turn_at(state, &overdue, now_ms);
        tenure.wake_ms = turn.wake_ms;
        if turn.wake_ms.is_some() {
            self.reached.at("leader: somebody waits for a store");
        }
        if looks && !turn.grants.is_empty() {
            self.reached.at("leader: grants while attempts are overdue");
        }
        turn.grants.into_iter().for_each(|grant| self.propose(grant));
        for (name, node) in turn.give_up {
            self.reached.at("leader: has an attempt given up");
            self.say(node, ToMember::Order { term, order: Box::new(Order::GiveUp(name)) });
        }
    }

    pub(super) fn carry_out(&mut self, state: &ClusterState, index: u64, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Start { job, task, attempt, node } => {
                    if self.is_due(node, index) {
                        self.start(state, (job, task), attempt, node);
                    }
                }
                Effect::Cancel { job, task, attempt, node } => {
                    self.order(node, index, Order::Cancel((job, task, attempt)));
                }
                Effect::Release { job, tree_node, node } => {
                    self.order(node, index, Order::Release((job, tree_node)));
                }
                Effect::End { job, outcome, story } => self.ended(job, outcome, story),
                Effect::Abandon { job } => self.abandon(state, job),
            }
        }
    }

    /// Whether a member has been greeted with a state before this entry.
    fn is_due(&mut self, node: NodeId, index: u64) -> bool {
        let told = self.sessions.get(&node).and_then(|session| session.told);
        if told.is_some_and(|told| told >= index) {
            self.reached.at("leader: an effect that the greeting told already");
        }
        told.is_some_and(|told| told < index)
    }

    fn order(&mut self, node: NodeId, index: u64, order: Order) {
        if self.is_due(node, index)
            && let Some(tenure) = &self.tenure
        {
            let term = tenure.term;
            self.say(node, ToMember::Order { term, order: Box::new(order) });
        }
    }

    fn start(
        &mut self,
        state: &ClusterState,
        (job, task): (JobId, Task),
        attempt: Attempt,
        node: NodeId,
    ) {
        let found = state.job(&job).filter(|job| job.is_leased((task, attempt), node));
        let (Some(found), Some(tenure)) = (found, &self.tenure) else {
            self.reached.at("leader: a lease that was called back before it was sent");
            return;
        };
        let (spec, term) = (found.spec().clone(), tenure.term);
        let Some(inputs) = found.inputs(task) else {
            self.reached.at("leader: a lease whose inputs were lost before it was sent");
            self.propose(unstartable(job, task, attempt));
            return;
        };
        let lease = Lease { job, spec, task, attempt, inputs };
        let order = Box::new(Order::Start(Box::new(lease)));
        self.say(node, ToMember::Order { term, order });
    }

    fn ended(&mut self, job: JobId, outcome: Outcome, story: Vec<crate::story::AttemptRecord>) {
        let Some(term) = self.tenure.as_ref().map(|tenure| tenure.term) else { return };
        // That of a result lies beside it.
        if !matches!(outcome, Outcome::Succeeded { .. }) {
            self.out.push(Output::Keep { job: job.clone(), story });
        }
        self.tell(Happening::JobEnded { job: job.clone(), outcome });
        let streams: Vec<_> = self.sessions.values().map(|session| session.stream).collect();
        for stream in streams {
            let order = Box::new(Order::Forget(job.clone()));
            self.out.push(Output::Say(stream, ToMember::Order { term, order }));
        }
    }

    /// Has one member clear away what a job left at its target.
    fn abandon(&mut self, state: &ClusterState, job: JobId) {
        let spec = state.job(&job).map(|job| Box::new(job.spec().clone()));
        let first = self.sessions.first_key_value().map(|(node, _)| *node);
        let (Some(spec), Some(node), Some(tenure)) = (spec, first, &self.tenure) else {
            self.reached.at("leader: nobody is there to clear a target");
            return;
        };
        let term = tenure.term;
        let order = Box::new(Order::Abandon { job, spec });
        self.say(node, ToMember::Order { term, order });
    }
}
