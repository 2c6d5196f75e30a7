//! Several voters: elections, changes of voters, snapshots, and processes that die.

use fruitnode_replica::{
    ELECTION_TICKS, MemoryLog, ProposeError, Replica, Role, Step, StepError, VoterChange,
};

use crate::room::Room;
use crate::{cancel, n, short};

fn ids(nodes: &[fruitnode_coordinator::ids::NodeId]) -> Vec<u64> {
    nodes.iter().map(|node| node.0).collect()
}

#[test]
fn members_become_learners_by_a_snapshot_and_then_voters_in_one_step() {
    let room = Room::of(3);
    assert_eq!(room.installed, [n(2), n(3)]);
    for id in 1..=3 {
        let status = room.status(id);
        assert_eq!(ids(&status.voters), [1, 2, 3]);
        assert_eq!(status.leader, Some(n(1)));
        assert!(!status.changing, "{status:?}");
    }
    let leader = room.status(1);
    assert_eq!(leader.matched.values().min(), Some(&leader.committed));
    assert_eq!(leader.recent_active.len(), 3);
}

#[test]
fn a_command_is_applied_by_all_at_the_same_place() {
    let mut room = Room::of(3);
    let proposed = room.propose("a");
    room.ticks(3);
    for id in 1..=3 {
        let last = room.applied[&n(id)].last();
        assert_eq!(last, Some(&(proposed.index, proposed.term)), "n{id}");
    }
}

#[test]
fn a_follower_takes_no_proposals_and_names_the_leader() {
    let mut room = Room::of(3);
    let refused = room.replica(n(2)).propose(&cancel("a"), 1);
    assert_eq!(refused, Err(ProposeError::NotLeader { leader: Some(n(1)) }));
}

#[test]
fn the_first_voter_left_takes_over_and_nothing_committed_is_lost() {
    let mut room = Room::of(3);
    let proposed = room.propose("a");
    let store = room.leave(1);
    room.ticks(ELECTION_TICKS + 3);
    assert_eq!(room.leader(), n(2));
    let later = room.propose("b");
    assert!(later.term > proposed.term && later.index > proposed.index);
    room.enter(1, store);
    room.ticks(5);
    assert_eq!(room.status(1).role, Role::Follower);
    assert_eq!(room.status(1).applied, room.status(2).applied);
    assert_eq!(room.applied[&n(3)].iter().filter(|(at, _)| *at == proposed.index).count(), 1);
}

#[test]
fn a_leader_answers_questions_only_with_a_majority_behind_it() {
    for voters in [1, 3] {
        let mut room = Room::of(voters);
        let proposed = room.propose("a");
        room.replica(n(1)).confirm(1);
        room.settle();
        let answers = room.confirmed.remove(&n(1)).unwrap_or_default();
        assert_eq!(answers.len(), 1, "{voters} voters: {answers:?}");
        assert!(answers[0].number == 1 && answers[0].index >= proposed.index, "{answers:?}");
        // Whoever follows is not asked, and answers nothing.
        if voters > 1 {
            room.replica(n(2)).confirm(2);
        }
        room.ticks(5);
        assert!(room.confirmed.is_empty(), "{:?}", room.confirmed);
    }
    let mut room = Room::of(3);
    room.cut_off.insert(n(1));
    room.replica(n(1)).confirm(7);
    room.ticks(ELECTION_TICKS - 5);
    assert_eq!(room.status(1).role, Role::Leader, "it does not know yet");
    room.ticks(2 * ELECTION_TICKS);
    room.propose("by another");
    room.cut_off.clear();
    room.ticks(20);
    assert!(room.confirmed.is_empty(), "{:?}", room.confirmed);
}

#[test]
fn a_leader_without_a_majority_steps_down_and_disturbs_nobody_when_it_returns() {
    let mut room = Room::of(3);
    room.cut_off.insert(n(1));
    let lost = room.replica(n(1)).propose(&cancel("lost"), 1).unwrap();
    room.ticks(2 * ELECTION_TICKS + 5);
    assert_ne!(room.status(1).role, Role::Leader);
    assert_eq!(room.leader(), n(2));
    let term = room.status(2).term;
    room.propose("kept");
    room.cut_off.clear();
    room.ticks(10);
    assert_eq!(room.status(2).term, term, "the one that returned started an election");
    let applied = &room.applied[&n(1)];
    assert!(!applied.contains(&(lost.index, lost.term)), "{applied:?}");
    assert_eq!(applied.last(), room.applied[&n(2)].last());
}

#[test]
fn a_follower_far_behind_is_given_a_snapshot() {
    let mut room = Room::of(3);
    room.installed.clear();
    room.cut_off.insert(n(3));
    for round in 0..30 {
        room.propose(&format!("job {round}"));
        room.ticks(1);
    }
    room.cut_off.clear();
    room.ticks(20);
    assert_eq!(room.installed, [n(3)]);
    assert_eq!(room.status(3).applied, room.status(1).applied);
}

