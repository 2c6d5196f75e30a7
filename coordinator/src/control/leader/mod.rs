//! The leader: it listens to members, tells them what the log has decided, and tells the log what
//! members report; it notices who is lost and what stands still, and sees to it that enough nodes
//! vote.
//!
//! Every voter has one, which does something only while its node is in office. A member is greeted
//! with what the state believes of it; what the log decides afterwards follows in order.

mod duties;
mod happening;
mod orders;
mod session;
mod sessions;
mod voters;

use std::collections::{BTreeMap, BTreeSet};

use crate::attendance::Attendance;
use crate::command::Command;
use crate::control::Reached;
use crate::control::message::{FromMember, Hello, Roster, StreamId, ToMember};
use crate::control::office::News;
use crate::ids::{JobId, NodeId};
use crate::leases::{Leases, Overdue, Terms};
use crate::state::ClusterState;
use crate::status::Status;
use crate::story::AttemptRecord;
use crate::voters::{Admissions, VoterChange};

pub use happening::Happening;
use session::Session;

/// What the leader takes in.
#[derive(Debug, Clone)]
pub enum Input {
    /// Of its office.
    News(News),
    /// The state was replaced by another's snapshot.
    Installed,
    /// A tick of 100 ms.
    Tick,
    /// The replica or the state has moved.
    Moved,
    /// A member begins to attend.
    Opened {
        /// Its stream.
        stream: StreamId,
        /// Who it is, by its certificate.
        node: NodeId,
        /// What it says of itself.
        hello: Hello,
    },
    /// A member says something on its stream.
    Said(StreamId, FromMember),
    /// A stream is no more.
    Broken(StreamId),
    /// What became of a proposal.
    Settled {
        /// Its number.
        proposal: u64,
        /// Whether it was applied.
        applied: bool,
    },
    /// Whether a node took what it needs to vote.
    Admitted {
        /// The node.
        node: NodeId,
        /// Term of the leader that asked.
        term: u64,
        /// Whether it did.
        taken: bool,
    },
    /// A change of voters is committed, or came to nothing.
    Changed {
        /// Term of the leader that asked.
        term: u64,
    },
    /// Somebody waits for the roster to be told.
    TellRoster,
}

/// What the leader wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Tell the log, in this order, and say what became of it ([`Input::Settled`]).
    Propose {
        /// The proposal's number.
        proposal: u64,
        /// What to tell.
        command: Command,
    },
    /// Say this on a stream.
    Say(StreamId, ToMember),
    /// End a stream that has not begun, with words.
    Refuse(StreamId, Refusal),
    /// End a stream.
    End(StreamId),
    /// Take note of who there is: it goes to members with [`Output::Say`].
    Roster(Roster),
    /// Hand a node what it needs to vote ([`Input::Admitted`]).
    Admit {
        /// The node.
        node: NodeId,
        /// Term of the leader that asks.
        term: u64,
    },
    /// Propose other voters ([`Input::Changed`]).
    Change {
        /// Which.
        change: VoterChange,
        /// Term of the leader that asks.
        term: u64,
    },
    /// Hand the office to another voter.
    Transfer(NodeId),
    /// Keep the story of a job that ended without a result.
    Keep {
        /// The job.
        job: JobId,
        /// Its attempts.
        story: Vec<AttemptRecord>,
    },
    /// Something happened that people may want to know.
    Tell(Happening),
}

/// Why a member cannot attend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Another node leads, if it is known which.
    NotLeader(Option<NodeId>),
    /// The node is no member any more.
    NoMember,
    /// The node comes back with another store than it left with.
    OtherStore,
    /// A process was started from another copy of the node's folder since.
    OldCopy,
    /// Another process is the node already.
    Twin,
}

/// The machine.
#[derive(Debug)]
pub struct Leader {
    terms: Terms,
    tenure: Option<Tenure>,
    sessions: BTreeMap<NodeId, Session>,
    streams: BTreeMap<StreamId, NodeId>,
    proposals: u64,
    heard_roster: u64,
    out: Vec<Output>,
    reached: Reached,
}

/// What there is only while the node is in office.
#[derive(Debug)]
struct Tenure {
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
    /// Proposals that are not settled, and the stream whose hello each is.
    proposed: BTreeMap<u64, Option<StreamId>>,
    /// What was told last; nothing as long as its index is 0.
    roster: Roster,
    /// A change of voters that is on its way.
    voting: Voting,
    /// Members whose removal is proposed.
    removing: BTreeSet<NodeId>,
    /// Who could not be made a voter, and which voters take no part.
    admissions: Admissions,
}

/// How far a change of voters is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Voting {
    Idle,
    /// Some have still to take what they need.
    Admitting {
        change: VoterChange,
        left: BTreeSet<NodeId>,
        /// The tick at which they are no longer waited for.
        until: u64,
    },
    /// The log has it.
    Changing,
}

