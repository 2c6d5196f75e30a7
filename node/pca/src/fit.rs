//! Principal components from moments.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::retry::FailureReason;

use super::class::fit_class;
use super::options::{Convention, FitOptions, Standardize, Target};
use super::solver::{self, Eigen};
use super::{spectrum, standardize};
use crate::moments::Moments;

/// Loadings within this part of the largest are tied for the sign: far above what rounding or
/// another fit class changes, so the same one decides everywhere.
const SIGN_TIE_TOLERANCE: f64 = 1e-6;

/// A fitted scaler and its principal components.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// Columns of the features.
    pub dim: usize,
    /// Rows behind the moments.
    pub rows: u64,
    /// What was done to the columns.
    pub standardize: Standardize,
    /// Whose divisors and centring.
    pub like: Convention,
    /// Whether the mean is subtracted before projecting.
    pub centred: bool,
    /// Mean of each column, known also where it is not subtracted.
    pub mean: Vec<f64>,
    /// Divisor of each column, 1 where there is none.
    pub scale: Vec<f64>,
    /// Subtracted from the rows for the standard deviations in `scale`.
    pub scale_ddof: u64,
    /// Columns whose values are all equal, rising. Every loading of theirs is 0.
    pub constant: Vec<usize>,
    /// Variances of all `dim` components of the scaled columns, falling, none below 0.
    pub spectrum: Vec<f64>,
    /// Subtracted from the rows for the variances in `spectrum`.
    pub covariance_ddof: u64,
    /// Each variance's part of their sum.
    pub ratios: Vec<f64>,
    /// Components with variance.
    pub rank: usize,
    /// Components kept, at most `rank`.
    pub k: usize,
    /// `k x dim`, one component after the other: unit vectors, the largest loading positive.
    pub components: Vec<f64>,
    /// What a reader of the result should know.
    pub warnings: Vec<Warning>,
    /// See [`fit_class`].
    pub fit_class: String,
}

/// What is worth saying about a fit that succeeded.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Warning {
    /// Fewer components than asked for.
    BeyondRank {
        /// Components asked for.
        asked: usize,
        /// Components with variance, all of which are kept.
        rank: usize,
    },
    /// The rows limit the rank, not the columns.
    FewRows {
        /// Rows.
        rows: u64,
        /// Columns.
        dim: usize,
    },
    /// Columns that say nothing.
    ConstantColumns {
        /// How many.
        count: usize,
        /// Of how many.
        dim: usize,
    },
    /// Components with one variance: their span is determined, each of them is not.
    EqualVariances {
        /// First of them, counted from 1.
        first: usize,
        /// Last of them, counted from 1; may lie beyond what is kept.
        last: usize,
    },
}

/// Why there is no fit.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum FitError {
    /// No columns.
    #[error("the features have no columns: check the model that made them")]
    NoColumns,
    /// No rows.
    #[error("a PCA needs at least 2 photographs, but none could be used")]
    NoRows,
    /// One row.
    #[error(
        "a PCA needs at least 2 photographs, but there is only 1: add photographs or use --pca off"
    )]
    OneRow,
    /// A NaN or an infinity.
    #[error(
        "column {column} of the features contains a value that is not finite: check the weights"
    )]
    NotFinite {
        /// The first such column, from 0.
        column: usize,
    },
    /// No variance at all.
    #[error(
        "all {dim} columns are constant over {rows} photographs, so there is no variance to \
         explain: check that the photographs differ and that the weights are trained"
    )]
    AllConstant {
        /// Columns.
        dim: usize,
        /// Rows.
        rows: u64,
    },
    /// Zero components.
    #[error("cannot keep 0 components: ask for at least 1, or use --pca off")]
    NoComponents,
    /// More components than there are.
    #[error(
        "{asked} components were requested, but {rows} photographs have only {rank}: request at \
         most {rank}, or as many as there are with --pca at-most:{asked}"
    )]
    BeyondRank {
        /// Components that were requested.
        asked: usize,
        /// Components with variance.
        rank: usize,
        /// Photographs.
        rows: u64,
    },
    /// A share that is none.
    #[error("{share} is not a share of the variance: give a number between 0 and 1, such as 0.95")]
    InvalidShare {
        /// As asked.
        share: f64,
    },
    /// Even all components with variance stay below.
    #[error(
        "a share of {share} cannot be reached: all {rank} components above rounding error explain \
         {reachable}; ask for a smaller share, or for a number of components"
    )]
    ShareUnreachable {
        /// As asked.
        share: f64,
        /// What all of them explain.
        reachable: f64,
        /// Components with variance.
        rank: usize,
    },
    /// The solver gave up.
    #[error(
        "the eigenvalues of {columns} columns did not converge: please report this with the \
         features"
    )]
    NoConvergence {
        /// Columns that are not constant.
        columns: usize,
    },
}

