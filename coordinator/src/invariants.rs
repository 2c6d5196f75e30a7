//! What must hold after every command, as pure predicates: one source of truth for debug builds,
//! property tests and the simulator.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Attempt, JobId, NodeId, PartitionId, RangeId};
use crate::job::{Job, Status};
use crate::phase::Phase;
use crate::reach::WAYS_MAX;
use crate::retry::{COUNTED_FAILURES_MAX, FailureReason};
use crate::slots::Slots;
use crate::state::{ClusterState, ENDED_JOBS_MAX};
use crate::store_faults::DETAIL_BYTES_MAX;
use crate::task::{RANGES_MAX, Task};

/// Checks every invariant and describes those that are broken. Linear in the state.
pub fn check(state: &ClusterState) -> Vec<String> {
    let mut broken = Vec::new();
    check_members(state, &mut broken);
    check_ended(state, &mut broken);
    check_slots(state, &mut broken);
    check_reach(state, &mut broken);
    let mut used: BTreeMap<NodeId, u32> = BTreeMap::new();
    for job in state.jobs.values() {
        for ((task, _), node) in job.granted.iter() {
            *used.entry(*node).or_default() += u32::from(task.takes_slot());
        }
        let mut job_broken = Vec::new();
        check_shape(job, &mut job_broken);
        // The others take it for granted that a task names a partition that there is.
        if job_broken.is_empty() {
            check_grants(state, job, &mut job_broken);
            check_partitions(job, &mut job_broken);
            check_moments(state, job, &mut job_broken);
            check_rebuilds(job, &mut job_broken);
            check_faults(state, job, &mut job_broken);
            check_story(job, &mut job_broken);
            check_progress(job, &mut job_broken);
        }
        broken.extend(job_broken.into_iter().map(|words| format!("job {}: {words}", job.id)));
    }
    for (id, node) in &state.nodes {
        let taken = used.get(id).copied().unwrap_or(0);
        // One that is about to end offers nothing, and is still at what it is at.
        if node.used != taken || (taken > node.slots && node.slots > 0) {
            broken.push(format!(
                "SLOTS: {id} counts {} of {}, grants say {taken}",
                node.used, node.slots
            ));
        }
    }
    broken
}

/// MEMBERS: ids are given in order and never again, so are keys; only members take leases; an odd
/// number decides; of those that have not gone somebody stays.
fn check_members(state: &ClusterState, broken: &mut Vec<String>) {
    let membership = &state.membership;
    if !membership.is_founded() {
        let nobody = membership.members.is_empty() && membership.tokens.is_empty();
        if !nobody || !membership.clients.is_empty() {
            broken.push("MEMBERS: somebody belongs to a cluster that was not founded".to_owned());
        }
        return;
    }
    let ids = membership.members.keys().map(|node| node.0);
    if membership.members.is_empty() || !ids.eq(1..=membership.members.len() as u64) {
        broken.push("MEMBERS: ids are not 1, 2, 3 and so on".to_owned());
    }
    let keys: BTreeSet<_> = membership.members.values().map(|member| member.key).collect();
    if keys.len() != membership.members.len() {
        broken.push("MEMBERS: two have one key".to_owned());
    }
    if ![1, 3, 5].contains(&membership.voters_wanted) {
        broken.push(format!("MEMBERS: {} voters are wanted", membership.voters_wanted));
    }
    if membership.roster_index > state.applied() {
        broken.push("MEMBERS: the roster changes later".to_owned());
    }
    let leaves = membership.leaving().next();
    if let (Some(node), None) = (leaves, membership.staying().next()) {
        broken.push(format!("MEMBERS: {node} leaves, and nobody stays"));
    }
    for node in state.nodes.keys().filter(|node| !membership.admits(**node)) {
        broken.push(format!("MEMBERS: {node} takes leases and does not belong to the cluster"));
    }
}

/// SLOTS: who is known to have room is who has it.
fn check_slots(state: &ClusterState, broken: &mut Vec<String>) {
    let mut slots = Slots::default();
    for (id, node) in &state.nodes {
        if node.slots > 0 && !state.membership.is_draining(*id) {
            slots.set(*id, node);
        }
    }
    if slots != state.slots {
        broken.push("SLOTS: the index of free slots differs from the nodes".to_owned());
    }
}

/// ENDED: each job is either live or over, and told of as what it is.
fn check_ended(state: &ClusterState, broken: &mut Vec<String>) {
    let (over, live): (Vec<&Job>, Vec<&Job>) = state.jobs.values().partition(|job| job.ended());
    let live: BTreeSet<JobId> = live.into_iter().map(|job| job.id.clone()).collect();
    let over: BTreeSet<(u64, JobId)> =
        over.into_iter().map(|job| (job.ended_ms, job.id.clone())).collect();
    if live != state.live || over != state.ended {
        broken.push("ENDED: the lists of jobs differ from the jobs".to_owned());
    }
    if over.len() > ENDED_JOBS_MAX || over.last().is_some_and(|last| last.0 > state.now_ms) {
        broken.push("ENDED: too many jobs are told of, or they end in the future".to_owned());
    }
    if state.jobs.iter().any(|(id, job)| job.id != *id) {
        broken.push("ENDED: a job is kept under another id".to_owned());
    }
}

