//! The actor that begins and ends what a node has besides, while it votes: the log, the leader's
//! duties, the authority's key. It stands around the voter's machine.
//!
//! A node that votes no longer lets go of the authority's key: whoever gets at the machine later
//! finds nothing with which certificates are made. The log stays. Should the node be made a voter
//! again, or should what it heard have been out of date, then it keeps what it promised to the
//! others; and there is no secret in it.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::MissedTickBehavior;

use fruitnode_consensus as consensus;
use fruitnode_consensus::ConsensusOptions;
use fruitnode_consensus::store::RedbLog;
use fruitnode_coordinator::control::voter::{Input, Output, Voter};
use fruitnode_mesh::authority::Authority;
use fruitnode_mesh::error::Refusal;

use crate::actors::attend::Standing;
use crate::actors::leader::{self, Admission, LeaderParts, TICK};
use crate::actors::patience;
use crate::actors::spawn::spawn;
use crate::member::MemberError;
use crate::member::data_dir::AUTHORITY_KEY;
use crate::member::outbox::MeshOutbox;
use crate::member::shared::{Shared, Voting};

/// Messages that wait for the actor.
const MAILBOX_MESSAGES_MAX: usize = 16;

/// To the actor.
enum VotingMsg {
    Admit { authority: Box<Authority>, reply: oneshot::Sender<Result<(), Refusal>> },
    Closed,
    Stop { reply: oneshot::Sender<()> },
}

/// Where the actor is reached. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct VotingHandle(mpsc::Sender<VotingMsg>);

/// What comes to the actor.
pub(super) struct VotingInbox(mpsc::Receiver<VotingMsg>);

/// Both ends of the actor's mailbox.
pub(super) fn mailbox() -> (VotingHandle, VotingInbox) {
    let (handle, inbox) = mpsc::channel(MAILBOX_MESSAGES_MAX);
    (VotingHandle(handle), VotingInbox(inbox))
}

impl VotingHandle {
    /// Makes the node a voter, or has it take part once more; returns when it does.
    ///
    /// # Errors
    /// When its log cannot be opened, or the node stops.
    pub(super) async fn admit(&self, authority: Authority) -> Result<(), Refusal> {
        let (reply, answer) = oneshot::channel();
        let admit = VotingMsg::Admit { authority: Box::new(authority), reply };
        self.0.send(admit).await.map_err(|_| Refusal::stopping())?;
        answer.await.map_err(|_| Refusal::stopping())?
    }

    /// Ceases to vote, because the process ends; returns when the log is closed.
    pub(super) async fn stop(&self) {
        let (reply, answer) = oneshot::channel();
        if self.0.send(VotingMsg::Stop { reply }).await.is_ok() {
            let _ = answer.await;
        }
    }
}

/// The actor: whether this process takes part in the log.
struct Actor {
    shared: Arc<Shared>,
    machine: Voter,
    standing: watch::Receiver<Standing>,
    mailbox: mpsc::Sender<VotingMsg>,
    /// What the next opening needs, and whether its log was opened before.
    authority: Option<Authority>,
    log: Option<RedbLog>,
    /// Hears when the log is closed that was to be closed last.
    closing: Option<oneshot::Receiver<()>>,
    /// Who waits for an admission.
    waiting: Vec<oneshot::Sender<Result<(), Refusal>>>,
}

/// Runs the actor of a node that has a log, if it is a voter. It ends with the process, or when a
/// voter's own log cannot be used.
///
/// # Errors
/// When the log of a voter that starts cannot be used.
pub(super) async fn run(
    shared: Arc<Shared>,
    (handle, inbox): (VotingHandle, VotingInbox),
    voter: Option<(Authority, RedbLog)>,
    standing: watch::Receiver<Standing>,
) -> Result<(), MemberError> {
    let alone = shared.book.now().voters.iter().all(|voter| *voter == shared.me);
    let (authority, log) = voter.unzip();
    let votes = authority.is_some();
    let machine = Voter::new(shared.me);
    let (mailbox, waiting) = (handle.0, Vec::new());
    let mut actor =
        Actor { shared, machine, standing, mailbox, authority, log, closing: None, waiting };
    actor.step(Input::Start { votes, alone })?;
    actor.run(inbox.0).await
}

