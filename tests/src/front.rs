//! The way to a store, over loopback, which can be shut in each of the ways in which a network, a
//! balancer or a firewall shuts one: connections refused, handshakes ended, answers that never
//! come.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::thread::JoinHandle;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What becomes of those that want to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They get there.
    Open,
    /// Nobody listens, and who was connected is no more.
    Refused,
    /// Connections are taken and ended at once, in the middle of a handshake where there is one.
    Ended,
    /// Connections are taken, and nothing is ever said; to those that there were neither.
    Stalled,
}

/// The way to one store. Dropped, it is gone.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    certificate: Option<TempDir>,
    way: watch::Sender<Way>,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Port of the store.
    to: AtomicU16,
    /// Connections that were taken.
    taken: AtomicU64,
}

impl Front {
    /// In the clear.
    pub fn plain() -> Self {
        Self::start(None, None)
    }

    /// Under TLS, with a certificate that clients trust which are given [`Self::environment`].
    pub fn secured() -> Self {
        let names = vec!["127.0.0.1".to_owned()];
        let made = generate_simple_self_signed(names).expect("an address can be certified");
        let CertifiedKey { cert, signing_key } = made;
        let folder = TempDir::new().expect("a temporary folder");
        let file = folder.path().join("certificate.pem");
        std::fs::write(file, cert.pem()).expect("room for a certificate");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .expect("ring knows them")
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .expect("they belong together");
        Self::start(Some(TlsAcceptor::from(Arc::new(config))), Some(folder))
    }

    fn start(tls: Option<TlsAcceptor>, certificate: Option<TempDir>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("a socket can wait");
        let address = listener.local_addr().expect("it is bound");
        let (way, ways) = watch::channel(Way::Open);
        let shared = Arc::<Shared>::default();
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a reactor").block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = serve(listener, &serving, tls.as_ref(), ways) => {}
                }
            });
        });
        Self { address, certificate, way, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Leads to the store at this URL from now on.
    pub fn lead_to(&self, url: &str) {
        let port = url.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        self.shared.to.store(port.expect("a URL with a port"), Ordering::Relaxed);
    }

    /// Where clients find its beginning.
    pub fn url(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// What sends a client this way.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let file = |folder: &TempDir| -> PathBuf { folder.path().join("certificate.pem") };
        let trusted = self.certificate.iter().map(|folder| file(folder).display().to_string());
        let trusted = trusted.map(|file| ("SSL_CERT_FILE", file));
        trusted.chain([("AWS_ENDPOINT_URL", self.url())]).collect()
    }

    /// Becomes another way, for those that are on it too.
    pub fn turn(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Connections that were taken since it began.
    pub fn taken(&self) -> u64 {
        self.shared.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(
    first: std::net::TcpListener,
    shared: &Arc<Shared>,
    tls: Option<&TlsAcceptor>,
    mut ways: watch::Receiver<Way>,
) {
    let address = first.local_addr().expect("it is bound");
    let mut listener = TcpListener::from_std(first).expect("a reactor is there");
    let mut connections = JoinSet::new();
    loop {
        let way = *ways.borrow_and_update();
        if way == Way::Refused {
            drop(listener);
            connections.shutdown().await;
            let open = ways.wait_for(|way| *way != Way::Refused).await.is_ok();
            if !open {
                return;
            }
            listener = TcpListener::bind(address).await.expect("its own port");
            continue;
        }
        tokio::select! {
            changed = ways.changed() => if changed.is_err() { return },
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else { continue };
                shared.taken.fetch_add(1, Ordering::Relaxed);
                let (shared, tls) = (Arc::clone(shared), tls.cloned());
                let ways = ways.clone();
                connections.spawn(async move {
                    let _ = lead(client, &shared, tls, ways).await;
                });
            }
        }
    }
}

/// One connection, while the way is what it was when it began.
async fn lead(
    client: TcpStream,
    shared: &Shared,
    tls: Option<TlsAcceptor>,
    mut ways: watch::Receiver<Way>,
) -> io::Result<()> {
    let way = *ways.borrow_and_update();
    match way {
        Way::Ended | Way::Refused => return Ok(()),
        Way::Stalled => {}
        Way::Open => {
            let to = shared.to.load(Ordering::Relaxed);
            let carried = async {
                client.set_nodelay(true)?;
                match tls {
                    None => carry(client, to).await,
                    Some(tls) => carry(tls.accept(client).await?, to).await,
                }
            };
            tokio::pin!(carried);
            let stalled = tokio::select! {
                ended = &mut carried => return ended,
                now = ways.wait_for(|way| *way != Way::Open) => {
                    now.is_ok_and(|now| *now == Way::Stalled)
                }
            };
            if stalled {
                let _ = ways.wait_for(|way| *way != Way::Stalled).await;
            }
            return Ok(());
        }
    }
    let _ = ways.wait_for(|way| *way != Way::Stalled).await;
    drop(client);
    Ok(())
}

async fn carry(mut client: impl AsyncRead + AsyncWrite + Unpin, to: u16) -> io::Result<()> {
    let mut store = TcpStream::connect(("127.0.0.1", to)).await?;
    store.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut store).await?;
    Ok(())
}
