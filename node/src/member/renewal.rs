//! A node's certificate is signed anew at two thirds of its life, for the same key, by whoever is
//! the coordinator then. Connections that are open stay; the next handshake shows the new one.
//!
//! One that has ended all the same, because the node was off or the cluster had no coordinator for
//! so long, can be shown to nobody. A node that has the authority's key then signs its own: else
//! voters that all were off for too long could never speak to each other again. Any other node asks
//! to be let in again by its key, which the cluster knows.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_env::wall_ms;
use fruitnode_mesh::authority::Authority;
use fruitnode_mesh::client;
use fruitnode_mesh::credentials::{Credentials, NODE, NodeKey};
use fruitnode_mesh::error::MeshError;
use fruitnode_mesh::identity::Certified;
use fruitnode_proto::v1;

use crate::actors::attend::Standing;
use crate::member::MemberError;
use crate::member::data_dir::DataDir;
use crate::member::shared::Shared;

/// Longest time between two looks: a clock that was set is noticed.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(5);

/// Shortest time between two looks.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(200);

/// Looks within the life of a certificate, if it is short.
const LOOKS: u64 = 60;

/// Renews for as long as the node runs; why the cluster does not let it in again, if it does not.
pub(super) async fn keep(shared: Arc<Shared>, standing: watch::Receiver<Standing>) -> MemberError {
    loop {
        let certified = shared.tls.certified();
        let attended = match *standing.borrow() {
            Standing::Attending { leader } => Some(leader),
            _ => None,
        };
        let made = match attended {
            _ if is_useless(&certified) => Some(come_back(&shared).await),
            Some(leader) if certified.renew_at_ms() <= wall_ms() => {
                Some(renew(&shared, leader).await)
            }
            _ => None,
        };
        match made {
            Some(Ok(())) => tracing::info!("renewed the certificate of this node"),
            Some(Err(refused @ MemberError::Refused(_))) => return refused,
            Some(Err(error)) => tracing::warn!(%error, "cannot renew the certificate yet"),
            None => {}
        }
        sleep(look_every(&certified)).await;
    }
}

/// The credentials with which a node starts: on one that has the authority's key they are good.
pub(super) fn at_start(
    dir: &DataDir,
    credentials: Credentials,
    authority: Option<&Authority>,
) -> Result<Credentials, MemberError> {
    match authority {
        Some(authority) if is_useless(&credentials.check()?) => sign_own(dir, authority),
        _ => Ok(credentials),
    }
}

async fn renew(shared: &Shared, leader: NodeId) -> Result<(), MemberError> {
    let key = own_key(&shared.dir)?;
    let request = v1::RenewRequest { request: key.request_der()? };
    let reply = shared.peers.renew(leader, request).await?;
    show(shared, &key.with(reply.certificates)?)
}

async fn come_back(shared: &Shared) -> Result<(), MemberError> {
    if let Some(authority) = Authority::open(shared.dir.path())? {
        let credentials = sign_own(&shared.dir, &authority)?;
        return Ok(shared.tls.reload(&credentials)?);
    }
    let roster = shared.book.now();
    let others = roster.addresses.iter().filter(|(node, _)| **node != shared.me);
    let (voters, members): (Vec<_>, Vec<_>) =
        others.partition(|(node, _)| roster.voters.contains(node));
    let addresses: Vec<_> =
        voters.into_iter().chain(members).map(|(_, address)| address.clone()).collect();
    tracing::info!("the certificate has expired: asking the cluster for a new one");
    readmit(shared, &addresses).await
}

/// Has the cluster that lives at one of these addresses take this node for its own by its key, and
/// takes what it says: who there is, and a new certificate.
pub(super) async fn readmit(shared: &Shared, addresses: &[String]) -> Result<(), MemberError> {
    let key = own_key(&shared.dir)?;
    let request = v1::RenewRequest { request: key.request_der()? };
    let reply = client::readmit(addresses, shared.tls.ca(), request).await;
    let reply = reply.map_err(|error| match error {
        MeshError::Denied(words) => MemberError::Refused(words),
        error => error.into(),
    })?;
    shared.book.take(reply.roster.unwrap_or_default());
    show(shared, &key.with(reply.certificates)?)
}

/// Keeps a new certificate, and shows it from now on.
fn show(shared: &Shared, credentials: &Credentials) -> Result<(), MemberError> {
    credentials.save(shared.dir.path(), NODE)?;
    Ok(shared.tls.reload(credentials)?)
}

/// A certificate from the authority's key in this folder, for as long as the last one.
fn sign_own(dir: &DataDir, authority: &Authority) -> Result<Credentials, MemberError> {
    let (node, key) = (NodeId(dir.identity()?.node), own_key(dir)?);
    let life = Credentials::load(dir.path(), NODE)?.check()?.life_ms();
    let signed = authority.sign_node(node, &key.request_der()?, Duration::from_millis(life))?;
    let credentials = key.with(signed)?;
    credentials.save(dir.path(), NODE)?;
    tracing::info!(
        "the certificate of this node had expired: signed a new one with the authority's key"
    );
    Ok(credentials)
}

fn own_key(dir: &DataDir) -> Result<NodeKey, MemberError> {
    Ok(NodeKey::of(&Credentials::load(dir.path(), NODE)?)?)
}

/// Whether nobody takes the certificate now: its time is over, or has not come, since it was made
/// by a clock that was far ahead.
fn is_useless(certified: &Certified) -> bool {
    let now_ms = wall_ms();
    certified.not_after_ms <= now_ms || now_ms < certified.not_before_ms
}

fn look_every(certified: &Certified) -> Duration {
    let every = Duration::from_millis(certified.life_ms() / LOOKS);
    every.clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX)
}
