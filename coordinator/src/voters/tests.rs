//! Sets of voters, followed until nothing is left to do.

use std::collections::BTreeSet;

use crate::ids::NodeId;
use crate::voters::{Candidate, LOST_TICKS, VoterChange, VoterStep, VotersNow, next_step};

/// A cluster whose changes are carried out at once, except that newcomers catch up on demand.
struct Room {
    now: VotersNow,
    members: Vec<Candidate>,
    wanted: u32,
}

fn set(ids: &[u64]) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

impl Room {
    fn new(voters: &[u64], members: u64, wanted: u32) -> Self {
        let voters = set(voters);
        let leader = *voters.first().expect("somebody leads");
        let matched = voters.iter().map(|node| (*node, 10_000)).collect();
        let members = (1..=members).map(|id| Candidate {
            node: NodeId(id),
            silent_ticks: 0,
            leaving: false,
            unfit: false,
        });
        let now = VotersNow { leader, voters, matched, applied: 10_000, ..VotersNow::default() };
        Self { now, members: members.collect(), wanted }
    }

    fn member(&mut self, id: u64) -> &mut Candidate {
        self.members.iter_mut().find(|member| member.node == NodeId(id)).expect("a member")
    }

    fn lose(&mut self, id: u64) {
        self.member(id).silent_ticks = LOST_TICKS;
    }

    fn drain(&mut self, id: u64) {
        self.member(id).leaving = true;
    }

    fn step(&mut self) -> Option<VoterStep> {
        let step = next_step(&self.now, &self.members, self.wanted)?;
        match &step {
            VoterStep::Transfer(heir) => {
                assert!(self.now.voters.contains(heir), "{heir} has no vote");
                self.now.leader = *heir;
            }
            VoterStep::Change(VoterChange { add_learners, promote, remove }) => {
                assert!(!remove.contains(&self.now.leader), "the leader removes itself");
                self.now.learners.extend(add_learners);
                for node in promote {
                    assert!(self.now.learners.remove(node), "{node} never was a learner");
                }
                self.now.voters.extend(promote);
                for node in remove {
                    self.now.learners.remove(node);
                    self.now.voters.remove(node);
                }
            }
        }
        Some(step)
    }

    /// Steps until nothing is to be done, with everybody catching up at once.
    fn settle(&mut self) -> BTreeSet<NodeId> {
        for _ in 0..20 {
            for node in &self.now.learners {
                self.now.matched.insert(*node, self.now.applied);
            }
            if self.step().is_none() {
                assert_eq!(self.now.learners, set(&[]));
                return self.now.voters.clone();
            }
        }
        panic!("it never settles: {:?}", self.now);
    }
}

#[test]
fn one_decides_until_there_are_three_and_three_until_there_are_five() {
    for (members, wanted, voters) in [
        (1, 3, &[1][..]),
        (2, 3, &[1]),
        (3, 3, &[1, 2, 3]),
        (9, 3, &[1, 2, 3]),
        (4, 5, &[1, 2, 3]),
        (5, 5, &[1, 2, 3, 4, 5]),
        (9, 1, &[1]),
    ] {
        let mut room = Room::new(&[1], members, wanted);
        assert_eq!(room.settle(), set(voters), "{members} members, {wanted} wanted");
    }
}

#[test]
fn newcomers_get_their_votes_together_and_not_before_all_have_caught_up() {
    let mut room = Room::new(&[1], 3, 3);
    let learners = vec![NodeId(2), NodeId(3)];
    let add = VoterChange { add_learners: learners.clone(), ..VoterChange::default() };
    assert_eq!(room.step(), Some(VoterStep::Change(add)));
    assert_eq!(room.step(), None);
    room.now.matched.insert(NodeId(2), 10_000);
    assert_eq!(room.step(), None);
    room.now.matched.insert(NodeId(3), 9_900);
    room.now.busy = true;
    assert_eq!(room.step(), None);
    room.now.busy = false;
    let promote = VoterChange { promote: learners, ..VoterChange::default() };
    assert_eq!(room.step(), Some(VoterStep::Change(promote)));
    assert_eq!(room.step(), None);
}

