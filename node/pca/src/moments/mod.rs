//! Count, mean and centred second moments of feature rows: computed per partition, merged pairwise.
//!
//! Every number is a fixed sequence of roundings: a sum runs over rows in key order, products are
//! fused into it, and vector instructions work on several sums at once, never on one. So the bits
//! depend on the rows and on the shape of the tree alone, not on the processor.
//!
//! Nothing here knows of partitions, nodes or files.

pub mod kernel;
pub mod wire;

mod gather;
mod merge;
#[cfg(test)]
mod tests;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::Digest;
use fruitnode_coordinator::retry::FailureReason;

/// First bytes of what [`Moments::digest`] hashes; changes whenever the layout behind it does.
const DIGEST_TAG: &[u8; 16] = b"fruitnode-moment";

/// Count, mean and centred second moments of rows with `dim` columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    count: u64,
    mean: Vec<f64>,
    m2: Vec<f64>,
}

/// Numbers that are no moments.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MomentsError {
    /// The triangle does not belong to the mean.
    #[error(
        "moments of {dim} columns have {found} second moments instead of {expected}: the bytes are \
         damaged or from a different version"
    )]
    WrongLength {
        /// Columns, by the length of the mean.
        dim: usize,
        /// Length of the triangle.
        found: usize,
        /// Length that it should have.
        expected: usize,
    },
    /// Two sides of a merge have different columns.
    #[error(
        "moments of {left} columns cannot be merged with moments of {right}: \
         the features come from different models"
    )]
    DimensionMismatch {
        /// Columns of the left side.
        left: usize,
        /// Columns of the right side.
        right: usize,
    },
}

impl From<MomentsError> for Failure {
    fn from(error: MomentsError) -> Self {
        Self::of(FailureReason::InvalidJob, &error)
    }
}

impl Moments {
    /// The moments of no rows.
    pub fn empty(dim: usize) -> Self {
        Self { count: 0, mean: vec![0.0; dim], m2: vec![0.0; packed_len(dim)] }
    }

    /// Moments from their parts, as they travel between nodes.
    pub fn from_parts(count: u64, mean: Vec<f64>, m2: Vec<f64>) -> Result<Self, MomentsError> {
        let (dim, found) = (mean.len(), m2.len());
        let expected = packed_len(dim);
        if found != expected {
            return Err(MomentsError::WrongLength { dim, found, expected });
        }
        Ok(Self { count, mean, m2 })
    }

    /// Columns.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// Rows.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Mean of each column.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Sums of products of deviations from the mean: the upper triangle, row after row, so that
    /// row `i` holds the columns `i..dim`. [`Moments::m2_row`] finds one.
    pub fn m2(&self) -> &[f64] {
        &self.m2
    }

    /// Second moments of column `i` with the columns `i..dim`.
    pub fn m2_row(&self, i: usize) -> &[f64] {
        &self.m2[row_range(self.dim(), i)]
    }

    /// Second moment of column `i` with itself: `count` times its variance.
    pub(crate) fn m2_diagonal(&self, i: usize) -> f64 {
        self.m2_row(i)[0]
    }

    /// Covariance of columns `i` and `j`, dividing by `count - ddof`. Without more than `ddof` rows
    /// there is none.
    pub fn covariance(&self, i: usize, j: usize, ddof: u64) -> Option<f64> {
        let freedom = self.count.checked_sub(ddof).filter(|&rows| rows > 0)?;
        let (low, high) = (i.min(j), i.max(j));
        Some(self.m2_row(low)[high - low] / freedom as f64)
    }

    /// Whether every number is finite. Rows with an infinity or a NaN leave one in the mean.
    pub fn is_finite(&self) -> bool {
        self.mean.iter().chain(&self.m2).all(|v| v.is_finite())
    }

    /// SHA-256 over a tag, `dim`, `count`, the mean and the triangle, all little-endian.
    pub fn digest(&self) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update(DIGEST_TAG);
        hasher.update((self.dim() as u64).to_le_bytes());
        hasher.update(self.count.to_le_bytes());
        let mut bytes = Vec::with_capacity(8 * 1024);
        for values in [&self.mean, &self.m2] {
            for block in values.chunks(1024) {
                bytes.clear();
                bytes.extend(block.iter().flat_map(|v| v.to_le_bytes()));
                hasher.update(&bytes);
            }
        }
        Digest(hasher.finalize().into())
    }

    /// Gives every NaN the same bits: which of two operands' NaNs an instruction hands on is the
    /// compiler's choice.
    fn with_plain_nans(mut self) -> Self {
        // A NaN or infinity among the rows always reaches the mean, and nothing else makes one:
        // squares of f32 are far from the limits of f64.
        if self.mean.iter().any(|v| !v.is_finite()) {
            for value in self.mean.iter_mut().chain(&mut self.m2) {
                if value.is_nan() {
                    *value = f64::NAN;
                }
            }
        }
        self
    }
}

/// Length of the packed triangle over `dim` columns.
pub(crate) fn packed_len(dim: usize) -> usize {
    dim * (dim + 1) / 2
}

/// Where row `i` of the packed triangle lies.
fn row_range(dim: usize, i: usize) -> std::ops::Range<usize> {
    // Rows 0..i are dim, dim - 1, ... long.
    let start = i * dim - packed_len(i) + i;
    start..start + dim - i
}
