//! What clients are shown of the state: pure functions from the replicated state to messages.

use std::collections::BTreeMap;

use fruitnode_coordinator::codec::wire;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::job::Job;
use fruitnode_coordinator::leases::Overdue;
use fruitnode_coordinator::members::{Client, Process};
use fruitnode_coordinator::phase::{Outcome, Phase};
use fruitnode_coordinator::state::ClusterState;
use fruitnode_proto::v1;
use fruitnode_proto::v1::explanation::Explanation as Part;

use crate::actors::leader::{TICK_MS, Told};

/// What the answering node knows beside the state.
#[derive(Debug, Default)]
pub(super) struct Beside {
    pub(super) me: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub(super) now_ms: u64,
    pub(super) leader: Option<NodeId>,
    pub(super) term: u64,
    pub(super) voters: Vec<NodeId>,
    pub(super) learners: Vec<NodeId>,
    pub(super) told: Told,
    /// How long others in the log have not been heard.
    pub(super) silent_ms: BTreeMap<NodeId, u64>,
    /// Entries up to this one are committed, and up to which one each has the log.
    pub(super) committed: u64,
    pub(super) matched: BTreeMap<NodeId, u64>,
}

/// The whole cluster.
pub(super) fn cluster(state: &ClusterState, beside: &Beside) -> v1::ClusterStatus {
    let status = v1::ClusterStatus {
        cluster: state.membership().cluster().to_owned(),
        name: state.membership().name().to_owned(),
        leader: beside.leader.map_or(0, |leader| leader.0),
        term: beside.term,
        applied: state.applied(),
        voters_wanted: state.membership().voters_wanted(),
        nodes: nodes(state, beside),
        jobs: state.jobs().map(|at| job(at, &beside.told.overdue)).collect(),
        answered_by: beside.me,
        now_ms: beside.now_ms,
        certificate_life_ms: state.membership().certificate_life_ms(),
        unreachable_pairs: unreachable_pairs(state, beside.now_ms),
        set_aside: set_aside(state),
        outages: outages(state),
        ..v1::ClusterStatus::default()
    };
    let waits = |job| with_outage(job, &status.outages);
    v1::ClusterStatus { jobs: status.jobs.iter().cloned().map(waits).collect(), ..status }
}

/// One job, with the outage of its store, if it waits for one.
pub(super) fn waiting(state: &ClusterState, at: &Job, overdue: &[Overdue]) -> v1::JobStatus {
    with_outage(job(at, overdue), &outages(state))
}

/// A job with the outage of its store, if it waits for one.
pub(super) fn with_outage(job: v1::JobStatus, outages: &[v1::Outage]) -> v1::JobStatus {
    let outage = outages.iter().find(|outage| outage.job == job.job).cloned();
    v1::JobStatus { outage, ..job }
}

/// Who cannot fetch from whom, as far as that is still believed.
fn unreachable_pairs(state: &ClusterState, now_ms: u64) -> Vec<v1::UnreachablePair> {
    let shut = state.reach().shut().filter(|(.., shut)| shut.is_believed(now_ms));
    let pairs = shut.map(|(from, to, shut)| v1::UnreachablePair {
        from: from.0,
        to: to.0,
        since_ms: shut.since_ms,
        job: shut.job.0.clone(),
    });
    pairs.collect()
}

/// Which nodes the stores of which jobs refuse, the time of another try included: nothing is known
/// to have changed before it succeeds.
fn set_aside(state: &ClusterState) -> Vec<v1::SetAside> {
    let of_job = |job: &Job| {
        let refused = job.store_faults().nodes().filter(|(_, fault)| fault.is_refused());
        let told = refused.map(|(node, fault)| v1::SetAside {
            node: node.0,
            job: job.id().0.clone(),
            detail: fault.detail.clone(),
            since_ms: fault.since_ms,
            until_ms: fault.until_ms,
        });
        told.collect::<Vec<_>>()
    };
    state.live_jobs().flat_map(of_job).collect()
}

/// Stores that do not answer: for each job since when, in whose words, and which nodes do not reach
/// them.
fn outages(state: &ClusterState) -> Vec<v1::Outage> {
    let of_job = |job: &Job| {
        let silent = job.store_faults().nodes().filter(|(_, fault)| !fault.is_refused());
        let (_, first) = silent.clone().min_by_key(|(node, fault)| (fault.since_ms, *node))?;
        Some(v1::Outage {
            job: job.id().0.clone(),
            detail: first.detail.clone(),
            since_ms: first.since_ms,
            nodes: silent.map(|(node, _)| node.0).collect(),
        })
    };
    state.live_jobs().filter_map(of_job).collect()
}

