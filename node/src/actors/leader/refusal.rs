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
            "{node} is no member of this cluster any more: empty its --data-dir and join again"
        )),
        Why::OtherStore => Refusal::denied(format!(
            "{node} comes back with another store than it left with: it was wiped or copied. \
             Remove it (`fruitnode node remove {id}`), empty its --data-dir and join again"
        )),
        Why::OldCopy => Refusal::denied(format!(
            "{node} was started from another copy of this folder since: what this one holds is \
             out of date. Start that one, or remove the node (`fruitnode node remove {id}`), empty \
             its --data-dir and join again"
        )),
        Why::Twin => Refusal::new(
            RefusalKind::Conflict,
            format!(
                "another process is {node} already: the folder of this one is a copy of its \
                 folder. Stop one of the two; for a further node, join with a folder of its own \
                 (`fruitnode join --data-dir`)"
            ),
        ),
    }
}
