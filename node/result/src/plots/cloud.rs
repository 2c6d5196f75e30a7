//! Where the photographs lie that a model was fitted to, as far as the model tells: around the
//! mean, with the variance of each component. That of the plane is the ellipse that would hold
//! 95 % of them if their scores were normally distributed, as Hotelling's T² has it.

use crate::FittedView;

/// Squared distances within which 95 % of a normal distribution lie, in one and two dimensions.
const WITHIN: [f64; 2] = [3.841_458_820_694_124, 5.991_464_547_107_979];

/// The cloud in the plane of the first two components.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cloud {
    /// Mean score and variance of each.
    axes: Vec<(f64, f64)>,
}

impl Cloud {
    /// That of the photographs that the model was fitted to.
    pub fn of(model: &FittedView<'_>) -> Self {
        let dim = model.mean.len().max(1);
        let components = model.components.chunks_exact(dim).zip(model.eigenvalues);
        let mean_score = |component: &[f64]| match model.facts.centred {
            true => 0.0,
            false => {
                let terms = component.iter().zip(model.mean.iter().zip(model.scale));
                terms.map(|(weight, (mean, scale))| weight * (mean / scale)).sum()
            }
        };
        let axis = |(component, variance): (&[f64], &f64)| (mean_score(component), *variance);
        Self { axes: components.take(2).map(axis).collect() }
    }

    /// Middle and half length along a component, from 0; nothing of one that is not kept.
    pub(crate) fn reach(&self, component: usize) -> Option<(f64, f64)> {
        let (mean, variance) = self.axes.get(component)?;
        let within = WITHIN[self.axes.len() - 1];
        Some((*mean, (within * variance.max(0.0)).sqrt()))
    }

    /// Whether a photograph with these scores lies outside.
    pub(super) fn excludes(&self, scores: &[f32]) -> bool {
        let off = |at: usize| {
            let (mean, variance) = self.axes[at];
            let distance = f64::from(scores.get(at).copied().unwrap_or(0.0)) - mean;
            (distance * distance, variance)
        };
        match self.axes.len() {
            0 => false,
            1 => off(0).0 > WITHIN[0] * off(0).1,
            _ => {
                let ((x, along), (y, up)) = (off(0), off(1));
                // Without a division: what has no variance excludes all that is elsewhere.
                x * up + y * along > WITHIN[1] * along * up
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelFacts;
    use crate::model::tests::{arrays, facts};

    #[test]
    fn the_ellipse_has_the_mean_and_the_variances_of_the_fit() {
        let facts = facts();
        let cloud = Cloud::of(&arrays().view(&facts).unwrap());
        let half = |variance: f64| (WITHIN[1] * variance).sqrt();
        assert_eq!(cloud.reach(0), Some((0.0, half(2.0))));
        assert_eq!(cloud.reach(1), Some((0.0, half(1.0))));
        assert_eq!(cloud.reach(2), None);
        for (scores, outside) in [
            ([0.0, 0.0], false),
            ([half(2.0) as f32 * 0.999, 0.0], false),
            ([half(2.0) as f32 * 1.001, 0.0], true),
            ([half(2.0) as f32 * 0.8, half(1.0) as f32 * 0.8], true),
        ] {
            assert_eq!(cloud.excludes(&scores), outside, "{scores:?}");
        }
    }

    #[test]
    fn scores_that_are_not_centred_lie_around_the_projected_mean() {
        let facts = ModelFacts { centred: false, ..facts() };
        let cloud = Cloud::of(&arrays().view(&facts).unwrap());
        // 0.6 * 1 / 1 + 0.8 * -2 / 0.5, and -0.8 * 1 / 1 + 0.6 * -2 / 0.5.
        let middle = |at| cloud.reach(at).unwrap().0;
        assert!((middle(0) + 2.6).abs() < 1e-12 && (middle(1) + 3.2).abs() < 1e-12);
    }
}
