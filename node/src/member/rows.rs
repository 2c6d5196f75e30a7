//! Rows of features while they are made: a node hands out its own, the coordinator those of all.
//! They flow only while somebody watches.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use fruitnode_coordinator::ids::{JobId, NodeId};
use fruitnode_mesh::client::Peers;
use fruitnode_mesh::error::Refusal;
use fruitnode_mesh::handler::Outbound;
use fruitnode_proto::v1;

use crate::actors::spawn::spawn;
use crate::member::control::no_job;
use crate::member::shared::Voting;
use crate::tasks::NodeContext;
use crate::tasks::feed::FedRows;

/// Batches that wait for a watcher; a node that waits leaves rows out, and says how many.
const BATCHES_WAITING_MAX: usize = 8;

/// Rows of one message: of 1,280 features they take 320 KB.
const ROWS_PER_MESSAGE_MAX: usize = 64;

/// Between two looks for nodes that came, and for the job's end.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Rows that this node makes.
pub(super) fn of_this_node(context: &Arc<NodeContext>, job: &JobId) -> Outbound<v1::RowBatch> {
    let (out, stream) = mpsc::channel(BATCHES_WAITING_MAX);
    let (mut watcher, node) = (context.rows.watch(job), context.id);
    tracing::info!(%job, "a client is watching rows");
    spawn("rows", async move {
        loop {
            let fed = tokio::select! {
                fed = watcher.next() => fed,
                () = out.closed() => None,
            };
            let Some(fed) = fed else { return };
            for message in messages(node, &fed) {
                if out.send(Ok(message)).await.is_err() {
                    return;
                }
            }
        }
    });
    stream
}

fn messages(node: NodeId, fed: &FedRows) -> Vec<v1::RowBatch> {
    let mut skipped = fed.skipped;
    let pieces = fed.rows.chunks(ROWS_PER_MESSAGE_MAX).map(|rows| v1::RowBatch {
        node: node.0,
        rows: rows
            .iter()
            .map(|row| v1::row_batch::Row {
                path: row.path.clone(),
                label: row.label.clone().unwrap_or_default(),
                features: row.features.clone(),
                code: row.code.clone().unwrap_or_default(),
            })
            .collect(),
        skipped: std::mem::take(&mut skipped),
    });
    pieces.collect()
}

/// Rows that all nodes make, until the job is over.
pub(super) async fn of_all_nodes(
    voting: Voting,
    peers: Peers,
    job: JobId,
) -> Result<Outbound<v1::RowBatch>, Refusal> {
    present(&voting, &job).await?.ok_or_else(|| no_job(&job))?;
    let (out, stream) = mpsc::channel(BATCHES_WAITING_MAX);
    spawn("all-rows", async move {
        let mut watched = BTreeSet::new();
        let mut streams: JoinSet<NodeId> = JoinSet::new();
        // Nodes that join meanwhile are watched too; one whose stream broke is watched anew.
        while let Ok(Some(Some(nodes))) = present(&voting, &job).await {
            for node in nodes.into_iter().filter(|node| watched.insert(*node)) {
                streams.spawn(pass_on(peers.clone(), node, job.clone(), out.clone()));
            }
            tokio::select! {
                () = out.closed() => return,
                Some(Ok(node)) = streams.join_next() => {
                    watched.remove(&node);
                    sleep(LOOK_EVERY).await;
                }
                () = sleep(LOOK_EVERY) => {}
            }
        }
    });
    Ok(stream)
}

/// Nodes that take leases; nothing inside once the job is over, and nothing at all if there is
/// none.
async fn present(voting: &Voting, job: &JobId) -> Result<Option<Option<Vec<NodeId>>>, Refusal> {
    let id = job.clone();
    let read = voting.consensus.read(move |state| {
        let over = state.job(&id)?.ended();
        Some((!over).then(|| state.nodes().map(|(node, _)| node).collect()))
    });
    read.await.map_err(|_| Refusal::stopping())
}

async fn pass_on(
    peers: Peers,
    node: NodeId,
    job: JobId,
    out: mpsc::Sender<Result<v1::RowBatch, Refusal>>,
) -> NodeId {
    let request = v1::RowsRequest { job: job.0 };
    if let Ok(mut rows) = peers.rows(node, request).await {
        while let Ok(Some(batch)) = rows.next().await {
            if out.send(Ok(batch)).await.is_err() {
                break;
            }
        }
    }
    node
}
