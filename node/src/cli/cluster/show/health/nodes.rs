//! What every notice asks of nodes, and calls them.

use fruitnode_proto::v1::{ClusterStatus, NodeStatus};

use crate::cli::cluster::show::node;
use crate::member::SILENT_MS;

/// Nodes that belong to the cluster.
pub(super) fn present(status: &ClusterStatus) -> Vec<&NodeStatus> {
    status.nodes.iter().filter(|node| node.state != "removed").collect()
}

pub(super) fn votes(node: &NodeStatus) -> bool {
    node.role == "voter"
}

/// Whether a node is there, and takes part in the log if that is its role.
pub(super) fn answers(node: &NodeStatus) -> bool {
    node.state != "lost" && node.state != "silent" && node.log_silent_ms < SILENT_MS
}

/// Ids as people write them.
pub(super) fn names(nodes: impl IntoIterator<Item = u64>) -> String {
    let names: Vec<_> = nodes.into_iter().map(node::id).collect();
    names.join(", ")
}

/// A node and where it is reached.
pub(super) fn place(node: &NodeStatus) -> String {
    match node.address.is_empty() {
        true => node::id(node.node),
        false => format!("{} ({})", node::id(node.node), node.address),
    }
}

/// `s` behind a noun of which there are several.
pub(super) fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
