//! The called side: handshakes side by side, bounded in number and time, so that who is slow keeps
//! nobody waiting.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use super::{ALPN, Tls};
use crate::mesh::identity::Certified;

/// Most handshakes under way at once.
const HANDSHAKES_MAX: usize = 256;

/// Most connections at once of those that have shown who they are.
const KNOWN_MAX: usize = 4_096;

/// Most connections at once of those that have not.
const STRANGERS_MAX: usize = 64;

/// Rest after the system could not accept, for want of files as a rule.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// How long others may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::mesh) struct Patience {
    /// For a handshake.
    pub(in crate::mesh) handshake: Duration,
    /// For all that somebody without a certificate does on a connection: to enrol takes less.
    pub(in crate::mesh) stranger: Duration,
}

/// A connection that somebody made to us.
#[derive(Debug)]
pub(in crate::mesh) struct Line {
    stream: TlsStream<TcpStream>,
    info: LineInfo,
    ends: Option<Pin<Box<Sleep>>>,
    _seat: OwnedSemaphorePermit,
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(in crate::mesh) struct LineInfo {
    /// What its certificate says, if it showed one.
    pub(in crate::mesh) certified: Option<Arc<Certified>>,
    /// Where it called from.
    pub(in crate::mesh) address: SocketAddr,
}

/// Accepts for ever, and hands on connections that are through their handshake.
pub(in crate::mesh) async fn accept(
    listener: TcpListener,
    tls: Tls,
    patience: Patience,
    ready: mpsc::Sender<io::Result<Line>>,
) {
    let door = Arc::new(Door {
        acceptor: TlsAcceptor::from(tls.server()),
        patience,
        known: Arc::new(Semaphore::new(KNOWN_MAX)),
        strangers: Arc::new(Semaphore::new(STRANGERS_MAX)),
    });
    let mut handshakes = JoinSet::new();
    loop {
        // Who comes while all places are taken waits in the system's queue.
        while handshakes.try_join_next().is_some() {}
        if handshakes.len() >= HANDSHAKES_MAX {
            handshakes.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, address)) => {
                let (door, ready) = (door.clone(), ready.clone());
                handshakes.spawn(async move {
                    if let Some(line) = door.handshake(stream, address).await {
                        // Nobody takes it: the server is stopping.
                        let _ = ready.send(Ok(line)).await;
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_REST).await;
            }
        }
    }
}

struct Door {
    acceptor: TlsAcceptor,
    patience: Patience,
    known: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl Door {
    async fn handshake(&self, stream: TcpStream, address: SocketAddr) -> Option<Line> {
        let refused = |why: &str| tracing::info!(%address, why, "a connection was refused");
        stream.set_nodelay(true).ok()?;
        let stream = match timeout(self.patience.handshake, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                refused(&error.to_string());
                return None;
            }
            Err(_) => {
                refused("the handshake took too long");
                return None;
            }
        };
        let session = stream.get_ref().1;
        if session.alpn_protocol() != Some(ALPN) {
            refused("it does not speak HTTP/2");
            return None;
        }
        let first = session.peer_certificates().and_then(|chain| chain.first());
        let certified = match first.map(|first| Certified::read(first)).transpose() {
            Ok(certified) => certified.map(Arc::new),
            Err(error) => {
                refused(&error.to_string());
                return None;
            }
        };
        let (seats, ends) = match &certified {
            Some(_) => (&self.known, None),
            None => (&self.strangers, Some(Box::pin(sleep(self.patience.stranger)))),
        };
        let Ok(seat) = seats.clone().try_acquire_owned() else {
            refused("too many connections");
            return None;
        };
        Some(Line { stream, info: LineInfo { certified, address }, ends, _seat: seat })
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { handshake: Duration::from_secs(5), stranger: Duration::from_secs(60) }
    }
}

impl Line {
    /// Whether its time is over.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.ends.as_mut().is_some_and(|ends| ends.as_mut().poll(context).is_ready())
    }
}

impl Connected for Line {
    type ConnectInfo = LineInfo;

    fn connect_info(&self) -> LineInfo {
        self.info.clone()
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
