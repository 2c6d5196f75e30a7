//! What a node tells of the cluster for itself, while it knows of no coordinator that would: who
//! votes, whom it has heard lately, and what its log says of jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_mesh::roster::Roster;
use fruitnode_proto::v1;

use crate::member::views;

/// Milliseconds without a word in the log after which a voter is told of as silent: heartbeats are
/// answered five times a second, and who looks for a leader asks every few seconds.
pub(crate) const SILENT_MS: u64 = 5_000;

/// What the node knows beside the state of its log.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub(super) me: NodeId,
    /// Milliseconds since 1970-01-01 UTC.
    pub(super) now_ms: u64,
    pub(super) cluster: String,
    pub(super) roster: Arc<Roster>,
    /// Whom it takes for the coordinator.
    pub(super) leader: Option<NodeId>,
    pub(super) attends: Option<NodeId>,
    /// Why it finds no coordinator, and for how long it has looked for one.
    pub(super) looking: String,
    pub(super) leaderless_ms: u64,
    /// Of a node that votes, by its log.
    pub(super) term: u64,
    pub(super) voters: Vec<NodeId>,
    pub(super) learners: Vec<NodeId>,
    pub(super) silent_ms: BTreeMap<NodeId, u64>,
}

/// The cluster, as far as the node knows it: by its log, or by the roster where it has none.
pub(super) fn cluster(known: &Known, state: Option<&ClusterState>) -> v1::ClusterStatus {
    let membership = state.map(ClusterState::membership);
    v1::ClusterStatus {
        cluster: known.cluster.clone(),
        name: membership.map(|membership| membership.name().to_owned()).unwrap_or_default(),
        // One that leads and cannot have it confirmed does not know whether it still does.
        leader: known.leader.filter(|leader| *leader != known.me).map_or(0, |leader| leader.0),
        term: known.term,
        applied: state.map_or(0, ClusterState::applied),
        voters_wanted: membership.map_or(0, |membership| membership.voters_wanted()),
        nodes: nodes(known, state),
        jobs: state.iter().flat_map(|state| state.jobs()).map(|at| views::job(at, &[])).collect(),
        answered_by: known.me.0,
        now_ms: known.now_ms,
        certificate_life_ms: membership.map_or(0, |membership| membership.certificate_life_ms()),
        partial: true,
        attends_at: known.attends.map_or(0, |leader| leader.0),
        leaderless_ms: known.leaderless_ms,
        looking: known.looking.clone(),
        ..v1::ClusterStatus::default()
    }
}

fn nodes(known: &Known, state: Option<&ClusterState>) -> Vec<v1::NodeStatus> {
    let Some(state) = state else {
        let voters = &known.roster.voters;
        let members = known.roster.addresses.iter();
        return members
            .map(|(node, address)| one(known, *node, address, role(*node, voters, &[])))
            .collect();
    };
    let voters: BTreeSet<_> = known.voters.iter().copied().collect();
    let members = state.membership().members().filter(|(_, member)| !member.removed);
    let members = members.map(|(node, member)| v1::NodeStatus {
        release: member.release.clone(),
        ..one(known, node, &member.address, role(node, &voters, &known.learners))
    });
    members.collect()
}

fn role(node: NodeId, voters: &BTreeSet<NodeId>, learners: &[NodeId]) -> &'static str {
    match () {
        () if voters.contains(&node) => "voter",
        () if learners.contains(&node) => "learner",
        () => "member",
    }
}

fn one(known: &Known, node: NodeId, address: &str, role: &str) -> v1::NodeStatus {
    let silent_ms = known.silent_ms.get(&node).copied();
    let state = match silent_ms {
        _ if node == known.me || known.attends == Some(node) => "answers",
        Some(SILENT_MS..) => "silent",
        Some(_) => "answers",
        None => "unknown",
    };
    v1::NodeStatus {
        node: node.0,
        address: address.to_owned(),
        state: state.to_owned(),
        role: role.to_owned(),
        log_silent_ms: silent_ms.unwrap_or(0),
        ..v1::NodeStatus::default()
    }
}

#[cfg(test)]
mod tests {
    use fruitnode_coordinator::command::Command;
    use fruitnode_coordinator::ids::Digest;

    use super::*;

    fn told(status: &v1::ClusterStatus) -> Vec<(u64, &str, &str, u64)> {
        let nodes = status.nodes.iter();
        nodes
            .map(|node| (node.node, node.role.as_str(), node.state.as_str(), node.log_silent_ms))
            .collect()
    }

    fn known() -> Known {
        let addresses = (1..=4).map(|node| (NodeId(node), format!("10.0.0.{node}:7400")));
        let roster = Roster {
            addresses: addresses.collect(),
            voters: [NodeId(1), NodeId(2), NodeId(3)].into(),
            ..Roster::default()
        };
        let (roster, cluster) = (Arc::new(roster), "ab12cd34".to_owned());
        Known { me: NodeId(4), cluster, roster, ..Known::default() }
    }

    #[test]
    fn a_node_without_a_log_tells_who_votes_and_whom_it_attends_at() {
        let looks = Known { looking: "no answer".to_owned(), leaderless_ms: 7_000, ..known() };
        let status = cluster(&looks, None);
        assert!(status.partial && status.leader == 0 && status.answered_by == 4);
        assert_eq!((status.looking.as_str(), status.leaderless_ms), ("no answer", 7_000));
        assert_eq!(
            told(&status),
            [
                (1, "voter", "unknown", 0),
                (2, "voter", "unknown", 0),
                (3, "voter", "unknown", 0),
                (4, "member", "answers", 0),
            ]
        );
        let attends = Known { attends: Some(NodeId(2)), leader: Some(NodeId(2)), ..known() };
        let status = cluster(&attends, None);
        assert_eq!((status.leader, status.attends_at), (2, 2));
        assert_eq!(told(&status)[1], (2, "voter", "answers", 0));
    }

    #[test]
    fn a_voter_tells_whom_it_hears_and_what_its_log_says() {
        let mut state = ClusterState::default();
        let text = str::to_owned;
        let found = Command::FoundCluster {
            cluster: text("ab12cd34"),
            name: text("fruits"),
            voters_wanted: 3,
            address: text("10.0.0.1:7400"),
            storage: text("1"),
            key: Digest([1; 32]),
            certificate_life_ms: 0,
        };
        state.apply(1, 0, &found);
        let voter = Known {
            me: NodeId(1),
            term: 4,
            voters: vec![NodeId(1), NodeId(2), NodeId(3)],
            ..known()
        };
        let status = cluster(&voter, Some(&state));
        assert_eq!((status.name.as_str(), status.voters_wanted, status.term), ("fruits", 3, 4));
        assert_eq!(told(&status), [(1, "voter", "answers", 0)]);
        // It cannot know whether it still leads.
        let deposed = Known { leader: Some(NodeId(1)), ..voter.clone() };
        assert_eq!(cluster(&deposed, Some(&state)).leader, 0);
        let hears = |silent_ms| {
            let silent_ms = [(NodeId(2), silent_ms)].into();
            let hears = Known { silent_ms, ..voter.clone() };
            one(&hears, NodeId(2), "b:1", "voter").state
        };
        assert_eq!(hears(SILENT_MS - 1), "answers");
        assert_eq!(hears(SILENT_MS), "silent");
    }
}
