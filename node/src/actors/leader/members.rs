//! Members' streams: how one begins, what is said on it, and how it ends.

use fruitnode_coordinator::attendance;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::members::Process;
use fruitnode_proto::v1;
use fruitnode_proto::v1::from_member::{Hello, Message};

use crate::actors::envelope::{self, Welcome};
use crate::actors::leader::effects::unstartable;
use crate::actors::leader::session::{Session, SessionId};
use crate::actors::leader::{Leader, LeaderMsg, Started, offer};
use crate::actors::spawn::spawn;
use crate::env::wall_ms;
use crate::mesh::error::{Refusal, RefusalKind};
use crate::tasks::Lease;

impl Leader {
    pub(super) async fn attend(&mut self, node: NodeId, hello: Hello) -> Result<Started, Refusal> {
        let Some(leading) = self.leading.as_mut() else {
            let leader = self.parts.consensus.status().borrow().leader;
            return Err(self.parts.book.not_leader(leader));
        };
        let read = self.parts.consensus.read(move |state| state.membership().member(node).cloned());
        let member = read.await.map_err(|_| Refusal::stopping())?;
        let Some(member) = member.filter(|member| !member.removed) else {
            let words = format!(
                "{node} is no member of this cluster any more: empty its --data-dir and join again"
            );
            return Err(Refusal::denied(words));
        };
        if member.storage != hello.storage {
            let words = format!(
                "{node} comes back with another store than it left with: it was wiped or copied. \
                 Remove it (`fruitnode node remove {}`), empty its --data-dir and join again",
                node.0
            );
            return Err(Refusal::denied(words));
        }
        let process = Process { starts: hello.starts, incarnation: hello.incarnation };
        if !member.process.yields_to(&process) {
            let words = format!(
                "{node} was started from another copy of this folder since: what this one holds is \
                 out of date. Start that one, or remove the node (`fruitnode node remove {}`), \
                 empty its --data-dir and join again",
                node.0
            );
            return Err(Refusal::denied(words));
        }
        let other = |session: &&Session| session.incarnation != process.incarnation;
        if self.sessions.get(&node).filter(other).is_some() {
            let words = format!(
                "another process is {node} already: the folder of this one is a copy of its \
                 folder. Stop one of the two; for a further node, join with a folder of its own \
                 (`fruitnode join --data-dir`)"
            );
            return Err(Refusal::new(RefusalKind::Conflict, words));
        }
        self.next_session += 1;
        let id = SessionId(self.next_session);
        let command = offer(node, hello.clone());
        let (session, stream) = Session::new(id, node, hello);
        leading.attendance.heard(node, session.incarnation, leading.tick);
        self.sessions.insert(node, session);
        // Behind what was given before: the loss of this node may be on its way to the log.
        let (applied, mailbox) = (self.proposer.ask(command), self.mailbox.clone());
        spawn("attendance", async move {
            let message = match applied.await {
                Ok(true) => LeaderMsg::Added { node, session: id },
                Ok(false) | Err(_) => LeaderMsg::Gone { node, session: id },
            };
            let _ = mailbox.send(message).await;
        });
        Ok(Started { session: id, stream })
    }

    /// Tells a member what the state believes of it, and sends every lease that is out: what the
    /// predecessor sent may have been lost.
    pub(super) async fn greet(&mut self, node: NodeId, id: SessionId) {
        let Some(term) = self.leading.as_ref().map(|leading| leading.term) else { return };
        let Some(session) = self.sessions.get(&node).filter(|session| session.id == id) else {
            return;
        };
        let incarnation = session.incarnation;
        let read = self.parts.consensus.read(move |state| {
            let believed = attendance::welcome(state, node);
            let (mut leases, mut impossible) = (Vec::new(), Vec::new());
            for (job, task, attempt) in &believed.attempts {
                let (job, task, attempt) = (job.clone(), *task, *attempt);
                let spec = state.job(&job).map(|job| job.spec().clone());
                match (spec, state.inputs(&job, task)) {
                    (Some(spec), Some(inputs)) => {
                        leases.push(Lease { job, spec, task, attempt, inputs });
                    }
                    _ => impossible.push((job, task, attempt)),
                }
            }
            let taken = state.node(node).is_some_and(|known| known.incarnation == incarnation);
            taken.then(|| (state.applied(), believed, leases, impossible))
        });
        let Ok(taken) = read.await else { return };
        let Some((applied, believed, leases, impossible)) = taken else {
            // Another process of the node came before it.
            self.gone(node, id);
            return;
        };
        // Unsaid, the log would wait for them for ever.
        for (job, task, attempt) in impossible {
            self.proposer.give(unstartable(job, task, attempt));
        }
        let Some(session) = self.sessions.get_mut(&node) else { return };
        session.told = Some(applied);
        let greeting = Welcome {
            node,
            term,
            roster: v1::Roster::from(&*self.parts.book.now()),
            attempts: believed.attempts.into_iter().collect(),
            held: believed.held.into_iter().collect(),
        };
        let mut reached = session.send(node, envelope::welcome(&greeting, believed.draining));
        for lease in &leases {
            reached &= session.send(node, envelope::lease(term, lease));
        }
        tracing::info!(%node, leases = leases.len(), "a member attends");
        if !reached {
            self.gone(node, id);
        }
    }

    pub(super) fn heard(&mut self, node: NodeId, id: SessionId, said: v1::FromMember) {
        let Some(leading) = self.leading.as_mut() else { return };
        let Some(session) = self.sessions.get_mut(&node).filter(|session| session.id == id) else {
            return;
        };
        leading.attendance.heard(node, session.incarnation, leading.tick);
        match said.message {
            Some(Message::Beat(mut beat)) => {
                for (name, steps) in envelope::steps(std::mem::take(&mut beat.running)) {
                    leading.leases.heard(node, &name, steps, leading.tick);
                }
                if beat.clock_ms > 0 {
                    session.clock_ahead_ms = beat.clock_ms.wrapping_sub(wall_ms()) as i64;
                }
                session.beat = beat;
            }
            Some(Message::Report(report)) => match envelope::command_of(report, node) {
                Ok(command) => self.proposer.give(command),
                Err(error) => tracing::warn!(%node, %error, "a report cannot be understood"),
            },
            Some(Message::Leave(_)) => {
                session.leaving = true;
                self.proposer.give(session.last_offer.clone());
            }
            Some(Message::Hello(_)) | None => {}
        }
    }

    pub(super) fn gone(&mut self, node: NodeId, id: SessionId) {
        if self.sessions.get(&node).is_some_and(|session| session.id == id) {
            let session = self.sessions.remove(&node);
            if let Some(leading) = self.leading.as_mut() {
                leading.attendance.broken(node, leading.tick);
            }
            let leaving = session.is_some_and(|session| session.leaving);
            tracing::info!(%node, leaving, "a member's stream ended");
        }
    }
}
