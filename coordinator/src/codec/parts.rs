//! What commands, the messages of the mesh and snapshots have in common, in its protobuf form.
//!
//! Nothing here trusts what it reads: a number out of range or a digest of another length is an
//! error that names the field.

use fruitnode_proto::v1;

use crate::codec::error::CodecError;
use crate::ids::{Attempt, Digest, NodeId, PartitionId, RangeId};
use crate::max_bad::MaxBad;
use crate::retry::FailureReason;
use crate::spec::JobSpec;
use crate::story::{AttemptFacts, AttemptRecord};
use crate::task::{Cut, FitRecord, Holding, Listing, RangePart, Task, TaskResult, Winner};
use crate::tree::TreeNode;

/// The protobuf form of a specification.
pub fn spec_to_proto(spec: &JobSpec) -> v1::JobSpec {
    v1::JobSpec {
        from: spec.from.clone(),
        to: spec.to.clone(),
        rows_per_part: spec.rows_per_part,
        pca: spec.pca,
        compute_class: spec.compute_class.clone(),
        fit_class: spec.fit_class.clone(),
        options: spec.options.clone(),
        given_fit: spec.given_fit,
        max_bad: spec.max_bad.map(max_bad_to_proto),
    }
}

/// The specification in its protobuf form.
pub fn spec_from_proto(spec: v1::JobSpec) -> JobSpec {
    JobSpec {
        from: spec.from,
        to: spec.to,
        rows_per_part: spec.rows_per_part,
        pca: spec.pca,
        compute_class: spec.compute_class,
        fit_class: spec.fit_class,
        options: spec.options,
        given_fit: spec.given_fit,
        max_bad: spec.max_bad.and_then(max_bad_from_proto),
    }
}

fn max_bad_to_proto(limit: MaxBad) -> v1::MaxBad {
    use v1::max_bad::Limit;
    let limit = match limit {
        MaxBad::Photographs(most) => Limit::Photographs(most),
        MaxBad::Billionths(share) => Limit::Billionths(share),
    };
    v1::MaxBad { limit: Some(limit) }
}

fn max_bad_from_proto(limit: v1::MaxBad) -> Option<MaxBad> {
    use v1::max_bad::Limit;
    Some(match limit.limit? {
        Limit::Photographs(most) => MaxBad::Photographs(most),
        Limit::Billionths(share) => MaxBad::Billionths(share),
    })
}

/// The protobuf form of a task.
pub fn task_to_proto(task: Task) -> v1::Task {
    use v1::task::{Task as Wire, Unit};
    let task = match task {
        Task::List => Wire::List(Unit {}),
        Task::ListRange(range) => Wire::ListRange(range.0),
        Task::Gather => Wire::Gather(Unit {}),
        Task::Extract(p) => Wire::Extract(p.0),
        Task::Remake(p) => Wire::Remake(p.0),
        Task::Rebuild(node) => Wire::Rebuild(tree_node_to_proto(node)),
        Task::Merge(node) => Wire::Merge(tree_node_to_proto(node)),
        Task::Fit => Wire::Fit(Unit {}),
        Task::Project(p) => Wire::Project(p.0),
        Task::Publish => Wire::Publish(Unit {}),
    };
    v1::Task { task: Some(task) }
}

/// The task in its protobuf form.
pub fn task_from_proto(task: Option<v1::Task>) -> Result<Task, CodecError> {
    use v1::task::Task as Wire;
    Ok(match task.and_then(|task| task.task).ok_or(CodecError::Field("task"))? {
        Wire::List(_) => Task::List,
        Wire::ListRange(range) => Task::ListRange(RangeId(range)),
        Wire::Gather(_) => Task::Gather,
        Wire::Extract(p) => Task::Extract(PartitionId(p)),
        Wire::Remake(p) => Task::Remake(PartitionId(p)),
        Wire::Rebuild(node) => Task::Rebuild(tree_node_from_proto(Some(node))?),
        Wire::Merge(node) => Task::Merge(tree_node_from_proto(Some(node))?),
        Wire::Fit(_) => Task::Fit,
        Wire::Project(p) => Task::Project(PartitionId(p)),
        Wire::Publish(_) => Task::Publish,
    })
}

