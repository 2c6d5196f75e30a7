//! Every attempt of a job, whichever node had it, as the coordinator remembers it: one line each,
//! to be read by `job explain` when the coordinator has long forgotten.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use fruitnode_coordinator::story::AttemptRecord;
use fruitnode_coordinator::task::{Task, TaskKind};

use super::{FailureLine, Quarantined, Stage, StoryFile};

/// What became of an attempt whose result was taken.
pub const ACCEPTED: &str = "accepted";

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptLine {
    /// Kind of task.
    pub stage: String,
    /// The task.
    pub task: String,
    /// The partition, of those that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// The range, of those that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<u32>,
    /// The attempt, counted through the whole job.
    pub attempt: u32,
    /// Who had it.
    pub node: u64,
    /// [`ACCEPTED`], or why it failed.
    pub outcome: String,
    /// Wall time of its beginning by the clock of its node; 0 of one that never told.
    pub began_unix_ms: u64,
    /// To its end.
    pub took_ms: u32,
    /// Bytes fetched.
    pub bytes: u64,
    /// Sum over fetches.
    pub fetch_ms: u32,
    /// Sum over compute threads.
    pub compute_ms: u32,
    /// Sum over writes.
    pub write_ms: u32,
}

/// A file of attempts that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read line {line} of the attempts: the file is damaged or of another kind")]
pub struct AttemptsError {
    line: usize,
    #[source]
    source: serde_json::Error,
}

/// What one node did for a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NodeLine {
    /// The node.
    pub node: u64,
    /// Attempts that were accepted.
    pub done: u64,
    /// Attempts that were not.
    pub failed: u64,
    /// Partitions whose photographs it visited.
    pub partitions: u64,
    /// Bytes fetched.
    pub bytes: u64,
    /// Sum over its attempts.
    pub busy_ms: u64,
}

impl AttemptLine {
    /// The line of a record.
    pub fn of(record: &AttemptRecord) -> Self {
        let facts = record.facts;
        Self {
            stage: stage(record.task),
            task: record.task.to_string(),
            partition: record.task.partition().map(|partition| partition.0),
            range: match record.task {
                Task::ListRange(range) => Some(range.0),
                _ => None,
            },
            attempt: record.attempt.0,
            node: record.node.0,
            outcome: record.reason.map_or(ACCEPTED, |reason| reason.code()).to_owned(),
            began_unix_ms: facts.began_ms,
            took_ms: facts.took_ms,
            bytes: facts.bytes,
            fetch_ms: facts.fetch_ms,
            compute_ms: facts.compute_ms,
            write_ms: facts.write_ms,
        }
    }
}

/// The file of all attempts: a line of JSON each.
pub fn attempts_jsonl(records: &[AttemptRecord]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        let line = serde_json::to_vec(&AttemptLine::of(record));
        bytes.extend(line.expect("numbers and strings are always JSON"));
        bytes.push(b'\n');
    }
    bytes
}

/// What [`attempts_jsonl`] wrote.
///
/// # Errors
/// When a line is none of its.
pub fn read_attempts(bytes: &[u8]) -> Result<Vec<AttemptLine>, AttemptsError> {
    let lines = bytes.split(|byte| *byte == b'\n').enumerate();
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| {
            let line_of = |source| AttemptsError { line: number + 1, source };
            serde_json::from_slice(line).map_err(line_of)
        })
        .collect()
}

impl StoryFile {
    /// With what all nodes of the job did.
    #[must_use]
    pub fn with_nodes(self, records: &[AttemptRecord]) -> Self {
        let mut nodes: BTreeMap<u64, NodeLine> = BTreeMap::new();
        let mut visited = BTreeSet::new();
        for record in records {
            let node = nodes.entry(record.node.0).or_default();
            node.node = record.node.0;
            match record.reason {
                None => node.done += 1,
                Some(_) => node.failed += 1,
            }
            if let (None, Task::Extract(partition)) = (record.reason, record.task)
                && visited.insert(partition)
            {
                node.partitions += 1;
            }
            node.bytes += record.facts.bytes;
            node.busy_ms += u64::from(record.facts.took_ms);
        }
        Self { nodes: nodes.into_values().collect(), ..self }
    }

