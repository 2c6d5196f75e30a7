//! The thread: one turn after another of requests, ticks, and what the replica then has to do.

use std::collections::BTreeMap;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tokio::sync::{mpsc, oneshot, watch};

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::control::office::Office;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_env as env;
use fruitnode_replica::{
    Applied, LogStore, Outgoing, ProposeError as Refused, Proposed, Replica, Role, Status, Step,
    StepError,
};

use super::clock::Clock;
use super::events::{Event, Events, LogFailure};
use super::handle::{Consensus, ProposeError, Reply, Request, Room};
use super::options::{ConsensusOptions, Look, Outbox, StartError};
use super::questions::Questions;
use super::silence::Silence;
use super::twins::Twins;

/// Requests that one turn takes: enough that many commands share one write to the disk, few enough
/// that a flood of messages does not hold up a tick.
const REQUESTS_PER_TURN_MAX: usize = 1_024;

/// Ticks that a thread that stops waits for another leader: as long as raft itself tries.
const STOP_TICKS_MAX: u64 = 20;

/// Ticks after the loss of leadership in which the next leader may still apply what was proposed
/// here; then whoever waits is told that it is not known.
const LOST_TICKS: u64 = 60;

/// Opens the replica and starts its thread. Must not be called from that thread.
pub fn start<S>(
    options: ConsensusOptions<S>,
    outbox: Box<dyn Outbox>,
) -> Result<(Consensus, mpsc::Receiver<Event>), StartError>
where
    S: LogStore + Send + 'static,
{
    let (events, receiver) = Events::new();
    let (mailbox, requests) = crossbeam_channel::unbounded();
    let (opened, open) = crossbeam_channel::bounded(1);
    let room = Arc::new(Room::default());
    let counted = room.clone();
    let run = move || {
        let tick = options.tick;
        let replica = match Replica::open(options.replica, options.store) {
            Ok(replica) => replica,
            Err(error) => {
                let _ = opened.send(Err(words(&error)));
                return;
            }
        };
        let (status, watched) = watch::channel(replica.status());
        let _ = opened.send(Ok(watched));
        let driver = Driver {
            replica,
            requests,
            room: counted,
            outbox,
            events,
            looks: options.looks,
            status,
            waiting: BTreeMap::new(),
            settled: Vec::new(),
            questions: Questions::default(),
            ticks: 0,
            twins: Twins::default(),
            office: Office::default(),
            silence: Silence::default(),
            tick,
            deposed: None,
            looked: None,
            stopping: None,
            behind: None,
        };
        driver.run_to_the_end(Clock::new(tick));
    };
    thread::Builder::new().name("consensus".to_owned()).spawn(run)?;
    let status = match open.recv() {
        Ok(Ok(status)) => status,
        Ok(Err(words)) => return Err(StartError::Open(words)),
        Err(_) => {
            return Err(StartError::Open(
                "the log contains an entry that no replica wrote".to_owned(),
            ));
        }
    };
    Ok((Consensus { mailbox, room, status }, receiver))
}

struct Driver<S: LogStore> {
    replica: Replica<S>,
    requests: Receiver<Request>,
    room: Arc<Room>,
    outbox: Box<dyn Outbox>,
    events: Events,
    looks: Vec<Look>,
    status: watch::Sender<Status>,
    // By index: who waits for which term's entry.
    waiting: BTreeMap<u64, (u64, Reply)>,
    // What they are told once the state and the status are shown.
    settled: Vec<(Reply, Result<u64, ProposeError>)>,
    // Who asks whether this node still leads.
    questions: Questions,
    ticks: u64,
    // Which process of each voter is heard.
    twins: Twins,
    // Whether this node leads, for whoever carries out.
    office: Office,
    silence: Silence,
    // Time of one tick.
    tick: Duration,
    // The tick at which leadership was missed first, while somebody waits.
    deposed: Option<u64>,
    // What was applied when the state was shown last.
    looked: Option<u64>,
    stopping: Option<Stopping>,
    // Why the log must not be used any more, once another voter has shown that it went back.
    behind: Option<String>,
}

struct Stopping {
    replies: Vec<oneshot::Sender<()>>,
    until: u64,
}

