//! Moments that this node holds in memory, and how many it may.
//!
//! At 1,280 columns one of them takes 6.6 MB, more than the features they sum up; so they are never
//! written, and are made again from accepted features when they are lost.
//!
//! A job may have as many of them here as its tree is deep, and two. What is merged already waits
//! for its release and is not counted. A merge makes no more of them than there were, so that only
//! leaves are turned away or dropped: first the last ones in order, whose turn comes last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use fruitnode_coordinator::ids::{Digest, JobId};
use fruitnode_coordinator::tree::{ReducePlan, TreeNode};
use fruitnode_pca::moments::Moments;

type Key = (JobId, TreeNode);

/// The moments in this node's memory.
#[derive(Debug, Default)]
pub(crate) struct HeldMoments {
    held: Mutex<Held>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Held {
    moments: BTreeMap<Key, One>,
    /// Partitions of a job, as far as they are known here.
    partitions: BTreeMap<JobId, u32>,
    /// What the coordinator may still believe to be here.
    dropped: BTreeSet<Key>,
}

#[derive(Debug)]
struct One {
    digest: Digest,
    moments: Arc<Moments>,
    /// First partition that they tell of.
    first: u64,
    /// The partition after the last one; for a fold, which reaches to the end, none.
    end: Option<u64>,
}

impl One {
    fn leaf(leaf: u32, digest: Digest, moments: Moments) -> Self {
        let (moments, first) = (Arc::new(moments), u64::from(leaf));
        Self { digest, moments, first, end: Some(first + 1) }
    }

    /// Whether this one tells of all that `other` tells of.
    fn covers(&self, other: &Self) -> bool {
        self.first <= other.first
            && match (self.end, other.end) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(end), Some(other)) => end >= other,
            }
    }
}

impl Held {
    fn of<'h>(&'h self, job: &JobId) -> impl Iterator<Item = (TreeNode, &'h One)> + Clone {
        let from = (job.clone(), TreeNode::leaf(0));
        let of = job.clone();
        self.moments
            .range(from..)
            .take_while(move |((job, _), _)| *job == of)
            .map(|((_, node), one)| (*node, one))
    }

    /// Moments of a job that no others here tell of.
    fn counted(&self, job: &JobId) -> usize {
        let all = self.of(job);
        let merged = |(node, one): &(TreeNode, &One)| {
            all.clone().any(|(other, by)| other != *node && by.covers(one))
        };
        all.clone().filter(|one| !merged(one)).count()
    }

    fn limit(&self, job: &JobId) -> usize {
        let partitions = self.partitions.get(job).copied().unwrap_or_default();
        ReducePlan::new(partitions).depth() as usize + 2
    }

    fn learn(&mut self, job: &JobId, partitions: u32) {
        let known = self.partitions.entry(job.clone()).or_default();
        *known = partitions.max(*known);
    }
}

impl HeldMoments {
    /// Holds the moments of one of the job's partitions if there is room, and says whether it does.
    /// Those that find none are made again when the others have merged.
    pub(crate) fn hold_leaf(
        &self,
        job: &JobId,
        partitions: u32,
        leaf: u32,
        digest: Digest,
        moments: Moments,
    ) -> bool {
        let mut held = self.lock();
        held.learn(job, partitions);
        if held.counted(job) >= held.limit(job) {
            return false;
        }
        held.insert(job, TreeNode::leaf(leaf), One::leaf(leaf, digest, moments));
        true
    }

    /// Holds a partition's moments that were asked for. If there are too many, the last leaf in
    /// order goes.
    pub(crate) fn hold_remade(&self, job: &JobId, leaf: u32, digest: Digest, moments: Moments) {
        let mut held = self.lock();
        let node = TreeNode::leaf(leaf);
        held.learn(job, leaf.saturating_add(1));
        held.insert(job, node, One::leaf(leaf, digest, moments));
        if held.counted(job) <= held.limit(job) {
            return;
        }
        let sibling = TreeNode::leaf(leaf ^ 1);
        let spared = [node, sibling];
        let leaves = held.of(job).filter(|(other, _)| {
            matches!(other, TreeNode::Block { level: 0, .. }) && !spared.contains(other)
        });
        if let Some((last, _)) = leaves.last() {
            let key = (job.clone(), last);
            held.moments.remove(&key);
            held.dropped.insert(key);
            self.news.notify_one();
        }
    }

    /// Holds moments that were merged, of which the left side is `left`.
    pub(crate) fn hold_merged(
        &self,
        job: &JobId,
        (into, left): (TreeNode, TreeNode),
        digest: Digest,
        moments: Moments,
    ) {
        let range = |node| match node {
            TreeNode::Block { level, index } => {
                let first = u64::from(index) << level;
                (first, Some(first + (1 << level)))
            }
            TreeNode::Fold { .. } => (0, None),
        };
        let (first, end) = (range(left).0, range(into).1);
        let one = One { digest, moments: Arc::new(moments), first, end };
        self.lock().insert(job, into, one);
    }

    /// The moments at a node of the tree, if they are held and are those that are meant. If they
    /// are not, the coordinator will be told.
    pub(crate) fn get(&self, job: &JobId, node: TreeNode, digest: Digest) -> Option<Arc<Moments>> {
        let mut held = self.lock();
        let key = (job.clone(), node);
        match held.moments.get(&key) {
            Some(one) if one.digest == digest => Some(Arc::clone(&one.moments)),
            _ => {
                held.dropped.insert(key);
                self.news.notify_one();
                None
            }
        }
    }

