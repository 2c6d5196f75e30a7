//! What a member's machine takes in, what it wants done, and where a node stands.

use std::collections::BTreeSet;

use crate::control::message::{FromMember, Order, Report, Roster, StreamId, ToMember};
use crate::ids::NodeId;

/// What a member takes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A tick of 100 ms; whether the node's worker has nothing to do and nothing to report.
    Tick {
        /// Whether it has not.
        idle: bool,
    },
    /// A node has taken the stream: it leads, as far as it knows.
    Opened(StreamId),
    /// A stream did not open, or is no more.
    Ended(StreamId, Turned),
    /// The leader says something.
    Said(StreamId, ToMember),
    /// The worker reports.
    Report(Report),
    /// The node is to leave.
    Leave,
}

/// Why a stream ended, or never began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turned {
    /// Another node leads, if it is known which.
    NotLeader(Option<NodeId>),
    /// The cluster refuses the node: nothing that the node can do mends that.
    Denied(String),
    /// Another process is this node.
    Twin(String),
    /// Whatever else, in words.
    Away(String),
}

/// What a member wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Begin a stream at a node, with the hello.
    Open(StreamId, NodeId),
    /// End a stream, or give up opening it.
    Close(StreamId),
    /// Say this on the stream.
    Say(StreamId, FromMember),
    /// Say on the stream that the node lives, and how far its attempts are.
    Beat(StreamId),
    /// For the worker.
    Order(Box<Order>),
    /// Take note of who there is.
    Roster(Box<Roster>),
    /// The node's place in the cluster has changed.
    Standing(Standing),
}

/// What a node knows of its place in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The leader is being looked for.
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

impl Standing {
    /// Whether nothing follows it.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Left)
    }
}

/// Who is there to be asked, as far as the node has heard.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// Everybody: asked for only when the voters do not answer.
    pub members: &'a dyn Fn() -> BTreeSet<NodeId>,
    /// Those that have the log.
    pub voters: &'a BTreeSet<NodeId>,
    /// Those that were removed.
    pub removed: &'a BTreeSet<NodeId>,
}
