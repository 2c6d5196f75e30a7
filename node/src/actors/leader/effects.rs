//! What the log has decided, told to the members it concerns.

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::effect::Effect;
use fruitnode_coordinator::ids::{Attempt, JobId, NodeId};
use fruitnode_coordinator::job::Outcome;
use fruitnode_coordinator::leases::OverdueNames;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::schedule;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_coordinator::story::AttemptFacts;
use fruitnode_coordinator::task::Task;
use fruitnode_proto::v1;

use crate::actors::envelope;
use crate::actors::leader::Leader;
use crate::env::wall_ms;
use crate::tasks::Lease;

/// Tells the log of a lease whose inputs were lost before it could begin.
pub(super) fn unstartable(job: JobId, task: Task, attempt: Attempt) -> Command {
    let detail = format!("the moments that {task} needs were lost before it began");
    let (reason, facts) = (FailureReason::MomentsMissing, AttemptFacts::default());
    Command::Fail { job, task, attempt, reason, detail, facts }
}

impl Leader {
    /// Leases for whoever has room, once everything that was proposed before is applied.
    pub(super) async fn grant(&mut self) {
        let Some(leading) = self.leading.as_mut().filter(|leading| leading.changed) else { return };
        if !self.proposer.is_idle() {
            return;
        }
        leading.changed = false;
        let (term, looks) = (leading.term, std::mem::take(&mut leading.look));
        let overdue = leading.overdue.iter().filter(|_| looks).map(|late| late.name.clone());
        let overdue: OverdueNames = overdue.collect();
        let now_ms = wall_ms();
        let read =
            self.parts.consensus.read(move |state| schedule::turn_at(state, &overdue, now_ms));
        let Ok(turn) = read.await else { return };
        if let Some(leading) = self.leading.as_mut() {
            leading.wake_ms = turn.wake_ms;
        }
        turn.grants.into_iter().for_each(|grant| self.proposer.give(grant));
        for (name, node) in turn.give_up {
            let asked = self
                .sessions
                .get(&node)
                .map(|session| (session.id, session.send(node, envelope::give_up(term, &name))));
            if let Some((id, false)) = asked {
                self.gone(node, id);
            }
        }
    }

    pub(super) async fn carry_out(&mut self, term: u64, index: u64, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Start { job, task, attempt, node } => {
                    if self.is_due(node, index) {
                        self.start_lease(term, (job, task), attempt, node).await;
                    }
                }
                Effect::Cancel { job, task, attempt, node } => {
                    self.tell(node, index, envelope::cancel(term, &job, task, attempt));
                }
                Effect::Release { job, tree_node, node } => {
                    self.tell(node, index, envelope::release(term, &job, tree_node));
                }
                Effect::End { job, outcome, story } => {
                    tracing::info!(%job, ?outcome, "a job ended");
                    // That of a result lies beside it.
                    if let Some(leading) = self.leading.as_mut()
                        && !matches!(outcome, Outcome::Succeeded { .. })
                    {
                        leading.stories.keep(job.clone(), story);
                    }
                    for (node, session) in &self.sessions {
                        session.send(*node, envelope::forget(&job));
                    }
                }
                Effect::Abandon { job } => self.abandon(&job).await,
            }
        }
    }

    /// Whether a member has been greeted with a state before this entry.
    pub(super) fn is_due(&self, node: NodeId, index: u64) -> bool {
        let told = self.sessions.get(&node).and_then(|session| session.told);
        told.is_some_and(|told| told < index)
    }

    pub(super) fn tell(&mut self, node: NodeId, index: u64, message: v1::ToMember) {
        if !self.is_due(node, index) {
            return;
        }
        if let Some(session) = self.sessions.get(&node)
            && !session.send(node, message)
        {
            let id = session.id;
            self.gone(node, id);
        }
    }

    pub(super) async fn start_lease(
        &mut self,
        term: u64,
        (job, task): (JobId, Task),
        attempt: Attempt,
        node: NodeId,
    ) {
        let id = job.clone();
        let read = self.parts.consensus.read(move |state: &ClusterState| {
            let found = state.job(&id)?;
            if !found.granted().any(|grant| grant == (task, attempt, node)) {
                // Called back already.
                return None;
            }
            Some((found.spec().clone(), found.inputs(task)))
        });
        let Ok(Some((spec, inputs))) = read.await else { return };
        let Some(inputs) = inputs else {
            self.proposer.give(unstartable(job, task, attempt));
            return;
        };
        let lease = Lease { job, spec, task, attempt, inputs };
        if let Some(session) = self.sessions.get(&node)
            && !session.send(node, envelope::lease(term, &lease))
        {
            let id = session.id;
            self.gone(node, id);
        }
    }

    /// Has one member clear away what a job left at its target.
    pub(super) async fn abandon(&self, job: &JobId) {
        let id = job.clone();
        let read = self.parts.consensus.read(move |state| Some(state.job(&id)?.spec().clone()));
        let Ok(Some(spec)) = read.await else { return };
        if let Some((node, session)) = self.sessions.first_key_value() {
            session.send(*node, envelope::abandon(job, &spec));
        }
    }
}
