//! A member's side of its work, around its machine: streams to whoever leads, the worker's orders
//! and reports.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

use fruitnode_coordinator::control::member::{Input, Known, Member, Output, Turned};
use fruitnode_coordinator::control::message::{
    FromMember, Hello, Order, Report, StreamId, ToMember,
};
use fruitnode_coordinator::ids::NodeId;
use fruitnode_proto::v1;
use fruitnode_proto::v1::from_member::{Beat, Message};

pub(crate) use fruitnode_coordinator::control::member::Standing;

use fruitnode_env::memory::resident_bytes;
use fruitnode_env::wall_ms;
use fruitnode_mesh::client::Peers;
use fruitnode_mesh::error::MeshError;
use fruitnode_mesh::handler::Inbound;
use fruitnode_mesh::roster::RosterBook;
use fruitnode_result::story::{Story, Work};

use crate::actors::envelope::{self, Joined};
use crate::actors::leader::TICK;
use crate::actors::spawn::spawn;
use crate::tasks::Running;

/// Messages that wait for the stream.
const OUTBOUND_MESSAGES_MAX: usize = 1_024;

/// What streams say that waits for the actor.
const INBOUND_MESSAGES_MAX: usize = 256;

/// The way to the leader: over the mesh, or in this process.
#[async_trait]
pub(crate) trait Coordinators: fmt::Debug + Send + Sync {
    /// Begins a stream at a node, which refuses with [`MeshError::NotLeader`] unless it leads. The
    /// first message is the member's hello.
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
pub(crate) struct AttendParts {
    /// What this process says of itself.
    pub hello: Hello,
    /// The way to the leader.
    pub coordinators: Arc<dyn Coordinators>,
    /// Who there is.
    pub book: RosterBook,
    /// Where orders go.
    pub worker: mpsc::Sender<Order>,
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
pub(crate) fn start(parts: AttendParts) -> watch::Receiver<Standing> {
    let (standing, seen) = watch::channel(Standing::Looking { words: String::new() });
    let (wires, said) = mpsc::channel(INBOUND_MESSAGES_MAX);
    let machine = Member::default();
    let attend = Attend { parts, machine, standing, streams: BTreeMap::new(), wires };
    spawn("attend", attend.run(said));
    seen
}

struct Attend {
    parts: AttendParts,
    machine: Member,
    standing: watch::Sender<Standing>,
    streams: BTreeMap<StreamId, Stream>,
    wires: mpsc::Sender<Input>,
}

/// A stream that is being opened, or is open. Dropped, it ends.
struct Stream {
    out: mpsc::Sender<v1::FromMember>,
    task: AbortHandle,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Resolves when the node is to leave.
async fn asked(leave: &mut watch::Receiver<bool>) {
    if leave.wait_for(|leave| *leave).await.is_err() {
        // Nobody can ask any more.
        std::future::pending::<()>().await;
    }
}

/// What an error means to the member.
fn turned(error: MeshError) -> Turned {
    match error {
        MeshError::NotLeader { leader, .. } => Turned::NotLeader(leader.map(|(node, _)| node)),
        MeshError::Denied(words) => Turned::Denied(words),
        MeshError::Conflict(_) => Turned::Twin(error.to_string()),
        error => Turned::Away(error.to_string()),
    }
}

/// Opens a stream and hands on what is said there.
async fn listen(
    coordinators: Arc<dyn Coordinators>,
    (stream, node): (StreamId, NodeId),
    outbound: mpsc::Receiver<v1::FromMember>,
    wires: mpsc::Sender<Input>,
) {
    let why = match coordinators.attend(node, outbound).await {
        Ok(inbound) => {
            if wires.send(Input::Opened(stream)).await.is_err() {
                return;
            }
            follow(stream, inbound, &wires).await
        }
        Err(error) => turned(error),
    };
    // The actor may have ended.
    let _ = wires.send(Input::Ended(stream, why)).await;
}

/// Hands on what is said on a stream to its end; why it ended.
async fn follow(
    stream: StreamId,
    mut inbound: Inbound<v1::ToMember>,
    wires: &mpsc::Sender<Input>,
) -> Turned {
    let mut joined = Joined::default();
    loop {
        let message = match inbound.next().await {
            Ok(Some(message)) => message,
            Ok(None) => return Turned::Away("the coordinator closed the stream".to_owned()),
            Err(error) => return turned(error),
        };
        let said = match joined.take(message) {
            // A part of a message is a sign of life, too.
            Ok(None) => Ok(ToMember::Beat),
            Ok(Some(message)) => envelope::from_leader(message),
            Err(error) => Err(error),
        };
        let said = match said {
            Ok(said) => said,
            Err(error) => return Turned::Away(error.to_string()),
        };
        if wires.send(Input::Said(stream, said)).await.is_err() {
            return Turned::Away("the node is stopping".to_owned());
        }
    }
}

impl Attend {
    async fn run(mut self, mut wires: mpsc::Receiver<Input>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut leave = self.parts.leave.clone();
        let mut asked_to_leave = false;
        while !self.standing.borrow().is_final() {
            let takes_reports = self.takes_reports();
            let input = tokio::select! {
                Some(input) = wires.recv() => input,
                report = self.parts.reports.recv(), if takes_reports => match report {
                    Some(report) => Input::Report(report),
                    None => {
                        self.standing.send_replace(Standing::Left);
                        return;
                    }
                },
                _ = ticks.tick() => Input::Tick { idle: self.is_idle() },
                () = asked(&mut leave), if !asked_to_leave => {
                    asked_to_leave = true;
                    Input::Leave
                }
            };
            self.step(input).await;
        }
    }

