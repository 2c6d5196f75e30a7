//! Who there is, as this node last heard: shared with everything that calls or is called.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

use fruitnode_coordinator::ids::{Digest, NodeId};
use fruitnode_coordinator::members::{self, Listed};
use fruitnode_proto::v1;

use crate::error::Refusal;
use crate::identity::{Certified, Identity};

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
    /// SHA-256 of members' public keys. Empty as long as nobody told of them.
    pub keys: BTreeMap<NodeId, Digest>,
    /// Serial numbers of people's certificates that are good. Empty as long as nobody told.
    pub people: BTreeSet<String>,
}

/// Where somebody stands with a roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Listed.
    Good,
    /// Not listed. The roster may be older than the certificate.
    Unlisted,
    /// A member that was removed, or a certificate that was revoked.
    CutOff,
    /// A certificate for another key than the one with which the member joined.
    OtherKey,
}

/// The roster as it is now, for whoever wants to look or to watch. Clones share it.
#[derive(Debug, Clone)]
pub struct RosterBook {
    sender: Arc<watch::Sender<Arc<Roster>>>,
}

impl Roster {
    /// The roster that the log holds, as nodes send it to each other.
    pub fn listed(roster: members::Roster, index: u64, voters: Vec<u64>) -> v1::Roster {
        let member = |listed: Listed| v1::roster::Member {
            node: listed.node.0,
            address: listed.address,
            key: listed.key.0.to_vec(),
        };
        v1::Roster {
            index,
            members: roster.members.into_iter().map(member).collect(),
            voters,
            removed: roster.removed.iter().map(|node| node.0).collect(),
            revoked: roster.revoked,
            people: roster.people,
        }
    }

    /// Where whoever has this certificate stands. That the authority signed it is not enough: its
    /// key was on every node that ever voted.
    pub fn standing(&self, certified: &Certified) -> Standing {
        if self.revoked.contains(&certified.serial) {
            return Standing::CutOff;
        }
        let listed = match &certified.identity {
            Identity::Node(node) if self.removed.contains(node) => return Standing::CutOff,
            Identity::Node(node) => match self.keys.get(node) {
                Some(key) if *key != certified.key => return Standing::OtherKey,
                Some(_) => true,
                None => self.keys.is_empty(),
            },
            Identity::Person(_) => {
                self.people.is_empty() || self.people.contains(&certified.serial)
            }
        };
        if listed { Standing::Good } else { Standing::Unlisted }
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
        let key = |member: &v1::roster::Member| {
            let key = Digest(member.key.as_slice().try_into().ok()?);
            Some((NodeId(member.node), key))
        };
        let keys = roster.members.iter().filter_map(key).collect();
        let member = |member: v1::roster::Member| (NodeId(member.node), member.address);
        let nodes = |ids: Vec<u64>| ids.into_iter().map(NodeId).collect();
        Self {
            index: roster.index,
            addresses: roster.members.into_iter().map(member).collect(),
            voters: nodes(roster.voters),
            removed: nodes(roster.removed),
            revoked: roster.revoked.into_iter().collect(),
            keys,
            people: roster.people.into_iter().collect(),
        }
    }
}

impl From<&Roster> for v1::Roster {
    fn from(roster: &Roster) -> Self {
        let members = roster.addresses.iter();
        let key = |node: &NodeId| roster.keys.get(node).map(|key| key.0.to_vec());
        let members = members.map(|(node, address)| v1::roster::Member {
            node: node.0,
            address: address.clone(),
            key: key(node).unwrap_or_default(),
        });
        let nodes = |ids: &BTreeSet<NodeId>| ids.iter().map(|node| node.0).collect();
        Self {
            index: roster.index,
            members: members.collect(),
            voters: nodes(&roster.voters),
            removed: nodes(&roster.removed),
            revoked: roster.revoked.iter().cloned().collect(),
            people: roster.people.iter().cloned().collect(),
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
            members: vec![v1::roster::Member { node: index, address, key: vec![7; 32] }],
            voters: vec![1],
            removed: vec![9],
            revoked: vec!["ab".to_owned()],
            people: vec!["ac".to_owned()],
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
    fn who_is_listed_stands_and_nobody_else() {
        let roster = Roster::from(roster(4));
        let certified = |identity, serial: &str, key| Certified {
            identity,
            cluster: "ab12cd34".to_owned(),
            serial: serial.to_owned(),
            key: Digest([key; 32]),
            not_before_ms: 0,
            not_after_ms: 1,
        };
        let node = |node, key| certified(Identity::Node(NodeId(node)), "01", key);
        let person = |serial| certified(Identity::Person("ann".to_owned()), serial, 0);
        for (who, expected) in [
            (node(4, 7), Standing::Good),
            (node(4, 8), Standing::OtherKey),
            (node(9, 7), Standing::CutOff),
            (node(5, 7), Standing::Unlisted),
            (person("ac"), Standing::Good),
            (person("ab"), Standing::CutOff),
            (person("ad"), Standing::Unlisted),
        ] {
            assert_eq!(roster.standing(&who), expected, "{who:?}");
            let nothing_told = Roster::default().standing(&who);
            assert_eq!(nothing_told, Standing::Good, "{who:?}");
        }
    }
}