    /// Whether moments are held for a node of the tree.
    pub(crate) fn holds(&self, job: &JobId, node: TreeNode) -> bool {
        self.lock().moments.contains_key(&(job.clone(), node))
    }

    /// Lets go of moments that have been merged.
    pub(crate) fn release(&self, job: &JobId, node: TreeNode) {
        let key = (job.clone(), node);
        let mut held = self.lock();
        held.moments.remove(&key);
        held.dropped.remove(&key);
    }

    /// Lets go of everything that belongs to a job.
    pub(crate) fn forget(&self, job: &JobId) {
        let mut held = self.lock();
        held.moments.retain(|(of, _), _| of != job);
        held.dropped.retain(|(of, _)| of != job);
        held.partitions.remove(job);
    }

    /// Lets go of all that is not to be kept.
    pub(crate) fn keep(&self, kept: impl Fn(&JobId, TreeNode) -> bool) {
        let mut held = self.lock();
        held.moments.retain(|(job, node), _| kept(job, *node));
        let jobs: BTreeSet<JobId> = held.moments.keys().map(|(job, _)| job.clone()).collect();
        held.partitions.retain(|job, _| jobs.contains(job));
    }

    /// What was dropped, or asked for in vain, since the last time.
    pub(crate) fn take_dropped(&self) -> BTreeSet<(JobId, TreeNode)> {
        std::mem::take(&mut self.lock().dropped)
    }

    /// Waits until something was dropped or asked for in vain.
    pub(crate) async fn dropped(&self) {
        self.news.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn insert(&mut self, job: &JobId, node: TreeNode, one: One) {
        let key = (job.clone(), node);
        self.dropped.remove(&key);
        self.moments.insert(key, one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments() -> Moments {
        Moments::of_rows(&[1.0, 2.0], 1)
    }

    fn job() -> JobId {
        JobId("job".to_owned())
    }

    fn block(level: u8, index: u32) -> TreeNode {
        TreeNode::Block { level, index }
    }

    fn leaf(held: &HeldMoments, partitions: u32, leaf: u32) -> bool {
        held.hold_leaf(&job(), partitions, leaf, Digest::default(), moments())
    }

    #[test]
    fn leaves_are_turned_away_at_the_depth_and_two_and_find_room_again_after_a_merge() {
        let held = HeldMoments::default();
        // 8 partitions: 3 levels, 5 moments.
        for index in [0, 1, 2, 4, 6] {
            assert!(leaf(&held, 8, index));
        }
        assert!(!leaf(&held, 8, 7));
        held.hold_merged(&job(), (block(1, 0), block(0, 0)), Digest::default(), moments());
        assert!(leaf(&held, 8, 7), "what is merged waits for its release and is not counted");
        assert!(!leaf(&held, 8, 5));
        held.release(&job(), block(0, 0));
        held.release(&job(), block(0, 1));
        assert!(!leaf(&held, 8, 5), "a release of what is merged frees nothing twice");
        assert!(held.take_dropped().is_empty());
    }

    #[test]
    fn remade_moments_push_the_last_leaf_out_and_it_is_told() {
        let held = HeldMoments::default();
        for index in [0, 2, 4, 6, 7] {
            assert!(leaf(&held, 8, index));
        }
        held.hold_remade(&job(), 1, Digest::default(), moments());
        let told: Vec<_> = held.take_dropped().into_iter().collect();
        assert_eq!(told, [(job(), block(0, 7))]);
        assert!(held.holds(&job(), block(0, 1)) && !held.holds(&job(), block(0, 7)));
        held.hold_remade(&job(), 7, Digest::default(), moments());
        let told: Vec<_> = held.take_dropped().into_iter().collect();
        assert_eq!(told, [(job(), block(0, 4))], "neither it nor its sibling");
    }

    #[test]
    fn a_fold_tells_of_everything_behind_its_left_side() {
        let held = HeldMoments::default();
        // 7 partitions: 0-3, 4-5 and 6.
        for node in [block(2, 0), block(1, 2)] {
            held.hold_merged(&job(), (node, node), Digest::default(), moments());
        }
        assert!(leaf(&held, 7, 6));
        assert_eq!(held.lock().counted(&job()), 3);
        let fold = TreeNode::Fold { rank: 1 };
        held.hold_merged(&job(), (fold, block(1, 2)), Digest::default(), moments());
        assert_eq!(held.lock().counted(&job()), 2);
    }

    #[test]
    fn what_is_asked_for_in_vain_is_told_once() {
        let held = HeldMoments::default();
        assert!(held.get(&job(), block(0, 3), Digest::default()).is_none());
        assert_eq!(held.take_dropped().len(), 1);
        assert!(held.take_dropped().is_empty());
        assert!(leaf(&held, 8, 3));
        assert!(held.get(&job(), block(0, 3), Digest([1; 32])).is_none(), "other bits");
        assert!(held.get(&job(), block(0, 3), Digest::default()).is_some());
    }

    #[test]
    fn jobs_do_not_share_their_room() {
        let held = HeldMoments::default();
        let other = JobId("job-2".to_owned());
        for index in 0..3 {
            assert!(held.hold_leaf(&other, 2, index, Digest::default(), moments()));
        }
        assert!(leaf(&held, 2, 0));
        held.forget(&other);
        assert!(leaf(&held, 2, 1));
        held.keep(|_, node| node == block(0, 1));
        assert!(!held.holds(&job(), block(0, 0)) && held.holds(&job(), block(0, 1)));
    }
}
