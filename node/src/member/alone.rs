//! A node is one process. A folder can be copied and started twice, and both processes then have
//! the key, the certificate and the id of one node: of two voters that are one, each would promise
//! what the other does not know of.
//!
//! What keeps them apart, beside the lock on the folder itself: before anything else a process asks
//! where the node is reached whether somebody is it already. It counts its start in the folder, and
//! the log takes no process that was not started later than the one before. The coordinator greets
//! one at a time. A voter does not vote before it was greeted, or for some seconds found nobody who
//! could; voters hear one process of each other.

use fruitnode_coordinator::ids::NodeId;
use fruitnode_mesh::client;
use fruitnode_mesh::tls::Tls;

use crate::member::MemberError;

/// Whether nobody else is this node, where it was reached and where it is to be.
pub(super) async fn check(
    tls: &Tls,
    me: NodeId,
    mut addresses: [String; 2],
) -> Result<(), MemberError> {
    let alike = addresses[0] == addresses[1];
    for address in addresses.iter_mut().skip(usize::from(alike)) {
        if client::is_there(tls, me, address).await {
            return Err(MemberError::Twin { node: me, address: std::mem::take(address) });
        }
    }
    Ok(())
}
