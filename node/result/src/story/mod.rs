//! The story of a run: what each kind of task took, how often it was tried, what failed and why.
//! It goes to `_run/` and to the terminal, never into a published file.

mod attempts;
mod page;
mod throughput;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use fruitnode_coordinator::failure::Failure;
use fruitnode_coordinator::ids::{Attempt, NodeId};
use fruitnode_coordinator::task::{Task, TaskKind};
use fruitnode_env::Moment;

use crate::rows::BadRow;

pub use attempts::{ACCEPTED, AttemptLine, AttemptsError, NodeLine, attempts_jsonl, read_attempts};
pub use page::story_html;
use throughput::Throughput;

/// Failures told one by one; the rest are only counted.
const FAILURES_TOLD_MAX: usize = 1_000;

/// Counters of work really done, accepted or not.
#[derive(Debug, Default)]
pub struct Work {
    /// Keys listed so far.
    pub listed: AtomicU64,
    /// Files of accepted listings that do not match the pattern.
    pub skipped: AtomicU64,
    /// Photographs of accepted listings that are hidden, excluded, or pictures of earlier results.
    pub passed_over: AtomicU64,
    /// Files of accepted listings that were modified at another time than was asked for.
    pub untimely: AtomicU64,
    /// Completed reads of photographs.
    pub gets: AtomicU64,
    /// Bytes of photographs read.
    pub bytes: AtomicU64,
    /// Inferences.
    pub inferences: AtomicU64,
    /// Photographs that became rows of the quarantine.
    pub bad: AtomicU64,
    /// Photographs whose rows an earlier run left, quarantined ones included.
    pub resumed: AtomicU64,
}

impl Work {
    /// Adds to a counter.
    pub fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    /// Reads a counter.
    pub fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// Keys that one attempt at a listing added to those told of: taken back unless it ends well, since
/// another attempt will tell of them again.
#[derive(Debug)]
pub struct Told<'a> {
    counter: &'a AtomicU64,
    keys: u64,
}

impl<'a> Told<'a> {
    /// Of an attempt that begins.
    pub fn begin(counter: &'a AtomicU64) -> Self {
        Self { counter, keys: 0 }
    }

    /// So many more.
    pub fn more(&mut self, keys: u64) {
        self.keys += keys;
        Work::add(self.counter, keys);
    }

    /// The attempt ended well.
    pub fn keep(mut self) {
        self.keys = 0;
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.counter.fetch_sub(self.keys, Ordering::Relaxed);
    }
}

/// What happened, collected while it happens.
#[derive(Debug)]
pub struct Story {
    began: Moment,
    began_wall_ms: u64,
    stages: Mutex<BTreeMap<TaskKind, Stage>>,
    failures: Mutex<Vec<FailureLine>>,
    bad: Mutex<BTreeMap<String, Bad>>,
    throughput: Mutex<Throughput>,
    warnings: Mutex<Warnings>,
    /// Counters of work.
    pub work: Work,
}

/// All attempts at tasks of one kind.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Stage {
    /// Attempts that ended well.
    pub done: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// From the first attempt's beginning, milliseconds after the run began.
    pub first_began_ms: u64,
    /// To the last attempt's end, milliseconds after the run began.
    pub last_ended_ms: u64,
    /// Sum over attempts, milliseconds.
    pub busy_ms: u64,
}

/// What a report warns of.
#[derive(Debug, Clone, Default)]
pub struct Warnings {
    /// All of it.
    pub all: Vec<String>,
    /// What the fit warns of: the rest is about what was listed, and is counted elsewhere too.
    pub of_fit: Vec<String>,
}

/// Photographs with one code.
#[derive(Debug, Clone, Serialize)]
pub struct Bad {
    /// How many.
    pub count: u64,
    /// The first in key order among those seen.
    pub example: String,
}

/// Photographs without features, by their codes.
pub type Quarantined = BTreeMap<String, Bad>;

#[derive(Debug, Clone, Serialize)]
struct FailureLine {
    at_ms: u64,
    task: String,
    attempt: u32,
    node: u64,
    code: &'static str,
    words: String,
}

/// The story as it is written to `_run/`.
#[derive(Debug, Serialize)]
pub struct StoryFile {
    schema_version: u32,
    job: String,
    host: Option<String>,
    release: &'static str,
    /// Compute threads of the one node, if there was but one.
    #[serde(skip_serializing_if = "Option::is_none")]
    threads: Option<usize>,
    began_unix_ms: u64,
    /// The story is written before the result is published: publishing is not in it.
    until_publish_ms: u64,
    stages: BTreeMap<String, Stage>,
    /// Completed reads, where one process counted them all.
    #[serde(skip_serializing_if = "Option::is_none")]
    gets: Option<u64>,
    bytes: u64,
    inferences: u64,
    quarantined: BTreeMap<String, Bad>,
    failures: Vec<FailureLine>,
    /// What each node did.
    nodes: Vec<NodeLine>,
    /// Milliseconds since the run began, photographs done by then, bytes read by then.
    throughput: Vec<[u64; 3]>,
    /// Whether the store of the result refuses writes whose condition does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    conditional_writes: Option<bool>,
}

