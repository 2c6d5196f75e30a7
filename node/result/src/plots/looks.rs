//! What tells labels apart: colour, form and filling together. Both colour and form change from
//! one label to the next, so that whoever sees no difference in one sees it in the other.

use std::collections::BTreeMap;

use super::picture::{FORMS, Form, HUES};
use super::sample::Sample;

/// Labels that have a look of their own: every colour in every form, filled and hollow.
const LABELS_MAX: usize = HUES * FORMS.len() * 2;

/// How the points of a label are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) hue: usize,
    pub(crate) form: Form,
    pub(crate) hollow: bool,
}

/// The looks of the labels in a sample.
pub(crate) struct Looks {
    /// By label.
    pub(crate) of: BTreeMap<Option<String>, Look>,
    /// Labels that have none.
    pub(crate) others: usize,
}

impl Looks {
    /// To the labels with the most points, given out in the order of their names.
    pub(crate) fn of(sample: &Sample) -> Self {
        let mut counts: BTreeMap<&Option<String>, usize> = BTreeMap::new();
        for point in sample.points.values() {
            *counts.entry(&point.label).or_default() += 1;
        }
        let all = counts.len();
        let mut ranked: Vec<_> = counts.into_iter().collect();
        // Stable: among labels with as many points, the first by name.
        ranked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        ranked.truncate(LABELS_MAX);
        ranked.sort_unstable();
        // Every colour meets every form: their numbers have no common divisor.
        let look = |at: usize| Look {
            hue: at % HUES,
            form: FORMS[at % FORMS.len()],
            hollow: at >= HUES * FORMS.len(),
        };
        let of = ranked.iter().enumerate().map(|(at, (label, _))| ((*label).clone(), look(at)));
        Self { of: of.collect(), others: all - ranked.len() }
    }

    /// Whether there is anything to tell apart.
    pub(crate) fn tell_apart(&self) -> bool {
        self.of.len() + self.others > 1 || self.of.keys().any(Option::is_some)
    }
}
