//! Whatever a voter is sent, it does not panic, and what it believes stays sound.

use proptest::prelude::{Just, Strategy, any, prop, prop_oneof};
use protobuf::Message as _;
use raft::eraftpb::{ConfState, Entry, EntryType, Message, MessageType, Snapshot};

use fruitnode_replica::{LogStore, StepError};

use crate::room::Room;
use crate::{cancel, founded, n};

fn message(kind: MessageType, from: u64, to: u64, term: u64) -> Message {
    let mut message = Message::default();
    message.set_msg_type(kind);
    (message.from, message.to, message.term) = (from, to, term);
    message
}

fn snapshot(index: u64, term: u64, conf: ConfState, state: Vec<u8>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let meta = snapshot.mut_metadata();
    (meta.index, meta.term) = (index, term);
    meta.set_conf_state(conf);
    snapshot.data = state.into();
    snapshot
}

/// Feeds a message to a node and lets everybody go on.
fn feed(room: &mut Room, to: u64, message: &Message) -> Result<(), StepError> {
    let bytes = message.write_to_bytes().unwrap();
    let taken = room.replica(n(to)).step(n(message.from), &bytes);
    room.settle();
    room.ticks(2);
    taken
}

const KINDS: [MessageType; 19] = [
    MessageType::MsgHup,
    MessageType::MsgBeat,
    MessageType::MsgPropose,
    MessageType::MsgAppend,
    MessageType::MsgAppendResponse,
    MessageType::MsgRequestVote,
    MessageType::MsgRequestVoteResponse,
    MessageType::MsgSnapshot,
    MessageType::MsgHeartbeat,
    MessageType::MsgHeartbeatResponse,
    MessageType::MsgUnreachable,
    MessageType::MsgSnapStatus,
    MessageType::MsgCheckQuorum,
    MessageType::MsgTransferLeader,
    MessageType::MsgTimeoutNow,
    MessageType::MsgReadIndex,
    MessageType::MsgReadIndexResp,
    MessageType::MsgRequestPreVote,
    MessageType::MsgRequestPreVoteResponse,
];

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..14_u64, Just(u64::MAX), Just(u64::MAX >> 2), Just(1 << 40)]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let entry = (number(), number(), 0..3_i32, prop::collection::vec(any::<u8>(), 0..6));
    let entry = entry.prop_map(|(index, term, kind, data)| {
        let mut entry = Entry::default();
        (entry.index, entry.term, entry.data) = (index, term, data.into());
        entry.set_entry_type(match kind {
            0 => EntryType::EntryNormal,
            1 => EntryType::EntryConfChange,
            _ => EntryType::EntryConfChangeV2,
        });
        entry
    });
    prop::collection::vec(entry, 0..3)
}

fn conf() -> impl Strategy<Value = ConfState> {
    let ids = || prop::collection::vec(0..5_u64, 0..4);
    (ids(), ids(), ids(), ids(), any::<bool>()).prop_map(
        |(voters, learners, voters_outgoing, learners_next, auto_leave)| {
            let mut conf = ConfState::default();
            (conf.voters, conf.learners) = (voters, learners);
            (conf.voters_outgoing, conf.learners_next) = (voters_outgoing, learners_next);
            conf.auto_leave = auto_leave;
            conf
        },
    )
}