/// The protobuf form of a node of the reduction tree.
pub fn tree_node_to_proto(node: TreeNode) -> v1::TreeNode {
    use v1::tree_node::{Block, Node};
    let node = match node {
        TreeNode::Block { level, index } => Node::Block(Block { level: level.into(), index }),
        TreeNode::Fold { rank } => Node::Fold(rank),
    };
    v1::TreeNode { node: Some(node) }
}

/// The node of the reduction tree in its protobuf form.
pub fn tree_node_from_proto(node: Option<v1::TreeNode>) -> Result<TreeNode, CodecError> {
    use v1::tree_node::Node;
    match node.and_then(|node| node.node) {
        Some(Node::Block(block)) if block.level < 32 => {
            Ok(TreeNode::Block { level: block.level as u8, index: block.index })
        }
        Some(Node::Fold(rank)) if rank < 32 => Ok(TreeNode::Fold { rank }),
        _ => Err(CodecError::Field("tree_node")),
    }
}

/// The protobuf form of a result.
pub fn result_to_proto(result: &TaskResult) -> v1::TaskResult {
    use v1::task_result::{
        Cut, Extracted, Fitted, Held, Listed, Projected, Published, RangeListed, Result,
    };
    let result = match *result {
        TaskResult::Listed { keys, bytes: size, partitions, digest } => {
            Result::Listed(Listed { keys, bytes: size, partitions, digest: bytes(digest) })
        }
        TaskResult::Cut { ranges, keys, digest } => {
            Result::Cut(Cut { ranges, keys, digest: bytes(digest) })
        }
        TaskResult::RangeListed { keys, digest } => {
            Result::RangeListed(RangeListed { keys, digest: bytes(digest) })
        }
        TaskResult::Extracted { good, bad, features, quarantine, moments, gets, inferences } => {
            Result::Extracted(Extracted {
                good,
                bad,
                features: bytes(features),
                quarantine: optional_bytes(quarantine),
                moments: optional_bytes(moments),
                gets,
                inferences,
            })
        }
        TaskResult::Held { digest } => Result::Held(Held { digest: bytes(digest) }),
        TaskResult::Fitted { digest, components } => {
            Result::Fitted(Fitted { digest: bytes(digest), components })
        }
        TaskResult::Projected { rows, scores, csv } => {
            Result::Projected(Projected { rows, scores: bytes(scores), csv: bytes(csv) })
        }
        TaskResult::Published { digest } => Result::Published(Published { digest: bytes(digest) }),
    };
    v1::TaskResult { result: Some(result) }
}

/// The result in its protobuf form.
pub fn result_from_proto(result: Option<v1::TaskResult>) -> Result<TaskResult, CodecError> {
    use v1::task_result::Result as Wire;
    Ok(match result.and_then(|result| result.result).ok_or(CodecError::Field("result"))? {
        Wire::Listed(listed) => TaskResult::Listed {
            keys: listed.keys,
            bytes: listed.bytes,
            partitions: listed.partitions,
            digest: digest(&listed.digest)?,
        },
        Wire::Cut(cut) => {
            TaskResult::Cut { ranges: cut.ranges, keys: cut.keys, digest: digest(&cut.digest)? }
        }
        Wire::RangeListed(listed) => {
            TaskResult::RangeListed { keys: listed.keys, digest: digest(&listed.digest)? }
        }
        Wire::Extracted(extracted) => TaskResult::Extracted {
            good: extracted.good,
            bad: extracted.bad,
            features: digest(&extracted.features)?,
            quarantine: optional_digest(&extracted.quarantine)?,
            moments: optional_digest(&extracted.moments)?,
            gets: extracted.gets,
            inferences: extracted.inferences,
        },
        Wire::Held(held) => TaskResult::Held { digest: digest(&held.digest)? },
        Wire::Fitted(fitted) => {
            TaskResult::Fitted { digest: digest(&fitted.digest)?, components: fitted.components }
        }
        Wire::Projected(projected) => TaskResult::Projected {
            rows: projected.rows,
            scores: digest(&projected.scores)?,
            csv: digest(&projected.csv)?,
        },
        Wire::Published(published) => TaskResult::Published { digest: digest(&published.digest)? },
    })
}