#[test]
fn leadership_is_handed_over_when_asked() {
    let mut room = Room::of(3);
    room.propose("a");
    room.replica(n(1)).transfer(n(3));
    room.settle();
    room.ticks(2);
    assert_eq!(room.leader(), n(3));
    room.propose("b");
}

#[test]
fn a_voter_is_replaced_in_one_step_though_it_is_gone() {
    let mut room = Room::of(3);
    room.leave(3);
    room.enter(4, MemoryLog::new());
    room.change(VoterChange { add_learners: vec![n(4)], ..VoterChange::default() });
    let change = VoterChange { promote: vec![n(4)], remove: vec![n(3)], ..VoterChange::default() };
    room.change(change);
    let status = room.status(1);
    assert_eq!((ids(&status.voters), status.changing), (vec![1, 2, 4], false));
    room.leave(2);
    room.ticks(5);
    let proposed = room.propose("a");
    assert_eq!(room.status(4).applied, proposed.index);
}

#[test]
fn voters_that_die_after_a_change_need_nobody_who_votes_no_longer() {
    // A lone voter is left; or all who are left die at once. Nothing was decided since.
    for left in [vec![1], vec![1, 4, 5]] {
        let mut room = Room::of(3);
        let come: Vec<_> = left.iter().filter(|id| **id > 3).map(|id| n(*id)).collect();
        for id in &come {
            room.enter(id.0, MemoryLog::new());
        }
        if !come.is_empty() {
            room.change(VoterChange { add_learners: come.clone(), ..VoterChange::default() });
        }
        let remove = vec![n(2), n(3)];
        room.change(VoterChange { promote: come, remove, ..VoterChange::default() });
        assert_eq!(ids(&room.status(1).voters), left);
        let stores: Vec<_> = left.iter().map(|id| (*id, room.leave(*id))).collect();
        for gone in [2, 3] {
            room.leave(gone);
        }
        for (id, store) in stores {
            room.enter(id, store);
        }
        room.ticks(5 * ELECTION_TICKS);
        assert_eq!(ids(&room.status(room.leader().0).voters), left);
        room.propose("a");
    }
}

#[test]
fn a_leader_that_finds_itself_removed_steps_down() {
    let mut room = Room::of(3);
    // The change is stored by all, and its leader hands over before it is committed.
    let change = VoterChange { remove: vec![n(2)], ..VoterChange::default() };
    room.replica(n(1)).change_voters(&change).unwrap();
    let mut waiting = Vec::new();
    while let Some(step) = room.replica(n(1)).next().unwrap() {
        if let Step::Send(messages) = step {
            waiting.extend(messages);
        }
    }
    for message in &waiting {
        room.replica(message.to).step(n(1), &message.bytes).unwrap();
        while room.replica(message.to).next().unwrap().is_some() {}
    }
    let store = room.leave(1);
    room.replica(n(2)).campaign();
    room.settle();
    room.ticks(ELECTION_TICKS + 5);
    room.replica(n(2)).campaign();
    room.ticks(3 * ELECTION_TICKS);
    room.enter(1, store);
    room.ticks(3 * ELECTION_TICKS);
    assert_eq!(ids(&room.status(3).voters), [1, 3]);
    assert_ne!(room.leader(), n(2));
    room.propose("a");
}

#[test]
fn a_node_that_lost_its_log_is_refused_and_told_what_to_do() {
    let mut room = Room::of(3);
    room.leave(3);
    room.enter(3, MemoryLog::new());
    room.ticks(5);
    let told = room.refused.iter().find(|why| matches!(why, StepError::LogLost { .. }));
    let told = told.expect("somebody counts on what is lost").to_string();
    assert!(told.contains("join again with an empty --data-dir"), "{told}");
    room.propose("the others go on");
    assert_eq!(room.status(3).applied, 0);
}

#[test]
fn whoever_dies_between_any_two_steps_comes_back_and_all_agree() {
    for die_after in 0..60 {
        let mut room = Room::of(3);
        room.replica(n(1)).propose(&cancel("a"), 1).unwrap();
        for victim in [n(1), n(2)] {
            for _ in 0..die_after / 2 {
                if room.replica(victim).next().unwrap().is_none() {
                    room.replica(victim).tick();
                }
            }
            let store = room.leave(victim.0);
            room.enter(victim.0, store);
        }
        room.ticks(4 * ELECTION_TICKS);
        let proposed = room.propose("b");
        room.ticks(3);
        for id in 1..=3 {
            let last = room.applied[&n(id)].last();
            assert_eq!(last, Some(&(proposed.index, proposed.term)), "n{id} after {die_after}");
        }
    }
}

#[test]
fn a_learner_never_campaigns() {
    let mut learner = Replica::open(short(9), MemoryLog::new()).unwrap();
    for _ in 0..200 {
        learner.tick();
    }
    learner.campaign();
    assert!(learner.next().unwrap().is_none());
    assert_eq!(learner.status().role, Role::Learner);
}
