//! A limit on bad photographs as the flag is written, and an early end where the photographs of one
//! partition exceed it: then it is known of which kinds they are.
//!
//! The count that decides is that of the accepted partitions, in the replicated state.

use std::collections::BTreeMap;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::max_bad::{MaxBad, WHOLE};
use fruitnode_coordinator::retry::FailureReason;
use fruitnode_result::rows::BadRow;

/// Codes that the words of a failure name, the most frequent first.
const CODES_TOLD_MAX: usize = 3;

/// What the words of a failure hold that name codes.
pub(crate) const EXAMPLE: &str = ", such as `";

/// A limit that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "--max-bad: `{0}` is neither a number of photographs, such as 10, nor a percentage from 0% to \
     100%, such as 5%"
)]
pub(crate) struct MaxBadError(String);

/// Reads a limit as the flag is written.
///
/// # Errors
/// When it is neither a number nor a share.
pub(crate) fn parse(word: &str) -> Result<MaxBad, MaxBadError> {
    let unclear = || MaxBadError(word.to_owned());
    let Some(share) = word.strip_suffix('%') else {
        return word.parse().map(MaxBad::Photographs).map_err(|_| unclear());
    };
    let percent: f64 = share.parse().map_err(|_| unclear())?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(unclear());
    }
    Ok(MaxBad::Billionths((percent / 100.0 * f64::from(WHOLE)).round() as u32))
}

/// Takes note of the bad rows of a partition so far; an error as soon as they are too many, with
/// those that are known `elsewhere`, among all that are `listed`.
pub(super) fn check(
    limit: Option<MaxBad>,
    bad: &[BadRow],
    elsewhere: u64,
    listed: u64,
) -> Result<(), Failure> {
    let total = elsewhere + bad.len() as u64;
    match limit.filter(|limit| !bad.is_empty() && limit.exceeded_by(total, listed)) {
        None => Ok(()),
        Some(limit) => {
            let words = limit.exceeded_words(total, listed, &kinds(bad));
            Err(Failure::new(FailureReason::TooManyBad, words))
        }
    }
}

/// Codes of bad rows, how often each is there, and the first photograph of each.
fn kinds(bad: &[BadRow]) -> String {
    let mut kinds: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for row in bad {
        kinds.entry(&row.code).or_insert((0, &row.subject.path)).0 += 1;
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.0.cmp(b.0)));
    let told = kinds.iter().take(CODES_TOLD_MAX);
    let told = told.map(|(code, (count, path))| format!("{count} {code}{EXAMPLE}{path}`"));
    told.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use fruitnode_result::rows::Subject;

    use super::*;

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
        for word in ["0", "10", "5%", "0.5%", "0.05%", "12.345%", "33.3333333%", "100%", "0%"] {
            assert_eq!(parse(word).expect(word).to_string(), word);
        }
        assert_eq!(parse("5%"), Ok(MaxBad::Billionths(WHOLE / 20)));
        for word in ["", "%", "-1", "0.05", "101%", "-1%", "nan%", "inf%", "many"] {
            let error = parse(word).unwrap_err().to_string();
            assert!(error.contains(&format!("`{word}`")), "{error}");
        }
    }

    #[test]
    fn a_partition_that_exceeds_the_limit_says_of_which_kinds_its_photographs_are() {
        let limit = Some(MaxBad::Photographs(4));
        check(limit, &bad(3), 1, 100).unwrap();
        check(limit, &[], 9, 100).unwrap();
        check(None, &bad(9), 9, 100).unwrap();
        let failure = check(limit, &bad(3), 3, 100).unwrap_err();
        assert_eq!(failure.reason, FailureReason::TooManyBad);
        for word in ["6 of 100", "--max-bad 4", "2 jpeg_truncated", "`1.jpg`", "1 empty"] {
            assert!(failure.words.contains(word), "{word}: {}", failure.words);
        }
    }
}
