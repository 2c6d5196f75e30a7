//! Attempts that run and make no progress, as part of a job's story.

use fruitnode_proto::v1::{AttemptStory, OverdueAttempt};
use serde::Serialize;

use crate::cli::cluster::show::node;
use crate::cli::cluster::show::table::span;
use crate::cli::cluster::show::task::task_words;

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Late {
    task: String,
    attempt: u32,
    node: String,
    still_ms: u64,
}

impl Late {
    /// What the coordinator tells of it.
    pub(crate) fn of(told: OverdueAttempt) -> Self {
        let story = AttemptStory { task: told.task, ..AttemptStory::default() };
        Self {
            task: task_words(&story),
            attempt: told.attempt,
            node: node::id(told.node),
            still_ms: told.still_ms,
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        format!(
            "\n  overdue: {}, attempt {} on {}, without progress for {}; another attempt follows\n",
            self.task,
            self.attempt,
            self.node,
            span(self.still_ms)
        )
    }
}

#[cfg(test)]
mod tests {
    use fruitnode_proto::v1::{Task, task};

    use super::*;
    use crate::cli::cluster::show::explain::explain;

    #[test]
    fn an_attempt_that_makes_no_progress_is_told_with_its_node() {
        let late = Late::of(OverdueAttempt {
            task: Some(Task { task: Some(task::Task::Extract(7)) }),
            attempt: 9,
            node: 2,
            still_ms: 160_000,
        });
        let explained = explain("week", &[], vec![late], None);
        let text = explained.text();
        assert!(text.contains("overdue: extract:7, attempt 9 on n2, without"), "{text}");
        assert_eq!(explained.json()["overdue"][0]["still_ms"], 160_000);
    }
}
