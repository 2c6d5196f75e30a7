//! What the coordinator does in the world: it listens to members, tells them what the log has
//! decided, and tells the log what members report. It decides nothing itself.
//!
//! The actor runs on every voter and does something only while its node leads. A member is greeted
//! with what the state believes of it; what the log decides afterwards follows in order.

mod duties;
mod session;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fruitnode_coordinator::attendance::{self, Attendance};
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::effect::Effect;
use fruitnode_coordinator::ids::{Attempt, JobId, NodeId};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::schedule;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_coordinator::story::AttemptFacts;
use fruitnode_coordinator::task::Task;
use fruitnode_proto::v1;
use fruitnode_proto::v1::from_member::{Beat, Hello, Message};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use crate::actors::envelope::{self, Welcome};
use crate::actors::proposer::Proposer;
use crate::actors::spawn::spawn;
use crate::consensus::{Consensus, Event};
use crate::mesh::client::Peers;
use crate::mesh::error::{Refusal, RefusalKind};
use crate::mesh::handler::Inbound;
use crate::mesh::roster::RosterBook;
use crate::tasks::Lease;

use session::Session;
pub use session::SessionId;

/// One tick of the coordinator's clock, as of the consensus.
const TICK: Duration = Duration::from_millis(100);

/// Messages that wait for the actor.
const MAILBOX_MESSAGES_MAX: usize = 1_024;

/// Where a member's stream begins.
pub type Attended = Result<mpsc::Receiver<Result<v1::ToMember, Refusal>>, Refusal>;

/// To the leader.
#[derive(Debug)]
enum LeaderMsg {
    Attend { node: NodeId, hello: Hello, reply: oneshot::Sender<Result<Started, Refusal>> },
    Added { node: NodeId, session: SessionId },
    Said { node: NodeId, session: SessionId, message: v1::FromMember },
    Gone { node: NodeId, session: SessionId },
    Beats { reply: oneshot::Sender<BTreeMap<NodeId, (String, Beat)>> },
}

/// A session that began.
#[derive(Debug)]
struct Started {
    session: SessionId,
    stream: mpsc::Receiver<Result<v1::ToMember, Refusal>>,
}

/// What the actor works with.
#[derive(Debug, Clone)]
pub struct LeaderParts {
    /// The log.
    pub consensus: Consensus,
    /// The way to other nodes.
    pub peers: Peers,
    /// Who there is.
    pub book: RosterBook,
    /// The key of the authority, for voters-to-be: PKCS #8, DER.
    pub authority_key: Arc<Vec<u8>>,
    /// Told when the log can no longer be trusted.
    pub failed: watch::Sender<Option<String>>,
}

/// Where members and clients find the coordinator. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LeaderHandle {
    mailbox: mpsc::Sender<LeaderMsg>,
}

impl LeaderHandle {
    /// Begins a member's stream: what the member says goes in, what it is told comes out.
    ///
    /// # Errors
    /// When this node does not lead, or the member is none.
    pub async fn attend(
        &self,
        node: NodeId,
        hello: Hello,
        mut inbound: Inbound<v1::FromMember>,
    ) -> Attended {
        let (reply, answer) = oneshot::channel();
        let ended = stopping;
        self.mailbox.send(LeaderMsg::Attend { node, hello, reply }).await.map_err(|_| ended())?;
        let Started { session, stream } = answer.await.map_err(|_| ended())??;
        let mailbox = self.mailbox.clone();
        spawn("member-stream", async move {
            while let Ok(Some(message)) = inbound.next().await {
                if mailbox.send(LeaderMsg::Said { node, session, message }).await.is_err() {
                    return;
                }
            }
            let _ = mailbox.send(LeaderMsg::Gone { node, session }).await;
        });
        Ok(stream)
    }

    /// What members last said of themselves: their release and their counters.
    pub async fn beats(&self) -> BTreeMap<NodeId, (String, Beat)> {
        let (reply, answer) = oneshot::channel();
        if self.mailbox.send(LeaderMsg::Beats { reply }).await.is_err() {
            return BTreeMap::new();
        }
        answer.await.unwrap_or_default()
    }
}

fn stopping() -> Refusal {
    Refusal::new(RefusalKind::Unavailable, "the node is stopping: try another one")
}

/// Starts the actor. It stops with the consensus.
pub fn start(parts: LeaderParts, events: mpsc::Receiver<Event>) -> LeaderHandle {
    let (mailbox, inbox) = mpsc::channel(MAILBOX_MESSAGES_MAX);
    let leader = Leader {
        proposer: Proposer::start(parts.consensus.clone()),
        parts,
        mailbox: mailbox.clone(),
        leading: None,
        sessions: BTreeMap::new(),
        next_session: 0,
    };
    spawn("leader", leader.run(inbox, events));
    LeaderHandle { mailbox }
}

