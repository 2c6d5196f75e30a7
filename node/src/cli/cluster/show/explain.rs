//! The story of a job: what was tried in each stage, where, how long it took, and why again.

use std::collections::BTreeMap;

use serde::Serialize;

use fruitnode_coordinator::retry::FailureReason;
use fruitnode_proto::v1::{AttemptStory, PhotographFate};
use fruitnode_result::story::ACCEPTED;

use crate::cli::cluster::show::ended::Ended;
use crate::cli::cluster::show::job::reason;
use crate::cli::cluster::show::node;
use crate::cli::cluster::show::overdue::Late;
use crate::cli::cluster::show::table::{NOTHING, Set, Table, bytes, count, line, span, time};
use crate::cli::cluster::show::task::{partition, stage_of, task_words};

/// Attempts that took longest, so many of each stage.
const SLOWEST_TOLD: usize = 3;

/// Stages in the order of a job.
const STAGES: [&str; 9] =
    ["list", "list-range", "gather", "extract", "remake", "merge", "fit", "project", "publish"];

/// One stage of a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Stage {
    stage: &'static str,
    attempts: u64,
    accepted: u64,
    /// Failed attempts by reason.
    failed: BTreeMap<&'static str, u64>,
    /// From the beginning of the first attempt to the end of the last.
    wall_ms: u64,
    /// Sum over attempts.
    busy_ms: u64,
    median_ms: u64,
    slowest_ms: u64,
    /// How many times the median the slowest took.
    skew: Option<f64>,
    fetch_ms: u64,
    compute_ms: u64,
    write_ms: u64,
    bytes: u64,
    /// Of accepted attempts, the slowest first.
    slowest: Vec<Slow>,
}

/// An attempt that took long.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Slow {
    task: String,
    node: String,
    took_ms: u32,
}

/// What one node did.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct NodeShare {
    node: String,
    accepted: u64,
    failed: u64,
    busy_ms: u64,
    bytes: u64,
}

/// One attempt. One that never told of itself, as of a lost node, has zeros.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Attempt {
    task: String,
    stage: &'static str,
    partition: Option<u32>,
    attempt: u32,
    node: String,
    /// `accepted`, or the code of why it failed.
    outcome: &'static str,
    began_unix_ms: u64,
    took_ms: u32,
    fetch_ms: u32,
    compute_ms: u32,
    write_ms: u32,
    bytes: u64,
}

/// The whole story.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    schema_version: u32,
    job: String,
    /// Of a job that ended without a result.
    ended: Option<Ended>,
    stages: Vec<Stage>,
    nodes: Vec<NodeShare>,
    overdue: Vec<Late>,
    /// All of them, in the order in which they began.
    attempts: Vec<Attempt>,
}

/// Puts the story together.
pub(crate) fn explain(
    job: &str,
    stories: &[AttemptStory],
    overdue: Vec<Late>,
    ended: Option<Ended>,
) -> Explained {
    let of = |stage: &'static str| stories.iter().filter(move |story| stage_of(story) == stage);
    let stages = STAGES.iter().map(|stage| stage_told(stage, &of(stage).collect::<Vec<_>>()));
    let stages = stages.filter(|stage| stage.attempts > 0).collect();
    let mut nodes: BTreeMap<u64, NodeShare> = BTreeMap::new();
    for story in stories {
        let share = nodes.entry(story.node).or_default();
        share.node = node::id(story.node);
        let facts = story.facts.unwrap_or_default();
        share.busy_ms += u64::from(facts.took_ms);
        share.bytes += facts.bytes;
        *if accepted(story) { &mut share.accepted } else { &mut share.failed } += 1;
    }
    Explained {
        schema_version: 1,
        job: job.to_owned(),
        ended,
        stages,
        nodes: nodes.into_values().collect(),
        overdue,
        attempts: attempts(stories),
    }
}

/// The attempts themselves, in the order in which they began.
pub(crate) fn attempts(stories: &[AttemptStory]) -> Vec<Attempt> {
    let mut attempts: Vec<_> = stories.iter().map(attempt).collect();
    attempts.sort_by_key(|attempt| (attempt.began_unix_ms, attempt.attempt));
    attempts
}

