//! Commands and their protobuf form.

use fruitnode_proto::v1;
use fruitnode_proto::v1::command::Command as Wire;

use crate::codec::error::CodecError;
use crate::codec::parts::{
    bytes, digest, facts_from_proto, facts_to_proto, reason_from_proto, reason_to_proto,
    result_from_proto, result_to_proto, spec_from_proto, spec_to_proto, task_from_proto,
    task_to_proto, tree_node_from_proto, tree_node_to_proto,
};
use crate::command::Command;
use crate::ids::{Attempt, JobId, NodeId};

/// The protobuf form of a command.
pub(super) fn to_proto(command: &Command) -> Wire {
    match command {
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
        Command::Accept { job, task, attempt, result, facts } => {
            Wire::Accept(v1::command::Accept {
                job: job.0.clone(),
                task: Some(task_to_proto(*task)),
                attempt: attempt.0,
                result: Some(result_to_proto(result)),
                facts: facts_to_proto(*facts),
            })
        }
        Command::Fail { job, task, attempt, reason, detail, facts } => {
            Wire::Fail(v1::command::Fail {
                job: job.0.clone(),
                task: Some(task_to_proto(*task)),
                attempt: attempt.0,
                reason: reason_to_proto(*reason),
                detail: detail.clone(),
                facts: facts_to_proto(*facts),
            })
        }
        Command::DropMoments { job, tree_node, node } => {
            Wire::DropMoments(v1::command::DropMoments {
                job: job.0.clone(),
                tree_node: Some(tree_node_to_proto(*tree_node)),
                node: node.0,
            })
        }
        association => association_to_proto(association),
    }
}

/// Commands about who belongs to the cluster.
fn association_to_proto(command: &Command) -> Wire {
    match command.clone() {
        Command::AddNode {
            node,
            incarnation,
            starts,
            address,
            release,
            slots,
            compute_class,
            fit_class,
        } => Wire::AddNode(v1::command::AddNode {
            node: node.0,
            slots,
            compute_class,
            fit_class,
            incarnation,
            address,
            release,
            starts,
        }),
        Command::LoseNode { node, incarnation } => {
            Wire::LoseNode(v1::command::LoseNode { node: node.0, incarnation })
        }
        Command::FoundCluster {
            cluster,
            name,
            voters_wanted,
            address,
            storage,
            key,
            certificate_life_ms,
        } => Wire::FoundCluster(v1::command::FoundCluster {
            cluster,
            name,
            voters_wanted,
            address,
            storage,
            key: bytes(key),
            certificate_life_ms,
        }),
        Command::CreateToken { id, hash, uses, expires_ms } => {
            let hash = bytes(hash);
            Wire::CreateToken(v1::command::CreateToken { id, hash, uses, expires_ms })
        }
        Command::RevokeToken { id } => Wire::RevokeToken(v1::command::RevokeToken { id }),
        Command::Enroll { token, key, address, storage } => {
            let key = bytes(key);
            Wire::Enroll(v1::command::Enroll { token, key, address, storage })
        }
        Command::RegisterClient { name, serial, expires_ms } => {
            Wire::RegisterClient(v1::command::RegisterClient { name, serial, expires_ms })
        }
        Command::RevokeClient { name } => Wire::RevokeClient(v1::command::RevokeClient { name }),
        Command::DrainNode { node, undo, leaving } => {
            Wire::DrainNode(v1::command::DrainNode { node: node.0, undo, leaving })
        }
        Command::RemoveNode { node } => Wire::RemoveNode(v1::command::RemoveNode { node: node.0 }),
        Command::SubmitJob { .. }
        | Command::CancelJob { .. }
        | Command::Grant { .. }
        | Command::Accept { .. }
        | Command::Fail { .. }
        | Command::DropMoments { .. } => to_proto(command),
    }
}

/// The command in its protobuf form.
pub(super) fn from_proto(command: Wire) -> Result<Command, CodecError> {
    Ok(match command {
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
            facts: facts_from_proto(accept.facts),
        },
        Wire::Fail(fail) => Command::Fail {
            job: JobId(fail.job),
            task: task_from_proto(fail.task)?,
            attempt: Attempt(fail.attempt),
            reason: reason_from_proto(fail.reason)?,
            detail: fail.detail,
            facts: facts_from_proto(fail.facts),
        },
        Wire::DropMoments(drop) => Command::DropMoments {
            job: JobId(drop.job),
            tree_node: tree_node_from_proto(drop.tree_node)?,
            node: NodeId(drop.node),
        },
        association => association_from_proto(association)?,
    })
}

fn association_from_proto(command: Wire) -> Result<Command, CodecError> {
    Ok(match command {
        Wire::AddNode(add) => Command::AddNode {
            node: NodeId(add.node),
            incarnation: add.incarnation,
            starts: add.starts,
            address: add.address,
            release: add.release,
            slots: add.slots,
            compute_class: add.compute_class,
            fit_class: add.fit_class,
        },
        Wire::LoseNode(lose) => {
            Command::LoseNode { node: NodeId(lose.node), incarnation: lose.incarnation }
        }
        Wire::FoundCluster(found) => Command::FoundCluster {
            cluster: found.cluster,
            name: found.name,
            voters_wanted: found.voters_wanted,
            address: found.address,
            storage: found.storage,
            key: digest(&found.key)?,
            certificate_life_ms: found.certificate_life_ms,
        },
        Wire::CreateToken(token) => Command::CreateToken {
            id: token.id,
            hash: digest(&token.hash)?,
            uses: token.uses,
            expires_ms: token.expires_ms,
        },
        Wire::RevokeToken(revoke) => Command::RevokeToken { id: revoke.id },
        Wire::Enroll(enroll) => Command::Enroll {
            token: enroll.token,
            key: digest(&enroll.key)?,
            address: enroll.address,
            storage: enroll.storage,
        },
        Wire::RegisterClient(client) => Command::RegisterClient {
            name: client.name,
            serial: client.serial,
            expires_ms: client.expires_ms,
        },
        Wire::RevokeClient(revoke) => Command::RevokeClient { name: revoke.name },
        Wire::DrainNode(drain) => {
            let v1::command::DrainNode { node, undo, leaving } = drain;
            Command::DrainNode { node: NodeId(node), undo, leaving }
        }
        Wire::RemoveNode(remove) => Command::RemoveNode { node: NodeId(remove.node) },
        Wire::SubmitJob(_)
        | Wire::CancelJob(_)
        | Wire::Grant(_)
        | Wire::Accept(_)
        | Wire::Fail(_)
        | Wire::DropMoments(_) => return from_proto(command),
    })
}
