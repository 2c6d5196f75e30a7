//! What the errors of the layers below mean for an attempt, in one place.

use fruitnode_coordinator::moments::MomentsError;
use fruitnode_coordinator::retry::FailureReason;

use crate::failure::Failure;
use crate::output::{ReadError, WriteError};
use crate::pca::{CertificateViolation, FitError, ProjectError};
use crate::storage::SinkError;
use crate::storage::manifest::ManifestError;

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        Self::of(error.reason(), &error)
    }
}

impl From<ManifestError> for Failure {
    fn from(error: ManifestError) -> Self {
        let reason = match &error {
            ManifestError::List(error) => error.reason(),
            ManifestError::Sink(error) => error.reason(),
            ManifestError::Damaged(_) => FailureReason::DigestMismatch,
            ManifestError::RowsPerPart { .. }
            | ManifestError::OutOfOrder { .. }
            | ManifestError::TooLarge { .. }
            | ManifestError::NoSuchPartition { .. }
            | ManifestError::Version { .. } => FailureReason::InvalidJob,
        };
        Self::of(reason, &error)
    }
}

/// Rows that cannot be written come from the weights (values that are not finite) or from keys: no
/// attempt mends either.
impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::of(FailureReason::InvalidJob, &error)
    }
}

/// Objects of the job are read with their digest checked, so that bytes which cannot be read were
/// damaged on the way.
impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Self::of(FailureReason::DigestMismatch, &error)
    }
}

impl From<MomentsError> for Failure {
    fn from(error: MomentsError) -> Self {
        Self::of(FailureReason::InvalidJob, &error)
    }
}

impl From<FitError> for Failure {
    fn from(error: FitError) -> Self {
        Self::of(FailureReason::InvalidJob, &error)
    }
}

impl From<ProjectError> for Failure {
    fn from(error: ProjectError) -> Self {
        Self::of(FailureReason::InvalidJob, &error)
    }
}

impl From<CertificateViolation> for Failure {
    fn from(error: CertificateViolation) -> Self {
        Self::of(FailureReason::CertificateViolated, &error)
    }
}
