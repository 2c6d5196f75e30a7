//! Which attempts are overdue: their nodes live, and they themselves make no progress.
//!
//! This is the leader's memory and no part of the replicated state: time is its count of ticks, and
//! a new leader gives every attempt that is out a full term. An attempt that is overdue stays valid
//! until its task is done; that it is overdue only permits another grant.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Attempt, JobId, NodeId};
use crate::state::ClusterState;
use crate::task::{Task, TaskKind};

/// Term of tasks that read and write objects: 150 s at ten ticks a second. Storage waits 120 s for
/// one reply, and what it gives up itself is a failure with a reason and no case for this. A fit is
/// one of them: while it computes it makes progress every second.
pub(crate) const OBJECTS_TERM_TICKS: u64 = 1_500;

/// Term of a merge, whose moments come from the memory of another node: 60 s.
pub(crate) const MERGE_TERM_TICKS: u64 = 600;

/// An attempt by its full name.
pub type LeaseName = (JobId, Task, Attempt);

/// Names of attempts that are overdue.
pub type OverdueNames = BTreeSet<LeaseName>;

/// How long an attempt may make no progress before it is overdue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// The same for every kind of task, if it is not what each kind needs.
    uniform: Option<u64>,
}

impl Terms {
    /// The same for every kind of task, in ticks: for tests, which have less patience.
    pub fn uniform(ticks: u64) -> Self {
        Self { uniform: Some(ticks) }
    }

    /// In ticks.
    pub fn of(self, kind: TaskKind) -> u64 {
        self.uniform.unwrap_or(match kind {
            TaskKind::Merge => MERGE_TERM_TICKS,
            TaskKind::List
            | TaskKind::ListRange
            | TaskKind::Gather
            | TaskKind::Extract
            | TaskKind::Remake
            | TaskKind::Rebuild
            | TaskKind::Project
            | TaskKind::Fit
            | TaskKind::Publish => OBJECTS_TERM_TICKS,
        })
    }
}

/// An attempt that makes no progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overdue {
    /// The attempt.
    pub name: LeaseName,
    /// Who has it.
    pub node: NodeId,
    /// Ticks since it made any.
    pub still_ticks: u64,
}

/// What the leader knows of one attempt.
#[derive(Debug, Clone, Copy)]
struct Watched {
    node: NodeId,
    progress: u64,
    /// When that changed last.
    since: u64,
}

/// The attempts that are out, and how far each is.
#[derive(Debug, Clone, Default)]
pub struct Leases {
    terms: Terms,
    watched: BTreeMap<LeaseName, Watched>,
}

impl Leases {
    /// Begins with nothing: whatever is out has a full term.
    pub fn new(terms: Terms) -> Self {
        Self { terms, watched: BTreeMap::new() }
    }

    /// Watches the attempts that are out now, and no others.
    pub fn watch(&mut self, granted: Vec<(LeaseName, NodeId)>, tick: u64) {
        let mut before = std::mem::take(&mut self.watched);
        self.watched = granted
            .into_iter()
            .map(|(name, node)| {
                let known = before.remove(&name);
                (name, known.unwrap_or(Watched { node, progress: 0, since: tick }))
            })
            .collect();
    }

    /// A node says how far an attempt is.
    pub fn heard(&mut self, node: NodeId, name: &LeaseName, progress: u64, tick: u64) {
        let watched = self.watched.get_mut(name).filter(|watched| watched.node == node);
        if let Some(watched) = watched.filter(|watched| watched.progress != progress) {
            (watched.progress, watched.since) = (progress, tick);
        }
    }

    /// Attempts that have made no progress for their whole term.
    pub fn overdue(&self, tick: u64) -> Vec<Overdue> {
        let overdue = self.watched.iter().filter_map(|(name, watched)| {
            let still_ticks = tick.saturating_sub(watched.since);
            let is_overdue = still_ticks >= self.terms.of(name.1.kind());
            is_overdue.then(|| Overdue { name: name.clone(), node: watched.node, still_ticks })
        });
        overdue.collect()
    }
}

/// Every attempt that is out.
pub fn granted(state: &ClusterState) -> Vec<(LeaseName, NodeId)> {
    let granted = state.live_jobs().flat_map(|job| {
        job.granted().map(|(task, attempt, node)| ((job.id().clone(), task, attempt), node))
    });
    granted.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::PartitionId;

    fn name(task: Task, attempt: u32) -> LeaseName {
        (JobId("j".into()), task, Attempt(attempt))
    }

    fn names(leases: &Leases, tick: u64) -> Vec<u32> {
        leases.overdue(tick).iter().map(|overdue| overdue.name.2.0).collect()
    }

    #[test]
    fn whoever_makes_progress_is_never_overdue_and_whoever_makes_none_is() {
        let (slow, hung) = (name(Task::Extract(PartitionId(0)), 1), name(Task::List, 2));
        let mut leases = Leases::new(Terms::uniform(300));
        let granted = vec![(slow.clone(), NodeId(1)), (hung.clone(), NodeId(2))];
        for tick in 0..1_000 {
            leases.watch(granted.clone(), tick);
            if tick % 10 == 0 {
                leases.heard(NodeId(1), &slow, tick / 200, tick);
                leases.heard(NodeId(2), &hung, 0, tick);
                // Somebody else has no say in it.
                leases.heard(NodeId(1), &hung, tick, tick);
            }
            let expected: &[u32] = if tick < 300 { &[] } else { &[2] };
            assert_eq!(names(&leases, tick), expected, "tick {tick}");
        }
        assert_eq!(leases.overdue(999)[0].still_ticks, 999);
        assert_eq!(leases.overdue(999)[0].node, NodeId(2));
    }

    #[test]
    fn what_is_no_longer_out_is_forgotten_and_what_comes_anew_has_a_full_term() {
        let (first, second) = (name(Task::Publish, 1), name(Task::Publish, 2));
        let mut leases = Leases::new(Terms::default());
        leases.watch(vec![(first.clone(), NodeId(1))], 0);
        assert_eq!(names(&leases, OBJECTS_TERM_TICKS), [1]);
        leases.watch(vec![(first, NodeId(1)), (second.clone(), NodeId(2))], OBJECTS_TERM_TICKS);
        assert_eq!(names(&leases, OBJECTS_TERM_TICKS), [1]);
        assert_eq!(names(&leases, 2 * OBJECTS_TERM_TICKS - 1), [1]);
        leases.watch(vec![(second, NodeId(2))], 2 * OBJECTS_TERM_TICKS);
        assert_eq!(names(&leases, 2 * OBJECTS_TERM_TICKS), [2]);
        leases.watch(Vec::new(), 3 * OBJECTS_TERM_TICKS);
        assert_eq!(names(&leases, 9 * OBJECTS_TERM_TICKS), [0; 0]);
    }

    #[test]
    fn every_kind_of_task_has_30_seconds_at_least() {
        let terms = TaskKind::ALL.map(|kind| Terms::default().of(kind));
        assert!(terms.iter().all(|term| *term >= 300), "{terms:?}");
    }
}
