//! What is known for ever, once anybody has seen it.

use std::collections::BTreeMap;

use fruitnode_coordinator::ids::{Digest, JobId, NodeId, RangeId};
use fruitnode_coordinator::phase::Outcome;
use fruitnode_coordinator::task::{Cut, RangePart, Task, Winner};

use crate::objects::Object;
use crate::plan::Plan;
use crate::work;

/// What is known for ever, once anybody has seen it.
pub(crate) struct Checks {
    /// Entries that somebody applied: term and command.
    pub(crate) history: BTreeMap<u64, (u64, String)>,
    /// States after the last applied command, by its index.
    pub(crate) states: BTreeMap<u64, u64>,
    pub(crate) leaders: BTreeMap<u64, NodeId>,
    pub(crate) winners: BTreeMap<(JobId, u32), Winner>,
    pub(crate) cuts: BTreeMap<JobId, Cut>,
    pub(crate) ranges: BTreeMap<(JobId, RangeId), RangePart>,
    pub(crate) ended: BTreeMap<JobId, Outcome>,
    /// What lies at the target of a job that succeeded.
    pub(crate) finals: BTreeMap<JobId, Vec<(String, Object)>>,
    /// Failures made up so far.
    pub(crate) failures: BTreeMap<(JobId, Task), u8>,
    pub(crate) expected: BTreeMap<JobId, Digest>,
}

impl Checks {
    pub(crate) fn new(plan: &Plan) -> Self {
        let expected = plan.jobs.iter().map(|job| (job.id.clone(), work::outcome(job)));
        Self {
            history: BTreeMap::new(),
            states: BTreeMap::new(),
            leaders: BTreeMap::new(),
            winners: BTreeMap::new(),
            cuts: BTreeMap::new(),
            ranges: BTreeMap::new(),
            ended: BTreeMap::new(),
            finals: BTreeMap::new(),
            failures: BTreeMap::new(),
            expected: expected.collect(),
        }
    }

    pub(crate) fn has_ended(&self, job: &JobId) -> bool {
        self.ended.contains_key(job)
    }

    /// How many entries were committed.
    pub(crate) fn committed(&self) -> u64 {
        self.history.len() as u64
    }

    /// Index of the newest entry that anybody has applied.
    pub(crate) fn newest(&self) -> u64 {
        self.history.last_key_value().map_or(0, |(index, _)| *index)
    }

    pub(crate) fn succeeded(&self) -> u64 {
        let succeeded = |outcome: &&Outcome| matches!(outcome, Outcome::Succeeded { .. });
        self.ended.values().filter(succeeded).count() as u64
    }
}
