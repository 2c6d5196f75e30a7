//! What must hold, whatever goes wrong.

use std::collections::{BTreeMap, BTreeSet};

use fruitnode_coordinator::codec;
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{JobId, NodeId, PartitionId, RangeId};
use fruitnode_coordinator::invariants;
use fruitnode_coordinator::job::Job;
use fruitnode_coordinator::leases::Overdue;
use fruitnode_coordinator::phase::{Outcome, Phase};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_coordinator::state::ClusterState;
use fruitnode_coordinator::task::Winner;
use fruitnode_replica::{Applied, Role};

use crate::book::Book;
use crate::events::Wish;
use crate::keys::final_key;
use crate::known::Checks;
use crate::node::{Node, Voting};
use crate::objects::Object;
use crate::plan::JobPlan;
use crate::time::Time;
use crate::work;
use crate::world::World;

/// Entries that a voter may be behind in the end: none, but for what has just been proposed.
const LAG_ENTRIES_MAX: u64 = 8;

/// Time after the calm until when whatever was wrong before is over: all have come back.
const SETTLED_AFTER: Time = 40_000;

/// Longest time without a leader while nothing goes wrong.
const LEADERLESS_MAX: Time = 10_000;

impl World {
    /// TERM: nobody leads in a term in which another has led.
    pub(crate) fn check_leader(&mut self, id: NodeId, term: u64) {
        let first = *self.checks.leaders.entry(term).or_insert(id);
        if first != id {
            self.violate(format!("TERM: {first} and {id} both lead in term {term}"));
        }
    }

    /// LEASE: what is overdue hangs at its node. That something never arrived there, or was never
    /// heard of, is not for its term to mend.
    pub(crate) fn check_overdue(&mut self, id: NodeId) {
        let Some(voting) = self.node(id).voting() else { return };
        let streams: BTreeMap<_, _> = voting.leader.streams().collect();
        let overdue = voting.leader.overdue().to_vec();
        for Overdue { name, node, .. } in overdue {
            let stream = streams.get(&node).map(|stream| stream.0);
            let Some(process) = &self.node(node).process else { continue };
            let attends = process.member.attends();
            let wire = attends.and_then(|(_, stream)| process.wires.get(&stream).copied());
            let has = process.attempts.knows(&name) || process.running.contains_key(&name);
            if wire.is_some() && wire == stream && !has {
                self.violate(format!("LEASE: {name:?} is overdue at {node}, which has it not"));
            }
        }
    }

    /// ROOM: no node is at more than it has slots for. What is void was called back before.
    pub(crate) fn check_room(&mut self, id: NodeId) {
        let slots = self.plan.slots as usize;
        let Some(process) = &self.node(id).process else { return };
        let running = process.running.iter().filter(|(_, running)| !running.void);
        let taken = running.filter(|((_, task, _), _)| task.takes_slot()).count();
        if taken > slots {
            self.violate(format!("ROOM: {id} is at {taken} tasks with {slots} slots"));
        }
    }

    /// LOG: what one node applies at an index, every node applies there, now and for ever.
    pub(crate) fn check_entry(&mut self, id: NodeId, entry: &Applied) {
        let words = match &entry.command {
            Some(command) => format!("{command:?}"),
            None => String::new(),
        };
        match self.checks.history.get(&entry.index) {
            None => {
                self.first_to_apply(id, entry);
                let (index, term) = (entry.index, entry.term);
                self.note(format_args!("{id} is the first to apply {index} of {term}: {words}"));
                self.checks.history.insert(entry.index, (entry.term, words));
            }
            Some((term, known)) if *term == entry.term && *known == words => {}
            Some((term, known)) => {
                let words = format!(
                    "LOG: {id} applies {words} of term {} at {}, where {known} of term {term} was",
                    entry.term, entry.index
                );
                self.violate(words);
            }
        }
    }

