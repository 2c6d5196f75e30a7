//! What the coordinator does in the world: it listens to members, tells them what the log has
//! decided, and tells the log what members report. It decides nothing itself.
//!
//! The actor runs on every voter and does something only while its node leads. A member is greeted
//! with what the state believes of it; what the log decides afterwards follows in order.

mod duties;
mod effects;
mod members;
mod session;
mod stories;
mod voters;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fruitnode_coordinator::attendance::Attendance;
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{JobId, NodeId};
use fruitnode_coordinator::leases::{Leases, Overdue, Terms};
use fruitnode_coordinator::voters::Admissions;
use fruitnode_proto::v1;
use fruitnode_proto::v1::from_member::{Beat, Hello};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use crate::actors::proposer::Proposer;
use crate::actors::spawn::spawn;
use crate::consensus::{Consensus, Event, LogFailure};
use crate::mesh::client::Peers;
use crate::mesh::error::Refusal;
use crate::mesh::handler::Inbound;
use crate::mesh::roster::RosterBook;

use session::Session;
pub use session::SessionId;
pub use stories::EndedStory;
use stories::Stories;

/// One tick of the coordinator's clock, as of the consensus.
const TICK: Duration = Duration::from_millis(TICK_MS);

/// The same in milliseconds.
pub const TICK_MS: u64 = 100;

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
    Told { reply: oneshot::Sender<Told> },
    TellRoster { reply: oneshot::Sender<()> },
    NotAdmitted { node: NodeId, term: u64 },
    Ended { job: JobId, reply: oneshot::Sender<Option<Arc<EndedStory>>> },
}

/// A session that began.
#[derive(Debug)]
struct Started {
    session: SessionId,
    stream: mpsc::Receiver<Result<v1::ToMember, Refusal>>,
}

/// What the coordinator knows beside the log.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// What members last said of themselves.
    pub said: BTreeMap<NodeId, Said>,
    /// Attempts that make no progress.
    pub overdue: Vec<Overdue>,
}

/// What the actor works with.
#[derive(Debug, Clone)]
pub struct LeaderParts {
    /// The log.
    pub consensus: Consensus,
    /// Who there is.
    pub book: RosterBook,
    /// How others become voters; nothing where the node is alone in its process.
    pub admission: Option<Admission>,
    /// Told when the log can no longer be trusted.
    pub failed: watch::Sender<Option<LogFailure>>,
    /// How long attempts may make no progress.
    pub terms: Terms,
}

/// What a member last said of itself.
#[derive(Debug, Clone)]
pub struct Said {
    /// Its release.
    pub release: String,
    /// Its counters.
    pub beat: Beat,
    /// By how much its clock is ahead of the one here, milliseconds.
    pub clock_ahead_ms: i64,
}

/// What it takes to make voters of other nodes.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The way to other nodes.
    pub peers: Peers,
    /// The key of the authority, for voters-to-be: PKCS #8, DER.
    pub authority_key: Arc<Vec<u8>>,
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
        let ended = Refusal::stopping;
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

    /// What was told of members and attempts; nothing while this node does not lead.
    pub async fn told(&self) -> Told {
        let (reply, answer) = oneshot::channel();
        if self.mailbox.send(LeaderMsg::Told { reply }).await.is_err() {
            return Told::default();
        }
        answer.await.unwrap_or_default()
    }

    /// Tells everybody who there is now, without waiting for the next beat: whoever was just let in
    /// is known, and whoever was just cut off is gone, when this returns.
    pub async fn tell_roster(&self) {
        let (reply, answer) = oneshot::channel();
        if self.mailbox.send(LeaderMsg::TellRoster { reply }).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// The attempts of a job that ended without a result. `None` of one that ended before this node
    /// led, or before too many others.
    pub async fn ended(&self, job: JobId) -> Option<Arc<EndedStory>> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.send(LeaderMsg::Ended { job, reply }).await.ok()?;
        answer.await.ok()?
    }
}

/// What a member offers, for the log.
fn offer(node: NodeId, hello: Hello) -> Command {
    Command::AddNode {
        node,
        slots: hello.slots,
        compute_class: hello.compute_class,
        fit_class: hello.fit_class,
        incarnation: hello.incarnation,
        starts: hello.starts,
        address: hello.address,
        release: hello.release,
    }
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
    leases: Leases,
    /// Attempts that made no progress when that was last looked at.
    overdue: Vec<Overdue>,
    /// Whether somebody else is to be found for these when leases are granted next.
    look: bool,
    /// Whether something changed since leases were last granted.
    changed: bool,
    /// When somebody has waited long enough for a store, milliseconds since 1970-01-01 UTC.
    wake_ms: Option<u64>,
    roster_told: u64,
    /// Whether a change of voters is on its way.
    voting: Arc<std::sync::atomic::AtomicBool>,
    /// Voters-to-be of that change.
    coming: Vec<NodeId>,
    /// Who could not be made a voter, and which voters take no part.
    admissions: Admissions,
    /// Of jobs that ended without a result.
    stories: Stories,
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
        let idle = self.proposer.idle();
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
                // Grants wait until everything that was proposed before is applied.
                () = idle.notified() => {}
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
            Event::Failed(failure) => {
                tracing::error!(words = failure.words, "the log has failed");
                self.parts.failed.send_replace(Some(failure));
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
            leases: Leases::new(self.parts.terms),
            overdue: Vec::new(),
            look: false,
            changed: true,
            wake_ms: None,
            roster_told: 0,
            voting: Arc::default(),
            coming: Vec::new(),
            admissions: Admissions::default(),
            stories: Stories::default(),
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
            LeaderMsg::Told { reply } => {
                let said = |session: &Session| Said {
                    release: session.release.clone(),
                    beat: session.beat.clone(),
                    clock_ahead_ms: session.clock_ahead_ms,
                };
                let said = self.sessions.iter().map(|(node, session)| (*node, said(session)));
                let leading = self.leading.as_ref();
                let overdue = leading.map(|leading| leading.overdue.clone()).unwrap_or_default();
                let _ = reply.send(Told { said: said.collect(), overdue });
            }
            LeaderMsg::TellRoster { reply } => {
                self.tell_roster().await;
                let _ = reply.send(());
            }
            LeaderMsg::NotAdmitted { node, term } => self.not_admitted(node, term),
            LeaderMsg::Ended { job, reply } => {
                let leading = self.leading.as_ref();
                let _ = reply.send(leading.and_then(|leading| leading.stories.of(&job)));
            }
        }
    }
}