impl From<FitError> for Failure {
    fn from(error: FitError) -> Self {
        let reason = match error {
            // That is no matter of flags.
            FitError::NoRows | FitError::OneRow => FailureReason::InputMissing,
            _ => FailureReason::InvalidJob,
        };
        Self::of(reason, &error)
    }
}

/// Fits a scaler and principal components.
///
/// The matrix is the covariance of the scaled columns without the constant ones, whose loadings
/// are 0 by definition. It is decomposed in f64 by one thread. Nothing whose variance is rounding
/// is kept.
pub fn fit(moments: &Moments, options: &FitOptions) -> Result<Fitted, FitError> {
    check(moments, options)?;
    let (dim, rows) = (moments.dim(), moments.count());
    let FitOptions { standardize, target, like } = *options;

    let constant = standardize::constant_columns(moments);
    let varying = standardize::varying_columns(moments);
    if varying.is_empty() {
        return Err(FitError::AllConstant { dim, rows });
    }
    let scale = standardize::scale(moments, standardize, like);
    let covariance_ddof = like.covariance_ddof();
    let matrix = standardize::covariance(moments, &scale, &varying, covariance_ddof);
    let eigen = decompose(matrix, varying.len())?;

    let mut values: Vec<f64> = eigen.values.iter().map(|value| value.max(0.0)).collect();
    values.resize(dim, 0.0);
    let rank = spectrum::rank(&values, rows);
    let k = match target {
        Target::Components(asked) if asked > rank => {
            return Err(FitError::BeyondRank { asked, rank, rows });
        }
        Target::Components(asked) => asked,
        Target::AtMost(asked) => asked.min(rank),
        Target::Share(share) => spectrum::components_for(share, &values, rank)
            .map_err(|reachable| FitError::ShareUnreachable { share, reachable, rank })?,
    };
    Ok(Fitted {
        dim,
        rows,
        standardize,
        like,
        centred: like.centres(standardize),
        mean: moments.mean().to_vec(),
        scale,
        scale_ddof: like.scale_ddof(),
        covariance_ddof,
        ratios: spectrum::ratios(&values),
        rank,
        k,
        components: components(&eigen, &varying, dim, k),
        warnings: warnings(target, rows, &constant, &values, rank, k),
        constant,
        spectrum: values,
        fit_class: fit_class(),
    })
}

impl Fitted {
    /// Loadings of one component, from 0.
    pub fn component(&self, index: usize) -> &[f64] {
        &self.components[index * self.dim..(index + 1) * self.dim]
    }

    /// Share of variance of the first component, of the first two, and so on, over all `dim`.
    pub fn cumulative_ratios(&self) -> Vec<f64> {
        spectrum::cumulative(&self.spectrum)
    }
}

