//! Which nodes have room, kept as they change, so that a grant need not look at every node.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::ids::NodeId;
use crate::node::Node;

/// What bits depend on: nodes of one class are interchangeable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    pub(crate) compute: String,
    pub(crate) fit: String,
}

/// Nodes with free slots, most of them first, then by id.
pub(crate) type Free = BTreeSet<(Reverse<u32>, NodeId)>;

/// Nodes of one class that may be given something.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Offers {
    pub(crate) free: Free,
    /// Those without a free slot included.
    pub(crate) nodes: BTreeSet<NodeId>,
}

/// Everybody who may be given something.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Slots {
    classes: BTreeMap<Class, Offers>,
    at: BTreeMap<NodeId, (Class, u32)>,
}

impl Slots {
    /// Takes note of what a node offers now.
    pub(crate) fn set(&mut self, id: NodeId, node: &Node) {
        let free = node.slots.saturating_sub(node.used);
        let Some((class, before)) = self.at.get_mut(&id) else {
            return self.insert(id, node, free);
        };
        let before = std::mem::replace(before, free);
        if let Some(offers) = self.classes.get_mut(class) {
            offers.free.remove(&(Reverse(before), id));
            if free > 0 {
                offers.free.insert((Reverse(free), id));
            }
        }
    }

    /// A node is given nothing any more.
    pub(crate) fn remove(&mut self, id: NodeId) {
        let Some((class, free)) = self.at.remove(&id) else {
            return;
        };
        if let Some(offers) = self.classes.get_mut(&class) {
            offers.free.remove(&(Reverse(free), id));
            offers.nodes.remove(&id);
            if offers.nodes.is_empty() {
                self.classes.remove(&class);
            }
        }
    }

    /// The nodes of a class.
    pub(crate) fn offers(&self, class: &Class) -> Option<&Offers> {
        self.classes.get(class)
    }

    /// Every class with its nodes.
    pub(crate) fn classes(&self) -> impl Iterator<Item = (&Class, &Offers)> {
        self.classes.iter()
    }

    /// The class of a node and its free slots, unless it is given nothing.
    pub(crate) fn of(&self, id: NodeId) -> Option<(&Class, u32)> {
        self.at.get(&id).map(|(class, free)| (class, *free))
    }

    fn insert(&mut self, id: NodeId, node: &Node, free: u32) {
        let class = Class { compute: node.compute_class.clone(), fit: node.fit_class.clone() };
        let offers = self.classes.entry(class.clone()).or_default();
        offers.nodes.insert(id);
        if free > 0 {
            offers.free.insert((Reverse(free), id));
        }
        self.at.insert(id, (class, free));
    }
}
