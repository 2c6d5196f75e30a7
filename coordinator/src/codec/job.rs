//! A job as snapshots hold it.

use fruitnode_proto::v1;
use fruitnode_proto::v1::cluster_snapshot::{
    CountsRecord, FailureRecord, GrantRecord, HoldingRecord, JobRecord, LastRecord, OutcomeRecord,
    RebuildRecord,
};

use crate::codec::error::CodecError;
use crate::codec::faults;
use crate::codec::parts::{
    bytes, cut_from_proto, cut_to_proto, digest, fit_from_proto, fit_to_proto, holding_from_proto,
    holding_to_proto, listing_from_proto, listing_to_proto, range_part_from_proto,
    range_part_to_proto, reason_from_proto, reason_to_proto, record_from_proto, record_to_proto,
    spec_from_proto, spec_to_proto, task_from_proto, task_to_proto, tree_node_from_proto,
    tree_node_to_proto, winner_from_proto, winner_to_proto,
};
use crate::ids::{Attempt, JobId, NodeId, PartitionId};
use crate::job::{Counts, Job, PartitionRecord, ScoresRecord};
use crate::phase::{Outcome, Phase};
use crate::task::Task;
use crate::tree::TreeNode;

/// The protobuf form of a job.
pub(super) fn to_proto(job: &Job) -> JobRecord {
    let partitions = (0..job.partitions.len() as u32).map(PartitionId);
    JobRecord {
        job: job.id.0.clone(),
        spec: Some(spec_to_proto(&job.spec)),
        phase: phase_to_proto(&job.phase),
        outcome: outcome_to_proto(&job.phase),
        counts: Some(counts_to_proto(&job.counts)),
        listing: job.listing.map(listing_to_proto),
        fit: job.fit.map(fit_to_proto),
        next_attempt: job.next_attempt.0,
        ready: job.ready.iter().map(task_to_proto).collect(),
        granted: job.granted().map(grant_to_proto).collect(),
        failures: job.failures.iter().map(failure_to_proto).collect(),
        partitions: partitions.map(|partition| partition_to_proto(job, partition)).collect(),
        held: job
            .held()
            .map(|(tree_node, holding)| HoldingRecord {
                tree_node: Some(tree_node_to_proto(tree_node)),
                holding: Some(holding_to_proto(holding)),
            })
            .collect(),
        uncovered: job.uncovered.iter().map(|partition| partition.0).collect(),
        suspects: job.suspects.iter().map(|partition| partition.0).collect(),
        last: job
            .last
            .iter()
            .map(|(node, partition)| LastRecord { node: node.0, partition: partition.0 })
            .collect(),
        story: job.story().map(|record| record_to_proto(&record)).collect(),
        submitted_ms: job.submitted_ms,
        ended_ms: job.ended_ms,
        cut: job.cut.map(cut_to_proto),
        ranges: job.ranges.iter().copied().map(range_part_to_proto).collect(),
        turns: job.turns.iter().map(failure_to_proto).collect(),
        rebuilds: job.rebuilds.iter().map(rebuild_to_proto).collect(),
        rebuilt: job.rebuilt,
        node_faults: job.faults.nodes().map(faults::node_to_proto).collect(),
        waits: job.faults.waits.iter().map(faults::wait_to_proto).collect(),
    }
}

