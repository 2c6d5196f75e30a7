//! One job: what was asked for, how far it is, and what each of its tasks needs.
//!
//! The transitions are in [`crate::lineage`].

use std::collections::{BTreeMap, BTreeSet};

use crate::by_node::ByNode;
use crate::ids::{Attempt, Digest, JobId, NodeId, PartitionId, RangeId};
use crate::inputs::Inputs;
use crate::packed_story::PackedStory;
use crate::phase::Phase;
use crate::ready_tasks::ReadyTasks;
use crate::slots::Class;
use crate::spec::JobSpec;
use crate::store_faults::StoreFaults;
use crate::story::{AttemptRecord, RECORDS_KEPT_ANYWAY};
use crate::task::{Cut, FitRecord, Holding, Listing, RangePart, Task, TaskKind, Winner};
use crate::tree::{ReducePlan, TreeNode};

/// What is kept of a partition from the listing on. There may be a hundred thousand of them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PartitionRecord {
    pub(crate) features: Digest,
    /// 0 before its features are accepted.
    pub(crate) features_attempt: u32,
    pub(crate) good: u32,
    pub(crate) bad: u32,
}

/// What is kept of a partition besides, from the fit on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ScoresRecord {
    pub(crate) scores: Digest,
    pub(crate) csv: Digest,
    /// 0 before its scores are accepted.
    pub(crate) scores_attempt: u32,
}

const _: () = assert!(size_of::<PartitionRecord>() + size_of::<ScoresRecord>() <= 128);

/// How far a partition is. That it is leased is seen in the job's grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Status {
    Pending,
    Extracted,
    Projected,
}

/// Sums over accepted attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Partitions with accepted features.
    pub extracted: u32,
    /// Partitions with accepted scores.
    pub projected: u32,
    /// Rows with features.
    pub good: u64,
    /// Rows in quarantine.
    pub bad: u64,
    /// Completed reads of photographs.
    pub gets: u64,
    /// Inferences.
    pub inferences: u64,
    /// Merges and moments made again.
    pub merges: u32,
    /// Failed attempts, of whatever reason.
    pub failed_attempts: u32,
    /// Partitions whose moments were made again from accepted features.
    pub remade: u32,
}

/// How far the listing of a source is that was cut into ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListingProgress {
    /// Photographs of the survey and of the ranges that are listed.
    pub keys: u64,
    /// Ranges.
    pub ranges: u32,
    /// Ranges that are listed.
    pub listed: u32,
}

/// A job and everything that its decisions need.
#[derive(Debug, Clone)]
pub struct Job {
    pub(crate) id: JobId,
    pub(crate) spec: JobSpec,
    pub(crate) phase: Phase,
    pub(crate) counts: Counts,
    /// The accepted survey and what its ranges gave, until the listing is accepted.
    pub(crate) cut: Option<Cut>,
    pub(crate) ranges: Vec<Option<RangePart>>,
    pub(crate) listing: Option<Listing>,
    pub(crate) fit: Option<FitRecord>,
    pub(crate) next_attempt: Attempt,
    /// Tasks that can be leased now.
    pub(crate) ready: ReadyTasks,
    /// Every attempt that would still be accepted.
    pub(crate) granted: ByNode<(Task, Attempt), NodeId>,
    /// Counted failures of tasks that are not done.
    pub(crate) failures: BTreeMap<Task, u8>,
    /// Where these happened: follows from the story, and is kept beside it for speed.
    pub(crate) spared: BTreeMap<Task, BTreeSet<NodeId>>,
    /// Attempts at merges and the fit that could not get at the moments they needed.
    pub(crate) turns: BTreeMap<Task, u8>,
    /// Places in the tree below which everything is made again on one node, and on which, if that
    /// matters. What lies below is told of by no held moments.
    pub(crate) rebuilds: BTreeMap<TreeNode, Option<NodeId>>,
    /// Partitions that were made again for this so far, each as often as it was.
    pub(crate) rebuilt: u32,
    /// What was met with at the stores.
    pub(crate) faults: StoreFaults,
    pub(crate) partitions: Vec<PartitionRecord>,
    /// One for each partition, once the fit is accepted.
    pub(crate) projected: Vec<ScoresRecord>,
    /// Digests of quarantine objects: few partitions have one.
    pub(crate) quarantine: BTreeMap<PartitionId, Digest>,
    /// Moments in the memory of nodes.
    pub(crate) held: ByNode<TreeNode, Holding>,
    /// Extracted partitions of which no held moments tell.
    pub(crate) uncovered: BTreeSet<PartitionId>,
    /// Partitions that are not extracted yet and may endanger a node: one was lost, or stood still,
    /// while it was at them.
    pub(crate) suspects: BTreeSet<PartitionId>,
    /// Partition last leased to a node, for locality.
    pub(crate) last: BTreeMap<NodeId, PartitionId>,
    /// Attempts that ended, in this order.
    pub(crate) story: PackedStory,
    pub(crate) submitted_ms: u64,
    /// 0 while it is not over.
    pub(crate) ended_ms: u64,
}

