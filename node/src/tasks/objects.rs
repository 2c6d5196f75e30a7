//! Names of what the tasks of a job leave for each other, all below `_run/JOB/work/`. Every name
//! carries its attempt, so that two attempts never write the same object.

use fruitnode_coordinator::ids::{Attempt, JobId, PartitionId, RangeId};

/// What each kind of finished partition's files begins with.
const FEATURES: &str = "features-";
const THUMBNAILS: &str = "thumbnails-";
const QUARANTINE: &str = "quarantine-";
const DONE: &str = "done-";

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
    format!("{}{FEATURES}{:05}-{attempt}.parquet", work_folder(job), partition.0)
}

/// Small pictures of some photographs of a partition.
pub(crate) fn thumbnails(job: &JobId, partition: PartitionId, attempt: Attempt) -> String {
    format!("{}{THUMBNAILS}{:05}-{attempt}.png", work_folder(job), partition.0)
}

/// Quarantined photographs of a partition.
pub(crate) fn quarantine(job: &JobId, partition: PartitionId, attempt: Attempt) -> String {
    format!("{}{QUARANTINE}{:05}-{attempt}.parquet", work_folder(job), partition.0)
}

/// Says that a partition is finished; `key` is what its rows were made from.
pub(crate) fn done(job: &JobId, partition: PartitionId, attempt: Attempt, key: &str) -> String {
    format!("{}{DONE}{:05}-{attempt}-{key}.json", work_folder(job), partition.0)
}

/// Whether a file of some work is of use to a job that resumes it.
pub(crate) fn is_resumed(file: &str) -> bool {
    [FEATURES, THUMBNAILS, QUARANTINE, DONE].iter().any(|kind| file.starts_with(kind))
}

/// A finished partition of an earlier job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finished {
    folder: String,
    stem: String,
    key: String,
}

impl Finished {
    /// Of the name of what says that it is finished.
    pub(crate) fn parse(name: &str) -> Option<(String, Self)> {
        let (folder, file) = name.rsplit_once('/')?;
        let (stem, key) = file.strip_prefix(DONE)?.strip_suffix(".json")?.rsplit_once('-')?;
        let (folder, stem, key) = (folder.to_owned(), stem.to_owned(), key.to_owned());
        Some((key.clone(), Self { folder, stem, key }))
    }

    /// What says that it is finished.
    pub(crate) fn done(&self) -> String {
        let Self { folder, stem, key } = self;
        format!("{folder}/{DONE}{stem}-{key}.json")
    }

    /// Its feature rows.
    pub(crate) fn features(&self) -> String {
        format!("{}/{FEATURES}{}.parquet", self.folder, self.stem)
    }

    /// Its small pictures.
    pub(crate) fn thumbnails(&self) -> String {
        format!("{}/{THUMBNAILS}{}.png", self.folder, self.stem)
    }

    /// Its quarantined photographs.
    pub(crate) fn quarantine(&self) -> String {
        format!("{}/{QUARANTINE}{}.parquet", self.folder, self.stem)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_that_a_partition_is_finished_leads_to_its_files() {
        let (job, partition, attempt) = (JobId("a".to_owned()), PartitionId(12), Attempt(3));
        let name = done(&job, partition, attempt, "00ff");
        let (key, finished) = Finished::parse(&name).unwrap();
        assert_eq!(key, "00ff");
        assert_eq!(finished.done(), name);
        assert_eq!(finished.features(), features(&job, partition, attempt));
        assert_eq!(finished.thumbnails(), thumbnails(&job, partition, attempt));
        assert_eq!(finished.quarantine(), quarantine(&job, partition, attempt));
        for name in [finished.done(), finished.features(), finished.thumbnails()] {
            assert!(is_resumed(name.rsplit('/').next().unwrap()));
        }
        for name in ["done-1.json", "features-00012-a3.parquet", "_run/a/work/manifest-a1"] {
            assert_eq!(Finished::parse(name), None);
        }
    }
}