/// The protobuf form of a holding.
pub(crate) fn holding_to_proto(holding: Holding) -> v1::Holding {
    v1::Holding { node: holding.node.0, digest: bytes(holding.digest) }
}

/// The holding in its protobuf form.
pub(crate) fn holding_from_proto(holding: Option<v1::Holding>) -> Result<Holding, CodecError> {
    let holding = holding.ok_or(CodecError::Field("holding"))?;
    Ok(Holding { node: NodeId(holding.node), digest: digest(&holding.digest)? })
}

/// The protobuf form of a cut.
pub(super) fn cut_to_proto(cut: Cut) -> v1::Cut {
    let Cut { attempt, ranges, keys, digest } = cut;
    v1::Cut { attempt: attempt.0, ranges, keys, digest: bytes(digest) }
}

/// The cut in its protobuf form.
pub(super) fn cut_from_proto(cut: Option<v1::Cut>) -> Result<Cut, CodecError> {
    let v1::Cut { attempt, ranges, keys, digest: sha256 } = cut.ok_or(CodecError::Field("cut"))?;
    Ok(Cut { attempt: Attempt(attempt), ranges, keys, digest: digest(&sha256)? })
}

/// The protobuf form of what won for a range, empty before it is listed.
pub(super) fn range_part_to_proto(part: Option<RangePart>) -> v1::RangePart {
    part.map_or_else(v1::RangePart::default, |RangePart { attempt, keys, digest }| v1::RangePart {
        attempt: attempt.0,
        keys,
        digest: bytes(digest),
    })
}

/// What won for a range in its protobuf form.
pub(super) fn range_part_from_proto(part: &v1::RangePart) -> Result<Option<RangePart>, CodecError> {
    match (part.attempt, part.keys, part.digest.is_empty()) {
        (0, 0, true) => Ok(None),
        (0, _, _) => Err(CodecError::Field("range")),
        (attempt, keys, _) => {
            let digest = digest(&part.digest)?;
            Ok(Some(RangePart { attempt: Attempt(attempt), keys, digest }))
        }
    }
}

/// The protobuf form of a listing.
pub(crate) fn listing_to_proto(listing: Listing) -> v1::Listing {
    v1::Listing {
        attempt: listing.attempt.0,
        keys: listing.keys,
        bytes: listing.bytes,
        partitions: listing.partitions,
        digest: bytes(listing.digest),
    }
}

/// The listing in its protobuf form.
pub(crate) fn listing_from_proto(listing: Option<v1::Listing>) -> Result<Listing, CodecError> {
    let listing = listing.ok_or(CodecError::Field("listing"))?;
    Ok(Listing {
        attempt: Attempt(listing.attempt),
        keys: listing.keys,
        bytes: listing.bytes,
        partitions: listing.partitions,
        digest: digest(&listing.digest)?,
    })
}

/// The protobuf form of a fit.
pub(crate) fn fit_to_proto(fit: FitRecord) -> v1::FitRecord {
    v1::FitRecord { attempt: fit.attempt.0, components: fit.components, digest: bytes(fit.digest) }
}

/// The fit in its protobuf form.
pub(crate) fn fit_from_proto(fit: Option<v1::FitRecord>) -> Result<FitRecord, CodecError> {
    let fit = fit.ok_or(CodecError::Field("fit"))?;
    Ok(FitRecord {
        attempt: Attempt(fit.attempt),
        components: fit.components,
        digest: digest(&fit.digest)?,
    })
}

/// The protobuf form of a winner: digests that are not there are empty.
pub(crate) fn winner_to_proto(winner: &Winner) -> v1::Winner {
    let (scores_attempt, scores, csv) = match winner.scores {
        Some((attempt, scores, csv)) => (attempt.0, bytes(scores), bytes(csv)),
        None => (0, Vec::new(), Vec::new()),
    };
    v1::Winner {
        partition: winner.partition.0,
        features_attempt: winner.features_attempt.0,
        features: bytes(winner.features),
        good: winner.good,
        bad: winner.bad,
        quarantine: optional_bytes(winner.quarantine),
        scores_attempt,
        scores,
        csv,
    }
}

