//! Who could not be made a voter lately, and who has the log without taking part in it.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::NodeId;

/// Ticks for which a node that could not be made a voter is passed over: 10 s at ten a second. Long
/// enough for another one to be made one, and short where there is no other.
pub(crate) const UNFIT_TICKS: u64 = 100;

/// Ticks after which a voter that attends but does not answer in the log is asked to take part, and
/// then again: 5 s at ten a second. One that starts looks for the leader first.
pub(crate) const MUTE_TICKS: u64 = 50;

/// What a leader knows of those that it made voters, or tried to.
#[derive(Debug, Clone, Default)]
pub struct Admissions {
    /// Until when each is passed over.
    unfit: BTreeMap<NodeId, u64>,
    /// When each answered in the log last. Raft tells it for the last election time-out, and
    /// forgets it for a moment after each.
    answered: BTreeMap<NodeId, u64>,
    /// When each was given what it needs last.
    admitted: BTreeMap<NodeId, u64>,
    /// When each was asked to take part last.
    asked: BTreeMap<NodeId, u64>,
}

impl Admissions {
    /// These have answered in the log lately.
    pub fn answers(&mut self, nodes: &BTreeSet<NodeId>, tick: u64) {
        self.answered.extend(nodes.iter().map(|node| (*node, tick)));
    }

    /// A node did not take what it needs to vote.
    pub fn refused(&mut self, node: NodeId, tick: u64) {
        self.unfit.insert(node, tick + UNFIT_TICKS);
    }

    /// A node has what it needs to vote: its silence counts from here.
    pub fn admitted(&mut self, node: NodeId, tick: u64) {
        self.unfit.remove(&node);
        self.admitted.insert(node, tick);
    }

    /// Whether a node is passed over.
    pub(crate) fn is_unfit(&self, node: NodeId, tick: u64) -> bool {
        self.unfit.get(&node).is_some_and(|until| tick < *until)
    }

    /// For how many ticks a node has not answered in the log: since it was given what it needs, or
    /// since the leader was elected, if it never has.
    pub fn silence(&self, node: NodeId, tick: u64) -> u64 {
        let of = |ticks: &BTreeMap<NodeId, u64>| ticks.get(&node).copied().unwrap_or(0);
        tick.saturating_sub(of(&self.answered).max(of(&self.admitted)))
    }

    /// Of nodes that attend and have the log, one that has to be asked to take part in it.
    pub fn mute(&mut self, nodes: &BTreeSet<NodeId>, tick: u64) -> Option<NodeId> {
        let due = |node: &NodeId| {
            let asked = self.asked.get(node).map_or(u64::MAX, |asked| tick.saturating_sub(*asked));
            self.silence(*node, tick).min(asked) >= MUTE_TICKS
        };
        let mute = nodes.iter().copied().filter(due);
        let node = mute.max_by_key(|node| self.silence(*node, tick))?;
        self.asked.insert(node, tick);
        Some(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NodeId = NodeId(2);
    const THREE: NodeId = NodeId(3);

    #[test]
    fn one_that_cannot_vote_is_passed_over_for_a_while_or_until_it_can() {
        let mut admissions = Admissions::default();
        assert!(!admissions.is_unfit(TWO, 5));
        admissions.refused(TWO, 5);
        assert!(admissions.is_unfit(TWO, 5) && admissions.is_unfit(TWO, 4 + UNFIT_TICKS));
        assert!(!admissions.is_unfit(TWO, 5 + UNFIT_TICKS) && !admissions.is_unfit(THREE, 5));
        admissions.admitted(TWO, 6);
        assert!(!admissions.is_unfit(TWO, 6));
    }

    #[test]
    fn a_voter_without_a_word_is_asked_after_a_while_and_again() {
        let mut admissions = Admissions::default();
        let nodes = BTreeSet::from([TWO, THREE]);
        let mut at = |answering: &[NodeId], tick| {
            admissions.answers(&answering.iter().copied().collect(), tick);
            admissions.mute(&nodes, tick)
        };
        assert_eq!(at(&[TWO, THREE], 10), None);
        assert_eq!(at(&[THREE], 9 + MUTE_TICKS), None);
        assert_eq!(at(&[THREE], 10 + MUTE_TICKS), Some(TWO));
        assert_eq!(at(&[THREE], 11 + MUTE_TICKS), None);
        assert_eq!(at(&[THREE], 10 + 2 * MUTE_TICKS), Some(TWO));
        // One that answered in between is not mute.
        assert_eq!(at(&[TWO, THREE], 11 + 2 * MUTE_TICKS), None);
        assert_eq!(at(&[THREE], 12 + 2 * MUTE_TICKS), None);
        let (first, then) = (at(&[], 12 + 3 * MUTE_TICKS), at(&[], 12 + 3 * MUTE_TICKS));
        assert_eq!((first, then), (Some(TWO), Some(THREE)));
    }

    #[test]
    fn silence_counts_from_the_last_answer_or_from_the_admission() {
        let mut admissions = Admissions::default();
        assert_eq!(admissions.silence(TWO, 70), 70);
        admissions.admitted(TWO, 60);
        assert_eq!(admissions.silence(TWO, 70), 10);
        admissions.answers(&BTreeSet::from([TWO]), 65);
        assert_eq!(admissions.silence(TWO, 70), 5);
    }
}