/// What there is only while this node leads.
#[derive(Debug)]
struct Leading {
    term: u64,
    tick: u64,
    attendance: Attendance,
    /// Whether something changed since leases were last granted.
    changed: bool,
    roster_told: u64,
    /// Whether a change of voters is on its way.
    voting: Arc<std::sync::atomic::AtomicBool>,
}

struct Leader {
    parts: LeaderParts,
    proposer: Proposer,
    mailbox: mpsc::Sender<LeaderMsg>,
    leading: Option<Leading>,
    sessions: BTreeMap<NodeId, Session>,
    next_session: u64,
}

impl Leader {
    async fn run(
        mut self,
        mut inbox: mpsc::Receiver<LeaderMsg>,
        mut events: mpsc::Receiver<Event>,
    ) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut status = self.parts.consensus.status();
        loop {
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => self.happened(event).await,
                    None => return,
                },
                message = inbox.recv() => match message {
                    Some(message) => self.receive(message).await,
                    None => return,
                },
                _ = ticks.tick() => self.tick().await,
                moved = status.changed() => match (moved, self.leading.as_mut()) {
                    // What was applied may have made work without asking for anything at once.
                    (Ok(()), Some(leading)) => leading.changed = true,
                    (Ok(()), None) => {}
                    (Err(_), _) => return,
                },
            }
            self.grant().await;
        }
    }

    async fn happened(&mut self, event: Event) {
        match event {
            Event::Leading { term } => self.begin(term).await,
            Event::Following { .. } => self.resign(),
            Event::Applied { term, index, effects } => {
                let leads = self.leading.as_mut().filter(|leading| leading.term == term);
                if let Some(leading) = leads {
                    leading.changed = true;
                    self.carry_out(term, index, effects).await;
                }
            }
            Event::Installed => self.resign(),
            Event::Failed(words) => {
                tracing::error!(words, "the log has failed");
                self.parts.failed.send_replace(Some(words));
            }
        }
    }

    /// Everybody has to come anew: the predecessor's streams were its own.
    async fn begin(&mut self, term: u64) {
        self.resign();
        let attendance = self.parts.consensus.read(|state| Attendance::begin(state, 0));
        let Ok(attendance) = attendance.await else { return };
        tracing::info!(term, "this node is the coordinator");
        self.leading = Some(Leading {
            term,
            tick: 0,
            attendance,
            changed: true,
            roster_told: 0,
            voting: Arc::default(),
        });
    }

    fn resign(&mut self) {
        if self.leading.take().is_some() {
            tracing::info!("this node is no longer the coordinator");
        }
        // Their streams end, and they look for the successor.
        self.sessions.clear();
    }

    async fn receive(&mut self, message: LeaderMsg) {
        match message {
            LeaderMsg::Attend { node, hello, reply } => {
                let started = self.attend(node, hello).await;
                let _ = reply.send(started);
            }
            LeaderMsg::Added { node, session } => self.greet(node, session).await,
            LeaderMsg::Said { node, session, message } => self.heard(node, session, message),
            LeaderMsg::Gone { node, session } => self.gone(node, session),
            LeaderMsg::Beats { reply } => {
                let beats = self.sessions.iter();
                let beats =
                    beats.map(|(node, session)| (*node, (session.release.clone(), session.beat)));
                let _ = reply.send(beats.collect());
            }
        }
    }

    async fn attend(&mut self, node: NodeId, hello: Hello) -> Result<Started, Refusal> {
        let Some(leading) = self.leading.as_mut() else {
            return Err(self.not_leader());
        };
        let member =
            self.parts.consensus.read(move |state| state.membership().member(node).cloned());
        let member = member.await.map_err(|_| stopping())?;
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
        self.next_session += 1;
        let id = SessionId(self.next_session);
        let (session, stream) = Session::new(id, hello.incarnation, hello.release.clone());
        leading.attendance.heard(node, hello.incarnation, leading.tick);
        self.sessions.insert(node, session);
        let command = Command::AddNode {
            node,
            slots: hello.slots,
            compute_class: hello.compute_class,
            fit_class: hello.fit_class,
            incarnation: hello.incarnation,
            address: hello.address,
            release: hello.release,
        };
        let (consensus, mailbox) = (self.parts.consensus.clone(), self.mailbox.clone());
        spawn("attendance", async move {
            let message = match consensus.propose(command).await {
                Ok(_) => LeaderMsg::Added { node, session: id },
                Err(_) => LeaderMsg::Gone { node, session: id },
            };
            let _ = mailbox.send(message).await;
        });
        Ok(Started { session: id, stream })
    }

    /// Tells a member what the state believes of it, and sends every lease that is out: what the
    /// predecessor sent may have been lost.
    async fn greet(&mut self, node: NodeId, id: SessionId) {
        let Some(term) = self.leading.as_ref().map(|leading| leading.term) else { return };
        if self.sessions.get(&node).is_none_or(|session| session.id != id) {
            return;
        }
        let read = self.parts.consensus.read(move |state| {
            let believed = attendance::welcome(state, node);
            let leases: Vec<_> = believed
                .attempts
                .iter()
                .filter_map(|(job, task, attempt)| {
                    let spec = state.job(job)?.spec().clone();
                    let inputs = state.inputs(job, *task)?;
                    let (job, task, attempt) = (job.clone(), *task, *attempt);
                    Some(Lease { job, spec, task, attempt, inputs })
                })
                .collect();
            (state.applied(), believed, leases)
        });
        let Ok((applied, believed, leases)) = read.await else { return };
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

    fn heard(&mut self, node: NodeId, id: SessionId, said: v1::FromMember) {
        let Some(leading) = self.leading.as_mut() else { return };
        let Some(session) = self.sessions.get_mut(&node).filter(|session| session.id == id) else {
            return;
        };
        leading.attendance.heard(node, session.incarnation, leading.tick);
        match said.message {
            Some(Message::Beat(beat)) => session.beat = beat,
            Some(Message::Report(report)) => match envelope::command_of(report, node) {
                Ok(command) => self.proposer.give(command),
                Err(error) => tracing::warn!(%node, %error, "a report cannot be understood"),
            },
            Some(Message::Leave(_)) => {
                session.leaving = true;
                self.proposer.give(Command::DrainNode { node, undo: false });
            }
            Some(Message::Hello(_)) | None => {}
        }
    }

    fn gone(&mut self, node: NodeId, id: SessionId) {
        if self.sessions.get(&node).is_some_and(|session| session.id == id) {
            let session = self.sessions.remove(&node);
            if let Some(leading) = self.leading.as_mut() {
                leading.attendance.broken(node, leading.tick);
            }
            let leaving = session.is_some_and(|session| session.leaving);
            tracing::info!(%node, leaving, "a member's stream ended");
        }
    }

    /// Leases for whoever has room, once everything that was proposed before is applied.
    async fn grant(&mut self) {
        let Some(leading) = self.leading.as_mut().filter(|leading| leading.changed) else { return };
        if !self.proposer.is_idle() {
            return;
        }
        leading.changed = false;
        if let Ok(grants) = self.parts.consensus.read(schedule::grants).await {
            grants.into_iter().for_each(|grant| self.proposer.give(grant));
        }
    }

    async fn carry_out(&mut self, term: u64, index: u64, effects: Vec<Effect>) {
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
                Effect::End { job, outcome } => {
                    tracing::info!(%job, ?outcome, "a job ended");
                    for (node, session) in &self.sessions {
                        session.send(*node, envelope::forget(&job));
                    }
                }
                Effect::Abandon { job } => self.abandon(&job).await,
            }
        }
    }

    /// Whether a member has been greeted with a state before this entry.
    fn is_due(&self, node: NodeId, index: u64) -> bool {
        let told = self.sessions.get(&node).and_then(|session| session.told);
        told.is_some_and(|told| told < index)
    }

    fn tell(&mut self, node: NodeId, index: u64, message: v1::ToMember) {
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

    async fn start_lease(
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
            let detail = format!("the moments that {task} needs were lost before it began");
            let (reason, facts) = (FailureReason::MomentsMissing, AttemptFacts::default());
            self.proposer.give(Command::Fail { job, task, attempt, reason, detail, facts });
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
    async fn abandon(&self, job: &JobId) {
        let id = job.clone();
        let read = self.parts.consensus.read(move |state| Some(state.job(&id)?.spec().clone()));
        let Ok(Some(spec)) = read.await else { return };
        if let Some((node, session)) = self.sessions.first_key_value() {
            session.send(*node, envelope::abandon(job, &spec));
        }
    }

    fn not_leader(&self) -> Refusal {
        let leader = self.parts.consensus.status().borrow().leader;
        let book = self.parts.book.now();
        let leader = leader.and_then(|node| Some((node, book.addresses.get(&node)?.clone())));
        Refusal::not_leader(leader)
    }
}
