//! The leader's side of members' streams, around its machine: what members and the log say goes in,
//! and what the machine wants is said, proposed and done. It decides nothing itself.
//!
//! The actor runs on every voter. Its machine is moved to the thread of the log for each turn,
//! where the state is, and back.

mod refusal;
mod stories;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use fruitnode_consensus::{Consensus, Event, LogFailure, Stopped};
use fruitnode_coordinator::control::leader::{Input, Leader, Output};
use fruitnode_coordinator::control::message::{FromMember, StreamId, ToMember};
use fruitnode_coordinator::control::office::News;
use fruitnode_coordinator::ids::{JobId, NodeId};
use fruitnode_coordinator::leases::{Overdue, Terms};
use fruitnode_env::wall_ms;
use fruitnode_mesh::client::Peers;
use fruitnode_mesh::error::Refusal;
use fruitnode_mesh::handler::Inbound;
use fruitnode_mesh::roster::RosterBook;
use fruitnode_proto::v1;
use fruitnode_proto::v1::from_member::{Beat, Hello, Message};

use crate::actors::envelope;
use crate::actors::proposer::Proposer;
use crate::actors::spawn::spawn;

pub(crate) use stories::EndedStory;
use stories::Stories;

/// One tick of the machines' clock, as of the consensus.
pub(crate) const TICK: Duration = Duration::from_millis(TICK_MS);

/// The same in milliseconds.
pub(crate) const TICK_MS: u64 = 100;

/// Messages that wait for the actor.
const MAILBOX_MESSAGES_MAX: usize = 1_024;

/// Messages of the mailbox that one turn takes.
const TURN_MESSAGES_MAX: usize = 64;

/// Messages that wait for a member. One that takes none for so long is let go of; it comes back and
/// is told anew what there is.
const MESSAGES_WAITING_MAX: usize = 4_096;

/// Where a member's stream begins.
pub(crate) type Attended = Result<mpsc::Receiver<Result<v1::ToMember, Refusal>>, Refusal>;

/// To the actor.
#[derive(Debug)]
enum LeaderMsg {
    Attend { node: NodeId, hello: Hello, reply: oneshot::Sender<Result<Started, Refusal>> },
    Said { stream: StreamId, message: v1::FromMember },
    Input(Input),
    Told { reply: oneshot::Sender<Told> },
    TellRoster { reply: oneshot::Sender<()> },
    Ended { job: JobId, reply: oneshot::Sender<Option<Arc<EndedStory>>> },
}

/// A stream that began.
#[derive(Debug)]
struct Started {
    stream: StreamId,
    messages: mpsc::Receiver<Result<v1::ToMember, Refusal>>,
}

/// What the leader knows beside the log.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// What members last said of themselves.
    pub said: BTreeMap<NodeId, Said>,
    /// Attempts that make no progress.
    pub overdue: Vec<Overdue>,
}

/// What the actor works with.
#[derive(Debug, Clone)]
pub(crate) struct LeaderParts {
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
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// Its release.
    pub release: String,
    /// Its counters.
    pub beat: Beat,
    /// By how much its clock is ahead of the one here, milliseconds.
    pub clock_ahead_ms: i64,
}

/// What it takes to make voters of other nodes.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    /// The way to other nodes.
    pub peers: Peers,
    /// The key of the authority, for voters-to-be: PKCS #8, DER.
    pub authority_key: Arc<Vec<u8>>,
}

/// Where members and clients find the leader. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LeaderHandle {
    mailbox: mpsc::Sender<LeaderMsg>,
}

impl LeaderHandle {
    /// Begins a member's stream: what the member says goes in, what it is told comes out.
    ///
    /// # Errors
    /// When this node does not lead, or the member is none.
    pub(crate) async fn attend(
        &self,
        node: NodeId,
        hello: Hello,
        mut inbound: Inbound<v1::FromMember>,
    ) -> Attended {
        let (reply, answer) = oneshot::channel();
        let ended = Refusal::stopping;
        self.mailbox.send(LeaderMsg::Attend { node, hello, reply }).await.map_err(|_| ended())?;
        let Started { stream, messages } = answer.await.map_err(|_| ended())??;
        let mailbox = self.mailbox.clone();
        spawn("member-stream", async move {
            while let Ok(Some(message)) = inbound.next().await {
                if mailbox.send(LeaderMsg::Said { stream, message }).await.is_err() {
                    return;
                }
            }
            let _ = mailbox.send(LeaderMsg::Input(Input::Broken(stream))).await;
        });
        Ok(messages)
    }

    /// What was told of members and attempts; nothing while this node does not lead.
    pub(crate) async fn told(&self) -> Told {
        let (reply, answer) = oneshot::channel();
        if self.mailbox.send(LeaderMsg::Told { reply }).await.is_err() {
            return Told::default();
        }
        answer.await.unwrap_or_default()
    }

