//! Leases and moments by their names, and by the nodes at which they are: what one node has is
//! found without a look at what all the others have.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use crate::ids::{Attempt, NodeId};
use crate::task::{Holding, Task};
use crate::tree::TreeNode;

/// What is at a node.
pub(crate) trait At {
    fn node(&self) -> NodeId;
}

/// A name, and the first of all.
pub(crate) trait Name: Copy + Ord {
    const FIRST: Self;
}

/// What there is by its name. Changed only so that both orders agree.
#[derive(Debug, Clone)]
pub(crate) struct ByNode<K, V> {
    all: BTreeMap<K, V>,
    /// Follows from the others, and is kept beside them for speed.
    names: BTreeSet<(NodeId, K)>,
}

impl At for NodeId {
    fn node(&self) -> NodeId {
        *self
    }
}

impl At for Holding {
    fn node(&self) -> NodeId {
        self.node
    }
}

impl Name for (Task, Attempt) {
    const FIRST: Self = (Task::Publish, Attempt(0));
}

impl Name for TreeNode {
    const FIRST: Self = Self::Block { level: 0, index: 0 };
}

impl<K: Name, V: At> ByNode<K, V> {
    pub(crate) fn insert(&mut self, name: K, value: V) {
        let node = value.node();
        if let Some(before) = self.all.insert(name, value) {
            self.names.remove(&(before.node(), name));
        }
        self.names.insert((node, name));
    }

    pub(crate) fn remove(&mut self, name: &K) -> Option<V> {
        let value = self.all.remove(name)?;
        self.names.remove(&(value.node(), *name));
        Some(value)
    }

    /// All that there is, and nothing is left.
    pub(crate) fn take(&mut self) -> BTreeMap<K, V> {
        self.names.clear();
        std::mem::take(&mut self.all)
    }

    /// Names of what is at a node, in order.
    pub(crate) fn of(&self, node: NodeId) -> impl Iterator<Item = K> {
        let from = self.names.range((node, K::FIRST)..);
        from.take_while(move |(at, _)| *at == node).map(|(_, name)| *name)
    }

    /// Whether both orders tell of the same.
    pub(crate) fn is_whole(&self) -> bool {
        self.names.len() == self.all.len()
            && self.all.iter().all(|(name, value)| self.names.contains(&(value.node(), *name)))
    }
}

impl<K, V> Default for ByNode<K, V> {
    fn default() -> Self {
        Self { all: BTreeMap::new(), names: BTreeSet::new() }
    }
}

impl<K, V> Deref for ByNode<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &Self::Target {
        &self.all
    }
}

impl<K: Name, V: At> FromIterator<(K, V)> for ByNode<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
        let mut all = Self::default();
        items.into_iter().for_each(|(name, value)| all.insert(name, value));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_has_is_found_whatever_comes_and_goes() {
        let name = |attempt| (Task::List, Attempt(attempt));
        let all = (0..100).map(|attempt| (name(attempt), NodeId(u64::from(attempt % 7))));
        let mut leases: ByNode<(Task, Attempt), NodeId> = all.collect();
        assert_eq!(leases.of(NodeId(3)).count(), 14);
        leases.insert(name(3), NodeId(5));
        assert_eq!(leases.of(NodeId(3)).next(), Some(name(10)));
        assert!(leases.of(NodeId(5)).any(|lease| lease == name(3)));
        assert_eq!(leases.remove(&name(3)), Some(NodeId(5)));
        assert_eq!(leases.remove(&name(3)), None);
        assert!(leases.is_whole() && leases.len() == 99);
        assert_eq!(leases.take().len(), 99);
        assert!(leases.is_whole() && leases.of(NodeId(5)).next().is_none());
    }
}
