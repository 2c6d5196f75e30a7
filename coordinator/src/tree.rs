//! The shape of the reduction: which moments merge with which.
//!
//! Partitions are the leaves. Blocks of partitions are aligned to powers of two, as in a Merkle
//! mountain range, so that a block's subtree never depends on how many partitions there are, and
//! merging starts before the listing ends. What is left over are the *peaks*, complete blocks of
//! falling size; they fold from the smallest (rightmost) to the largest. The shape depends on the
//! number of partitions alone, and so do the bits of the sum.
//!
//! ```text
//! 7 partitions     fold 0
//!                 /      \
//!          block 0-3    fold 1
//!          /      \     /    \
//!        0-1     2-3   4-5    6
//! ```

use std::fmt;
use std::ops::Range;

/// A place in the reduction tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TreeNode {
    /// The partitions `index << level .. (index + 1) << level`.
    Block {
        /// 0 for a single partition.
        level: u8,
        /// Position among the blocks of this level.
        index: u32,
    },
    /// Peak `rank` merged with all peaks right of it.
    Fold {
        /// Rank of the left child among the peaks, 0 for the largest.
        rank: u32,
    },
}

impl TreeNode {
    /// The leaf of one partition.
    pub fn leaf(partition: u32) -> Self {
        Self::Block { level: 0, index: partition }
    }
}

impl fmt::Display for TreeNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Block { level: 0, index } => write!(f, "{index}"),
            Self::Block { level, index } => {
                let first = u64::from(index) << level;
                write!(f, "{first}-{}", first + (1 << level) - 1)
            }
            Self::Fold { rank } => write!(f, "fold{rank}"),
        }
    }
}

/// One step in making all that lies below a node of the tree, on a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Push the moments of this partition.
    Leaf(u32),
    /// Take two off, the right one first, and push what they merge into.
    Merge,
}

/// The tree over a known number of partitions. Nothing is stored: every question is arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReducePlan {
    partitions: u32,
}

impl ReducePlan {
    /// The plan for this many partitions.
    pub fn new(partitions: u32) -> Self {
        Self { partitions }
    }

    /// Complete blocks that no larger complete block holds, from left to right.
    pub(crate) fn peaks(self) -> impl DoubleEndedIterator<Item = TreeNode> {
        let partitions = self.partitions;
        (0..32u8).rev().filter(move |level| partitions >> level & 1 == 1).map(move |level| {
            // Everything left of this peak is made of larger blocks.
            let index = (partitions >> level) - 1;
            TreeNode::Block { level, index }
        })
    }

    /// Where the whole sum ends up. `None` without partitions.
    pub fn root(self) -> Option<TreeNode> {
        match self.partitions.count_ones() {
            0 => None,
            1 => self.peaks().next(),
            _ => Some(TreeNode::Fold { rank: 0 }),
        }
    }

    /// What this node is merged into. `None` for the root.
    pub fn parent(self, node: TreeNode) -> Option<TreeNode> {
        match node {
            TreeNode::Fold { rank: 0 } => None,
            TreeNode::Fold { rank } => Some(TreeNode::Fold { rank: rank - 1 }),
            TreeNode::Block { level, index } => {
                let above = TreeNode::Block { level: level + 1, index: index / 2 };
                if self.is_complete(above) {
                    return Some(above);
                }
                let last = self.partitions.count_ones() - 1;
                let rank = self.rank(level);
                match (rank, last) {
                    (_, 0) => None,
                    (rank, last) if rank == last => Some(TreeNode::Fold { rank: last - 1 }),
                    (rank, _) => Some(TreeNode::Fold { rank }),
                }
            }
        }
    }

    /// The two nodes that merge into this one, left first. `None` for a leaf.
    pub fn children(self, node: TreeNode) -> Option<(TreeNode, TreeNode)> {
        match node {
            TreeNode::Block { level: 0, .. } => None,
            TreeNode::Block { level, index } => Some((
                TreeNode::Block { level: level - 1, index: index * 2 },
                TreeNode::Block { level: level - 1, index: index * 2 + 1 },
            )),
            TreeNode::Fold { rank } => {
                let mut peaks = self.peaks().skip(rank as usize);
                let left = peaks.next()?;
                let next = peaks.next()?;
                let right = match peaks.next() {
                    None => next,
                    Some(_) => TreeNode::Fold { rank: rank + 1 },
                };
                Some((left, right))
            }
        }
    }

    /// The node that this one is merged with, and whether that one stands on the left.
    pub fn sibling(self, node: TreeNode) -> Option<TreeNode> {
        let (left, right) = self.children(self.parent(node)?)?;
        Some(if left == node { right } else { left })
    }

    /// The partitions below a node.
    pub fn leaves(self, node: TreeNode) -> Range<u32> {
        match node {
            TreeNode::Block { level, index } => index << level..(index + 1) << level,
            TreeNode::Fold { rank } => {
                let first =
                    self.peaks().nth(rank as usize).map_or(0, |peak| self.leaves(peak).start);
                first..self.partitions
            }
        }
    }

