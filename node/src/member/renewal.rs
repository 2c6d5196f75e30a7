//! A node's certificate is signed anew at two thirds of its life, for the same key, by whoever is
//! the coordinator then. Connections that are open stay; the next handshake shows the new one.

use std::sync::Arc;
use std::time::Duration;

use fruitnode_proto::v1;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::actors::attend::Standing;
use crate::env::wall_ms;
use crate::member::MemberError;
use crate::member::node::Shared;
use crate::mesh::credentials::{Credentials, NodeKey};

/// Between two looks: a clock that was set is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Renews for as long as the node runs.
pub(super) async fn keep(shared: Arc<Shared>, standing: watch::Receiver<Standing>) {
    loop {
        sleep(LOOK_EVERY).await;
        let due = shared.tls.certified().renew_at_ms() <= wall_ms();
        let Standing::Attending { leader } = *standing.borrow() else { continue };
        if due {
            match renew(&shared, leader).await {
                Ok(()) => tracing::info!("the node's certificate was signed anew"),
                Err(error) => tracing::warn!(%error, "the certificate could not be renewed yet"),
            }
        }
    }
}

async fn renew(
    shared: &Shared,
    leader: fruitnode_coordinator::ids::NodeId,
) -> Result<(), MemberError> {
    let key = NodeKey::of(&Credentials::load(shared.dir.path(), "node")?)?;
    let request = v1::RenewRequest { request: key.request_der()? };
    let reply = shared.peers.renew(leader, request).await?;
    let credentials = key.with(reply.certificates)?;
    credentials.save(shared.dir.path(), "node")?;
    shared.tls.reload(&credentials)?;
    Ok(())
}
