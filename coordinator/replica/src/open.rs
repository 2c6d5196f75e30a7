//! How a replica begins: a cluster is founded, or a store is opened.

use std::collections::VecDeque;

use raft::eraftpb::HardState;
use raft::{Config, RawNode, ReadOnlyOption};

use crate::conf::RANKS_MAX;
use crate::store::{LogStore, Snapshot, Vote};
use crate::tail::{Tail, raft_snapshot};
use crate::{
    ELECTION_TICKS, Fatal, HEARTBEAT_TICKS, Replica, ReplicaConfig, ReplicaError, conf, entry,
};
use fruitnode_coordinator::codec;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::state::ClusterState;

/// Bytes of entries in one message.
const APPEND_BYTES_MAX: u64 = 64 * 1024;
/// Messages that may be under way to one follower.
const INFLIGHT_MAX: usize = 256;
/// Bytes of entries that a leader takes in before they are committed.
const UNCOMMITTED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes of committed entries that are applied at a time.
const APPLY_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes of entries read from the store at a time.
const READ_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl<S: LogStore> Replica<S> {
    /// Founds a cluster of one voter: its log begins with a snapshot, as every log does, so that
    /// whoever joins begins with one too. Whatever the store held is gone.
    pub fn found(store: &mut S, id: NodeId, state: &ClusterState) -> Result<(), S::Error> {
        // What the state was made of counts as applied.
        let index = state.applied().max(1);
        let snapshot = Snapshot {
            index,
            term: 1,
            conf: conf::encode(&conf::sole(id)),
            state: codec::encode_state(state),
        };
        store.install(&snapshot, Some(Vote { term: 1, vote: 0, commit: index }))
    }

    /// Opens a store. Its committed entries are applied, and nothing follows from them in the
    /// world. A store without a snapshot belongs to a node that was not added yet; a voter that
    /// is alone leads at once.
    pub fn open(config: ReplicaConfig, store: S) -> Result<Self, ReplicaError<S::Error>> {
        if config.id.0 == 0 {
            return Err(ReplicaError::Damaged("the node has the id 0"));
        }
        let (tail, state) = read(&store)?;
        let applied = tail.snapshot_index();
        let logger = slog::Logger::root(slog::Discard, slog::o!());
        let node = RawNode::new(&raft_config(config.id, applied), tail, &logger)
            .map_err(|_| ReplicaError::Damaged("its configuration is refused"))?;
        let mut replica = Self {
            config,
            node,
            store,
            state,
            applied,
            bytes_since: 0,
            hand: None,
            inbox: VecDeque::new(),
            farewell: Vec::new(),
            stopped: false,
        };
        replica.replay()?;
        if conf::voters(&replica.conf()).into_iter().eq([config.id.0]) {
            replica.campaign();
        }
        Ok(replica)
    }

    /// Applies what is committed. Nothing is stored or sent: nothing has happened yet.
    fn replay(&mut self) -> Result<(), ReplicaError<S::Error>> {
        loop {
            match self.next() {
                Ok(None) => return Ok(()),
                Ok(Some(_)) => {}
                Err(Fatal::Store(why)) => return Err(ReplicaError::Store(why)),
                Err(Fatal::Entry { why, .. }) => return Err(ReplicaError::Codec(why)),
                Err(Fatal::Stopped) => return Err(ReplicaError::Damaged("it was given up")),
            }
        }
    }
}

/// Everything that the store holds, checked for what raft would panic on.
fn read<S: LogStore>(store: &S) -> Result<(Tail, ClusterState), ReplicaError<S::Error>> {
    let vote = store.vote().map_err(ReplicaError::Store)?;
    let (first, last) = (store.first(), store.last());
    let first = first.map_err(ReplicaError::Store)?;
    let last = last.map_err(ReplicaError::Store)?;
    let Some(snapshot) = store.snapshot().map_err(ReplicaError::Store)? else {
        if last != 0 || vote.commit != 0 {
            return Err(ReplicaError::Damaged("it has entries, but does not begin"));
        }
        let tail = Tail::new(hard_state(vote), raft::eraftpb::Snapshot::default());
        return Ok((tail, ClusterState::default()));
    };
    let commit = vote.commit.max(snapshot.index);
    if snapshot.index == 0 || snapshot.term == 0 || vote.term < snapshot.term {
        return Err(ReplicaError::Damaged("its snapshot has no place in it"));
    }
    if first == 0 || first > snapshot.index + 1 || last < snapshot.index || commit > last {
        return Err(ReplicaError::Damaged("entries are missing"));
    }
    let conf = conf::decode(&snapshot.conf)
        .ok_or(ReplicaError::Damaged("its configuration is unreadable"))?;
    let entries = read_entries(store, first, last, vote.term)?;
    let snapshot = raft_snapshot(snapshot.index, snapshot.term, conf, snapshot.state);
    let state = entry::decode_state(&snapshot)?;
    let hard = hard_state(Vote { commit, ..vote });
    Ok((Tail::new(hard, snapshot).with_older(entries), state))
}

fn read_entries<S: LogStore>(
    store: &S,
    first: u64,
    last: u64,
    term_max: u64,
) -> Result<Vec<raft::eraftpb::Entry>, ReplicaError<S::Error>> {
    let (mut entries, mut at, mut term) = (Vec::new(), first, 0);
    while at <= last {
        let page = store.entries(at, last + 1, READ_BYTES_MAX).map_err(ReplicaError::Store)?;
        if page.is_empty() {
            return Err(ReplicaError::Damaged("entries are missing"));
        }
        for read in &page {
            let in_order = read.index == at && (term..=term_max).contains(&read.term);
            let entry = entry::from_log(read).filter(|_| in_order);
            entries.push(entry.ok_or(ReplicaError::Damaged("an entry is not what was written"))?);
            (at, term) = (at + 1, read.term);
        }
    }
    Ok(entries)
}

fn hard_state(vote: Vote) -> HardState {
    let mut hard = HardState::default();
    (hard.term, hard.vote, hard.commit) = (vote.term, vote.vote, vote.commit);
    hard
}

fn raft_config(id: NodeId, applied: u64) -> Config {
    Config {
        id: id.0,
        applied,
        heartbeat_tick: HEARTBEAT_TICKS,
        election_tick: ELECTION_TICKS,
        min_election_tick: ELECTION_TICKS,
        max_election_tick: ELECTION_TICKS + RANKS_MAX,
        pre_vote: true,
        check_quorum: true,
        read_only_option: ReadOnlyOption::Safe,
        max_size_per_msg: APPEND_BYTES_MAX,
        max_inflight_msgs: INFLIGHT_MAX,
        max_uncommitted_size: UNCOMMITTED_BYTES_MAX,
        max_committed_size_per_ready: APPLY_BYTES_MAX,
        ..Config::default()
    }
}
