//! What a user may ask of the fit, and what the two conventions of the field mean by it.
//!
//! | | standardize | default | spark | sklearn |
//! |---|---|---|---|---|
//! | covariance divides by | all | n - 1 | n - 1 | n - 1 |
//! | standard deviation divides by | mean-std | n - 1 | n - 1 | n |
//! | scores have the mean subtracted | none | yes | **no** | yes |
//! | scores have the mean subtracted | mean, mean-std | yes | yes | yes |
//!
//! - Spark: `StandardScaler` divides by the unbiased standard deviation, `RowMatrix` centres the
//!   covariance and divides by n - 1, and `PCAModel.transform` multiplies without subtracting
//!   anything: only a scaler with `withMean=True` before it centres the scores.
//! - scikit-learn: `StandardScaler` divides by the standard deviation of the population, `PCA`
//!   centres by itself and divides by n - 1. With `mean-std` its eigenvalues are therefore those
//!   of the correlation matrix times n / (n - 1), and its scores Spark's times the root of that.
//! - Components, their order and shares of variance are the same in all three, signs apart.

use serde::{Deserialize, Serialize};

/// What is done to the columns before the components are sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standardize {
    /// Nothing: components of the covariance matrix.
    None,
    /// The mean is subtracted: components of the covariance matrix, centred scores.
    #[default]
    Mean,
    /// The mean is subtracted and the standard deviation divided by: components of the correlation
    /// matrix.
    MeanStd,
}

/// How many components are kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// This many; fewer with variance are an error.
    Components(usize),
    /// This many, or as many as have variance.
    AtMost(usize),
    /// The fewest that together explain at least this share of the variance, between 0 and 1.
    Share(f64),
}

/// Whose numbers the result should agree with. See the table of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Convention {
    /// Always centred, n - 1 everywhere.
    #[default]
    Default,
    /// `pyspark.ml.feature`.
    Spark,
    /// `sklearn.preprocessing` and `sklearn.decomposition`.
    Sklearn,
}

/// What [`super::fit`] is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FitOptions {
    /// What is done to the columns first.
    pub standardize: Standardize,
    /// How many components are kept.
    pub target: Target,
    /// Whose divisors and centring.
    pub like: Convention,
}

impl Convention {
    /// What is subtracted from the number of rows for the variance of the components.
    pub fn covariance_ddof(self) -> u64 {
        1
    }

    /// What is subtracted from the number of rows for the standard deviation of a column.
    pub fn scale_ddof(self) -> u64 {
        match self {
            Self::Default | Self::Spark => 1,
            Self::Sklearn => 0,
        }
    }

    /// Whether scores have the mean subtracted.
    pub(crate) fn centres(self, standardize: Standardize) -> bool {
        !matches!((self, standardize), (Self::Spark, Standardize::None))
    }
}
