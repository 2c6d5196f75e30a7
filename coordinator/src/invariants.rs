//! What must hold after every command, as pure predicates: one source of truth for debug builds,
//! property tests and the simulator.

use std::collections::BTreeMap;

use crate::ids::{Attempt, NodeId, PartitionId};
use crate::job::{Job, Phase, Status};
use crate::retry::COUNTED_FAILURES_MAX;
use crate::state::ClusterState;
use crate::task::Task;

/// Checks every invariant and describes those that are broken. Linear in the state.
pub fn check(state: &ClusterState) -> Vec<String> {
    let mut broken = Vec::new();
    let mut used: BTreeMap<NodeId, u32> = BTreeMap::new();
    for job in state.jobs.values() {
        for ((task, _), node) in &job.granted {
            *used.entry(*node).or_default() += u32::from(task.takes_slot());
        }
        let mut job_broken = Vec::new();
        check_grants(state, job, &mut job_broken);
        check_partitions(job, &mut job_broken);
        check_moments(state, job, &mut job_broken);
        check_progress(job, &mut job_broken);
        broken.extend(job_broken.into_iter().map(|words| format!("job {}: {words}", job.id)));
    }
    for (id, node) in &state.nodes {
        let taken = used.get(id).copied().unwrap_or(0);
        if node.used != taken || taken > node.slots {
            broken.push(format!(
                "SLOTS: {id} counts {} of {}, grants say {taken}",
                node.used, node.slots
            ));
        }
    }
    broken
}

/// GRANT: attempts are below the next one, on living nodes; a task is ready or leased, not both.
fn check_grants(state: &ClusterState, job: &Job, broken: &mut Vec<String>) {
    for ((task, attempt), node) in &job.granted {
        if *attempt >= job.next_attempt || *attempt == Attempt(0) {
            broken.push(format!("GRANT: {task} has attempt {attempt}, next {}", job.next_attempt));
        }
        if !state.nodes.contains_key(node) {
            broken.push(format!("GRANT: {task} is leased to {node}, which is no member"));
        }
        if job.ready.contains(task) {
            broken.push(format!("GRANT: {task} is leased and offered"));
        }
    }
    if job.failures.values().any(|counted| *counted >= COUNTED_FAILURES_MAX) {
        broken.push("GRANT: a task failed too often and is still tried".to_owned());
    }
}

/// ONCE: what is accepted is counted once, and is never offered or leased again.
fn check_partitions(job: &Job, broken: &mut Vec<String>) {
    if job.ended() {
        return;
    }
    let with = |status| job.partitions.iter().filter(|record| record.status >= status).count();
    if with(Status::Extracted) != job.counts.extracted as usize
        || with(Status::Projected) != job.counts.projected as usize
    {
        broken.push("ONCE: counts differ from the partitions".to_owned());
    }
    let rows: u64 = job.partitions.iter().map(|record| u64::from(record.good + record.bad)).sum();
    if rows != job.counts.good + job.counts.bad {
        broken.push("ONCE: rows differ from the partitions".to_owned());
    }
    let leased = job.granted.keys().map(|(task, _)| task);
    for task in job.ready.iter().chain(leased) {
        let done = match *task {
            Task::Extract(p) => job.partitions[p.0 as usize].status != Status::Pending,
            Task::Project(p) => job.partitions[p.0 as usize].status != Status::Extracted,
            Task::List => job.listing.is_some(),
            Task::Fit => job.fit.is_some(),
            Task::Publish | Task::Merge(_) | Task::Remake(_) => false,
        };
        if done {
            broken.push(format!("ONCE: {task} is done and still wanted"));
        }
    }
}

/// COVER: until the fit, each extracted partition is told of by exactly one held node of the tree,
/// or is known to be uncovered; holders are members.
fn check_moments(state: &ClusterState, job: &Job, broken: &mut Vec<String>) {
    if !job.spec.reduces() {
        if !job.held.is_empty() || !job.uncovered.is_empty() {
            broken.push("COVER: moments are held of a job that reduces none".to_owned());
        }
        return;
    }
    if !matches!(job.phase, Phase::Extracting | Phase::Reducing | Phase::Fitting) {
        return;
    }
    let mut told = vec![0u32; job.partitions.len()];
    for (tree_node, held) in &job.held {
        if !state.nodes.contains_key(&held.node) {
            broken.push(format!("COVER: {tree_node} is held by {}, which is no member", held.node));
        }
        for partition in job.plan().leaves(*tree_node) {
            told[partition as usize] += 1;
        }
    }
    for (partition, record) in job.partitions.iter().enumerate() {
        let id = PartitionId(partition as u32);
        let uncovered = u32::from(job.uncovered.contains(&id));
        let expected = u32::from(record.status != Status::Pending);
        if told[partition] + uncovered != expected {
            broken.push(format!(
                "COVER: {id} is told of {} times, uncovered {uncovered} times",
                told[partition]
            ));
        }
    }
}

/// LIVE: a job that is not over has something ready or leased.
fn check_progress(job: &Job, broken: &mut Vec<String>) {
    if !job.ended() && job.ready.is_empty() && job.granted.is_empty() {
        broken.push(format!("LIVE: nothing is ready or leased in {:?}", job.phase));
    }
}
