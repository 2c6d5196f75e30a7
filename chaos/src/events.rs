//! What may happen, and what is said over streams.

use fruitnode_coordinator::control::leader::Refusal;
use fruitnode_coordinator::control::message::{FromMember, Hello, ToMember};
use fruitnode_coordinator::control::voter::Opening;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::leases::LeaseName;

use crate::book::Book;
use crate::operation::Operation;
use crate::within::Mistake;

/// Counts the starts of a node's process: what belongs to an earlier one finds nobody.
pub(crate) type Life = u64;

/// One stream between a member and whom it takes for the leader, known to the world alone.
pub(crate) type Wire = u64;

/// From a member.
#[derive(Debug, Clone)]
pub(crate) enum Up {
    Hello(Hello),
    Said(FromMember),
}

/// From whoever was taken for the leader.
#[derive(Debug, Clone)]
pub(crate) enum Down {
    Taken,
    Refused(Refusal),
    Said(ToMember),
}

/// What a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wish {
    Submit,
    Cancel,
}

#[derive(Debug, Clone)]
pub(crate) enum Event {
    Tick(NodeId, Life),
    /// The thread that drives the replica goes on.
    Step(NodeId, Life),
    /// The leader's actor empties its mailbox.
    Mail(NodeId, Life),
    /// The member's actor empties its own.
    Inbox(NodeId, Life),
    /// A process ends that the cluster let go; it may come back.
    End(NodeId, Life, bool),
    /// People start a node anew, and mix something up.
    Mistake(Mistake),
    Raft {
        from: (NodeId, Life),
        to: NodeId,
        bytes: Vec<u8>,
        snapshot: bool,
    },
    SnapshotFate {
        at: NodeId,
        life: Life,
        to: NodeId,
        arrived: bool,
    },
    /// A leader's wish that a node take part in the log arrives there.
    Admit {
        to: NodeId,
        asker: (NodeId, Life),
        term: u64,
        roster: Book,
    },
    /// And the answer comes back.
    Admitted {
        asker: (NodeId, Life),
        node: NodeId,
        term: u64,
        taken: bool,
    },
    /// A node's log is open.
    LogOpen(NodeId, Life, Opening),
    /// A node's log is closed.
    LogClosed(NodeId, Life),
    Up {
        wire: Wire,
        said: Up,
    },
    Down {
        wire: Wire,
        said: Down,
    },
    /// One end learns that a stream is broken.
    Broken {
        wire: Wire,
        at: NodeId,
        life: Life,
    },
    Work {
        node: NodeId,
        life: Life,
        name: LeaseName,
    },
    Ask {
        job: usize,
        wish: Wish,
    },
    Asked {
        to: NodeId,
        job: usize,
        wish: Wish,
    },
    Answer {
        job: usize,
        wish: Wish,
    },
    Crash,
    PowerCut,
    Start(NodeId),
    Pause,
    Cut,
    Heal,
    Drop,
    Operate(Operation),
    Calm,
    Abandon,
}

impl Event {
    /// Whose process has to be awake for it.
    pub(crate) fn needs(&self) -> Option<NodeId> {
        match self {
            Self::Tick(node, _)
            | Self::Step(node, _)
            | Self::Mail(node, _)
            | Self::Inbox(node, _)
            | Self::End(node, _, _)
            | Self::LogOpen(node, _, _)
            | Self::LogClosed(node, _)
            | Self::Work { node, .. } => Some(*node),
            Self::Raft { to, .. } | Self::Asked { to, .. } | Self::Admit { to, .. } => Some(*to),
            Self::SnapshotFate { at, .. } | Self::Broken { at, .. } => Some(*at),
            Self::Admitted { asker, .. } => Some(asker.0),
            _ => None,
        }
    }
}
