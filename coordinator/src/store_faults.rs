//! What a job has met with at its stores: which nodes they refuse or do not answer, which tasks
//! wait for them, and until when.
//!
//! A store that refuses one node (its keys, clock or region, or its disk is full) says nothing of
//! the others: that node is set aside for this job, and tried again later. A store that does not
//! answer says nothing of the job: whoever did not reach it waits a little before it tries again,
//! with one task at a time, and nothing of this counts against a task.

use std::collections::BTreeMap;

use crate::ids::NodeId;
use crate::retry::FailureReason;
use crate::task::Task;

/// How long a node is set aside that a store refuses: 1 min at first, twice as long each time after
/// that.
pub(crate) const SET_ASIDE_MS: u64 = 60_000;

/// The longest that it is set aside: 10 min.
pub(crate) const SET_ASIDE_MS_MAX: u64 = 600_000;

/// Refusals in a row, of every node that is present, before a job is given up while members are
/// away that might be served: for 3 min.
pub(crate) const REFUSALS_WITHOUT_OTHERS: u32 = 3;

/// How long a node waits that a store did not answer, and the task that it was at: half a second at
/// first, twice as long each time after that.
pub(crate) const WAIT_MS: u64 = 500;

/// The longest that it waits: 8 s.
pub(crate) const WAIT_MS_MAX: u64 = 8_000;

/// Bytes of a store's words that are kept.
pub(crate) const DETAIL_BYTES_MAX: usize = 300;

/// What is wrong between a store and one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFault {
    /// As the node said it last.
    pub reason: FailureReason,
    /// The store's own words, or those of whoever did not reach it.
    pub detail: String,
    /// Since when nothing went well, milliseconds since 1970-01-01 UTC.
    pub since_ms: u64,
    /// Until then the node is given nothing that needs a store.
    pub until_ms: u64,
    /// Failures in a row.
    pub(crate) times: u32,
}

impl NodeFault {
    /// Whether the node is set aside: the store refuses it. Otherwise the store does not answer.
    pub fn is_refused(&self) -> bool {
        self.reason.sets_aside()
    }
}

/// A task that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) until_ms: u64,
    /// Failures in a row.
    pub(crate) times: u32,
}

/// What a job has met with at its stores.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreFaults {
    pub(crate) nodes: BTreeMap<NodeId, NodeFault>,
    pub(crate) waits: BTreeMap<Task, Wait>,
}

impl StoreFaults {
    /// Nodes with which something is wrong.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &NodeFault)> + Clone {
        self.nodes.iter().map(|(&node, fault)| (node, fault))
    }

    /// Whether a node is given nothing now that needs a store.
    pub(crate) fn bars(&self, node: NodeId, now_ms: u64) -> bool {
        self.nodes.get(&node).is_some_and(|fault| now_ms < fault.until_ms)
    }

    /// Whether a store refused a node, which is not tried again yet.
    pub(crate) fn sets_aside(&self, node: NodeId, now_ms: u64) -> bool {
        self.bars(node, now_ms) && self.nodes[&node].is_refused()
    }

    /// Failures of a node in a row.
    pub(crate) fn times(&self, node: NodeId) -> u32 {
        self.nodes.get(&node).map_or(0, |fault| fault.times)
    }

    /// Whether nothing is known against a node.
    pub(crate) fn trusts(&self, node: NodeId) -> bool {
        !self.nodes.contains_key(&node)
    }

    /// Whether a task waits.
    pub(crate) fn holds_back(&self, task: Task, now_ms: u64) -> bool {
        self.waits.get(&task).is_some_and(|wait| now_ms < wait.until_ms)
    }

    /// The next time after now at which a task or a node has waited long enough.
    pub(crate) fn next_due_ms(&self, now_ms: u64) -> Option<u64> {
        let nodes = self.nodes.values().map(|fault| fault.until_ms);
        let tasks = self.waits.values().map(|wait| wait.until_ms);
        nodes.chain(tasks).filter(|until_ms| *until_ms > now_ms).min()
    }

    /// An attempt at a task failed on a node, for a reason that lies between it and a store.
    pub(crate) fn failed(
        &mut self,
        (task, node): (Task, NodeId),
        (reason, detail): (FailureReason, &str),
        now_ms: u64,
    ) {
        let detail = shortened(detail);
        let new = |detail| NodeFault { reason, detail, since_ms: now_ms, until_ms: 0, times: 0 };
        let fault = self.nodes.entry(node).or_insert_with(|| new(detail.clone()));
        if fault.is_refused() != reason.sets_aside() {
            *fault = new(detail.clone());
        }
        (fault.reason, fault.detail) = (reason, detail);
        let (first, most) = match reason.sets_aside() {
            true => (SET_ASIDE_MS, SET_ASIDE_MS_MAX),
            false => (WAIT_MS, WAIT_MS_MAX),
        };
        // Leases that ran side by side and failed together are one failure.
        if now_ms >= fault.until_ms {
            fault.until_ms = now_ms.saturating_add(after(fault.times, first, most));
            fault.times = fault.times.saturating_add(1);
        }
        if !reason.sets_aside() {
            let wait = self.waits.entry(task).or_insert(Wait { until_ms: 0, times: 0 });
            wait.until_ms = now_ms.saturating_add(after(wait.times, WAIT_MS, WAIT_MS_MAX));
            wait.times = wait.times.saturating_add(1);
        }
    }

    /// A task that needs a store is done.
    pub(crate) fn succeeded(&mut self, task: Task, node: NodeId, now_ms: u64) {
        self.waits.remove(&task);
        // What was under way when the node was set aside says nothing of what it was refused.
        if !self.sets_aside(node, now_ms) {
            self.nodes.remove(&node);
        }
    }

    /// A node is gone, or comes anew.
    pub(crate) fn forget(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }
}

