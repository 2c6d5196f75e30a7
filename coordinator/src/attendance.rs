//! Who is there: when a node that has fallen silent counts as lost, and what the coordinator tells
//! one that comes.
//!
//! This is the leader's memory and no part of the replicated state: time is its count of ticks, and
//! a new leader begins with nothing but the names.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Attempt, JobId, NodeId};
use crate::state::ClusterState;
use crate::task::Task;
use crate::tree::TreeNode;

/// Ticks without a word after which a node is lost: 5 s at ten a second.
pub(crate) const SILENT_TICKS_MAX: u64 = 50;

/// Ticks that a node has to come back when its stream broke.
pub(crate) const BROKEN_TICKS_MAX: u64 = 25;

/// Ticks that every known node has to come to a new leader.
pub(crate) const ELECTED_TICKS_MAX: u64 = 80;

/// Ticks after which a loss is told again, should the first proposal have come to nothing.
const TELL_AGAIN_TICKS: u64 = 20;

/// What the leader knows of one node.
#[derive(Debug, Clone, Copy)]
struct Seen {
    incarnation: u64,
    /// Last word. `None` before the first to this leader.
    heard: Option<u64>,
    /// The tick from which it is lost.
    due: u64,
}

/// Who attends at the leader.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attendance {
    nodes: BTreeMap<NodeId, Seen>,
    /// The same by the ticks from which they are lost, so that a tick looks at no others.
    due: BTreeSet<(u64, NodeId)>,
}

impl Attendance {
    /// Begins at the leader's first tick, with the nodes that it knows.
    pub(crate) fn begin(state: &ClusterState, tick: u64) -> Self {
        let due = tick + ELECTED_TICKS_MAX;
        let seen = |incarnation| Seen { incarnation, heard: None, due };
        Self {
            nodes: state.nodes().map(|(id, node)| (id, seen(node.incarnation))).collect(),
            due: state.nodes().map(|(id, _)| (due, id)).collect(),
        }
    }

    /// A process of a node said something, be it a beat.
    pub(crate) fn heard(&mut self, node: NodeId, incarnation: u64, tick: u64) {
        let due = tick + SILENT_TICKS_MAX;
        let seen = Seen { incarnation, heard: Some(tick), due };
        if let Some(before) = self.nodes.insert(node, seen) {
            self.due.remove(&(before.due, node));
        }
        self.due.insert((due, node));
    }

    /// A node's stream broke. If another one of it is up already, its next beat mends this.
    pub(crate) fn broken(&mut self, node: NodeId, tick: u64) {
        if let Some(seen) = self.nodes.get(&node) {
            self.wait(node, seen.due.min(tick + BROKEN_TICKS_MAX));
        }
    }

    /// A node left, or its loss was applied: nobody waits for it.
    pub(crate) fn forget(&mut self, node: NodeId) {
        if let Some(before) = self.nodes.remove(&node) {
            self.due.remove(&(before.due, node));
        }
    }

    /// Processes that are lost by now, to be proposed. Each is told again after a while unless it
    /// is forgotten or heard.
    pub(crate) fn lost(&mut self, tick: u64) -> Vec<(NodeId, u64)> {
        let due = self.due.range(..=(tick, NodeId(u64::MAX)));
        let due: BTreeSet<NodeId> = due.map(|(_, node)| *node).collect();
        let mut lost = Vec::new();
        for node in due {
            self.wait(node, tick + TELL_AGAIN_TICKS);
            lost.extend(self.nodes.get(&node).map(|seen| (node, seen.incarnation)));
        }
        lost
    }

    /// A node is lost from another tick on.
    fn wait(&mut self, node: NodeId, due: u64) {
        if let Some(seen) = self.nodes.get_mut(&node) {
            self.due.remove(&(seen.due, node));
            self.due.insert((due, node));
            seen.due = due;
        }
    }

    /// Ticks since the last word of a node. `None` of one that has not said any to this leader.
    pub(crate) fn silent_ticks(&self, node: NodeId, tick: u64) -> Option<u64> {
        Some(tick.saturating_sub(self.nodes.get(&node)?.heard?))
    }
}

/// What the coordinator believes of a node. Whatever else the node is at or holds is void.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Welcome {
    /// Attempts that would still be accepted.
    pub(crate) attempts: Vec<(JobId, Task, Attempt)>,
    /// Moments that it holds.
    pub(crate) held: Vec<(JobId, TreeNode)>,
    /// It is given nothing new.
    pub(crate) draining: bool,
}

