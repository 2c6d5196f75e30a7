//! How a job moves: what an accepted, failed or lost attempt changes, and what becomes ready.
//!
//! Lineage is read backwards: what was lost is made again from what was accepted, and only that.
//! How moments come together is in [`crate::reduction`].

use std::collections::BTreeMap;

use crate::effect::{Effect, Outbox};
use crate::ids::{Attempt, NodeId, PartitionId, RangeId};
use crate::job::{Job, PartitionRecord, ScoresRecord, Status};
use crate::members::Membership;
use crate::node::Node;
use crate::partition::{self, PARTITIONS_MAX};
use crate::phase::{Outcome, Phase};
use crate::reach::Reach;
use crate::retry::{Decision, FailureReason, after_failure};
use crate::slots::Slots;
use crate::store_faults::{REFUSALS_WITHOUT_OTHERS, StoreFaults};
use crate::story::{AttemptFacts, AttemptRecord};
use crate::task::{Cut, FitRecord, Holding, Listing, RANGES_MAX, RangePart, Task, TaskResult};
use crate::tree::TreeNode;

/// What a job's decisions need beside the job.
pub(crate) struct Around<'a> {
    /// Who takes leases.
    pub(crate) nodes: &'a BTreeMap<NodeId, Node>,
    /// Who may be given something.
    pub(crate) slots: &'a Slots,
    /// Who can fetch from whom.
    pub(crate) reach: &'a mut Reach,
    /// Who belongs to the cluster, present or not.
    pub(crate) membership: &'a Membership,
    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) now_ms: u64,
}

impl Job {
    /// Leases a task. Void unless the attempt is the job's next and the task is ready, or leased
    /// already: the leader may grant a second attempt when the first has fallen silent.
    pub(crate) fn grant(
        &mut self,
        task: Task,
        attempt: Attempt,
        node: NodeId,
        out: &mut Outbox,
    ) -> bool {
        if attempt != self.next_attempt || attempt == Attempt(u32::MAX) || self.ended() {
            return false;
        }
        let again = self.is_granted(task) && self.is_due(task);
        if !self.ready.remove(&task) && !again {
            return false;
        }
        if again {
            self.suspect(task);
        }
        self.next_attempt = Attempt(attempt.0 + 1);
        self.granted.insert((task, attempt), node);
        if let Some(partition) = task.partition() {
            self.last.insert(node, partition);
        }
        out.effects.push(Effect::Start { job: self.id.clone(), task, attempt, node });
        true
    }

    /// Takes a result, if its attempt is still valid.
    pub(crate) fn accept(
        &mut self,
        task: Task,
        attempt: Attempt,
        (result, facts): (&TaskResult, AttemptFacts),
        around: &mut Around<'_>,
        out: &mut Outbox,
    ) {
        if !result.answers(task) {
            return;
        }
        let Some(node) = self.granted.remove(&(task, attempt)) else {
            return;
        };
        self.free(task, node, out);
        self.remember(AttemptRecord { task, attempt, node, reason: None, facts });
        self.withdraw(task, out);
        self.failures.remove(&task);
        self.spared.remove(&task);
        self.turns.remove(&task);
        if task.kind().needs_store() {
            self.faults.succeeded(task, node, around.now_ms);
        }
        self.fetched(task, node, around);
        match (task, *result) {
            (_, TaskResult::Listed { keys, bytes, partitions, digest }) => {
                self.listed(task, Listing { attempt, keys, bytes, partitions, digest }, out);
            }
            (Task::List, TaskResult::Cut { ranges, keys, digest }) => {
                self.surveyed(Cut { attempt, ranges, keys, digest }, out);
            }
            (Task::ListRange(range), TaskResult::RangeListed { keys, digest }) => {
                if let Some(part) = self.ranges.get_mut(range.0 as usize) {
                    *part = Some(RangePart { attempt, keys, digest });
                }
                self.offer(Task::Gather);
            }
            (Task::Extract(p), extracted) => self.extracted(p, attempt, node, &extracted, out),
            (Task::Remake(p), TaskResult::Held { digest }) => {
                self.counts.remade = self.counts.remade.saturating_add(1);
                self.hold(TreeNode::leaf(p.0), Holding { node, digest }, out);
            }
            (Task::Rebuild(tree_node), TaskResult::Held { digest }) => {
                let leaves = self.plan().leaves(tree_node).len() as u32;
                self.counts.remade = self.counts.remade.saturating_add(leaves);
                self.hold(tree_node, Holding { node, digest }, out);
            }
            (Task::Merge(tree_node), TaskResult::Held { digest }) => {
                self.counts.merges = self.counts.merges.saturating_add(1);
                self.hold(tree_node, Holding { node, digest }, out);
            }
            (Task::Fit, TaskResult::Fitted { digest, components }) => {
                self.fit = Some(FitRecord { attempt, components, digest });
                self.end_reduction(out);
                self.phase = Phase::Projecting;
                self.projected = vec![ScoresRecord::default(); self.partitions.len()];
                self.ready.extend((0..self.partitions.len()).map(project));
            }
            (Task::Project(p), TaskResult::Projected { scores, csv, .. }) => {
                let scores_attempt = attempt.0;
                self.projected[p.0 as usize] = ScoresRecord { scores, csv, scores_attempt };
                self.counts.projected += 1;
            }
            (Task::Publish, TaskResult::Published { digest }) => {
                self.end(Outcome::Succeeded { digest }, out);
            }
            // Excluded by `answers`.
            _ => {}
        }
        self.settle_all(around, out);
        self.advance();
    }

