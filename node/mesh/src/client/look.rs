//! How the cluster is when nobody may lead it: one node answers for itself, and the others that
//! could know better are asked at the same time.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;
use tonic::Response;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_proto::v1::{ClusterStatus, StatusRequest};

use crate::client::link::Link;
use crate::client::route::Route;
use crate::error::MeshError;

/// How long the others are waited for: as long as it takes to learn that one is not there.
const OTHERS_WAIT: Duration = Duration::from_secs(3);

/// What the coordinator says, or else what nodes know by themselves.
pub(super) async fn look(route: &Route) -> Result<ClusterStatus, MeshError> {
    let first = route.ask_any(ask).await?;
    if !first.partial {
        return Ok(first);
    }
    let (others, wait) = (others(&first, route.addresses()), OTHERS_WAIT.min(route.limit() / 2));
    let asking = others.iter().map(|(node, address)| async move {
        let asked = async {
            let link = route.link_to(*node, address).await?;
            Ok::<_, MeshError>((ask(link.clone()).await?, link))
        };
        (*node, timeout(wait, asked).await.ok().and_then(Result::ok))
    });
    let mut asking: FuturesUnordered<_> = asking.collect();
    let (mut told, mut silent) = (Vec::new(), Vec::new());
    while let Some((node, answer)) = asking.next().await {
        match answer {
            Some((status, link)) if !status.partial => {
                route.go_on_at(link);
                return Ok(status);
            }
            Some((status, _)) => told.push(status),
            None => silent.extend(node.map(|node| node.0)),
        }
    }
    told.push(first);
    Ok(together(told, &silent))
}

async fn ask(link: Link) -> Result<ClusterStatus, MeshError> {
    let request = StatusRequest { partial_allowed: true };
    let answer = link.control().status(request).await;
    answer.map(Response::into_inner).map_err(|status| link.error(&status))
}

/// Whom to ask beside the node that has answered: those that decide, whom it takes for the
/// coordinator, and whoever was named.
fn others(first: &ClusterStatus, named: &[String]) -> Vec<(Option<NodeId>, String)> {
    let decides = |role: &str| role == "voter" || role == "learner";
    let known = first.nodes.iter().filter(|node| !node.address.is_empty());
    let asked = known.clone().filter(|node| node.node != first.answered_by);
    let asked = asked.filter(|node| decides(&node.role) || node.node == first.leader);
    let asked = asked.map(|node| (Some(NodeId(node.node)), node.address.clone()));
    let is_new = |address: &&String| known.clone().all(|node| node.address != **address);
    let named = named.iter().filter(is_new).map(|address| (None, address.clone()));
    asked.chain(named).collect()
}

/// What nodes that answer for themselves know together: the one that knows most, and of all of
/// them whether they answered the caller.
fn together(told: Vec<ClusterStatus>, silent: &[u64]) -> ClusterStatus {
    let answered: BTreeMap<_, _> =
        told.iter().map(|status| (status.answered_by, status.leader)).collect();
    let most = told.into_iter().max_by_key(|status| (status.applied, status.term, status.leader));
    let mut most = most.unwrap_or_default();
    for node in &mut most.nodes {
        if answered.contains_key(&node.node) {
            "answers".clone_into(&mut node.state);
        } else if silent.contains(&node.node) {
            "silent".clone_into(&mut node.state);
        }
    }
    if answered.contains_key(&most.leader) {
        // It says itself that it leads no longer.
        most.leader = 0;
    }
    most
}

#[cfg(test)]
mod tests {
    use fruitnode_proto::v1::NodeStatus;

    use super::*;

    fn told(by: u64, leader: u64, applied: u64) -> ClusterStatus {
        let node = |(node, role): (u64, &str)| NodeStatus {
            node,
            address: format!("10.0.0.{node}:7400"),
            role: role.to_owned(),
            state: if node == by { "answers" } else { "unknown" }.to_owned(),
            ..NodeStatus::default()
        };
        let nodes = [(1, "voter"), (2, "voter"), (3, "voter"), (4, "member"), (5, "member")];
        ClusterStatus {
            answered_by: by,
            leader,
            applied,
            partial: true,
            nodes: nodes.map(node).into(),
            ..ClusterStatus::default()
        }
    }

    #[test]
    fn those_that_decide_are_asked_and_those_that_were_named() {
        let named = ["10.0.0.1:7400".to_owned(), "10.0.0.9:7400".to_owned()];
        let asked: Vec<_> = others(&told(1, 5, 0), &named).into_iter().collect();
        let nodes: Vec<_> = asked.iter().map(|(node, _)| node.map(|node| node.0)).collect();
        assert_eq!(nodes, [Some(2), Some(3), Some(5), None]);
        assert_eq!(asked[3].1, "10.0.0.9:7400");
    }

    #[test]
    fn the_node_that_knows_most_speaks_and_who_answers_is_known_by_asking() {
        let status = together(vec![told(4, 3, 0), told(2, 0, 70)], &[1, 3]);
        assert_eq!((status.answered_by, status.applied), (2, 70));
        let states: Vec<_> = status.nodes.iter().map(|node| node.state.as_str()).collect();
        assert_eq!(states, ["silent", "answers", "silent", "answers", "unknown"]);
        assert_eq!(together(vec![told(4, 3, 0)], &[3]).leader, 3, "it was not heard itself");
        assert_eq!(together(vec![told(4, 3, 0), told(3, 0, 0)], &[]).leader, 0);
    }
}