/// For people: attempts line by line.
pub(crate) fn attempts_table<'a>(attempts: impl IntoIterator<Item = &'a Attempt>) -> String {
    let mut table = Table::new(&[
        ("attempt", Set::Right),
        ("task", Set::Left),
        ("node", Set::Left),
        ("outcome", Set::Left),
        ("began", Set::Left),
        ("took", Set::Right),
        ("bytes", Set::Right),
    ]);
    for attempt in attempts {
        table.row([
            attempt.attempt.to_string(),
            attempt.task.clone(),
            attempt.node.clone(),
            attempt.outcome.to_owned(),
            time(attempt.began_unix_ms),
            span(attempt.took_ms.into()),
            if attempt.bytes == 0 { NOTHING.to_owned() } else { bytes(attempt.bytes) },
        ]);
    }
    table.text("  ")
}

/// What became of a photograph, for programs.
pub(crate) fn fate(fate: &PhotographFate) -> serde_json::Value {
    match fate.became.as_str() {
        "features" => serde_json::json!({
            "became": fate.became,
            "row": fate.row,
            "label": fate.label,
            "size": fate.size,
        }),
        "quarantined" => serde_json::json!({
            "became": fate.became,
            "code": fate.code,
            "detail": fate.detail,
        }),
        _ => serde_json::json!({ "became": fate.became }),
    }
}

/// What became of a photograph, for people.
pub(crate) fn key_text(
    key: &str,
    fate: Option<&PhotographFate>,
    attempts: &[Attempt],
    ended: Option<&Ended>,
) -> String {
    let mut out = String::new();
    line(&mut out, "photograph", key);
    match fate {
        None => {
            let unknown = || "not known yet: the job is still running".to_owned();
            line(&mut out, "became", ended.map_or_else(unknown, Ended::of_photograph));
            return out + &ended.map(Ended::text).unwrap_or_default();
        }
        Some(fate) => match fate.became.as_str() {
            "features" => {
                line(&mut out, "became", format!("row {} of part {}", fate.row, fate.partition));
                line(&mut out, "label", fate.label.clone());
            }
            "quarantined" => {
                line(&mut out, "became", format!("quarantined in part {}", fate.partition));
                line(&mut out, "because", format!("{}: {}", fate.code, fate.detail));
            }
            _ => {
                line(&mut out, "became", "not found: it is not one of the listed keys");
                return out;
            }
        },
    }
    out.push('\n');
    out.push_str(&attempts_table(attempts));
    out
}

