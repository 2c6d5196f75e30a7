//! Whether a model is the PCA of the features it stands beside. This asks nothing of the code that
//! fitted it: a component is right if multiplying by the covariance only stretches it, however it
//! was found.

use super::arithmetic::Whole;
use super::verdict::Check;
use crate::FittedView;
use crate::model::Standardize;
use crate::report::Figure;

/// Most that the product of two components may differ from 0, or from 1 of one with itself.
pub const ORTHONORMALITY_MAX: f64 = 1e-10;
/// Longest `covariance * component - eigenvalue * component`, in units of the largest eigenvalue.
pub const RESIDUAL_MAX: f64 = 1e-9;
/// Most that the sum of the eigenvalues may differ from the total variance, in units of it.
pub(crate) const TRACE_MAX: f64 = 1e-9;
/// Most that a scale may differ from the standard deviation, in units of it.
pub(crate) const SCALE_MAX: f64 = 1e-12;

/// Compares means, scales and count with the moments of the features.
pub(super) fn check_moments(whole: &Whole, model: &FittedView<'_>, check: &mut Check) {
    let facts = model.facts;
    check.expect(whole.count == facts.rows, || {
        format!(
            "model/model.json: gives {} fitted rows, but features/ has {}",
            facts.rows, whole.count
        )
    });
    let differ = |(a, b): &(&f64, &f64)| a.to_bits() != b.to_bits();
    let means = model.mean.iter().zip(&whole.mean).filter(differ).count();
    check.expect(means == 0, || {
        format!("model/pca.safetensors: {means} means do not match features/: run the job again")
    });
    let dim = model.mean.len();
    let mut farthest = 0.0f64;
    for (column, scale) in model.scale.iter().enumerate() {
        let variance =
            whole.products[column * dim + column] / freedom(whole.count, facts.scale_ddof);
        let due = match facts.standardize {
            Standardize::MeanStd if variance > 0.0 => variance.sqrt(),
            _ => 1.0,
        };
        farthest = farthest.max(((scale - due) / due).abs());
    }
    check.expect(farthest <= SCALE_MAX, || {
        format!(
            "model/pca.safetensors: a scale is off by {farthest:e} of itself: run the job again"
        )
    });
    check.figures(format!("{} rows, {dim} columns, scales within {farthest:.1e}", whole.count));
}

/// Measures what the certificate promises.
pub(super) fn figures(whole: &Whole, model: &FittedView<'_>) -> Vec<Figure> {
    let figure =
        |name: &str, value: f64, limit: f64| Figure { name: name.to_owned(), value, limit };
    let covariance = Covariance { whole, model };
    let sum: f64 = model.eigenvalues.iter().sum();
    let trace = covariance.trace();
    vec![
        figure("orthonormality", orthonormality(model), ORTHONORMALITY_MAX),
        figure("residual", covariance.residual(), RESIDUAL_MAX),
        figure("trace", ((sum - trace) / trace).abs(), TRACE_MAX),
        figure("ascents", ascents(model.eigenvalues), 0.0),
        figure("ratios", ratios(model, sum), TRACE_MAX),
        figure("signs", signs(model), 0.0),
    ]
}

/// Measures what a model promises that was fitted to other features: all that does not need them.
pub fn figures_of_given(model: &FittedView<'_>) -> Vec<Figure> {
    let figure =
        |name: &str, value: f64, limit: f64| Figure { name: name.to_owned(), value, limit };
    let sum: f64 = model.eigenvalues.iter().sum();
    let divisors = model.scale.iter().filter(|scale| **scale <= 0.0).count();
    vec![
        figure("orthonormality", orthonormality(model), ORTHONORMALITY_MAX),
        figure("ascents", ascents(model.eigenvalues), 0.0),
        figure("ratios", ratios(model, sum), TRACE_MAX),
        figure("signs", signs(model), 0.0),
        figure("divisors", divisors as f64, 0.0),
    ]
}

/// What the components diagonalise: the covariance of the columns after scaling.
struct Covariance<'a> {
    whole: &'a Whole,
    model: &'a FittedView<'a>,
}

impl Covariance<'_> {
    fn trace(&self) -> f64 {
        let dim = self.model.mean.len();
        let diagonal = (0..dim).map(|j| {
            let scale = self.model.scale[j];
            self.whole.products[j * dim + j] / (scale * scale)
        });
        diagonal.sum::<f64>() / self.freedom()
    }

    fn residual(&self) -> f64 {
        let dim = self.model.mean.len();
        let largest = self.model.eigenvalues.first().copied().unwrap_or(0.0);
        let mut worst = 0.0f64;
        for (component, eigenvalue) in rows(self.model).zip(self.model.eigenvalues) {
            let scaled: Vec<f64> =
                component.iter().zip(self.model.scale).map(|(v, s)| v / s).collect();
            // Column by column of the symmetric products, so that the inner loop vectorises.
            let mut stretched = vec![0.0; dim];
            for (of_column, factor) in self.whole.products.chunks(dim).zip(&scaled) {
                for (sum, product) in stretched.iter_mut().zip(of_column) {
                    *sum += product * factor;
                }
            }
            let off = |i: usize| {
                let due = stretched[i] / (self.model.scale[i] * self.freedom());
                due - eigenvalue * component[i]
            };
            let square: f64 = (0..dim).map(|i| off(i).powi(2)).sum();
            worst = worst.max(square.sqrt() / largest);
            if square.is_nan() {
                return f64::NAN;
            }
        }
        worst
    }

    fn freedom(&self) -> f64 {
        freedom(self.whole.count, self.model.facts.eigenvalue_ddof)
    }
}

fn freedom(count: u64, ddof: u32) -> f64 {
    count as f64 - f64::from(ddof)
}

fn rows<'a>(model: &FittedView<'a>) -> impl Iterator<Item = &'a [f64]> + use<'a> {
    model.components.chunks(model.mean.len().max(1))
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn orthonormality(model: &FittedView<'_>) -> f64 {
    let mut worst = 0.0f64;
    for (i, a) in rows(model).enumerate() {
        for (j, b) in rows(model).enumerate().skip(i) {
            let due = f64::from(u8::from(i == j));
            worst = worst.max((dot(a, b) - due).abs());
        }
    }
    worst
}

/// How often an eigenvalue is larger than the one before it, or below zero.
fn ascents(eigenvalues: &[f64]) -> f64 {
    let up = eigenvalues.windows(2).filter(|pair| pair[1] > pair[0]).count();
    let below = eigenvalues.iter().filter(|value| **value < 0.0).count();
    (up + below) as f64
}

fn ratios(model: &FittedView<'_>, sum: f64) -> f64 {
    let off = |(ratio, eigenvalue): (&f64, &f64)| (ratio - eigenvalue / sum).abs();
    model.ratios.iter().zip(model.eigenvalues).map(off).fold(0.0, f64::max)
}

/// How many components have no positive entry among those that are largest in absolute value.
fn signs(model: &FittedView<'_>) -> f64 {
    // Entries that differ by a millionth count as equally large when the sign is chosen; the second
    // millionth is for rounding.
    const NEARLY: f64 = 1.0 - 2e-6;
    let turned = |component: &&[f64]| {
        let largest = component.iter().fold(0.0f64, |most, v| most.max(v.abs()));
        !component.iter().any(|value| *value >= largest * NEARLY)
    };
    rows(model).filter(turned).count() as f64
}
