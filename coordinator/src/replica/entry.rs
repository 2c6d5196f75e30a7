//! Entries and snapshots between raft's form, the store's and the coordinator's.

use protobuf::Message as _;
use raft::eraftpb::{Entry, Snapshot};

use crate::codec::{self, CodecError};
use crate::command::Command;
use crate::effect::Effect;
use crate::replica::store::{self, LogEntry};
use crate::state::ClusterState;

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
        conf: super::conf::encode(meta.get_conf_state()),
        state: snapshot.get_data().to_vec(),
    }
}

/// The command of an entry, as its bytes.
pub(super) fn encode_command(command: &Command, now_ms: u64) -> Vec<u8> {
    codec::encode(command, now_ms)
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
    standin::decode_state(snapshot.get_data())
}

/// The state as a snapshot holds it.
pub(super) fn encode_state(state: &ClusterState) -> Vec<u8> {
    standin::encode_state(state)
}

/// Until the codec knows the state: states are kept aside, and their bytes are their numbers.
mod standin {
    use std::sync::Mutex;

    use super::{ClusterState, CodecError};

    static STATES: Mutex<Vec<ClusterState>> = Mutex::new(Vec::new());

    pub(super) fn encode_state(state: &ClusterState) -> Vec<u8> {
        let mut states = STATES.lock().expect("nobody panics while holding it");
        states.push(state.clone());
        (states.len() as u64 - 1).to_le_bytes().to_vec()
    }

    pub(super) fn decode_state(bytes: &[u8]) -> Result<ClusterState, CodecError> {
        let at = bytes.try_into().map(u64::from_le_bytes);
        let at = at.map_err(|_| CodecError::Field("state"))?;
        let states = STATES.lock().expect("nobody panics while holding it");
        states.get(at as usize).cloned().ok_or(CodecError::Field("state"))
    }
}
