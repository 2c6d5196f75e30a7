//! One leader and many workers: their machines, and whatever lies between them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use fruitnode_coordinator::codec::{self, wire};
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::control::leader::{Input, Leader, Output};
use fruitnode_coordinator::control::message::{
    FromMember, Hello, Lease, Order, StreamId, ToMember,
};
use fruitnode_coordinator::control::office::News;
use fruitnode_coordinator::control::worker::{self, Attempts};
use fruitnode_coordinator::ids::{Digest, JobId, NodeId};
use fruitnode_coordinator::job::Job;
use fruitnode_coordinator::leases::{LeaseName, Terms};
use fruitnode_coordinator::partition::ROWS_PER_PART_DEFAULT;
use fruitnode_coordinator::phase::Phase;
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_coordinator::status::{Role, Status};
use prost::Message as _;
use rustix::time::{ClockId, clock_gettime};

use super::book::{Book, Kind};
use super::toil;
use crate::dice::Dice;
use crate::leading::{address, founding, storage};
use crate::time::Time;

/// Leases that a worker takes at a time.
const SLOTS: u32 = 2;

/// When the first event happens, milliseconds since 1970-01-01 UTC: times are as long as they are.
const BEGIN: Time = 1_750_000_000_000;

const TICK: Time = 100;
const BEAT: Time = 1_000;
const TERM: u64 = 7;

/// Attempts whose story is about as long as what is set aside for it: of fewer it is not said how
/// long the story of each is.
const ATTEMPTS_MIN: usize = 200;

/// What a run cost.
pub(crate) struct Run {
    pub(crate) book: Book,
    pub(crate) memory: Vec<Memory>,
}

/// Bytes for each partition.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    /// What all partitions are by then.
    pub(crate) stage: &'static str,
    /// In memory, but for the story: all that there is with the job and was not there without it.
    pub(crate) partition: f64,
    /// The story of its attempts, in memory.
    pub(crate) story: f64,
    /// The same, for each attempt.
    pub(crate) attempt: f64,
    /// In a snapshot, but for the story: likewise.
    pub(crate) snapshot: f64,
    /// The story of its attempts in a snapshot.
    pub(crate) snapshot_story: f64,
}

enum Due {
    Tick,
    Beat(NodeId),
    Done(NodeId, LeaseName),
}

/// The whole of it.
pub(crate) struct Rig {
    partitions: u32,
    heap: fn() -> usize,
    state: ClusterState,
    leader: Leader,
    status: Status,
    workers: BTreeMap<NodeId, Worker>,
    dice: Dice,
    now: Time,
    queue: BTreeMap<(Time, u64), Due>,
    scheduled: u64,
    run: Run,
    /// Bytes of the state without the job, in memory and in a snapshot.
    empty: usize,
    empty_snapshot: usize,
}

#[derive(Default)]
struct Worker {
    attempts: Attempts,
    running: BTreeMap<LeaseName, (Lease, Time)>,
}

impl Rig {
    /// A cluster of so many workers, none of which attends yet.
    pub(crate) fn new(workers: u32, partitions: u32, heap: fn() -> usize) -> Self {
        let one = NodeId(1);
        let mut state = ClusterState::default();
        let (id, uses) = ("t".to_owned(), workers);
        let token = Command::CreateToken { id, hash: Digest([7; 32]), uses, expires_ms: u64::MAX };
        let enroll = |node: u64| Command::Enroll {
            token: "t".to_owned(),
            key: key(node),
            address: address(node),
            storage: storage(node),
        };
        let others = (2..=u64::from(workers)).map(enroll);
        for (index, command) in (1..).zip([founding(1), token].into_iter().chain(others)) {
            state.apply(index, BEGIN, &command);
        }
        let applied = state.applied();
        let status = Status {
            id: one,
            role: Role::Leader,
            serves: true,
            leader: Some(one),
            term: TERM,
            committed: applied,
            applied,
            voters: vec![one],
            learners: Vec::new(),
            changing: false,
            matched: BTreeMap::from([(one, applied)]),
            recent_active: BTreeSet::from([one]),
        };
        Self {
            partitions,
            heap,
            state,
            leader: Leader::new(Terms::default()),
            status,
            workers: (1..=u64::from(workers)).map(|id| (NodeId(id), Worker::default())).collect(),
            dice: Dice::new(1),
            now: BEGIN,
            queue: BTreeMap::new(),
            scheduled: 0,
            run: Run { book: Book::default(), memory: Vec::new() },
            empty: 0,
            empty_snapshot: 0,
        }
    }

