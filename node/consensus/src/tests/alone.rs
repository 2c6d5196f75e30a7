//! One voter, and what a caller can do to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::effect::Effect;
use fruitnode_coordinator::ids::JobId;
use fruitnode_coordinator::members::Process;
use fruitnode_coordinator::phase::Outcome;
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_replica::{LogEntry, LogStore, MemoryLog, MemoryLogError, Role, Snapshot, Vote};

use super::{
    NEVER, Net, ONE, TWO, Wire, begin, disk, founded, memory, nothing, offer, offered, until,
};
use crate::handle::{COMMANDS_MAX, MESSAGE_BYTES_MAX, Room};
use crate::{
    Consensus, ConsensusOptions, Event, LogFailure, ProposeError, StartError, Stopped, start,
};

#[tokio::test]
async fn a_lone_voter_leads_without_a_tick_and_tells_what_is_to_be_done() {
    let net = Net::default();
    let (consensus, mut events) = begin(&net, ONE, founded(memory(), ONE), NEVER);
    let job = JobId("j".to_owned());
    let spec = JobSpec {
        from: "in".to_owned(),
        to: "out".to_owned(),
        rows_per_part: 4,
        pca: true,
        given_fit: false,
        compute_class: "cpu".to_owned(),
        fit_class: "f".to_owned(),
        max_bad: None,
        options: Vec::new(),
    };
    let submit = Command::SubmitJob { job: job.clone(), spec };
    let cancel = Command::CancelJob { job: job.clone() };
    let first = consensus.propose(submit).await.unwrap();
    let second = consensus.propose_all(vec![offer(7), cancel]).await.unwrap();
    assert_eq!(second, first + 2);
    assert_eq!(consensus.propose_all(Vec::new()).await, Ok(second), "nothing to wait for");
    assert_eq!(offered(&consensus).await, [7]);
    let term = consensus.status().borrow().term;
    assert_eq!(events.recv().await, Some(Event::Leading { term }));
    let effects = vec![Effect::End { job, outcome: Outcome::Cancelled, story: Vec::new() }];
    assert_eq!(events.recv().await, Some(Event::Applied { term, index: second, effects }));
    consensus.stop().await;
    assert_eq!(events.recv().await, None, "no last word: nothing failed");
    assert_eq!(consensus.propose(nothing(1)).await, Err(ProposeError::Stopped));
    assert_eq!(consensus.read(|_| ()).await, Err(Stopped));
    consensus.stop().await;
}

