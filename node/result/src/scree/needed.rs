//! How many components a share of the variance takes.

use crate::model::{FittedView, Target};

/// Shares that are often asked for.
pub(crate) const SHARES: [f64; 4] = [0.80, 0.90, 0.95, 0.99];

/// Each of [`SHARES`] with the fewest components that hold it.
pub(crate) fn needed(model: &FittedView<'_>) -> [(f64, usize); 4] {
    let sums = model.cumulative();
    SHARES.map(|share| match model.facts.target {
        // What was asked for was counted by the fit, to its last bit.
        Target::Share(asked) if asked == share => (share, model.k()),
        _ => {
            let short = sums.iter().take_while(|sum| **sum < share).count();
            (share, (short + 1).min((model.facts.rank as usize).max(1)))
        }
    })
}
