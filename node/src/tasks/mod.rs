//! What a lease makes a node do: one file per kind of task, each an async function from inputs to a
//! result. Nothing here decides what comes next.

mod compute;
mod context;
mod drawings;
pub(crate) mod explain;
mod extract;
mod facts;
mod features;
pub(crate) mod feed;
mod fit;
mod gather;
mod given;
pub(crate) mod held;
pub(crate) mod infer;
mod list;
mod list_range;
pub(crate) mod max_bad;
pub(crate) mod meter;
pub(crate) mod model_place;
mod moments;
pub(crate) mod network;
pub(crate) mod objects;
mod open;
pub(crate) mod options;
mod peers;
pub(crate) mod plan;
mod project;
mod publish;
mod reduce;
mod report;
mod resumable;
mod resume;
mod settings;
pub(crate) mod when;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::inputs::Inputs;
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::task::{Task, TaskResult};
use fruitnode_storage::outages;

use crate::tasks::meter::Meter;
use crate::tasks::publish::Wanted;

pub(crate) use context::{JobContext, NodeContext, NodeOptions};
pub(crate) use features::{COMPUTE_CLASS, Scratch};
pub(crate) use fruitnode_coordinator::control::message::Lease;
pub(crate) use fruitnode_coordinator::story::AttemptFacts;
pub(crate) use given::{GivenError, GivenModel};
pub(crate) use meter::Running;
pub(crate) use open::abandon;
pub(crate) use peers::MomentsSource;
pub(crate) use settings::Settings;

/// How often an attempt that waits for a store says that it does.
const STEP_EVERY: Duration = Duration::from_secs(5);

/// Carries out one lease.
///
/// # Errors
/// A failure whose reason tells the coordinator what follows.
pub(crate) async fn carry_out(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    lease: Lease,
) -> Result<TaskResult, Failure> {
    tokio::select! {
        biased;
        done = by_kind(node, job, lease) => done,
        never = seen_to_wait() => match never {},
    }
}

/// Has the attempt be seen to live while a store is waited for: whoever waits for one that is gone
/// does not stand still, and another attempt would not do better here.
async fn seen_to_wait() -> Infallible {
    loop {
        sleep(STEP_EVERY).await;
        if !outages().is_empty() {
            Meter::here().step();
        }
    }
}

async fn by_kind(
    node: &Arc<NodeContext>,
    job: &Arc<JobContext>,
    lease: Lease,
) -> Result<TaskResult, Failure> {
    let attempt = lease.attempt;
    match (lease.task, lease.inputs) {
        (Task::List, Inputs::List) => list::list(node, job, attempt).await,
        (Task::ListRange(range), Inputs::ListRange(cut)) => {
            list_range::list_range(node, job, range, attempt, cut).await
        }
        (Task::Gather, Inputs::Gather(cut, won)) => {
            gather::gather(node, job, attempt, cut, won).await
        }
        (Task::Extract(partition), Inputs::Extract { listing, careful, bad_elsewhere }) => {
            let visit = extract::Visit { partition, attempt, listing, careful, bad_elsewhere };
            extract::extract(node, job, visit).await
        }
        (Task::Remake(partition), Inputs::Remake(winner)) => {
            reduce::remake(node, job, partition, winner).await
        }
        (Task::Rebuild(at), Inputs::Rebuild { partitions, winners }) => {
            reduce::rebuild(node, job, (at, partitions), winners).await
        }
        (Task::Merge(into), Inputs::Merge(left, right)) => {
            reduce::merge(node, job, into, left, right).await
        }
        (Task::Fit, Inputs::Fit(root, holding)) => {
            fit::fit(node, job, attempt, root, holding).await
        }
        (Task::Fit, Inputs::Adopt) => fit::adopt(node, job, attempt).await,
        (Task::Project(partition), Inputs::Project(winner, fit)) => {
            project::project(node, job, partition, attempt, winner, fit).await
        }
        (Task::Publish, Inputs::Publish { listing, fit, winners, story }) => {
            publish::publish(node, job, &Wanted { listing, fit, winners, story }).await
        }
        (task, _) => {
            let words = format!("the lease of {task} has the inputs of a different task");
            Err(Failure::new(FailureReason::InvalidJob, words))
        }
    }
}
