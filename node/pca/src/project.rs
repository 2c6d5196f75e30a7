//! Feature rows into the space of the components.
//!
//! A score is one chain of fused multiply-adds over the columns in order, in f64, rounded once to
//! f32: the same bits on every processor, for any number of rows at a time.

use thiserror::Error;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::retry::FailureReason;

use super::fit::Fitted;
use crate::moments::kernel::{Kernel, Left, Right, TILE_COLUMNS, TILE_ROWS};

/// Groups of 8 rows that share one reading of the components: with 1,280 columns they take 0.6 MB.
const GROUPS: usize = 8;

/// Features that do not fit the components.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProjectError {
    /// Not whole rows.
    #[error(
        "{values} feature values do not make whole rows of {dim} columns: the features and the PCA \
         come from different models"
    )]
    NotWholeRows {
        /// Values given.
        values: usize,
        /// Columns that the components have.
        dim: usize,
    },
}

impl From<ProjectError> for Failure {
    fn from(error: ProjectError) -> Self {
        Self::of(FailureReason::InvalidJob, &error)
    }
}

/// Projects rows of `fitted.dim` features, row after row. `out` then holds `fitted.k` scores for
/// each, and nothing else.
pub fn project(fitted: &Fitted, rows: &[f32], out: &mut Vec<f32>) -> Result<(), ProjectError> {
    project_with(Kernel::detect(), fitted, rows, out)
}

pub(super) fn project_with(
    kernel: Kernel,
    fitted: &Fitted,
    rows: &[f32],
    out: &mut Vec<f32>,
) -> Result<(), ProjectError> {
    let (dim, k) = (fitted.dim, fitted.k);
    if dim == 0 || !rows.len().is_multiple_of(dim) {
        return Err(ProjectError::NotWholeRows { values: rows.len(), dim });
    }
    out.clear();
    out.resize(rows.len() / dim * k, 0.0);
    if k == 0 {
        return Ok(());
    }
    let components = component_panels(fitted);
    let mut scaled = vec![[0.0; TILE_ROWS]; GROUPS * dim];
    let blocks = rows.chunks(GROUPS * TILE_ROWS * dim).zip(out.chunks_mut(GROUPS * TILE_ROWS * k));
    for (rows, scores) in blocks {
        for (group, scaled) in rows.chunks(TILE_ROWS * dim).zip(scaled.chunks_exact_mut(dim)) {
            standardize(fitted, group, scaled);
        }
        for (panel, first) in components.chunks_exact(dim).zip((0..k).step_by(TILE_COLUMNS)) {
            let width = TILE_COLUMNS.min(k - first);
            for (scores, scaled) in scores.chunks_mut(TILE_ROWS * k).zip(scaled.chunks_exact(dim)) {
                let mut tile = [[0.0; TILE_COLUMNS]; TILE_ROWS];
                kernel.add_products(scaled, panel, &mut tile);
                for (scores, sums) in scores.chunks_exact_mut(k).zip(&tile) {
                    for (score, &sum) in scores[first..first + width].iter_mut().zip(sums) {
                        *score = sum as f32;
                    }
                }
            }
        }
    }
    Ok(())
}

/// For each 24 components, their loadings column after column; 0 beyond the last.
fn component_panels(fitted: &Fitted) -> Vec<Right> {
    let panels = fitted.k.div_ceil(TILE_COLUMNS);
    let mut loadings = vec![[0.0; TILE_COLUMNS]; panels * fitted.dim];
    for c in 0..fitted.k {
        let panel = &mut loadings[c / TILE_COLUMNS * fitted.dim..][..fitted.dim];
        for (column, &loading) in panel.iter_mut().zip(fitted.component(c)) {
            column[c % TILE_COLUMNS] = loading;
        }
    }
    loadings
}

/// Up to 8 rows, centred and scaled as the fit says. Rows that are not there keep what they held:
/// nobody reads their scores.
fn standardize(fitted: &Fitted, rows: &[f32], scaled: &mut [Left]) {
    for (r, row) in rows.chunks_exact(fitted.dim).enumerate() {
        let scaler = fitted.mean.iter().zip(&fitted.scale);
        for ((out, &value), (&mean, &scale)) in scaled.iter_mut().zip(row).zip(scaler) {
            let offset = if fitted.centred { mean } else { 0.0 };
            out[r] = (f64::from(value) - offset) / scale;
        }
    }
}
