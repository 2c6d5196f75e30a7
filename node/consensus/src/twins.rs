//! One process of each voter is heard. A folder that was copied, and both of them started, would
//! make two voters of one: each would vote, and promise what the other does not keep.

use std::collections::BTreeMap;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_coordinator::members::{Membership, Process};

/// Ticks for which a process is not displaced by another one that the log has not taken.
const SILENT_TICKS_MAX: u64 = 30;

/// Who was heard last, of each voter, and when.
#[derive(Debug, Default)]
pub(super) struct Twins(BTreeMap<NodeId, (Process, u64)>);

impl Twins {
    /// Whether a process of a voter is to be heard: the one that the log has taken always, one
    /// before it never, and one after it once nobody else speaks as that voter. A process that does
    /// not say which it is, of an older release, is heard. So is a voter that this node's log does
    /// not know yet: whoever was away while it joined learns of it from that voter alone, if it
    /// leads.
    pub(super) fn hears(
        &mut self,
        membership: &Membership,
        (voter, process): (NodeId, Process),
        tick: u64,
    ) -> bool {
        let member = membership.member(voter);
        let taken = member.is_some_and(|member| member.process == process);
        let heard = taken
            || (member.is_none() || membership.takes(voter, &process))
                && self.0.get(&voter).is_none_or(|(last, at)| {
                    *last == process || tick.saturating_sub(*at) > SILENT_TICKS_MAX
                });
        if heard {
            self.0.insert(voter, (process, tick));
        }
        heard
    }
}

#[cfg(test)]
mod tests {
    use fruitnode_coordinator::command::Command;
    use fruitnode_coordinator::ids::Digest;
    use fruitnode_coordinator::state::ClusterState;

    use super::*;

    const VOTER: NodeId = NodeId(1);

    fn process(starts: u64, incarnation: u64) -> Process {
        Process { starts, incarnation }
    }

    /// A cluster whose first node was taken as this process.
    fn taken(process: Process) -> ClusterState {
        let mut state = ClusterState::default();
        let text = str::to_owned;
        let found = Command::FoundCluster {
            cluster: text("ab12cd34"),
            name: text("fruit"),
            voters_wanted: 3,
            address: text("a:1"),
            storage: text("1"),
            key: Digest([1; 32]),
            certificate_life_ms: 0,
        };
        let add = Command::AddNode {
            node: VOTER,
            incarnation: process.incarnation,
            starts: process.starts,
            address: text("a:1"),
            release: text("0.1.0"),
            slots: 1,
            compute_class: text("cpu"),
            fit_class: text("f"),
        };
        state.apply(1, 0, &found);
        state.apply(2, 0, &add);
        state
    }

    #[test]
    fn one_process_of_a_voter_is_heard_and_its_copies_are_not() {
        let state = taken(process(4, 40));
        let mut twins = Twins::default();
        let mut hears = |process, tick| twins.hears(state.membership(), (VOTER, process), tick);
        assert!(hears(process(4, 40), 0), "the one that the log has taken");
        assert!(!hears(process(3, 30), 1), "one that came before it");
        assert!(!hears(process(4, 41), 2), "one on a copy of its folder");
        assert!(!hears(process(5, 50), 30), "the next one, while the first still speaks");
        assert!(hears(process(5, 50), 31), "the next one, in its place");
        assert!(!hears(process(5, 51), 32), "a copy of the next one, before the log has chosen");
        assert!(hears(process(4, 40), 33), "the log decides, whoever spoke last");
        assert!(hears(process(0, 0), 64), "an older release");
    }

    #[test]
    fn a_voter_that_joined_while_this_node_was_away_is_heard_and_its_copies_are_not() {
        let state = taken(process(4, 40));
        let mut twins = Twins::default();
        let newer = NodeId(2);
        let mut hears = |process, tick| twins.hears(state.membership(), (newer, process), tick);
        assert!(hears(process(1, 10), 0));
        assert!(!hears(process(1, 11), 1));
        assert!(hears(process(1, 10), 2));
    }
}
