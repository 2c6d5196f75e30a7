//! What a model is, besides its arrays: shared by the model's files and the report.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Version of the layout of the model's files. Raised when something changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// Scalars and names of a fitted model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Columns of the features.
    pub dim: u32,
    /// Rows that were fitted.
    pub rows: u64,
    /// Components kept.
    pub k: u32,
    /// Components that the data determine.
    pub rank: u32,
    /// What was asked for.
    pub target: Target,
    /// What was done to the columns first.
    pub standardize: Standardize,
    /// Whose convention decides centring and divisors: `spark` or `sklearn`.
    pub convention: String,
    /// Whether the column means are subtracted before projection.
    pub centred: bool,
    /// Eigenvalues are sums of squares divided by `rows - eigenvalue_ddof`.
    pub eigenvalue_ddof: u32,
    /// Scales are roots of sums of squares divided by `rows - scale_ddof`.
    pub scale_ddof: u32,
    /// On which machines the fit gives these very bits.
    pub fit_class: String,
    /// The network that made the features.
    pub weights: Weights,
    /// How photographs became its input.
    pub preprocessing: Vec<Setting>,
    /// How its last feature map became a row: `avg`, `max` or `none`.
    pub pooling: String,
    /// What the features' bits depend on beside all this: features of another class are others.
    pub compute_class: String,
}

/// The network's weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weights {
    /// Name of the architecture.
    pub family: String,
    /// Width multiplier, `1.0` where there is none.
    pub width: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Features per photograph.
    pub dim: u32,
}

/// One setting, and who chose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Name.
    pub name: String,
    /// Value in words.
    pub value: String,
    /// `option`, `weights` or `default`.
    pub origin: String,
}

/// What is done to the columns before the components are sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standardize {
    /// Nothing.
    None,
    /// The mean is subtracted.
    Mean,
    /// The mean is subtracted and the result divided by the standard deviation.
    MeanStd,
}

/// How many components were asked for. In files a string, `50` or `0.95`, as on the command line:
/// a string reads back exactly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// This many.
    Components(u32),
    /// As many as keep this share of the variance, between 0 and 1.
    Share(f64),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Components(k) => write!(f, "{k}"),
            Self::Share(share) => write!(f, "{share}"),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(k @ 1..) = text.parse() {
            return Ok(Self::Components(k));
        }
        match text.parse() {
            Ok(share) if 0.0 < share && share < 1.0 => Ok(Self::Share(share)),
            _ => Err(format!(
                "`{text}` is neither a number of components (50) nor a share of variance (0.95)"
            )),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}
