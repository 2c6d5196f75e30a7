//! How many bad photographs a job endures: the limit, the decision, and the words when it is
//! exceeded.
//!
//! The count that decides is that of the accepted objects, before anything is published. What a
//! node met itself only ends a hopeless job earlier.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use fruitnode_coordinator::ids::PartitionId;
use fruitnode_coordinator::retry::FailureReason;

use crate::failure::Failure;
use crate::rows::BadRow;

/// Codes that the words of a failure name, the most frequent first.
const CODES_TOLD_MAX: usize = 3;

/// A limit on bad photographs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxBad {
    /// So many may be bad.
    Count(u64),
    /// So many of a hundred listed may be bad.
    Percent(f64),
}

/// A limit that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "--max-bad: `{0}` is neither a number of photographs such as 10, nor a share of them from 0% \
     to 100% such as 5%"
)]
pub struct MaxBadError(String);

impl FromStr for MaxBad {
    type Err = MaxBadError;

    fn from_str(word: &str) -> Result<Self, MaxBadError> {
        let unclear = || MaxBadError(word.to_owned());
        match word.strip_suffix('%') {
            None => word.parse().map(Self::Count).map_err(|_| unclear()),
            Some(share) => {
                let percent: f64 = share.parse().map_err(|_| unclear())?;
                let meant = (0.0..=100.0).contains(&percent);
                if meant { Ok(Self::Percent(percent)) } else { Err(unclear()) }
            }
        }
    }
}

/// Bad photographs with one code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct BadKind {
    /// How many.
    pub(super) count: u64,
    /// The first in key order among those seen.
    pub(super) example: String,
}

impl MaxBad {
    /// Whether this many bad photographs among this many listed are too many.
    pub fn exceeded_by(self, bad: u64, listed: u64) -> bool {
        match self {
            Self::Count(most) => bad > most,
            Self::Percent(percent) => bad as f64 * 100.0 > percent * listed as f64,
        }
    }

    /// The failure of a job in which they are too many.
    pub(super) fn failure(
        self,
        bad: u64,
        listed: u64,
        kinds: &BTreeMap<String, BadKind>,
    ) -> Failure {
        let limit = match self {
            Self::Count(most) => most.to_string(),
            Self::Percent(percent) => format!("{percent}%"),
        };
        let mut kinds: Vec<_> = kinds.iter().collect();
        kinds.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(b.0)));
        let told = kinds.iter().take(CODES_TOLD_MAX);
        let told: Vec<_> = told
            .map(|(code, kind)| format!("{} {code}, such as `{}`", kind.count, kind.example))
            .collect();
        let words = format!(
            "{bad} of {listed} photographs cannot be used, more than --max-bad {limit} allows \
             ({}); mend or filter them out, or raise the limit",
            told.join("; ")
        );
        Failure::new(FailureReason::TooManyBad, words)
    }
}

/// Bad photographs that one node met in one job, each partition counted once however often it is
/// tried.
#[derive(Debug, Default)]
pub(super) struct BadTally(Mutex<BTreeMap<PartitionId, u64>>);

impl BadTally {
    /// Takes note of the bad rows of a partition so far; an error as soon as there are too many.
    pub(super) fn check(
        &self,
        limit: Option<MaxBad>,
        partition: PartitionId,
        bad: &[BadRow],
        listed: u64,
    ) -> Result<(), Failure> {
        let Some(limit) = limit else { return Ok(()) };
        if bad.is_empty() {
            return Ok(());
        }
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(partition).or_default();
        *count = (*count).max(bad.len() as u64);
        let total = counts.values().sum();
        if !limit.exceeded_by(total, listed) {
            return Ok(());
        }
        let mut kinds: BTreeMap<String, BadKind> = BTreeMap::new();
        for row in bad {
            let kind = kinds.entry(row.code.clone()).or_default();
            kind.count += 1;
            if kind.example.is_empty() {
                kind.example.clone_from(&row.subject.path);
            }
        }
        Err(limit.failure(total, listed, &kinds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Subject;

    fn bad(count: usize) -> Vec<BadRow> {
        let row = |n: usize| BadRow {
            subject: Subject { path: format!("{n}.jpg"), label: None, size: 0, modified_us: 0 },
            code: if n == 0 { "empty".to_owned() } else { "jpeg_truncated".to_owned() },
            detail: String::new(),
        };
        (0..count).map(row).collect()
    }

    #[test]
    fn a_number_and_a_share_are_told_apart_and_nonsense_is_named() {
        assert_eq!("0".parse(), Ok(MaxBad::Count(0)));
        assert_eq!("5%".parse(), Ok(MaxBad::Percent(5.0)));
        assert_eq!("0.5%".parse(), Ok(MaxBad::Percent(0.5)));
        for word in ["", "%", "-1", "0.05", "101%", "-1%", "nan%", "inf%", "many"] {
            let error = word.parse::<MaxBad>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{word}`")), "{error}");
        }
    }

    #[test]
    fn the_limit_itself_is_endured_and_one_more_is_not() {
        assert!(!MaxBad::Count(3).exceeded_by(3, 10));
        assert!(MaxBad::Count(3).exceeded_by(4, 10));
        assert!(!MaxBad::Percent(5.0).exceeded_by(5, 100));
        assert!(MaxBad::Percent(5.0).exceeded_by(6, 100));
        assert!(MaxBad::Percent(0.0).exceeded_by(1, u64::MAX));
        assert!(!MaxBad::Percent(100.0).exceeded_by(7, 7));
    }

    #[test]
    fn a_partition_that_is_tried_again_is_counted_once() {
        let tally = BadTally::default();
        let limit = Some(MaxBad::Count(4));
        for _ in 0..9 {
            tally.check(limit, PartitionId(0), &bad(3), 100).unwrap();
        }
        tally.check(limit, PartitionId(1), &bad(1), 100).unwrap();
        let failure = tally.check(limit, PartitionId(1), &bad(3), 100).unwrap_err();
        assert_eq!(failure.reason, FailureReason::TooManyBad);
        for word in ["6 of 100", "--max-bad 4", "2 jpeg_truncated", "`1.jpg`", "1 empty"] {
            assert!(failure.words.contains(word), "{word}: {}", failure.words);
        }
        tally.check(None, PartitionId(1), &bad(9), 100).unwrap();
    }
}
