//! Who can fetch moments from whom, as fetches have shown it.
//!
//! A node may reach the coordinator and the store and not its peers: a firewall, a route that is
//! missing, an address that only some can use. What one fetch showed holds for the next one, in the
//! same direction, until another fetch shows otherwise, one of the two nodes comes anew, or so much
//! time has passed that it is worth another try.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{JobId, NodeId};

/// How long it is believed that a node cannot be reached, since that was seen last: 10 min. Then it
/// is tried once more.
pub const SHUT_BELIEVED_MS: u64 = 600_000;

/// Ways that are remembered. Of more, those that are open are forgotten first, then those that were
/// seen shut longest ago.
pub(crate) const WAYS_MAX: usize = 4_096;

/// What the last fetch from one node by another showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// The moments came.
    Open,
    /// They could not be asked for.
    Shut(Shut),
}

/// A way that is shut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shut {
    /// Since when every fetch failed, milliseconds since 1970-01-01 UTC.
    pub since_ms: u64,
    /// When one failed last.
    pub last_ms: u64,
    /// The job whose fetch failed first.
    pub job: JobId,
}

impl Shut {
    /// Whether it is still believed at this time.
    pub fn is_believed(&self, now_ms: u64) -> bool {
        now_ms < self.last_ms.saturating_add(SHUT_BELIEVED_MS)
    }
}

/// Who can fetch from whom, among the nodes that take leases.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// By who fetches, and from whom.
    pub(crate) ways: BTreeMap<(NodeId, NodeId), Way>,
}

impl Reach {
    /// Pairs of which the first cannot fetch from the second.
    pub fn shut(&self) -> impl Iterator<Item = (NodeId, NodeId, &Shut)> {
        self.ways.iter().filter_map(|(&(from, to), way)| match way {
            Way::Open => None,
            Way::Shut(shut) => Some((from, to, shut)),
        })
    }

    /// Whether it is worth a try that `from` fetches what `to` holds.
    pub(crate) fn may_fetch(&self, from: NodeId, to: NodeId, now_ms: u64) -> bool {
        match self.ways.get(&(from, to)) {
            Some(Way::Shut(shut)) => !shut.is_believed(now_ms),
            Some(Way::Open) | None => true,
        }
    }

    /// Whether moments of these two nodes could come together on one of them.
    pub(crate) fn may_meet(&self, one: NodeId, other: NodeId, now_ms: u64) -> bool {
        one == other || self.may_fetch(one, other, now_ms) || self.may_fetch(other, one, now_ms)
    }

    /// A third node that fetches from both: one that has done so, or one that has never failed.
    /// Whoever failed elsewhere is likely to stand behind the same wall, and is not tried.
    pub(crate) fn third(
        &self,
        nodes: impl Iterator<Item = NodeId>,
        holders: [NodeId; 2],
        now_ms: u64,
    ) -> Option<NodeId> {
        let candidates = nodes.filter(|node| !holders.contains(node));
        let ranked = candidates.filter_map(|node| {
            let ways = holders.map(|holder| self.ways.get(&(node, holder)));
            let proven = ways.iter().all(|way| matches!(way, Some(Way::Open)));
            (proven || !self.fails(node, now_ms)).then_some((!proven, node))
        });
        ranked.min().map(|(_, node)| node)
    }

    /// Whether there is a wall anywhere.
    pub(crate) fn is_walled(&self) -> bool {
        self.shut().next().is_some()
    }

    /// A fetch succeeded.
    pub(crate) fn open(&mut self, from: NodeId, to: NodeId) {
        if from != to && (self.ways.contains_key(&(from, to)) || self.ways.len() < WAYS_MAX) {
            self.ways.insert((from, to), Way::Open);
        }
    }

    /// A fetch failed because its holder was not reached.
    pub(crate) fn failed(&mut self, from: NodeId, to: NodeId, job: &JobId, now_ms: u64) {
        if from == to {
            return;
        }
        if let Some(Way::Shut(shut)) = self.ways.get_mut(&(from, to)) {
            shut.last_ms = now_ms;
            return;
        }
        self.make_room((from, to));
        let shut = Shut { since_ms: now_ms, last_ms: now_ms, job: job.clone() };
        self.ways.insert((from, to), Way::Shut(shut));
    }