    /// Takes note of a failed attempt and decides what follows.
    pub(crate) fn fail(
        &mut self,
        task: Task,
        attempt: Attempt,
        (reason, detail, facts): (FailureReason, &str, AttemptFacts),
        around: &mut Around<'_>,
        out: &mut Outbox,
    ) {
        let Some(node) = self.note_failure((task, attempt), (reason, facts), out) else {
            return;
        };
        if reason.sets_aside() || reason == FailureReason::StorageUnavailable {
            self.faults.failed((task, node), (reason, detail), around.now_ms);
        }
        let before = self.failures.get(&task).copied().unwrap_or(0);
        match after_failure(reason, before) {
            Decision::Again(_) if reason.sets_aside() && self.is_refused_to_all(task, around) => {
                let detail = self.refusal_of_all(task, detail, around);
                self.end(Outcome::Failed { task, reason, detail }, out);
            }
            Decision::Again(counted) => {
                if counted > 0 {
                    self.failures.insert(task, counted);
                }
                if reason.counts() {
                    self.spared.entry(task).or_default().insert(node);
                }
                self.offer(task);
                if matches!(
                    reason,
                    FailureReason::MomentsMissing | FailureReason::MomentsUnreachable
                ) {
                    self.miss_moments((task, node), facts.unreached, around, out);
                } else if task == Task::Fit {
                    // Whoever holds the root may be set aside now.
                    self.settle(task, around, out);
                }
                self.advance();
            }
            Decision::GiveUp => {
                let detail = detail.to_owned();
                self.end(Outcome::Failed { task, reason, detail }, out);
            }
        }
    }

    /// A node is gone: its attempts end, and what it held is lost.
    pub(crate) fn lose_node(&mut self, node: NodeId, out: &mut Outbox) {
        let attempts: Vec<_> = self.granted_to(node).collect();
        let moments: Vec<_> = self.held_by(node).collect();
        for tree_node in moments {
            self.lose_moments(tree_node);
        }
        for (task, attempt) in attempts {
            let lost = (FailureReason::NodeLost, AttemptFacts::default());
            self.note_failure((task, attempt), lost, out);
            self.offer(task);
        }
        self.last.remove(&node);
        self.faults.forget(node);
        self.advance();
    }

    /// A node let go of moments.
    pub(crate) fn drop_moments(&mut self, tree_node: TreeNode, node: NodeId) {
        if self.held.get(&tree_node).is_some_and(|held| held.node == node) {
            self.lose_moments(tree_node);
            self.advance();
        }
    }

    /// Ends the job: nothing of it is wanted any more.
    pub(crate) fn end(&mut self, outcome: Outcome, out: &mut Outbox) {
        let mut story: Vec<_> = std::mem::take(&mut self.story).iter().collect();
        for ((task, attempt), node) in self.granted.take() {
            self.free(task, node, out);
            let (reason, facts) = (Some(FailureReason::Cancelled), AttemptFacts::default());
            story.push(AttemptRecord { task, attempt, node, reason, facts });
            out.effects.push(Effect::Cancel { job: self.id.clone(), task, attempt, node });
        }
        self.release_all(out);
        self.ready.clear();
        self.failures.clear();
        self.spared.clear();
        self.turns.clear();
        self.rebuilds.clear();
        self.faults = StoreFaults::default();
        self.uncovered.clear();
        self.suspects.clear();
        self.last.clear();
        self.cut = None;
        self.ranges = Vec::new();
        self.partitions = Vec::new();
        self.projected = Vec::new();
        self.quarantine.clear();
        out.effects.push(Effect::End { job: self.id.clone(), outcome: outcome.clone(), story });
        // A job of which no attempt was ever made has left nothing anywhere.
        if self.attempts() > 0 && !matches!(outcome, Outcome::Succeeded { .. }) {
            out.effects.push(Effect::Abandon { job: self.id.clone() });
        }
        self.phase = Phase::Ended(outcome);
    }