    /// STATE: equal logs give equal states; and every invariant holds.
    pub(crate) fn check_state(&mut self, id: NodeId) {
        let Some(voting) = self.nodes.get(&id).and_then(Node::voting) else {
            return;
        };
        let state = voting.replica.state();
        let applied = state.applied();
        let hash = fnv(&codec::encode_state(state));
        if let Some(known) = self.checks.states.get(&applied) {
            if *known != hash {
                self.violate(format!("STATE: {id} has another state after {applied}"));
            }
            return;
        }
        let mut broken = invariants::check(state);
        broken.extend(check_jobs(&mut self.checks, state));
        let all_refused = (state.membership().members())
            .all(|(node, member)| member.removed || self.plan.refused.contains(&node));
        self.checks.states.insert(applied, hash);
        let ended: Vec<_> = state
            .jobs()
            .filter(|job| !self.checks.has_ended(job.id()))
            .filter_map(|job| match job.phase() {
                Phase::Ended(outcome) => Some((job.id().clone(), outcome.clone())),
                _ => None,
            })
            .collect();
        for (job, outcome) in ended {
            self.check_outcome(&job, &outcome, all_refused);
            self.checks.ended.insert(job, outcome);
        }
        if let Some(words) = broken.into_iter().next() {
            self.violate(words);
        }
    }

    /// END: a job succeeds with the digest of a run without faults, unless it was cancelled, or the
    /// store refuses every member that there is.
    fn check_outcome(&mut self, job: &JobId, outcome: &Outcome, all_refused: bool) {
        self.note(format_args!("{job} is over: {outcome:?}"));
        let Some(plan) = self.plan.jobs.iter().find(|plan| plan.id == *job).cloned() else {
            self.violate(format!("END: nobody submitted {job}"));
            return;
        };
        let expected = self.checks.expected.get(job).copied().unwrap_or_default();
        match outcome {
            Outcome::Succeeded { digest } if *digest == expected => self.check_finals(&plan),
            Outcome::Cancelled if plan.cancel_at.is_some() => {}
            Outcome::Failed { reason: FailureReason::StorageRefused, .. } if all_refused => {}
            other => self.violate(format!("END: {job} ended as {other:?}")),
        }
    }

    /// PUBLISHED: what lies at the target is what the winners say, and nothing else.
    fn check_finals(&mut self, plan: &JobPlan) {
        let mut expected = Vec::new();
        for partition in 0..plan.partitions {
            let Some(winner) = self.checks.winners.get(&(plan.id.clone(), partition)) else {
                self.violate(format!("PUBLISHED: {} has no winner for p{partition}", plan.id));
                return;
            };
            let object = |digest, made_by| Object { digest, made_by };
            let features = object(winner.features, winner.features_attempt);
            expected.push((final_key(&plan.spec, "features", winner.partition), features));
            if let Some((attempt, scores, _)) = winner.scores {
                let scores = object(scores, attempt);
                expected.push((final_key(&plan.spec, "scores", winner.partition), scores));
            }
        }
        let success = format!("{}/_SUCCESS", plan.spec.to);
        let digest = self.checks.expected.get(&plan.id).copied().unwrap_or_default();
        let made_by = fruitnode_coordinator::ids::Attempt(0);
        expected.push((success, Object { digest, made_by }));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        let found = self.finals(plan);
        if found != expected {
            let words = format!("PUBLISHED: {}: {found:?} instead of {expected:?}", plan.id);
            self.violate(words);
        }
        self.checks.finals.insert(plan.id.clone(), found);
    }

    fn finals(&self, plan: &JobPlan) -> Vec<(String, Object)> {
        let prefix = format!("{}/", plan.spec.to);
        let found = self.objects.list(&prefix);
        found.map(|(key, object)| (key.to_owned(), object)).collect()
    }

    /// WINNERS: what is to be published is what won.
    pub(crate) fn check_published(&mut self, job: &JobId, winners: &[Winner]) {
        for winner in winners {
            let known = self.checks.winners.get(&(job.clone(), winner.partition.0));
            if known.is_none_or(|known| *known != *winner) {
                let words = format!("WINNERS: {job} publishes {winner:?}, and {known:?} won");
                self.violate(words);
                return;
            }
        }
    }

    pub(crate) fn all_done(&self) -> bool {
        self.plan.jobs.iter().all(|job| self.checks.has_ended(&job.id))
    }

    /// After all that came late: results are as they were, and no promise was broken.
    pub(crate) fn check_the_end(&mut self) {
        for plan in self.plan.jobs.clone() {
            let before = self.checks.finals.get(&plan.id);
            if before.is_some_and(|before| *before != self.finals(&plan)) {
                self.violate(format!("PUBLISHED: the result of {} was changed later", plan.id));
            }
        }
        self.check_promises();
        self.check_order();
    }