    /// How to make all that lies below a node, leaf by leaf from the left: the same merges as in
    /// the tree, with at most [`ReducePlan::depth`] and one of them on the stack at a time.
    pub fn steps(self, node: TreeNode) -> impl Iterator<Item = Step> {
        let mut open = vec![Some(node)];
        std::iter::from_fn(move || {
            loop {
                let Some(node) = open.pop()? else { return Some(Step::Merge) };
                match self.children(node) {
                    None => return Some(Step::Leaf(self.leaves(node).start)),
                    Some((left, right)) => open.extend([None, Some(right), Some(left)]),
                }
            }
        })
    }

    /// Whether there is this node.
    pub fn contains(self, node: TreeNode) -> bool {
        match node {
            TreeNode::Block { level, .. } => level < 32 && self.is_complete(node),
            TreeNode::Fold { rank } => rank.saturating_add(1) < self.partitions.count_ones(),
        }
    }

    /// Levels from a leaf to the root.
    pub fn depth(self) -> u32 {
        match self.peaks().next() {
            Some(TreeNode::Block { level, .. }) => {
                u32::from(level) + self.partitions.count_ones() - 1
            }
            _ => 0,
        }
    }

    fn is_complete(self, node: TreeNode) -> bool {
        match node {
            TreeNode::Block { level, index } => {
                (u64::from(index) + 1) << level <= u64::from(self.partitions)
            }
            TreeNode::Fold { .. } => true,
        }
    }

    /// Rank among the peaks of the peak at this level.
    fn rank(self, level: u8) -> u32 {
        (self.partitions >> level).count_ones() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(plan: ReducePlan, node: TreeNode) -> String {
        match plan.children(node) {
            None => node.to_string(),
            Some((left, right)) => format!("({} {})", shape(plan, left), shape(plan, right)),
        }
    }

    #[test]
    fn the_shape_is_that_of_a_mountain_range() {
        let of = |n| {
            let plan = ReducePlan::new(n);
            plan.root().map(|root| shape(plan, root)).unwrap_or_default()
        };
        assert_eq!(of(0), "");
        assert_eq!(of(1), "0");
        assert_eq!(of(2), "(0 1)");
        assert_eq!(of(3), "((0 1) 2)");
        assert_eq!(of(7), "(((0 1) (2 3)) ((4 5) 6))");
        assert_eq!(of(8), "(((0 1) (2 3)) ((4 5) (6 7)))");
    }

    #[test]
    fn every_leaf_is_merged_exactly_once_and_parents_agree_with_children() {
        for n in 1..200 {
            let plan = ReducePlan::new(n);
            let mut open = vec![plan.root().expect("n is not 0")];
            let mut leaves = Vec::new();
            while let Some(node) = open.pop() {
                let Some((left, right)) = plan.children(node) else {
                    leaves.push(plan.leaves(node).start);
                    continue;
                };
                for child in [left, right] {
                    assert_eq!(plan.parent(child), Some(node), "{child} of {n}");
                }
                assert!(plan.contains(node) && plan.contains(left) && plan.contains(right));
                assert_eq!(plan.sibling(left), Some(right));
                assert_eq!(plan.sibling(right), Some(left));
                assert_eq!(plan.leaves(left).end, plan.leaves(right).start);
                assert_eq!(plan.leaves(node).start, plan.leaves(left).start);
                assert_eq!(plan.leaves(node).end, plan.leaves(right).end);
                open.extend([right, left]);
            }
            assert_eq!(leaves, (0..n).collect::<Vec<_>>());
            assert!(plan.depth() <= 2 * n.ilog2() + 1, "depth {} of {n}", plan.depth());
        }
    }

    #[test]
    fn steps_make_the_same_shape_with_few_on_the_stack() {
        for n in 1..200 {
            let plan = ReducePlan::new(n);
            let root = plan.root().expect("n is not 0");
            let (mut stack, mut most): (Vec<String>, usize) = (Vec::new(), 0);
            for step in plan.steps(root) {
                match step {
                    Step::Leaf(leaf) => stack.push(leaf.to_string()),
                    Step::Merge => {
                        let (right, left) = (stack.pop().unwrap(), stack.pop().unwrap());
                        stack.push(format!("({left} {right})"));
                    }
                }
                most = most.max(stack.len());
            }
            assert_eq!(stack, [shape(plan, root)]);
            assert!(most <= plan.depth() as usize + 1, "{most} of {n}");
        }
    }

    #[test]
    fn what_is_not_in_the_tree_is_known_not_to_be() {
        for n in 0..50 {
            let plan = ReducePlan::new(n);
            assert!(!plan.contains(TreeNode::leaf(n)) && !plan.contains(TreeNode::leaf(u32::MAX)));
            assert!(!plan.contains(TreeNode::Block { level: 31, index: u32::MAX }));
            let folds = n.count_ones().saturating_sub(1);
            assert!(!plan.contains(TreeNode::Fold { rank: folds }));
            assert!(!plan.contains(TreeNode::Fold { rank: u32::MAX }));
            assert_eq!(plan.contains(TreeNode::Block { level: 1, index: 2 }), n >= 6);
        }
    }

    #[test]
    fn a_complete_block_has_the_same_subtree_however_many_partitions_follow() {
        let block = TreeNode::Block { level: 2, index: 1 };
        let expected = shape(ReducePlan::new(8), block);
        for n in 8..100 {
            assert_eq!(shape(ReducePlan::new(n), block), expected);
        }
    }
}
