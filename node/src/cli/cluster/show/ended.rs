//! How a job ended that has no result, as part of its story.

use fruitnode_coordinator::retry::FailureReason;
use fruitnode_proto::v1::{AttemptStory, EndedJob};
use serde::Serialize;

use crate::cli::cluster::show::job::reason;
use crate::cli::cluster::show::table::{count, line};
use crate::cli::cluster::show::task::task_words;

/// The end of a job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Ended {
    /// `failed` or `cancelled`.
    outcome: String,
    /// What failed for good.
    task: Option<String>,
    code: Option<&'static str>,
    detail: Option<String>,
    /// Attempts that began.
    attempts: u32,
    failed_attempts: u32,
    /// Whether the attempts are told as well.
    attempts_known: bool,
    /// Of the first ones, so many are not.
    attempts_left_out: u64,
}

impl Ended {
    /// What the coordinator tells of it.
    pub(crate) fn of(told: EndedJob) -> Self {
        let failed = told.outcome == "failed";
        let of_task = AttemptStory { task: told.task, ..AttemptStory::default() };
        let code = || reason(told.reason).map_or("unknown", FailureReason::code);
        Self {
            task: failed.then(|| task_words(&of_task)),
            code: failed.then(code),
            detail: failed.then_some(told.detail),
            outcome: told.outcome,
            attempts: told.attempts,
            failed_attempts: told.failed_attempts,
            attempts_known: told.attempts_known,
            attempts_left_out: told.attempts_left_out,
        }
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let mut out = String::new();
        line(&mut out, "ended", &self.outcome);
        if let (Some(task), Some(code), Some(detail)) = (&self.task, self.code, &self.detail) {
            line(&mut out, "at", task);
            line(&mut out, "why", format!("{detail} ({code})"));
        }
        let (began, failed) = (count(self.attempts.into()), count(self.failed_attempts.into()));
        line(&mut out, "attempts", format!("{began}, of which failed {failed}"));
        if !self.attempts_known {
            out.push_str(
                "\n  The attempts are no longer available. For a job without a result they are \
                 only kept in\n  the memory of the coordinator, which has changed or restarted, or \
                 other jobs have ended\n  since. The logs of the nodes may have more.\n",
            );
        }
        if self.attempts_left_out > 0 {
            let left_out = count(self.attempts_left_out);
            out.push_str(&format!(
                "\n  The first {left_out} attempts were not kept, because there were too many.\n"
            ));
        }
        out
    }

    /// What became of one of its photographs.
    pub(crate) fn of_photograph(&self) -> String {
        let how = if self.outcome == "cancelled" { "was cancelled" } else { "failed" };
        format!("not known: the job {how}, and its target was cleaned up")
    }
}

#[cfg(test)]
mod tests {
    use fruitnode_proto::v1::{FailureReason as Reason, Task, task};

    use super::*;
    use crate::cli::cluster::show::explain::{explain, key_text};

    fn failed() -> EndedJob {
        EndedJob {
            outcome: "failed".to_owned(),
            task: Some(Task { task: Some(task::Task::Extract(7)) }),
            reason: Reason::TooManyBad.into(),
            detail: "6 of 22 photographs cannot be used".to_owned(),
            attempts: 12,
            failed_attempts: 4,
            ..EndedJob::default()
        }
    }

    #[test]
    fn a_job_that_failed_says_where_and_why_and_whether_its_attempts_are_known() {
        let explained = explain("week", &[], Vec::new(), Some(Ended::of(failed())));
        let text = explained.text();
        for says in ["extract:7", "(too_many_bad)", "12, of which failed 4", "no longer available"]
        {
            assert!(text.contains(says), "{says}: {text}");
        }
        let json = explained.json();
        assert_eq!(json["ended"]["code"], "too_many_bad");
        assert_eq!(json["ended"]["attempts_known"], false);

        let known = EndedJob { attempts_known: true, attempts_left_out: 5, ..failed() };
        let text = explain("week", &[], Vec::new(), Some(Ended::of(known))).text();
        assert!(!text.contains("no longer available") && text.contains("The first 5"), "{text}");
    }

    #[test]
    fn a_cancelled_job_has_no_reason_and_its_photographs_no_fate() {
        let told = EndedJob { outcome: "cancelled".to_owned(), ..EndedJob::default() };
        let ended = Ended::of(told);
        assert_eq!((ended.task.as_ref(), ended.code, ended.detail.as_ref()), (None, None, None));
        let text = key_text("a.jpg", None, &[], Some(&ended));
        assert!(text.contains("not known: the job was cancelled"), "{text}");
        assert!(!text.contains("still running"), "{text}");
    }
}