/// The winner in its protobuf form.
pub(crate) fn winner_from_proto(winner: &v1::Winner) -> Result<Winner, CodecError> {
    let scores = match (winner.scores_attempt, winner.scores.len() + winner.csv.len()) {
        (0, 0) => None,
        (0, _) => return Err(CodecError::Field("scores_attempt")),
        (attempt, _) => Some((Attempt(attempt), digest(&winner.scores)?, digest(&winner.csv)?)),
    };
    Ok(Winner {
        partition: PartitionId(winner.partition),
        features_attempt: Attempt(winner.features_attempt),
        features: digest(&winner.features)?,
        good: winner.good,
        bad: winner.bad,
        quarantine: optional_digest(&winner.quarantine)?,
        scores,
    })
}

/// The protobuf form of facts; nothing of an attempt that said nothing.
pub fn facts_to_proto(facts: AttemptFacts) -> Option<v1::AttemptFacts> {
    let AttemptFacts { began_ms, took_ms, bytes, fetch_ms, compute_ms, write_ms, unreached } =
        facts;
    let said = facts != AttemptFacts::default();
    let unreached = unreached.map_or(0, |node| node.0);
    said.then_some(v1::AttemptFacts {
        began_ms,
        took_ms,
        bytes,
        fetch_ms,
        compute_ms,
        write_ms,
        unreached,
    })
}

/// The facts in their protobuf form; zeros where there are none.
pub fn facts_from_proto(facts: Option<v1::AttemptFacts>) -> AttemptFacts {
    facts.map_or_else(AttemptFacts::default, |facts| AttemptFacts {
        began_ms: facts.began_ms,
        took_ms: facts.took_ms,
        bytes: facts.bytes,
        fetch_ms: facts.fetch_ms,
        compute_ms: facts.compute_ms,
        write_ms: facts.write_ms,
        unreached: (facts.unreached > 0).then_some(NodeId(facts.unreached)),
    })
}

/// The protobuf form of an attempt that ended.
pub fn record_to_proto(record: &AttemptRecord) -> v1::AttemptStory {
    v1::AttemptStory {
        task: Some(task_to_proto(record.task)),
        attempt: record.attempt.0,
        node: record.node.0,
        reason: record.reason.map_or(0, reason_to_proto),
        facts: facts_to_proto(record.facts),
    }
}

/// The attempt that ended in its protobuf form.
pub(crate) fn record_from_proto(record: v1::AttemptStory) -> Result<AttemptRecord, CodecError> {
    let reason = match record.reason {
        0 => None,
        code => Some(reason_from_proto(code)?),
    };
    Ok(AttemptRecord {
        task: task_from_proto(record.task)?,
        attempt: Attempt(record.attempt),
        node: NodeId(record.node),
        reason,
        facts: facts_from_proto(record.facts),
    })
}

pub(super) fn bytes(digest: Digest) -> Vec<u8> {
    digest.0.to_vec()
}

pub(super) fn digest(bytes: &[u8]) -> Result<Digest, CodecError> {
    bytes.try_into().map(Digest).map_err(|_| CodecError::Field("digest"))
}

pub(super) fn optional_bytes(digest: Option<Digest>) -> Vec<u8> {
    digest.map(bytes).unwrap_or_default()
}

pub(super) fn optional_digest(bytes: &[u8]) -> Result<Option<Digest>, CodecError> {
    if bytes.is_empty() { Ok(None) } else { digest(bytes).map(Some) }
}

/// The wire code of a reason is its place in [`FailureReason::ALL`], from 1: reasons are only ever
/// appended there, as in the protobuf file.
pub fn reason_to_proto(reason: FailureReason) -> i32 {
    FailureReason::ALL.iter().position(|known| *known == reason).map_or(0, |at| at as i32 + 1)
}

/// The reason with this wire code.
pub fn reason_from_proto(code: i32) -> Result<FailureReason, CodecError> {
    let at = usize::try_from(i64::from(code) - 1).map_err(|_| CodecError::Field("reason"))?;
    FailureReason::ALL.get(at).copied().ok_or(CodecError::Field("reason"))
}
