//! What may be said to raft from outside. Raft panics on messages that its own kind would never
//! send, so those are refused before it sees them, whatever the bytes.

use protobuf::Message as _;
use raft::eraftpb::{ConfChange, ConfChangeV2, Entry, EntryType, Message, MessageType};
use raft::{Raft, StateRole};
use thiserror::Error;

use crate::conf;
use crate::entry;
use crate::tail::Tail;
use fruitnode_coordinator::codec::CodecError;
use fruitnode_coordinator::ids::NodeId;

/// Bytes of a message without a snapshot: a full page of entries and one entry of the largest
/// size.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a message with a snapshot.
pub(crate) const SNAPSHOT_BYTES_MAX: usize = 512 * 1024 * 1024;
/// Terms and indexes above this are nobody's: room for arithmetic is left.
const NUMBER_MAX: u64 = u64::MAX >> 2;

/// Why a message was not taken. The sender need not be told: raft mends what is lost.
#[derive(Debug, Error)]
pub enum StepError {
    /// More bytes than any message may have.
    #[error("message of {bytes} bytes is too large for raft")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// No message at all.
    #[error("message is not a raft message: {0}")]
    Malformed(#[from] protobuf::ProtobufError),
    /// It speaks in the name of another, or to another.
    #[error("message from {by} claims to go from {from} to {to}")]
    Misdirected {
        /// Whose certificate it came under.
        by: NodeId,
        /// Whom it names as the sender.
        from: NodeId,
        /// Whom it names as the receiver.
        to: NodeId,
    },
    /// Of a kind that raft uses inside one node alone.
    #[error("message from {by} is of kind {kind}, which other nodes may not send")]
    Kind {
        /// Who sent it.
        by: NodeId,
        /// Its kind.
        kind: String,
    },
    /// No raft would say this.
    #[error("message from {by} is inconsistent: {what}")]
    Absurd {
        /// Who sent it.
        by: NodeId,
        /// What is wrong.
        what: &'static str,
    },
    /// The other node counts on entries that were acknowledged here and are gone. A voter that
    /// has forgotten what it acknowledged must not vote any more: whoever drives it ends it.
    #[error(
        "{by} expects entry {index}, but the log of this node ends at {last}: it was lost or \
         replaced; remove the node and join again with an empty --data-dir"
    )]
    LogLost {
        /// Who counts on it.
        by: NodeId,
        /// The entry.
        index: u64,
        /// The last entry here.
        last: u64,
    },
    /// The snapshot cannot be used here.
    #[error("cannot use the snapshot from {by}: {why}")]
    Snapshot {
        /// Who sent it.
        by: NodeId,
        /// Why.
        why: CodecError,
    },
    /// A reply by a node that has no part in the log.
    #[error("{by} replied, but is not part of the log")]
    Stranger {
        /// Who sent it.
        by: NodeId,
    },
}

/// Reads a message and checks what can be checked without knowing the log.
pub(super) fn read(by: NodeId, me: NodeId, bytes: &[u8]) -> Result<Message, StepError> {
    if bytes.len() > SNAPSHOT_BYTES_MAX {
        return Err(StepError::TooLarge { bytes: bytes.len() });
    }
    let message = Message::parse_from_bytes(bytes)?;
    let is_snapshot = message.get_msg_type() == MessageType::MsgSnapshot;
    if !is_snapshot && bytes.len() > MESSAGE_BYTES_MAX {
        return Err(StepError::TooLarge { bytes: bytes.len() });
    }
    if by.0 == 0 || by == me || message.from != by.0 || message.to != me.0 {
        let (from, to) = (NodeId(message.from), NodeId(message.to));
        return Err(StepError::Misdirected { by, from, to });
    }
    if !may_travel(message.get_msg_type()) {
        let kind = format!("{:?}", message.get_msg_type());
        return Err(StepError::Kind { by, kind });
    }
    match absurdity(&message) {
        Some(what) => Err(StepError::Absurd { by, what }),
        None => Ok(message),
    }
}

/// Kinds that nodes say to each other.
fn may_travel(kind: MessageType) -> bool {
    match kind {
        MessageType::MsgAppend
        | MessageType::MsgAppendResponse
        | MessageType::MsgRequestVote
        | MessageType::MsgRequestVoteResponse
        | MessageType::MsgRequestPreVote
        | MessageType::MsgRequestPreVoteResponse
        | MessageType::MsgHeartbeat
        | MessageType::MsgHeartbeatResponse
        | MessageType::MsgSnapshot
        | MessageType::MsgTimeoutNow => true,
        MessageType::MsgHup
        | MessageType::MsgBeat
        | MessageType::MsgPropose
        | MessageType::MsgUnreachable
        | MessageType::MsgSnapStatus
        | MessageType::MsgCheckQuorum
        | MessageType::MsgTransferLeader
        | MessageType::MsgReadIndex
        | MessageType::MsgReadIndexResp => false,
    }
}