impl Explained {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let overdue: String = self.overdue.iter().map(Late::text).collect();
        let mut out = self.ended.as_ref().map(Ended::text).unwrap_or_default();
        match (self.stages.is_empty(), &self.ended) {
            (true, Some(_)) => return out,
            (true, None) => return format!("no attempt has ended yet\n{overdue}"),
            (false, Some(_)) => out.push('\n'),
            (false, None) => {}
        }
        out.push_str(&self.stage_table());
        for stage in self.stages.iter().filter(|stage| !stage.failed.is_empty()) {
            let reasons = stage.failed.iter();
            let reasons: Vec<_> =
                reasons.map(|(code, times)| format!("{} x {code}", count(*times))).collect();
            out.push_str(&format!("\n  not accepted of {}: {}\n", stage.stage, reasons.join(", ")));
        }
        let failed = self.attempts.iter().filter(|attempt| attempt.outcome != ACCEPTED);
        if failed.clone().next().is_some() {
            out.push('\n');
            out.push_str(&attempts_table(failed));
        }
        // A stage of one task has no neighbours to compare with.
        for stage in self.stages.iter().filter(|stage| stage.skew.is_some()) {
            let slowest = stage.slowest.iter();
            let slowest: Vec<_> = slowest
                .map(|slow| format!("{} {} on {}", slow.task, span(slow.took_ms.into()), slow.node))
                .collect();
            out.push_str(&format!("\n  slowest of {}: {}\n", stage.stage, slowest.join(", ")));
        }
        out.push('\n');
        out.push_str(&self.node_table());
        out + &overdue
    }

    /// For programs.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("strings and numbers are always JSON")
    }

    fn stage_table(&self) -> String {
        let mut table = Table::new(&[
            ("stage", Set::Left),
            ("attempts", Set::Right),
            ("failed", Set::Right),
            ("time", Set::Right),
            ("median", Set::Right),
            ("slowest", Set::Right),
            ("skew", Set::Right),
            ("fetch", Set::Right),
            ("compute", Set::Right),
            ("write", Set::Right),
            ("bytes", Set::Right),
        ]);
        for stage in &self.stages {
            let known = |ms: u64| if ms == 0 { NOTHING.to_owned() } else { span(ms) };
            table.row([
                stage.stage.to_owned(),
                count(stage.attempts),
                count(stage.attempts - stage.accepted),
                span(stage.wall_ms),
                span(stage.median_ms),
                span(stage.slowest_ms),
                stage.skew.map_or_else(|| NOTHING.to_owned(), |skew| format!("{skew:.1}")),
                known(stage.fetch_ms),
                known(stage.compute_ms),
                known(stage.write_ms),
                if stage.bytes == 0 { NOTHING.to_owned() } else { bytes(stage.bytes) },
            ]);
        }
        table.text("  ")
    }

    fn node_table(&self) -> String {
        let mut table = Table::new(&[
            ("node", Set::Left),
            ("accepted", Set::Right),
            ("failed", Set::Right),
            ("busy", Set::Right),
            ("bytes", Set::Right),
        ]);
        for share in &self.nodes {
            table.row([
                share.node.clone(),
                count(share.accepted),
                count(share.failed),
                span(share.busy_ms),
                bytes(share.bytes),
            ]);
        }
        table.text("  ")
    }
}

fn stage_told(stage: &'static str, stories: &[&AttemptStory]) -> Stage {
    let mut told = Stage { stage, attempts: stories.len() as u64, ..Stage::default() };
    let (mut first, mut last) = (u64::MAX, 0);
    let mut took = Vec::new();
    for story in stories {
        let facts = story.facts.unwrap_or_default();
        told.busy_ms += u64::from(facts.took_ms);
        told.fetch_ms += u64::from(facts.fetch_ms);
        told.compute_ms += u64::from(facts.compute_ms);
        told.write_ms += u64::from(facts.write_ms);
        told.bytes += facts.bytes;
        if facts.began_ms > 0 {
            first = first.min(facts.began_ms);
            last = last.max(facts.began_ms.saturating_add(facts.took_ms.into()));
        }
        if accepted(story) {
            told.accepted += 1;
            took.push((facts.took_ms, *story));
        } else {
            *told.failed.entry(code(story)).or_default() += 1;
        }
    }
    told.wall_ms = last.saturating_sub(first);
    took.sort_by_key(|(took_ms, _)| *took_ms);
    if let Some((slowest, _)) = took.last() {
        let median = took[(took.len() - 1) / 2].0;
        (told.median_ms, told.slowest_ms) = (median.into(), (*slowest).into());
        if took.len() > 1 && median > 0 {
            told.skew = Some(f64::from(*slowest) / f64::from(median));
        }
    }
    let slowest = took.iter().rev().take(SLOWEST_TOLD);
    told.slowest = slowest
        .map(|(took_ms, story)| Slow {
            task: task_words(story),
            node: node::id(story.node),
            took_ms: *took_ms,
        })
        .collect();
    told
}

fn attempt(story: &AttemptStory) -> Attempt {
    let facts = story.facts.unwrap_or_default();
    Attempt {
        task: task_words(story),
        stage: stage_of(story),
        partition: partition(story),
        attempt: story.attempt,
        node: node::id(story.node),
        outcome: if accepted(story) { ACCEPTED } else { code(story) },
        began_unix_ms: facts.began_ms,
        took_ms: facts.took_ms,
        fetch_ms: facts.fetch_ms,
        compute_ms: facts.compute_ms,
        write_ms: facts.write_ms,
        bytes: facts.bytes,
    }
}

fn accepted(story: &AttemptStory) -> bool {
    story.reason == 0
}

fn code(story: &AttemptStory) -> &'static str {
    reason(story.reason).map_or("unknown", FailureReason::code)
}

