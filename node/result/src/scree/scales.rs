//! What both drawings of the spectrum show: which components, on which scales.

use super::needed::needed;
use crate::model::FittedView;
use crate::plots::Axis;

/// Components whose own share is drawn.
const BARS_MAX: usize = 30;
/// Components over which the running sum is drawn at least.
const SUM_MIN: usize = 12;
/// Corners of the curve: more than a screen tells apart are a waste.
const CORNERS_MAX: usize = 400;

/// The scales of one spectrum.
pub(crate) struct Scales {
    /// Components drawn as bars.
    pub(crate) bars: usize,
    /// Components up to which the running sum is drawn: beyond the last crossing.
    pub(crate) until: usize,
    /// Common shares and how many components hold them.
    pub(crate) needed: [(f64, usize); 4],
    largest: f64,
    sums: Vec<f64>,
}

impl Scales {
    /// Those of a model.
    pub(crate) fn of(model: &FittedView<'_>) -> Self {
        let rank = (model.facts.rank as usize).max(1);
        let needed = needed(model);
        let last = needed.iter().map(|(_, k)| *k).chain([model.k()]).max().unwrap_or(1);
        Self {
            bars: rank.min(BARS_MAX),
            until: (last + last.div_ceil(20)).max(SUM_MIN).min(rank),
            needed,
            largest: model.ratios.first().copied().unwrap_or(0.0).max(1e-6),
            sums: model.cumulative(),
        }
    }

    /// The axis of the bars' heights.
    pub(crate) fn heights(&self, bottom: f64, top: f64) -> Axis {
        Axis::between(0.0, self.largest * 1.04, bottom, top)
    }

    /// The axis of how many components are summed.
    pub(crate) fn counts(&self, left: f64, right: f64) -> Axis {
        Axis::between(0.0, self.until as f64, left, right).whole()
    }

    /// The running sum: how many components, and the share that they hold.
    pub(crate) fn curve(&self) -> Vec<(usize, f64)> {
        let step = self.until.div_ceil(CORNERS_MAX).max(1);
        // Corners lie where the crossings are, so that the curve meets its marks.
        let marks = self.needed.iter().map(|(_, k)| *k);
        let mut at: Vec<usize> =
            (0..=self.until).step_by(step).chain(marks).chain([self.until]).collect();
        at.sort_unstable();
        at.dedup();
        at.into_iter().map(|count| (count, self.share(count))).collect()
    }

    /// The share that so many components hold.
    pub(crate) fn share(&self, count: usize) -> f64 {
        count.checked_sub(1).map_or(0.0, |last| self.sums.get(last).copied().unwrap_or(1.0))
    }
}
