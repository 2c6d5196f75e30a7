//! From moments to the matrix whose eigenvectors are the components.

use super::options::{Convention, Standardize};
use crate::moments::Moments;

/// Divisor of each column: its standard deviation with `mean-std`, else 1; 1 for constant columns.
pub(super) fn scale(moments: &Moments, standardize: Standardize, like: Convention) -> Vec<f64> {
    let freedom = (moments.count() - like.scale_ddof()) as f64;
    (0..moments.dim())
        .map(|i| match (standardize, moments.m2_diagonal(i)) {
            (Standardize::None | Standardize::Mean, _) | (_, 0.0) => 1.0,
            (Standardize::MeanStd, m2) => (m2 / freedom).sqrt(),
        })
        .collect()
}

/// Columns whose values are all equal. Their second moment is exactly 0, as the moments promise.
pub(super) fn constant_columns(moments: &Moments) -> Vec<usize> {
    (0..moments.dim()).filter(|&i| moments.m2_diagonal(i) == 0.0).collect()
}

/// The other columns.
pub(super) fn varying_columns(moments: &Moments) -> Vec<usize> {
    (0..moments.dim()).filter(|&i| moments.m2_diagonal(i) != 0.0).collect()
}

/// Covariance matrix of the scaled columns, of those given, both triangles.
pub(super) fn covariance(
    moments: &Moments,
    scale: &[f64],
    columns: &[usize],
    ddof: u64,
) -> Vec<f64> {
    let freedom = (moments.count() - ddof) as f64;
    let side = columns.len();
    let mut matrix = vec![0.0; side * side];
    for (a, &i) in columns.iter().enumerate() {
        let row = moments.m2_row(i);
        for (b, &j) in columns.iter().enumerate().skip(a) {
            matrix[a * side + b] = row[j - i] / freedom / (scale[i] * scale[j]);
        }
    }
    mirror(&mut matrix, side);
    matrix
}

/// Copies one triangle onto the other, in squares that stay in the cache.
fn mirror(matrix: &mut [f64], side: usize) {
    const SQUARE: usize = 32;
    for top in (0..side).step_by(SQUARE) {
        for left in (top..side).step_by(SQUARE) {
            for a in top..(top + SQUARE).min(side) {
                for b in left.max(a + 1)..(left + SQUARE).min(side) {
                    matrix[b * side + a] = matrix[a * side + b];
                }
            }
        }
    }
}
