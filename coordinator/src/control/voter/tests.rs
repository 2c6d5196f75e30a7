//! Voters that come and go, by what is asked of them.

use super::*;

const ME: NodeId = NodeId(2);

struct Room {
    voter: Voter,
    standing: Standing,
    unlisted: bool,
}

impl Room {
    fn new(votes: bool, alone: bool) -> (Self, Vec<Output>) {
        let standing = Standing::Looking { words: String::new() };
        let mut room = Self { voter: Voter::new(ME), standing, unlisted: false };
        let outputs = room.step(Input::Start { votes, alone });
        (room, outputs)
    }

    fn step(&mut self, input: Input) -> Vec<Output> {
        self.voter.step(&self.standing, input)
    }

    fn ticks(&mut self, count: u64) -> Vec<Output> {
        let tick = Input::Tick { holds_key: true, unlisted: self.unlisted };
        (0..count).flat_map(|_| self.step(tick)).collect()
    }

    fn attend(&mut self, leader: u64) {
        self.standing = Standing::Attending { leader: NodeId(leader) };
    }

    /// One that takes part and attends at another node.
    fn voting() -> Self {
        let (mut room, outputs) = Self::new(true, true);
        assert_eq!(outputs, [Output::Open(Opening(1))]);
        assert_eq!(room.step(Input::Opened { open: true }), []);
        room.attend(1);
        room
    }

    fn dismissed() -> Self {
        let mut room = Self::voting();
        room.unlisted = true;
        assert_eq!(room.ticks(DISMISSED_TICKS), []);
        assert_eq!(room.ticks(1), [Output::Close]);
        room
    }
}

#[test]
fn a_voter_that_starts_takes_part_once_it_is_greeted_or_nobody_is_there_to() {
    let (mut greeted, outputs) = Room::new(true, false);
    assert_eq!(outputs, []);
    assert_eq!(greeted.ticks(5), []);
    greeted.attend(1);
    assert_eq!(greeted.ticks(1), [Output::Open(Opening(1))]);

    let (mut unheard, _) = Room::new(true, false);
    assert_eq!(unheard.ticks(GREETING_TICKS_MAX - 1), []);
    assert_eq!(unheard.ticks(1), [Output::Open(Opening(1))]);

    let (mut refused, _) = Room::new(true, false);
    refused.standing = Standing::Refused { words: "no".to_owned() };
    assert_eq!(refused.ticks(2 * GREETING_TICKS_MAX), []);
    assert_eq!(refused.step(Input::Admit), [Output::Answer(false)]);
}

#[test]
fn an_admission_is_answered_when_the_log_is_open_and_not_before() {
    let (mut room, _) = Room::new(false, false);
    assert_eq!(room.step(Input::Admit), [Output::Open(Opening(1))]);
    assert_eq!(room.voter.takes_messages(), None);
    assert_eq!(room.step(Input::Admit), [], "the second one waits for the same opening");
    assert_eq!(room.step(Input::Opened { open: true }), [Output::Answer(true)]);
    assert_eq!(room.voter.takes_messages(), Some(Opening(1)));
    assert_eq!(room.step(Input::Admit), [Output::Answer(true)]);

    let (mut broken, _) = Room::new(false, false);
    broken.step(Input::Admit);
    assert_eq!(broken.step(Input::Opened { open: false }), [Output::Answer(false)]);
    assert_eq!(broken.step(Input::Admit), [Output::Open(Opening(2))], "it is tried again");
}

#[test]
fn a_node_without_a_vote_lets_go_of_the_key_when_its_log_is_closed() {
    let mut room = Room::dismissed();
    assert_eq!(room.voter.takes_messages(), None);
    assert_eq!(room.step(Input::Closed), [Output::RemoveKey]);
    // One that could not be removed is tried again.
    assert_eq!(room.ticks(1), [Output::RemoveKey]);
}

#[test]
fn a_node_that_is_admitted_while_its_log_is_being_closed_takes_part_again() {
    let mut room = Room::dismissed();
    room.unlisted = false;
    assert_eq!(room.step(Input::Admit), []);
    assert_eq!(room.step(Input::Closed), [Output::Open(Opening(2))]);
    assert_eq!(room.step(Input::Opened { open: true }), [Output::Answer(true)]);
    assert_eq!(room.voter.takes_messages(), Some(Opening(2)));
}

#[test]
fn what_was_said_before_an_admission_dismisses_nobody() {
    let mut room = Room::voting();
    room.unlisted = true;
    room.ticks(DISMISSED_TICKS - 1);
    assert_eq!(room.step(Input::Admit), [Output::Answer(true)]);
    assert_eq!(room.ticks(DISMISSED_TICKS), []);
    // Nor does a roster that the node itself leads by, or one that it looks for a leader with.
    room.attend(ME.0);
    assert_eq!(room.ticks(2 * DISMISSED_TICKS), []);
    room.standing = Standing::Looking { words: String::new() };
    assert_eq!(room.ticks(2 * DISMISSED_TICKS), []);
}

#[test]
fn a_process_that_ends_closes_its_log_and_lets_nobody_wait() {
    let mut room = Room::voting();
    assert_eq!(room.step(Input::Stop), [Output::Close]);
    assert_eq!(room.step(Input::Closed), []);
    assert_eq!(room.step(Input::Admit), [Output::Answer(false)]);
    let (mut opening, _) = Room::new(false, false);
    opening.step(Input::Admit);
    assert_eq!(opening.step(Input::Stop), [Output::Answer(false)]);
}
