//! The computations that a check repeats, as parameters, and the order in which moments merge.

use crate::FittedView;

/// What must be computed again exactly as the job computed it. The moments belong to the
/// coordinator and the projection to the PCA; the checks themselves use neither's fit.
pub trait Arithmetic {
    /// Count, mean and centred products of some rows.
    type Moments;

    /// Moments of `values`, rows of `dim` values.
    fn of_rows(&self, values: &[f32], dim: usize) -> Self::Moments;

    /// Moments of the rows of both, those of `left` first. Both are of equal width: the walk has
    /// compared it with the model's before.
    fn merge(&self, left: Self::Moments, right: Self::Moments) -> Self::Moments;

    /// The moments opened for comparison.
    fn whole(&self, moments: &Self::Moments) -> Whole;

    /// Scores of `values`, rows of `model.facts.dim` values: `k` values per row.
    fn project(&self, model: &FittedView<'_>, values: &[f32]) -> Vec<f32>;
}

/// Moments of all rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    /// Rows.
    pub count: u64,
    /// Column means, `dim` values.
    pub mean: Vec<f64>,
    /// Sums over the rows of `(x_i - mean_i) * (x_j - mean_j)`, `dim x dim` values.
    pub products: Vec<f64>,
}

/// Moments that wait for their right neighbours. Merges as `coordinator::tree::ReducePlan` does:
/// blocks of powers of two as they become complete, then what is left from right to left. Holds
/// as many moments as the number of partitions has binary digits.
pub(super) struct Forest<M> {
    blocks: Vec<(u32, M)>,
}

impl<M> Forest<M> {
    pub(super) fn new() -> Self {
        Self { blocks: Vec::new() }
    }

    /// Adds the moments of the next partition.
    pub(super) fn push(&mut self, leaf: M, merge: impl Fn(M, M) -> M) {
        let (mut level, mut block) = (0, leaf);
        while let Some((_, left)) = self.blocks.pop_if(|(of, _)| *of == level) {
            block = merge(left, block);
            level += 1;
        }
        self.blocks.push((level, block));
    }

    /// The moments of all partitions; `None` without any.
    pub(super) fn finish(self, merge: impl Fn(M, M) -> M) -> Option<M> {
        let from_the_right = self.blocks.into_iter().rev().map(|(_, block)| block);
        from_the_right.reduce(|right, left| merge(left, right))
    }
}

#[cfg(test)]
mod tests {
    use fruitnode_coordinator::tree::{ReducePlan, TreeNode};

    use super::*;

    fn planned(plan: ReducePlan, node: TreeNode) -> String {
        match plan.children(node) {
            None => plan.leaves(node).start.to_string(),
            Some((left, right)) => format!("({} {})", planned(plan, left), planned(plan, right)),
        }
    }

    #[test]
    fn moments_merge_in_the_order_of_the_plan() {
        for partitions in 1..70 {
            let merge = |left: String, right: String| format!("({left} {right})");
            let mut forest = Forest::new();
            for partition in 0..partitions {
                forest.push(partition.to_string(), merge);
            }
            let plan = ReducePlan::new(partitions);
            assert_eq!(forest.finish(merge), plan.root().map(|root| planned(plan, root)));
        }
    }

    #[test]
    fn without_partitions_there_are_no_moments() {
        assert_eq!(Forest::<u8>::new().finish(|left, _| left), None);
    }
}