fn nodes(state: &ClusterState, beside: &Beside) -> Vec<v1::NodeStatus> {
    let present: BTreeMap<_, _> = state.nodes().collect();
    let members = state.membership().members().map(|(id, member)| {
        let at = present.get(&id);
        let words = match at {
            _ if member.removed => "removed",
            // It has never attended.
            None if member.process == Process::default() => "joined",
            None => "lost",
            // One that offers nothing is about to end.
            Some(node) if member.draining || node.slots == 0 => "draining",
            Some(_) => "ready",
        };
        let role = match () {
            () if beside.voters.contains(&id) => "voter",
            () if beside.learners.contains(&id) => "learner",
            () => "member",
        };
        let said = beside.told.said.get(&id);
        v1::NodeStatus {
            node: id.0,
            address: member.address.clone(),
            state: words.to_owned(),
            role: role.to_owned(),
            slots: at.map_or(0, |node| node.slots),
            used: at.map_or(0, |node| node.used),
            compute_class: at.map(|node| node.compute_class.clone()).unwrap_or_default(),
            release: said.map_or(&member.release, |said| &said.release).clone(),
            beat: said.map(|said| said.beat.clone()),
            clock_ahead_ms: said.map_or(0, |said| said.clock_ahead_ms),
            granted: granted(state, id),
            leaving: member.leaving && !member.removed,
            log_silent_ms: beside.silent_ms.get(&id).copied().unwrap_or(0),
            log_behind: behind(beside, id),
        }
    });
    members.collect()
}

/// How many committed entries of the log a node has not got, if it gets them.
fn behind(beside: &Beside, node: NodeId) -> u64 {
    let matched = beside.matched.get(&node);
    matched.map_or(0, |matched| beside.committed.saturating_sub(*matched))
}

/// How many attempts a node has not ended, of whatever kind.
fn granted(state: &ClusterState, node: NodeId) -> u32 {
    let granted = state.jobs().flat_map(|job| job.granted());
    granted.filter(|(_, _, lessee)| *lessee == node).count() as u32
}

/// One job, with those of these attempts that are at it.
pub(super) fn job(job: &Job, overdue: &[Overdue]) -> v1::JobStatus {
    let counts = job.counts();
    let listing = job.listing();
    let listed = job.listing_progress().unwrap_or_default();
    let nodes: std::collections::BTreeSet<_> = job.granted().map(|(_, _, node)| node).collect();
    let status = v1::JobStatus {
        job: job.id().0.clone(),
        from: job.spec().from.clone(),
        to: job.spec().to.clone(),
        phase: phase(job.phase()).to_owned(),
        keys: listing.map_or(0, |listing| listing.keys),
        partitions: listing.map_or(0, |listing| listing.partitions),
        extracted: counts.extracted,
        projected: counts.projected,
        good: counts.good,
        bad: counts.bad,
        gets: counts.gets,
        inferences: counts.inferences,
        failed_attempts: counts.failed_attempts,
        remade: counts.remade,
        merges: counts.merges,
        components: job.fit().map_or(0, |fit| fit.components),
        leases: job.granted().count() as u32,
        nodes: nodes.len() as u32,
        submitted_ms: job.submitted_ms(),
        ended_ms: job.ended_ms().unwrap_or_default(),
        photographs: counts.good + counts.bad,
        listed: listed.keys,
        ranges: listed.ranges,
        ranges_listed: listed.listed,
        overdue: late(job, overdue).count() as u32,
        ..v1::JobStatus::default()
    };
    match job.phase() {
        Phase::Ended(Outcome::Succeeded { digest }) => {
            v1::JobStatus { success: digest.0.to_vec(), ..status }
        }
        Phase::Ended(Outcome::Failed { reason, detail, .. }) => v1::JobStatus {
            reason: wire::reason_to_proto(*reason),
            detail: detail.clone(),
            ..status
        },
        _ => status,
    }
}

/// Attempts at a job that make no progress. One that ended since then is none.
fn late<'a>(job: &'a Job, overdue: &'a [Overdue]) -> impl Iterator<Item = &'a Overdue> {
    overdue.iter().filter(|late| {
        let (of, task, attempt) = &late.name;
        *of == *job.id() && job.granted().any(|at| at == (*task, *attempt, late.node))
    })
}