/// What no raft would say, whatever its log.
fn absurdity(message: &Message) -> Option<&'static str> {
    let numbers = [
        message.term,
        message.log_term,
        message.index,
        message.commit,
        message.commit_term,
        message.reject_hint,
    ];
    if message.term == 0 {
        return Some("it has no term");
    }
    if numbers.iter().any(|number| *number > NUMBER_MAX) {
        return Some("a number is out of range");
    }
    if message.request_snapshot != 0 {
        return Some("it requests a snapshot");
    }
    match message.get_msg_type() {
        MessageType::MsgAppend => absurd_append(message),
        MessageType::MsgSnapshot => absurd_snapshot(message),
        _ if !message.entries.is_empty() => Some("it has entries"),
        _ if message.has_snapshot() => Some("it has a snapshot"),
        _ => None,
    }
}

/// Every log begins with a snapshot, so that what an append follows has an index and a term.
fn absurd_append(message: &Message) -> Option<&'static str> {
    if message.index == 0 || message.log_term == 0 {
        return Some("it appends to nothing");
    }
    let mut before = (message.index, message.log_term);
    for entry in message.get_entries() {
        if entry.index != before.0 + 1 || entry.term < before.1 || entry.term > message.term {
            return Some("its entries are out of order");
        }
        if !is_readable(entry) {
            return Some("an entry is malformed");
        }
        before = (entry.index, entry.term);
    }
    None
}

fn absurd_snapshot(message: &Message) -> Option<&'static str> {
    let meta = message.get_snapshot().get_metadata();
    let within = 1..=NUMBER_MAX;
    if !within.contains(&meta.index) || !within.contains(&meta.term) || meta.term > message.term {
        return Some("its snapshot has no place in a log");
    }
    if !conf::is_valid(meta.get_conf_state()) {
        return Some("its snapshot has an impossible configuration");
    }
    (!message.get_entries().is_empty()).then_some("it has entries")
}

/// Whether a change of voters can be read. Commands are read when they are applied.
fn is_readable(entry: &Entry) -> bool {
    match entry.get_entry_type() {
        EntryType::EntryNormal => true,
        EntryType::EntryConfChange => ConfChange::parse_from_bytes(entry.get_data()).is_ok(),
        EntryType::EntryConfChangeV2 => ConfChangeV2::parse_from_bytes(entry.get_data()).is_ok(),
    }
}

/// Checks a message against the log, right before raft takes it, and mends what raft 0.7.0 would
/// take the wrong way. `Ok(false)` if raft need not see it.
pub(super) fn admit(raft: &mut Raft<Tail>, message: &mut Message) -> Result<bool, StepError> {
    if message.term < raft.term {
        return Ok(true);
    }
    let (by, last) = (NodeId(message.from), raft.raft_log.last_index());
    match message.get_msg_type() {
        MessageType::MsgHeartbeat if message.commit > last => {
            Err(StepError::LogLost { by, index: message.commit, last })
        }
        MessageType::MsgAppendResponse if raft.state == StateRole::Leader => {
            let of_this_term = message.term == raft.term;
            if !message.reject && message.index > last && of_this_term {
                return Err(StepError::LogLost { by, index: message.index, last });
            }
            Ok(!message.reject || admit_rejection(raft, message))
        }
        MessageType::MsgSnapshot
            if message.get_snapshot().get_metadata().index > raft.raft_log.committed =>
        {
            let read = entry::decode_state(message.get_snapshot());
            read.map(|_| true).map_err(|why| StepError::Snapshot { by, why })
        }
        // Nobody else can lead, and raft asserts that a sole voter has stored all it has.
        MessageType::MsgTimeoutNow => Ok(!raft.prs().conf().voters().is_singleton()),
        _ => Ok(true),
    }
}

/// A rejection that was overtaken must not move the follower's next entry back before those it is
/// known to have: raft 0.7.0 does that (tikv/raft-rs#555), and then sends entries twice, or a
/// snapshot to a node that has everything.
fn admit_rejection(raft: &mut Raft<Tail>, message: &mut Message) -> bool {
    let Some(progress) = raft.mut_prs().get_mut(message.from) else {
        return true;
    };
    if message.index <= progress.matched {
        progress.recent_active = true;
        return false;
    }
    if message.reject_hint < progress.matched {
        message.reject_hint = progress.matched;
        message.log_term = 0;
    }
    true
}
