//! Two sides into one.

use super::kernel::Kernel;
use super::{Moments, MomentsError, row_range};

impl Moments {
    /// The moments of the left rows followed by the right rows (Chan, Golub and LeVeque,
    /// "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979).
    /// An empty side gives the other, bit for bit.
    pub fn merge(left: &Self, right: &Self) -> Result<Self, MomentsError> {
        merge(Kernel::detect(), left, right)
    }
}

/// [`Moments::merge`] with a certain kernel.
pub(super) fn merge(
    kernel: Kernel,
    left: &Moments,
    right: &Moments,
) -> Result<Moments, MomentsError> {
    let dim = left.dim();
    if dim != right.dim() {
        return Err(MomentsError::DimensionMismatch { left: dim, right: right.dim() });
    }
    if right.count == 0 {
        return Ok(left.clone());
    }
    if left.count == 0 {
        return Ok(right.clone());
    }
    let count = left.count + right.count;
    let right_share = right.count as f64 / count as f64;
    let weight = left.count as f64 * right_share;
    let shift: Vec<f64> =
        left.mean.iter().zip(&right.mean).map(|(left, right)| right - left).collect();
    // Equal means have shift 0, and stay what they are.
    let mean = left
        .mean
        .iter()
        .zip(&shift)
        .map(|(left, shift)| shift.mul_add(right_share, *left))
        .collect();
    let mut m2 = left.m2.clone();
    for i in 0..dim {
        let row = row_range(dim, i);
        kernel.add_scaled(shift[i] * weight, &shift[i..], &right.m2[row.clone()], &mut m2[row]);
    }
    Ok(Moments { count, mean, m2 }.with_plain_nans())
}