#[tokio::test]
async fn what_was_proposed_is_there_after_a_restart() {
    let (folder, net) = (tempfile::tempdir().unwrap(), Net::default());
    let log = founded(disk(&folder, ONE), ONE);
    let (consensus, _events) = begin(&net, ONE, log, NEVER);
    // More than is kept: the log is compacted on the way.
    for node in 2..100 {
        consensus.propose(offer(node)).await.unwrap();
    }
    let before = consensus.status().borrow().clone();
    consensus.stop().await;
    let (consensus, _events) = begin(&net, ONE, disk(&folder, ONE), NEVER);
    let committed = before.committed;
    let after = until(&consensus, |status| status.committed > committed).await;
    assert!(after.role == Role::Leader && after.term > before.term, "{after:?}");
    assert_eq!(offered(&consensus).await, (2..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_state_and_the_standing_are_shown_when_they_change() {
    let net = Net::default();
    let mut options = ConsensusOptions::new(ONE, founded(memory(), ONE));
    options.tick = NEVER;
    let mut nodes = options.view(|state| state.nodes().count());
    assert_eq!(**nodes.borrow(), 0);
    let wire = Wire { from: ONE, net: net.clone() };
    let (consensus, _events) = start(options, Box::new(wire)).unwrap();
    consensus.propose_all(vec![offer(3), offer(4)]).await.unwrap();
    assert_eq!(**nodes.wait_for(|nodes| **nodes == 2).await.unwrap(), 2);
    let mut status = consensus.status();
    status.mark_unchanged();
    consensus.read(|_| ()).await.unwrap();
    consensus.read(|_| ()).await.unwrap();
    assert!(!status.has_changed().unwrap(), "nothing changed");
}

#[tokio::test]
async fn a_log_that_fails_ends_the_thread_with_words() {
    let (net, fails) = (Net::default(), Arc::new(AtomicBool::new(false)));
    let log = FailingLog { log: founded(memory(), ONE), fails: fails.clone() };
    let (consensus, mut events) = begin(&net, ONE, log, NEVER);
    consensus.propose(offer(2)).await.unwrap();
    fails.store(true, Ordering::Relaxed);
    assert_eq!(consensus.propose(offer(3)).await, Err(ProposeError::Stopped));
    let mut last = None;
    while let Some(event) = events.recv().await {
        last = Some(event);
    }
    let Some(Event::Failed(LogFailure { words, behind: false })) = last else { panic!("{last:?}") };
    assert!(words.contains("cannot write the log") && words.contains("told to fail"), "{words}");
    assert!(consensus.status().wait_for(|_| false).await.is_err(), "the thread has ended");
}

#[test]
fn a_store_that_no_replica_wrote_does_not_start() {
    let mut log = memory();
    let entry = LogEntry { index: 1, term: 1, bytes: vec![255; 3] };
    log.append(&[entry], Some(Vote { term: 1, vote: 1, commit: 1 })).unwrap();
    let wire = Wire { from: ONE, net: Net::default() };
    let refused = start(ConsensusOptions::new(ONE, log), Box::new(wire)).err();
    let Some(StartError::Open(words)) = refused else { panic!("{refused:?}") };
    assert!(words.contains("log is damaged"), "{words}");
}

#[tokio::test]
async fn a_mailbox_that_is_full_drops_messages_and_refuses_commands() {
    let (mailbox, requests) = crossbeam_channel::unbounded();
    let net = Net::default();
    let (other, _events) = begin(&net, ONE, founded(memory(), ONE), NEVER);
    let room = Arc::new(Room::default());
    let consensus = Consensus { mailbox, room: room.clone(), status: other.status() };
    for _ in 0..MESSAGE_BYTES_MAX / (1 << 20) + 5 {
        consensus.deliver(TWO, Process::default(), vec![vec![0; 1 << 20]]);
    }
    let waiting = requests.len();
    assert_eq!(waiting, MESSAGE_BYTES_MAX / (1 << 20));
    room.taken(&requests.recv().unwrap());
    consensus.deliver(TWO, Process::default(), vec![vec![0; 3 << 20]]);
    assert_eq!(requests.len(), waiting, "what is larger is taken where there is room at all");
    let full = consensus.propose_all(vec![nothing(1); COMMANDS_MAX]);
    tokio::select! {
        biased;
        _ = full => panic!("nobody answers"),
        busy = consensus.propose(nothing(1)) => assert_eq!(busy, Err(ProposeError::Busy)),
    }
}

/// A log in memory that fails when it is told to, also from outside the thread.
struct FailingLog {
    log: MemoryLog,
    fails: Arc<AtomicBool>,
}

impl FailingLog {
    fn told(&mut self) -> &mut MemoryLog {
        self.log.set_failing(self.fails.load(Ordering::Relaxed));
        &mut self.log
    }
}

impl LogStore for FailingLog {
    type Error = MemoryLogError;

    fn vote(&self) -> Result<Vote, MemoryLogError> {
        self.log.vote()
    }

    fn snapshot(&self) -> Result<Option<Snapshot>, MemoryLogError> {
        self.log.snapshot()
    }

    fn last(&self) -> Result<u64, MemoryLogError> {
        self.log.last()
    }

    fn first(&self) -> Result<u64, MemoryLogError> {
        self.log.first()
    }

    fn entries(&self, from: u64, to: u64, bytes_max: u64) -> Result<Vec<LogEntry>, MemoryLogError> {
        self.log.entries(from, to, bytes_max)
    }

    fn term(&self, index: u64) -> Result<Option<u64>, MemoryLogError> {
        self.log.term(index)
    }

    fn append(&mut self, entries: &[LogEntry], vote: Option<Vote>) -> Result<(), MemoryLogError> {
        self.told().append(entries, vote)
    }

    fn keep_commit(&mut self) -> Result<(), MemoryLogError> {
        self.told().keep_commit()
    }

    fn install(&mut self, snapshot: &Snapshot, vote: Option<Vote>) -> Result<(), MemoryLogError> {
        self.told().install(snapshot, vote)
    }

    fn compact(&mut self, snapshot: &Snapshot, remove_to: u64) -> Result<(), MemoryLogError> {
        self.told().compact(snapshot, remove_to)
    }
}
