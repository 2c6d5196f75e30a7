//! Which photographs a plot shows: those whose keys have the smallest hashes, at most
//! [`POINTS_MAX`]. The choice depends on the keys alone, and memory on the limit alone.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::cloud::Cloud;
use super::words::{counted, grouped};
use crate::rows::ScoreRows;

/// Photographs shown at most.
pub(crate) const POINTS_MAX: usize = 5_000;

/// Labels counted at most.
const LABELS_COUNTED_MAX: usize = 10_000;

/// A photograph in the plane of the first two components.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    pub(crate) label: Option<String>,
    pub(crate) x: f64,
    /// The second component; without one, a height that only keeps points apart.
    pub(crate) y: f64,
}

/// Points chosen so far, and what all photographs have in common.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    pub(crate) points: BTreeMap<(u64, String), Point>,
    pub(crate) seen: u64,
    /// The first ones by name.
    labels: BTreeSet<String>,
    cloud: Cloud,
    /// Photographs outside the cloud.
    pub(crate) outside: u64,
}

impl Sample {
    /// None yet, of photographs to be compared with those of the fit.
    pub fn against(cloud: Cloud) -> Self {
        Self { cloud, ..Self::default() }
    }

    /// Takes in the rows of a partition; in which order they come does not matter.
    pub fn push(&mut self, rows: &ScoreRows) {
        if rows.k == 0 {
            return;
        }
        for (subject, values) in rows.subjects.iter().zip(rows.values.chunks_exact(rows.k)) {
            self.seen += 1;
            self.outside += u64::from(self.cloud.excludes(values));
            self.count_label(subject.label.as_ref());
            let hash = key_hash(&subject.path);
            let last = self.points.last_key_value();
            if self.points.len() == POINTS_MAX && last.is_some_and(|((last, _), _)| hash > *last) {
                continue;
            }
            let spread = || (hash % 1_000) as f64 / 1_000.0;
            let y = values.get(1).map_or_else(spread, |value| f64::from(*value));
            let point = Point { label: subject.label.clone(), x: f64::from(values[0]), y };
            self.points.insert((hash, subject.path.clone()), point);
            if self.points.len() > POINTS_MAX {
                self.points.pop_last();
            }
        }
    }

    /// The cloud that photographs were compared with.
    pub(crate) fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// Labels of all photographs in words, if they have any.
    pub(crate) fn label_words(&self) -> Option<String> {
        match self.labels.len() {
            0 => None,
            LABELS_COUNTED_MAX => {
                Some(format!("{} labels or more", grouped(self.labels.len() as u64)))
            }
            labels => Some(counted(labels as u64, "label")),
        }
    }

    fn count_label(&mut self, label: Option<&String>) {
        let Some(label) = label.filter(|label| !self.labels.contains(*label)) else { return };
        self.labels.insert(label.clone());
        if self.labels.len() > LABELS_COUNTED_MAX {
            self.labels.pop_last();
        }
    }
}

/// What decides whether a photograph is shown where not all are.
pub(crate) fn key_hash(key: &str) -> u64 {
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}
