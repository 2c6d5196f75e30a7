//! How a node becomes a member, and how certificates are made: by the coordinator alone, which has
//! the authority's key.
//!
//! The token is looked at before anything else of a request: whoever has none learns nothing and
//! costs nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use fruitnode_consensus::ProposeError;
use fruitnode_coordinator::command::Command;
use fruitnode_coordinator::ids::{Digest, NodeId};
use fruitnode_coordinator::members::TokenError;
use fruitnode_env::{Moment, wall_ms};
use fruitnode_mesh::error::{Refusal, RefusalKind};
use fruitnode_mesh::roster::RosterBook;
use fruitnode_mesh::{request_key, shown, source_of, token};
use fruitnode_proto::v1;

use crate::member::shared::Voting;

/// Wrong tokens, and keys that nobody knows, that one address may try within [`TRIES_WINDOW`].
const TRIES_MAX: u32 = 5;

/// For how long tries are counted.
const TRIES_WINDOW: Duration = Duration::from_secs(60);

/// Sources whose tries are counted; when there are more, those of the first are forgotten.
const SOURCES_MAX: usize = 4_096;

/// Wrong tokens and keys, by where they came from, with the time of the first.
#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<BTreeMap<IpAddr, (u32, Moment)>>);

impl Tries {
    /// Refuses an address that has tried too often.
    fn check(&self, from: IpAddr) -> Result<(), Refusal> {
        let tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = |since: &Moment| since.elapsed() < TRIES_WINDOW;
        match tries.get(&source_of(from)) {
            Some((count, since)) if *count >= TRIES_MAX && fresh(since) => {
                let words = "too many invalid tokens or keys from this address: wait a minute";
                Err(Refusal::new(RefusalKind::Exhausted, words))
            }
            _ => Ok(()),
        }
    }

    fn count(&self, from: IpAddr) {
        let from = source_of(from);
        let mut tries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tries.retain(|_, (_, since)| since.elapsed() < TRIES_WINDOW);
        if tries.len() >= SOURCES_MAX && !tries.contains_key(&from) {
            let first = tries.iter().max_by_key(|(_, (_, since))| since.elapsed());
            let first = first.map(|(source, _)| *source);
            first.map(|first| tries.remove(&first));
        }
        tries.entry(from).or_insert_with(|| (0, Moment::now())).0 += 1;
    }
}

/// Lets a node in that brings a token.
pub(super) async fn enroll(
    voting: &Voting,
    tries: &Tries,
    from: IpAddr,
    book: &RosterBook,
    request: v1::EnrollRequest,
) -> Result<v1::EnrollReply, Refusal> {
    tries.check(from)?;
    if request.secret.is_empty() {
        // The joiner has found the coordinator, and brings its secret with the next request.
        return Ok(v1::EnrollReply::default());
    }
    let (id, secret, now_ms) = (request.token.clone(), request.secret.clone(), wall_ms());
    let may = voting.consensus.read(move |state| {
        state.may_enroll(&id, |kept| token::is_secret(&secret, &kept.0), now_ms)
    });
    let may = may.await.map_err(|_| Refusal::stopping())?;
    let refused = |error: TokenError| {
        tries.count(from);
        tracing::warn!(token = shown(&request.token), %from, %error, "rejected a token");
        Refusal::denied(error.to_string())
    };
    match &may {
        Ok(()) | Err(TokenError::UsedUp) => {}
        Err(error) => return Err(refused(*error)),
    }
    // Whether the request is one is looked at only where the token is, or was, right.
    let key = request_key(&request.request).map(|key| Digest(Sha256::digest(&key).into()));
    let key = key.map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))?;
    if let Err(error) = may {
        let known = voting.consensus.read(move |state| state.membership().node_of_key(&key));
        // Else the answer to the first request was lost: it took the last use.
        if known.await.map_err(|_| Refusal::stopping())?.is_none() {
            return Err(refused(error));
        }
    }
    if request.storage.is_empty() || request.address.is_empty() {
        let words = "the request to join lacks an address or a log ID";
        return Err(Refusal::new(RefusalKind::Invalid, words));
    }
    let (token, address, storage) = (request.token, request.address, request.storage);
    propose(voting, Command::Enroll { token, key, address, storage }).await?;
    let node = voting.consensus.read(move |state| {
        let node = state.membership().node_of_key(&key)?;
        let member = state.membership().member(node)?;
        (!member.removed).then_some(node)
    });
    let node = node.await.map_err(|_| Refusal::stopping())?;
    // Another joiner may have taken the last use between the look and the entry.
    let node = node.ok_or_else(|| Refusal::denied(TokenError::UsedUp.to_string()))?;
    tracing::info!(%node, "a node is joining");
    welcome(voting, node, book, &request.request).await
}

