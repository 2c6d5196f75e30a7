//! Stories of the last jobs that ended without a result. What a job published tells its own; of
//! these others nobody knows what was tried but the coordinator of that time, in its memory.

use std::collections::VecDeque;
use std::sync::Arc;

use fruitnode_coordinator::ids::JobId;
use fruitnode_coordinator::story::AttemptRecord;

/// Stories that are kept.
const ENDED_STORIES_MAX: usize = 16;

/// All of them together.
const STORIES_BYTES_MAX: usize = 32 << 20;

/// What is remembered of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EndedStory {
    /// Attempts in the order in which they ended, then those that were called back.
    pub records: Vec<AttemptRecord>,
    /// Attempts before these, which were too many to be kept.
    pub left_out: u64,
}

/// The stories, the oldest first.
#[derive(Debug)]
pub(super) struct Stories {
    kept: VecDeque<(JobId, Arc<EndedStory>)>,
    records_max: usize,
}

impl Default for Stories {
    fn default() -> Self {
        Self::of_at_most(STORIES_BYTES_MAX / size_of::<AttemptRecord>())
    }
}

impl Stories {
    /// Of so many attempts together.
    fn of_at_most(records_max: usize) -> Self {
        Self { kept: VecDeque::new(), records_max }
    }

    /// Keeps one, in place of the oldest ones. A job without an attempt has none.
    pub(super) fn keep(&mut self, job: JobId, mut records: Vec<AttemptRecord>) {
        if records.is_empty() {
            return;
        }
        // How a job ended is told by its last attempts.
        let left_out = records.len().saturating_sub(self.records_max);
        records.drain(..left_out);
        records.shrink_to_fit();
        let story = EndedStory { records, left_out: left_out as u64 };
        self.kept.push_back((job, Arc::new(story)));
        while self.kept.len() > ENDED_STORIES_MAX || self.records() > self.records_max {
            self.kept.pop_front();
        }
    }

    /// That of a job.
    pub(super) fn of(&self, job: &JobId) -> Option<Arc<EndedStory>> {
        let mut kept = self.kept.iter().rev();
        kept.find(|(of, _)| of == job).map(|(_, story)| Arc::clone(story))
    }

    fn records(&self) -> usize {
        self.kept.iter().map(|(_, story)| story.records.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use fruitnode_coordinator::ids::{Attempt, NodeId};
    use fruitnode_coordinator::story::AttemptFacts;
    use fruitnode_coordinator::task::Task;

    use super::*;

    fn records(count: u32) -> Vec<AttemptRecord> {
        let record = |attempt| AttemptRecord {
            task: Task::List,
            attempt: Attempt(attempt),
            node: NodeId(1),
            reason: None,
            facts: AttemptFacts::default(),
        };
        (1..=count).map(record).collect()
    }

    fn job(number: usize) -> JobId {
        JobId(format!("job-{number}"))
    }

    #[test]
    fn the_last_jobs_are_remembered_and_the_oldest_is_forgotten() {
        let mut stories = Stories::default();
        (0..=ENDED_STORIES_MAX).for_each(|number| stories.keep(job(number), records(2)));
        assert_eq!(stories.of(&job(0)), None);
        for number in 1..=ENDED_STORIES_MAX {
            assert_eq!(stories.of(&job(number)).unwrap().records, records(2));
        }
        stories.keep(job(99), Vec::new());
        assert!(stories.of(&job(1)).is_some(), "nothing was forgotten for a job without attempts");
    }

    #[test]
    fn however_long_stories_are_their_memory_is_bounded_and_the_last_attempts_are_kept() {
        let mut stories = Stories::of_at_most(10);
        stories.keep(job(1), records(4));
        stories.keep(job(2), records(6));
        assert!(stories.of(&job(1)).is_some());
        stories.keep(job(3), records(1));
        assert!(stories.of(&job(1)).is_none() && stories.of(&job(2)).is_some());
        stories.keep(job(4), records(12));
        let long = stories.of(&job(4)).unwrap();
        assert_eq!((long.left_out, &long.records[..]), (2, &records(12)[2..]));
        assert_eq!(stories.records(), 10);
    }
}
