//! The arrays of a fitted model, borrowed from whoever fitted it or owned after reading.

use crate::error::{ReadError, WriteError};
use crate::model::facts::ModelFacts;

/// A fitted model. A row of features `x` has the scores
/// `scores[c] = sum over j of components[c][j] * (x[j] - center[j]) / scale[j]`,
/// where `center` is `mean` if the facts say `centred`, and 0 if not.
#[derive(Debug, Clone, Copy)]
pub struct FittedView<'a> {
    /// Scalars and names.
    pub facts: &'a ModelFacts,
    /// Column means, `dim` values.
    pub mean: &'a [f64],
    /// Divisors of the columns, `dim` values; 1 where nothing is divided.
    pub scale: &'a [f64],
    /// Unit vectors in rows, `k x dim` values.
    pub components: &'a [f64],
    /// The whole spectrum, `dim` values, descending.
    pub eigenvalues: &'a [f64],
    /// The whole spectrum divided by its sum, `dim` values.
    pub ratios: &'a [f64],
}

/// A model that was read: what [`FittedView`] borrows.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelArrays {
    /// Column means.
    pub mean: Vec<f64>,
    /// Divisors of the columns.
    pub scale: Vec<f64>,
    /// Unit vectors in rows.
    pub components: Vec<f64>,
    /// The whole spectrum.
    pub eigenvalues: Vec<f64>,
    /// The whole spectrum divided by its sum.
    pub ratios: Vec<f64>,
}

impl ModelArrays {
    /// These arrays under facts that were read beside them.
    pub fn view<'a>(&'a self, facts: &'a ModelFacts) -> Result<FittedView<'a>, ReadError> {
        let view = FittedView {
            facts,
            mean: &self.mean,
            scale: &self.scale,
            components: &self.components,
            eigenvalues: &self.eigenvalues,
            ratios: &self.ratios,
        };
        match view.check() {
            Ok(()) => Ok(view),
            Err(error) => Err(ReadError::new("model", error)),
        }
    }
}

impl FittedView<'_> {
    /// Refuses arrays that do not fit each other.
    pub fn check(&self) -> Result<(), WriteError> {
        let (dim, k) = (self.facts.dim as usize, self.facts.k as usize);
        for (what, expected, values) in [
            ("mean", dim, self.mean),
            ("scale", dim, self.scale),
            ("components", dim * k, self.components),
            ("eigenvalues", dim, self.eigenvalues),
            ("ratios", dim, self.ratios),
        ] {
            let found = values.iter().filter(|value| value.is_finite()).count();
            if found != expected || values.len() != expected {
                return Err(WriteError::Model { what, expected, found });
            }
        }
        if self.facts.k > self.facts.rank || self.facts.rank > self.facts.dim {
            return Err(WriteError::Model {
                what: "spectrum",
                expected: self.facts.k as usize,
                found: self.facts.rank.min(self.facts.dim) as usize,
            });
        }
        Ok(())
    }

    /// Components kept.
    pub fn k(&self) -> usize {
        self.facts.k as usize
    }

    /// What is subtracted before projection: the means, or nothing.
    pub fn center(&self) -> Vec<f64> {
        match self.facts.centred {
            true => self.mean.to_vec(),
            false => vec![0.0; self.mean.len()],
        }
    }

    /// Lengths of the kept score columns, as scikit-learn's `singular_values_`.
    pub(crate) fn singular_values(&self) -> Vec<f64> {
        let freedom = self.freedom();
        let of = |eigenvalue: &f64| (eigenvalue.max(0.0) * freedom).sqrt();
        self.eigenvalues.iter().take(self.k()).map(of).collect()
    }

    /// Mean of the eigenvalues that were left out, as scikit-learn's `noise_variance_`.
    pub(crate) fn noise_variance(&self) -> f64 {
        let rows = usize::try_from(self.facts.rows).unwrap_or(usize::MAX);
        let left_out = self.eigenvalues.get(self.k()..self.eigenvalues.len().min(rows));
        match left_out.unwrap_or_default() {
            [] => 0.0,
            values => values.iter().sum::<f64>() / values.len() as f64,
        }
    }

    /// Share of the variance that the first components keep, 1 to `dim` of them. Summed with
    /// compensation, so that a share is not missed by rounding.
    pub fn cumulative(&self) -> Vec<f64> {
        let (mut sum, mut lost) = (0.0f64, 0.0f64);
        let mut running = Vec::with_capacity(self.ratios.len());
        for ratio in self.ratios {
            let next = sum + ratio;
            // Neumaier 1974: what the larger operand swallowed of the smaller.
            lost += match sum >= *ratio {
                true => (sum - next) + ratio,
                false => (ratio - next) + sum,
            };
            sum = next;
            running.push((sum + lost).min(1.0));
        }
        running
    }

    /// Share of the variance that is kept.
    pub fn share(&self) -> f64 {
        let kept = self.cumulative();
        kept.get(self.k().wrapping_sub(1)).copied().unwrap_or(0.0)
    }

    fn freedom(&self) -> f64 {
        (self.facts.rows as f64 - f64::from(self.facts.eigenvalue_ddof)).max(0.0)
    }
}
