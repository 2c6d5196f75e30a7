//! Members' streams: how one begins, what is said on it, and how it ends.

use std::collections::BTreeSet;

use crate::attendance;
use crate::command::Command;
use crate::control::leader::session::Session;
use crate::control::leader::{Happening, Leader, Output, Refusal};
use crate::control::message::{FromMember, Hello, Lease, Order, StreamId, ToMember, Welcome};
use crate::ids::{Attempt, JobId, NodeId};
use crate::members::Process;
use crate::retry::FailureReason;
use crate::state::ClusterState;
use crate::status::Status;
use crate::story::AttemptFacts;
use crate::task::Task;

/// Tells the log of a lease whose inputs were lost before it could begin.
pub(super) fn unstartable(job: JobId, task: Task, attempt: Attempt) -> Command {
    let detail = format!("the moments that {task} needs were lost before it started");
    let (reason, facts) = (FailureReason::MomentsMissing, AttemptFacts::default());
    Command::Fail { job, task, attempt, reason, detail, facts }
}

impl Leader {
    pub(super) fn opened(
        &mut self,
        state: &ClusterState,
        status: &Status,
        (stream, node): (StreamId, NodeId),
        hello: Hello,
    ) {
        if let Some(refusal) = self.refusal(state, status, node, &hello) {
            self.out.push(Output::Refuse(stream, refusal));
            return;
        }
        let Some(tenure) = &mut self.tenure else { return };
        tenure.attendance.heard(node, hello.incarnation, tenure.tick);
        let session = Session {
            stream,
            incarnation: hello.incarnation,
            told: None,
            leaving: false,
            last_offer: Hello { slots: 0, ..hello.clone() }.offer(node),
        };
        if let Some(before) = self.sessions.insert(node, session) {
            self.reached.at("leader: a member comes back before its stream was seen to end");
            self.streams.remove(&before.stream);
            self.out.push(Output::End(before.stream));
        }
        self.streams.insert(stream, node);
        // Behind what was proposed before: the loss of this node may be on its way to the log.
        self.propose_for(hello.offer(node), Some(stream));
    }

    /// Why a process may not attend.
    fn refusal(
        &mut self,
        state: &ClusterState,
        status: &Status,
        node: NodeId,
        hello: &Hello,
    ) -> Option<Refusal> {
        if self.tenure.is_none() {
            self.reached.at("leader: refuses, because another one leads");
            let leader = status.leader.filter(|leader| *leader != status.id);
            return Some(Refusal::NotLeader(leader));
        }
        let member = state.membership().member(node);
        let Some(member) = member.filter(|member| !member.removed) else {
            self.reached.at("leader: refuses who is no member");
            return Some(Refusal::NoMember);
        };
        if member.storage != hello.storage {
            self.reached.at("leader: refuses another store");
            return Some(Refusal::OtherStore);
        }
        let process = Process { starts: hello.starts, incarnation: hello.incarnation };
        if !member.process.yields_to(&process) {
            self.reached.at("leader: refuses an old copy");
            return Some(Refusal::OldCopy);
        }
        let other = |session: &&Session| session.incarnation != process.incarnation;
        if self.sessions.get(&node).filter(other).is_some() {
            self.reached.at("leader: refuses a twin");
            return Some(Refusal::Twin);
        }
        None
    }

    /// Tells a member what the state believes of it, and sends every lease that is out: what the
    /// predecessor sent may have been lost.
    pub(super) fn greet(&mut self, state: &ClusterState, status: &Status, stream: StreamId) {
        let Some(node) = self.streams.get(&stream).copied() else {
            self.reached.at("leader: a member that is gone before its greeting");
            return;
        };
        let Some(session) = self.sessions.get_mut(&node) else { return };
        if state.node(node).is_none_or(|known| known.incarnation != session.incarnation) {
            self.reached.at("leader: another process came before the greeting");
            self.end(stream);
            return;
        }
        session.told = Some(state.applied());
        let believed = attendance::welcome(state, node);
        let (mut attempts, mut leases) = (BTreeSet::new(), Vec::new());
        let mut impossible = Vec::new();
        for (job, task, attempt) in believed.attempts {
            let spec = state.job(&job).map(|job| job.spec().clone());
            match (spec, state.inputs(&job, task)) {
                (Some(spec), Some(inputs)) => {
                    attempts.insert((job.clone(), task, attempt));
                    leases.push(Lease { job, spec, task, attempt, inputs });
                }
                // Not named in the greeting: it may run there, in a slot that is free for the log.
                _ => impossible.push((job, task, attempt)),
            }
        }
        // Unsaid, the log would wait for them for ever.
        for (job, task, attempt) in impossible {
            self.reached.at("leader: a lease out without its inputs");
            self.propose(unstartable(job, task, attempt));
        }
        let roster = self.tell_roster(state, status);
        let Some(tenure) = &self.tenure else { return };
        let term = tenure.term;
        let welcome = Welcome {
            node,
            term,
            roster,
            attempts,
            held: believed.held.into_iter().collect(),
            draining: believed.draining,
        };
        self.tell(Happening::Attends { node, leases: leases.len() });
        self.say(node, ToMember::Welcome(Box::new(welcome)));
        for lease in leases {
            self.reached.at("leader: a lease again with the greeting");
            let order = Box::new(Order::Start(Box::new(lease)));
            self.say(node, ToMember::Order { term, order });
        }
    }

    pub(super) fn heard(&mut self, stream: StreamId, said: FromMember) {
        let Some(tenure) = self.tenure.as_mut() else { return };
        let Some(node) = self.streams.get(&stream).copied() else {
            self.reached.at("leader: words on a stream that has ended");
            return;
        };
        let Some(session) = self.sessions.get_mut(&node) else { return };
        tenure.attendance.heard(node, session.incarnation, tenure.tick);
        match said {
            FromMember::Beat(running) => {
                for (name, steps) in running {
                    tenure.leases.heard(node, &name, steps, tenure.tick);
                }
            }
            FromMember::Report(report) => self.propose(report.command(node)),
            FromMember::Leave => {
                self.reached.at("leader: a member asks to go");
                session.leaving = true;
                let last_offer = session.last_offer.clone();
                self.propose(last_offer);
            }
            // Said once, before.
            FromMember::Hello(_) => {}
        }
    }

    pub(super) fn broken(&mut self, stream: StreamId) {
        let Some(node) = self.streams.remove(&stream) else { return };
        self.reached.at("leader: a stream breaks");
        self.sessions.remove(&node);
        if let Some(tenure) = &mut self.tenure {
            tenure.attendance.broken(node, tenure.tick);
        }
        self.tell(Happening::StreamEnded(node));
    }

    /// Ends a stream from this side: the member comes anew.
    pub(super) fn end(&mut self, stream: StreamId) {
        if self.streams.contains_key(&stream) {
            self.out.push(Output::End(stream));
            self.broken(stream);
        }
    }
}
