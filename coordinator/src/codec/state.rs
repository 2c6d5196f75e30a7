//! The whole state and its protobuf form.
//!
//! What follows from the rest is not written but made again: slots in use, and which jobs are over.

use std::collections::BTreeMap;

use fruitnode_proto::v1;
use fruitnode_proto::v1::cluster_snapshot::{ClientRecord, MemberRecord, NodeRecord, TokenRecord};

use crate::codec::error::{CodecError, SNAPSHOT_VERSION};
use crate::codec::parts::{bytes, digest};
use crate::codec::{faults, job};
use crate::ids::{JobId, NodeId};
use crate::invariants;
use crate::job::Job;
use crate::members::{Client, Member, Membership, Process, Token};
use crate::node::Node;
use crate::slots::Slots;
use crate::state::ClusterState;
use crate::task::TaskKind;

/// The protobuf form of a state.
pub(super) fn to_proto(state: &ClusterState) -> v1::ClusterSnapshot {
    let membership = &state.membership;
    v1::ClusterSnapshot {
        format_version: version(state),
        applied: state.applied,
        now_ms: state.now_ms,
        cluster: membership.cluster.clone(),
        name: membership.name.clone(),
        voters_wanted: membership.voters_wanted,
        members: membership.members().map(member_to_proto).collect(),
        tokens: membership.tokens().map(token_to_proto).collect(),
        clients: membership.clients().map(client_to_proto).collect(),
        nodes: state.nodes().map(node_to_proto).collect(),
        jobs: state.jobs().map(job::to_proto).collect(),
        roster_index: membership.roster_index,
        certificate_life_ms: membership.certificate_life_ms,
        ways: faults::reach_to_proto(&state.reach),
    }
}

/// The oldest version whose releases go on correctly from this state: version 1 has nothing that is
/// made again as one, and would wait for it for ever.
fn version(state: &ClusterState) -> u32 {
    let rebuilds = |job: &Job| {
        let tasks = job.ready.iter().chain(job.granted.keys().map(|(task, _)| *task));
        let mut tasks = tasks.chain(job.story().map(|record| record.task));
        !job.rebuilds.is_empty() || tasks.any(|task| task.kind() == TaskKind::Rebuild)
    };
    if state.live_jobs().any(rebuilds) { SNAPSHOT_VERSION } else { 1 }
}

/// The state in its protobuf form.
pub(super) fn from_proto(snapshot: v1::ClusterSnapshot) -> Result<ClusterState, CodecError> {
    let jobs: Vec<Job> =
        snapshot.jobs.into_iter().map(job::from_proto).collect::<Result<_, _>>()?;
    let mut nodes: BTreeMap<NodeId, Node> =
        snapshot.nodes.into_iter().map(node_from_proto).collect();
    for (task, _, node) in jobs.iter().flat_map(Job::granted) {
        let node = nodes.get_mut(&node).ok_or(CodecError::Field("granted"))?;
        node.used = node.used.saturating_add(u32::from(task.takes_slot()));
        if node.used > node.slots && node.slots > 0 {
            return Err(CodecError::Field("slots"));
        }
    }
    let members = snapshot.members.into_iter().map(member_from_proto);
    let tokens = snapshot.tokens.into_iter().map(token_from_proto);
    let membership = Membership {
        cluster: snapshot.cluster,
        name: snapshot.name,
        voters_wanted: snapshot.voters_wanted,
        members: members.collect::<Result<_, _>>()?,
        tokens: tokens.collect::<Result<_, _>>()?,
        clients: snapshot.clients.into_iter().map(client_from_proto).collect(),
        roster_index: snapshot.roster_index,
        certificate_life_ms: snapshot.certificate_life_ms,
    };
    let with_id = |job: &Job| job.id.clone();
    let (over, live): (Vec<&Job>, Vec<&Job>) = jobs.iter().partition(|job| job.ended());
    let mut state = ClusterState {
        membership,
        nodes,
        live: live.into_iter().map(with_id).collect(),
        ended: over.into_iter().map(|job| (job.ended_ms, job.id.clone())).collect(),
        jobs: jobs.into_iter().map(|job| (job.id.clone(), job)).collect::<BTreeMap<JobId, Job>>(),
        applied: snapshot.applied,
        now_ms: snapshot.now_ms,
        slots: Slots::default(),
        reach: faults::reach_from_proto(snapshot.ways),
    };
    let ids: Vec<NodeId> = state.nodes.keys().copied().collect();
    ids.into_iter().for_each(|id| state.offer(id));
    match invariants::check(&state).into_iter().next() {
        None => Ok(state),
        Some(words) => Err(CodecError::Contradiction(words)),
    }
}

fn member_to_proto((node, member): (NodeId, &Member)) -> MemberRecord {
    MemberRecord {
        node: node.0,
        key: bytes(member.key),
        address: member.address.clone(),
        storage: member.storage.clone(),
        joined_ms: member.joined_ms,
        draining: member.draining,
        removed: member.removed,
        leaving: member.leaving,
        release: member.release.clone(),
        starts: member.process.starts,
        incarnation: member.process.incarnation,
    }
}

fn member_from_proto(record: MemberRecord) -> Result<(NodeId, Member), CodecError> {
    let member = Member {
        key: digest(&record.key)?,
        address: record.address,
        storage: record.storage,
        joined_ms: record.joined_ms,
        draining: record.draining,
        removed: record.removed,
        leaving: record.leaving,
        release: record.release,
        process: Process { starts: record.starts, incarnation: record.incarnation },
    };
    Ok((NodeId(record.node), member))
}

fn token_to_proto((id, token): (&str, &Token)) -> TokenRecord {
    TokenRecord {
        id: id.to_owned(),
        hash: bytes(token.hash),
        uses_left: token.uses_left,
        expires_ms: token.expires_ms,
    }
}

fn token_from_proto(record: TokenRecord) -> Result<(String, Token), CodecError> {
    let hash = digest(&record.hash)?;
    let token = Token { hash, uses_left: record.uses_left, expires_ms: record.expires_ms };
    Ok((record.id, token))
}

fn client_to_proto((serial, client): (&str, &Client)) -> ClientRecord {
    ClientRecord {
        name: client.name.clone(),
        serial: serial.to_owned(),
        expires_ms: client.expires_ms,
        revoked: client.revoked,
    }
}

fn client_from_proto(record: ClientRecord) -> (String, Client) {
    let ClientRecord { name, serial, expires_ms, revoked } = record;
    (serial, Client { name, expires_ms, revoked })
}

fn node_to_proto((id, node): (NodeId, &Node)) -> NodeRecord {
    NodeRecord {
        node: id.0,
        slots: node.slots,
        compute_class: node.compute_class.clone(),
        fit_class: node.fit_class.clone(),
        incarnation: node.incarnation,
    }
}

fn node_from_proto(record: NodeRecord) -> (NodeId, Node) {
    let node = Node {
        slots: record.slots,
        used: 0,
        compute_class: record.compute_class,
        fit_class: record.fit_class,
        incarnation: record.incarnation,
    };
    (NodeId(record.node), node)
}