impl Leader {
    /// One that is not in office. Attempts may make no progress for so long.
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            tenure: None,
            sessions: BTreeMap::new(),
            streams: BTreeMap::new(),
            proposals: 0,
            heard_roster: 0,
            out: Vec::new(),
            reached: Reached::default(),
        }
    }

    /// Takes one input.
    pub fn step(
        &mut self,
        state: &ClusterState,
        status: &Status,
        now_ms: u64,
        input: Input,
    ) -> Vec<Output> {
        self.steps(state, status, now_ms, [input])
    }

    /// Takes inputs in this order, and grants leases once, after the last. `now_ms` is wall time,
    /// milliseconds since 1970-01-01 UTC: by it alone the state tells how long a task has waited.
    pub fn steps(
        &mut self,
        state: &ClusterState,
        status: &Status,
        now_ms: u64,
        inputs: impl IntoIterator<Item = Input>,
    ) -> Vec<Output> {
        if let Some(tenure) = &mut self.tenure {
            tenure.changed |= tenure.wake_ms.is_some_and(|due_ms| due_ms <= now_ms);
        }
        for input in inputs {
            self.take(state, status, input);
        }
        self.grant(state, now_ms);
        std::mem::take(&mut self.out)
    }

    /// A roster of this number was heard of, from whomever.
    pub fn hear_roster(&mut self, index: u64) {
        self.heard_roster = self.heard_roster.max(index);
    }

    /// Attempts that made no progress when that was last looked at.
    pub fn overdue(&self) -> &[Overdue] {
        self.tenure.as_ref().map_or(&[], |tenure| &tenure.overdue)
    }

    /// The stream of each member that attends.
    pub fn streams(&self) -> impl Iterator<Item = (NodeId, StreamId)> + '_ {
        self.sessions.iter().map(|(node, session)| (*node, session.stream))
    }

    /// Whether a member attends and was greeted.
    #[cfg(test)]
    pub(crate) fn is_greeted(&self, node: NodeId) -> bool {
        self.sessions.get(&node).is_some_and(|session| session.told.is_some())
    }

    /// Whether the node is in office.
    pub fn leads(&self) -> bool {
        self.tenure.is_some()
    }

    /// Branches that were taken so far.
    pub fn reached(&self) -> &Reached {
        &self.reached
    }

    fn take(&mut self, state: &ClusterState, status: &Status, input: Input) {
        match input {
            Input::News(News::Leading { term }) => self.begin(state, term),
            Input::News(News::Following { .. }) => self.resign("leader: another one leads"),
            Input::News(News::Applied { index, effects, .. }) => {
                // Of this tenure: the office tells of nothing else, as a test of it shows.
                if let Some(tenure) = &mut self.tenure {
                    tenure.changed = true;
                }
                self.carry_out(state, index, effects);
            }
            Input::Installed => self.resign("leader: a snapshot was installed"),
            Input::Tick => self.tick(state, status),
            Input::Moved => {
                // What was applied may have made work without asking for anything at once.
                if let Some(tenure) = &mut self.tenure {
                    tenure.changed = true;
                }
            }
            Input::Opened { stream, node, hello } => {
                self.opened(state, status, (stream, node), hello);
            }
            Input::Said(stream, said) => self.heard(stream, said),
            Input::Broken(stream) => self.broken(stream),
            Input::Settled { proposal, applied } => self.settled(state, status, proposal, applied),
            Input::Admitted { node, term, taken } => self.admitted(node, term, taken),
            Input::Changed { term } => {
                if let Some(tenure) = self.tenure.as_mut().filter(|tenure| tenure.term == term) {
                    tenure.voting = Voting::Idle;
                }
            }
            Input::TellRoster => drop(self.tell_roster(state, status)),
        }
    }

    fn begin(&mut self, state: &ClusterState, term: u64) {
        self.resign("leader: elected anew");
        self.reached.at("leader: elected");
        self.tell(Happening::Elected { term });
        self.tenure = Some(Tenure {
            term,
            tick: 0,
            attendance: Attendance::begin(state, 0),
            leases: Leases::new(self.terms),
            overdue: Vec::new(),
            look: false,
            changed: true,
            wake_ms: None,
            proposed: BTreeMap::new(),
            roster: Roster::default(),
            voting: Voting::Idle,
            removing: BTreeSet::new(),
            admissions: Admissions::default(),
        });
    }

    /// Members' streams end, and they look for the successor.
    fn resign(&mut self, why: &'static str) {
        if self.tenure.take().is_some() {
            self.reached.at(why);
            self.tell(Happening::Resigned);
        }
        for session in std::mem::take(&mut self.sessions).into_values() {
            self.out.push(Output::End(session.stream));
        }
        self.streams.clear();
    }

    fn settled(&mut self, state: &ClusterState, status: &Status, proposal: u64, applied: bool) {
        let Some(tenure) = self.tenure.as_mut() else { return };
        match tenure.proposed.remove(&proposal) {
            None => self.reached.at("leader: a proposal of another term"),
            Some(None) => {}
            Some(Some(stream)) if applied => self.greet(state, status, stream),
            Some(Some(stream)) => {
                self.reached.at("leader: a hello that came to nothing");
                self.end(stream);
            }
        }
    }

    fn propose(&mut self, command: Command) {
        self.propose_for(command, None);
    }

    /// A proposal that is a member's hello.
    fn propose_for(&mut self, command: Command, hello: Option<StreamId>) {
        let Some(tenure) = &mut self.tenure else { return };
        self.proposals += 1;
        tenure.proposed.insert(self.proposals, hello);
        self.out.push(Output::Propose { proposal: self.proposals, command });
    }

    fn say(&mut self, node: NodeId, message: ToMember) {
        if let Some(session) = self.sessions.get(&node) {
            self.out.push(Output::Say(session.stream, message));
        }
    }

    fn tell(&mut self, happening: Happening) {
        self.out.push(Output::Tell(happening));
    }
}

#[cfg(test)]
mod tests;
