//! Members that look for their leader, find it, and lose it.

use std::collections::BTreeSet;

use super::*;
use crate::control::message::{Report, Roster, Welcome};

fn set(ids: &[u64]) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

/// A member that knows three voters and a fourth node.
struct Room {
    member: Member,
    voters: BTreeSet<NodeId>,
    removed: BTreeSet<NodeId>,
    idle: bool,
    /// Streams that are to be opened, and were not looked at.
    opening: VecDeque<(StreamId, NodeId)>,
}

impl Room {
    fn new() -> Self {
        let (voters, removed) = (set(&[1, 2, 3]), set(&[]));
        let opening = VecDeque::new();
        Self { member: Member::default(), voters, removed, idle: false, opening }
    }

    fn step(&mut self, input: Input) -> Vec<Output> {
        let members = || set(&[1, 2, 3, 4]);
        let known = Known { members: &members, voters: &self.voters, removed: &self.removed };
        let outputs = self.member.step(known, input);
        self.opening.extend(opened(&outputs));
        outputs
    }

    fn tick(&mut self) -> Vec<Output> {
        let idle = self.idle;
        self.step(Input::Tick { idle })
    }

    /// Ticks until a stream is to be opened.
    fn asked(&mut self) -> (StreamId, NodeId) {
        for _ in 0..20 {
            if let Some(asked) = self.opening.pop_front() {
                return asked;
            }
            self.tick();
        }
        panic!("nobody is asked: {:?}", self.member);
    }

    fn turn_away(&mut self, stream: StreamId, why: Turned) -> Vec<Output> {
        self.step(Input::Ended(stream, why))
    }

    /// One round of questions to its end: who was asked, and what came of it.
    fn look(&mut self, why: impl Fn() -> Turned) -> (BTreeSet<NodeId>, Vec<Output>) {
        let mut asked = BTreeSet::new();
        loop {
            let (stream, node) = self.asked();
            asked.insert(node);
            let outputs = self.turn_away(stream, why());
            if !standings(&outputs).is_empty() {
                return (asked, outputs);
            }
        }
    }

    fn welcome(&mut self, stream: StreamId, term: u64) -> Vec<Output> {
        let welcome = Welcome {
            node: NodeId(4),
            term,
            roster: Roster::default(),
            attempts: BTreeSet::new(),
            held: BTreeSet::new(),
            draining: false,
        };
        self.step(Input::Said(stream, ToMember::Welcome(Box::new(welcome))))
    }

    /// One that attends in this term, and the stream.
    fn attending(term: u64) -> (Self, StreamId) {
        let mut room = Self::new();
        let (stream, node) = room.asked();
        room.step(Input::Opened(stream));
        let outputs = room.welcome(stream, term);
        assert!(outputs.contains(&Output::Standing(Standing::Attending { leader: node })));
        (room, stream)
    }
}

fn opened(outputs: &[Output]) -> Option<(StreamId, NodeId)> {
    outputs.iter().find_map(|output| match output {
        Output::Open(stream, node) => Some((*stream, *node)),
        _ => None,
    })
}

fn away() -> Turned {
    Turned::Away("it is out of reach".to_owned())
}

fn standings(outputs: &[Output]) -> Vec<&Standing> {
    let standings = outputs.iter().filter_map(|output| match output {
        Output::Standing(standing) => Some(standing),
        _ => None,
    });
    standings.collect()
}

#[test]
fn who_refuses_names_the_leader_and_that_one_is_asked_next() {
    let mut room = Room::new();
    let (first, node) = room.asked();
    let named = NodeId(4);
    assert_ne!(node, named);
    // The others are asked all the same.
    let mut stream = first;
    for _ in 0..2 {
        let outputs = room.turn_away(stream, Turned::NotLeader(Some(named)));
        stream = opened(&outputs).expect("the next voter is asked").0;
    }
    assert_eq!(room.turn_away(stream, away()), []);
    assert_eq!(opened(&room.tick()).map(|(_, node)| node), Some(named));
}

#[test]
fn one_that_neither_answers_nor_refuses_costs_a_moment_and_is_given_up() {
    let mut room = Room::new();
    let (silent, first) = room.asked();
    let (second, node) = room.asked();
    assert_ne!(first, node);
    // Whoever takes the stream first is followed, and the other one is let go of.
    assert_eq!(room.step(Input::Opened(second)), [Output::Close(silent)]);
    assert_eq!(room.step(Input::Opened(silent)), [Output::Close(silent)]);

    let mut alone = Room::new();
    alone.voters = set(&[1]);
    let (silent, _) = alone.asked();
    let outputs: Vec<_> = (0..=OPENING_TICKS_MAX).flat_map(|_| alone.tick()).collect();
    assert!(outputs.contains(&Output::Close(silent)));
    assert!(
        matches!(standings(&outputs)[..], [Standing::Looking { words }] if words.contains("n1"))
    );
}

