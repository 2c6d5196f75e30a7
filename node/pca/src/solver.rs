//! The only file that speaks to `faer`: eigenvectors of a symmetric matrix, and products.
//!
//! Everything is sequential (`Par::Seq`) and column-major.

use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::evd::{
    ComputeEigenvectors, SelfAdjointEvdParams, self_adjoint_evd, self_adjoint_evd_scratch,
};
use faer::linalg::matmul::matmul;
use faer::{Accum, Auto, MatMut, MatRef, Par, Spec};

/// Eigenvalues and eigenvectors of a symmetric matrix, largest eigenvalue first.
pub(super) struct Eigen {
    /// Not clamped: what is 0 may come out slightly negative.
    pub(super) values: Vec<f64>,
    /// Unit vectors, one after the other, in the order of the values.
    pub(super) vectors: Vec<f64>,
}

/// The iteration did not end: only matrices with a NaN or an infinity were ever seen to do that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoConvergence;

/// Decomposes a symmetric `dim x dim` matrix, of which the lower triangle is read.
pub(super) fn eigen(matrix: &[f64], dim: usize) -> Result<Eigen, NoConvergence> {
    let mut ascending = vec![0.0; dim];
    let mut vectors = vec![0.0; dim * dim];
    let mut workspace = MemBuffer::new(workspace(dim));
    self_adjoint_evd(
        MatRef::from_column_major_slice(matrix, dim, dim),
        faer::diag::DiagMut::from_slice_mut(&mut ascending),
        Some(MatMut::from_column_major_slice_mut(&mut vectors, dim, dim)),
        Par::Seq,
        MemStack::new(&mut workspace),
        parameters(),
    )
    .map_err(|_| NoConvergence)?;

    ascending.reverse();
    // Whole columns change places, in place.
    for low in 0..dim / 2 {
        let (head, tail) = vectors.split_at_mut((dim - 1 - low) * dim);
        head[low * dim..(low + 1) * dim].swap_with_slice(&mut tail[..dim]);
    }
    Ok(Eigen { values: ascending, vectors })
}

/// Bytes that [`eigen`] takes beside the matrix itself.
pub(super) fn eigen_bytes(dim: usize) -> u64 {
    let results = (dim as u64 + 1) * dim as u64 * 8;
    results + workspace(dim).unaligned_bytes_required() as u64
}

/// `matrix * vectors` for a `dim x dim` matrix and `count` vectors of length `dim`.
pub(super) fn times(matrix: &[f64], vectors: &[f64], dim: usize, count: usize) -> Vec<f64> {
    product(
        MatRef::from_column_major_slice(matrix, dim, dim),
        MatRef::from_column_major_slice(vectors, dim, count),
    )
}

/// Inner products of all pairs of `count` vectors of length `dim`.
pub(super) fn inner_products(vectors: &[f64], dim: usize, count: usize) -> Vec<f64> {
    let columns = MatRef::from_column_major_slice(vectors, dim, count);
    product(columns.transpose(), columns)
}

fn product(left: MatRef<'_, f64>, right: MatRef<'_, f64>) -> Vec<f64> {
    let (rows, columns) = (left.nrows(), right.ncols());
    let mut out = vec![0.0; rows * columns];
    let target = MatMut::from_column_major_slice_mut(&mut out, rows, columns);
    matmul(target, Accum::Replace, left, right, 1.0, Par::Seq);
    out
}

fn workspace(dim: usize) -> StackReq {
    self_adjoint_evd_scratch::<f64>(dim, ComputeEigenvectors::Yes, Par::Seq, parameters())
}

/// The defaults, but said here: they decide bits.
fn parameters() -> Spec<SelfAdjointEvdParams, f64> {
    SelfAdjointEvdParams { recursion_threshold: 128, ..<SelfAdjointEvdParams as Auto<f64>>::auto() }
        .into()
}
