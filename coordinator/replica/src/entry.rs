//! Entries and snapshots between raft's form, the store's and the coordinator's.

use protobuf::Message as _;
use raft::eraftpb::{Entry, Snapshot};

use crate::conf;
use crate::store::{self, LogEntry};
use fruitnode_coordinator::codec::{self, CodecError};
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::effect::Effect;
use fruitnode_coordinator::state::ClusterState;

/// Bytes of one command.
pub(crate) const COMMAND_BYTES_MAX: usize = 1024 * 1024;

/// For the store.
pub(super) fn to_log(entry: &Entry) -> LogEntry {
    let bytes = entry.write_to_bytes();
    let bytes = bytes.expect("a message without required fields can always be written");
    LogEntry { index: entry.index, term: entry.term, bytes }
}

/// From the store. `None` if it is not what was written there.
pub(super) fn from_log(entry: &LogEntry) -> Option<Entry> {
    let read = Entry::parse_from_bytes(&entry.bytes).ok()?;
    (read.index == entry.index && read.term == entry.term).then_some(read)
}

/// For the store.
pub(super) fn snapshot_to_log(snapshot: &Snapshot) -> store::Snapshot {
    let meta = snapshot.get_metadata();
    store::Snapshot {
        index: meta.index,
        term: meta.term,
        conf: conf::encode(meta.get_conf_state()),
        state: snapshot.get_data().to_vec(),
    }
}

/// Carries out the command of an entry.
pub(super) fn apply(
    state: &mut ClusterState,
    index: u64,
    bytes: &[u8],
) -> Result<(Command, Vec<Effect>), CodecError> {
    let entry = codec::decode(bytes)?;
    let effects = state.apply(index, entry.now_ms, &entry.command);
    Ok((entry.command, effects))
}

/// The state in a snapshot.
pub(super) fn decode_state(snapshot: &Snapshot) -> Result<ClusterState, CodecError> {
    codec::decode_state(snapshot.get_data())
}
