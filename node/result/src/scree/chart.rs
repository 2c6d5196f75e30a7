//! Where things stand in the scree plot: numbers to pixels, and which ticks to draw. No drawing.

/// Size of the picture.
pub(super) const WIDTH: f64 = 960.0;
pub(super) const HEIGHT: f64 = 500.0;
/// The frame of the plot within it.
pub(super) const LEFT: f64 = 64.0;
pub(super) const RIGHT: f64 = 896.0;
pub(super) const TOP: f64 = 116.0;
pub(super) const BOTTOM: f64 = 440.0;

/// Bars drawn at least and at most, as far as there are components.
const BARS_MIN: usize = 30;
const BARS_MAX: usize = 60;
/// Distances between ticks to choose from, in shares.
const STEPS: [f64; 13] =
    [0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];
/// More ticks than this on an axis are a ladder.
const TICKS_MAX: f64 = 6.0;

/// The scales of one plot.
pub(super) struct Chart {
    /// Components drawn.
    pub(super) bars: usize,
    /// Distance between ticks of the left axis.
    pub(super) step: f64,
    /// Ticks of the left axis above 0.
    pub(super) ticks: usize,
}

impl Chart {
    /// Scales for `rank` components of which `k` are kept and the first has the share `largest`.
    pub(super) fn new(rank: usize, k: usize, largest: f64) -> Self {
        let fits = |step: &&f64| largest / **step <= TICKS_MAX;
        let step = STEPS.iter().find(fits).copied().unwrap_or(1.0);
        Self {
            bars: k.clamp(BARS_MIN, BARS_MAX).min(rank).max(1),
            step,
            ticks: ((largest / step).ceil() as usize).max(1),
        }
    }

    /// Room of one bar and its gap.
    pub(super) fn pitch(&self) -> f64 {
        (RIGHT - LEFT) / self.bars as f64
    }

    /// Left edge of the room of a component, from 0.
    pub(super) fn x(&self, component: usize) -> f64 {
        LEFT + component as f64 * self.pitch()
    }

    /// Height of a share on the left axis, which ends with its last tick.
    pub(super) fn y_ratio(&self, ratio: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * ratio / (self.step * self.ticks as f64)
    }

    /// Height of a share on the right axis, which ends with 1.
    pub(super) fn y_share(&self, share: f64) -> f64 {
        BOTTOM - (BOTTOM - TOP) * share
    }

    /// Components, from 1, whose number is written: the first, and then round ones.
    pub(super) fn labelled(&self) -> impl Iterator<Item = usize> + use<> {
        let every = if self.bars <= 12 { 1 } else { 5 };
        (1..=self.bars).filter(move |n| *n == 1 || n % every == 0)
    }

    /// Decimals that tell the left ticks apart, in percent.
    pub(super) fn decimals(&self) -> usize {
        match self.step {
            step if step < 0.000_95 => 2,
            step if step < 0.009_5 => 1,
            _ => 0,
        }
    }
}
