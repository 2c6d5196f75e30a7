//! What a member and the leader say to each other, and what a worker is told and tells.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::command::Command;
use crate::ids::{Attempt, JobId, NodeId};
use crate::inputs::Inputs;
use crate::leases::LeaseName;
use crate::members;
use crate::retry::FailureReason;
use crate::spec::JobSpec;
use crate::story::AttemptFacts;
use crate::task::{Task, TaskResult};
use crate::tree::TreeNode;

/// Longest words of a failure that go to the log, bytes: they stay there as long as the job is
/// known.
const DETAIL_BYTES_MAX: usize = 4 << 10;

/// A stream between a member and a leader. Each end has numbers of its own, and uses none twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// Moments by their name.
pub type MomentsName = (JobId, TreeNode);

/// One attempt at one task, with everything it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// What the user asked for.
    pub spec: JobSpec,
    /// The task.
    pub task: Task,
    /// The attempt; part of the name of whatever it writes.
    pub attempt: Attempt,
    /// What earlier tasks left for it.
    pub inputs: Inputs,
}

impl Lease {
    /// The attempt by its full name.
    pub fn name(&self) -> LeaseName {
        (self.job.clone(), self.task, self.attempt)
    }
}

/// What a process says of itself when it begins to attend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Drawn at the start of the process.
    pub incarnation: u64,
    /// How often one was started on the node's folder, this one included.
    pub starts: u64,
    /// Leases that it takes at a time.
    pub slots: u32,
    /// What its features' bits depend on.
    pub compute_class: String,
    /// What its fits' bits depend on.
    pub fit_class: String,
    /// Where others reach it.
    pub address: String,
    /// Id of its store.
    pub storage: String,
    /// Release that it runs.
    pub release: String,
}

impl Hello {
    /// What it offers, for the log.
    pub fn offer(&self, node: NodeId) -> Command {
        Command::AddNode {
            node,
            incarnation: self.incarnation,
            starts: self.starts,
            address: self.address.clone(),
            release: self.release.clone(),
            slots: self.slots,
            compute_class: self.compute_class.clone(),
            fit_class: self.fit_class.clone(),
        }
    }
}

/// From a member to the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromMember {
    /// The first word.
    Hello(Hello),
    /// It lives; how far each attempt is that runs there.
    Beat(Vec<(LeaseName, u64)>),
    /// What became of an attempt, or of moments.
    Report(Report),
    /// It wants to go, once its work is done.
    Leave,
}

/// From the leader to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToMember {
    /// It lives.
    Beat,
    /// The member is known again; everything that is not named is void.
    Welcome(Box<Welcome>),
    /// For its worker.
    Order {
        /// Term of the leader that wants it.
        term: u64,
        /// What it wants.
        order: Box<Order>,
    },
    /// Who there is.
    Roster(Box<Roster>),
    /// The member asked to go, and may.
    Go,
}

/// What the leader believes of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// Who the member is.
    pub node: NodeId,
    /// Term of the leader.
    pub term: u64,
    /// Who there is.
    pub roster: Roster,
    /// Leases that are out.
    pub attempts: BTreeSet<LeaseName>,
    /// Moments that the member holds.
    pub held: BTreeSet<MomentsName>,
    /// It is given nothing new.
    pub draining: bool,
}

/// Who there is, as the log and the configuration of its voters say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    /// Grows with every change, whoever leads.
    pub index: u64,
    /// Members: one list for all that are told of it, however many they are.
    pub members: Arc<members::Roster>,
    /// Who has the log, and who is about to receive it.
    pub voters: BTreeSet<NodeId>,
}

/// To a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Do this.
    Start(Box<Lease>),
    /// Stop doing this; whatever it yields is not wanted.
    Cancel(LeaseName),
    /// End this, which makes no progress, and report that it has stalled.
    GiveUp(LeaseName),
    /// Let go of these moments.
    Release(MomentsName),
    /// The job is over: let go of everything that belongs to it.
    Forget(JobId),
    /// The job failed or was cancelled: let go of everything that belongs to it, and clear away
    /// what it left at its target.
    Abandon {
        /// The job.
        job: JobId,
        /// What the user asked for.
        spec: Box<JobSpec>,
    },
    /// What the leader believes of this node, said anew. Whatever is not named is void. Leases of
    /// attempts that are named and never arrived follow; those that are here already are not begun
    /// twice.
    Reconcile {
        /// Attempts that it granted and that it does not know the end of.
        attempts: BTreeSet<LeaseName>,
        /// Moments in this node's memory.
        held: BTreeSet<MomentsName>,
    },
}

