//! What a member and the leader say to each other, as it travels.

use std::sync::Arc;

use prost::Message as _;

use fruitnode_coordinator::codec::CodecError;
use fruitnode_coordinator::codec::wire;
use fruitnode_coordinator::control::member::ANY_TERM;
use fruitnode_coordinator::control::message::{
    Hello, Lease, Order, Report, Roster, ToMember, Welcome,
};
use fruitnode_coordinator::ids::{Attempt, Digest, JobId, NodeId};
use fruitnode_coordinator::leases::LeaseName;
use fruitnode_coordinator::members;
use fruitnode_mesh as mesh;
use fruitnode_proto::v1;
use fruitnode_proto::v1::to_member::Message;

/// Largest message that travels whole; larger ones travel in parts.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Largest message that is put together from parts: the list of winners of a million partitions.
const JOINED_BYTES_MAX: usize = 512 << 20;

/// Why a message of the mesh cannot be understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EnvelopeError {
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

fn wire_to_member(message: Message) -> v1::ToMember {
    v1::ToMember { message: Some(message) }
}

/// A message of the leader, as it is sent.
pub(crate) fn to_member(message: ToMember) -> v1::ToMember {
    match message {
        ToMember::Beat => v1::ToMember { message: None },
        ToMember::Go => wire_to_member(Message::Go(v1::Unit {})),
        ToMember::Roster(roster) => wire_to_member(Message::Roster(roster_to_proto(*roster))),
        ToMember::Welcome(welcome) => wire_to_member(Message::Welcome(welcome_to_proto(*welcome))),
        ToMember::Order { term, order } => wire_to_member(order_to_proto(term, *order)),
    }
}

fn welcome_to_proto(welcome: Welcome) -> v1::to_member::Welcome {
    let attempts = welcome.attempts.into_iter().map(|(job, task, attempt)| {
        let task = Some(wire::task_to_proto(task));
        v1::to_member::AttemptName { job: job.0, task, attempt: attempt.0 }
    });
    let held = welcome.held.into_iter().map(|(job, tree_node)| {
        let tree_node = Some(wire::tree_node_to_proto(tree_node));
        v1::to_member::HeldName { job: job.0, tree_node }
    });
    v1::to_member::Welcome {
        node: welcome.node.0,
        term: welcome.term,
        roster: Some(roster_to_proto(welcome.roster)),
        attempts: attempts.collect(),
        held: held.collect(),
        draining: welcome.draining,
    }
}

fn order_to_proto(term: u64, order: Order) -> Message {
    match order {
        Order::Start(lease) => Message::Lease(v1::to_member::Lease {
            term,
            job: lease.job.0,
            spec: Some(wire::spec_to_proto(&lease.spec)),
            task: Some(wire::task_to_proto(lease.task)),
            attempt: lease.attempt.0,
            inputs: Some(wire::inputs_to_proto(&lease.inputs)),
        }),
        Order::Cancel(name) => Message::Cancel(named(term, name)),
        Order::GiveUp(name) => Message::GiveUp(named(term, name)),
        Order::Release((job, tree_node)) => {
            let tree_node = Some(wire::tree_node_to_proto(tree_node));
            Message::Release(v1::to_member::Release { term, job: job.0, tree_node })
        }
        Order::Forget(job) => Message::Forget(job.0),
        Order::Abandon { job, spec } => {
            let spec = Some(wire::spec_to_proto(&spec));
            Message::Abandon(v1::to_member::Abandon { job: job.0, spec })
        }
        // Part of the greeting.
        Order::Reconcile { attempts, held } => {
            let roster = Roster::default();
            let welcome =
                Welcome { node: NodeId(0), term, roster, attempts, held, draining: false };
            Message::Welcome(welcome_to_proto(welcome))
        }
    }
}

fn named(term: u64, (job, task, attempt): LeaseName) -> v1::to_member::Cancel {
    let task = Some(wire::task_to_proto(task));
    v1::to_member::Cancel { term, job: job.0, task, attempt: attempt.0 }
}

/// Who there is, as it is sent.
pub(crate) fn roster_to_proto(roster: Roster) -> v1::Roster {
    let voters = roster.voters.into_iter().map(|node| node.0).collect();
    mesh::roster::Roster::listed(Arc::unwrap_or_clone(roster.members), roster.index, voters)
}

