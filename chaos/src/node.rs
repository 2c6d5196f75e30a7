//! One node: what lies in its folder, and what its process remembers.

use std::collections::{BTreeMap, VecDeque};

use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::control::leader::{Input, Leader};
use fruitnode_coordinator::control::member::{self, Known, Member, Standing};
use fruitnode_coordinator::control::message::{Lease, MomentsName, Report, StreamId};
use fruitnode_coordinator::control::office::Office;
use fruitnode_coordinator::control::voter::{Opening, Voter};
use fruitnode_coordinator::control::worker::Attempts;
use fruitnode_coordinator::ids::{Digest, NodeId};
use fruitnode_coordinator::leases::LeaseName;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::voters::VoterChange;
use fruitnode_replica::{MemoryLog, Replica, Status};

use crate::book::Book;
use crate::events::{Life, Wire, Wish};
use crate::time::Time;
use crate::within::Mistake;

/// Who waits for a command.
pub(crate) type Client = Option<(usize, Wish)>;

/// A node, whether its process runs or not.
pub(crate) struct Node {
    pub(crate) life: Life,
    pub(crate) paused_until: Time,
    /// The log, while no process has it open.
    pub(crate) disk: MemoryLog,
    /// Whether there is a log in the folder, and the authority's key.
    pub(crate) has_log: bool,
    pub(crate) has_key: bool,
    pub(crate) book: Book,
    pub(crate) process: Option<Process>,
    /// It never starts again: it is dead, or the cluster has removed it.
    pub(crate) buried: bool,
    /// Its process has left the cluster, or was refused by it.
    pub(crate) gone: bool,
    /// What is not as it was, while nobody has noticed.
    pub(crate) mistake: Option<Mistake>,
}

/// What one process remembers.
pub(crate) struct Process {
    pub(crate) member: Member,
    pub(crate) standing: Standing,
    pub(crate) attempts: Attempts,
    pub(crate) voter: Voter,
    pub(crate) voting: Option<Voting>,
    /// Its stream to whom it takes for the leader, by its own number.
    pub(crate) wires: BTreeMap<StreamId, Wire>,
    pub(crate) running: BTreeMap<LeaseName, Running>,
    pub(crate) held: BTreeMap<MomentsName, Digest>,
    /// Reports that wait until the member is greeted.
    /// What came on its streams, and was not taken in yet.
    pub(crate) inbox: VecDeque<member::Input>,
    pub(crate) outbox: VecDeque<Report>,
    /// Leaders that wait for an answer to their admission.
    pub(crate) admitting: Vec<((NodeId, Life), u64)>,
    /// Streams of raft's messages that others have opened to this process, and the opening of the
    /// log that there was then.
    pub(crate) exchanges: BTreeMap<(NodeId, Life), Option<Opening>>,
}

/// What a process has besides, while it takes part in the log.
pub(crate) struct Voting {
    pub(crate) opening: Opening,
    pub(crate) replica: Replica<MemoryLog>,
    pub(crate) stepping: bool,
    pub(crate) office: Office,
    pub(crate) leader: Leader,
    pub(crate) mail: VecDeque<Input>,
    pub(crate) mail_is_due: bool,
    /// Whether news did not go into the mailbox, and where things stand is to be told instead.
    pub(crate) left_out: bool,
    /// What was shown last.
    pub(crate) shown: Option<Status>,
    pub(crate) queue: VecDeque<Proposal>,
    pub(crate) proposed: BTreeMap<u64, (u64, Proposal)>,
    pub(crate) changes: VecDeque<(VoterChange, u64)>,
    /// Index and term of a change that is on its way, and the leader's term.
    pub(crate) changing: Option<(u64, u64)>,
    /// What it was asked and has not answered, with the newest entry of then.
    pub(crate) questions: BTreeMap<u64, u64>,
}

/// A command that waits to be proposed, or to be applied.
#[derive(Debug, Clone)]
pub(crate) struct Proposal {
    pub(crate) command: Command,
    /// The leader's number, if the leader wants it.
    pub(crate) number: Option<u64>,
    pub(crate) client: Client,
}

/// An attempt that is under way.
pub(crate) struct Running {
    pub(crate) lease: Lease,
    pub(crate) stage: u32,
    pub(crate) fails: Option<FailureReason>,
    /// What the node says of it: how often it has, while the task does not hang.
    pub(crate) progress: u64,
    pub(crate) hangs: bool,
    /// Called back, and not let go of.
    pub(crate) void: bool,
}

impl Process {
    pub(crate) fn new(id: NodeId) -> Self {
        Self {
            member: Member::default(),
            standing: Standing::Looking { words: String::new() },
            attempts: Attempts::default(),
            voter: Voter::new(id),
            voting: None,
            wires: BTreeMap::new(),
            running: BTreeMap::new(),
            held: BTreeMap::new(),
            outbox: VecDeque::new(),
            inbox: VecDeque::new(),
            admitting: Vec::new(),
            exchanges: BTreeMap::new(),
        }
    }

    /// Has the member's machine take something, which asks whom it finds in the node's book.
    pub(crate) fn step_member(&mut self, book: &Book, input: member::Input) -> Vec<member::Output> {
        let members = || book.members.clone();
        let known = Known { members: &members, voters: &book.voters, removed: &book.removed };
        self.member.step(known, input)
    }

    /// Branches that its machines have taken, but for the leader's.
    pub(crate) fn reached(&self) -> impl Iterator<Item = &'static str> + '_ {
        let (member, attempts) = (self.member.reached(), self.attempts.reached());
        member.names().chain(attempts.names()).chain(self.voter.reached().names())
    }
}

impl Voting {
    pub(crate) fn new(opening: Opening, replica: Replica<MemoryLog>, leader: Leader) -> Self {
        Self {
            opening,
            replica,
            stepping: false,
            office: Office::default(),
            leader,
            mail: VecDeque::new(),
            mail_is_due: false,
            left_out: false,
            shown: None,
            queue: VecDeque::new(),
            proposed: BTreeMap::new(),
            changes: VecDeque::new(),
            changing: None,
            questions: BTreeMap::new(),
        }
    }

    /// Whether the node is in office, for the world.
    pub(crate) fn serves(&self) -> bool {
        self.leader.leads() && self.replica.status().serves
    }
}

impl Node {
    pub(crate) fn up(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn voting(&self) -> Option<&Voting> {
        self.process.as_ref()?.voting.as_ref()
    }

    pub(crate) fn voting_mut(&mut self) -> Option<&mut Voting> {
        self.process.as_mut()?.voting.as_mut()
    }

    pub(crate) fn status(&self) -> Option<Status> {
        self.voting().map(|voting| voting.replica.status())
    }
}