/// Signs a member's certificate anew, for the key with which it joined and no other: whoever got at
/// the authority's key once must not come back as somebody else.
pub(super) async fn renew(
    voting: &Voting,
    node: NodeId,
    request: &[u8],
) -> Result<v1::RenewReply, Refusal> {
    let member = voting.consensus.read(move |state| state.membership().member(node).cloned());
    let member = member.await.map_err(|_| Refusal::stopping())?;
    let Some(member) = member.filter(|member| !member.removed) else {
        return Err(Refusal::denied(format!("{node} is no longer a member of this cluster")));
    };
    let key = request_key(request).map(|key| Digest(Sha256::digest(&key).into()));
    let key = key.map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))?;
    if key != member.key {
        let words = format!("{node} joined with a different key than the one to be certified");
        return Err(Refusal::denied(words));
    }
    Ok(v1::RenewReply { certificates: sign_node(voting, node, request).await? })
}

/// Signs the certificate of a member that was away for longer than its last one was good. That a
/// node belongs to the cluster is said by the list of members, not by a date: it is known by its
/// key, with which the request is signed. What is answered is of use only to who has that key.
pub(super) async fn readmit(
    voting: &Voting,
    tries: &Tries,
    from: IpAddr,
    book: &RosterBook,
    request: &[u8],
) -> Result<v1::EnrollReply, Refusal> {
    tries.check(from)?;
    let refused = |words: String| {
        tries.count(from);
        tracing::warn!(%from, words, "rejected a node that asked for a new certificate");
        Refusal::denied(words)
    };
    let key = request_key(request).map_err(|error| refused(error.to_string()))?;
    let key = Digest(Sha256::digest(&key).into());
    let known = voting.consensus.read(move |state| {
        let node = state.membership().node_of_key(&key)?;
        Some((node, state.membership().member(node)?.removed))
    });
    let again = "empty its --data-dir and join again";
    let node = match known.await.map_err(|_| Refusal::stopping())? {
        Some((node, false)) => node,
        Some((node, true)) => {
            return Err(refused(format!("{node} was removed from the cluster: {again}")));
        }
        None => return Err(refused(format!("no member of the cluster has this key: {again}"))),
    };
    tracing::info!(%node, "renewed the certificate of a node whose certificate had expired");
    welcome(voting, node, book, request).await
}

/// What a member gets that shows no certificate. Everybody hears of it before it has one.
async fn welcome(
    voting: &Voting,
    node: NodeId,
    book: &RosterBook,
    request: &[u8],
) -> Result<v1::EnrollReply, Refusal> {
    voting.leader.tell_roster().await;
    Ok(v1::EnrollReply {
        node: node.0,
        cluster: voting.authority.cluster().to_owned(),
        certificates: sign_node(voting, node, request).await?,
        roster: Some(v1::Roster::from(&*book.now())),
    })
}

async fn sign_node(voting: &Voting, node: NodeId, request: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    let life = voting.consensus.read(|state| state.membership().certificate_life_ms());
    let life = Duration::from_millis(life.await.map_err(|_| Refusal::stopping())?);
    let signed = voting.authority.sign_node(node, request, life);
    signed.map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))
}

/// Proposes a command and waits until it is applied.
pub(super) async fn propose(voting: &Voting, command: Command) -> Result<u64, Refusal> {
    voting.consensus.propose(command).await.map_err(|error| match error {
        ProposeError::NotLeader { .. } => Refusal::not_leader(None),
        ProposeError::Busy | ProposeError::Lost => {
            Refusal::new(RefusalKind::Unavailable, "the log is busy: try again")
        }
        ProposeError::Refused(why) => Refusal::new(RefusalKind::Invalid, why),
        ProposeError::Stopped => Refusal::stopping(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_tries_too_often_is_refused_however_many_others_try() {
        let tries = Tries::default();
        let source = |number: u32| IpAddr::from(number.to_be_bytes());
        let guess = |from: IpAddr| (0..TRIES_MAX).for_each(|_| tries.count(from));
        // More than are counted, and of each as many tries as are suffered.
        let sources = SOURCES_MAX as u32 + 100;
        for number in 1..=sources {
            assert!(tries.check(source(number)).is_ok(), "{number}");
            guess(source(number));
            assert!(tries.check(source(number)).is_err(), "{number}");
        }
        assert!(tries.check(source(sources + 1)).is_ok());
        assert_eq!(tries.0.lock().unwrap().len(), SOURCES_MAX);
    }

    #[test]
    fn the_addresses_of_one_network_are_counted_together() {
        let tries = Tries::default();
        for last in 0..TRIES_MAX as u16 {
            let from: IpAddr = [0x2001, 0xdb8, 0, 1, 0, 0, 0, last].into();
            assert!(tries.check(from).is_ok(), "{last}");
            tries.count(from);
        }
        assert!(tries.check("2001:db8:0:1::ffff".parse().unwrap()).is_err());
        assert!(tries.check("2001:db8:0:2::1".parse().unwrap()).is_ok());
    }
}