    /// ORDER: in the end one node leads, those that vote have its log, all attend at it, and as
    /// many vote as should: what people are shown as healthy.
    fn check_order(&mut self) {
        let statuses = self.nodes.values().filter_map(Node::status);
        let leaders = statuses.filter(|at| at.role == Role::Leader);
        let Some(leader) = leaders.max_by_key(|status| status.term) else {
            self.violate("ORDER: nobody leads in the end");
            return;
        };
        let Some(state) = self.nodes[&leader.id].voting().map(|at| at.replica.state()) else {
            return;
        };
        let members: BTreeMap<_, _> = state.membership().members().collect();
        let mut broken = Vec::new();
        for (id, node) in &self.nodes {
            let Some(process) = &node.process else { continue };
            let applied = node.status().map_or(0, |status| status.applied);
            if leader.voters.contains(id) && applied + LAG_ENTRIES_MAX < leader.applied {
                broken.push(format!("{id} votes and has applied {applied} of {}", leader.applied));
            }
            let attends = process.member.attends().map(|(at, _)| at) == Some(leader.id);
            // One that was away while everybody left whom it knew needs to be told of the others.
            let knows = |other: &NodeId| {
                *other != *id
                    && self.nodes[other]
                        .process
                        .as_ref()
                        .is_some_and(|at| at.member.attends().is_some())
            };
            let attends = attends || !node.book.members.iter().any(knows);
            if !attends && !members.get(id).is_none_or(|member| member.removed) {
                broken.push(format!("{id} does not attend at {}", leader.id));
            }
        }
        let up = |node: &NodeId| self.nodes.get(node).is_some_and(Node::up);
        let stays = |node: &NodeId| {
            members.get(node).is_some_and(|member| !member.removed && !member.draining)
        };
        let fit = members.keys().filter(|node| up(node) && stays(node)).count();
        let wanted = self.plan.voters as usize;
        let living = leader.voters.iter().filter(|node| up(node) && stays(node)).count();
        if leader.voters.len() % 2 == 0 || !leader.learners.is_empty() || leader.changing {
            broken.push(format!("{:?} vote, {:?} learn", leader.voters, leader.learners));
        }
        if fit >= wanted && living < wanted {
            broken.push(format!("{:?} vote, of {fit} nodes that could", leader.voters));
        }
        let leaving: Vec<_> = state.membership().leaving().collect();
        if !leaving.is_empty() && fit > 0 {
            broken.push(format!("{leaving:?} have not left"));
        }
        if let Some(words) = broken.into_iter().next() {
            self.violate(format!("ORDER: {words}"));
        }
    }

    /// OFFICE: when nothing goes wrong any more, somebody leads, at every moment but for an
    /// election.
    pub(crate) fn look_for_a_leader(&mut self) {
        let served = self.nodes.values().any(|node| node.voting().is_some_and(Voting::serves));
        if served || !self.calm || self.now < self.plan.calm_at + SETTLED_AFTER {
            self.led = self.now;
        } else if self.now > self.led + LEADERLESS_MAX {
            let words = self.what_hangs();
            self.violate(format!("OFFICE: nobody leads for {LEADERLESS_MAX} ms: {words}"));
        }
    }

    /// What follows in the world from an entry that nobody has applied before.
    fn first_to_apply(&mut self, id: NodeId, entry: &Applied) {
        match &entry.command {
            Some(Command::RemoveNode { .. }) => self.count("node removed from the log"),
            Some(Command::Enroll { .. }) => {
                let Some(voting) = self.node(id).voting() else { return };
                let (status, state) = (voting.replica.status(), voting.replica.state());
                let members: BTreeSet<_> = state.membership().members().map(|(id, _)| id).collect();
                let voters = status.voters.into_iter().collect();
                let book =
                    Book { index: 1, members: members.clone(), voters, removed: BTreeSet::new() };
                members.into_iter().for_each(|newcomer| self.let_in(newcomer, &book));
            }
            _ => {}
        }
    }

