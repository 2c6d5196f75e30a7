//! How many bad photographs a job endures: the limit, and the words when it is exceeded.

use std::fmt;

/// Parts of a whole in which shares are counted: a limit is exact, whatever is counted.
pub const WHOLE: u32 = 1_000_000_000;

/// A limit on bad photographs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxBad {
    /// So many may be bad.
    Photographs(u64),
    /// So many of a billion listed may be bad.
    Billionths(u32),
}

impl MaxBad {
    /// Whether this many bad photographs among this many listed are too many. Once they are, no
    /// further photograph can mend it: a share is one of everything that was listed.
    pub fn exceeded_by(self, bad: u64, listed: u64) -> bool {
        match self {
            Self::Photographs(most) => bad > most,
            Self::Billionths(share) => {
                u128::from(bad) * u128::from(WHOLE) > u128::from(share) * u128::from(listed)
            }
        }
    }

    /// Why a job failed in which they are too many. `kinds` are those that are known, in words.
    pub fn exceeded_words(self, bad: u64, listed: u64, kinds: &str) -> String {
        let kinds = if kinds.is_empty() { String::new() } else { format!(" ({kinds})") };
        format!(
            "{bad} of {listed} photographs cannot be used, more than --max-bad {self} \
             allows{kinds}; repair or exclude them, or raise the limit"
        )
    }
}

impl fmt::Display for MaxBad {
    /// As the flag is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Photographs(most) => write!(f, "{most}"),
            Self::Billionths(share) => {
                write!(f, "{}%", f64::from(*share) * 100.0 / f64::from(WHOLE))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Percent in billionths.
    const PERCENT: u32 = WHOLE / 100;

    #[test]
    fn the_limit_itself_is_endured_and_one_more_is_not() {
        assert!(!MaxBad::Photographs(3).exceeded_by(3, 10));
        assert!(MaxBad::Photographs(3).exceeded_by(4, 10));
        assert!(!MaxBad::Billionths(5 * PERCENT).exceeded_by(5, 100));
        assert!(MaxBad::Billionths(5 * PERCENT).exceeded_by(6, 100));
        assert!(MaxBad::Billionths(0).exceeded_by(1, u64::MAX));
        assert!(!MaxBad::Billionths(WHOLE).exceeded_by(u64::MAX, u64::MAX));
    }

    #[test]
    fn a_limit_is_told_as_the_flag_is_written() {
        for (limit, written) in [
            (MaxBad::Photographs(10), "10"),
            (MaxBad::Billionths(5 * PERCENT), "5%"),
            (MaxBad::Billionths(PERCENT / 2), "0.5%"),
            (MaxBad::Billionths(PERCENT / 10), "0.1%"),
            (MaxBad::Billionths(1), "0.0000001%"),
            (MaxBad::Billionths(WHOLE), "100%"),
        ] {
            assert_eq!(limit.to_string(), written);
        }
        let words = MaxBad::Photographs(2).exceeded_words(3, 19, "");
        assert!(words.starts_with("3 of 19 photographs") && words.contains("--max-bad 2 allows; "));
        let words = MaxBad::Photographs(2).exceeded_words(3, 19, "3 empty");
        assert!(words.contains("--max-bad 2 allows (3 empty); "), "{words}");
    }
}
