//! Words for a member that may not attend.

use fruitnode_coordinator::control::leader::Refusal as Why;
use fruitnode_coordinator::ids::NodeId;
use fruitnode_mesh::error::{Refusal, RefusalKind};
use fruitnode_mesh::roster::RosterBook;

/// Why the node may not attend, and what to do.
pub(super) fn words(why: Why, node: NodeId, book: &RosterBook) -> Refusal {
    let id = node.0;
    match why {
        Why::NotLeader(leader) => book.not_leader(leader),
        Why::NoMember => Refusal::denied(format!(
            "{node} is no longer a member of this cluster: empty its --data-dir and join again"
        )),
        Why::OtherStore => Refusal::denied(format!(
            "the log of {node} is not the one it had before: its --data-dir was wiped or replaced. \
             Remove the node (`fruitnode node remove {id}`), empty its --data-dir and join again"
        )),
        Why::OldCopy => Refusal::denied(format!(
            "{node} has since been started from another copy of this folder, and this copy is out \
             of date: start the other copy, or remove the node (`fruitnode node remove {id}`), \
             empty its --data-dir and join again"
        )),
        Why::Twin => Refusal::new(
            RefusalKind::Conflict,
            format!(
                "another process is already running as {node}: its data directory and this one are \
                 copies. Stop one of the two; to add a node, join with a data directory of its own \
                 (`fruitnode join --data-dir`)"
            ),
        ),
    }
}