#[test]
fn a_learner_that_is_lost_gives_way() {
    let mut room = Room::new(&[1], 4, 3);
    room.step();
    room.lose(2);
    assert_eq!(room.settle(), set(&[1, 3, 4]));
    let mut nobody_else = Room::new(&[1], 3, 3);
    nobody_else.step();
    nobody_else.lose(2);
    assert_eq!(nobody_else.settle(), set(&[1]));
}

#[test]
fn a_lost_voter_is_replaced_by_the_lowest_spare_and_kept_if_there_is_none() {
    let mut room = Room::new(&[1, 2, 3], 6, 3);
    room.lose(2);
    room.lose(4);
    assert_eq!(room.settle(), set(&[1, 3, 5]));
    // It comes back as a spare, and nothing is changed for that.
    room.member(2).silent_ticks = 0;
    assert_eq!(room.step(), None);

    let mut alone = Room::new(&[1, 2, 3], 3, 3);
    alone.lose(2);
    assert_eq!(alone.settle(), set(&[1, 2, 3]));

    let mut five = Room::new(&[1, 2, 3, 4, 5], 6, 5);
    five.lose(2);
    five.lose(3);
    assert_eq!(five.settle(), set(&[1, 2, 4, 5, 6]));
}

#[test]
fn who_is_drained_is_replaced_or_an_odd_number_is_left() {
    let mut room = Room::new(&[1, 2, 3], 4, 3);
    room.drain(3);
    assert_eq!(room.settle(), set(&[1, 2, 4]));
    room.drain(4);
    assert_eq!(room.settle(), set(&[1]));
    let mut five = Room::new(&[1, 2, 3, 4, 5], 5, 5);
    five.drain(2);
    assert_eq!(five.settle(), set(&[1, 3, 4]));
    // Unknown means removed long ago.
    five.members.retain(|member| member.node != NodeId(3));
    five.drain(5);
    assert_eq!(five.settle(), set(&[1]));
}

#[test]
fn nobody_is_left_with_more_dead_voters_than_living_ones() {
    let mut room = Room::new(&[1, 2, 3, 4, 5], 5, 5);
    room.lose(4);
    room.lose(5);
    room.drain(3);
    // Three of those that remain would be two living and one dead: that decides.
    assert_eq!(room.settle(), set(&[1, 2, 4]));
    let mut few = Room::new(&[1, 2, 3], 3, 3);
    few.lose(2);
    few.drain(3);
    assert_eq!(few.settle(), set(&[1]));
}

#[test]
fn a_leader_that_has_to_go_hands_over_first() {
    let mut room = Room::new(&[1, 2, 3], 4, 3);
    room.now.matched.insert(NodeId(2), 9_990);
    room.drain(1);
    assert_eq!(room.settle(), set(&[2, 3, 4]));
    assert_eq!(room.now.leader, NodeId(3), "the one that has most takes over");

    let mut sole = Room::new(&[1], 2, 3);
    sole.drain(1);
    assert_eq!(sole.settle(), set(&[2]));
    let mut last = Room::new(&[1], 1, 3);
    last.drain(1);
    assert_eq!(last.settle(), set(&[1]), "somebody has to remain");
}

#[test]
fn who_cannot_vote_holds_up_nobody_else() {
    let mut room = Room::new(&[1], 5, 3);
    room.member(2).unfit = true;
    assert_eq!(room.settle(), set(&[1, 3, 4]));
    // Nor does one of those that vote already.
    room.member(3).unfit = true;
    assert_eq!(room.settle(), set(&[1, 4, 5]));
    // But it stays where nobody could take its place.
    room.member(4).unfit = true;
    assert_eq!(room.settle(), set(&[1, 4, 5]));
    room.member(2).unfit = false;
    assert_eq!(room.settle(), set(&[1, 2, 5]));
}
