//! The weights of one axis, as Pillow computes them: in double precision, normalised to a sum
//! of 1, then rounded away from zero to [`PRECISION_BITS`] bits.

use crate::model::profile::Filter;

/// Fraction bits of a weight: 32, less 8 for the value and 2 for sums outside 0 to 1.
pub(super) const PRECISION_BITS: u32 = 32 - 8 - 2;

/// Weights for every output position of one axis.
#[derive(Debug, Clone, Default)]
pub(super) struct Coefficients {
    made_for: Option<(usize, usize, Filter)>,
    /// Per output position: first input position, and how many weights apply.
    bounds: Vec<(usize, usize)>,
    /// Weights, `per_position` to a position.
    weights: Vec<i32>,
    per_position: usize,
}

/// The weights of one output position.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taps<'a> {
    /// Input position of the first weight.
    pub(super) first: usize,
    /// One weight per input position, at least one.
    pub(super) weights: &'a [i32],
}

impl Coefficients {
    /// Computes the weights, unless they are those already there.
    pub(super) fn prepare(&mut self, from: usize, to: usize, filter: Filter) {
        if self.made_for == Some((from, to, filter)) {
            return;
        }
        self.made_for = Some((from, to, filter));
        self.bounds.clear();
        self.weights.clear();
        let scale = from as f64 / to as f64;
        let filter_scale = scale.max(1.0);
        let support = reach(filter) * filter_scale;
        self.per_position = libm::ceil(support) as usize * 2 + 1;
        let mut exact = Vec::with_capacity(self.per_position);
        for position in 0..to {
            let center = (position as f64 + 0.5) * scale;
            // The conversions cut towards zero, as in C, and negative values become 0.
            let first = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(from);
            exact.clear();
            exact.extend(
                (first..end)
                    .map(|at| weight(filter, (at as f64 - center + 0.5) * (1.0 / filter_scale))),
            );
            let sum = exact.iter().fold(0.0, |sum, weight| sum + weight);
            self.bounds.push((first, end - first));
            self.weights.extend(exact.iter().map(|weight| fixed(weight / sum)));
            self.weights.resize(self.bounds.len() * self.per_position, 0);
        }
    }

    /// Output positions.
    pub(super) fn len(&self) -> usize {
        self.bounds.len()
    }

    /// Whether input and output have the same length, where Pillow leaves the pass out.
    pub(super) fn is_identity(&self) -> bool {
        self.made_for.is_some_and(|(from, to, _)| from == to)
    }

    #[inline(always)]
    pub(super) fn taps(&self, position: usize) -> Taps<'_> {
        let (first, count) = self.bounds[position];
        let start = position * self.per_position;
        Taps { first, weights: &self.weights[start..start + count] }
    }
}

/// Half the width of the filter in input pixels, when not shrinking.
fn reach(filter: Filter) -> f64 {
    match filter {
        Filter::Bicubic => 2.0,
        Filter::Bilinear => 1.0,
    }
}

fn weight(filter: Filter, x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    match filter {
        Filter::Bilinear if x < 1.0 => 1.0 - x,
        Filter::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        Filter::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        Filter::Bicubic | Filter::Bilinear => 0.0,
    }
}

fn fixed(weight: f64) -> i32 {
    let half = if weight < 0.0 { -0.5 } else { 0.5 };
    (half + weight * f64::from(1 << PRECISION_BITS)) as i32
}
