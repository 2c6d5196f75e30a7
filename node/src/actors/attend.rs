//! A member's side of its work: it looks for the coordinator, says who it is, takes leases for its
//! worker and brings back reports, and begins anew whenever the stream breaks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_proto::v1;
use fruitnode_proto::v1::from_member::{Beat, Hello, Message};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, sleep, timeout};

use crate::actors::envelope::{self, FromCoordinator, Joined};
use crate::actors::messages::{Report, ToWorker};
use crate::actors::spawn::spawn;
use crate::env::{Moment, wall_ms};
use crate::memory::resident_bytes;
use crate::mesh::client::{Peers, first_of};
use crate::mesh::error::MeshError;
use crate::mesh::handler::Inbound;
use crate::mesh::roster::RosterBook;
use crate::story::{Story, Work};
use crate::tasks::Running;

/// Between two signs of life.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// A coordinator that is silent for so long is looked for elsewhere.
const SILENCE_MAX: Duration = Duration::from_secs(4);

/// For a stream to open and the greeting to come.
const GREETING_WAIT: Duration = Duration::from_secs(5);

/// Before the voters are asked again who the coordinator is.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Before the node is asked that another one named.
const FOLLOW_WAIT: Duration = Duration::from_millis(50);

/// Looks that a process is told in one go that another one is this node before it gives up: for
/// longer than the coordinator waits for one that has died without a word.
const TWIN_LOOKS_MAX: u32 = 20;

/// How long a node that is to leave looks for a coordinator to hand its work over to: an election
/// takes less, and a majority that is gone does not come back for it.
const HEIR_WAIT: Duration = Duration::from_secs(10);

/// Messages that wait for the stream.
const OUTBOUND_MESSAGES_MAX: usize = 1_024;

/// What a node knows of its place in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The coordinator is being looked for.
    Looking {
        /// Why there is none, if anybody said.
        words: String,
    },
    /// The node attends.
    Attending {
        /// At whom.
        leader: NodeId,
    },
    /// The cluster does not know the node, or no longer: nothing the node can do mends that.
    Refused {
        /// Why, and what to do.
        words: String,
    },
    /// The node asked to go, and its work is done.
    Left,
}

/// The way to the coordinator: over the mesh, or in this process.
#[async_trait]
pub trait Coordinators: fmt::Debug + Send + Sync {
    /// Begins a stream at a node, which refuses with [`MeshError::NotLeader`] unless it is the
    /// coordinator. The first message is the member's hello.
    async fn attend(
        &self,
        node: NodeId,
        outbound: mpsc::Receiver<v1::FromMember>,
    ) -> Result<Inbound<v1::ToMember>, MeshError>;

    /// When the certificate ends that is shown to them, milliseconds since 1970-01-01 UTC; 0 where
    /// none is.
    fn certificate_ends_ms(&self) -> u64 {
        0
    }
}

#[async_trait]
impl Coordinators for Peers {
    async fn attend(
        &self,
        node: NodeId,
        outbound: mpsc::Receiver<v1::FromMember>,
    ) -> Result<Inbound<v1::ToMember>, MeshError> {
        Self::attend(self, node, outbound).await
    }

    fn certificate_ends_ms(&self) -> u64 {
        self.certified().not_after_ms
    }
}

/// What the actor works with.
#[derive(Debug)]
pub struct AttendParts {
    /// This node.
    pub node: NodeId,
    /// What it says of itself.
    pub hello: Hello,
    /// The way to the coordinator.
    pub coordinators: Arc<dyn Coordinators>,
    /// Who there is.
    pub book: RosterBook,
    /// Where leases go.
    pub worker: mpsc::Sender<ToWorker>,
    /// Where reports come from.
    pub reports: mpsc::Receiver<Report>,
    /// Counters of the work done.
    pub story: Arc<Story>,
    /// Attempts that run.
    pub running: Arc<Running>,
    /// Set when the node is to leave.
    pub leave: watch::Receiver<bool>,
}

/// Starts the actor. It stops when it has left, or is refused.
pub fn start(parts: AttendParts) -> watch::Receiver<Standing> {
    let (standing, seen) = watch::channel(Standing::Looking { words: String::new() });
    spawn(
        "attend",
        Attend { parts, standing, term: 0, leader: None, greeted: false, turn: 0, twin_looks: 0 }
            .run(),
    );
    seen
}

struct Attend {
    parts: AttendParts,
    standing: watch::Sender<Standing>,
    /// Highest term heard of: who speaks for a lower one is no coordinator any more.
    term: u64,
    leader: Option<NodeId>,
    /// Whether a coordinator has greeted it since it last looked for one.
    greeted: bool,
    /// Whose turn it is to be asked.
    turn: usize,
    /// Looks at which another process was this node.
    twin_looks: u32,
}

