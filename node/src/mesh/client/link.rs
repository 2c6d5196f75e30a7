//! A connection to one node, made when it is needed and again when it broke, that knows why it
//! broke.

use std::error::Error as _;
use std::sync::Arc;

use fruitnode_coordinator::ids::NodeId;
use hyper_util::rt::TokioIo;
use tonic::Status;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};
use tower::{Service, service_fn};

use crate::mesh::error::MeshError;
use crate::mesh::identity;
use crate::mesh::inbound::Explain;
use crate::mesh::server::{HEADERS_BYTES_MAX, KEEP_ALIVE, KEEP_ALIVE_LIMIT};
use crate::mesh::status;
use crate::mesh::tls::{Dial, Fault, Tls, Wire};

/// The authority of requests. Who is called is settled below, by TLS.
const ORIGIN: &str = "http://mesh.fruitnode";

/// A connection to one node.
#[derive(Debug, Clone)]
pub(in crate::mesh) struct Link {
    channel: Channel,
    fault: Arc<Fault>,
    address: String,
}

impl Link {
    /// A connection that is made with the first call.
    pub(in crate::mesh) fn lazy(dial: Dial) -> Self {
        let (fault, address) = (Arc::<Fault>::default(), dial.address.clone());
        let channel = endpoint().connect_with_connector_lazy(connector(dial, &fault));
        Self { channel, fault, address }
    }

    /// A connection that is made at once.
    pub(in crate::mesh) async fn open(dial: Dial) -> Result<Self, MeshError> {
        let (fault, address) = (Arc::<Fault>::default(), dial.address.clone());
        let made = endpoint().connect_with_connector(connector(dial, &fault)).await;
        match made {
            Ok(channel) => Ok(Self { channel, fault, address }),
            Err(error) => Err(fault.get().unwrap_or_else(|| broken(&address, &error.to_string()))),
        }
    }

    /// Where the other side is.
    pub(in crate::mesh) fn address(&self) -> &str {
        &self.address
    }

    /// For a generated client.
    pub(in crate::mesh) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Why a call failed: what the other side refused, or what happened to the connection.
    pub(in crate::mesh) fn error(&self, status: &Status) -> MeshError {
        // What the other side said comes without a source; what broke on the way has one.
        if status.source().is_none() {
            return status::refusal(status).into();
        }
        self.fault.get().unwrap_or_else(|| broken(&self.address, status.message()))
    }

    /// The same, for a stream.
    pub(in crate::mesh) fn explain(&self) -> Explain {
        let link = self.clone();
        Box::new(move |status| link.error(&status))
    }
}

/// Whether a node answers at an address, as its certificate says.
pub async fn is_there(tls: &Tls, node: NodeId, address: &str) -> bool {
    let name = identity::node_name(node, &tls.cluster());
    match Dial::to(tls, &name, address) {
        Ok(dial) => Link::open(dial).await.is_ok(),
        Err(_) => false,
    }
}

fn endpoint() -> Endpoint {
    Endpoint::from_static(ORIGIN)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_LIMIT)
        .keep_alive_while_idle(true)
        .http2_max_header_list_size(HEADERS_BYTES_MAX)
}

/// Makes connections for tonic, which does not say why it failed to: `fault` does.
fn connector(
    dial: Dial,
    fault: &Arc<Fault>,
) -> impl Service<Uri, Response = TokioIo<Wire>, Error = MeshError, Future: Send> + Send + 'static {
    let fault = fault.clone();
    service_fn(move |_: Uri| {
        let (dial, fault) = (dial.clone(), fault.clone());
        async move { dial.connect(fault).await.map(TokioIo::new) }
    })
}

fn broken(address: &str, words: &str) -> MeshError {
    MeshError::Unreachable { address: address.to_owned(), words: words.to_owned() }
}