    /// From the first greeting to the end of one job.
    pub(crate) fn run(mut self) -> Run {
        self.take(Kind::Tick, Input::News(News::Leading { term: TERM }));
        for node in self.workers.keys().copied().collect::<Vec<_>>() {
            let (stream, hello) = (StreamId(node.0), hello(node));
            self.take(Kind::Greeting, Input::Opened { stream, node, hello });
            let first = self.dice.below(BEAT);
            self.schedule(first, Due::Beat(node));
        }
        self.empty = self.state_bytes();
        self.empty_snapshot = codec::encode_state(&self.state).len();
        self.schedule(TICK, Due::Tick);
        self.status.applied += 1;
        let command = Command::SubmitJob { job: job_id(), spec: spec() };
        self.state.apply(self.status.applied, self.now, &command);
        self.take(Kind::Tick, Input::Moved);
        while let Some(((at, _), due)) = self.queue.pop_first() {
            self.now = at;
            match due {
                Due::Tick => {
                    self.take(Kind::Tick, Input::Tick);
                    self.schedule(TICK, Due::Tick);
                }
                Due::Beat(node) => {
                    let running = self.workers[&node].running.keys();
                    let beat = running.map(|name| (name.clone(), self.now)).collect();
                    let said = Input::Said(StreamId(node.0), FromMember::Beat(beat));
                    self.take(Kind::Beat, said);
                    self.schedule(BEAT, Due::Beat(node));
                }
                Due::Done(node, name) => self.done(node, &name),
            }
            self.measure_stage();
            if self.job().is_none_or(|job| job.ended()) {
                break;
            }
        }
        self.run
    }

    fn job(&self) -> Option<&Job> {
        self.state.job(&job_id())
    }

    fn schedule(&mut self, after: Time, due: Due) {
        self.scheduled += 1;
        self.queue.insert((self.now + after, self.scheduled), due);
    }

    /// An attempt ends, and its worker reports it.
    fn done(&mut self, node: NodeId, name: &LeaseName) {
        let (partitions, now) = (self.partitions, self.now);
        let Some(worker) = self.workers.get_mut(&node) else { return };
        let Some((lease, began)) = worker.running.remove(name) else { return };
        let report = toil::report(&lease, partitions, (now - began, now), &mut self.dice);
        self.have_work(node, worker::Input::Ended(report));
    }

    /// Has a worker's machine take something; what it reports is told to the leader.
    fn have_work(&mut self, node: NodeId, input: worker::Input) {
        let Some(worker) = self.workers.get_mut(&node) else { return };
        for output in worker.attempts.step(node, &|_| true, input) {
            match output {
                worker::Output::Begin(lease) => {
                    let (name, takes) = (lease.name(), toil::takes(lease.task, &mut self.dice));
                    if let Some(worker) = self.workers.get_mut(&node) {
                        worker.running.insert(name.clone(), (*lease, self.now));
                    }
                    self.schedule(takes, Due::Done(node, name));
                }
                worker::Output::Abort(name) => {
                    if let Some(worker) = self.workers.get_mut(&node) {
                        worker.running.remove(&name);
                    }
                }
                worker::Output::Report(report) => {
                    let said = Input::Said(StreamId(node.0), FromMember::Report(report));
                    self.take(Kind::Report, said);
                }
                _ => {}
            }
        }
    }

