//! From values to pixels, with round values along the way.

use super::words::percent;
use crate::decimal::fixed;

/// From values to pixels.
pub(crate) struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    step: f64,
}

impl Axis {
    /// Of an axis that shows all these values, with a little room.
    pub(crate) fn of(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if low < high { (low, high) } else { (-1.0, 1.0) };
        let room = (high - low) * 0.03;
        let (low, high) = (low - room, high + room);
        Self::between(low, high, from, to)
    }

    /// Of an axis from `low` to `high`, between the pixels `from` and `to`.
    pub(crate) fn between(low: f64, high: f64, from: f64, to: f64) -> Self {
        let mut step = 1e-12;
        // 1, 2, 5 and their tens, until there are eight ticks at most.
        for factor in [2.0, 2.5, 2.0].into_iter().cycle().take(200) {
            if (high - low) / step <= 8.0 {
                break;
            }
            step *= factor;
        }
        Self { low, high, from, to, step }
    }

    /// With ticks at whole numbers alone.
    pub(crate) fn whole(self) -> Self {
        Self { step: self.step.max(1.0), ..self }
    }

    /// Where a value stands.
    pub(crate) fn place(&self, value: f64) -> f64 {
        self.from + (self.to - self.from) * (value - self.low) / (self.high - self.low)
    }

    /// Round values along the axis, and their words.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let decimals = decimals(self.step);
        self.values().map(|value| (value, fixed(value, decimals))).collect()
    }

    /// Round shares along the axis, and their words in percent.
    pub(crate) fn percents(&self) -> Vec<(f64, String)> {
        let decimals = decimals(100.0 * self.step);
        self.values().map(|value| (value, percent(value, decimals))).collect()
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        let (first, last) = ((self.low / self.step).ceil(), (self.high / self.step).floor());
        let count = (last - first).clamp(0.0, 16.0) as usize;
        let step = self.step;
        (0..=count).map(move |n| (first + n as f64) * step)
    }
}

/// Decimals that tell values of this distance apart.
fn decimals(step: f64) -> usize {
    match step {
        step if step >= 0.95 => 0,
        step if step >= 0.095 => 1,
        step if step >= 0.009_5 => 2,
        _ => 4,
    }
}
