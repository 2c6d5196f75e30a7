//! What a user asked for, as far as a decision depends on it.

use crate::max_bad::MaxBad;

/// What a user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSpec {
    /// URI or folder of the photographs.
    pub from: String,
    /// URI or folder of the result.
    pub to: String,
    /// Consecutive keys that make one partition. At least 1.
    pub rows_per_part: u32,
    /// Whether a PCA follows the features.
    pub pca: bool,
    /// Whether that PCA is not fitted but given: its node takes over a model that the options name.
    pub given_fit: bool,
    /// Nodes of another compute class extract nothing of this job.
    pub compute_class: String,
    /// Nodes of another fit class neither fit nor project, unless the fit is given.
    pub fit_class: String,
    /// How many bad photographs it endures, if not any number of them.
    pub max_bad: Option<MaxBad>,
    /// Further options, opaque to every decision here.
    pub options: Vec<u8>,
}

impl JobSpec {
    /// Whether moments are made and merged: only for a fit of one's own.
    pub fn reduces(&self) -> bool {
        self.pca && !self.given_fit
    }

    /// Whether a node of this fit class may fit and project. A given fit has its bits already, and
    /// scores have the same bits everywhere, given the fit.
    pub(crate) fn suits_fit_class(&self, fit_class: &str) -> bool {
        self.given_fit || self.fit_class == fit_class
    }
}