fn phase(phase: &Phase) -> &'static str {
    match phase {
        Phase::Listing => "listing",
        Phase::Extracting => "extracting",
        Phase::Reducing => "reducing",
        Phase::Fitting => "fitting",
        Phase::Projecting => "projecting",
        Phase::Publishing => "publishing",
        Phase::Ended(Outcome::Succeeded { .. }) => "succeeded",
        Phase::Ended(Outcome::Failed { .. }) => "failed",
        Phase::Ended(Outcome::Cancelled) => "cancelled",
    }
}

/// What became of the attempts at a job that is not over, and those that make no progress.
pub(super) fn story(job: &Job, overdue: &[Overdue]) -> Vec<Part> {
    let late = late(job, overdue).map(|late| v1::OverdueAttempt {
        task: Some(wire::task_to_proto(late.name.1)),
        attempt: late.name.2.0,
        node: late.node.0,
        still_ms: late.still_ticks * TICK_MS,
    });
    let ended = job.story().map(|record| Part::Attempt(wire::record_to_proto(&record)));
    ended.chain(late.map(Part::Overdue)).collect()
}

/// How a job ended that has no result. `None` of any other.
pub(super) fn ended(job: &Job) -> Option<v1::EndedJob> {
    let ended = |outcome: &str| v1::EndedJob {
        outcome: outcome.to_owned(),
        attempts: job.attempts(),
        failed_attempts: job.counts().failed_attempts,
        ..v1::EndedJob::default()
    };
    match job.phase() {
        Phase::Ended(Outcome::Failed { task, reason, detail }) => Some(v1::EndedJob {
            task: Some(wire::task_to_proto(*task)),
            reason: wire::reason_to_proto(*reason),
            detail: detail.clone(),
            ..ended("failed")
        }),
        Phase::Ended(Outcome::Cancelled) => Some(ended("cancelled")),
        _ => None,
    }
}

/// Tokens that are known, used up and expired ones included.
pub(super) fn tokens(state: &ClusterState) -> v1::TokenList {
    let tokens = state.membership().tokens().map(|(id, token)| v1::TokenInfo {
        id: id.to_owned(),
        uses_left: token.uses_left,
        expires_ms: token.expires_ms,
        expired: token.expires_ms <= state.now_ms(),
    });
    v1::TokenList { tokens: tokens.collect() }
}

/// People's certificates by name, revoked and expired ones included.
pub(super) fn clients(state: &ClusterState) -> v1::ClientList {
    let clients = state.membership().clients().map(|(serial, client)| v1::ClientInfo {
        name: client.name.clone(),
        serial: serial.to_owned(),
        expires_ms: client.expires_ms,
        expired: client.expires_ms <= state.now_ms(),
        revoked: client.revoked,
    });
    let mut clients: Vec<_> = clients.collect();
    clients.sort_by(|one, other| (&one.name, one.expires_ms).cmp(&(&other.name, other.expires_ms)));
    v1::ClientList { clients }
}

/// Whether a person of this name has a certificate that is good.
pub(super) fn has_client(state: &ClusterState, name: &str) -> bool {
    let good = |client: &Client| !client.revoked && client.expires_ms > state.now_ms();
    state.membership().clients().any(|(_, client)| client.name == name && good(client))
}

/// Whether a certificate with this serial number is in the list of those that can be taken back.
pub(super) fn is_registered(state: &ClusterState, serial: &str) -> bool {
    state.membership().clients().any(|(known, client)| known == serial && !client.revoked)
}

/// Whether nobody but the person of this name has a certificate that is good.
pub(super) fn is_only_client(state: &ClusterState, name: &str) -> bool {
    let good = |client: &Client| !client.revoked && client.expires_ms > state.now_ms();
    !state.membership().clients().any(|(_, client)| client.name != name && good(client))
}

/// The fit class of most nodes that take leases: the whole job is fitted and projected by its
/// nodes. The least of those that are equally many, and this node's own where there is none.
pub(super) fn prevailing_fit_class(state: &ClusterState) -> String {
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, node) in state.nodes() {
        *count.entry(&node.fit_class).or_default() += 1;
    }
    let most = count.into_iter().rev().max_by_key(|(_, nodes)| *nodes);
    most.map_or_else(fruitnode_pca::fit_class, |(class, _)| class.to_owned())
}