    /// Has the leader take something, and the state and the leader whatever follows from it. All
    /// this is timed; what workers do about it is not.
    fn take(&mut self, kind: Kind, input: Input) {
        let (mut events, mut orders) = (0, Vec::new());
        let began = now();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            events += 1;
            for output in self.leader.step(&self.state, &self.status, self.now, input) {
                match output {
                    Output::Propose { proposal, command } => {
                        events += 1;
                        self.status.applied += 1;
                        self.status.committed = self.status.applied;
                        let (term, index) = (TERM, self.status.applied);
                        let effects = self.state.apply(index, self.now, &command);
                        // As a replica tells: of effects, or else that something has moved.
                        inputs.push_back(match effects.is_empty() {
                            true => Input::Moved,
                            false => Input::News(News::Applied { term, index, effects }),
                        });
                        inputs.push_back(Input::Settled { proposal, applied: true });
                    }
                    // A tick of many members is as many words as there are members.
                    Output::Say(_, ToMember::Beat) => events += 1,
                    Output::Say(stream, ToMember::Order { order, .. }) => {
                        orders.push((stream, order));
                    }
                    _ => {}
                }
            }
        }
        let took = now() - began;
        self.run.book.note(kind, events, took.as_nanos() as u64);
        for (stream, order) in orders {
            if !matches!(*order, Order::Abandon { .. }) {
                self.have_work(NodeId(stream.0), worker::Input::Order(*order));
            }
        }
    }

    /// Measures the state when all partitions have just become something else.
    fn measure_stage(&mut self) {
        let Some(job) = self.job() else { return };
        let stages = match job.phase() {
            Phase::Listing => 0,
            Phase::Extracting => 1,
            Phase::Reducing | Phase::Fitting | Phase::Projecting => 2,
            Phase::Publishing | Phase::Ended(_) => 3,
        };
        if stages <= self.run.memory.len() {
            return;
        }
        let (count, story) = (f64::from(self.partitions), job.story_bytes());
        let attempts = job.story().count();
        let told = job.story().map(|record| {
            let bytes = wire::record_to_proto(&record).encoded_len();
            bytes + prost::length_delimiter_len(bytes) + 1
        });
        let told: usize = told.sum();
        let written = codec::encode_state(&self.state).len();
        let all = self.state_bytes();
        let each = |bytes: usize| bytes as f64 / count;
        self.run.memory.push(Memory {
            stage: ["listed", "extracted", "projected"][stages - 1],
            partition: each(all.saturating_sub(self.empty + story)),
            story: each(story),
            attempt: story as f64 / attempts.max(ATTEMPTS_MIN) as f64,
            snapshot: each(written.saturating_sub(self.empty_snapshot + told)),
            snapshot_story: each(told),
        });
    }

    /// What becomes free when the state goes. It goes on as its own copy.
    fn state_bytes(&mut self) -> usize {
        let copy = self.state.clone();
        let before = (self.heap)();
        drop(std::mem::replace(&mut self.state, copy));
        before.saturating_sub((self.heap)())
    }
}

/// How long this thread has computed: what else the machine does meanwhile is no cost of an event.
fn now() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), spent.tv_nsec.unsigned_abs() as u32)
}

fn key(node: u64) -> Digest {
    let mut digest = Digest::default();
    digest.0[..8].copy_from_slice(&node.to_le_bytes());
    digest
}

fn hello(node: NodeId) -> Hello {
    Hello {
        incarnation: node.0,
        starts: 1,
        slots: SLOTS,
        compute_class: "cpu".to_owned(),
        fit_class: "fit".to_owned(),
        address: address(node.0),
        storage: storage(node.0),
        release: "0.1.0".to_owned(),
    }
}

fn job_id() -> JobId {
    JobId("job".to_owned())
}

fn spec() -> JobSpec {
    JobSpec {
        from: "s3://orchard/photographs".to_owned(),
        to: "s3://orchard/result".to_owned(),
        rows_per_part: ROWS_PER_PART_DEFAULT,
        pca: true,
        given_fit: false,
        compute_class: "cpu".to_owned(),
        fit_class: "fit".to_owned(),
        max_bad: None,
        options: Vec::new(),
    }
}
