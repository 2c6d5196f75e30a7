//! From any node to the coordinator: follows whom nodes name, passes by those that refuse the
//! caller, and waits while there is none.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use fruitnode_coordinator::ids::NodeId;
use fruitnode_env::Moment;

use crate::client::link::Link;
use crate::client::refusals::Refusals;
use crate::client::stagger::first_of;
use crate::error::MeshError;
use crate::tls::Dial;

/// How often one call follows to another node.
const HOPS_MAX: usize = 5;

/// Rest before asking again.
const REST: Duration = Duration::from_millis(200);

/// How to dial the node of this id, or whichever there is, at an address.
type HowToDial = Box<dyn Fn(Option<NodeId>, &str) -> Result<Dial, MeshError> + Send + Sync>;

/// Whether a call may be made a second time when nobody knows what became of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It changes nothing, or the same thing once.
    Yes,
    /// It would be done twice.
    No,
}

/// The way to the coordinator.
pub(super) struct Route {
    addresses: Vec<String>,
    dial: HowToDial,
    limit: Duration,
    patience: Duration,
    current: Mutex<Option<Link>>,
    /// Whose turn it is to be tried first.
    turn: AtomicUsize,
}

impl Route {
    /// A way that begins at any of these addresses.
    pub(super) fn new(addresses: Vec<String>, limit: Duration, dial: HowToDial) -> Self {
        let (patience, current, turn) = (Duration::ZERO, Mutex::default(), AtomicUsize::default());
        Self { addresses, dial, limit, patience, current, turn }
    }

    /// Waits for as long until somebody answers at all: whoever is asked may be about to start.
    pub(super) fn patient(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub(super) fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Makes a call at the coordinator: with `call`, at each node on the way.
    pub(super) async fn ask<T, F>(
        &self,
        what: &str,
        again: Again,
        call: impl Fn(Link) -> F,
    ) -> Result<T, MeshError>
    where
        F: Future<Output = Result<T, MeshError>>,
    {
        let last = Mutex::new(None);
        match timeout(self.limit, self.follow(again, &last, call)).await {
            Ok(answer) => answer,
            Err(_) => {
                let last = last.lock().unwrap_or_else(PoisonError::into_inner).take();
                Err(self.too_late(what, last))
            }
        }
    }

    /// Connects to whichever of the addresses answers first, unless there is a connection.
    pub(super) async fn link(&self) -> Result<Link, MeshError> {
        self.link_but(&Refusals::default()).await
    }

    /// A connection to a node that is known, or to whichever there is, at an address.
    pub(super) async fn link_to(
        &self,
        node: Option<NodeId>,
        address: &str,
    ) -> Result<Link, MeshError> {
        let opened = Link::open((self.dial)(node, address)?).await;
        opened.inspect_err(
            |error| tracing::debug!(address, %error, "a node does not answer: trying another one"),
        )
    }

    /// Makes one call at the first node that answers it, whichever that is.
    pub(super) async fn ask_any<T, F>(&self, call: impl Fn(Link) -> F) -> Result<T, MeshError>
    where
        F: Future<Output = Result<T, MeshError>>,
    {
        let mut refusals = Refusals::default();
        loop {
            let link = self.link_but(&refusals).await?;
            match call(link.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => refusals.add(link.address(), error),
            }
            *self.at() = None;
        }
    }

    /// From now on calls begin at this node.
    pub(super) fn go_on_at(&self, link: Link) {
        *self.at() = Some(link);
    }

    /// Addresses where the way begins.
    pub(super) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The longest time for one call.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    async fn link_but(&self, refusals: &Refusals) -> Result<Link, MeshError> {
        if let Some(link) = self.at().clone() {
            return Ok(link);
        }
        let turn = self.turn.load(Ordering::Relaxed) % self.addresses.len().max(1);
        let (later, first) = self.addresses.split_at(turn);
        let left = first.iter().chain(later).filter(|address| !refusals.are_of(address));
        let opening = left.map(|address| self.link_to(None, address)).collect();
        match first_of(opening).await {
            Ok(link) => {
                *self.at() = Some(link.clone());
                Ok(link)
            }
            Err(errors) => Err(refusals.and(errors)),
        }
    }

    async fn follow<T, F>(
        &self,
        again: Again,
        last: &Mutex<Option<MeshError>>,
        call: impl Fn(Link) -> F,
    ) -> Result<T, MeshError>
    where
        F: Future<Output = Result<T, MeshError>>,
    {
        let (mut hops, mut refusals) = (0, Refusals::default());
        let mut first = Some(self.first_link().await?);
        loop {
            let link = match first.take() {
                Some(link) => Ok(link),
                None => self.link_but(&refusals).await,
            };
            let address = link.as_ref().ok().map(|link| link.address().to_owned());
            let error = match link {
                Ok(link) => match call(link).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
            match (error, address) {
                (MeshError::NotLeader { leader: Some((node, address)), .. }, _) => {
                    if hops == HOPS_MAX {
                        let words = "the nodes point to each other as the coordinator: try again"
                            .to_owned();
                        return Err(MeshError::NoLeader { words });
                    }
                    hops += usize::from(self.go(node, &address).await);
                }
                (MeshError::NotLeader { leader: None, .. }, _) => self.rest().await,
                (MeshError::Unreachable { .. } | MeshError::Unavailable(_), _)
                    if again == Again::Yes =>
                {
                    self.rest().await;
                }
                // Nothing was done there: another node may know better who calls.
                (error @ (MeshError::Tls { .. } | MeshError::Denied(_)), Some(address))
                    if self.addresses.contains(&address) && !refusals.are_of(&address) =>
                {
                    refusals.add(&address, error);
                    *self.at() = None;
                }
                (other, _) => return Err(other),
            }
        }
    }

    /// Where the way begins: nobody is waited for longer than the route is patient.
    async fn first_link(&self) -> Result<Link, MeshError> {
        let begun = Moment::now();
        let mut told = false;
        loop {
            match self.link().await {
                Err(error @ MeshError::Unreachable { .. }) if begun.elapsed() < self.patience => {
                    if !told {
                        let seconds = self.patience.as_secs();
                        tracing::info!(%error, seconds, "no answer yet: trying again");
                        told = true;
                    }
                    self.rest().await;
                }
                link => return link,
            }
        }
    }

    /// Goes to another node; rests where it does not answer: it may be the one whose successor
    /// is being elected.
    async fn go(&self, node: NodeId, address: &str) -> bool {
        match self.link_to(Some(node), address).await {
            Ok(link) => {
                *self.at() = Some(link);
                true
            }
            Err(error) => {
                tracing::debug!(%node, address, %error, "the coordinator does not answer");
                self.rest().await;
                false
            }
        }
    }

    /// Waits a little, and begins at the first address after the last one that answers: a node that
    /// knows of nobody may be one that was left behind.
    async fn rest(&self) {
        *self.at() = None;
        self.turn.fetch_add(1, Ordering::Relaxed);
        sleep(REST).await;
    }

    fn at(&self) -> std::sync::MutexGuard<'_, Option<Link>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn too_late(&self, what: &str, last: Option<MeshError>) -> MeshError {
        let seconds = self.limit.as_secs();
        match last {
            Some(MeshError::NotLeader { .. }) => MeshError::NoLeader {
                words: format!(
                    "none was elected within {seconds} seconds: a majority of the voters must be \
                     running and able to reach each other (`fruitnode status` lists them)"
                ),
            },
            // Why the last attempt failed says more than that there were several.
            Some(error) => error,
            None => MeshError::TimedOut { what: what.to_owned(), seconds },
        }
    }
}