impl Actor {
    async fn run(mut self, mut inbox: mpsc::Receiver<VotingMsg>) -> Result<(), MemberError> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = inbox.recv() => match message {
                    Some(VotingMsg::Admit { authority, reply }) => {
                        self.admitted(*authority, reply)?;
                    }
                    Some(VotingMsg::Closed) => self.step(Input::Closed)?,
                    Some(VotingMsg::Stop { reply }) => {
                        self.step(Input::Stop)?;
                        if let Some(closed) = self.closing.take() {
                            let _ = closed.await;
                        }
                        let _ = reply.send(());
                    }
                    None => return Ok(()),
                },
                _ = ticks.tick() => {
                    let roster = self.shared.book.now();
                    let unlisted =
                        !roster.voters.is_empty() && !roster.voters.contains(&self.shared.me);
                    let holds_key = unlisted && self.shared.dir.authority_key().is_file();
                    self.step(Input::Tick { holds_key, unlisted })?;
                }
            }
        }
    }

    fn admitted(
        &mut self,
        authority: Authority,
        reply: oneshot::Sender<Result<(), Refusal>>,
    ) -> Result<(), MemberError> {
        if let Err(error) = self.keep(&authority) {
            let _ = reply.send(Err(Refusal::failed(error)));
            return Ok(());
        }
        self.authority = Some(authority);
        self.waiting.push(reply);
        self.step(Input::Admit)
    }

    /// Writes down that this node votes, and what it needs for that.
    fn keep(&self, authority: &Authority) -> Result<(), MemberError> {
        authority.save(self.shared.dir.path())?;
        let mut file = self.shared.dir.identity()?;
        file.voter = true;
        self.shared.dir.set_identity(&file)?;
        Ok(())
    }

    fn step(&mut self, input: Input) -> Result<(), MemberError> {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let standing = self.standing.borrow().clone();
            for output in self.machine.step(&standing, input) {
                match output {
                    Output::Open(_) => {
                        let opened = self.open();
                        let open = opened.is_ok();
                        // A voter that starts with a log that it cannot use has to end.
                        if self.waiting.is_empty() {
                            opened?;
                        } else if let Err(error) = opened {
                            tracing::error!(%error, "this node cannot vote");
                        }
                        inputs.push(Input::Opened { open });
                    }
                    Output::Close => self.close(),
                    Output::RemoveKey => self.remove_key(),
                    Output::Answer(takes_part) => self.answer(takes_part),
                }
            }
        }
        Ok(())
    }

    /// Starts consensus and the leader's duties on this node.
    fn open(&mut self) -> Result<(), MemberError> {
        let shared = &self.shared;
        let (path, storage) = (shared.dir.log(), &shared.file.storage);
        let log = match self.log.take() {
            Some(log) => log,
            None if path.is_file() => RedbLog::open(&path, storage)?,
            None => RedbLog::create(&path, storage)?,
        };
        let Some(authority) = self.authority.take() else {
            return Err(MemberError::Refused("the authority's key is missing".to_owned()));
        };
        let options = ConsensusOptions::new(shared.me, log);
        let outbox = MeshOutbox::new(shared.process, shared.peers.clone());
        let slot = outbox.handle();
        let (consensus, events) = consensus::start(options, Box::new(outbox))?;
        slot.set(consensus.clone());
        let authority = Arc::new(authority);
        let parts = LeaderParts {
            consensus: consensus.clone(),
            book: shared.book.clone(),
            admission: Some(Admission {
                peers: shared.peers.clone(),
                authority_key: Arc::new(authority.key_pkcs8().to_vec()),
            }),
            failed: shared.failed.clone(),
            terms: patience::terms(),
        };
        let leader = leader::start(parts, events);
        shared.voting.set(Voting { consensus, leader, authority });
        tracing::info!("this node now receives the log");
        Ok(())
    }

    /// Ceases to vote. Messages that come from now on belong to the next opening, if there is one.
    fn close(&mut self) {
        let Some(voting) = self.shared.voting.take() else { return };
        let mailbox = self.mailbox.clone();
        let (done, closed) = oneshot::channel();
        self.closing = Some(closed);
        spawn("voting-end", async move {
            voting.consensus.stop().await;
            let _ = done.send(());
            let _ = mailbox.send(VotingMsg::Closed).await;
        });
    }

    fn remove_key(&self) {
        match self.shared.dir.remove(AUTHORITY_KEY) {
            Ok(()) => {
                tracing::info!(
                    "this node is no longer a voter: removed the authority's key from it"
                );
            }
            Err(error) => {
                tracing::warn!(%error, "cannot remove the authority's key yet");
            }
        }
    }

    fn answer(&mut self, takes_part: bool) {
        for reply in self.waiting.drain(..) {
            let answer = match takes_part {
                true => Ok(()),
                false => Err(Refusal::failed(
                    "this node cannot take part in the log: see its output for the cause",
                )),
            };
            let _ = reply.send(answer);
        }
    }
}

/// What a node that ends leaves behind: not the key, if the cluster does not want it any more.
pub(super) fn at_the_end(
    shared: &Shared,
    outcome: &Result<(), MemberError>,
) -> Result<(), MemberError> {
    let refused = matches!(outcome, Err(MemberError::Refused(_)));
    if refused || shared.book.now().removed.contains(&shared.me) {
        shared.dir.remove(AUTHORITY_KEY)?;
    }
    Ok(())
}
