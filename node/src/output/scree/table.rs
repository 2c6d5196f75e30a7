//! `scree.csv`: one line per component that the data determine.

use std::fmt::Write;

use crate::output::decimal::shortest;
use crate::output::error::WriteError;
use crate::output::model::FittedView;

/// `component,eigenvalue,ratio,cumulative,kept`; `kept` is `true` for the published components.
pub fn scree_csv(model: &FittedView<'_>) -> Result<Vec<u8>, WriteError> {
    model.check()?;
    let mut text = String::from("component,eigenvalue,ratio,cumulative,kept\n");
    let cumulative = model.cumulative();
    for at in 0..model.facts.rank as usize {
        writeln!(
            text,
            "{},{},{},{},{}",
            at + 1,
            shortest(model.eigenvalues[at]),
            shortest(model.ratios[at]),
            shortest(cumulative[at]),
            at < model.k()
        )
        .expect("a String takes all");
    }
    Ok(text.into_bytes())
}