    /// Tells everybody who there is now, without waiting for the next beat: whoever was just let in
    /// is known, and whoever was just cut off is gone, when this returns.
    pub(crate) async fn tell_roster(&self) {
        let (reply, answer) = oneshot::channel();
        if self.mailbox.send(LeaderMsg::TellRoster { reply }).await.is_ok() {
            let _ = answer.await;
        }
    }

    /// The attempts of a job that ended without a result. `None` of one that ended while another
    /// node led, or before too many others.
    pub(crate) async fn ended(&self, job: JobId) -> Option<Arc<EndedStory>> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.send(LeaderMsg::Ended { job, reply }).await.ok()?;
        answer.await.ok()?
    }
}

/// Starts the actor. It stops with the consensus.
pub(crate) fn start(parts: LeaderParts, events: mpsc::Receiver<Event>) -> LeaderHandle {
    let (mailbox, inbox) = mpsc::channel(MAILBOX_MESSAGES_MAX);
    let (settled, settlements) = mpsc::unbounded_channel();
    let actor = Actor {
        proposer: Proposer::start(parts.consensus.clone(), settled),
        machine: Leader::new(parts.terms),
        parts,
        mailbox: mailbox.clone(),
        streams: BTreeMap::new(),
        streams_begun: 0,
        inputs: VecDeque::new(),
        replies: Vec::new(),
        stories: Stories::default(),
    };
    spawn("leader", actor.run(inbox, events, settlements));
    LeaderHandle { mailbox }
}

/// A stream of a member.
#[derive(Debug)]
struct Open {
    node: NodeId,
    said: Said,
    out: mpsc::Sender<Result<v1::ToMember, Refusal>>,
    /// Who waits to hear whether it is taken.
    beginning: Option<(oneshot::Sender<Result<Started, Refusal>>, Started)>,
}

struct Actor {
    parts: LeaderParts,
    proposer: Proposer,
    mailbox: mpsc::Sender<LeaderMsg>,
    machine: Leader,
    streams: BTreeMap<StreamId, Open>,
    streams_begun: u64,
    /// For the next turn.
    inputs: VecDeque<Input>,
    /// Whoever waits for the end of it.
    replies: Vec<oneshot::Sender<()>>,
    stories: Stories,
}