impl StoryFile {
    /// With what was found out about the store of the result.
    pub fn with_conditional_writes(self, conditional_writes: Option<bool>) -> Self {
        Self { conditional_writes, ..self }
    }
}

impl Story {
    /// Begins now.
    pub fn begin(began: Moment, began_wall_ms: u64) -> Self {
        Self {
            began,
            began_wall_ms,
            stages: Mutex::default(),
            failures: Mutex::default(),
            bad: Mutex::default(),
            warnings: Mutex::default(),
            throughput: Mutex::default(),
            work: Work::default(),
        }
    }

    /// When the run began.
    pub fn began(&self) -> Moment {
        self.began
    }

    /// Takes note of a photograph that becomes a row of the quarantine.
    pub fn quarantined(&self, row: &BadRow) {
        Work::add(&self.work.bad, 1);
        let path = &row.subject.path;
        let mut bad = lock(&self.bad);
        let seen =
            bad.entry(row.code.clone()).or_insert_with(|| Bad { count: 0, example: path.clone() });
        seen.count += 1;
        if *path < seen.example {
            seen.example.clone_from(path);
        }
    }

    /// Has whoever runs the job know what its report warns of.
    pub fn warn(&self, warnings: Warnings) {
        *lock(&self.warnings) = warnings;
    }

    /// What the report of the job warns of.
    pub fn warnings(&self) -> Warnings {
        lock(&self.warnings).clone()
    }

    /// What is in quarantine and why, in words: the codes, how often, and an example of each.
    pub fn quarantine_words(&self) -> Option<String> {
        let bad = lock(&self.bad);
        let words = bad.iter().map(|(code, Bad { count, example })| match count {
            1 => format!("{code} (`{example}`)"),
            _ => format!("{count} x {code} (first `{example}`)"),
        });
        if bad.is_empty() { None } else { Some(words.collect::<Vec<_>>().join(", ")) }
    }

    /// Takes note of an attempt that ended.
    pub fn ended(
        &self,
        node: NodeId,
        (task, attempt): (Task, Attempt),
        began: Moment,
        failure: Option<&Failure>,
    ) {
        let ended_ms = millis(self.began.elapsed());
        let began_ms = millis(began.since(self.began));
        let mut stages = lock(&self.stages);
        let first = Stage { first_began_ms: began_ms, ..Stage::default() };
        let stage = stages.entry(task.kind()).or_insert(first);
        stage.first_began_ms = stage.first_began_ms.min(began_ms);
        stage.last_ended_ms = stage.last_ended_ms.max(ended_ms);
        stage.busy_ms += ended_ms - began_ms;
        let Some(failure) = failure else {
            stage.done += 1;
            return;
        };
        stage.failed += 1;
        let mut failures = lock(&self.failures);
        if failures.len() < FAILURES_TOLD_MAX {
            failures.push(FailureLine {
                at_ms: ended_ms,
                task: task.to_string(),
                attempt: attempt.0,
                node: node.0,
                code: failure.reason.code(),
                words: failure.words.clone(),
            });
        }
    }

    /// Takes note of how far the work is. To be called about once a second.
    pub fn measure(&self) {
        let at_ms = millis(self.began.elapsed());
        let done = Work::read(&self.work.inferences) + Work::read(&self.work.bad);
        lock(&self.throughput).push([at_ms, done, Work::read(&self.work.bytes)]);
    }

    /// Stages in the order of the job.
    pub fn stages(&self) -> BTreeMap<String, Stage> {
        let stages = lock(&self.stages);
        stages.iter().map(|(kind, stage)| (kind.name().to_owned(), *stage)).collect()
    }

    /// The story so far, for `_run/`.
    pub fn file(&self, job: &str, host: Option<String>, threads: usize) -> StoryFile {
        let failures = lock(&self.failures);
        StoryFile {
            schema_version: 1,
            job: job.to_owned(),
            host,
            release: env!("CARGO_PKG_VERSION"),
            threads: Some(threads),
            began_unix_ms: self.began_wall_ms,
            until_publish_ms: millis(self.began.elapsed()),
            stages: self.stages(),
            gets: Some(Work::read(&self.work.gets)),
            bytes: Work::read(&self.work.bytes),
            inferences: Work::read(&self.work.inferences),
            quarantined: lock(&self.bad).clone(),
            failures: failures.clone(),
            nodes: Vec::new(),
            throughput: lock(&self.throughput).points(),
            conditional_writes: None,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