fn roster_from_proto(roster: v1::Roster) -> Roster {
    let listed = |member: v1::roster::Member| {
        // One of an older release tells no keys: nobody is judged by them then.
        let key = Digest(member.key.try_into().unwrap_or_default());
        members::Listed { node: NodeId(member.node), address: member.address, key }
    };
    let members = members::Roster {
        index: roster.index,
        members: roster.members.into_iter().map(listed).collect(),
        removed: roster.removed.into_iter().map(NodeId).collect(),
        revoked: roster.revoked,
        people: roster.people,
    };
    let voters = roster.voters.into_iter().map(NodeId).collect();
    Roster { index: roster.index, members: Arc::new(members), voters }
}

/// A roster as a member hears it, in as many parts as it needs.
pub(crate) fn roster(roster: &mesh::roster::Roster) -> Vec<v1::ToMember> {
    in_parts(wire_to_member(Message::Roster(roster.into())))
}

/// The message, in as many parts as it needs.
pub(crate) fn in_parts(message: v1::ToMember) -> Vec<v1::ToMember> {
    if message.encoded_len() <= MESSAGE_BYTES_MAX {
        return vec![message];
    }
    let bytes = message.encode_to_vec();
    let count = bytes.chunks(MESSAGE_BYTES_MAX).count();
    let parts = bytes.chunks(MESSAGE_BYTES_MAX).enumerate();
    parts
        .map(|(at, bytes)| {
            let part = v1::to_member::Part { bytes: bytes.to_vec(), last: at + 1 == count };
            wire_to_member(Message::Part(part))
        })
        .collect()
}

/// Puts messages together again that came in parts.
#[derive(Debug, Default)]
pub(crate) struct Joined {
    bytes: Vec<u8>,
}

impl Joined {
    /// Takes what came; the message, if it is whole.
    ///
    /// # Errors
    /// When the parts are too many, or no message.
    pub(crate) fn take(
        &mut self,
        came: v1::ToMember,
    ) -> Result<Option<v1::ToMember>, EnvelopeError> {
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

/// What the leader says.
///
/// # Errors
/// When a field is missing or out of range.
pub(crate) fn from_leader(message: v1::ToMember) -> Result<ToMember, EnvelopeError> {
    let order = |term, order| ToMember::Order { term, order: Box::new(order) };
    Ok(match message.message {
        None | Some(Message::Part(_)) => ToMember::Beat,
        Some(Message::Go(_)) => ToMember::Go,
        Some(Message::Roster(roster)) => ToMember::Roster(Box::new(roster_from_proto(roster))),
        Some(Message::Forget(job)) => order(ANY_TERM, Order::Forget(JobId(job))),
        Some(Message::Welcome(welcome)) => {
            ToMember::Welcome(Box::new(understand_welcome(welcome)?))
        }
        Some(Message::Lease(lease)) => {
            let spec = lease.spec.ok_or(CodecError::Field("spec"))?;
            let start = Order::Start(Box::new(Lease {
                job: JobId(lease.job),
                spec: wire::spec_from_proto(spec),
                task: wire::task_from_proto(lease.task)?,
                attempt: Attempt(lease.attempt),
                inputs: wire::inputs_from_proto(lease.inputs)?,
            }));
            order(lease.term, start)
        }
        Some(Message::Cancel(cancel)) => order(cancel.term, Order::Cancel(name(cancel)?)),
        Some(Message::GiveUp(give_up)) => order(give_up.term, Order::GiveUp(name(give_up)?)),
        Some(Message::Release(release)) => {
            let tree_node = wire::tree_node_from_proto(release.tree_node)?;
            order(release.term, Order::Release((JobId(release.job), tree_node)))
        }
        Some(Message::Abandon(abandon)) => {
            let spec = abandon.spec.ok_or(CodecError::Field("spec"))?;
            let spec = Box::new(wire::spec_from_proto(spec));
            order(ANY_TERM, Order::Abandon { job: JobId(abandon.job), spec })
        }
    })
}

fn name(named: v1::to_member::Cancel) -> Result<LeaseName, CodecError> {
    Ok((JobId(named.job), wire::task_from_proto(named.task)?, Attempt(named.attempt)))
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
        draining: welcome.draining,
        roster: roster_from_proto(welcome.roster.unwrap_or_default()),
        attempts: attempts.collect::<Result<_, CodecError>>()?,
        held: held.collect::<Result<_, CodecError>>()?,
    })
}