impl Job {
    /// A job that waits for its source to be listed.
    pub(crate) fn new(id: JobId, spec: JobSpec, submitted_ms: u64) -> Self {
        Self {
            id,
            spec,
            phase: Phase::Listing,
            counts: Counts::default(),
            cut: None,
            ranges: Vec::new(),
            listing: None,
            fit: None,
            next_attempt: Attempt(1),
            ready: ReadyTasks::from_iter([Task::List]),
            granted: ByNode::default(),
            failures: BTreeMap::new(),
            spared: BTreeMap::new(),
            turns: BTreeMap::new(),
            rebuilds: BTreeMap::new(),
            rebuilt: 0,
            faults: StoreFaults::default(),
            partitions: Vec::new(),
            projected: Vec::new(),
            quarantine: BTreeMap::new(),
            held: ByNode::default(),
            uncovered: BTreeSet::new(),
            suspects: BTreeSet::new(),
            last: BTreeMap::new(),
            story: PackedStory::default(),
            submitted_ms,
            ended_ms: 0,
        }
    }

    /// Name given by the client.
    pub fn id(&self) -> &JobId {
        &self.id
    }

    /// What was asked for.
    pub fn spec(&self) -> &JobSpec {
        &self.spec
    }

    /// How far it is.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Sums over accepted attempts.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The accepted listing.
    pub fn listing(&self) -> Option<&Listing> {
        self.listing.as_ref()
    }

    /// The accepted survey of a source that was cut, until the listing is accepted.
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// What won for a range. `None` before it is listed, and once the listing is accepted.
    pub fn range(&self, range: RangeId) -> Option<RangePart> {
        self.ranges.get(range.0 as usize).copied().flatten()
    }

    /// How far the listing of a source is that was cut. `None` of any other.
    pub fn listing_progress(&self) -> Option<ListingProgress> {
        let cut = self.cut?;
        let listed = self.ranges.iter().flatten();
        Some(ListingProgress {
            keys: listed.clone().fold(cut.keys, |keys, part| keys.saturating_add(part.keys)),
            ranges: cut.ranges,
            listed: listed.count() as u32,
        })
    }

    /// The accepted fit.
    pub fn fit(&self) -> Option<&FitRecord> {
        self.fit.as_ref()
    }

    /// Attempts that would still be accepted, with their nodes.
    pub fn granted(&self) -> impl Iterator<Item = (Task, Attempt, NodeId)> {
        self.granted.iter().map(|(&(task, attempt), &node)| (task, attempt, node))
    }

    /// Those of one node, in the same order.
    pub(crate) fn granted_to(&self, node: NodeId) -> impl Iterator<Item = (Task, Attempt)> {
        self.granted.of(node)
    }

