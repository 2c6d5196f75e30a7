//! What clients are shown of the state: pure functions from the replicated state to messages.

use std::collections::BTreeMap;

use fruitnode_coordinator::codec::wire;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::job::{Job, Outcome, Phase};
use fruitnode_coordinator::leases::Overdue;
use fruitnode_coordinator::members::Client;
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
        ..v1::ClusterStatus::default()
    };
    let waits = |job| with_outage(job, &status.outages);
    v1::ClusterStatus { jobs: status.jobs.iter().cloned().map(waits).collect(), ..status }
}

/// A job with the outage of its store, if it waits for one.
pub(super) fn with_outage(job: v1::JobStatus, outages: &[v1::Outage]) -> v1::JobStatus {
    let outage = outages.iter().find(|outage| outage.job == job.job).cloned();
    v1::JobStatus { outage, ..job }
}

fn nodes(state: &ClusterState, beside: &Beside) -> Vec<v1::NodeStatus> {
    let present: BTreeMap<_, _> = state.nodes().collect();
    let members = state.membership().members().map(|(id, member)| {
        let at = present.get(&id);
        let words = match at {
            _ if member.removed => "removed",
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
            log_silent_ms: beside.silent_ms.get(&id).copied().unwrap_or(0),
            log_behind: behind(beside, id),
            ..v1::NodeStatus::default()
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
    let ended = job.story().iter().map(wire::record_to_proto).map(Part::Attempt);
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
    most.map_or_else(crate::pca::fit_class, |(class, _)| class.to_owned())
}
