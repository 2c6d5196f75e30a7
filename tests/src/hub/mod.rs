//! A model hub on loopback: an endpoint that knows repositories and points elsewhere for large
//! files, and that other server, which sends them. Both can be told to misbehave.

mod answer;

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::sandbox::sha256;

pub use answer::Fault;

/// Which of the two servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The hub itself.
    Endpoint,
    /// The one that sends large files.
    Store,
}

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// To whom.
    pub server: Server,
    /// Its path.
    pub path: String,
    /// Bytes that it asked for, in its words.
    pub range: Option<String>,
    /// The validator that it asked with.
    pub if_range: Option<String>,
    /// Who it said it was.
    pub authorization: Option<String>,
}

/// A file of a repository.
#[derive(Debug, Clone)]
struct Held {
    bytes: Bytes,
    /// What the hub promises; its SHA-256 unless a test wants it to lie.
    promised: Option<String>,
    /// Whether its store gives a validator.
    etag: Option<String>,
    /// Who may have it.
    token: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Held>,
    seen: Vec<Seen>,
    faults: BTreeMap<&'static str, VecDeque<Fault>>,
    store: Option<SocketAddr>,
}

/// The hub; it goes with the test.
#[derive(Debug)]
pub struct Hub {
    state: Arc<Mutex<State>>,
    endpoint: SocketAddr,
    store: SocketAddr,
    _runtime: Runtime,
}

impl Hub {
    /// One without files.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a thread for the hub");
        let state = Arc::new(Mutex::new(State::default()));
        let endpoint = serve(&runtime, &state, Server::Endpoint);
        let store = serve(&runtime, &state, Server::Store);
        lock(&state).store = Some(store);
        Self { state, endpoint, store, _runtime: runtime }
    }

    /// For `HF_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.endpoint)
    }

    /// The address of a file on the other server.
    pub fn store_url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.store)
    }

    /// Puts a file, as `owner/name/resolve/main/model.safetensors`.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let digest = sha256(bytes);
        let held = Held {
            bytes: Bytes::copy_from_slice(bytes),
            etag: Some(format!("\"etag-{}\"", &digest[..8])),
            promised: Some(digest),
            token: None,
        };
        lock(&self.state).files.insert(path.to_owned(), held);
    }

    /// Has the hub promise another digest of a file, or none.
    pub fn promise(&self, path: &str, digest: Option<&str>) {
        self.held(path, |held| held.promised = digest.map(str::to_owned));
    }

    /// Gives a file another validator, or none.
    pub fn validate(&self, path: &str, etag: Option<&str>) {
        self.held(path, |held| held.etag = etag.map(str::to_owned));
    }

    /// Keeps a file for those with a token.
    pub fn guard(&self, path: &str, token: &str) {
        self.held(path, |held| held.token = Some(token.to_owned()));
    }

    /// Has a server do these, one for each request that comes, before it behaves again.
    pub fn fail(&self, server: Server, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.state).faults.entry(server.name()).or_default().extend(faults);
    }

    /// Requests so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.state).seen.clone()
    }

    /// Requests to one of the servers so far.
    pub fn seen_by(&self, server: Server) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.server == server).collect()
    }

    fn held(&self, path: &str, change: impl FnOnce(&mut Held)) {
        change(lock(&self.state).files.get_mut(path).expect("a file that was put"));
    }
}

impl Server {
    fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Store => "store",
        }
    }
}

/// Listens on a port of its own and answers until the runtime goes.
#[allow(clippy::disallowed_methods, reason = "these are no tasks of a node")]
fn serve(runtime: &Runtime, state: &Arc<Mutex<State>>, server: Server) -> SocketAddr {
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port on loopback");
    let address = listener.local_addr().expect("it is bound");
    let state = Arc::clone(state);
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let state = Arc::clone(&state);
            let service = service_fn(move |request: Request<Incoming>| {
                let response = answer::answer(&mut lock(&state), server, &request);
                async move { Ok::<_, Infallible>(response) }
            });
            // A connection that a fault ends is no concern of the hub's.
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