    /// Attempts that ended, in this order; nothing once the job is over.
    pub fn story(&self) -> impl Iterator<Item = AttemptRecord> {
        self.story.iter()
    }

    /// Memory that these take, bytes.
    pub fn story_bytes(&self) -> usize {
        self.story.bytes()
    }

    /// Attempts granted so far.
    pub fn attempts(&self) -> u32 {
        self.next_attempt.0 - 1
    }

    /// When it was submitted, milliseconds since 1970-01-01 UTC.
    pub fn submitted_ms(&self) -> u64 {
        self.submitted_ms
    }

    /// When it ended, milliseconds since 1970-01-01 UTC. `None` before.
    pub fn ended_ms(&self) -> Option<u64> {
        self.ended().then_some(self.ended_ms)
    }

    /// Moments in the memory of nodes.
    pub fn held(&self) -> impl Iterator<Item = (TreeNode, Holding)> {
        self.held.iter().map(|(&tree_node, &holding)| (tree_node, holding))
    }

    /// Those in the memory of one node.
    pub(crate) fn held_by(&self, node: NodeId) -> impl Iterator<Item = TreeNode> {
        self.held.of(node)
    }

    /// What was met with at the job's stores; nothing once it is over.
    pub fn store_faults(&self) -> &StoreFaults {
        &self.faults
    }

    /// Shape of the reduction; empty before the listing is accepted.
    pub fn plan(&self) -> ReducePlan {
        ReducePlan::new(self.listing.map_or(0, |listing| listing.partitions))
    }

    /// Whether the job is over.
    pub fn ended(&self) -> bool {
        matches!(self.phase, Phase::Ended(_))
    }

    /// What an attempt at the task needs. `None` when the task cannot be done in this state.
    pub fn inputs(&self, task: Task) -> Option<Inputs> {
        match task {
            Task::List => Some(Inputs::List),
            Task::ListRange(_) => Some(Inputs::ListRange(self.cut?)),
            Task::Gather => {
                let parts: Option<Vec<_>> = self.ranges.iter().copied().collect();
                Some(Inputs::Gather(self.cut?, parts?))
            }
            Task::Extract(p) => {
                let careful = self.suspects.contains(&p);
                let bad_elsewhere = self.counts.bad;
                Some(Inputs::Extract { listing: self.listing?, careful, bad_elsewhere })
            }
            Task::Remake(p) => Some(Inputs::Remake(self.winner(p)?)),
            Task::Rebuild(tree_node) => {
                let plan = self.plan();
                if !plan.contains(tree_node) {
                    return None;
                }
                let leaves = plan.leaves(tree_node).map(PartitionId);
                let winners: Option<Vec<_>> = leaves.map(|p| self.winner(p)).collect();
                let partitions = self.partitions.len() as u32;
                Some(Inputs::Rebuild { partitions, winners: winners? })
            }
            Task::Merge(node) => {
                let (left, right) = self.plan().children(node)?;
                let both = (*self.held.get(&left)?, *self.held.get(&right)?);
                Some(Inputs::Merge((left, both.0), (right, both.1)))
            }
            Task::Fit if self.spec.given_fit => Some(Inputs::Adopt),
            Task::Fit => {
                let root = self.plan().root()?;
                Some(Inputs::Fit(root, *self.held.get(&root)?))
            }
            Task::Project(p) => Some(Inputs::Project(self.winner(p)?, self.fit?)),
            Task::Publish => {
                let count = self.partitions.len();
                let winners: Option<Vec<_>> =
                    (0..count).map(|p| self.winner(PartitionId(p as u32))).collect();
                let story = self.story.iter().collect();
                let listing = self.listing?;
                Some(Inputs::Publish { listing, fit: self.fit, winners: winners?, story })
            }
        }
    }

