//! Proof that a fit is one: checked against the moments, whoever made it and wherever it was read.

use serde::Serialize;
use thiserror::Error;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::retry::FailureReason;

use super::fit::Fitted;
use super::{solver, spectrum, standardize};
use crate::moments::Moments;

/// Most that an inner product of two components may differ from 0 or 1. A sound solver stays below
/// some 1e-16 times the columns; a score, being f32, knows nothing below 1e-7.
const ORTHONORMALITY_MAX: f64 = 1e-10;
/// Most that an entry of `C v - lambda v` may be, as a part of the largest variance.
const RESIDUAL_MAX: f64 = 1e-10;
/// Most that the sum of the variances, or of their squares, may differ from what it should be.
const IDENTITY_MAX: f64 = 1e-10;
/// Most that a mean or a scale may differ from the moments', relatively.
const SCALER_MAX: f64 = 1e-14;

/// How well a fit keeps what it promises. With `C` the covariance matrix of the scaled columns:
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Certificate {
    /// Largest entry of `|V V' - 1|` over the components kept.
    pub orthonormality_max: f64,
    /// Largest entry of `|C v - lambda v|` over the components kept, as a part of the largest
    /// variance.
    pub residual_max: f64,
    /// Whether the variances fall, none is below 0, and those kept are above rounding.
    pub descending: bool,
    /// Relative difference between the sum of all variances and the trace of `C`.
    pub trace_relative: f64,
    /// Relative difference between the sum of all squared variances and that of the squared
    /// entries of `C`: speaks for the variances beyond the components kept.
    pub squares_relative: f64,
    /// Largest relative difference of a mean or a scale from what the moments say.
    pub scaler_relative: f64,
    /// Largest loading of a constant column, by absolute value.
    pub constant_loading_max: f64,
    /// Difference of the sum of all ratios from 1.
    pub ratios_sum_error: f64,
}

/// A promise that a fit does not keep.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum CertificateViolation {
    /// The fit belongs to other moments, or its parts do not belong together.
    #[error("the PCA does not match these features: {what} is {found}, not {expected}")]
    Foreign {
        /// Which number.
        what: &'static str,
        /// What the fit says.
        found: u64,
        /// What the moments say.
        expected: u64,
    },
    /// A measure above its limit, or not a number.
    #[error("the PCA fails its check: {measure} is {value:e}, and at most {limit:e} is allowed")]
    Above {
        /// Field of the certificate.
        measure: &'static str,
        /// Its value.
        value: f64,
        /// Its limit.
        limit: f64,
    },
    /// Not [`Certificate::descending`].
    #[error(
        "the PCA fails its check: its variances are out of order, negative, or nothing but \
         rounding errors"
    )]
    NotDescending,
}

impl From<CertificateViolation> for Failure {
    fn from(error: CertificateViolation) -> Self {
        Self::of(FailureReason::CertificateViolated, &error)
    }
}

/// Checks a fit against the moments it was made of.
pub fn certificate(
    moments: &Moments,
    fitted: &Fitted,
) -> Result<Certificate, CertificateViolation> {
    check_shapes(moments, fitted)?;
    let columns = standardize::varying_columns(moments);
    let side = columns.len();
    let matrix = standardize::covariance(moments, &fitted.scale, &columns, fitted.covariance_ddof);
    let vectors = without_constants(fitted, &columns);
    let trace: Vec<f64> = (0..side).map(|i| matrix[i * side + i]).collect();
    let squares: Vec<f64> = matrix.iter().map(|v| v * v).collect();
    let squared_spectrum: Vec<f64> = fitted.spectrum.iter().map(|v| v * v).collect();
    let relative = |found: f64, expected: f64| ((found - expected) / expected).abs();
    Ok(Certificate {
        orthonormality_max: orthonormality(&vectors, side, fitted.k),
        residual_max: residual(&matrix, &vectors, side, fitted),
        descending: is_descending(fitted),
        trace_relative: relative(spectrum::sum(&fitted.spectrum), spectrum::sum(&trace)),
        squares_relative: relative(spectrum::sum(&squared_spectrum), spectrum::sum(&squares)),
        scaler_relative: scaler(moments, fitted),
        constant_loading_max: largest((0..fitted.k).flat_map(|c| {
            let component = fitted.component(c);
            let constant = standardize::constant_columns(moments);
            constant.into_iter().map(move |column| component[column])
        })),
        ratios_sum_error: (spectrum::sum(&fitted.ratios) - 1.0).abs(),
    })
}