    /// The source was cut: its ranges are listed by whoever has room.
    fn surveyed(&mut self, cut: Cut, out: &mut Outbox) {
        if !(1..=RANGES_MAX).contains(&cut.ranges) {
            let detail =
                format!("a source is split into 1 to {RANGES_MAX} ranges, not {}", cut.ranges);
            let (task, reason) = (Task::List, FailureReason::InvalidJob);
            self.end(Outcome::Failed { task, reason, detail }, out);
            return;
        }
        self.cut = Some(cut);
        self.ranges = vec![None; cut.ranges as usize];
        self.ready.extend((0..cut.ranges).map(|range| Task::ListRange(RangeId(range))));
    }

    /// Why a listing cannot be what the job goes on from.
    fn refusal(&self, listing: &Listing) -> Option<(FailureReason, String)> {
        let Listing { keys, partitions, .. } = *listing;
        if let Some(listed) = self.listing_progress().filter(|listed| listed.keys != keys) {
            let words =
                format!("{keys} photographs were gathered, but {} were listed", listed.keys);
            return Some((FailureReason::InvalidJob, words));
        }
        if partitions == 0 {
            return Some((FailureReason::InputMissing, "the listing is empty".to_owned()));
        }
        let rows = self.spec.rows_per_part;
        if partition::count(keys, rows) == Some(partitions) {
            return None;
        }
        let words = format!(
            "{keys} photographs in parts of {rows} do not make {partitions} partitions, or make \
             more than {PARTITIONS_MAX}: raise --rows-per-part"
        );
        Some((FailureReason::InvalidJob, words))
    }

    fn listed(&mut self, task: Task, listing: Listing, out: &mut Outbox) {
        if let Some((reason, detail)) = self.refusal(&listing) {
            self.end(Outcome::Failed { task, reason, detail }, out);
            return;
        }
        self.listing = Some(listing);
        self.cut = None;
        self.ranges = Vec::new();
        self.partitions = vec![PartitionRecord::default(); listing.partitions as usize];
        self.ready.extend((0..listing.partitions).map(|p| Task::Extract(PartitionId(p))));
        self.phase = Phase::Extracting;
    }

    fn extracted(
        &mut self,
        partition: PartitionId,
        attempt: Attempt,
        node: NodeId,
        result: &TaskResult,
        out: &mut Outbox,
    ) {
        let TaskResult::Extracted { good, bad, features, quarantine, moments, gets, inferences } =
            *result
        else {
            return;
        };
        self.suspects.remove(&partition);
        let record = self.record(partition);
        record.features_attempt = attempt.0;
        record.features = features;
        (record.good, record.bad) = (good, bad);
        self.quarantine.extend(quarantine.map(|digest| (partition, digest)));
        self.counts.extracted += 1;
        self.counts.good += u64::from(good);
        self.counts.bad += u64::from(bad);
        self.counts.gets = self.counts.gets.saturating_add(gets.into());
        self.counts.inferences = self.counts.inferences.saturating_add(inferences.into());
        let (bad, listed) = (self.counts.bad, self.listing.map_or(0, |listing| listing.keys));
        if let Some(limit) = self.spec.max_bad.filter(|limit| limit.exceeded_by(bad, listed)) {
            let (task, reason) = (Task::Extract(partition), FailureReason::TooManyBad);
            let detail = limit.exceeded_words(bad, listed, "");
            self.end(Outcome::Failed { task, reason, detail }, out);
            return;
        }
        if !self.spec.reduces() {
            return;
        }
        match moments {
            Some(digest) => self.hold(TreeNode::leaf(partition.0), Holding { node, digest }, out),
            None => {
                self.uncovered.insert(partition);
            }
        }
    }

    /// It may be a photograph that killed a node or made it stand still: the next one is careful.
    fn suspect(&mut self, task: Task) {
        if let Task::Extract(partition) = task {
            self.suspects.insert(partition);
        }
    }

    /// Ends an attempt that failed. `None` if it is not valid any more.
    fn note_failure(
        &mut self,
        (task, attempt): (Task, Attempt),
        (reason, facts): (FailureReason, AttemptFacts),
        out: &mut Outbox,
    ) -> Option<NodeId> {
        let node = self.granted.remove(&(task, attempt))?;
        self.free(task, node, out);
        self.remember(AttemptRecord { task, attempt, node, reason: Some(reason), facts });
        self.counts.failed_attempts = self.counts.failed_attempts.saturating_add(1);
        if matches!(reason, FailureReason::NodeLost | FailureReason::Stalled) {
            self.suspect(task);
        }
        Some(node)
    }

    /// Nodes that could do the task by what they are.
    pub(crate) fn able(&self, task: Task, slots: &Slots) -> impl Iterator<Item = NodeId> {
        let classes = slots.classes().filter(move |(class, _)| self.fits(task.kind(), class));
        classes.flat_map(|(_, offers)| offers.nodes.iter().copied())
    }