/// What the state believes of a node.
pub(crate) fn welcome(state: &ClusterState, node: NodeId) -> Welcome {
    let draining = state.membership().member(node).is_some_and(|member| member.draining);
    let mut welcome = Welcome { draining, ..Welcome::default() };
    for job in state.live_jobs() {
        let granted = job.granted_to(node);
        welcome.attempts.extend(granted.map(|(task, attempt)| (job.id().clone(), task, attempt)));
        welcome.held.extend(job.held_by(node).map(|tree_node| (job.id().clone(), tree_node)));
    }
    welcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;

    fn cluster_of(nodes: u64) -> ClusterState {
        let mut state = ClusterState::default();
        for id in 1..=nodes {
            let add = Command::AddNode {
                node: NodeId(id),
                incarnation: 10 * id,
                starts: 0,
                address: String::new(),
                release: String::new(),
                slots: 1,
                compute_class: "cpu".into(),
                fit_class: "f".into(),
            };
            state.apply(id, 0, &add);
        }
        state
    }

    #[test]
    fn who_falls_silent_is_lost_and_who_beats_is_not() {
        let mut attendance = Attendance::default();
        for tick in 0..200 {
            attendance.heard(NodeId(1), 10, tick);
            if tick == 100 {
                attendance.heard(NodeId(2), 20, tick);
            }
            let expected: &[(NodeId, u64)] = match tick {
                150 | 170 | 190 => &[(NodeId(2), 20)],
                _ => &[],
            };
            assert_eq!(attendance.lost(tick), expected, "tick {tick}");
        }
        attendance.forget(NodeId(2));
        assert_eq!(attendance.lost(210), []);
        assert_eq!(attendance.silent_ticks(NodeId(1), 204), Some(5));
        assert_eq!(attendance.silent_ticks(NodeId(2), 204), None);
    }

    #[test]
    fn a_broken_stream_shortens_the_wait_and_coming_back_mends_it() {
        let mut attendance = Attendance::default();
        attendance.heard(NodeId(1), 10, 0);
        attendance.heard(NodeId(2), 20, 0);
        attendance.broken(NodeId(1), 5);
        attendance.broken(NodeId(2), 5);
        attendance.heard(NodeId(2), 21, 20);
        assert_eq!(attendance.lost(29), []);
        assert_eq!(attendance.lost(30), [(NodeId(1), 10)]);
        // Silence is not made longer by a stream that breaks at its end.
        attendance.broken(NodeId(2), 65);
        assert_eq!(attendance.lost(69), [(NodeId(1), 10)]);
        assert_eq!(attendance.lost(70), [(NodeId(2), 21)]);
    }

    #[test]
    fn after_an_election_everybody_known_has_time_to_come() {
        let mut attendance = Attendance::begin(&cluster_of(3), 1_000);
        attendance.heard(NodeId(1), 10, 1_010);
        attendance.heard(NodeId(1), 10, 1_059);
        // It has started anew since: the process that the state knows is not waited for.
        attendance.heard(NodeId(2), 99, 1_060);
        assert_eq!(attendance.lost(1_079), []);
        assert_eq!(attendance.lost(1_080), [(NodeId(3), 30)]);
        assert_eq!(attendance.lost(1_109), [(NodeId(1), 10), (NodeId(3), 30)]);
        assert_eq!(attendance.lost(1_110), [(NodeId(2), 99)]);
    }

    #[test]
    fn a_node_is_welcomed_with_what_the_state_believes_of_it() {
        let mut state = cluster_of(1);
        let job = JobId("j".into());
        let spec = crate::spec::JobSpec {
            from: "in".into(),
            to: "out".into(),
            rows_per_part: 4,
            pca: true,
            given_fit: false,
            compute_class: "cpu".into(),
            fit_class: "f".into(),
            max_bad: None,
            options: Vec::new(),
        };
        state.apply(2, 0, &Command::SubmitJob { job: job.clone(), spec });
        let (task, attempt, node) = (Task::List, Attempt(1), NodeId(1));
        state.apply(3, 0, &Command::Grant { job: job.clone(), task, attempt, node });
        let expected = Welcome { attempts: vec![(job, task, attempt)], ..Welcome::default() };
        assert_eq!(welcome(&state, NodeId(1)), expected);
        assert_eq!(welcome(&state, NodeId(2)), Welcome::default());
    }
}
