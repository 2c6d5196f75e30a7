//! The called side: handshakes side by side, bounded in number and time. Accepting never waits: who
//! is slow, or idle without a certificate, gives way to who comes.

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

use super::Tls;
use super::provider::ALPN;
use super::room::{Room, Seat};
use crate::identity::Certified;
use crate::strangers::Sparing;

/// Most handshakes under way at once.
const HANDSHAKES_MAX: usize = 256;

/// Most connections at once of those that have shown who they are.
const KNOWN_MAX: usize = 4_096;

/// Most connections at once of those that have not.
const STRANGERS_MAX: usize = 64;

/// Rest after the system could not accept, for want of files as a rule.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// How long others may take, and how many of them at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For a handshake.
    pub(crate) handshake: Duration,
    /// For all that somebody without a certificate does on a connection: to enrol takes less.
    pub(crate) stranger: Duration,
    /// Most handshakes under way.
    pub(crate) handshakes_max: usize,
    /// Most connections without a certificate.
    pub(crate) strangers_max: usize,
}

/// A connection that somebody made to us.
#[derive(Debug)]
pub(crate) struct Line {
    stream: TlsStream<TcpStream>,
    info: LineInfo,
    place: Place,
}

/// What bounds a connection.
#[derive(Debug)]
enum Place {
    /// Of somebody known: for as long as it lasts.
    Known { _seat: OwnedSemaphorePermit },
    /// Of somebody else: until its time is over, or a newcomer has its seat.
    Strange(Pin<Box<Sleep>>, Seat),
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(crate) struct LineInfo {
    /// What its certificate says, if it showed one.
    pub(crate) certified: Option<Arc<Certified>>,
    /// Where it called from.
    pub(crate) address: SocketAddr,
}

/// Accepts for ever, and hands on connections that are through their handshake.
pub(crate) async fn accept(
    listener: TcpListener,
    tls: Tls,
    patience: Patience,
    ready: mpsc::Sender<io::Result<Line>>,
) {
    let door = Arc::new(Door {
        acceptor: TlsAcceptor::from(tls.server()),
        patience,
        known: Arc::new(Semaphore::new(KNOWN_MAX)),
        strangers: Room::new("strangers", patience.strangers_max),
        noise: Sparing::new(),
    });
    let room = Room::new("handshakes", patience.handshakes_max);
    let mut handshakes = JoinSet::new();
    loop {
        while handshakes.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, address)) => {
                let (door, ready, mut seat) = (door.clone(), ready.clone(), room.enter(address));
                handshakes.spawn(async move {
                    let line = tokio::select! {
                        line = door.handshake(stream, address) => line,
                        () = seat.lost() => None,
                    };
                    // Who waits to be served has a place of another kind.
                    drop(seat);
                    if let Some(line) = line {
                        // Nobody takes it: the server is stopping.
                        let _ = ready.send(Ok(line)).await;
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_REST).await;
            }
        }
    }
}

struct Door {
    acceptor: TlsAcceptor,
    patience: Patience,
    known: Arc<Semaphore>,
    strangers: Room,
    noise: Sparing,
}

impl Door {
    async fn handshake(&self, stream: TcpStream, address: SocketAddr) -> Option<Line> {
        let refused = |why: &str| {
            if self.noise.one_more() {
                tracing::info!(%address, why, "rejected a connection");
            }
        };
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
        let place = match &certified {
            Some(_) => match self.known.clone().try_acquire_owned() {
                Ok(_seat) => Place::Known { _seat },
                Err(_) => {
                    refused("too many connections");
                    return None;
                }
            },
            None => {
                let ends = Box::pin(sleep(self.patience.stranger));
                Place::Strange(ends, self.strangers.enter(address))
            }
        };
        Some(Line { stream, info: LineInfo { certified, address }, place })
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            stranger: Duration::from_secs(60),
            handshakes_max: HANDSHAKES_MAX,
            strangers_max: STRANGERS_MAX,
        }
    }
}

impl Line {
    /// An error once its time is over, or its place gone.
    fn lasts(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match &mut self.place {
            Place::Known { .. } => Ok(()),
            Place::Strange(ends, seat) => {
                match ends.as_mut().poll(context).is_ready() || seat.poll_lost(context).is_ready() {
                    true => Err(io::ErrorKind::TimedOut.into()),
                    false => Ok(()),
                }
            }
        }
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
        self.lasts(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Who reads nothing is not waited for either.
        self.lasts(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lasts(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