    /// Whether the store refuses every node that could do the task. Members that are away may be
    /// others: they are waited for until those that are there were tried again in vain. Where
    /// nobody is there to be asked, as where all drain, nothing is known.
    fn is_refused_to_all(&self, task: Task, around: &Around<'_>) -> bool {
        let refusals_min = match around.membership.is_anybody_away(around.nodes) {
            true => REFUSALS_WITHOUT_OTHERS,
            false => 1,
        };
        let mut able = self.able(task, around.slots).peekable();
        able.peek().is_some()
            && able.all(|node| {
                let faults = &self.faults;
                faults.sets_aside(node, around.now_ms) && faults.times(node) >= refusals_min
            })
    }

    /// What the store says, and of how many nodes.
    fn refusal_of_all(&self, task: Task, detail: &str, around: &Around<'_>) -> String {
        let away = match around.membership.is_anybody_away(around.nodes) {
            true => ", and the other nodes are not available",
            false => "",
        };
        match self.able(task, around.slots).count() {
            0 | 1 if away.is_empty() => detail.to_owned(),
            0 | 1 => format!("the store rejects the only node that could do it{away}: {detail}"),
            nodes => {
                format!("the store rejects all {nodes} nodes that could do it{away}: {detail}")
            }
        }
    }

    /// Makes a task ready, if it can be done now and nobody is at it.
    pub(crate) fn offer(&mut self, task: Task) {
        if !self.is_granted(task) && self.is_due(task) {
            self.ready.insert(task);
        }
    }

    /// Whether the task can be done now and has not been done.
    pub(crate) fn is_due(&self, task: Task) -> bool {
        match task {
            Task::List => self.phase == Phase::Listing && self.cut.is_none(),
            Task::ListRange(range) => matches!(self.ranges.get(range.0 as usize), Some(None)),
            Task::Gather => self.inputs(task).is_some(),
            Task::Extract(p) => self.status(p) == Some(Status::Pending),
            Task::Remake(p) => {
                self.uncovered.contains(&p) && self.reduces_now() && !self.is_rebuilt(p)
            }
            Task::Rebuild(tree_node) => {
                self.rebuilds.contains_key(&tree_node) && self.reduces_now()
            }
            Task::Merge(_) => self.inputs(task).is_some(),
            Task::Fit => self.phase == Phase::Fitting && self.inputs(task).is_some(),
            Task::Project(p) => {
                self.phase == Phase::Projecting && self.status(p) == Some(Status::Extracted)
            }
            Task::Publish => self.phase == Phase::Publishing,
        }
    }

    /// Moves to the next phase when the present one has nothing left, or back when the root
    /// moments were lost before the fit.
    pub(crate) fn advance(&mut self) {
        let root_held = self.plan().root().is_some_and(|root| self.held.contains_key(&root));
        match self.phase {
            Phase::Extracting if self.all_extracted() => {
                self.phase = match (self.spec.pca, self.spec.given_fit) {
                    (false, _) => Phase::Publishing,
                    (true, false) => Phase::Reducing,
                    (true, true) => Phase::Fitting,
                };
                self.offer(Task::Fit);
                self.offer(Task::Publish);
                // Only now: during extraction the memory is better spent on new moments.
                let rebuilds = self.rebuilds.keys().copied().map(Task::Rebuild);
                let lost: Vec<_> =
                    self.uncovered.iter().copied().map(Task::Remake).chain(rebuilds).collect();
                lost.into_iter().for_each(|task| self.offer(task));
                self.advance();
            }
            Phase::Reducing if root_held => {
                self.phase = Phase::Fitting;
                self.offer(Task::Fit);
            }
            Phase::Fitting if self.spec.reduces() && !root_held => {
                self.phase = Phase::Reducing;
                self.ready.remove(&Task::Fit);
                self.advance();
            }
            Phase::Projecting if self.counts.projected as usize == self.partitions.len() => {
                self.phase = Phase::Publishing;
                self.offer(Task::Publish);
            }
            _ => {}
        }
    }

    /// Calls back every other attempt at a task that is done.
    pub(crate) fn withdraw(&mut self, task: Task, out: &mut Outbox) {
        let others: Vec<_> = self.attempts_at(task).collect();
        for (attempt, node) in others {
            self.granted.remove(&(task, attempt));
            self.free(task, node, out);
            let (reason, facts) = (Some(FailureReason::Cancelled), AttemptFacts::default());
            self.remember(AttemptRecord { task, attempt, node, reason, facts });
            out.effects.push(Effect::Cancel { job: self.id.clone(), task, attempt, node });
        }
    }

    fn free(&self, task: Task, node: NodeId, out: &mut Outbox) {
        if task.takes_slot() {
            out.freed.push(node);
        }
    }
}

fn project(partition: usize) -> Task {
    Task::Project(PartitionId(partition as u32))
}
