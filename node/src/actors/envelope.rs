//! What the actors say to each other, as it travels between a member and the coordinator.

use std::collections::BTreeSet;

use fruitnode_coordinator::codec::CodecError;
use fruitnode_coordinator::codec::wire;
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{Attempt, JobId, NodeId};
use fruitnode_coordinator::job::JobSpec;
use fruitnode_coordinator::leases::LeaseName;
use fruitnode_coordinator::task::Task;
use fruitnode_coordinator::tree::TreeNode;
use fruitnode_proto::v1;
use fruitnode_proto::v1::to_member::Message;
use prost::Message as _;

use crate::actors::messages::{Report, ToWorker};
use crate::tasks::Lease;

/// Largest message that travels whole; larger ones travel in parts.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Largest message that is put together from parts: the list of winners of a million partitions.
const JOINED_BYTES_MAX: usize = 512 << 20;

/// Longest words of a failure that go to the log, where they stay as long as the job is known.
const DETAIL_BYTES_MAX: usize = 4 << 10;

/// Why a message of the mesh cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// A field is missing or out of range.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The parts of a message are no message.
    #[error("the parts of a message do not make one")]
    Parts(#[from] prost::DecodeError),
    /// The parts of a message are too many.
    #[error("a message in parts is larger than {JOINED_BYTES_MAX} bytes")]
    TooLarge,
}

/// From the coordinator, as the member understands it.
#[derive(Debug)]
pub enum FromCoordinator {
    /// It lives.
    Beat,
    /// The member is known again; everything that is not named is void.
    Welcome(Box<Welcome>),
    /// For the worker, with the term of the coordinator that wants it.
    ForWorker(Box<ToWorker>),
    /// Who there is.
    Roster(v1::Roster),
    /// The member asked to go, and may.
    Go,
}

/// What the coordinator believes of a member.
#[derive(Debug)]
pub struct Welcome {
    /// Who the member is.
    pub node: NodeId,
    /// Term of the coordinator.
    pub term: u64,
    /// Who there is.
    pub roster: v1::Roster,
    /// Leases that are out.
    pub attempts: BTreeSet<(JobId, Task, Attempt)>,
    /// Moments that the member holds.
    pub held: BTreeSet<(JobId, TreeNode)>,
}

fn to_member(message: Message) -> v1::ToMember {
    v1::ToMember { message: Some(message) }
}

/// That the coordinator lives.
pub fn beat() -> v1::ToMember {
    v1::ToMember { message: None }
}

/// That a member may go, as it asked.
pub fn go() -> v1::ToMember {
    to_member(Message::Go(v1::Unit {}))
}

/// Who there is.
pub fn roster(roster: v1::Roster) -> v1::ToMember {
    to_member(Message::Roster(roster))
}

/// A greeting.
pub fn welcome(welcome: &Welcome, draining: bool) -> v1::ToMember {
    let attempts = welcome.attempts.iter().map(|(job, task, attempt)| v1::to_member::AttemptName {
        job: job.0.clone(),
        task: Some(wire::task_to_proto(*task)),
        attempt: attempt.0,
    });
    let held = welcome.held.iter().map(|(job, tree_node)| v1::to_member::HeldName {
        job: job.0.clone(),
        tree_node: Some(wire::tree_node_to_proto(*tree_node)),
    });
    to_member(Message::Welcome(v1::to_member::Welcome {
        node: welcome.node.0,
        term: welcome.term,
        roster: Some(welcome.roster.clone()),
        attempts: attempts.collect(),
        held: held.collect(),
        draining,
    }))
}

/// A lease.
pub fn lease(term: u64, lease: &Lease) -> v1::ToMember {
    to_member(Message::Lease(v1::to_member::Lease {
        term,
        job: lease.job.0.clone(),
        spec: Some(wire::spec_to_proto(&lease.spec)),
        task: Some(wire::task_to_proto(lease.task)),
        attempt: lease.attempt.0,
        inputs: Some(wire::inputs_to_proto(&lease.inputs)),
    }))
}

/// An attempt that is no longer wanted.
pub fn cancel(term: u64, job: &JobId, task: Task, attempt: Attempt) -> v1::ToMember {
    to_member(Message::Cancel(named(term, job, task, attempt)))
}

/// An attempt that makes no progress, and that its node is to end.
pub fn give_up(term: u64, (job, task, attempt): &LeaseName) -> v1::ToMember {
    to_member(Message::GiveUp(named(term, job, *task, *attempt)))
}

