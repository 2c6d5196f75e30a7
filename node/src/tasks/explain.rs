//! What became of a job, and of one photograph in it: read back from what was published, when the
//! coordinator has long forgotten.

use std::io;

use bytes::Bytes;
use serde::Serialize;

use fruitnode_coordinator::ids::JobId;
use fruitnode_result as output;
use fruitnode_result::rows::{BadRow, Subject};
use fruitnode_result::story::{AttemptLine, AttemptsError, read_attempts};
use fruitnode_result::verify::Published;
use fruitnode_result::{ReadError, names};

use crate::tasks::objects;

/// Why nothing can be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExplainError {
    /// A file of the result cannot be read.
    #[error("cannot read `{name}` of the result: it was not published, or has been moved")]
    File {
        /// The file.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A part is damaged.
    #[error(transparent)]
    Part(#[from] ReadError),
    /// The story is damaged.
    #[error(transparent)]
    Attempts(#[from] AttemptsError),
}

/// What became of a photograph.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "became")]
pub(crate) enum Fate {
    /// A row of the features.
    Features {
        /// The partition.
        partition: u32,
        /// The row in its part, from 0.
        row: usize,
        /// Its label, if it has one.
        label: Option<String>,
        /// Its bytes, as listed.
        size: u64,
        /// The first of its features.
        first: Vec<f32>,
    },
    /// A row of the quarantine.
    Quarantined {
        /// The partition.
        partition: u32,
        /// Why, as a code.
        code: String,
        /// Why, in words.
        detail: String,
    },
    /// It is not in the result: it was not listed.
    NotListed,
}

/// Features that are shown of a photograph.
const FIRST: usize = 8;

/// Every attempt of a job.
///
/// # Errors
/// When the story is not there, or damaged.
pub(crate) fn explain(
    result: &dyn Published,
    job: &JobId,
) -> Result<Vec<AttemptLine>, ExplainError> {
    Ok(read_attempts(&read(result, &objects::attempts(job))?)?)
}

/// What became of one photograph. Parts are in key order: a few of them are read, not all.
///
/// # Errors
/// When a part cannot be read, or is damaged.
pub(crate) fn explain_key(result: &dyn Published, key: &str) -> Result<Fate, ExplainError> {
    let listed = result.list().map_err(|source| file("features/", source))?;
    let holds = |name: &str| listed.iter().any(|listed| listed == name);
    let (mut first, mut end) = (0, 0);
    while holds(&names::features_part(end)) {
        end += 1;
    }
    while first < end {
        let partition = first + (end - first) / 2;
        let part = Part::read(result, partition, holds(&names::quarantine_part(partition)))?;
        if let Some(fate) = part.fate(partition, key) {
            return Ok(fate);
        }
        match part.lies_before(key) {
            true => first = partition + 1,
            false => end = partition,
        }
    }
    Ok(Fate::NotListed)
}

/// Both kinds of rows of a partition.
struct Part {
    subjects: Vec<Subject>,
    dim: usize,
    values: Vec<f32>,
    bad: Vec<BadRow>,
}

impl Part {
    fn read(
        result: &dyn Published,
        partition: u32,
        quarantine: bool,
    ) -> Result<Self, ExplainError> {
        let bytes = Bytes::from(read(result, &names::features_part(partition))?);
        let features = output::read_features_part(&bytes)?;
        let bad = match quarantine {
            false => Vec::new(),
            true => {
                let bytes = read(result, &names::quarantine_part(partition))?;
                output::read_quarantine_part(&Bytes::from(bytes))?
            }
        };
        let (dim, values) = (features.dim, features.values);
        Ok(Self { subjects: features.subjects, dim, values, bad })
    }

    fn fate(&self, partition: u32, key: &str) -> Option<Fate> {
        if let Some(row) = self.subjects.iter().position(|subject| subject.path == key) {
            let subject = &self.subjects[row];
            let (label, size) = (subject.label.clone(), subject.size);
            let values = self.values.chunks(self.dim.max(1)).nth(row).unwrap_or_default();
            let first = values.iter().take(FIRST).copied().collect();
            return Some(Fate::Features { partition, row, label, size, first });
        }
        let bad = self.bad.iter().find(|bad| bad.subject.path == key)?;
        let (code, detail) = (bad.code.clone(), bad.detail.clone());
        Some(Fate::Quarantined { partition, code, detail })
    }

    fn lies_before(&self, key: &str) -> bool {
        let bad = self.bad.last().map(|bad| bad.subject.path.as_str());
        let good = self.subjects.last().map(|subject| subject.path.as_str());
        good.max(bad).is_some_and(|last| last < key)
    }
}

fn read(result: &dyn Published, name: &str) -> Result<Vec<u8>, ExplainError> {
    result.read(name).map_err(|source| file(name, source))
}

fn file(name: &str, source: io::Error) -> ExplainError {
    ExplainError::File { name: name.to_owned(), source }
}