impl Certificate {
    /// Every measure with its name and the most it may be.
    pub fn measures(&self) -> [(&'static str, f64, f64); 8] {
        [
            ("orthonormality_max", self.orthonormality_max, ORTHONORMALITY_MAX),
            ("residual_max", self.residual_max, RESIDUAL_MAX),
            ("trace_relative", self.trace_relative, IDENTITY_MAX),
            ("squares_relative", self.squares_relative, IDENTITY_MAX),
            ("scaler_relative", self.scaler_relative, SCALER_MAX),
            ("constant_loading_max", self.constant_loading_max, 0.0),
            ("ratios_sum_error", self.ratios_sum_error, IDENTITY_MAX),
            ("not_descending", f64::from(u8::from(!self.descending)), 0.0),
        ]
    }

    /// Whether every measure is within its limit; the first that is not.
    pub fn holds(&self) -> Result<(), CertificateViolation> {
        if !self.descending {
            return Err(CertificateViolation::NotDescending);
        }
        for (measure, value, limit) in self.measures() {
            // A NaN is within no limit.
            let within = value <= limit;
            if !within {
                return Err(CertificateViolation::Above { measure, value, limit });
            }
        }
        Ok(())
    }
}

fn check_shapes(moments: &Moments, fitted: &Fitted) -> Result<(), CertificateViolation> {
    let (dim, k) = (moments.dim() as u64, fitted.k as u64);
    let lengths = [
        ("the number of rows", fitted.rows, moments.count()),
        ("the number of columns", fitted.dim as u64, dim),
        ("the length of the mean", fitted.mean.len() as u64, dim),
        ("the length of the scale", fitted.scale.len() as u64, dim),
        ("the length of the spectrum", fitted.spectrum.len() as u64, dim),
        ("the length of the ratios", fitted.ratios.len() as u64, dim),
        ("the size of the components", fitted.components.len() as u64, dim * k),
    ];
    for (what, found, expected) in lengths {
        if found != expected {
            return Err(CertificateViolation::Foreign { what, found, expected });
        }
    }
    Ok(())
}

fn without_constants(fitted: &Fitted, columns: &[usize]) -> Vec<f64> {
    (0..fitted.k)
        .flat_map(|c| {
            let component = fitted.component(c);
            columns.iter().map(move |&column| component[column])
        })
        .collect()
}

fn orthonormality(vectors: &[f64], side: usize, k: usize) -> f64 {
    let products = solver::inner_products(vectors, side, k);
    largest(products.iter().enumerate().map(|(at, &product)| {
        let expected = if at / k == at % k { 1.0 } else { 0.0 };
        product - expected
    }))
}

fn residual(matrix: &[f64], vectors: &[f64], side: usize, fitted: &Fitted) -> f64 {
    let images = solver::times(matrix, vectors, side, fitted.k);
    let differences = images.iter().zip(vectors).enumerate();
    let most =
        largest(differences.map(|(at, (image, entry))| image - fitted.spectrum[at / side] * entry));
    most / fitted.spectrum.first().copied().unwrap_or(0.0)
}

fn is_descending(fitted: &Fitted) -> bool {
    let falls = fitted.spectrum.windows(2).all(|pair| pair[0] >= pair[1]);
    let positive = fitted.spectrum.last().is_some_and(|&last| last >= 0.0);
    let rank = spectrum::rank(&fitted.spectrum, fitted.rows);
    falls && positive && fitted.rank == rank && (1..=rank).contains(&fitted.k)
}

fn scaler(moments: &Moments, fitted: &Fitted) -> f64 {
    let expected = standardize::scale(moments, fitted.standardize, fitted.like);
    let scales = fitted.scale.iter().zip(&expected);
    let means = fitted.mean.iter().zip(moments.mean());
    largest(scales.chain(means).map(|(found, expected)| {
        if found == expected { 0.0 } else { (found - expected) / expected }
    }))
}

/// Largest absolute value; NaN if there is one.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(
        0.0,
        |most: f64, value| {
            if most.is_nan() || value.is_nan() { f64::NAN } else { most.max(value.abs()) }
        },
    )
}