/// SHAPE: whatever names a partition or a place in the tree names one that there is, each phase
/// has what it begins with, and nothing is kept of a job that is over.
fn check_shape(job: &Job, broken: &mut Vec<String>) {
    let count = job.partitions.len() as u32;
    let leased = job.granted.keys().map(|(task, _)| *task);
    let told = job.story().map(|record| record.task);
    let counted = job.failures.keys().chain(job.turns.keys()).chain(job.faults.waits.keys());
    let mut tasks = job.ready.iter().chain(leased).chain(counted.copied()).chain(told);
    if job.ended() {
        let moments = job.held.len() + job.uncovered.len() + job.suspects.len();
        let remade = job.rebuilds.len() + job.turns.len();
        let faults = job.faults.nodes.len() + job.faults.waits.len();
        let ranges = job.cut.is_some() || !job.ranges.is_empty();
        if tasks.next().is_some()
            || count > 0
            || ranges
            || moments + remade + faults + job.last.len() > 0
        {
            broken.push("SHAPE: something is kept of a job that is over".to_owned());
        }
        return;
    }
    if count != job.listing.map_or(0, |listing| listing.partitions)
        || job.listing.is_none() != (job.phase == Phase::Listing)
    {
        broken.push("SHAPE: the partitions differ from the listing".to_owned());
        return;
    }
    let ranges = job.cut.map_or(0, |cut| cut.ranges);
    if ranges as usize != job.ranges.len()
        || ranges > RANGES_MAX
        || (job.cut.is_some() && (ranges == 0 || job.phase != Phase::Listing))
    {
        broken.push("SHAPE: the ranges differ from the cut".to_owned());
        return;
    }
    let plan = job.plan();
    let exists = |task: &Task| match *task {
        Task::Extract(p) | Task::Remake(p) | Task::Project(p) => p.0 < count,
        Task::Merge(at) => plan.contains(at) && plan.children(at).is_some(),
        Task::Rebuild(at) => plan.contains(at),
        // Of ranges only the story tells when the listing is accepted.
        Task::ListRange(range) => range.0 < RANGES_MAX,
        Task::List | Task::Gather | Task::Fit | Task::Publish => true,
    };
    if let Some(task) = tasks.find(|task| !exists(task)) {
        broken.push(format!("SHAPE: {task} is no task of this job"));
    }
    let mut partitions = job.uncovered.iter().chain(job.quarantine.keys());
    if !job.held.keys().all(|tree_node| plan.contains(*tree_node))
        || !partitions.all(|partition| partition.0 < count)
    {
        broken.push("SHAPE: moments or a quarantine of no partition".to_owned());
    }
    let listed = matches!(job.phase, Phase::Listing | Phase::Extracting);
    if !listed && !job.all_extracted() {
        broken.push(format!("SHAPE: {:?} before all is extracted", job.phase));
    }
    if job.projected.len() != job.fit.map_or(0, |_| job.partitions.len()) {
        broken.push("SHAPE: scores are kept of other partitions".to_owned());
    }
    let fitted = job.phase == Phase::Projecting || (job.phase == Phase::Publishing && job.spec.pca);
    if fitted != job.fit.is_some() {
        broken.push(format!("SHAPE: {:?} and the fit do not go together", job.phase));
    }
}

/// STORY: whatever was accepted of a partition is told once.
fn check_story(job: &Job, broken: &mut Vec<String>) {
    if job.ended() {
        return;
    }
    let (mut extracted, mut projected, mut failed) = (0, 0, 0);
    for record in job.story() {
        match (record.reason, record.task) {
            (None, Task::Extract(_)) => extracted += 1,
            (None, Task::Project(_)) => projected += 1,
            (None, _) | (Some(FailureReason::Cancelled), _) => {}
            (Some(_), _) => failed += 1,
        }
        if record.attempt >= job.next_attempt {
            broken.push(format!("STORY: {} has attempt {}", record.task, record.attempt));
        }
    }
    let counts = &job.counts;
    if (extracted, projected) != (counts.extracted, counts.projected)
        || failed > counts.failed_attempts
    {
        broken.push("STORY: it tells of other attempts than the counts".to_owned());
    }
}

