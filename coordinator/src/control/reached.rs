//! Which branches of a machine were taken.

use std::collections::BTreeSet;

/// Names of the branches that were taken, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached(BTreeSet<&'static str>);

impl Reached {
    /// Takes note of a branch.
    pub(crate) fn at(&mut self, branch: &'static str) {
        self.0.insert(branch);
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().copied()
    }
}
