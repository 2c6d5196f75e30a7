//! How long other voters have said nothing, as far as a replica can know: a leader hears all of
//! them, a follower its leader, and one that has no leader whoever looks for one as well.

use std::collections::BTreeMap;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_replica::Status;

/// When each of the others was heard last, in ticks.
#[derive(Debug, Default)]
pub(super) struct Silence {
    heard: BTreeMap<NodeId, u64>,
    led_by: Option<NodeId>,
}

impl Silence {
    /// A message of another voter or learner has come.
    pub(super) fn heard(&mut self, from: NodeId, tick: u64) {
        self.heard.insert(from, tick);
    }

    /// Takes note of who there is and who leads. Whoever is new is silent from now on, and so is,
    /// when the leader is lost, everybody who had nothing to say to this node before.
    pub(super) fn look(&mut self, status: &Status, tick: u64) {
        let others = status.voters.iter().chain(&status.learners);
        let others: Vec<_> = others.copied().filter(|node| *node != status.id).collect();
        self.heard.retain(|node, _| others.contains(node));
        let before = std::mem::replace(&mut self.led_by, status.leader);
        let lost = before.filter(|leader| self.led_by != before && *leader != status.id);
        for node in others {
            let last = self.heard.entry(node).or_insert(tick);
            if lost.is_some_and(|leader| leader != node) {
                *last = tick;
            }
        }
    }

    /// For how many ticks each has said nothing that this node should have heard of.
    pub(super) fn ticks(&self, status: &Status, tick: u64) -> BTreeMap<NodeId, u64> {
        let follows = status.leader.filter(|leader| *leader != status.id);
        let speaks = |node: &NodeId| follows.is_none_or(|leader| leader == *node);
        let heard = self.heard.iter().filter(|(node, _)| speaks(node));
        heard.map(|(node, last)| (*node, tick.saturating_sub(*last))).collect()
    }
}

#[cfg(test)]
mod tests {
    use fruitnode_replica::Role;

    use super::*;

    const ONE: NodeId = NodeId(1);
    const TWO: NodeId = NodeId(2);
    const THREE: NodeId = NodeId(3);

    /// Of the second of three voters.
    fn led_by(leader: Option<NodeId>) -> Status {
        Status {
            id: TWO,
            role: if leader == Some(TWO) { Role::Leader } else { Role::Follower },
            serves: leader == Some(TWO),
            leader,
            term: 1,
            committed: 0,
            applied: 0,
            voters: vec![ONE, TWO, THREE],
            learners: Vec::new(),
            changing: false,
            matched: BTreeMap::new(),
            recent_active: Default::default(),
        }
    }

    #[test]
    fn a_follower_knows_its_leader_until_that_is_lost_and_then_whoever_it_hears() {
        let mut silence = Silence::default();
        let led = led_by(Some(ONE));
        silence.look(&led, 10);
        silence.heard(ONE, 100);
        assert_eq!(silence.ticks(&led, 105), [(ONE, 5)].into());
        let leaderless = led_by(None);
        silence.look(&leaderless, 130);
        assert_eq!(silence.ticks(&leaderless, 140), [(ONE, 40), (THREE, 10)].into());
        silence.heard(THREE, 145);
        silence.look(&leaderless, 150);
        assert_eq!(silence.ticks(&leaderless, 150), [(ONE, 50), (THREE, 5)].into());
    }

    #[test]
    fn a_leader_knows_all_and_goes_on_knowing_when_it_is_deposed() {
        let mut silence = Silence::default();
        let leads = led_by(Some(TWO));
        silence.look(&leads, 0);
        silence.heard(ONE, 200);
        assert_eq!(silence.ticks(&leads, 202), [(ONE, 2), (THREE, 202)].into());
        let deposed = led_by(None);
        silence.look(&deposed, 203);
        assert_eq!(silence.ticks(&deposed, 203), [(ONE, 3), (THREE, 203)].into());
    }

    #[test]
    fn who_comes_is_silent_from_then_on_and_who_goes_is_forgotten() {
        let mut silence = Silence::default();
        silence.look(&led_by(Some(TWO)), 0);
        let grown = Status { learners: vec![NodeId(4)], ..led_by(Some(TWO)) };
        silence.look(&grown, 50);
        assert_eq!(silence.ticks(&grown, 60)[&NodeId(4)], 10);
        let shrunk = Status { voters: vec![TWO, THREE], ..led_by(Some(TWO)) };
        silence.look(&shrunk, 70);
        assert_eq!(silence.ticks(&shrunk, 70), [(THREE, 70)].into());
    }
}