#[cfg(test)]
mod tests {
    use fruitnode_coordinator::command::Command;
    use fruitnode_coordinator::ids::{Attempt, Digest, JobId, PartitionId};
    use fruitnode_coordinator::reach::SHUT_BELIEVED_MS;
    use fruitnode_coordinator::retry::FailureReason;
    use fruitnode_coordinator::spec::JobSpec;
    use fruitnode_coordinator::story::AttemptFacts;
    use fruitnode_coordinator::task::{Task, TaskResult};
    use fruitnode_coordinator::tree::TreeNode;

    use super::*;

    fn apply(state: &mut ClusterState, command: &Command) {
        let index = state.applied() + 1;
        state.apply(index, 1_000 * index, command);
    }

    fn granted(state: &mut ClusterState, task: Task, node: u64) -> (JobId, Task, Attempt) {
        let job = JobId("j".to_owned());
        let attempt = Attempt(state.job(&job).map_or(0, Job::attempts) + 1);
        let command = Command::Grant { job: job.clone(), task, attempt, node: NodeId(node) };
        apply(state, &command);
        (job, task, attempt)
    }

    fn fail(state: &mut ClusterState, task: Task, node: u64, reason: FailureReason, to: u64) {
        let (job, task, attempt) = granted(state, task, node);
        let unreached = (to > 0).then_some(NodeId(to));
        let facts = AttemptFacts { unreached, ..AttemptFacts::default() };
        let detail = format!("words of n{node}");
        apply(state, &Command::Fail { job, task, attempt, reason, detail, facts });
    }

    fn accept(state: &mut ClusterState, task: Task, node: u64, result: TaskResult) {
        let (job, task, attempt) = granted(state, task, node);
        let facts = AttemptFacts::default();
        apply(state, &Command::Accept { job, task, attempt, result, facts });
    }

    #[test]
    fn what_is_endured_is_told_until_something_shows_that_it_is_over() {
        let mut state = ClusterState::default();
        let digest = Digest::default();
        for node in 1..=3 {
            apply(
                &mut state,
                &Command::AddNode {
                    node: NodeId(node),
                    incarnation: node,
                    starts: 0,
                    address: String::new(),
                    release: String::new(),
                    slots: 2,
                    compute_class: String::new(),
                    fit_class: String::new(),
                },
            );
        }
        let spec = JobSpec {
            from: "in".to_owned(),
            to: "out".to_owned(),
            rows_per_part: 1,
            pca: true,
            given_fit: false,
            compute_class: String::new(),
            fit_class: String::new(),
            max_bad: None,
            options: Vec::new(),
        };
        apply(&mut state, &Command::SubmitJob { job: JobId("j".to_owned()), spec });
        let listed = TaskResult::Listed { keys: 3, bytes: 3, partitions: 3, digest };
        accept(&mut state, Task::List, 1, listed);
        let extracted = TaskResult::Extracted {
            good: 1,
            bad: 0,
            features: digest,
            quarantine: None,
            moments: Some(digest),
            gets: 1,
            inferences: 1,
        };
        let extract = |partition| Task::Extract(PartitionId(partition));
        accept(&mut state, extract(0), 1, extracted);
        accept(&mut state, extract(1), 2, extracted);
        let merge = Task::Merge(TreeNode::Block { level: 1, index: 0 });
        fail(&mut state, merge, 1, FailureReason::MomentsUnreachable, 2);
        let shut_ms = state.now_ms();
        fail(&mut state, extract(2), 2, FailureReason::StorageRefused, 0);
        let refused_ms = state.now_ms();
        fail(&mut state, extract(2), 3, FailureReason::StorageUnavailable, 0);

        let at = |now_ms| cluster(&state, &Beside { now_ms, ..Beside::default() });
        let told = at(state.now_ms());
        let job = || "j".to_owned();
        let pair = v1::UnreachablePair { from: 1, to: 2, since_ms: shut_ms, job: job() };
        assert_eq!(told.unreachable_pairs, [pair]);
        assert_eq!(at(shut_ms + SHUT_BELIEVED_MS).unreachable_pairs, []);
        let [aside] = &told.set_aside[..] else { panic!("{told:?}") };
        assert_eq!((aside.node, aside.since_ms, &*aside.detail), (2, refused_ms, "words of n2"));
        assert!(aside.until_ms > state.now_ms());
        let [outage] = &told.outages[..] else { panic!("{told:?}") };
        assert_eq!((&outage.nodes[..], &*outage.detail), (&[3][..], "words of n3"));

        accept(&mut state, extract(2), 3, extracted);
        assert_eq!(cluster(&state, &Beside::default()).outages, []);
    }
}
