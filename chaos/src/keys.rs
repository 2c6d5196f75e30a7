//! Names of objects.

use fruitnode_coordinator::ids::{Attempt, JobId, PartitionId, RangeId};
use fruitnode_coordinator::spec::JobSpec;
use fruitnode_coordinator::task::Winner;

pub(crate) fn final_key(spec: &JobSpec, what: &str, partition: PartitionId) -> String {
    format!("{}/{what}/{:04}", spec.to, partition.0)
}

/// A survey, or a whole listing.
pub(crate) fn listing_key(job: &JobId, attempt: Attempt) -> String {
    format!("{job}/listing/{:06}", attempt.0)
}

pub(crate) fn range_key(job: &JobId, range: RangeId, attempt: Attempt) -> String {
    format!("{job}/range/{:04}/{:06}", range.0, attempt.0)
}

pub(crate) fn features_key(job: &JobId, winner: &Winner) -> String {
    format!("{job}/features/{:04}/{:06}", winner.partition.0, winner.features_attempt.0)
}

pub(crate) fn scores_key(job: &JobId, partition: PartitionId, attempt: Attempt) -> String {
    format!("{job}/scores/{:04}/{:06}", partition.0, attempt.0)
}

pub(crate) fn fit_key(job: &JobId, attempt: Attempt) -> String {
    format!("{job}/fit/{:06}", attempt.0)
}