    /// A node is gone, or comes anew: nothing is known of the ways from it and to it.
    pub(crate) fn forget(&mut self, node: NodeId) {
        self.ways.retain(|(from, to), _| *from != node && *to != node);
    }

    /// Nodes of which something is known.
    pub(crate) fn nodes(&self) -> BTreeSet<NodeId> {
        self.ways.keys().flat_map(|(from, to)| [*from, *to]).collect()
    }

    fn fails(&self, node: NodeId, now_ms: u64) -> bool {
        let ways = self.ways.range((node, NodeId(0))..=(node, NodeId(u64::MAX)));
        ways.into_iter().any(|(_, way)| matches!(way, Way::Shut(shut) if shut.is_believed(now_ms)))
    }

    fn make_room(&mut self, for_pair: (NodeId, NodeId)) {
        if self.ways.len() < WAYS_MAX || self.ways.contains_key(&for_pair) {
            return;
        }
        let age = |way: &Way| match way {
            Way::Open => 0,
            Way::Shut(shut) => shut.last_ms,
        };
        let oldest = self.ways.iter().min_by_key(|(pair, way)| (age(way), **pair));
        if let Some(pair) = oldest.map(|(pair, _)| *pair) {
            self.ways.remove(&pair);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: [NodeId; 4] = [NodeId(1), NodeId(2), NodeId(3), NodeId(4)];

    fn job() -> JobId {
        JobId("j".into())
    }

    fn third(reach: &Reach) -> Option<NodeId> {
        reach.third(NODES.into_iter(), [NodeId(1), NodeId(2)], 0)
    }

    #[test]
    fn a_way_is_one_way_and_is_believed_shut_until_something_shows_otherwise() {
        let (one, two) = (NodeId(1), NodeId(2));
        let mut reach = Reach::default();
        reach.failed(one, two, &job(), 5);
        assert!(!reach.may_fetch(one, two, 5) && reach.may_fetch(two, one, 5));
        assert!(reach.may_meet(one, two, 5));
        reach.failed(two, one, &job(), 5);
        assert!(!reach.may_meet(one, two, 5) && reach.may_meet(one, one, 5));
        assert!(reach.may_fetch(one, two, 5 + SHUT_BELIEVED_MS), "it is tried once more");
        reach.failed(one, two, &job(), 900_000);
        assert!(!reach.may_fetch(one, two, 900_000));
        let since: Vec<u64> = reach.shut().map(|(.., shut)| shut.since_ms).collect();
        assert_eq!(since, [5, 5]);
        reach.open(one, two);
        assert!(reach.may_fetch(one, two, 900_000) && reach.is_walled());
        reach.forget(one);
        assert_eq!(reach, Reach::default());
    }

    #[test]
    fn a_third_node_has_done_it_or_has_never_failed() {
        let mut reach = Reach::default();
        assert_eq!(third(&reach), Some(NodeId(3)));
        reach.failed(NodeId(3), NodeId(4), &job(), 0);
        assert_eq!(third(&reach), Some(NodeId(4)));
        reach.open(NodeId(3), NodeId(1));
        assert_eq!(third(&reach), Some(NodeId(4)));
        reach.open(NodeId(3), NodeId(2));
        assert_eq!(third(&reach), Some(NodeId(3)), "it reaches both");
        reach.failed(NodeId(3), NodeId(1), &job(), 0);
        reach.failed(NodeId(4), NodeId(1), &job(), 0);
        assert_eq!(third(&reach), None);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_walls_are_remembered_longest() {
        let mut reach = Reach::default();
        for node in 1..=WAYS_MAX as u64 {
            reach.open(NodeId(0), NodeId(node));
        }
        reach.open(NodeId(7), NodeId(8));
        assert_eq!(reach.ways.len(), WAYS_MAX);
        for node in 1..=2 * WAYS_MAX as u64 {
            reach.failed(NodeId(0), NodeId(WAYS_MAX as u64 + node), &job(), node);
        }
        assert_eq!(reach.ways.len(), WAYS_MAX);
        let last = NodeId(3 * WAYS_MAX as u64);
        assert!(!reach.may_fetch(NodeId(0), last, 2 * WAYS_MAX as u64));
    }
}