/// From a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// An attempt is done.
    Done {
        /// The attempt.
        name: LeaseName,
        /// What it says.
        result: TaskResult,
        /// What it took.
        facts: AttemptFacts,
    },
    /// An attempt failed.
    Failed {
        /// The attempt.
        name: LeaseName,
        /// What is decided by.
        reason: FailureReason,
        /// Why, in words.
        detail: String,
        /// What it took.
        facts: AttemptFacts,
    },
    /// Moments are not here, whatever is believed: dropped to stay within the memory of the node,
    /// or lost.
    Dropped(MomentsName),
}

impl Report {
    /// The command that tells the log of it.
    pub fn command(self, node: NodeId) -> Command {
        match self {
            Self::Done { name: (job, task, attempt), result, facts } => {
                Command::Accept { job, task, attempt, result, facts }
            }
            Self::Failed { name: (job, task, attempt), reason, detail, facts } => {
                let detail = shortened(detail);
                Command::Fail { job, task, attempt, reason, detail, facts }
            }
            Self::Dropped((job, tree_node)) => Command::DropMoments { job, tree_node, node },
        }
    }

    /// The moments that are held in its node's memory, by this report.
    pub fn claims(&self) -> Option<MomentsName> {
        let Self::Done { name, result, .. } = self else { return None };
        let holds = match result {
            TaskResult::Extracted { moments, .. } => moments.is_some(),
            TaskResult::Held { .. } => true,
            _ => false,
        };
        holds.then(|| Some((name.0.clone(), made_by(name.1)?))).flatten()
    }
}

/// The moments that a task leaves in the memory of its node.
pub fn made_by(task: Task) -> Option<TreeNode> {
    match task {
        Task::Extract(partition) | Task::Remake(partition) => Some(TreeNode::leaf(partition.0)),
        Task::Merge(tree_node) | Task::Rebuild(tree_node) => Some(tree_node),
        Task::List | Task::ListRange(_) | Task::Gather => None,
        Task::Fit | Task::Project(_) | Task::Publish => None,
    }
}

/// Words for the log, whose entries have a limit: what a server answers may be of any length.
fn shortened(mut words: String) -> String {
    if words.len() > DETAIL_BYTES_MAX {
        words.truncate(words.floor_char_boundary(DETAIL_BYTES_MAX));
        words.push('\u{2026}');
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Digest, PartitionId};

    fn name(task: Task) -> LeaseName {
        (JobId("a".to_owned()), task, Attempt(1))
    }

    #[test]
    fn what_a_report_claims_is_what_its_task_leaves_in_memory() {
        let done = |task, result| Report::Done {
            name: name(task),
            result,
            facts: AttemptFacts::default(),
        };
        let held = TaskResult::Held { digest: Digest::default() };
        let (merge, job) = (TreeNode::Block { level: 1, index: 0 }, JobId("a".to_owned()));
        assert_eq!(done(Task::Merge(merge), held).claims(), Some((job.clone(), merge)));
        let leaf = TreeNode::leaf(3);
        assert_eq!(done(Task::Remake(PartitionId(3)), held).claims(), Some((job, leaf)));
        let published = TaskResult::Published { digest: Digest::default() };
        assert_eq!(done(Task::Publish, published).claims(), None);
    }

    #[test]
    fn long_words_of_a_failure_are_cut_between_letters() {
        let report = |detail: String| Report::Failed {
            name: name(Task::List),
            reason: FailureReason::Panic,
            detail,
            facts: AttemptFacts::default(),
        };
        let detail = |report: Report| match report.command(NodeId(1)) {
            Command::Fail { detail, .. } => detail,
            other => panic!("{other:?}"),
        };
        assert_eq!(detail(report("short".to_owned())), "short");
        let cut = detail(report("\u{e4}".repeat(DETAIL_BYTES_MAX)));
        assert_eq!(cut.len(), DETAIL_BYTES_MAX + '\u{2026}'.len_utf8());
        assert!(cut.ends_with("\u{e4}\u{2026}"));
    }
}
