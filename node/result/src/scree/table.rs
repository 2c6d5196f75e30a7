//! `scree.csv`: one line per component that the data determine.

use std::fmt::Write;

use crate::decimal::shortest;
use crate::error::WriteError;
use crate::model::FittedView;

/// `component,eigenvalue,ratio,cumulative,kept`; `kept` is `true` for the published components.
pub fn scree_csv(model: &FittedView<'_>) -> Result<Vec<u8>, WriteError> {
    model.check()?;
    let mut text = String::from("component,eigenvalue,ratio,cumulative,kept\n");
    let shares = model.ratios.iter().zip(model.cumulative());
    let lines = model.eigenvalues.iter().zip(shares).enumerate();
    for (at, (eigenvalue, (ratio, cumulative))) in lines.take(model.facts.rank as usize) {
        writeln!(
            text,
            "{},{},{},{},{}",
            at + 1,
            shortest(*eigenvalue),
            shortest(*ratio),
            shortest(cumulative),
            at < model.k()
        )
        .expect("a String takes all");
    }
    Ok(text.into_bytes())
}
