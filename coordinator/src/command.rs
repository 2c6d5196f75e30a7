//! What may be proposed to the log. Commands are idempotent by natural keys: applying one twice,
//! or one that arrives too late, changes nothing.

use crate::ids::{Attempt, Digest, JobId, NodeId};
use crate::retry::FailureReason;
use crate::spec::JobSpec;
use crate::story::AttemptFacts;
use crate::task::{Task, TaskResult};
use crate::tree::TreeNode;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A process of a node offers its slots. Void of a node that is no member, once there is a
    /// cluster.
    AddNode {
        /// The node.
        node: NodeId,
        /// Drawn at every start of the process. Another one than before: what the process before
        /// was at, and the moments that it held, are lost.
        incarnation: u64,
        /// How often a process was started on the node's folder, this one included. Void unless it
        /// is more than of any process before: this one has another copy of the folder. 0 of a
        /// release that does not count.
        starts: u64,
        /// Where others reach it.
        address: String,
        /// Release that it runs.
        release: String,
        /// Leases that it takes at a time.
        slots: u32,
        /// What its features' bits depend on.
        compute_class: String,
        /// What its fits' bits depend on.
        fit_class: String,
    },
    /// A node is gone, whoever noticed it.
    LoseNode {
        /// The node.
        node: NodeId,
        /// The process that is meant. 0 means whichever there is.
        incarnation: u64,
    },
    /// A client wants a job done. A known id changes nothing.
    SubmitJob {
        /// Id made by the client.
        job: JobId,
        /// What is to be done.
        spec: JobSpec,
    },
    /// A client no longer wants a job.
    CancelJob {
        /// The job.
        job: JobId,
    },
    /// The leader leases a task to a node.
    Grant {
        /// The job.
        job: JobId,
        /// The task.
        task: Task,
        /// The job's next attempt; any other number makes the grant void.
        attempt: Attempt,
        /// The node.
        node: NodeId,
    },
    /// An attempt is done.
    Accept {
        /// The job.
        job: JobId,
        /// The task.
        task: Task,
        /// The attempt.
        attempt: Attempt,
        /// What it says.
        result: TaskResult,
        /// How it went.
        facts: AttemptFacts,
    },
    /// An attempt failed.
    Fail {
        /// The job.
        job: JobId,
        /// The task.
        task: Task,
        /// The attempt.
        attempt: Attempt,
        /// Why, as what the decision needs.
        reason: FailureReason,
        /// Why, in words.
        detail: String,
        /// How it went.
        facts: AttemptFacts,
    },
    /// A node let go of moments to stay within its memory.
    DropMoments {
        /// The job.
        job: JobId,
        /// Which moments.
        tree_node: TreeNode,
        /// The node.
        node: NodeId,
    },
    /// The first entry of a cluster: it has one member, node 1. Void where there is anything.
    FoundCluster {
        /// Id of the cluster, which certificates name.
        cluster: String,
        /// Name for people.
        name: String,
        /// How many decide when there are enough members: 1, 3 or 5.
        voters_wanted: u32,
        /// Where the first member is reached.
        address: String,
        /// Id of its store.
        storage: String,
        /// SHA-256 of its public key.
        key: Digest,
        /// Life of nodes' certificates, milliseconds; 0 is that of a cluster which never said.
        certificate_life_ms: u64,
    },
    /// A token lets nodes join. A known id changes nothing.
    CreateToken {
        /// Id, the part of the token that is no secret.
        id: String,
        /// SHA-256 of the secret.
        hash: Digest,
        /// Nodes that it lets in.
        uses: u32,
        /// When it ends, milliseconds since 1970-01-01 UTC.
        expires_ms: u64,
    },
    /// A token lets nobody in any more.
    RevokeToken {
        /// Its id.
        id: String,
    },
    /// A node joins by a token. A known key changes nothing: it has its node already.
    Enroll {
        /// Id of the token.
        token: String,
        /// SHA-256 of the node's public key.
        key: Digest,
        /// Where the node is reached.
        address: String,
        /// Id of its store.
        storage: String,
    },
    /// A person is given a certificate. Void while another one of that name is good.
    RegisterClient {
        /// The person.
        name: String,
        /// Serial number of the certificate, hexadecimal.
        serial: String,
        /// When it ends, milliseconds since 1970-01-01 UTC.
        expires_ms: u64,
    },
    /// A person's certificates are good no longer.
    RevokeClient {
        /// The person.
        name: String,
    },
    /// A node is given nothing new.
    DrainNode {
        /// The node.
        node: NodeId,
        /// It is given leases again. Void of one that leaves for ever.
        undo: bool,
        /// It leaves for ever: the leader removes it as soon as it has no vote. Void where nobody
        /// else is there who stays.
        leaving: bool,
    },
    /// A node leaves for ever.
    RemoveNode {
        /// The node.
        node: NodeId,
    },
}