impl<S: LogStore> Driver<S> {
    /// Runs until it is stopped, nobody holds a handle, or the log fails.
    fn run_to_the_end(mut self, clock: Clock) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.run(clock)));
        let failure = match ended {
            Ok(Ok(())) => None,
            Ok(Err(words)) => Some(words),
            Err(_) => {
                Some("the replica reached an impossible state: this process must stop".to_owned())
            }
        };
        if let Some(words) = failure {
            tracing::error!("{words}");
            self.events.fail(LogFailure { words, behind: self.behind.is_some() });
        }
        let stopping = self.stopping.take();
        drop(self);
        for reply in stopping.into_iter().flat_map(|stopping| stopping.replies) {
            // Whoever asked may have gone.
            let _ = reply.send(());
        }
    }

    fn run(&mut self, mut clock: Clock) -> Result<(), String> {
        let started = env::Moment::now();
        self.carry_out()?;
        while !self.is_over() {
            match self.requests.recv_timeout(clock.wait(started.elapsed())) {
                Ok(request) => self.take_all(request),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if let Some(words) = &self.behind {
                return Err(words.clone());
            }
            // After the messages: a heartbeat that has come counts before the tick that misses it.
            for _ in 0..clock.due(started.elapsed()) {
                self.ticks += 1;
                self.replica.tick();
            }
            self.carry_out()?;
        }
        Ok(())
    }

    fn take_all(&mut self, first: Request) {
        self.take(first);
        for _ in 1..REQUESTS_PER_TURN_MAX {
            match self.requests.try_recv() {
                Ok(request) => self.take(request),
                Err(_) => break,
            }
        }
    }

    fn take(&mut self, request: Request) {
        self.room.taken(&request);
        match request {
            Request::Messages { from, process, messages, .. } => {
                let membership = self.replica.state().membership();
                if !self.twins.hears(membership, (from, process), self.ticks) {
                    tracing::debug!(%from, "another process runs as this voter: dropping its \
                                            messages");
                    return;
                }
                self.silence.heard(from, self.ticks);
                for message in messages {
                    match self.replica.step(from, &message) {
                        Ok(()) => {}
                        Err(error @ StepError::LogLost { .. }) => {
                            self.behind = Some(error.to_string());
                        }
                        Err(error) => {
                            tracing::warn!(%from, %error, "dropped a message of another voter");
                        }
                    }
                }
            }
            Request::Propose { commands, reply } => self.propose(&commands, reply),
            Request::Change { change, reply } => {
                let proposed = self.replica.change_voters(&change);
                self.wait(proposed, reply);
            }
            Request::Read(look) => look(self.replica.state()),
            Request::Turn(look) => look(self.replica.state(), &self.replica.status()),
            Request::Confirm(reply) => self.questions.ask(reply),
            Request::Silences(reply) => self.tell_silences(reply),
            Request::Transfer(to) => self.replica.transfer(to),
            Request::Unreachable(node) => self.replica.unreachable(node),
            Request::SnapshotSent { node, arrived } => self.replica.snapshot_sent(node, arrived),
            Request::Stop(reply) => self.stop(reply),
        }
    }

    fn tell_silences(&self, reply: oneshot::Sender<BTreeMap<NodeId, Duration>>) {
        let silences = self.silence.ticks(&self.replica.status(), self.ticks).into_iter();
        let spans = silences.map(|(node, ticks)| {
            let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
            (node, self.tick.saturating_mul(ticks))
        });
        // Whoever asked may have gone.
        let _ = reply.send(spans.collect());
    }

    /// Entries of one leader and term stand in the log without a gap: when the last one is there,
    /// all of them are.
    fn propose(&mut self, commands: &[Command], reply: Reply) {
        if self.stopping.is_some() {
            answer(reply, Err(ProposeError::Stopped));
            return;
        }
        let now_ms = env::wall_ms();
        let mut last = None;
        for command in commands {
            match self.replica.propose(command, now_ms) {
                Ok(proposed) => last = Some(proposed),
                Err(refused) => return self.wait(Err(refused), reply),
            }
        }
        match last {
            Some(last) => self.wait(Ok(last), reply),
            None => answer(reply, Ok(self.replica.status().applied)),
        }
    }

    fn wait(&mut self, proposed: Result<Proposed, Refused>, reply: Reply) {
        match proposed {
            Ok(Proposed { term, index }) => {
                if let Some((_, before)) = self.waiting.insert(index, (term, reply)) {
                    answer(before, Err(ProposeError::Lost));
                }
            }
            Err(Refused::NotLeader { leader }) => {
                answer(reply, Err(ProposeError::NotLeader { leader }));
            }
            Err(Refused::Busy) => answer(reply, Err(ProposeError::Busy)),
            Err(Refused::Refused(why)) => answer(reply, Err(ProposeError::Refused(why))),
            Err(Refused::TooLarge { .. }) => {
                answer(reply, Err(ProposeError::Refused("a command is larger than an entry")));
            }
        }
    }

    /// Whatever the replica has to do, then whatever follows from it for those who watch.
    fn carry_out(&mut self) -> Result<(), String> {
        if let Some(number) = self.questions.next() {
            self.replica.confirm(number);
        }
        while let Some(step) = self.replica.next().map_err(|error| words(&error))? {
            match step {
                Step::Confirmed(answers) => self.questions.answered(answers),
                Step::Send(messages) => self.send(messages),
                Step::Installed { .. } => self.events.tell(Event::Installed),
                Step::Applied(applied) => self.applied(applied),
                Step::Persisted | Step::Compacted | Step::Advanced => {}
            }
        }
        let status = self.replica.status();
        self.silence.look(&status, self.ticks);
        self.settle(&status);
        self.settle_questions(&status);
        self.tell_standing(&status);
        if self.looked != Some(status.applied) {
            self.looked = Some(status.applied);
            self.looks.iter_mut().for_each(|look| look(self.replica.state()));
        }
        self.status.send_if_modified(|shown| {
            let changed = *shown != status;
            if changed {
                *shown = status;
            }
            changed
        });
        // Last, so that whoever proposed finds what it did wherever it looks.
        self.settled.drain(..).for_each(|(reply, words)| answer(reply, words));
        Ok(())
    }

    fn send(&self, messages: Vec<Outgoing>) {
        let mut by_node: BTreeMap<NodeId, Vec<Vec<u8>>> = BTreeMap::new();
        for message in messages {
            if message.snapshot {
                self.outbox.install(message.to, message.bytes);
            } else {
                by_node.entry(message.to).or_default().push(message.bytes);
            }
        }
        for (to, messages) in by_node {
            self.outbox.send(to, messages);
        }
    }

    fn applied(&mut self, applied: Vec<Applied>) {
        for entry in &applied {
            if let Some((term, reply)) = self.waiting.remove(&entry.index) {
                let kept = term == entry.term;
                let index = if kept { Ok(entry.index) } else { Err(ProposeError::Lost) };
                self.settled.push((reply, index));
            }
        }
        let news = self.office.applied(&self.replica.status(), applied);
        news.into_iter().for_each(|news| self.events.tell(news.into()));
    }

    /// Answers those whose entries are not there, or who have waited too long to learn it.
    fn settle(&mut self, status: &Status) {
        let leads = status.role == Role::Leader;
        let since = match self.deposed {
            Some(since) if !leads && !self.waiting.is_empty() => since,
            _ => self.ticks,
        };
        self.deposed = (!leads && !self.waiting.is_empty()).then_some(since);
        let hopeless = self.ticks - since >= LOST_TICKS;
        while let Some(first) = self.waiting.first_entry() {
            if *first.key() > status.applied && !hopeless {
                break;
            }
            self.settled.push((first.remove().1, Err(ProposeError::Lost)));
        }
    }

    /// A leader that has just been elected cannot tell yet; one that was deposed never will.
    fn settle_questions(&mut self, status: &Status) {
        let settled = self.questions.settled(status.applied);
        self.settled.extend(settled.into_iter().map(|reply| (reply, Ok(status.applied))));
        if !status.serves {
            let leader = status.leader.filter(|leader| *leader != status.id);
            let refused = self.questions.give_up().into_iter();
            let refused = refused.map(|reply| (reply, Err(ProposeError::NotLeader { leader })));
            self.settled.extend(refused);
        }
    }

    fn tell_standing(&mut self, status: &Status) {
        let news = self.office.stands(status);
        news.into_iter().for_each(|news| self.events.tell(news.into()));
        self.events.catch_up(|| self.office.summary(status).into());
    }

    fn stop(&mut self, reply: oneshot::Sender<()>) {
        if let Some(stopping) = &mut self.stopping {
            stopping.replies.push(reply);
            return;
        }
        let status = self.replica.status();
        if let Some(heir) = heir(&status) {
            self.replica.transfer(heir);
        }
        self.stopping = Some(Stopping { replies: vec![reply], until: self.ticks + STOP_TICKS_MAX });
    }

    fn is_over(&self) -> bool {
        self.stopping.as_ref().is_some_and(|stopping| {
            self.ticks >= stopping.until || heir(&self.replica.status()).is_none()
        })
    }
}

/// To whom a leader that stops hands over: of the other voters that were heard lately the one with
/// most of the log. Nobody, where this node does not lead or is alone.
fn heir(status: &Status) -> Option<NodeId> {
    if status.role != Role::Leader {
        return None;
    }
    let others = status.voters.iter().filter(|voter| **voter != status.id);
    let heard = others.filter(|voter| status.recent_active.contains(voter));
    heard.copied().max_by_key(|voter| status.matched.get(voter).copied().unwrap_or(0))
}

/// Whoever asked may have gone.
fn answer(reply: Reply, words: Result<u64, ProposeError>) {
    let _ = reply.send(words);
}

/// An error with its causes.
fn words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}
