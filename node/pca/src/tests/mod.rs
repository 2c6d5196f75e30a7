//! The fit against recorded references, and its behaviour where there is nothing to fit.

mod behaviour;
mod certified;
mod projection;
mod reference;

use fruitnode_coordinator::tree::{ReducePlan, TreeNode};

use super::{Convention, FitOptions, Standardize, Target};
use crate::moments::Moments;

fn options(standardize: Standardize, target: Target) -> FitOptions {
    FitOptions { standardize, target, like: Convention::Default }
}

/// All that has variance.
fn everything(standardize: Standardize) -> FitOptions {
    options(standardize, Target::AtMost(usize::MAX))
}

/// Moments as a job makes them: partitions of some rows, merged along the tree.
fn reduced(values: &[f32], dim: usize, rows_per_part: usize) -> Moments {
    let parts: Vec<Moments> =
        values.chunks(rows_per_part * dim).map(|part| Moments::of_rows(part, dim)).collect();
    let plan = ReducePlan::new(u32::try_from(parts.len()).expect("few parts"));
    let root = plan.root().expect("at least one part");
    subtree(plan, root, &parts)
}

fn subtree(plan: ReducePlan, node: TreeNode, parts: &[Moments]) -> Moments {
    match plan.children(node) {
        None => parts[plan.leaves(node).start as usize].clone(),
        Some((left, right)) => {
            let (left, right) = (subtree(plan, left, parts), subtree(plan, right, parts));
            Moments::merge(&left, &right).expect("one dimension")
        }
    }
}

/// The rows of `generator` in `tests/reference/pca.py`.
fn generator(rows: usize, dim: usize) -> Vec<f32> {
    let mut state: u64 = 1;
    let mut values = Vec::with_capacity(rows * dim);
    for r in 0..rows {
        for c in 0..dim {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let noise = (state >> 40) as f32 - 8_388_608.0;
            let wave = ((r * r + 7 * r * c) % 101) as f32 - 50.0;
            values.push(noise / 1_048_576.0 + wave * ((c % 13) as f32 - 6.0));
        }
    }
    values
}
