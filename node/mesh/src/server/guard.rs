//! What stands before every call: who calls, and whether they may. What it lets through carries a
//! pass, without which no service answers.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

use fruitnode_env as env;

use crate::error::Refusal;
use crate::handler::Caller;
use crate::identity::{Certified, Identity};
use crate::inbound::{self, Ending};
use crate::permitted::{permitted, standing};
use crate::roster::{Roster, RosterBook};
use crate::strangers::{Sparing, shown};
use crate::tls::LineInfo;

/// Puts the guard before services.
#[derive(Clone)]
pub(super) struct Guard {
    book: RosterBook,
    stop: watch::Receiver<bool>,
    noise: Arc<Sparing>,
}

/// Services behind the guard.
#[derive(Clone)]
pub(super) struct Guarded<S> {
    guard: Guard,
    inner: S,
}

/// That a call was let through, and what may end it.
#[derive(Clone)]
pub(super) struct Pass {
    line: LineInfo,
    guard: Guard,
}

impl Guard {
    pub(super) fn new(book: RosterBook, stop: watch::Receiver<bool>) -> Self {
        Self { book, stop, noise: Arc::new(Sparing::new()) }
    }

    fn check(&self, path: &str, line: Option<&LineInfo>) -> Result<Pass, Refusal> {
        // The acceptor gives every connection its line.
        let line = line.ok_or_else(|| Refusal::denied("the connection has no certificate"))?;
        let caller = line.certified.as_deref();
        permitted(path, caller, env::wall_ms(), &self.book.now())?;
        Ok(Pass { line: line.clone(), guard: self.clone() })
    }

    /// One line per refused call, without anything the call holds.
    fn log(&self, path: &str, line: Option<&LineInfo>, refusal: &Refusal) {
        let identity = line.and_then(|line| line.certified.as_deref());
        let identity = identity.map(|certified| certified.identity.to_string());
        if identity.is_none() && !self.noise.one_more() {
            return;
        }
        let caller = identity.as_deref().unwrap_or("a caller without a certificate");
        let address = line.map(|line| line.address.to_string()).unwrap_or_default();
        let (method, why) = (shown(path), refusal.words.replace(path, &shown(path)));
        tracing::warn!(method, caller, address, why, "rejected a call");
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { guard: self.clone(), inner }
    }
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let line = request.extensions().get::<LineInfo>();
        match self.guard.check(request.uri().path(), line) {
            Ok(pass) => {
                request.extensions_mut().insert(pass);
                Box::pin(self.inner.call(request))
            }
            Err(refusal) => {
                self.guard.log(request.uri().path(), line, &refusal);
                let response = Status::from(refusal).into_http();
                Box::pin(std::future::ready(Ok(response)))
            }
        }
    }
}

impl Pass {
    /// Who calls.
    pub(super) fn caller(&self) -> Caller {
        let certified = self.line.certified.as_deref();
        Caller {
            identity: certified.map(|certified| certified.identity.clone()),
            serial: certified.map(|certified| certified.serial.clone()).unwrap_or_default(),
            address: self.line.address,
        }
    }

    /// When a stream of this call has to end.
    pub(super) fn ending(&self) -> Ending {
        self.ending_with(self.guard.stop.clone())
    }

    /// When the call itself has to end: it may outlive the sign to stop, but not its caller's
    /// standing.
    pub(super) fn cut_off(&self) -> Ending {
        let (_, never) = watch::channel(false);
        self.ending_with(never)
    }

    fn ending_with(&self, stop: watch::Receiver<bool>) -> Ending {
        let certified = self.line.certified.clone();
        let stands = move |roster: &Roster| match &certified {
            Some(certified) => standing(certified, roster),
            None => Ok(()),
        };
        let cut_off = inbound::ending(stands, &self.guard.book, stop);
        match self.line.certified.as_deref() {
            Some(Certified { identity: Identity::Person(name), not_after_ms, .. }) => {
                expiring(cut_off, name, *not_after_ms)
            }
            // That a node belongs to the cluster is said by the roster: streams outlive its
            // certificates, which are renewed.
            _ => cut_off,
        }
    }
}

/// Ends with the certificate of a person, if nothing ends it before.
fn expiring(cut_off: Ending, name: &str, not_after_ms: u64) -> Ending {
    let left = Duration::from_millis(not_after_ms.saturating_sub(env::wall_ms()));
    let words = format!("the certificate of client {name} has expired: ask for a new one");
    Box::pin(async move { timeout(left, cut_off).await.unwrap_or_else(|_| Refusal::denied(words)) })
}
