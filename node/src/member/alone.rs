//! A node is one process. A folder can be copied and started twice, and both processes then have
//! the key, the certificate and the id of one node: of two voters that are one, each would promise
//! what the other does not know of.
//!
//! What keeps them apart, beside the lock on the folder itself: before anything else a process asks
//! where the node is reached whether somebody is it already. It counts its start in the folder, and
//! the log takes no process that was not started later than the one before. The coordinator greets
//! one at a time. A voter does not vote before it was greeted, or for some seconds found nobody who
//! could; voters hear one process of each other.

use std::sync::Arc;
use std::time::Duration;

use fruitnode_coordinator::ids::NodeId;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::actors::attend::Standing;
use crate::consensus::store::RedbLog;
use crate::member::MemberError;
use crate::member::node::{Shared, vote};
use crate::mesh::authority::Authority;
use crate::mesh::client;
use crate::mesh::tls::Tls;

/// How long a voter looks for a coordinator that greets it before it votes.
const GREETING_WAIT: Duration = Duration::from_secs(3);

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

/// Starts to vote, on a node that does, once it is known to be the one process of the node.
pub(super) async fn take_part(
    shared: Arc<Shared>,
    voter: Option<(Authority, RedbLog)>,
    mut standing: watch::Receiver<Standing>,
) -> Result<(), MemberError> {
    let Some((authority, log)) = voter else { return Ok(()) };
    let alone = shared.book.now().voters.iter().all(|voter| *voter == shared.me);
    if !alone {
        let settled = |standing: &Standing| !matches!(standing, Standing::Looking { .. });
        let settling = timeout(GREETING_WAIT, standing.wait_for(settled)).await;
        let ends =
            |standing: &Standing| matches!(standing, Standing::Refused { .. } | Standing::Left);
        if settling.is_ok_and(|settled| settled.is_ok_and(|standing| ends(&standing))) {
            return Ok(());
        }
    }
    vote(&shared, authority, log)
}
