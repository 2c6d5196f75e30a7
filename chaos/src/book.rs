//! Who there is, as a node has it written down.

use std::collections::BTreeSet;

use fruitnode_coordinator::control::message::Roster;
use fruitnode_coordinator::ids::NodeId;

/// Who there is, as a node last heard, and keeps in its folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Book {
    pub(crate) index: u64,
    pub(crate) members: BTreeSet<NodeId>,
    pub(crate) voters: BTreeSet<NodeId>,
    pub(crate) removed: BTreeSet<NodeId>,
}

impl Book {
    /// Takes a roster if it is newer.
    pub(crate) fn take(&mut self, other: Self) {
        if other.index > self.index {
            *self = other;
        }
    }
}

impl From<&Roster> for Book {
    fn from(roster: &Roster) -> Self {
        Self {
            index: roster.index,
            members: roster.members.members.iter().map(|listed| listed.node).collect(),
            voters: roster.voters.clone(),
            removed: roster.members.removed.iter().copied().collect(),
        }
    }
}
