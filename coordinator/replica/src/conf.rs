//! Who votes, in raft's form: written, read back and checked.

use std::collections::BTreeSet;

use protobuf::Message;
use raft::eraftpb::{ConfChangeSingle, ConfChangeType, ConfChangeV2, ConfState};

use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::voters::VoterChange;

/// Voters that can be told apart by how long they wait for a leader.
pub(super) const RANKS_MAX: usize = 64;
/// Nodes that a configuration may name: five voters, as many that replace them, and room.
const NODES_MAX: usize = 64;

/// A configuration of one voter.
pub(super) fn sole(id: NodeId) -> ConfState {
    ConfState { voters: vec![id.0], ..ConfState::default() }
}

/// The same configuration with its ids in order: raft keeps them in the order of hash maps.
pub(super) fn sorted(mut conf: ConfState) -> ConfState {
    conf.voters.sort_unstable();
    conf.learners.sort_unstable();
    conf.voters_outgoing.sort_unstable();
    conf.learners_next.sort_unstable();
    conf
}

/// As bytes for the store.
pub(super) fn encode(conf: &ConfState) -> Vec<u8> {
    conf.write_to_bytes().expect("a message without required fields can always be written")
}

/// From the store's bytes. `None` if raft could not use it.
pub(super) fn decode(bytes: &[u8]) -> Option<ConfState> {
    ConfState::parse_from_bytes(bytes).ok().filter(is_valid)
}

/// Whether the node has any part in it.
pub(super) fn names(conf: &ConfState, node: u64) -> bool {
    conf.voters.contains(&node)
        || conf.learners.contains(&node)
        || conf.voters_outgoing.contains(&node)
}

/// Voters of both halves, in order.
pub(super) fn voters(conf: &ConfState) -> BTreeSet<u64> {
    conf.voters.iter().chain(&conf.voters_outgoing).copied().collect()
}

/// Whether raft can take it up: it panics on one that contradicts itself.
pub(super) fn is_valid(conf: &ConfState) -> bool {
    let parts = [&conf.voters, &conf.learners, &conf.voters_outgoing, &conf.learners_next];
    let ids: usize = parts.iter().map(|part| part.len()).sum();
    let sets = parts.map(|part| part.iter().copied().collect::<BTreeSet<u64>>());
    let distinct = parts.iter().zip(&sets).all(|(part, set)| part.len() == set.len());
    let [voters, learners, outgoing, next] = &sets;
    let joint = !outgoing.is_empty();
    !voters.is_empty()
        && ids <= NODES_MAX
        && distinct
        && sets.iter().all(|set| !set.contains(&0))
        && learners.is_disjoint(voters)
        && learners.is_disjoint(outgoing)
        && next.is_subset(outgoing)
        && next.is_disjoint(voters)
        && (joint || !conf.auto_leave)
}

/// The change in raft's form, or why it makes no sense with this configuration.
pub(super) fn change(
    change: &VoterChange,
    conf: &ConfState,
    leader: NodeId,
) -> Result<ConfChangeV2, &'static str> {
    let mut steps = Vec::new();
    let parts = [
        (&change.add_learners, ConfChangeType::AddLearnerNode),
        (&change.promote, ConfChangeType::AddNode),
        (&change.remove, ConfChangeType::RemoveNode),
    ];
    let mut seen = BTreeSet::new();
    for (nodes, kind) in parts {
        for node in nodes {
            if node.0 == 0 || !seen.insert(node.0) {
                return Err("a node is named twice, or has the ID 0");
            }
            let known = names(conf, node.0);
            match kind {
                ConfChangeType::AddLearnerNode if known => {
                    return Err("the node to add already has the log");
                }
                ConfChangeType::AddNode if !conf.learners.contains(&node.0) => {
                    return Err("the node to promote is not a learner");
                }
                ConfChangeType::RemoveNode if !known => {
                    return Err("the node to remove does not have the log");
                }
                ConfChangeType::RemoveNode if *node == leader => {
                    return Err("the coordinator cannot be removed: transfer its role first");
                }
                _ => {}
            }
            let (node_id, change_type) = (node.0, kind);
            steps.push(ConfChangeSingle { node_id, change_type, ..Default::default() });
        }
    }
    let stays = |id: &&u64| !change.remove.contains(&NodeId(**id));
    if conf.voters.iter().filter(stays).count() + change.promote.len() == 0 {
        return Err("no voter would be left");
    }
    if steps.is_empty() {
        return Err("it changes nothing");
    }
    if seen.len() + conf.voters.len() + conf.learners.len() > NODES_MAX / 2 {
        return Err("too many nodes would have the log");
    }
    let mut v2 = ConfChangeV2::default();
    v2.set_changes(steps.into());
    Ok(v2)
}
