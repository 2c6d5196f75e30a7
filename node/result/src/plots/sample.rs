//! Which photographs a plot shows: those whose keys have the smallest hashes, at most
//! [`POINTS_MAX`]. The choice depends on the keys alone, and memory on the limit alone.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::rows::ScoreRows;

/// Photographs shown at most.
pub(crate) const POINTS_MAX: usize = 5_000;

/// A photograph in the plane of the first two components.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Point {
    pub(super) label: Option<String>,
    pub(super) x: f64,
    /// The second component; without one, a height that only keeps points apart.
    pub(super) y: f64,
}

/// Points chosen so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    pub(super) points: BTreeMap<(u64, String), Point>,
    pub(super) seen: u64,
}

impl Sample {
    /// Takes in the rows of a partition; in which order they come does not matter.
    pub fn push(&mut self, rows: &ScoreRows) {
        if rows.k == 0 {
            return;
        }
        for (subject, values) in rows.subjects.iter().zip(rows.values.chunks_exact(rows.k)) {
            self.seen += 1;
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
}

/// What decides whether a photograph is shown where not all are.
pub(crate) fn key_hash(key: &str) -> u64 {
    let digest = Sha256::digest(key.as_bytes());
    digest.iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}