fn check(moments: &Moments, options: &FitOptions) -> Result<(), FitError> {
    match options.target {
        Target::Components(0) | Target::AtMost(0) => return Err(FitError::NoComponents),
        Target::Share(share) if !(share > 0.0 && share < 1.0) => {
            return Err(FitError::InvalidShare { share });
        }
        Target::Components(_) | Target::AtMost(_) | Target::Share(_) => {}
    }
    match (moments.dim(), moments.count()) {
        (0, _) => return Err(FitError::NoColumns),
        (_, 0) => return Err(FitError::NoRows),
        (_, 1) => return Err(FitError::OneRow),
        _ => {}
    }
    let finite = |i: usize| {
        moments.mean()[i].is_finite() && moments.m2_row(i).iter().all(|value| value.is_finite())
    };
    match (0..moments.dim()).find(|&i| !finite(i)) {
        // A row of the triangle also holds later columns: the mean says whose fault it is.
        Some(row) => {
            let culprit = moments.mean().iter().position(|mean| !mean.is_finite());
            Err(FitError::NotFinite { column: culprit.unwrap_or(row) })
        }
        None => Ok(()),
    }
}

/// Eigenvectors of the matrix, brought near 1 by a power of two first: an exact change, and the
/// solver's squares stay far from the limits of f64.
fn decompose(mut matrix: Vec<f64>, side: usize) -> Result<Eigen, FitError> {
    let largest = (0..side).map(|i| matrix[i * side + i]).fold(0.0, f64::max);
    let exponent = libm::ilogb(largest);
    for value in &mut matrix {
        *value = libm::scalbn(*value, -exponent);
    }
    let mut eigen =
        solver::eigen(&matrix, side).map_err(|_| FitError::NoConvergence { columns: side })?;
    for value in &mut eigen.values {
        *value = libm::scalbn(*value, exponent);
    }
    Ok(eigen)
}

/// The first `k` eigenvectors with their signs fixed and the constant columns put back.
fn components(eigen: &Eigen, varying: &[usize], dim: usize, k: usize) -> Vec<f64> {
    let mut components = vec![0.0; k * dim];
    let vectors = eigen.vectors.chunks_exact(varying.len());
    for (component, vector) in components.chunks_exact_mut(dim).zip(vectors) {
        let sign = sign(vector);
        for (&column, &loading) in varying.iter().zip(vector) {
            // Adding 0 makes -0 a 0.
            component[column] = sign * loading + 0.0;
        }
    }
    components
}

/// What makes the largest loading positive; of those tied for it, the first decides.
fn sign(vector: &[f64]) -> f64 {
    let largest = vector.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
    let enough = largest * (1.0 - SIGN_TIE_TOLERANCE);
    match vector.iter().find(|loading| loading.abs() >= enough) {
        Some(loading) if *loading < 0.0 => -1.0,
        _ => 1.0,
    }
}

fn warnings(
    target: Target,
    rows: u64,
    constant: &[usize],
    values: &[f64],
    rank: usize,
    k: usize,
) -> Vec<Warning> {
    let dim = values.len();
    let mut warnings = Vec::new();
    if let Target::AtMost(asked) = target
        && asked > rank
    {
        warnings.push(Warning::BeyondRank { asked, rank });
    }
    if rows <= dim as u64 {
        warnings.push(Warning::FewRows { rows, dim });
    }
    if !constant.is_empty() {
        let count = constant.len();
        warnings.push(Warning::ConstantColumns { count, dim });
    }
    for (first, last) in spectrum::equal_runs(values, rank, k) {
        warnings.push(Warning::EqualVariances { first: first + 1, last: last + 1 });
    }
    warnings
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeyondRank { asked, rank } => write!(
                f,
                "{asked} components were asked for, but only {rank} are kept: no other direction \
                 has any variance"
            ),
            Self::FewRows { rows, dim } => write!(
                f,
                "{rows} photographs for {dim} columns: there are at most {} components",
                rows - 1
            ),
            Self::ConstantColumns { count, dim } => write!(
                f,
                "{count} of {dim} columns are constant and have no influence: their loadings are 0"
            ),
            Self::EqualVariances { first, last } => write!(
                f,
                "components {first} to {last} have the same variance: they are determined only as \
                 a group, not individually"
            ),
        }
    }
}