/// Resolves when the node is to leave.
async fn asked(leave: &mut watch::Receiver<bool>) {
    if leave.wait_for(|leave| *leave).await.is_err() {
        // Nobody can ask any more.
        std::future::pending::<()>().await;
    }
}

/// A stream that a coordinator has opened.
type Opened = (NodeId, Inbound<v1::ToMember>, mpsc::Sender<v1::FromMember>);

/// Attends at a node, if it is the coordinator. The inner error is a refusal for good.
async fn open(parts: &AttendParts, node: NodeId) -> Result<Result<Opened, String>, MeshError> {
    let (out, outbound) = mpsc::channel(OUTBOUND_MESSAGES_MAX);
    let hello = v1::FromMember { message: Some(Message::Hello(parts.hello.clone())) };
    out.try_send(hello).expect("the channel is new");
    match timeout(GREETING_WAIT, parts.coordinators.attend(node, outbound)).await {
        Ok(Ok(inbound)) => Ok(Ok((node, inbound, out))),
        Ok(Err(MeshError::Denied(words))) => Ok(Err(words)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(MeshError::Unavailable(format!("{node} does not answer"))),
    }
}

/// What to do when none of those that were asked is the coordinator.
fn nobody(asked: &[NodeId], errors: &[MeshError]) -> Ended {
    let named = errors.iter().find_map(|error| match error {
        MeshError::NotLeader { leader: Some((leader, _)), .. } => Some(*leader),
        _ => None,
    });
    match (named, errors.last()) {
        (Some(leader), _) if !asked.contains(&leader) => Ended::Follow(leader),
        (_, Some(error)) => Ended::Look(error.to_string()),
        (_, None) => Ended::Look("no voter is known".to_owned()),
    }
}

fn turned_away(error: &MeshError) -> Ended {
    match error {
        MeshError::NotLeader { leader: Some((leader, _)), .. } => Ended::Follow(*leader),
        MeshError::Denied(words) => Ended::Refused(words.clone()),
        error => Ended::Look(error.to_string()),
    }
}

/// What a message means for the stream.
enum Heard {
    Welcome,
    Go,
    Other,
}

/// Why a stream ended.
enum Ended {
    /// Look for the coordinator.
    Look(String),
    /// At once at this node.
    Follow(NodeId),
    /// For good.
    Left,
    Refused(String),
}

impl Attend {
    async fn run(mut self) {
        let mut heirless: Option<Moment> = None;
        let mut was_idle = false;
        loop {
            match self.attend().await {
                Ended::Follow(node) => {
                    self.leader = Some(node);
                    // Two nodes that name each other are not asked without a pause.
                    sleep(FOLLOW_WAIT).await;
                }
                Ended::Look(words) => {
                    self.standing.send_replace(Standing::Looking { words });
                    sleep(LOOK_AGAIN).await;
                }
                Ended::Left => {
                    self.standing.send_replace(Standing::Left);
                    return;
                }
                Ended::Refused(words) => {
                    tracing::warn!(words, "the cluster refuses this node");
                    self.standing.send_replace(Standing::Refused { words });
                    return;
                }
            }
            // One that was found, and lost again, has an heir of its own to be looked for.
            let found = std::mem::take(&mut self.greeted);
            if !*self.parts.leave.borrow() || self.leader.is_some() || found {
                heirless = None;
                continue;
            }
            let since = heirless.get_or_insert_with(Moment::now);
            // What was just done may be about to be reported: it is looked for twice.
            let idle = self.parts.running.steps().is_empty() && self.parts.reports.is_empty();
            let nothing_left = idle && was_idle;
            was_idle = idle;
            if nothing_left || since.elapsed() >= HEIR_WAIT {
                // Nothing is to be handed over, or nobody is there to take it.
                self.standing.send_replace(Standing::Left);
                return;
            }
        }
    }

    /// Whom to ask: the node that was named, and all voters, another one first each time. One that
    /// was removed votes until the others have agreed on that, and is not to be spoken to.
    fn candidates(&mut self) -> Vec<NodeId> {
        let roster = self.parts.book.now();
        let mut voters: Vec<NodeId> = roster.voters.difference(&roster.removed).copied().collect();
        self.turn = self.turn.wrapping_add(1);
        if let Some(first) = self.turn.checked_rem(voters.len()) {
            voters.rotate_left(first);
        }
        let named = self.leader.take().filter(|named| !roster.removed.contains(named));
        voters.retain(|voter| Some(*voter) != named);
        named.into_iter().chain(voters).collect()
    }

    async fn attend(&mut self) -> Ended {
        let candidates = self.candidates();
        let opening = candidates.iter().map(|node| open(&self.parts, *node)).collect();
        let (node, inbound, out) = match first_of(opening).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(words)) => return Ended::Refused(words),
            Err(errors) => {
                let twin = errors.iter().find(|error| matches!(error, MeshError::Conflict(_)));
                self.twin_looks = if twin.is_some() { self.twin_looks + 1 } else { 0 };
                return match twin {
                    Some(twin) if self.twin_looks > TWIN_LOOKS_MAX => {
                        Ended::Refused(twin.to_string())
                    }
                    Some(twin) => Ended::Look(twin.to_string()),
                    None => nobody(&candidates, &errors),
                };
            }
        };
        self.twin_looks = 0;
        let ended = self.follow(node, inbound, out).await;
        tracing::info!(%node, "the stream to the coordinator ended");
        ended
    }

    async fn follow(
        &mut self,
        node: NodeId,
        mut inbound: Inbound<v1::ToMember>,
        out: mpsc::Sender<v1::FromMember>,
    ) -> Ended {
        let mut beats = tokio::time::interval(BEAT_EVERY);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silence = Box::pin(sleep(SILENCE_MAX));
        let mut joined = Joined::default();
        let mut leave = self.parts.leave.clone();
        let (mut greeted, mut asked_to_leave) = (false, false);
        loop {
            tokio::select! {
                came = inbound.next() => match came {
                    Ok(Some(message)) => {
                        silence = Box::pin(sleep(SILENCE_MAX));
                        match self.receive(node, message, &mut joined).await {
                            Ok(Heard::Welcome) => (greeted, self.greeted) = (true, true),
                            Ok(Heard::Go) => return Ended::Left,
                            Ok(Heard::Other) => {}
                            Err(words) => return Ended::Look(words),
                        }
                    }
                    Ok(None) => return Ended::Look("the coordinator ended the stream".to_owned()),
                    Err(error) => return turned_away(&error),
                },
                report = self.parts.reports.recv(), if greeted => match report {
                    Some(report) => {
                        if out.send(envelope::report(report)).await.is_err() {
                            return Ended::Look("the stream broke".to_owned());
                        }
                    }
                    None => return Ended::Left,
                },
                _ = beats.tick() => {
                    let beat = v1::FromMember { message: Some(Message::Beat(self.beat())) };
                    // A full stream is as good as a beat.
                    let _ = out.try_send(beat);
                }
                () = asked(&mut leave), if greeted && !asked_to_leave => {
                    asked_to_leave = true;
                    let leave = v1::FromMember { message: Some(Message::Leave(v1::Unit {})) };
                    if out.send(leave).await.is_err() {
                        return Ended::Look("the stream broke".to_owned());
                    }
                }
                () = &mut silence => {
                    return Ended::Look(format!("{node} is silent"));
                }
            }
        }
    }

    /// Takes what the coordinator says.
    async fn receive(
        &mut self,
        node: NodeId,
        message: v1::ToMember,
        joined: &mut Joined,
    ) -> Result<Heard, String> {
        let Some(message) = joined.take(message).map_err(|error| error.to_string())? else {
            return Ok(Heard::Other);
        };
        match envelope::understand(message).map_err(|error| error.to_string())? {
            FromCoordinator::Beat => {}
            FromCoordinator::Roster(roster) => drop(self.parts.book.take(roster)),
            FromCoordinator::Welcome(welcome) => {
                if welcome.term < self.term {
                    return Err(format!("{node} leads no longer"));
                }
                self.term = welcome.term;
                self.parts.book.take(welcome.roster);
                let (attempts, held) = (welcome.attempts, welcome.held);
                let reconcile = ToWorker::Reconcile { attempts, held };
                self.parts.worker.send(reconcile).await.map_err(|error| error.to_string())?;
                tracing::info!(leader = %node, term = self.term, "attending");
                self.standing.send_replace(Standing::Attending { leader: node });
                return Ok(Heard::Welcome);
            }
            FromCoordinator::Go => return Ok(Heard::Go),
            FromCoordinator::ForWorker(message) => {
                self.parts.worker.send(*message).await.map_err(|error| error.to_string())?;
            }
        }
        Ok(Heard::Other)
    }

    fn beat(&self) -> Beat {
        let work = &self.parts.story.work;
        Beat {
            gets: Work::read(&work.gets),
            bytes: Work::read(&work.bytes),
            inferences: Work::read(&work.inferences),
            bad: Work::read(&work.bad),
            listed: Work::read(&work.listed),
            memory_bytes: resident_bytes().unwrap_or_default(),
            running: envelope::running(self.parts.running.steps()),
            certificate_ends_ms: self.parts.coordinators.certificate_ends_ms(),
            clock_ms: wall_ms(),
        }
    }
}