fn any_message() -> impl Strategy<Value = Message> {
    let numbers = prop::collection::vec(number(), 9);
    let rest = (any::<bool>(), any::<bool>(), any::<bool>(), 0..4_u64);
    (0..KINDS.len(), numbers, entries(), conf(), rest).prop_map(
        |(kind, numbers, mut entries, conf, (reject, consecutive, with_snapshot, from))| {
            let mut message = message(KINDS[kind], from, 1, numbers[0]);
            (message.log_term, message.index) = (numbers[1], numbers[2]);
            (message.commit, message.commit_term) = (numbers[3], numbers[4]);
            (message.reject_hint, message.reject) = (numbers[5], reject);
            message.request_snapshot = numbers[6].saturating_sub(12);
            if consecutive {
                for (at, entry) in entries.iter_mut().enumerate() {
                    entry.index = message.index.saturating_add(1 + at as u64);
                    entry.term = message.term.min(message.log_term.saturating_add(1));
                }
            }
            message.set_entries(entries.into());
            if with_snapshot {
                let state = founded(1).snapshot().unwrap().unwrap().state;
                message.set_snapshot(snapshot(numbers[7], numbers[8], conf, state));
            }
            message
        },
    )
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]

    #[test]
    fn no_message_makes_a_voter_panic(
        voters in 1..4_u64,
        mine in any::<bool>(),
        messages in prop::collection::vec(any_message(), 1..12),
    ) {
        let mut room = Room::of(voters);
        if mine && voters > 1 {
            room.replica(n(1)).transfer(n(2));
            room.ticks(3);
        }
        for message in &messages {
            // Refused or taken: the others are not asked what they make of what follows.
            let bytes = message.write_to_bytes().unwrap();
            drop(room.replica(n(1)).step(n(message.from), &bytes));
            while room.replica(n(1)).next().is_ok_and(|step| step.is_some()) {}
            room.replica(n(1)).tick();
            while room.replica(n(1)).next().is_ok_and(|step| step.is_some()) {}
        }
        for _ in 0..50 {
            room.replica(n(1)).tick();
            while room.replica(n(1)).next().is_ok_and(|step| step.is_some()) {}
        }
        drop(room.replica(n(1)).propose(&cancel("a"), 1));
        while room.replica(n(1)).next().is_ok_and(|step| step.is_some()) {}
    }

    #[test]
    fn no_bytes_make_a_voter_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut room = Room::founded();
        drop(room.replica(n(1)).step(n(2), &bytes));
        room.settle();
    }
}

#[test]
fn messages_under_a_false_name_or_of_inner_kinds_are_dropped() {
    let mut room = Room::of(3);
    let heartbeat = message(MessageType::MsgHeartbeat, 3, 1, 9);
    let bytes = heartbeat.write_to_bytes().unwrap();
    let replica = room.replica(n(1));
    assert!(matches!(replica.step(n(2), &bytes), Err(StepError::Misdirected { .. })));
    for kind in [MessageType::MsgPropose, MessageType::MsgHup, MessageType::MsgTransferLeader] {
        let refused = feed(&mut room, 1, &message(kind, 2, 1, 9));
        assert!(matches!(refused, Err(StepError::Kind { .. })), "{kind:?}");
    }
    assert!(room.status(1).term < 9);
}

#[test]
fn groups_within_groups_are_refused_without_a_deep_stack() {
    let mut room = Room::founded();
    let nested = vec![0x0b; 1 << 20];
    assert!(matches!(room.replica(n(1)).step(n(2), &nested), Err(StepError::Malformed(_))));
}

#[test]
fn a_commit_beyond_the_log_is_refused_before_raft_sees_it() {
    let mut room = Room::of(3);
    let mut heartbeat = message(MessageType::MsgHeartbeat, 1, 2, room.status(2).term);
    heartbeat.commit = 1_000;
    let refused = feed(&mut room, 2, &heartbeat);
    assert!(matches!(refused, Err(StepError::LogLost { index: 1_000, .. })));
}

#[test]
fn an_overtaken_rejection_does_not_move_a_follower_back() {
    let mut room = Room::of(3);
    for round in 0..5 {
        room.propose(&format!("job {round}"));
    }
    room.ticks(3);
    let (term, last) = (room.status(1).term, room.status(1).applied);
    // The follower is probed: its replies in order are what moves it.
    room.replica(n(1)).unreachable(n(2));
    for index in 1..=last + 1 {
        let mut late = message(MessageType::MsgAppendResponse, 2, 1, term);
        (late.index, late.reject, late.reject_hint, late.log_term) = (index, true, 1, 1);
        feed(&mut room, 1, &late).unwrap();
        assert_eq!(room.status(1).matched[&n(2)], last);
    }
    assert!(!room.installed[2..].contains(&n(2)), "it was sent a snapshot");
    room.propose("a");
    room.ticks(3);
    assert_eq!(room.status(2).applied, room.status(1).applied);
}

#[test]
fn a_snapshot_that_cannot_be_understood_is_refused() {
    let mut room = Room::of(3);
    let conf = ConfState { voters: vec![1, 2, 3], ..ConfState::default() };
    let mut offer = message(MessageType::MsgSnapshot, 1, 2, room.status(2).term);
    offer.set_snapshot(snapshot(1_000, 1, conf, vec![0xff; 9]));
    let refused = feed(&mut room, 2, &offer);
    assert!(matches!(refused, Err(StepError::Snapshot { .. })), "{refused:?}");
}