fn named(term: u64, job: &JobId, task: Task, attempt: Attempt) -> v1::to_member::Cancel {
    v1::to_member::Cancel {
        term,
        job: job.0.clone(),
        task: Some(wire::task_to_proto(task)),
        attempt: attempt.0,
    }
}

/// Moments that are no longer needed.
pub fn release(term: u64, job: &JobId, tree_node: TreeNode) -> v1::ToMember {
    to_member(Message::Release(v1::to_member::Release {
        term,
        job: job.0.clone(),
        tree_node: Some(wire::tree_node_to_proto(tree_node)),
    }))
}

/// A job that is over.
pub fn forget(job: &JobId) -> v1::ToMember {
    to_member(Message::Forget(job.0.clone()))
}

/// A job that failed or was cancelled, whose target is to be cleared.
pub fn abandon(job: &JobId, spec: &JobSpec) -> v1::ToMember {
    let spec = Some(wire::spec_to_proto(spec));
    to_member(Message::Abandon(v1::to_member::Abandon { job: job.0.clone(), spec }))
}

/// The message, in as many parts as it needs.
pub fn in_parts(message: v1::ToMember) -> Vec<v1::ToMember> {
    if message.encoded_len() <= MESSAGE_BYTES_MAX {
        return vec![message];
    }
    let bytes = message.encode_to_vec();
    let count = bytes.chunks(MESSAGE_BYTES_MAX).count();
    let parts = bytes.chunks(MESSAGE_BYTES_MAX).enumerate();
    parts
        .map(|(at, bytes)| {
            let part = v1::to_member::Part { bytes: bytes.to_vec(), last: at + 1 == count };
            to_member(Message::Part(part))
        })
        .collect()
}

/// Puts messages together again that came in parts.
#[derive(Debug, Default)]
pub struct Joined {
    bytes: Vec<u8>,
}

impl Joined {
    /// Takes what came; the message, if it is whole.
    ///
    /// # Errors
    /// When the parts are too many, or no message.
    pub fn take(&mut self, came: v1::ToMember) -> Result<Option<v1::ToMember>, EnvelopeError> {
        let part = match came.message {
            Some(Message::Part(part)) => part,
            message => return Ok(Some(v1::ToMember { message })),
        };
        if self.bytes.len() + part.bytes.len() > JOINED_BYTES_MAX {
            return Err(EnvelopeError::TooLarge);
        }
        self.bytes.extend(part.bytes);
        if !part.last {
            return Ok(None);
        }
        Ok(Some(v1::ToMember::decode(&*std::mem::take(&mut self.bytes))?))
    }
}

/// What the coordinator says.
///
/// # Errors
/// When a field is missing or out of range.
pub fn understand(message: v1::ToMember) -> Result<FromCoordinator, EnvelopeError> {
    let for_worker = |message| FromCoordinator::ForWorker(Box::new(message));
    Ok(match message.message {
        None | Some(Message::Part(_)) => FromCoordinator::Beat,
        Some(Message::Go(_)) => FromCoordinator::Go,
        Some(Message::Roster(roster)) => FromCoordinator::Roster(roster),
        Some(Message::Forget(job)) => for_worker(ToWorker::Forget { job: JobId(job) }),
        Some(Message::Welcome(welcome)) => {
            FromCoordinator::Welcome(Box::new(understand_welcome(welcome)?))
        }
        Some(Message::Lease(lease)) => {
            let spec = lease.spec.ok_or(CodecError::Field("spec"))?;
            for_worker(ToWorker::Start(Box::new(Lease {
                job: JobId(lease.job),
                spec: wire::spec_from_proto(spec),
                task: wire::task_from_proto(lease.task)?,
                attempt: Attempt(lease.attempt),
                inputs: wire::inputs_from_proto(lease.inputs)?,
            })))
        }
        Some(Message::Cancel(cancel)) => for_worker(ToWorker::Cancel {
            job: JobId(cancel.job),
            task: wire::task_from_proto(cancel.task)?,
            attempt: Attempt(cancel.attempt),
        }),
        Some(Message::GiveUp(give_up)) => for_worker(ToWorker::GiveUp {
            job: JobId(give_up.job),
            task: wire::task_from_proto(give_up.task)?,
            attempt: Attempt(give_up.attempt),
        }),
        Some(Message::Release(release)) => for_worker(ToWorker::Release {
            job: JobId(release.job),
            tree_node: wire::tree_node_from_proto(release.tree_node)?,
        }),
        Some(Message::Abandon(abandon)) => {
            let spec = abandon.spec.ok_or(CodecError::Field("spec"))?;
            let spec = Box::new(wire::spec_from_proto(spec));
            for_worker(ToWorker::Abandon { job: JobId(abandon.job), spec })
        }
    })
}