/// How far attempts are, as the member says it.
pub(crate) fn running(steps: Vec<(LeaseName, u64)>) -> Vec<v1::from_member::Running> {
    let running = steps.into_iter().map(|((job, task, attempt), progress)| {
        let task = Some(wire::task_to_proto(task));
        v1::from_member::Running { job: job.0, task, attempt: attempt.0, progress }
    });
    running.collect()
}

/// How far attempts are, as the coordinator understands it: what names no task is left out.
pub(crate) fn steps(running: Vec<v1::from_member::Running>) -> Vec<(LeaseName, u64)> {
    let steps = running.into_iter().filter_map(|running| {
        let task = wire::task_from_proto(running.task).ok()?;
        Some(((JobId(running.job), task, Attempt(running.attempt)), running.progress))
    });
    steps.collect()
}

/// What a process says of itself, as it is sent.
pub(crate) fn hello_to_proto(hello: &Hello, roster_index: u64) -> v1::from_member::Hello {
    let hello = hello.clone();
    v1::from_member::Hello {
        incarnation: hello.incarnation,
        slots: hello.slots,
        compute_class: hello.compute_class,
        fit_class: hello.fit_class,
        address: hello.address,
        storage: hello.storage,
        release: hello.release,
        starts: hello.starts,
        roster_index: Some(roster_index),
    }
}

/// What a process says of itself.
pub(crate) fn hello_from_proto(hello: v1::from_member::Hello) -> Hello {
    Hello {
        incarnation: hello.incarnation,
        starts: hello.starts,
        slots: hello.slots,
        compute_class: hello.compute_class,
        fit_class: hello.fit_class,
        address: hello.address,
        storage: hello.storage,
        release: hello.release,
    }
}

/// A report, as the member sends it.
pub(crate) fn report_to_proto(report: Report) -> v1::Report {
    use v1::report::{Done, Failed, Report as Wire};
    let (job, report) = match report {
        Report::Done { name: (job, task, attempt), result, facts } => {
            let done = Done {
                task: Some(wire::task_to_proto(task)),
                attempt: attempt.0,
                result: Some(wire::result_to_proto(&result)),
                facts: wire::facts_to_proto(facts),
            };
            (job, Wire::Done(done))
        }
        Report::Failed { name: (job, task, attempt), reason, detail, facts } => {
            let failed = Failed {
                task: Some(wire::task_to_proto(task)),
                attempt: attempt.0,
                reason: wire::reason_to_proto(reason),
                detail,
                facts: wire::facts_to_proto(facts),
            };
            (job, Wire::Failed(failed))
        }
        Report::Dropped((job, tree_node)) => {
            (job, Wire::Dropped(wire::tree_node_to_proto(tree_node)))
        }
    };
    v1::Report { job: job.0, report: Some(report) }
}

/// A member's report.
///
/// # Errors
/// When a field is missing or out of range.
pub(crate) fn report_from_proto(report: v1::Report) -> Result<Report, EnvelopeError> {
    use v1::report::Report as Wire;
    let job = JobId(report.job);
    Ok(match report.report.ok_or(CodecError::Field("report"))? {
        Wire::Done(done) => Report::Done {
            name: (job, wire::task_from_proto(done.task)?, Attempt(done.attempt)),
            result: wire::result_from_proto(done.result)?,
            facts: wire::facts_from_proto(done.facts),
        },
        Wire::Failed(failed) => Report::Failed {
            name: (job, wire::task_from_proto(failed.task)?, Attempt(failed.attempt)),
            reason: wire::reason_from_proto(failed.reason)?,
            detail: failed.detail,
            facts: wire::facts_from_proto(failed.facts),
        },
        Wire::Dropped(tree_node) => {
            Report::Dropped((job, wire::tree_node_from_proto(Some(tree_node))?))
        }
    })
}
