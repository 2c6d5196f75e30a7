//! What is known of stores and of ways between nodes, as snapshots hold it.

use fruitnode_proto::v1::cluster_snapshot::{NodeFaultRecord, WaitRecord, WayRecord};

use crate::codec::error::CodecError;
use crate::codec::parts::{reason_from_proto, reason_to_proto, task_from_proto, task_to_proto};
use crate::ids::{JobId, NodeId};
use crate::reach::{Reach, Shut, Way};
use crate::store_faults::{NodeFault, StoreFaults, Wait};
use crate::task::Task;

/// The protobuf form of what is wrong with a node.
pub(super) fn node_to_proto((node, fault): (NodeId, &NodeFault)) -> NodeFaultRecord {
    NodeFaultRecord {
        node: node.0,
        reason: reason_to_proto(fault.reason),
        detail: fault.detail.clone(),
        since_ms: fault.since_ms,
        until_ms: fault.until_ms,
        times: fault.times,
    }
}

/// The protobuf form of a task's wait.
pub(super) fn wait_to_proto((task, wait): (&Task, &Wait)) -> WaitRecord {
    let Wait { until_ms, times } = *wait;
    WaitRecord { task: Some(task_to_proto(*task)), until_ms, times }
}

/// What was met with at the stores of a job, in its protobuf form.
pub(super) fn from_proto(
    nodes: Vec<NodeFaultRecord>,
    waits: Vec<WaitRecord>,
) -> Result<StoreFaults, CodecError> {
    let mut faults = StoreFaults::default();
    for record in nodes {
        let NodeFaultRecord { node, reason, detail, since_ms, until_ms, times } = record;
        let reason = reason_from_proto(reason)?;
        let fault = NodeFault { reason, detail, since_ms, until_ms, times };
        faults.nodes.insert(NodeId(node), fault);
    }
    for WaitRecord { task, until_ms, times } in waits {
        faults.waits.insert(task_from_proto(task)?, Wait { until_ms, times });
    }
    Ok(faults)
}

/// The protobuf form of who can fetch from whom.
pub(super) fn reach_to_proto(reach: &Reach) -> Vec<WayRecord> {
    let record = |(&(from, to), way): (&(NodeId, NodeId), &Way)| {
        let (from, to) = (from.0, to.0);
        match way {
            Way::Open => WayRecord { from, to, ..WayRecord::default() },
            Way::Shut(Shut { since_ms, last_ms, job }) => WayRecord {
                from,
                to,
                shut: true,
                since_ms: *since_ms,
                last_ms: *last_ms,
                job: job.0.clone(),
            },
        }
    };
    reach.ways.iter().map(record).collect()
}

/// Who can fetch from whom, in its protobuf form.
pub(super) fn reach_from_proto(ways: Vec<WayRecord>) -> Reach {
    let way = |record: WayRecord| {
        let WayRecord { from, to, shut, since_ms, last_ms, job } = record;
        let way = match shut {
            true => Way::Shut(Shut { since_ms, last_ms, job: JobId(job) }),
            false => Way::Open,
        };
        ((NodeId(from), NodeId(to)), way)
    };
    Reach { ways: ways.into_iter().map(way).collect() }
}
