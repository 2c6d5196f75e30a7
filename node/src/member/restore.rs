//! A cluster whose majority of voters is lost for good: one node goes on alone from what it has, or
//! from a backup. What the lost voters had accepted and this one has not is gone, which is why it
//! is asked for as unsafe.
//!
//! The other voters are removed: their logs may hold another history. They come back as new nodes.

use std::fs;
use std::path::PathBuf;

use prost::Message;

use fruitnode_consensus::store::RedbLog;
use fruitnode_coordinator::codec;
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_env::wall_ms;
use fruitnode_mesh::roster::Roster;
use fruitnode_proto::v1;
use fruitnode_replica::{Replica, ReplicaConfig};

use crate::member::MemberError;
use crate::member::data_dir::{DataDir, ROSTER};

/// The log that is to be, while it is made.
const NEW_LOG: &str = "restored.redb";

/// What a cluster is restored from.
#[derive(Debug, Clone)]
pub(crate) struct RestoreOptions {
    /// Folder of the node that goes on.
    pub data_dir: PathBuf,
    /// A backup, instead of the node's own log.
    pub from: Option<PathBuf>,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Restored {
    /// Name of the cluster.
    pub name: String,
    /// The node that votes alone now.
    pub node: NodeId,
    /// Index of the last entry that is not lost.
    pub applied: u64,
    /// Voters that were removed.
    pub removed: Vec<NodeId>,
    /// Where the old log was put.
    pub old_log: Option<PathBuf>,
}

/// Reads what would be restored, and changes nothing.
///
/// # Errors
/// When the node never voted, or its log or the backup cannot be read.
pub(crate) fn look(options: &RestoreOptions) -> Result<Restored, MemberError> {
    let dir = DataDir::open(&options.data_dir)?;
    let found = Found::read(&dir, options)?;
    Ok(found.restored(None))
}

/// Makes the node the only voter of what it has, or of what the backup holds.
///
/// # Errors
/// When the node never voted, or its log or the backup cannot be read.
pub(crate) fn restore(options: &RestoreOptions) -> Result<Restored, MemberError> {
    let dir = DataDir::open(&options.data_dir)?;
    let mut found = Found::read(&dir, options)?;
    for node in found.lost.clone() {
        let index = found.state.applied() + 1;
        found.state.apply(index, wall_ms(), &Command::RemoveNode { node });
    }
    // Made beside, and put in the place of the old one at the end: if this is cut short it can be
    // done again.
    let (log, new) = (dir.log(), dir.file(NEW_LOG));
    dir.remove(NEW_LOG)?;
    let mut made = RedbLog::create(&new, &dir.identity()?.storage)?;
    Replica::found(&mut made, found.me, &found.state)?;
    drop(made);
    let old_log = log.is_file().then(|| dir.keep_log_aside()).transpose()?;
    RedbLog::put_in_place(&new, &log)?;
    let roster = found.state.membership().roster();
    // Newer than whatever any member heard of those that are lost.
    let index = found.state.applied() + (1 << 32);
    let roster = Roster::listed(roster, index, vec![found.me.0]);
    dir.write(ROSTER, &roster.encode_to_vec())?;
    Ok(found.restored(old_log))
}

/// What there is to restore.
struct Found {
    me: NodeId,
    state: ClusterState,
    lost: Vec<NodeId>,
}

impl Found {
    fn read(dir: &DataDir, options: &RestoreOptions) -> Result<Self, MemberError> {
        let file = dir.identity()?;
        let me = NodeId(file.node);
        if !dir.authority_key().is_file() {
            let words = format!(
                "node {me} is not a voter and does not have the authority's key: recover on a \
                 voter (`fruitnode status` lists them; their data directories contain \
                 `authority.key`)"
            );
            return Err(MemberError::Restore(words));
        }
        let roster = dir.read(ROSTER)?.unwrap_or_default();
        let roster = v1::Roster::decode(&*roster).unwrap_or_default();
        let mut voters: Vec<NodeId> = roster.voters.into_iter().map(NodeId).collect();
        let state = match &options.from {
            Some(path) => {
                let bytes = fs::read(path).map_err(|error| {
                    MemberError::Restore(format!("cannot read {}: {error}", path.display()))
                })?;
                codec::decode_state(&bytes).map_err(|error| {
                    MemberError::Restore(format!(
                        "{} is not a backup: {error}; name a file written by `fruitnode backup`",
                        path.display()
                    ))
                })?
            }
            None => {
                let log = RedbLog::open(&dir.log(), &file.storage)?;
                let replica = Replica::open(ReplicaConfig::new(me), log)
                    .map_err(|error| MemberError::Restore(error.to_string()))?;
                voters.extend(replica.status().voters);
                replica.state().clone()
            }
        };
        if state.membership().cluster() != file.cluster {
            let words = format!(
                "the backup is of cluster `{}`, but this node belongs to `{}`",
                state.membership().cluster(),
                file.cluster
            );
            return Err(MemberError::Restore(words));
        }
        voters.sort_unstable();
        voters.dedup();
        voters.retain(|node| *node != me);
        Ok(Self { me, state, lost: voters })
    }

    fn restored(&self, old_log: Option<PathBuf>) -> Restored {
        Restored {
            name: self.state.membership().name().to_owned(),
            node: self.me,
            applied: self.state.applied(),
            removed: self.lost.clone(),
            old_log,
        }
    }
}
