//! The called side: gRPC over the mesh's own TLS, with every limit set, behind one guard.

mod guard;
mod outgoing;
mod services;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::Routes;
use tonic::transport::Server;

use crate::MESSAGE_BYTES_MAX;
use crate::error::MeshError;
use crate::generated::consensus_server::ConsensusServer;
use crate::generated::control_server::ControlServer;
use crate::generated::enrolment_server::EnrolmentServer;
use crate::generated::inference_server::InferenceServer;
use crate::generated::reduction_server::ReductionServer;
use crate::generated::work_server::WorkServer;
use crate::handler::Handler;
use crate::inbound::stopped;
use crate::roster::RosterBook;
use crate::server::guard::Guard;
use crate::server::services::Services;
use crate::tls::{Patience, Tls, accept};

/// Most calls at once on one connection, and most of them that have not been answered yet.
const STREAMS_MAX: u32 = 128;

/// Largest message of a caller without a certificate: a token and a short request.
const STRANGERS_MESSAGE_BYTES_MAX: usize = 16 << 10;

/// Most calls of one connection that a handler has in hand at once.
const CALLS_MAX: usize = 64;

/// How often a silent connection is tried, and how long an answer may take.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(5);
pub(super) const KEEP_ALIVE_LIMIT: Duration = Duration::from_secs(10);

/// Longest headers of one call, in bytes.
pub(super) const HEADERS_BYTES_MAX: u32 = 16 << 10;

/// Most calls that may be taken back before they were looked at.
const RESETS_MAX: usize = 20;

/// Connections that are through their handshake and wait to be served.
const READY_MAX: usize = 64;

/// How long calls may go on once the node is stopping.
const GRACE: Duration = Duration::from_secs(5);

/// Answers calls until `stop` says so: then streams end, and calls in hand have a few seconds.
pub async fn serve(
    listener: TcpListener,
    tls: Tls,
    book: RosterBook,
    handler: Arc<dyn Handler>,
    stop: watch::Receiver<bool>,
) -> Result<(), MeshError> {
    serve_with(Patience::default(), listener, tls, book, handler, stop).await
}

/// The same, with other patience.
pub(super) async fn serve_with(
    patience: Patience,
    listener: TcpListener,
    tls: Tls,
    book: RosterBook,
    handler: Arc<dyn Handler>,
    stop: watch::Receiver<bool>,
) -> Result<(), MeshError> {
    let (ready, incoming) = mpsc::channel(READY_MAX);
    let server = Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .concurrency_limit_per_connection(CALLS_MAX)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_LIMIT))
        .http2_max_header_list_size(HEADERS_BYTES_MAX)
        .http2_max_pending_accept_reset_streams(Some(RESETS_MAX))
        .layer(Guard::new(book, stop.clone()));
    let (mut begin, mut close, mut end) = (stop.clone(), stop.clone(), stop);
    let accepting = async move {
        tokio::select! {
            () = accept(listener, tls, patience, ready) => {}
            // The port is free from now on; what is being served goes on.
            () = stopped(&mut close) => {}
        }
        std::future::pending().await
    };
    let served = server.serve_with_incoming_shutdown(
        routes(&handler),
        ReceiverStream::new(incoming),
        async move { stopped(&mut begin).await },
    );
    tokio::select! {
        served = served => served.map_err(|error| MeshError::Failed(error.to_string())),
        () = accepting => Ok(()),
        () = async { stopped(&mut end).await; sleep(GRACE).await } => {
            tracing::warn!("aborting calls that are still running");
            Ok(())
        }
    }
}

/// Every service, with limits both ways: tonic sets none on what is sent. A message is kept as it
/// comes in, before anything of it is looked at, so that those of strangers are short.
fn routes(handler: &Arc<dyn Handler>) -> Routes {
    macro_rules! limited {
        ($server:ident, $bytes:expr) => {
            $server::new(Services::new(handler.clone()))
                .max_decoding_message_size($bytes)
                .max_encoding_message_size(MESSAGE_BYTES_MAX)
        };
    }
    Routes::new(limited!(EnrolmentServer, STRANGERS_MESSAGE_BYTES_MAX))
        .add_service(limited!(ConsensusServer, MESSAGE_BYTES_MAX))
        .add_service(limited!(WorkServer, MESSAGE_BYTES_MAX))
        .add_service(limited!(ReductionServer, MESSAGE_BYTES_MAX))
        .add_service(limited!(InferenceServer, MESSAGE_BYTES_MAX))
        .add_service(limited!(ControlServer, MESSAGE_BYTES_MAX))
}