/// The job in its protobuf form. That its parts agree is for the invariants to say.
pub(super) fn from_proto(record: JobRecord) -> Result<Job, CodecError> {
    let spec = spec_from_proto(record.spec.ok_or(CodecError::Field("spec"))?);
    let mut job = Job::new(JobId(record.job), spec, record.submitted_ms);
    job.phase = phase_from_proto(record.phase, record.outcome)?;
    job.counts = counts_from_proto(record.counts.ok_or(CodecError::Field("counts"))?);
    job.listing = record.listing.map(|listing| listing_from_proto(Some(listing))).transpose()?;
    job.cut = record.cut.map(|cut| cut_from_proto(Some(cut))).transpose()?;
    job.ranges = record.ranges.iter().map(range_part_from_proto).collect::<Result<_, _>>()?;
    job.fit = record.fit.map(|fit| fit_from_proto(Some(fit))).transpose()?;
    job.next_attempt = match record.next_attempt {
        0 => return Err(CodecError::Field("next_attempt")),
        next => Attempt(next),
    };
    let tasks = |tasks: Vec<v1::Task>| tasks.into_iter().map(|task| task_from_proto(Some(task)));
    job.ready = tasks(record.ready).collect::<Result<_, _>>()?;
    let granted = record.granted.into_iter().map(grant_from_proto);
    job.granted = granted.collect::<Result<_, _>>()?;
    let failures = record.failures.into_iter().map(failure_from_proto);
    job.failures = failures.collect::<Result<_, _>>()?;
    job.partitions.reserve_exact(record.partitions.len());
    job.projected.reserve_exact(job.fit.map_or(0, |_| record.partitions.len()));
    for (position, winner) in record.partitions.into_iter().enumerate() {
        take_partition(&mut job, position, &winner)?;
    }
    let held = record.held.into_iter().map(|held| {
        Ok::<_, CodecError>((
            tree_node_from_proto(held.tree_node)?,
            holding_from_proto(held.holding)?,
        ))
    });
    job.held = held.collect::<Result<_, _>>()?;
    job.uncovered = record.uncovered.into_iter().map(PartitionId).collect();
    job.suspects = record.suspects.into_iter().map(PartitionId).collect();
    let last = record.last.into_iter();
    job.last = last.map(|last| (NodeId(last.node), PartitionId(last.partition))).collect();
    job.story = record.story.into_iter().map(record_from_proto).collect::<Result<_, _>>()?;
    job.ended_ms = record.ended_ms;
    job.recall_spared();
    let turns = record.turns.into_iter().map(failure_from_proto);
    job.turns = turns.collect::<Result<_, _>>()?;
    let rebuilds = record.rebuilds.into_iter().map(rebuild_from_proto);
    job.rebuilds = rebuilds.collect::<Result<_, _>>()?;
    job.rebuilt = record.rebuilt;
    job.faults = faults::from_proto(record.node_faults, record.waits)?;
    Ok(job)
}

fn rebuild_to_proto((tree_node, on): (&TreeNode, &Option<NodeId>)) -> RebuildRecord {
    let tree_node = Some(tree_node_to_proto(*tree_node));
    RebuildRecord { tree_node, node: on.map_or(0, |node| node.0) }
}

fn rebuild_from_proto(record: RebuildRecord) -> Result<(TreeNode, Option<NodeId>), CodecError> {
    let on = (record.node > 0).then_some(NodeId(record.node));
    Ok((tree_node_from_proto(record.tree_node)?, on))
}

fn phase_to_proto(phase: &Phase) -> u32 {
    match phase {
        Phase::Listing => 1,
        Phase::Extracting => 2,
        Phase::Reducing => 3,
        Phase::Fitting => 4,
        Phase::Projecting => 5,
        Phase::Publishing => 6,
        Phase::Ended(_) => 7,
    }
}

fn phase_from_proto(phase: u32, outcome: Option<OutcomeRecord>) -> Result<Phase, CodecError> {
    Ok(match phase {
        1 => Phase::Listing,
        2 => Phase::Extracting,
        3 => Phase::Reducing,
        4 => Phase::Fitting,
        5 => Phase::Projecting,
        6 => Phase::Publishing,
        7 => Phase::Ended(outcome_from_proto(outcome.ok_or(CodecError::Field("outcome"))?)?),
        _ => return Err(CodecError::Field("phase")),
    })
}

