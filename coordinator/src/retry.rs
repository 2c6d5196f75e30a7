//! What follows from a failed attempt: whether it is tried again, and whether it counts.
//!
//! These questions are total functions of the reason, so that a new reason forces every answer.
//! (Ballista keeps the same two booleans apart, for the same cause: a lost machine must not eat up
//! the patience that a broken task deserves.)

/// Failed attempts of one task that count before its job fails.
pub(crate) const COUNTED_FAILURES_MAX: u8 = 4;

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureReason {
    /// The node died or left.
    NodeLost,
    /// The attempt was told to stop.
    Cancelled,
    /// Storage did not answer, or answered with an error of its own.
    StorageUnavailable,
    /// Storage refused the node: credentials, rights, a clock, a read-only place.
    StorageRefused,
    /// No space is left where the node writes: on its own disk, or in all of the store.
    StorageFull,
    /// What should be read is not there or is malformed: the source, or an object of the job.
    InputMissing,
    /// The moments to merge are no longer held where the state says.
    MomentsMissing,
    /// Bytes read back do not have the digest that was accepted.
    DigestMismatch,
    /// A task panicked.
    Panic,
    /// The job cannot be done as it was asked for, whoever tries.
    InvalidJob,
    /// A check of the certificate does not hold.
    CertificateViolated,
    /// The target holds a result, or something foreign.
    TargetTaken,
    /// The node refuses the task for want of memory.
    OutOfMemory,
    /// More photographs are bad than the job allows.
    TooManyBad,
    /// The attempt made no progress for so long that its node was told to give it up.
    Stalled,
    /// The node that holds the moments to merge was not reached.
    MomentsUnreachable,
}

impl FailureReason {
    /// Every reason, in the order of its wire code.
    pub const ALL: [Self; 16] = [
        Self::NodeLost,
        Self::Cancelled,
        Self::StorageUnavailable,
        Self::StorageRefused,
        Self::StorageFull,
        Self::InputMissing,
        Self::MomentsMissing,
        Self::DigestMismatch,
        Self::Panic,
        Self::InvalidJob,
        Self::CertificateViolated,
        Self::TargetTaken,
        Self::OutOfMemory,
        Self::TooManyBad,
        Self::Stalled,
        Self::MomentsUnreachable,
    ];

    /// Whether another attempt may end otherwise: perhaps only on another node.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub(crate) fn retryable(self) -> bool {
        match self {
            Self::NodeLost
            | Self::Cancelled
            | Self::StorageUnavailable
            | Self::StorageRefused
            | Self::StorageFull
            | Self::MomentsMissing
            | Self::MomentsUnreachable
            | Self::DigestMismatch
            | Self::Panic
            | Self::OutOfMemory
            | Self::Stalled => true,
            Self::InputMissing
            | Self::InvalidJob
            | Self::CertificateViolated
            | Self::TargetTaken
            | Self::TooManyBad => false,
        }
    }

    /// Whether the failure speaks against the task, and not against the world around it.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub fn counts(self) -> bool {
        match self {
            Self::NodeLost
            | Self::Cancelled
            | Self::StorageUnavailable
            | Self::StorageRefused
            | Self::StorageFull
            | Self::MomentsMissing
            | Self::MomentsUnreachable
            | Self::Stalled => false,
            Self::InputMissing
            | Self::DigestMismatch
            | Self::Panic
            | Self::InvalidJob
            | Self::CertificateViolated
            | Self::TargetTaken
            | Self::OutOfMemory
            | Self::TooManyBad => true,
        }
    }

    /// Whether the failure speaks against the node that the task was on: it is set aside, and the
    /// job fails when nobody else is left.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub fn sets_aside(self) -> bool {
        match self {
            Self::StorageRefused | Self::StorageFull => true,
            Self::NodeLost
            | Self::Cancelled
            | Self::StorageUnavailable
            | Self::InputMissing
            | Self::MomentsMissing
            | Self::MomentsUnreachable
            | Self::DigestMismatch
            | Self::Panic
            | Self::InvalidJob
            | Self::CertificateViolated
            | Self::TargetTaken
            | Self::OutOfMemory
            | Self::TooManyBad
            | Self::Stalled => false,
        }
    }

    /// Stable name, for logs and machine-readable output.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub fn code(self) -> &'static str {
        match self {
            Self::NodeLost => "node_lost",
            Self::Cancelled => "cancelled",
            Self::StorageUnavailable => "storage_unavailable",
            Self::StorageRefused => "storage_refused",
            Self::StorageFull => "storage_full",
            Self::InputMissing => "input_missing",
            Self::MomentsMissing => "moments_missing",
            Self::DigestMismatch => "digest_mismatch",
            Self::Panic => "panic",
            Self::InvalidJob => "invalid_job",
            Self::CertificateViolated => "certificate_violated",
            Self::TargetTaken => "target_taken",
            Self::OutOfMemory => "out_of_memory",
            Self::TooManyBad => "too_many_bad",
            Self::Stalled => "stalled",
            Self::MomentsUnreachable => "moments_unreachable",
        }
    }
}

/// What to do after a failure, given how many counted ones came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Offer the task again; the number of counted failures is now this.
    Again(u8),
    /// The job fails.
    GiveUp,
}

/// Decides between another attempt and the end of the job.
pub(crate) fn after_failure(reason: FailureReason, counted_before: u8) -> Decision {
    let counted = counted_before.saturating_add(u8::from(reason.counts()));
    if reason.retryable() && counted < COUNTED_FAILURES_MAX {
        Decision::Again(counted)
    } else {
        Decision::GiveUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_node_never_uses_up_the_attempts() {
        let mut counted = 0;
        for _ in 0..1_000 {
            match after_failure(FailureReason::NodeLost, counted) {
                Decision::Again(now) => counted = now,
                Decision::GiveUp => panic!("a lost node ended the job"),
            }
        }
        assert_eq!(counted, 0);
    }

    #[test]
    fn the_fourth_counted_failure_ends_the_job() {
        let panic = FailureReason::Panic;
        assert_eq!(after_failure(panic, 2), Decision::Again(3));
        assert_eq!(after_failure(panic, 3), Decision::GiveUp);
    }

    #[test]
    fn what_lies_between_a_node_and_the_world_never_uses_up_the_attempts() {
        let world = [
            FailureReason::StorageUnavailable,
            FailureReason::StorageRefused,
            FailureReason::StorageFull,
            FailureReason::MomentsUnreachable,
        ];
        for reason in world {
            assert_eq!(after_failure(reason, 3), Decision::Again(3), "{}", reason.code());
        }
        let aside = FailureReason::ALL.into_iter().filter(|reason| reason.sets_aside());
        assert!(aside.eq([FailureReason::StorageRefused, FailureReason::StorageFull]));
    }

    #[test]
    fn what_no_attempt_can_mend_ends_the_job_at_once() {
        for reason in FailureReason::ALL.into_iter().filter(|reason| !reason.retryable()) {
            assert_eq!(after_failure(reason, 0), Decision::GiveUp, "{}", reason.code());
        }
    }
}