fn understand_welcome(welcome: v1::to_member::Welcome) -> Result<Welcome, EnvelopeError> {
    let attempts = welcome.attempts.into_iter().map(|name| {
        let task = wire::task_from_proto(name.task)?;
        Ok((JobId(name.job), task, Attempt(name.attempt)))
    });
    let held = welcome.held.into_iter().map(|name| {
        let tree_node = wire::tree_node_from_proto(name.tree_node)?;
        Ok((JobId(name.job), tree_node))
    });
    Ok(Welcome {
        node: NodeId(welcome.node),
        term: welcome.term,
        roster: welcome.roster.unwrap_or_default(),
        attempts: attempts.collect::<Result<_, CodecError>>()?,
        held: held.collect::<Result<_, CodecError>>()?,
    })
}

/// How far attempts are, as the member says it.
pub fn running(steps: Vec<(LeaseName, u64)>) -> Vec<v1::from_member::Running> {
    let running = steps.into_iter().map(|((job, task, attempt), progress)| {
        let task = Some(wire::task_to_proto(task));
        v1::from_member::Running { job: job.0, task, attempt: attempt.0, progress }
    });
    running.collect()
}

/// How far attempts are, as the coordinator understands it: what names no task is left out.
pub fn steps(running: Vec<v1::from_member::Running>) -> Vec<(LeaseName, u64)> {
    let steps = running.into_iter().filter_map(|running| {
        let task = wire::task_from_proto(running.task).ok()?;
        Some(((JobId(running.job), task, Attempt(running.attempt)), running.progress))
    });
    steps.collect()
}

/// A report, as the member sends it.
pub fn report(report: Report) -> v1::FromMember {
    use v1::report::{Done, Failed, Report as Wire};
    let (job, report) = match report {
        Report::Done { job, task, attempt, result, facts } => {
            let done = Done {
                task: Some(wire::task_to_proto(task)),
                attempt: attempt.0,
                result: Some(wire::result_to_proto(&result)),
                facts: wire::facts_to_proto(facts),
            };
            (job, Wire::Done(done))
        }
        Report::Failed { job, task, attempt, failure, facts } => {
            let failed = Failed {
                task: Some(wire::task_to_proto(task)),
                attempt: attempt.0,
                reason: wire::reason_to_proto(failure.reason),
                detail: failure.words,
                facts: wire::facts_to_proto(facts),
            };
            (job, Wire::Failed(failed))
        }
        Report::Dropped { job, tree_node } => {
            (job, Wire::Dropped(wire::tree_node_to_proto(tree_node)))
        }
    };
    let report = v1::Report { job: job.0, report: Some(report) };
    v1::FromMember { message: Some(v1::from_member::Message::Report(report)) }
}

/// Words for the log, whose entries have a limit: what a server answers may be of any length.
fn shortened(mut words: String) -> String {
    if words.len() > DETAIL_BYTES_MAX {
        words.truncate(words.floor_char_boundary(DETAIL_BYTES_MAX));
        words.push('\u{2026}');
    }
    words
}

/// The command that tells the log of a member's report.
///
/// # Errors
/// When a field is missing or out of range.
pub fn command_of(report: v1::Report, node: NodeId) -> Result<Command, EnvelopeError> {
    use v1::report::Report as Wire;
    let job = JobId(report.job);
    Ok(match report.report.ok_or(CodecError::Field("report"))? {
        Wire::Done(done) => Command::Accept {
            job,
            task: wire::task_from_proto(done.task)?,
            attempt: Attempt(done.attempt),
            result: wire::result_from_proto(done.result)?,
            facts: wire::facts_from_proto(done.facts),
        },
        Wire::Failed(failed) => Command::Fail {
            job,
            task: wire::task_from_proto(failed.task)?,
            attempt: Attempt(failed.attempt),
            reason: wire::reason_from_proto(failed.reason)?,
            detail: shortened(failed.detail),
            facts: wire::facts_from_proto(failed.facts),
        },
        Wire::Dropped(tree_node) => Command::DropMoments {
            job,
            tree_node: wire::tree_node_from_proto(Some(tree_node))?,
            node,
        },
    })
}