fn outcome_to_proto(phase: &Phase) -> Option<OutcomeRecord> {
    let Phase::Ended(outcome) = phase else {
        return None;
    };
    Some(match outcome {
        Outcome::Succeeded { digest } => {
            OutcomeRecord { succeeded: bytes(*digest), ..OutcomeRecord::default() }
        }
        Outcome::Failed { task, reason, detail } => OutcomeRecord {
            failed_task: Some(task_to_proto(*task)),
            reason: reason_to_proto(*reason),
            detail: detail.clone(),
            ..OutcomeRecord::default()
        },
        Outcome::Cancelled => OutcomeRecord { cancelled: true, ..OutcomeRecord::default() },
    })
}

fn outcome_from_proto(record: OutcomeRecord) -> Result<Outcome, CodecError> {
    Ok(match (record.cancelled, record.failed_task) {
        (true, _) => Outcome::Cancelled,
        (false, Some(task)) => Outcome::Failed {
            task: task_from_proto(Some(task))?,
            reason: reason_from_proto(record.reason)?,
            detail: record.detail,
        },
        (false, None) => Outcome::Succeeded { digest: digest(&record.succeeded)? },
    })
}

fn counts_to_proto(counts: &Counts) -> CountsRecord {
    CountsRecord {
        extracted: counts.extracted,
        projected: counts.projected,
        good: counts.good,
        bad: counts.bad,
        gets: counts.gets,
        inferences: counts.inferences,
        merges: counts.merges,
        failed_attempts: counts.failed_attempts,
        remade: counts.remade,
    }
}

fn counts_from_proto(record: CountsRecord) -> Counts {
    Counts {
        extracted: record.extracted,
        projected: record.projected,
        good: record.good,
        bad: record.bad,
        gets: record.gets,
        inferences: record.inferences,
        merges: record.merges,
        failed_attempts: record.failed_attempts,
        remade: record.remade,
    }
}

fn grant_to_proto((task, attempt, node): (Task, Attempt, NodeId)) -> GrantRecord {
    GrantRecord { task: Some(task_to_proto(task)), attempt: attempt.0, node: node.0 }
}

fn grant_from_proto(record: GrantRecord) -> Result<((Task, Attempt), NodeId), CodecError> {
    Ok(((task_from_proto(record.task)?, Attempt(record.attempt)), NodeId(record.node)))
}

fn failure_to_proto((task, counted): (&Task, &u8)) -> FailureRecord {
    FailureRecord { task: Some(task_to_proto(*task)), counted: u32::from(*counted) }
}

fn failure_from_proto(record: FailureRecord) -> Result<(Task, u8), CodecError> {
    let counted = u8::try_from(record.counted).map_err(|_| CodecError::Field("counted"))?;
    Ok((task_from_proto(record.task)?, counted))
}

/// One message for each partition, an empty one before its features are accepted.
fn partition_to_proto(job: &Job, partition: PartitionId) -> v1::Winner {
    let pending = || v1::Winner { partition: partition.0, ..v1::Winner::default() };
    job.winner(partition).map_or_else(pending, |winner| winner_to_proto(&winner))
}

fn take_partition(job: &mut Job, position: usize, record: &v1::Winner) -> Result<(), CodecError> {
    if record.partition as usize != position {
        return Err(CodecError::Field("partition"));
    }
    let is_fitted = job.fit.is_some();
    if record.features_attempt == 0 {
        job.partitions.push(PartitionRecord::default());
        job.projected.extend(is_fitted.then(ScoresRecord::default));
        return Ok(());
    }
    let winner = winner_from_proto(record)?;
    let taken = PartitionRecord {
        features: winner.features,
        features_attempt: winner.features_attempt.0,
        good: winner.good,
        bad: winner.bad,
    };
    let scores = winner.scores.map(|(attempt, scores, csv)| {
        let scores_attempt = attempt.0;
        ScoresRecord { scores, csv, scores_attempt }
    });
    if scores.is_some() && !is_fitted {
        return Err(CodecError::Field("scores_attempt"));
    }
    job.quarantine.extend(winner.quarantine.map(|digest| (winner.partition, digest)));
    job.partitions.push(taken);
    job.projected.extend(is_fitted.then(|| scores.unwrap_or_default()));
    Ok(())
}
