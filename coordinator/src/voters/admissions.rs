//! Who could not be made a voter lately, and who is one without taking part.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::NodeId;

/// Ticks for which a node that could not be made a voter is passed over: 10 s at ten a second. Long
/// enough for another one to be made one, and short where there is no other.
pub const UNFIT_TICKS: u64 = 100;

/// Ticks after which a voter that attends but is not heard of in the log is asked to take part, and
/// then again: 10 s at ten a second. One that starts looks for the coordinator first.
pub const MUTE_TICKS: u64 = 100;

/// What a leader knows of those that it made voters, or tried to.
#[derive(Debug, Clone, Default)]
pub struct Admissions {
    /// Until when each is passed over.
    unfit: BTreeMap<NodeId, u64>,
    /// Since when each is not heard of, or was asked last.
    mute: BTreeMap<NodeId, u64>,
}

impl Admissions {
    /// A node did not take what it needs to vote.
    pub fn refused(&mut self, node: NodeId, tick: u64) {
        self.unfit.insert(node, tick + UNFIT_TICKS);
    }

    /// Whether a node is passed over.
    pub fn is_unfit(&self, node: NodeId, tick: u64) -> bool {
        self.unfit.get(&node).is_some_and(|until| tick < *until)
    }

    /// Of the nodes that receive the log, one that has to be asked to take part: it was not among
    /// those that reply for some time.
    pub fn mute(
        &mut self,
        nodes: impl Iterator<Item = NodeId>,
        replying: &BTreeSet<NodeId>,
        tick: u64,
    ) -> Option<NodeId> {
        let silent: BTreeSet<NodeId> = nodes.filter(|node| !replying.contains(node)).collect();
        self.mute.retain(|node, _| silent.contains(node));
        for node in &silent {
            self.mute.entry(*node).or_insert(tick);
        }
        let (node, since) = self.mute.iter_mut().min_by_key(|(_, since)| **since)?;
        if tick.saturating_sub(*since) < MUTE_TICKS {
            return None;
        }
        *since = tick;
        Some(*node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NodeId = NodeId(2);
    const THREE: NodeId = NodeId(3);

    #[test]
    fn one_that_cannot_vote_is_passed_over_for_a_while() {
        let mut admissions = Admissions::default();
        assert!(!admissions.is_unfit(TWO, 5));
        admissions.refused(TWO, 5);
        assert!(admissions.is_unfit(TWO, 5) && admissions.is_unfit(TWO, 4 + UNFIT_TICKS));
        assert!(!admissions.is_unfit(TWO, 5 + UNFIT_TICKS) && !admissions.is_unfit(THREE, 5));
    }

    #[test]
    fn a_voter_without_a_word_is_asked_after_a_while_and_again() {
        let mut admissions = Admissions::default();
        let mut at = |replying: &[NodeId], tick| {
            let replying = replying.iter().copied().collect();
            admissions.mute([TWO, THREE].into_iter(), &replying, tick)
        };
        assert_eq!(at(&[THREE], 10), None);
        assert_eq!(at(&[THREE], 9 + MUTE_TICKS), None);
        assert_eq!(at(&[THREE], 10 + MUTE_TICKS), Some(TWO));
        assert_eq!(at(&[THREE], 11 + MUTE_TICKS), None);
        assert_eq!(at(&[THREE], 10 + 2 * MUTE_TICKS), Some(TWO));
        // One that was heard of in between is not mute.
        assert_eq!(at(&[TWO, THREE], 11 + 2 * MUTE_TICKS), None);
        assert_eq!(at(&[THREE], 11 + 3 * MUTE_TICKS), None);
        assert_eq!(at(&[], 11 + 4 * MUTE_TICKS), Some(TWO));
        assert_eq!(at(&[], 11 + 5 * MUTE_TICKS), Some(TWO));
        assert_eq!(at(&[], 11 + 5 * MUTE_TICKS), Some(THREE));
    }
}
