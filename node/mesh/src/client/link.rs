//! A connection to one node, made when it is needed and again when it broke, that knows why it
//! broke.

use std::error::Error as _;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use tonic::Status;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};
use tower::{Service, service_fn};

use fruitnode_coordinator::ids::NodeId;

use crate::MESSAGE_BYTES_MAX;
use crate::error::MeshError;
use crate::generated::control_client::ControlClient;
use crate::identity;
use crate::inbound::Explain;
use crate::server::{HEADERS_BYTES_MAX, KEEP_ALIVE, KEEP_ALIVE_LIMIT};
use crate::status;
use crate::tls::{Dial, Fault, Tls, Wire};

/// The authority of requests. Who is called is settled below, by TLS.
const ORIGIN: &str = "http://mesh.fruitnode";

/// A connection to one node.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    channel: Channel,
    fault: Arc<Fault>,
    address: String,
}

impl Link {
    /// A connection that is made with the first call.
    pub(crate) fn lazy(dial: Dial) -> Self {
        let (fault, address) = (Arc::<Fault>::default(), dial.address.clone());
        let channel = endpoint().connect_with_connector_lazy(connector(dial, &fault));
        Self { channel, fault, address }
    }

    /// A connection that is made at once.
    pub(crate) async fn open(dial: Dial) -> Result<Self, MeshError> {
        let (fault, address) = (Arc::<Fault>::default(), dial.address.clone());
        let made = endpoint().connect_with_connector(connector(dial, &fault)).await;
        match made {
            Ok(channel) => Ok(Self { channel, fault, address }),
            Err(error) => Err(fault.get().unwrap_or_else(|| broken(&address, &error.to_string()))),
        }
    }

    /// Where the other side is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Calls of people, on a connection.
    pub(crate) fn control(&self) -> ControlClient<Channel> {
        ControlClient::new(self.channel())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// For a generated client.
    pub(crate) fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Why a call failed: what the other side refused, or what happened to the connection.
    pub(crate) fn error(&self, status: &Status) -> MeshError {
        // What the other side said comes without a source; what broke on the way has one.
        if status.source().is_none() {
            return status::refusal(status).into();
        }
        self.fault.get().unwrap_or_else(|| broken(&self.address, status.message()))
    }

    /// The same, for a stream.
    pub(crate) fn explain(&self) -> Explain {
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