    /// Told by the records of all nodes alone: what this process remembers is its own part, and of
    /// other jobs too. `photographs` are those with features, and the others by their codes.
    #[must_use]
    pub fn of_all(
        self,
        records: &[AttemptRecord],
        (good, quarantined): (u64, Quarantined),
    ) -> Self {
        let began = |record: &AttemptRecord| record.facts.began_ms;
        let ended = |record: &AttemptRecord| began(record) + u64::from(record.facts.took_ms);
        let told = records.iter().filter(|record| began(record) > 0);
        let first = told.clone().map(began).min().unwrap_or(self.began_unix_ms);
        let since = |at: u64| at.saturating_sub(first);
        let mut stages: BTreeMap<String, Stage> = BTreeMap::new();
        for record in records {
            let fresh = Stage { first_began_ms: u64::MAX, ..Stage::default() };
            let stage = stages.entry(stage(record.task)).or_insert(fresh);
            match record.reason {
                None => stage.done += 1,
                Some(_) => stage.failed += 1,
            }
            if began(record) > 0 {
                stage.first_began_ms = stage.first_began_ms.min(since(began(record)));
                stage.last_ended_ms = stage.last_ended_ms.max(since(ended(record)));
                stage.busy_ms += u64::from(record.facts.took_ms);
            }
        }
        for stage in stages.values_mut() {
            stage.first_began_ms = stage.first_began_ms.min(stage.last_ended_ms);
        }
        let failures = records.iter().filter_map(|record| {
            let code = record.reason?.code();
            let at_ms = if began(record) > 0 { since(ended(record)) } else { 0 };
            let (task, node) = (record.task.to_string(), record.node.0);
            let (attempt, words) = (record.attempt.0, String::new());
            Some(FailureLine { at_ms, task, attempt, node, code, words })
        });
        let fetched = |record: &&AttemptRecord| record.task.kind() == TaskKind::Extract;
        Self {
            host: None,
            threads: None,
            began_unix_ms: first,
            until_publish_ms: told.map(ended).max().map_or(0, since),
            stages,
            gets: None,
            bytes: records.iter().filter(fetched).map(|record| record.facts.bytes).sum(),
            inferences: good,
            quarantined,
            failures: failures.take(super::FAILURES_TOLD_MAX).collect(),
            throughput: Vec::new(),
            ..self
        }
    }
}

fn stage(task: Task) -> String {
    task.kind().name().to_owned()
}

#[cfg(test)]
mod tests {
    use fruitnode_coordinator::ids::{Attempt, NodeId, PartitionId};
    use fruitnode_coordinator::retry::FailureReason;
    use fruitnode_coordinator::story::AttemptFacts;
    use fruitnode_env::Moment;

    use super::*;
    use crate::story::{Story, story_html};

    fn records() -> Vec<AttemptRecord> {
        let record = |task, attempt, node, reason, began_ms| AttemptRecord {
            task,
            attempt: Attempt(attempt),
            node: NodeId(node),
            reason,
            facts: AttemptFacts { began_ms, took_ms: 500, bytes: 10, ..AttemptFacts::default() },
        };
        let extract = Task::Extract(PartitionId(3));
        let lost = AttemptRecord {
            facts: AttemptFacts::default(),
            ..record(extract, 2, 7, Some(FailureReason::NodeLost), 0)
        };
        vec![record(Task::List, 1, 7, None, 1_000), lost, record(extract, 3, 8, None, 2_000)]
    }

    #[test]
    fn attempts_come_back_as_they_were_written() {
        let lines = read_attempts(&attempts_jsonl(&records())).unwrap();
        assert_eq!(lines, records().iter().map(AttemptLine::of).collect::<Vec<_>>());
        let outcomes: Vec<_> = lines.iter().map(|line| line.outcome.as_str()).collect();
        assert_eq!(outcomes, [ACCEPTED, "node_lost", ACCEPTED]);
        assert_eq!(lines[2].partition, Some(3));
        let error = read_attempts(b"\n{}\n").unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
    }

    #[test]
    fn a_story_of_all_nodes_tells_each_of_them_and_what_was_tried_again() {
        let file = Story::begin(Moment::now(), 5).file("job-1", None, 4);
        let file = file.with_nodes(&records()).of_all(&records(), (9, BTreeMap::new()));
        let told: Vec<_> = file.nodes.iter().map(|n| (n.node, n.done, n.failed)).collect();
        assert_eq!(told, [(7, 1, 1), (8, 1, 0)]);
        assert_eq!((file.began_unix_ms, file.until_publish_ms), (1_000, 1_500));
        let extract = file.stages["extract"];
        assert_eq!((extract.first_began_ms, extract.last_ended_ms), (1_000, 1_500));
        assert_eq!((extract.done, extract.failed), (1, 1));
        let page = String::from_utf8(story_html(&file)).unwrap();
        for words in ["node_lost", "extract:3, attempt 2", "<h2>Nodes</h2>", "on 2 nodes"] {
            assert!(page.contains(words), "{words}: {page}");
        }
    }
}