#[test]
fn when_no_voter_answers_for_long_everybody_is_asked() {
    let mut room = Room::new();
    let mut asked = BTreeSet::new();
    for _ in 0..60 {
        let (stream, node) = room.asked();
        asked.insert(node);
        room.turn_away(stream, away());
    }
    assert_eq!(asked, set(&[1, 2, 3, 4]));
    // Not those that are gone.
    room.removed = set(&[4]);
    room.look(away);
    for _ in 0..5 {
        assert_eq!(room.look(away).0, set(&[1, 2, 3]));
    }
}

#[test]
fn a_leader_that_is_silent_is_looked_for_elsewhere_and_one_of_the_past_is_not_heeded() {
    let (mut room, stream) = Room::attending(5);
    for _ in 0..3 * SILENCE_TICKS_MAX {
        assert!(!room.tick().contains(&Output::Close(stream)));
        room.step(Input::Said(stream, ToMember::Beat));
    }
    let order = |term| {
        let order = Box::new(Order::Forget(crate::ids::JobId("a".to_owned())));
        Input::Said(stream, ToMember::Order { term, order })
    };
    assert!(matches!(room.step(order(5))[..], [Output::Order(_)]));
    assert!(matches!(room.step(order(ANY_TERM))[..], [Output::Order(_)]));
    assert_eq!(room.step(order(4)), []);
    let outputs: Vec<_> = (0..SILENCE_TICKS_MAX).flat_map(|_| room.tick()).collect();
    assert!(outputs.contains(&Output::Close(stream)));
    assert!(!room.member.takes_reports());

    let (next, _) = room.asked();
    room.step(Input::Opened(next));
    room.welcome(next, 6);
    let order = Box::new(Order::Forget(crate::ids::JobId("a".to_owned())));
    assert_eq!(room.step(Input::Said(next, ToMember::Order { term: 5, order })), []);
    assert_eq!(room.step(Input::Said(stream, ToMember::Beat)), [], "the old stream");
}

#[test]
fn reports_are_taken_and_beats_said_while_the_node_attends() {
    let (mut room, stream) = Room::attending(1);
    assert!(room.member.takes_reports());
    let leaf = || (crate::ids::JobId("a".to_owned()), crate::tree::TreeNode::leaf(0));
    let dropped = || Report::Dropped(leaf());
    let said = Output::Say(stream, FromMember::Report(dropped()));
    assert_eq!(room.step(Input::Report(dropped())), [said]);
    let beats: Vec<_> = (0..3 * BEAT_TICKS).flat_map(|_| room.tick()).collect();
    assert_eq!(beats, vec![Output::Beat(stream); 3]);
}

#[test]
fn a_node_that_leaves_asks_to_and_goes_when_it_may() {
    let (mut room, stream) = Room::attending(1);
    room.step(Input::Leave);
    assert!(room.tick().contains(&Output::Say(stream, FromMember::Leave)));
    assert!(!room.tick().contains(&Output::Say(stream, FromMember::Leave)), "once");
    let outputs = room.step(Input::Said(stream, ToMember::Go));
    assert_eq!(outputs, [Output::Close(stream), Output::Standing(Standing::Left)]);
    assert_eq!(room.tick(), [], "nothing follows");
}

#[test]
fn a_node_that_leaves_without_an_heir_waits_for_one_unless_nothing_is_left_to_do() {
    for (idle, rounds) in [(true, 2), (false, 12)] {
        let (mut room, stream) = Room::attending(1);
        room.idle = idle;
        room.step(Input::Leave);
        let mut outputs = room.turn_away(stream, away());
        let mut looks = 1;
        while !outputs.contains(&Output::Standing(Standing::Left)) {
            let (stream, _) = room.asked();
            outputs = room.turn_away(stream, away());
            let looking = |standing: &&Standing| matches!(standing, Standing::Looking { .. });
            looks += standings(&outputs).iter().filter(|standing| looking(standing)).count();
            assert!(looks < 100, "it never goes");
        }
        assert!(looks >= rounds, "idle {idle}: {looks} looks");
    }
}

#[test]
fn a_twin_is_looked_at_for_long_and_a_refusal_is_for_good() {
    let mut room = Room::new();
    room.voters = set(&[1]);
    let twin = || Turned::Twin("another process is n4".to_owned());
    for look in 1..=TWIN_LOOKS_MAX + 1 {
        let (_, outputs) = room.look(twin);
        let refused = matches!(standings(&outputs)[..], [Standing::Refused { .. }]);
        assert_eq!(refused, look > TWIN_LOOKS_MAX, "look {look}");
    }

    let (mut room, stream) = Room::attending(1);
    let outputs = room.turn_away(stream, Turned::Denied("it was removed".to_owned()));
    let refused = standings(&outputs);
    assert!(matches!(refused[..], [Standing::Refused { words }] if words.contains("removed")));
}
