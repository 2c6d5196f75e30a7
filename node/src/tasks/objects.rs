//! Names of what the tasks of a job leave for each other, all below `_run/JOB/work/`. Every name
//! carries its attempt, so that two attempts never write the same object.

use fruitnode_coordinator::ids::{Attempt, JobId, PartitionId, RangeId};

/// Folder of everything that is removed when the job is published.
pub(crate) fn work_folder(job: &JobId) -> String {
    format!("_run/{job}/work/")
}

/// The manifest.
pub(crate) fn manifest(job: &JobId, attempt: Attempt) -> String {
    format!("{}manifest-{attempt}", work_folder(job))
}

/// The ranges into which the source was cut, and what was listed before the first of them.
pub(crate) fn survey(job: &JobId, attempt: Attempt) -> String {
    format!("{}survey-{attempt}.json", work_folder(job))
}

/// What a lease listed of a range.
pub(crate) fn range(job: &JobId, range: RangeId, attempt: Attempt) -> String {
    format!("{}range-{:03}-{attempt}.json", work_folder(job), range.0)
}

/// Entries that an attempt listed, the survey or a range.
pub(crate) fn entries(job: &JobId, attempt: Attempt, chunk: usize) -> String {
    format!("{}entries-{attempt}-{chunk:05}", work_folder(job))
}

/// What the listing met beside photographs.
pub(crate) fn listing(job: &JobId, attempt: Attempt) -> String {
    format!("{}listing-{attempt}.json", work_folder(job))
}

/// Feature rows of a partition.
pub(crate) fn features(job: &JobId, partition: PartitionId, attempt: Attempt) -> String {
    format!("{}features-{:05}-{attempt}.parquet", work_folder(job), partition.0)
}

/// Small pictures of some photographs of a partition.
pub(crate) fn thumbnails(job: &JobId, partition: PartitionId, attempt: Attempt) -> String {
    format!("{}thumbnails-{:05}-{attempt}.png", work_folder(job), partition.0)
}

/// Quarantined photographs of a partition.
pub(crate) fn quarantine(job: &JobId, partition: PartitionId, attempt: Attempt) -> String {
    format!("{}quarantine-{:05}-{attempt}.parquet", work_folder(job), partition.0)
}

/// The fitted model.
pub(crate) fn fit(job: &JobId, attempt: Attempt) -> String {
    format!("{}fit-{attempt}.safetensors", work_folder(job))
}

/// Scores of a partition.
pub(crate) fn scores(job: &JobId, partition: PartitionId, attempt: Attempt) -> String {
    format!("{}scores-{:05}-{attempt}.parquet", work_folder(job), partition.0)
}

/// Scores of a partition as rows of the CSV.
pub(crate) fn csv(job: &JobId, partition: PartitionId, attempt: Attempt) -> String {
    format!("{}scores-{:05}-{attempt}.csv", work_folder(job), partition.0)
}

/// Every attempt, a line each. It stays.
pub(crate) fn attempts(job: &JobId) -> String {
    format!("_run/{job}/attempts.jsonl")
}

/// The story of the run for people. It stays.
pub(crate) fn story_page(job: &JobId) -> String {
    format!("_run/{job}/run.html")
}

/// The story of the run. It stays.
pub(crate) fn story(job: &JobId) -> String {
    format!("_run/{job}/run.json")
}
