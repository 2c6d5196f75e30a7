//! What an attempt was about, in the words of the command line.

use fruitnode_proto::v1::{AttemptStory, task};

/// The stage of a job that an attempt belongs to.
pub(super) fn stage_of(story: &AttemptStory) -> &'static str {
    use task::Task;
    match story.task.as_ref().and_then(|task| task.task.as_ref()) {
        Some(Task::List(_)) => "list",
        Some(Task::ListRange(_)) => "list-range",
        Some(Task::Gather(_)) => "gather",
        Some(Task::Extract(_)) => "extract",
        Some(Task::Remake(_)) => "remake",
        Some(Task::Rebuild(_)) => "rebuild",
        Some(Task::Merge(_)) => "merge",
        Some(Task::Fit(_)) => "fit",
        Some(Task::Project(_)) => "project",
        Some(Task::Publish(_)) => "publish",
        None => "unknown",
    }
}

/// The partition that an attempt was about, if it was about one.
pub(crate) fn partition(story: &AttemptStory) -> Option<u32> {
    match story.task.as_ref()?.task.as_ref()? {
        task::Task::Extract(at) | task::Task::Remake(at) | task::Task::Project(at) => Some(*at),
        _ => None,
    }
}

/// A task as people write it: its stage, and its part of that.
pub(super) fn task_words(story: &AttemptStory) -> String {
    let stage = stage_of(story);
    let range = match story.task.as_ref().and_then(|task| task.task.as_ref()) {
        Some(task::Task::ListRange(range)) => Some(*range),
        _ => None,
    };
    partition(story).or(range).map_or_else(|| stage.to_owned(), |at| format!("{stage}:{at}"))
}