/// GRANT: attempts are below the next one, on living nodes; a task is ready or leased, not both.
fn check_grants(state: &ClusterState, job: &Job, broken: &mut Vec<String>) {
    if !job.granted.is_whole() || !job.held.is_whole() {
        broken.push("GRANT: what a node has is not what is at it".to_owned());
    }
    for ((task, attempt), node) in job.granted.iter() {
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
    if !job.failures.keys().eq(job.spared.keys()) {
        broken.push("GRANT: failures and where they happened differ".to_owned());
    }
    if job.failures.values().any(|counted| *counted >= COUNTED_FAILURES_MAX) {
        broken.push("GRANT: a task failed too often and is still tried".to_owned());
    }
}

/// ONCE: what is accepted is counted once, and is never offered or leased again; what is leased can
/// be done.
fn check_partitions(job: &Job, broken: &mut Vec<String>) {
    if job.ended() {
        return;
    }
    let pending = |partition: &PartitionId| job.status(*partition) == Some(Status::Pending);
    if !job.suspects.iter().all(pending) {
        broken.push("ONCE: a partition is suspected that is extracted, or that is none".to_owned());
    }
    let each = || (0..job.partitions.len() as u32).map(PartitionId);
    let with = |status| each().filter(|p| job.status(*p) >= Some(status)).count();
    if with(Status::Extracted) != job.counts.extracted as usize
        || with(Status::Projected) != job.counts.projected as usize
    {
        broken.push("ONCE: counts differ from the partitions".to_owned());
    }
    let rows: u64 =
        job.partitions.iter().map(|record| u64::from(record.good) + u64::from(record.bad)).sum();
    if Some(rows) != job.counts.good.checked_add(job.counts.bad) {
        broken.push("ONCE: rows differ from the partitions".to_owned());
    }
    let leased = job.granted.keys().map(|(task, _)| *task);
    for task in job.ready.iter().chain(leased) {
        let done = match task {
            Task::Extract(p) => job.status(p) != Some(Status::Pending),
            Task::Project(p) => job.status(p) != Some(Status::Extracted),
            Task::List => job.listing.is_some() || job.cut.is_some(),
            Task::ListRange(range) => !matches!(job.ranges.get(range.0 as usize), Some(None)),
            Task::Gather => job.inputs(task).is_none(),
            Task::Fit => job.fit.is_some(),
            Task::Publish | Task::Merge(_) | Task::Remake(_) | Task::Rebuild(_) => false,
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
    for (tree_node, held) in job.held.iter() {
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
        let expected = u32::from(record.features_attempt > 0);
        if told[partition] + uncovered != expected {
            broken.push(format!(
                "COVER: {id} is told of {} times, uncovered {uncovered} times",
                told[partition]
            ));
        }
    }
}

/// REBUILD: what is made again as one is held nowhere, and is no part of another such thing.
fn check_rebuilds(job: &Job, broken: &mut Vec<String>) {
    if !job.rebuilds.keys().all(|at| job.plan().contains(*at)) {
        broken.push("REBUILD: no place in the tree".to_owned());
        return;
    }
    let mut told = BTreeSet::new();
    for at in job.rebuilds.keys() {
        for partition in job.plan().leaves(*at).map(PartitionId) {
            if !job.uncovered.contains(&partition) || !told.insert(partition) {
                broken.push(format!("REBUILD: {partition} of {at} is held, or made twice"));
            }
        }
    }
}

/// FAULTS: what is known of stores is known of members, and waits for what is not done.
fn check_faults(state: &ClusterState, job: &Job, broken: &mut Vec<String>) {
    for (node, fault) in job.faults.nodes() {
        if !state.nodes.contains_key(&node) {
            broken.push(format!("FAULTS: something is known of {node}, which is no member"));
        }
        if fault.detail.len() > DETAIL_BYTES_MAX || fault.since_ms > state.now_ms {
            broken.push(format!("FAULTS: too much is known of {node}, or too early"));
        }
    }
}

/// REACH: ways lead from members to members, and are not too many.
fn check_reach(state: &ClusterState, broken: &mut Vec<String>) {
    if !state.reach.nodes().iter().all(|node| state.nodes.contains_key(node)) {
        broken.push("REACH: a way leads to a node that is no member".to_owned());
    }
    if state.reach.ways.len() > WAYS_MAX || state.reach.ways.keys().any(|(from, to)| from == to) {
        broken.push("REACH: too many ways, or one from a node to itself".to_owned());
    }
}

/// LIVE: a job that is not over has something ready or leased; whatever can be done is either.
fn check_progress(job: &Job, broken: &mut Vec<String>) {
    if job.ended() {
        return;
    }
    if job.ready.is_empty() && job.granted.is_empty() {
        broken.push(format!("LIVE: nothing is ready or leased in {:?}", job.phase));
    }
    let plan = job.plan();
    let each = || (0..job.partitions.len() as u32).map(PartitionId);
    let merges = job.held.keys().filter_map(|held| plan.parent(*held)).map(Task::Merge);
    let ranges = (0..job.ranges.len() as u32).map(RangeId);
    let due: BTreeSet<Task> = [Task::List, Task::Gather, Task::Fit, Task::Publish]
        .into_iter()
        .chain(ranges.map(Task::ListRange))
        .chain(each().map(Task::Extract))
        .chain(each().map(Task::Project))
        .chain(job.uncovered.iter().copied().map(Task::Remake))
        .chain(job.rebuilds.keys().copied().map(Task::Rebuild))
        .chain(merges)
        .filter(|task| job.is_due(*task) && !job.is_granted(*task))
        .collect();
    if let Some(task) = due.symmetric_difference(&job.ready.iter().collect()).next() {
        broken.push(format!("LIVE: {task} is due and not offered, or the other way round"));
    }
}
