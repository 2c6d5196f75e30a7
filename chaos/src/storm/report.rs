//! What a storm did, for people and for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::result::Outcomes;

/// What happened in one storm, or in several.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Operations by their names, and how they went.
    pub(crate) operations: BTreeMap<&'static str, Went>,
    /// How long there was no coordinator, each time.
    pub(crate) gaps: Vec<Duration>,
    /// How long a coordinator was possible and none was seen, at most.
    pub(crate) late_max: Duration,
    pub(crate) looks: u64,
    pub(crate) looks_unanswered: u64,
    pub(crate) jobs: u64,
    /// How long jobs took from submission to the end, each.
    pub(crate) jobs_took: Vec<Duration>,
    pub(crate) photographs: u64,
    pub(crate) outcomes: Outcomes,
    pub(crate) storms: u64,
    pub(crate) lasted: Duration,
    pub(crate) violations: u64,
}

/// How operations of a kind went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Went {
    pub(crate) done: u64,
    /// In words.
    pub(crate) refused: u64,
    /// Not possible any more when their turn came.
    pub(crate) left_out: u64,
}

impl Report {
    /// Puts another storm's beside it.
    pub(crate) fn add(&mut self, other: Self) {
        for (name, went) in other.operations {
            let own = self.operations.entry(name).or_default();
            own.done += went.done;
            own.refused += went.refused;
            own.left_out += went.left_out;
        }
        self.gaps.extend(other.gaps);
        self.late_max = self.late_max.max(other.late_max);
        self.looks += other.looks;
        self.looks_unanswered += other.looks_unanswered;
        self.jobs += other.jobs;
        self.jobs_took.extend(other.jobs_took);
        self.photographs += other.photographs;
        for (outcome, times) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += times;
        }
        self.storms += other.storms;
        self.lasted += other.lasted;
        self.violations += other.violations;
    }

    /// Whether nothing was wrong.
    pub fn is_clean(&self) -> bool {
        self.violations == 0
    }

    /// Jobs that succeeded with the files of a lone run.
    pub fn jobs(&self) -> u64 {
        self.jobs
    }

    /// For people: a table in Markdown.
    pub fn text(&self) -> String {
        let mut rows = Vec::new();
        for (name, went) in &self.operations {
            let mut words = went.done.to_string();
            if went.refused > 0 {
                words.push_str(&format!(", {} refused in words", went.refused));
            }
            if went.left_out > 0 {
                words.push_str(&format!(", {} not possible any more", went.left_out));
            }
            rows.push(((*name).to_owned(), words));
        }
        let longest = |all: &[Duration]| seconds(percentile(all, 100));
        let gaps = match self.gaps.len() {
            0 => "none".to_owned(),
            times => format!(
                "{times} times, p50 {}, max {}",
                seconds(percentile(&self.gaps, 50)),
                longest(&self.gaps)
            ),
        };
        let jobs = format!(
            "{} succeeded with the files of a lone run, p50 {}, max {}",
            self.jobs,
            seconds(percentile(&self.jobs_took, 50)),
            longest(&self.jobs_took)
        );
        let attempts = self.outcomes.iter().map(|(outcome, times)| format!("{times} {outcome}"));
        let attempts: Vec<_> = attempts.collect();
        let row = |name: &str, words: String| (name.to_owned(), words);
        rows.extend([
            row("without a coordinator", gaps),
            row("longest while one was possible", seconds(self.late_max)),
            row(
                "looks at the status",
                format!("{}, {} in vain", self.looks, self.looks_unanswered),
            ),
            row("jobs", jobs),
            row("photographs", self.photographs.to_string()),
            row("attempts", attempts.join(", ")),
            row("storms", format!("{}, {} in all", self.storms, seconds(self.lasted))),
            row("violations", self.violations.to_string()),
        ]);
        let widest = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut text =
            format!("| {:widest$} | how often |\n|{}|---|\n", "what", "-".repeat(widest + 2));
        for (name, words) in rows {
            text.push_str(&format!("| {name:widest$} | {words} |\n"));
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let operations = self.operations.iter().map(|(name, went)| {
            let went = json!({
                "done": went.done, "refused": went.refused, "left_out": went.left_out,
            });
            ((*name).to_owned(), went)
        });
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        json!({
            "schema_version": 1,
            "operations": operations.collect::<serde_json::Map<_, _>>(),
            "without_coordinator_ms": self.gaps.iter().copied().map(ms).collect::<Vec<_>>(),
            "without_coordinator_p50_ms": ms(percentile(&self.gaps, 50)),
            "without_coordinator_max_ms": ms(percentile(&self.gaps, 100)),
            "late_max_ms": ms(self.late_max),
            "looks": self.looks,
            "looks_unanswered": self.looks_unanswered,
            "jobs": self.jobs,
            "jobs_p50_ms": ms(percentile(&self.jobs_took, 50)),
            "jobs_max_ms": ms(percentile(&self.jobs_took, 100)),
            "photographs": self.photographs,
            "attempts": self.outcomes,
            "storms": self.storms,
            "lasted_ms": ms(self.lasted),
            "violations": self.violations,
        })
    }
}

/// The value that so many in a hundred do not exceed; nothing of nothing.
fn percentile(all: &[Duration], percent: usize) -> Duration {
    let mut sorted = all.to_vec();
    sorted.sort();
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or_default()
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let gaps = [4, 1, 2, 9].map(Duration::from_secs).to_vec();
        let went = Went { done: 7, refused: 2, left_out: 1 };
        Report {
            operations: BTreeMap::from([("kill -9", went)]),
            gaps,
            jobs: 3,
            jobs_took: vec![Duration::from_millis(1_500)],
            outcomes: Outcomes::from([("accepted".to_owned(), 30)]),
            storms: 1,
            ..Report::default()
        }
    }

    #[test]
    fn people_get_a_table_and_programs_get_numbers() {
        let text = report().text();
        for says in [
            "| kill -9                        | 7, 2 refused in words, 1 not possible any more |",
            "| 4 times, p50 2.0 s, max 9.0 s |",
            "| 3 succeeded with the files of a lone run, p50 1.5 s, max 1.5 s |",
            "| 30 accepted |",
        ] {
            assert!(text.contains(says), "{says}\n{text}");
        }
        let json = report().json();
        assert_eq!(json["operations"]["kill -9"]["refused"], 2);
        assert_eq!(json["without_coordinator_p50_ms"], 2_000);
        assert_eq!(json["attempts"]["accepted"], 30);
    }

    #[test]
    fn two_storms_add_up() {
        let mut both = report();
        both.add(report());
        assert_eq!(both.json()["operations"]["kill -9"]["done"], 14);
        assert_eq!((both.gaps.len(), both.jobs, both.storms), (8, 6, 2));
        assert!(both.is_clean());
        both.add(Report { violations: 1, ..Report::default() });
        assert!(!both.is_clean());
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
