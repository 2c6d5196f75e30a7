//! In which runs something happens at the very moment at which it matters, and what: moments so
//! short that chance alone hardly ever meets with them.

use crate::dice::Dice;

/// Of ten runs those in which something is seen to: none of those that once failed, which stay what
/// they were.
const RUNS: [u64; 3] = [1, 3, 6];

/// Of ten runs the one in some of which the power is cut.
const POWER_CUT_RUN: u64 = 8;

/// Of those runs one in so many.
const POWER_CUT_EVERY: u64 = 4;

/// Apart from the other generators of a seed.
const SALT: u64 = 0x0a5b_13c7_0000_0000;

/// What is seen to in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Untimely {
    /// Nothing.
    #[default]
    Never,
    /// A client gives up its job when leases of it were just granted.
    CancelAtGrant,
    /// Whoever leads is stopped, and a client gives up its job when the next one was just elected:
    /// nobody attends yet.
    CancelAtElection,
    /// A client gives up its job when a member was just removed that is still at it.
    CancelAtRemoval,
    /// Whoever leads is stopped when a member is to leave for ever: all come to the next one just
    /// when that removes the member.
    ElectAtRemoval,
    /// Whoever leads hands over when a member has just begun to attend.
    HandOver,
    /// What hangs comes to its end when it is given up.
    EndAtGiveUp,
    /// All die at once when voters have changed, those without a vote have let go, and nothing was
    /// decided since: what a voter knows then is what it kept.
    PowerCut,
}

const KINDS: [Untimely; 6] = [
    Untimely::CancelAtGrant,
    Untimely::CancelAtElection,
    Untimely::CancelAtRemoval,
    Untimely::ElectAtRemoval,
    Untimely::HandOver,
    Untimely::EndAtGiveUp,
];

impl Untimely {
    /// The generator that all of this is drawn from, so that it shifts nothing else.
    pub(crate) fn dice(seed: u64) -> Dice {
        Dice::new(seed ^ SALT)
    }

    /// Each kind is there as often as the others.
    pub(crate) fn of(seed: u64) -> Self {
        match RUNS.contains(&(seed % 10)) {
            true => KINDS[(seed / 10) as usize % KINDS.len()],
            false if seed % 10 == POWER_CUT_RUN && (seed / 10).is_multiple_of(POWER_CUT_EVERY) => {
                Self::PowerCut
            }
            false => Self::Never,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_once_failed_are_what_they_were() {
        for seed in crate::known_seeds() {
            assert_eq!(Untimely::of(seed), Untimely::Never, "seed {seed}");
        }
    }

    #[test]
    fn every_kind_is_there_in_a_few_hundred_runs() {
        for kind in KINDS {
            let runs = (0..300).filter(|seed| Untimely::of(*seed) == kind).count();
            assert_eq!(runs, 15, "{kind:?}");
        }
        let cuts = (0..300).filter(|seed| Untimely::of(*seed) == Untimely::PowerCut).count();
        assert_eq!(cuts, 8);
    }
}