    /// What won for a partition. `None` before its features are accepted.
    pub fn winner(&self, partition: PartitionId) -> Option<Winner> {
        let record = self.partitions.get(partition.0 as usize)?;
        if record.features_attempt == 0 {
            return None;
        }
        let scores = self.projected.get(partition.0 as usize);
        let scores = scores.filter(|scores| scores.scores_attempt > 0);
        Some(Winner {
            partition,
            features_attempt: Attempt(record.features_attempt),
            features: record.features,
            good: record.good,
            bad: record.bad,
            quarantine: self.quarantine.get(&partition).copied(),
            scores: scores.map(|made| (Attempt(made.scores_attempt), made.scores, made.csv)),
        })
    }

    /// Adds an attempt that ended to the story.
    pub(crate) fn remember(&mut self, record: AttemptRecord) {
        let kept = RECORDS_KEPT_ANYWAY + 8 * self.partitions.len();
        if self.story.len() < kept || record.is_bounded() {
            self.story.push(&record);
        }
    }

    /// Finds out from the story who is spared which task.
    pub(crate) fn recall_spared(&mut self) {
        self.spared.clear();
        for AttemptRecord { task, node, reason, .. } in self.story.iter() {
            match reason {
                None => {
                    self.spared.remove(&task);
                }
                Some(reason) if reason.counts() => {
                    self.spared.entry(task).or_default().insert(node);
                }
                Some(_) => {}
            }
        }
        self.spared.retain(|task, _| self.failures.contains_key(task));
    }

    /// Whether another node should rather be given the task than this one.
    pub(crate) fn avoids(&self, task: Task, node: NodeId) -> bool {
        self.spared.get(&task).is_some_and(|nodes| nodes.contains(&node))
    }

    /// Whether nodes of this class may do such a task.
    pub(crate) fn fits(&self, kind: TaskKind, class: &Class) -> bool {
        match kind {
            TaskKind::Extract | TaskKind::Remake | TaskKind::Merge => {
                class.compute == self.spec.compute_class
            }
            // Features have their bits already, and moments have the same ones everywhere.
            TaskKind::Rebuild => {
                class.compute == self.spec.compute_class || self.spec.suits_fit_class(&class.fit)
            }
            TaskKind::Project | TaskKind::Fit => self.spec.suits_fit_class(&class.fit),
            TaskKind::List | TaskKind::ListRange | TaskKind::Gather | TaskKind::Publish => true,
        }
    }

    /// Whether a node has this attempt, and it would still be accepted.
    pub(crate) fn is_leased(&self, attempt: (Task, Attempt), node: NodeId) -> bool {
        self.granted.get(&attempt) == Some(&node)
    }

    pub(crate) fn is_granted(&self, task: Task) -> bool {
        self.attempts_at(task).next().is_some()
    }

    /// Attempts at the task that would still be accepted, with their nodes.
    pub(crate) fn attempts_at(&self, task: Task) -> impl Iterator<Item = (Attempt, NodeId)> {
        let granted = self.granted.range((task, Attempt(0))..=(task, Attempt(u32::MAX)));
        granted.map(|(&(_, attempt), &node)| (attempt, node))
    }

    /// How far a partition is. `None` of one that there is not.
    pub(crate) fn status(&self, partition: PartitionId) -> Option<Status> {
        let at = partition.0 as usize;
        let is_extracted = self.partitions.get(at)?.features_attempt > 0;
        let is_projected = self.projected.get(at).is_some_and(|made| made.scores_attempt > 0);
        Some(match (is_extracted, is_projected) {
            (false, _) => Status::Pending,
            (true, false) => Status::Extracted,
            (true, true) => Status::Projected,
        })
    }

    pub(crate) fn record(&mut self, partition: PartitionId) -> &mut PartitionRecord {
        &mut self.partitions[partition.0 as usize]
    }

    pub(crate) fn all_extracted(&self) -> bool {
        self.counts.extracted as usize == self.partitions.len()
    }
}
