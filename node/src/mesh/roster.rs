//! Who there is, as this node last heard: shared with everything that calls or is called.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_proto::v1;
use tokio::sync::watch;

use crate::mesh::error::Refusal;
use crate::mesh::identity::{Certified, Identity};

/// The roster, in a form that can be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// Grows with every change.
    pub index: u64,
    /// Members, and where they are reached.
    pub addresses: BTreeMap<NodeId, String>,
    /// Those that decide.
    pub voters: BTreeSet<NodeId>,
    /// Those that were removed: they are nobody.
    pub removed: BTreeSet<NodeId>,
    /// Serial numbers of certificates that are refused.
    pub revoked: BTreeSet<String>,
}

/// The roster as it is now, for whoever wants to look or to watch. Clones share it.
#[derive(Debug, Clone)]
pub struct RosterBook {
    sender: Arc<watch::Sender<Arc<Roster>>>,
}

impl Roster {
    /// Whether whoever has this certificate is to be heard at all, whatever the call.
    pub fn is_cut_off(&self, certified: &Certified) -> bool {
        let removed = match &certified.identity {
            Identity::Node(node) => self.removed.contains(node),
            Identity::Person(_) => false,
        };
        removed || self.revoked.contains(&certified.serial)
    }
}

impl RosterBook {
    /// A book that begins with this roster.
    pub fn new(roster: v1::Roster) -> Self {
        Self { sender: Arc::new(watch::Sender::new(Arc::new(roster.into()))) }
    }

    /// Takes a roster if it is newer than the one at hand, and says whether it was.
    pub fn take(&self, roster: v1::Roster) -> bool {
        let roster = Roster::from(roster);
        self.sender.send_if_modified(|current| {
            let newer = roster.index > current.index;
            if newer {
                *current = Arc::new(roster);
            }
            newer
        })
    }

    /// The roster now.
    pub fn now(&self) -> Arc<Roster> {
        self.sender.borrow().clone()
    }

    /// That another node is the coordinator, with its address if it is known.
    pub fn not_leader(&self, leader: Option<NodeId>) -> Refusal {
        let leader = leader.and_then(|node| Some((node, self.now().addresses.get(&node)?.clone())));
        Refusal::not_leader(leader)
    }

    /// The roster, and a sign whenever it changes.
    pub fn watch(&self) -> watch::Receiver<Arc<Roster>> {
        self.sender.subscribe()
    }
}

impl Default for RosterBook {
    fn default() -> Self {
        Self::new(v1::Roster::default())
    }
}

impl From<v1::Roster> for Roster {
    fn from(roster: v1::Roster) -> Self {
        let member = |member: v1::roster::Member| (NodeId(member.node), member.address);
        let nodes = |ids: Vec<u64>| ids.into_iter().map(NodeId).collect();
        Self {
            index: roster.index,
            addresses: roster.members.into_iter().map(member).collect(),
            voters: nodes(roster.voters),
            removed: nodes(roster.removed),
            revoked: roster.revoked.into_iter().collect(),
        }
    }
}

impl From<&Roster> for v1::Roster {
    fn from(roster: &Roster) -> Self {
        let members = roster.addresses.iter();
        let members = members
            .map(|(node, address)| v1::roster::Member { node: node.0, address: address.clone() });
        let nodes = |ids: &BTreeSet<NodeId>| ids.iter().map(|node| node.0).collect();
        Self {
            index: roster.index,
            members: members.collect(),
            voters: nodes(&roster.voters),
            removed: nodes(&roster.removed),
            revoked: roster.revoked.iter().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roster(index: u64) -> v1::Roster {
        let address = format!("10.0.0.{index}:7401");
        v1::Roster {
            index,
            members: vec![v1::roster::Member { node: index, address }],
            voters: vec![1],
            removed: vec![9],
            revoked: vec!["ab".to_owned()],
        }
    }

    #[test]
    fn only_a_newer_roster_is_taken() {
        let book = RosterBook::new(roster(4));
        let watch = book.watch();
        assert!(!book.take(roster(3)));
        assert!(!book.take(roster(4)));
        assert!(!watch.has_changed().unwrap());
        assert!(book.take(roster(5)));
        assert!(watch.has_changed().unwrap());
        assert_eq!(book.now().addresses, [(NodeId(5), "10.0.0.5:7401".to_owned())].into());
    }

    #[test]
    fn a_roster_is_the_same_after_the_wire() {
        let book = RosterBook::new(roster(4));
        assert_eq!(v1::Roster::from(&*book.now()), roster(4));
    }

    #[test]
    fn removed_nodes_and_revoked_serials_are_cut_off() {
        let roster = Roster::from(roster(4));
        let certified = |identity, serial: &str| Certified {
            identity,
            cluster: "ab12cd34".to_owned(),
            serial: serial.to_owned(),
            not_before_ms: 0,
            not_after_ms: 1,
        };
        assert!(roster.is_cut_off(&certified(Identity::Node(NodeId(9)), "01")));
        assert!(!roster.is_cut_off(&certified(Identity::Node(NodeId(1)), "01")));
        let person = |serial| certified(Identity::Person("ann".to_owned()), serial);
        assert!(roster.is_cut_off(&person("ab")));
        assert!(!roster.is_cut_off(&person("ac")));
    }
}
