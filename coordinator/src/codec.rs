//! Commands as the bytes of a log entry, and back. Protobuf with a version: releases N and N+1
//! read each other's entries.

use fruitnode_proto::v1;
use prost::Message;
use thiserror::Error;

use crate::command::Command;
use crate::ids::{Attempt, Digest, JobId, NodeId, PartitionId};
use crate::job::JobSpec;
use crate::retry::FailureReason;
use crate::task::{Task, TaskResult};
use crate::tree::TreeNode;

/// Newest version that this release reads and writes. An entry carries the oldest version that can
/// carry it out: 1, or 2 for a job with a given fit.
pub const FORMAT_VERSION: u32 = 2;

/// Why bytes are no command.
#[derive(Debug, Error)]
pub enum CodecError {
    /// Not protobuf, or not of this message.
    #[error("log entry is not a command: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// Written by a release that does more than this one can.
    #[error("log entry has format version {0}, newer than {FORMAT_VERSION}: upgrade this node")]
    TooNew(u32),
    /// A field that no release leaves out is missing or out of range.
    #[error("log entry lacks a usable `{0}`")]
    Field(&'static str),
}

/// Bytes of a log entry.
pub fn encode(command: &Command) -> Vec<u8> {
    let format_version = version(command);
    v1::Command { format_version, command: Some(to_proto(command)), now_ms: 0 }.encode_to_vec()
}

/// The first version whose releases carry this command out correctly. One of version 1 would fit a
/// model of its own where one was given.
fn version(command: &Command) -> u32 {
    match command {
        Command::SubmitJob { spec, .. } if spec.given_fit => 2,
        _ => 1,
    }
}

/// The command in a log entry.
pub fn decode(bytes: &[u8]) -> Result<Command, CodecError> {
    let entry = v1::Command::decode(bytes)?;
    if entry.format_version > FORMAT_VERSION {
        return Err(CodecError::TooNew(entry.format_version));
    }
    from_proto(entry.command.ok_or(CodecError::Field("command"))?)
}

fn to_proto(command: &Command) -> v1::command::Command {
    use v1::command::Command as Wire;
    match command {
        Command::AddNode { node, slots, compute_class, fit_class } => {
            Wire::AddNode(v1::command::AddNode {
                node: node.0,
                slots: *slots,
                compute_class: compute_class.clone(),
                fit_class: fit_class.clone(),
                ..v1::command::AddNode::default()
            })
        }
        Command::LoseNode { node } => {
            Wire::LoseNode(v1::command::LoseNode { node: node.0, incarnation: 0 })
        }
        Command::SubmitJob { job, spec } => Wire::SubmitJob(v1::command::SubmitJob {
            job: job.0.clone(),
            spec: Some(spec_to_proto(spec)),
        }),
        Command::CancelJob { job } => {
            Wire::CancelJob(v1::command::CancelJob { job: job.0.clone() })
        }
        Command::Grant { job, task, attempt, node } => Wire::Grant(v1::command::Grant {
            job: job.0.clone(),
            task: Some(task_to_proto(*task)),
            attempt: attempt.0,
            node: node.0,
        }),
        Command::Accept { job, task, attempt, result } => Wire::Accept(v1::command::Accept {
            job: job.0.clone(),
            task: Some(task_to_proto(*task)),
            attempt: attempt.0,
            result: Some(result_to_proto(result)),
            facts: None,
        }),
        Command::Fail { job, task, attempt, reason, detail } => Wire::Fail(v1::command::Fail {
            job: job.0.clone(),
            task: Some(task_to_proto(*task)),
            attempt: attempt.0,
            reason: reason_to_proto(*reason),
            detail: detail.clone(),
            facts: None,
        }),
        Command::DropMoments { job, tree_node, node } => {
            Wire::DropMoments(v1::command::DropMoments {
                job: job.0.clone(),
                tree_node: Some(tree_node_to_proto(*tree_node)),
                node: node.0,
            })
        }
    }
}

fn from_proto(command: v1::command::Command) -> Result<Command, CodecError> {
    use v1::command::Command as Wire;
    Ok(match command {
        Wire::AddNode(add) => Command::AddNode {
            node: NodeId(add.node),
            slots: add.slots,
            compute_class: add.compute_class,
            fit_class: add.fit_class,
        },
        Wire::LoseNode(lose) => Command::LoseNode { node: NodeId(lose.node) },
        Wire::SubmitJob(submit) => Command::SubmitJob {
            job: JobId(submit.job),
            spec: spec_from_proto(submit.spec.ok_or(CodecError::Field("spec"))?),
        },
        Wire::CancelJob(cancel) => Command::CancelJob { job: JobId(cancel.job) },
        Wire::Grant(grant) => Command::Grant {
            job: JobId(grant.job),
            task: task_from_proto(grant.task)?,
            attempt: Attempt(grant.attempt),
            node: NodeId(grant.node),
        },
        Wire::Accept(accept) => Command::Accept {
            job: JobId(accept.job),
            task: task_from_proto(accept.task)?,
            attempt: Attempt(accept.attempt),
            result: result_from_proto(accept.result)?,
        },
        Wire::Fail(fail) => Command::Fail {
            job: JobId(fail.job),
            task: task_from_proto(fail.task)?,
            attempt: Attempt(fail.attempt),
            reason: reason_from_proto(fail.reason)?,
            detail: fail.detail,
        },
        Wire::DropMoments(drop) => Command::DropMoments {
            job: JobId(drop.job),
            tree_node: tree_node_from_proto(drop.tree_node)?,
            node: NodeId(drop.node),
        },
        Wire::FoundCluster(_)
        | Wire::CreateToken(_)
        | Wire::RevokeToken(_)
        | Wire::Enroll(_)
        | Wire::RegisterClient(_)
        | Wire::RevokeClient(_)
        | Wire::DrainNode(_)
        | Wire::RemoveNode(_) => return Err(CodecError::Field("command")),
    })
}

fn spec_to_proto(spec: &JobSpec) -> v1::JobSpec {
    v1::JobSpec {
        from: spec.from.clone(),
        to: spec.to.clone(),
        rows_per_part: spec.rows_per_part,
        pca: spec.pca,
        compute_class: spec.compute_class.clone(),
        fit_class: spec.fit_class.clone(),
        options: spec.options.clone(),
        given_fit: spec.given_fit,
    }
}

fn spec_from_proto(spec: v1::JobSpec) -> JobSpec {
    JobSpec {
        from: spec.from,
        to: spec.to,
        rows_per_part: spec.rows_per_part,
        pca: spec.pca,
        compute_class: spec.compute_class,
        fit_class: spec.fit_class,
        options: spec.options,
        given_fit: spec.given_fit,
    }
}

fn task_to_proto(task: Task) -> v1::Task {
    use v1::task::{Task as Wire, Unit};
    let task = match task {
        Task::List => Wire::List(Unit {}),
        Task::Extract(p) => Wire::Extract(p.0),
        Task::Remake(p) => Wire::Remake(p.0),
        Task::Merge(node) => Wire::Merge(tree_node_to_proto(node)),
        Task::Fit => Wire::Fit(Unit {}),
        Task::Project(p) => Wire::Project(p.0),
        Task::Publish => Wire::Publish(Unit {}),
    };
    v1::Task { task: Some(task) }
}

fn task_from_proto(task: Option<v1::Task>) -> Result<Task, CodecError> {
    use v1::task::Task as Wire;
    Ok(match task.and_then(|task| task.task).ok_or(CodecError::Field("task"))? {
        Wire::List(_) => Task::List,
        Wire::Extract(p) => Task::Extract(PartitionId(p)),
        Wire::Remake(p) => Task::Remake(PartitionId(p)),
        Wire::Merge(node) => Task::Merge(tree_node_from_proto(Some(node))?),
        Wire::Fit(_) => Task::Fit,
        Wire::Project(p) => Task::Project(PartitionId(p)),
        Wire::Publish(_) => Task::Publish,
    })
}

fn tree_node_to_proto(node: TreeNode) -> v1::TreeNode {
    use v1::tree_node::{Block, Node};
    let node = match node {
        TreeNode::Block { level, index } => Node::Block(Block { level: level.into(), index }),
        TreeNode::Fold { rank } => Node::Fold(rank),
    };
    v1::TreeNode { node: Some(node) }
}

fn tree_node_from_proto(node: Option<v1::TreeNode>) -> Result<TreeNode, CodecError> {
    use v1::tree_node::Node;
    match node.and_then(|node| node.node) {
        Some(Node::Block(block)) if block.level < 32 => {
            Ok(TreeNode::Block { level: block.level as u8, index: block.index })
        }
        Some(Node::Fold(rank)) if rank < 32 => Ok(TreeNode::Fold { rank }),
        _ => Err(CodecError::Field("tree_node")),
    }
}

fn result_to_proto(result: &TaskResult) -> v1::TaskResult {
    use v1::task_result::{Extracted, Fitted, Held, Listed, Projected, Published, Result};
    let optional = |digest: Option<Digest>| digest.map(bytes).unwrap_or_default();
    let result = match *result {
        TaskResult::Listed { keys, bytes: size, partitions, digest } => {
            Result::Listed(Listed { keys, bytes: size, partitions, digest: bytes(digest) })
        }
        TaskResult::Extracted { good, bad, features, quarantine, moments, gets, inferences } => {
            Result::Extracted(Extracted {
                good,
                bad,
                features: bytes(features),
                quarantine: optional(quarantine),
                moments: optional(moments),
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

fn result_from_proto(result: Option<v1::TaskResult>) -> Result<TaskResult, CodecError> {
    use v1::task_result::Result as Wire;
    Ok(match result.and_then(|result| result.result).ok_or(CodecError::Field("result"))? {
        Wire::Listed(listed) => TaskResult::Listed {
            keys: listed.keys,
            bytes: listed.bytes,
            partitions: listed.partitions,
            digest: digest(&listed.digest)?,
        },
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

fn bytes(digest: Digest) -> Vec<u8> {
    digest.0.to_vec()
}

fn digest(bytes: &[u8]) -> Result<Digest, CodecError> {
    bytes.try_into().map(Digest).map_err(|_| CodecError::Field("digest"))
}

fn optional_digest(bytes: &[u8]) -> Result<Option<Digest>, CodecError> {
    if bytes.is_empty() { Ok(None) } else { digest(bytes).map(Some) }
}

/// The wire code of a reason is its place in [`FailureReason::ALL`], from 1: reasons are only ever
/// appended there, as in the protobuf file.
fn reason_to_proto(reason: FailureReason) -> i32 {
    FailureReason::ALL.iter().position(|known| *known == reason).map_or(0, |at| at as i32 + 1)
}

fn reason_from_proto(code: i32) -> Result<FailureReason, CodecError> {
    let at = usize::try_from(code - 1).map_err(|_| CodecError::Field("reason"))?;
    FailureReason::ALL.get(at).copied().ok_or(CodecError::Field("reason"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_the_wire_code_of_its_protobuf_name() {
        for reason in FailureReason::ALL {
            let wire = v1::FailureReason::try_from(reason_to_proto(reason)).expect("a known code");
            let name = wire.as_str_name().trim_start_matches("FAILURE_REASON_").to_lowercase();
            assert_eq!(name, reason.code());
            assert_eq!(reason_from_proto(wire as i32).expect("round trip"), reason);
        }
        assert!(reason_from_proto(0).is_err());
        assert!(reason_from_proto(99).is_err());
    }

    #[test]
    fn an_entry_of_a_newer_format_is_refused_in_words() {
        let mut entry = v1::Command::decode(&*encode(&Command::LoseNode { node: NodeId(1) }))
            .expect("our own bytes");
        entry.format_version = FORMAT_VERSION + 1;
        let error = decode(&entry.encode_to_vec()).expect_err("too new");
        assert!(error.to_string().contains("upgrade this node"), "{error}");
    }

    #[test]
    fn only_a_job_with_a_given_fit_asks_for_a_newer_release() {
        let submit = |given_fit| Command::SubmitJob {
            job: JobId("j".into()),
            spec: JobSpec {
                from: "in".into(),
                to: "out".into(),
                rows_per_part: 4,
                pca: true,
                given_fit,
                compute_class: "cpu".into(),
                fit_class: "f".into(),
                options: b"{}".to_vec(),
            },
        };
        for (given_fit, version) in [(false, 1), (true, 2)] {
            let bytes = encode(&submit(given_fit));
            let entry = v1::Command::decode(&*bytes).expect("our own bytes");
            assert_eq!(entry.format_version, version);
            assert_eq!(decode(&bytes).expect("our own bytes"), submit(given_fit));
        }
    }

    #[test]
    fn cut_bytes_never_panic() {
        let command = Command::Fail {
            job: JobId("j".into()),
            task: Task::Merge(TreeNode::Fold { rank: 3 }),
            attempt: Attempt(9),
            reason: FailureReason::Panic,
            detail: "why".into(),
        };
        let whole = encode(&command);
        assert_eq!(decode(&whole).expect("whole"), command);
        for end in 0..whole.len() {
            let _ = decode(&whole[..end]);
        }
    }
}