impl Actor {
    async fn run(
        mut self,
        mut inbox: mpsc::Receiver<LeaderMsg>,
        mut events: mpsc::Receiver<Event>,
        mut settlements: mpsc::UnboundedReceiver<Vec<(u64, bool)>>,
    ) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut status = self.parts.consensus.status();
        loop {
            tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => self.happened(event),
                    None => return,
                },
                Some(settled) = settlements.recv() => {
                    let input = |(proposal, applied)| Input::Settled { proposal, applied };
                    self.inputs.extend(settled.into_iter().map(input));
                }
                message = inbox.recv() => match message {
                    Some(message) => self.receive(message),
                    None => return,
                },
                _ = ticks.tick() => self.inputs.push_back(Input::Tick),
                moved = status.changed() => match moved {
                    Ok(()) => self.inputs.push_back(Input::Moved),
                    Err(_) => return,
                },
            }
            for _ in 0..TURN_MESSAGES_MAX {
                let Ok(message) = inbox.try_recv() else { break };
                self.receive(message);
            }
            while !self.inputs.is_empty() {
                match self.turn().await {
                    Ok(actor) => self = actor,
                    Err(Stopped) => return,
                }
            }
            for reply in self.replies.drain(..) {
                // Whoever asked may have gone.
                let _ = reply.send(());
            }
        }
    }

    fn happened(&mut self, event: Event) {
        self.inputs.push_back(match event {
            Event::Leading { term } => Input::News(News::Leading { term }),
            Event::Following { leader, term } => Input::News(News::Following { leader, term }),
            Event::Applied { term, index, effects } => {
                Input::News(News::Applied { term, index, effects })
            }
            Event::Installed => Input::Installed,
            Event::Failed(failure) => {
                tracing::error!(words = failure.words, "the log failed");
                self.parts.failed.send_replace(Some(failure));
                return;
            }
        });
    }

    fn receive(&mut self, message: LeaderMsg) {
        match message {
            LeaderMsg::Attend { node, hello, reply } => self.begin(node, hello, reply),
            LeaderMsg::Said { stream, message } => self.heard(stream, message),
            LeaderMsg::Input(input) => self.inputs.push_back(input),
            LeaderMsg::Told { reply } => {
                let said = self.streams.values().map(|open| (open.node, open.said.clone()));
                let overdue = self.machine.overdue().to_vec();
                let _ = reply.send(Told { said: said.collect(), overdue });
            }
            LeaderMsg::TellRoster { reply } => {
                self.inputs.push_back(Input::TellRoster);
                self.replies.push(reply);
            }
            LeaderMsg::Ended { job, reply } => drop(reply.send(self.stories.of(&job))),
        }
    }

    fn begin(
        &mut self,
        node: NodeId,
        hello: Hello,
        reply: oneshot::Sender<Result<Started, Refusal>>,
    ) {
        self.streams_begun += 1;
        let stream = StreamId(self.streams_begun);
        let (out, messages) = mpsc::channel(MESSAGES_WAITING_MAX);
        let said = Said { release: hello.release.clone(), ..Said::default() };
        let beginning = Some((reply, Started { stream, messages }));
        self.streams.insert(stream, Open { node, said, out, beginning });
        let hello = envelope::hello_from_proto(hello);
        self.inputs.push_back(Input::Opened { stream, node, hello });
    }

    fn heard(&mut self, stream: StreamId, message: v1::FromMember) {
        let Some(open) = self.streams.get_mut(&stream) else { return };
        let said = match message.message {
            Some(Message::Beat(mut beat)) => {
                let steps = envelope::steps(std::mem::take(&mut beat.running));
                if beat.clock_ms > 0 {
                    open.said.clock_ahead_ms = beat.clock_ms.wrapping_sub(wall_ms()) as i64;
                }
                open.said.beat = beat;
                FromMember::Beat(steps)
            }
            Some(Message::Report(report)) => match envelope::report_from_proto(report) {
                Ok(report) => FromMember::Report(report),
                Err(error) => {
                    let node = open.node;
                    tracing::warn!(%node, %error, "cannot parse a report");
                    return;
                }
            },
            Some(Message::Leave(_)) => FromMember::Leave,
            Some(Message::Hello(_)) | None => return,
        };
        self.inputs.push_back(Input::Said(stream, said));
    }

    /// Has the machine take what came, where the state is, and does what it wants.
    async fn turn(mut self) -> Result<Self, Stopped> {
        let inputs = std::mem::take(&mut self.inputs);
        let consensus = self.parts.consensus.clone();
        self.machine.hear_roster(self.parts.book.now().index);
        let now_ms = wall_ms();
        let mut machine = std::mem::replace(&mut self.machine, Leader::new(self.parts.terms));
        let turn = consensus.turn(move |state, status| {
            let outputs = machine.steps(state, status, now_ms, inputs);
            (machine, outputs)
        });
        let (machine, outputs) = turn.await?;
        self.machine = machine;
        // Whoever is not refused in this very turn is taken.
        let refused = |stream: &StreamId| {
            outputs.iter().any(|output| matches!(output, Output::Refuse(at, _) if at == stream))
        };
        for (stream, open) in &mut self.streams {
            if !refused(stream)
                && let Some((reply, started)) = open.beginning.take()
            {
                let _ = reply.send(Ok(started));
            }
        }
        for output in outputs {
            self.carry_out(output);
        }
        Ok(self)
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Propose { proposal, command } => self.proposer.give(proposal, command),
            Output::Say(stream, message) => self.say(stream, message),
            Output::Refuse(stream, why) => {
                let Some(open) = self.streams.remove(&stream) else { return };
                if let Some((reply, _)) = open.beginning {
                    let _ = reply.send(Err(refusal::words(why, open.node, &self.parts.book)));
                }
            }
            Output::End(stream) => drop(self.streams.remove(&stream)),
            Output::Roster(roster) => {
                self.parts.book.take(envelope::roster_to_proto(roster));
            }
            Output::Admit { node, term } => self.admit(node, term),
            Output::Change { change, term } => {
                let (consensus, mailbox) = (self.parts.consensus.clone(), self.mailbox.clone());
                spawn("voters", async move {
                    if let Err(error) = consensus.change_voters(change).await {
                        tracing::info!(%error, "cannot change the voters; will try again");
                    }
                    let _ = mailbox.send(LeaderMsg::Input(Input::Changed { term })).await;
                });
            }
            Output::Transfer(to) => self.parts.consensus.transfer(to),
            Output::Keep { job, story } => self.stories.keep(job, story),
            Output::Tell(happening) if happening.is_trouble() => tracing::warn!("{happening}"),
            Output::Tell(happening) => tracing::info!("{happening}"),
        }
    }

    /// Says something to a member; one that takes no messages has to come anew.
    fn say(&mut self, stream: StreamId, message: ToMember) {
        let Some(open) = self.streams.get(&stream) else { return };
        for part in envelope::in_parts(envelope::to_member(message)) {
            if let Err(error) = open.out.try_send(Ok(part)) {
                tracing::info!(node = %open.node, %error, "a member does not accept messages");
                self.streams.remove(&stream);
                self.inputs.push_back(Input::Broken(stream));
                return;
            }
        }
    }

    /// Hands what a voter needs to one that is to become one, or to take part once more.
    fn admit(&self, node: NodeId, term: u64) {
        let Some(admission) = self.parts.admission.clone() else { return };
        let (book, mailbox) = (self.parts.book.clone(), self.mailbox.clone());
        spawn("admission", async move {
            let roster = Some(v1::Roster::from(&*book.now()));
            let authority_key = admission.authority_key.to_vec();
            let admitted = admission.peers.admit(node, v1::AdmitRequest { roster, authority_key });
            let taken = match admitted.await {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!(%node, %error, "a node cannot become a voter yet");
                    false
                }
            };
            let _ = mailbox.send(LeaderMsg::Input(Input::Admitted { node, term, taken })).await;
        });
    }
}