#[cfg(test)]
mod tests {
    use fruitnode_proto::v1::task::{self, Task};
    use fruitnode_proto::v1::{self, AttemptFacts};

    use super::*;

    fn story(task: Task, attempt: u32, node: u64, reason: i32, took_ms: u32) -> AttemptStory {
        AttemptStory {
            task: Some(v1::Task { task: Some(task) }),
            attempt,
            node,
            reason,
            facts: Some(AttemptFacts {
                began_ms: 1_700_000_000_000 + u64::from(attempt) * 100,
                took_ms,
                bytes: 1 << 20,
                fetch_ms: took_ms / 2,
                ..AttemptFacts::default()
            }),
        }
    }

    fn stories() -> Vec<AttemptStory> {
        let lost = v1::FailureReason::NodeLost.into();
        vec![
            story(Task::List(task::Unit {}), 1, 1, 0, 50),
            story(Task::Extract(0), 2, 1, 0, 1_000),
            story(Task::Extract(1), 3, 2, lost, 200),
            story(Task::Extract(2), 4, 3, 0, 1_000),
            story(Task::Extract(1), 5, 3, 0, 3_000),
            story(Task::Publish(task::Unit {}), 6, 1, 0, 10),
        ]
    }

    #[test]
    fn a_stage_says_what_was_tried_again_and_which_partition_was_slow() {
        let explained = explain("week", &stories(), Vec::new(), None);
        let extract = &explained.stages[1];
        assert_eq!((extract.attempts, extract.accepted), (4, 3));
        assert_eq!(extract.failed, BTreeMap::from([("node_lost", 1)]));
        assert_eq!((extract.median_ms, extract.slowest_ms, extract.wall_ms), (1_000, 3_000, 3_300));
        assert_eq!(extract.skew, Some(3.0));
        assert_eq!(extract.slowest[0].task, "extract:1");
        assert_eq!(explained.stages[0].skew, None, "one attempt has no neighbours");
        let text = explained.text();
        for says in [
            "extract         4       1  3.3 s",
            "not accepted of extract: 1 x node_lost",
            "      3  extract:1  n2    node_lost",
            "slowest of extract: extract:1 3.0 s on n3, ",
            "n3           2       0   4.0 s  2.00 MiB",
        ] {
            assert!(text.contains(says), "{says}: {text}");
        }
        assert!(!text.contains("  extract:2  n3    accepted"), "only failed ones: {text}");
        let json = explained.json();
        assert_eq!(json["nodes"][1]["failed"], 1);
        let attempts = json["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), stories().len());
        let lost = &attempts[2];
        assert_eq!((lost["partition"].as_u64(), lost["attempt"].as_u64()), (Some(1), Some(3)));
        assert_eq!((&lost["node"], &lost["outcome"]), (&"n2".into(), &"node_lost".into()));
        assert_eq!((&lost["took_ms"], &lost["bytes"]), (&200.into(), &(1 << 20).into()));
    }

    #[test]
    fn the_attempts_of_one_photograph_stand_in_the_order_of_time() {
        let mut stories: Vec<_> =
            stories().into_iter().filter(|story| partition(story) == Some(1)).collect();
        stories.reverse();
        let attempts = attempts(&stories);
        let outcomes: Vec<_> =
            attempts.iter().map(|attempt| (attempt.attempt, attempt.outcome)).collect();
        assert_eq!(outcomes, [(3, "node_lost"), (5, "accepted")]);
        let text = attempts_table(&attempts);
        assert!(
            text.contains("      5  extract:1  n3    accepted   2023-11-14T22:13:20Z"),
            "{text}"
        );
    }

    #[test]
    fn what_another_release_says_is_shown_and_nothing_panics() {
        let strange = AttemptStory { reason: 77, node: u64::MAX, ..AttemptStory::default() };
        assert_eq!(attempts(std::slice::from_ref(&strange))[0].outcome, "unknown");
        explain("week", &[strange], Vec::new(), None).text();
        assert_eq!(explain("week", &[], Vec::new(), None).text(), "no attempt has ended yet\n");
    }
}