    /// PROMISE: what a client was told to be done is in the state.
    fn check_promises(&mut self) {
        let told: Vec<_> = self.answered.iter().copied().collect();
        for (job, wish) in told {
            let id = self.plan.jobs[job].id.clone();
            let known = |words: &&(u64, String)| {
                words.1.starts_with(match wish {
                    Wish::Submit => "SubmitJob",
                    Wish::Cancel => "CancelJob",
                }) && words.1.contains(&id.0)
            };
            if !self.checks.history.values().any(|entry| known(&entry)) {
                self.violate(format!("PROMISE: {wish:?} of {id} was confirmed and is lost"));
            }
        }
    }

    /// What waits for what, when nothing should wait any more.
    pub(crate) fn what_hangs(&mut self) -> String {
        self.check_promises();
        let open = self.nodes.values().filter_map(Node::voting);
        let Some(newest) = open.max_by_key(|voting| voting.replica.status().applied) else {
            return "no log is open".to_owned();
        };
        let jobs: Vec<_> = newest.replica.state().jobs().map(job_words).collect();
        let status = newest.replica.status();
        format!(
            "{jobs:?} are not over; {} of {:?} in term {} leads, {} applied",
            status.leader.map_or_else(|| "nobody".to_owned(), |leader| leader.to_string()),
            status.voters,
            status.term,
            status.applied
        )
    }
}

/// ONCE: what won for the survey and for a range stays. LISTING: a job goes on from what these
/// listed, each once and in order.
fn check_listing(checks: &mut Checks, job: &Job, broken: &mut Vec<String>) {
    let id = job.id();
    if let Some(cut) = job.cut() {
        let known = checks.cuts.entry(id.clone()).or_insert(*cut);
        if known != cut {
            broken.push(format!("ONCE: {known:?} was the survey of {id}, now {cut:?}"));
        }
    }
    let ranges = checks.cuts.get(id).map_or(0, |cut| cut.ranges);
    for range in (0..ranges).map(RangeId) {
        let Some(part) = job.range(range) else { continue };
        let known = checks.ranges.entry((id.clone(), range)).or_insert(part);
        if *known != part {
            broken.push(format!("ONCE: {known:?} won for {range} of {id}, now {part:?}"));
        }
    }
    let Some(listing) = job.listing() else { return };
    let won = checks.cuts.get(id).map(|cut| {
        let first = (id.clone(), RangeId(0));
        let last = (id.clone(), RangeId(u32::MAX));
        (*cut, checks.ranges.range(first..=last).map(|(_, part)| *part).collect())
    });
    if listing.digest != work::listing(job.spec(), won) {
        broken.push(format!("LISTING: {id} goes on from what its ranges did not list"));
    }
}

/// ONCE: what won stays. MOMENTS: what is held is what its partitions give.
fn check_jobs(checks: &mut Checks, state: &ClusterState) -> Vec<String> {
    let mut broken = Vec::new();
    for job in state.live_jobs() {
        check_listing(checks, job, &mut broken);
        let plan = job.plan();
        for partition in 0..job.listing().map_or(0, |listing| listing.partitions) {
            let Some(winner) = job.winner(PartitionId(partition)) else {
                continue;
            };
            let known = checks.winners.entry((job.id().clone(), partition)).or_insert(winner);
            // A node that lags behind does not know of the scores yet.
            let scores = known.scores.or(winner.scores);
            let fuller = Winner { scores: winner.scores.or(scores), ..winner };
            *known = Winner { scores, ..*known };
            if *known != fuller {
                broken.push(format!("ONCE: {known:?} won in {}, now {winner:?}", job.id()));
            }
        }
        for (tree_node, held) in job.held() {
            if held.digest != work::moments(job.spec(), plan, tree_node) {
                broken.push(format!("MOMENTS: {tree_node} of {} are not its own", job.id()));
            }
        }
    }
    broken
}

fn job_words(job: &Job) -> String {
    let granted: Vec<_> =
        job.granted().map(|(task, attempt, node)| format!("{task} {attempt} at {node}")).collect();
    let held: Vec<_> =
        job.held().map(|(tree_node, held)| format!("{tree_node} at {}", held.node)).collect();
    format!("{} {:?}, leased {granted:?}, held {held:?}", job.id(), job.phase())
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