    async fn step(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            if let Input::Ended(stream, _) = &input {
                self.streams.remove(stream);
            }
            let roster = self.parts.book.now();
            let known = Known {
                members: &|| roster.addresses.keys().copied().collect(),
                voters: &roster.voters,
                removed: &roster.removed,
            };
            for output in self.machine.step(known, input) {
                if let Some(broken) = self.carry_out(output).await {
                    next = Some(broken);
                }
            }
        }
    }

    /// Does what the machine wants; what became of it, if that is worth a word.
    async fn carry_out(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Open(stream, node) => self.open(stream, node),
            Output::Close(stream) => drop(self.streams.remove(&stream)),
            Output::Say(stream, said) => {
                let message = match said {
                    FromMember::Report(report) => {
                        Message::Report(envelope::report_to_proto(report))
                    }
                    FromMember::Leave => Message::Leave(v1::Unit {}),
                    // Said when the stream was opened, and by the shell alone.
                    FromMember::Hello(_) | FromMember::Beat(_) => return None,
                };
                return self.say(stream, message);
            }
            // A full stream is as good as a beat.
            Output::Beat(stream) => drop(self.say(stream, Message::Beat(self.beat()))),
            Output::Order(order) => {
                // A worker that is gone ends the reports, and this actor with them.
                let _ = self.parts.worker.send(*order).await;
            }
            Output::Roster(roster) => {
                self.parts.book.take(envelope::roster_to_proto(*roster));
            }
            Output::Standing(standing) => {
                match &standing {
                    Standing::Attending { leader } => {
                        tracing::info!(coordinator = %leader, "attending");
                    }
                    Standing::Looking { words } => {
                        tracing::debug!(words, "looking for the coordinator")
                    }
                    Standing::Refused { words } => {
                        tracing::warn!(words, "the cluster rejected this node");
                    }
                    Standing::Left => tracing::info!("the cluster has released this node"),
                }
                self.standing.send_replace(standing);
            }
        }
        None
    }

    fn open(&mut self, stream: StreamId, node: NodeId) {
        let (out, outbound) = mpsc::channel(OUTBOUND_MESSAGES_MAX);
        let index = self.parts.book.now().index;
        let hello = Message::Hello(envelope::hello_to_proto(&self.parts.hello, index));
        out.try_send(v1::FromMember { message: Some(hello) }).expect("the channel is new");
        let coordinators = Arc::clone(&self.parts.coordinators);
        let wires = self.wires.clone();
        let task = spawn("stream", listen(coordinators, (stream, node), outbound, wires));
        self.streams.insert(stream, Stream { out, task: task.abort_handle() });
    }

    fn say(&mut self, stream: StreamId, message: Message) -> Option<Input> {
        let open = self.streams.get(&stream)?;
        let said = open.out.try_send(v1::FromMember { message: Some(message) });
        said.err().map(|_| {
            Input::Ended(stream, Turned::Away("lost the connection to the coordinator".to_owned()))
        })
    }

    /// Whether a report could be said now.
    fn takes_reports(&self) -> bool {
        let stream = self.machine.attends().map(|(_, stream)| stream);
        let stream = stream.and_then(|stream| self.streams.get(&stream));
        // Room is left for a beat, and for the word that the node is to leave.
        stream.is_some_and(|stream| stream.out.is_closed() || stream.out.capacity() > 2)
    }

    fn is_idle(&self) -> bool {
        self.parts.running.steps().is_empty() && self.parts.reports.is_empty()
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
