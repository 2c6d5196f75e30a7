//! What the process says to the shell when it ends.

use std::process::ExitCode;

use fruitnode_coordinator::retry::FailureReason;

/// Exit codes, as documented in `fruitnode run --help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed, or a check does not hold.
    Failed = 1,
    /// Wrong flags. The code that clap uses.
    Usage = 2,
    /// No coordinator, or nobody, can be reached.
    Unreachable = 3,
    /// Not permitted: rights, credentials, certificates, tokens.
    Refused = 4,
    /// Nothing there to read.
    NotFound = 5,
    /// The target is taken.
    Conflict = 6,
    /// More photographs are bad than `--max-bad` allows.
    TooManyBad = 7,
    /// `--timeout` is over.
    TimedOut = 124,
    /// Stopped by Ctrl-C or a signal.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<FailureReason> for Exit {
    #[deny(clippy::wildcard_enum_match_arm)]
    fn from(reason: FailureReason) -> Self {
        match reason {
            FailureReason::StorageRefused => Self::Refused,
            FailureReason::InputMissing => Self::NotFound,
            FailureReason::TargetTaken => Self::Conflict,
            FailureReason::TooManyBad => Self::TooManyBad,
            FailureReason::Cancelled => Self::Interrupted,
            FailureReason::InvalidJob => Self::Usage,
            FailureReason::NodeLost
            | FailureReason::StorageUnavailable
            | FailureReason::StorageFull
            | FailureReason::MomentsMissing
            | FailureReason::DigestMismatch
            | FailureReason::Panic
            | FailureReason::CertificateViolated
            | FailureReason::OutOfMemory
            | FailureReason::Stalled
            | FailureReason::MomentsUnreachable => Self::Failed,
        }
    }
}
