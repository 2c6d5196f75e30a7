//! Clusters to judge, for tests.

use fruitnode_proto::v1::{ClusterStatus, NodeStatus};

/// A cluster of nodes n1, n2 …, each of which has this state and role.
pub(crate) fn status(leader: u64, wanted: u32, nodes: &[(&str, &str)]) -> ClusterStatus {
    let node = |(at, (state, role)): (usize, &(&str, &str))| NodeStatus {
        node: at as u64 + 1,
        address: format!("10.0.0.{}:7400", at + 1),
        state: (*state).to_owned(),
        role: (*role).to_owned(),
        slots: 2,
        release: "0.1.0".to_owned(),
        ..NodeStatus::default()
    };
    ClusterStatus {
        cluster: "ab12cd34".to_owned(),
        name: "fruits".to_owned(),
        leader,
        term: 4,
        voters_wanted: wanted,
        nodes: nodes.iter().enumerate().map(node).collect(),
        answered_by: 1,
        now_ms: 1_000_000,
        ..ClusterStatus::default()
    }
}