/// How long to wait after so many failures before this one.
fn after(times: u32, first_ms: u64, most_ms: u64) -> u64 {
    first_ms.saturating_mul(1 << times.min(20)).min(most_ms)
}

/// The beginning of what a store said.
fn shortened(detail: &str) -> String {
    let end = detail.floor_char_boundary(DETAIL_BYTES_MAX);
    detail[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(3);
    const REFUSED: (FailureReason, &str) = (FailureReason::StorageRefused, "403 AccessDenied");
    const SILENT: (FailureReason, &str) = (FailureReason::StorageUnavailable, "no answer");

    #[test]
    fn a_node_that_is_refused_is_tried_again_later_and_later_still() {
        let (mut faults, mut now_ms, mut waited) = (StoreFaults::default(), 1_000, Vec::new());
        for _ in 0..6 {
            faults.failed((Task::List, NODE), REFUSED, now_ms);
            let until_ms = faults.next_due_ms(now_ms).expect("it is set aside");
            waited.push((until_ms - now_ms) / 1_000);
            assert!(faults.sets_aside(NODE, until_ms - 1) && !faults.sets_aside(NODE, until_ms));
            now_ms = until_ms;
        }
        assert_eq!(waited, [60, 120, 240, 480, 600, 600]);
        assert_eq!(faults.nodes[&NODE].since_ms, 1_000);
        assert!(!faults.holds_back(Task::List, 1_000), "others may do it at once");
        faults.succeeded(Task::List, NODE, now_ms);
        assert_eq!(faults, StoreFaults::default());
    }

    #[test]
    fn leases_that_fail_together_are_one_failure_and_what_was_under_way_changes_nothing() {
        let mut faults = StoreFaults::default();
        for _ in 0..5 {
            faults.failed((Task::List, NODE), REFUSED, 10);
        }
        assert_eq!(faults.nodes[&NODE].until_ms, 10 + SET_ASIDE_MS);
        faults.succeeded(Task::Gather, NODE, 20);
        assert!(faults.sets_aside(NODE, 20));
        faults.failed((Task::List, NODE), SILENT, 30);
        assert!(!faults.nodes[&NODE].is_refused(), "what was said last counts");
    }

    #[test]
    fn who_does_not_reach_a_store_waits_some_seconds_at_most_and_so_does_its_task() {
        let (mut faults, mut now_ms, mut waited) = (StoreFaults::default(), 0, Vec::new());
        for _ in 0..40 {
            faults.failed((Task::List, NODE), SILENT, now_ms);
            let until_ms = faults.next_due_ms(now_ms).expect("it waits");
            assert!(faults.bars(NODE, until_ms - 1) && faults.holds_back(Task::List, until_ms - 1));
            assert!(!faults.sets_aside(NODE, until_ms - 1));
            waited.push(until_ms - now_ms);
            now_ms = until_ms;
        }
        assert_eq!(waited[..6], [500, 1_000, 2_000, 4_000, 8_000, 8_000]);
        assert_eq!(waited.iter().max(), Some(&WAIT_MS_MAX));
        faults.succeeded(Task::List, NodeId(4), now_ms);
        assert!(!faults.trusts(NODE) && faults.waits.is_empty());
    }

    #[test]
    fn long_words_are_shortened_between_characters() {
        let mut faults = StoreFaults::default();
        faults.failed((Task::List, NODE), (SILENT.0, &"é".repeat(500)), 0);
        assert_eq!(faults.nodes[&NODE].detail.len(), DETAIL_BYTES_MAX);
        faults.failed((Task::List, NODE), (SILENT.0, &format!("a{}", "é".repeat(500))), 0);
        assert_eq!(faults.nodes[&NODE].detail.len(), DETAIL_BYTES_MAX - 1);
    }
}
