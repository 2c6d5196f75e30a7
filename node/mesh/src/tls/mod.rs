//! TLS 1.3, and nothing older, on every connection. Both sides show certificates of the cluster's
//! authority; who has none yet reaches enrolment alone.

mod accept;
mod connect;
mod line;
mod provider;
mod room;
mod seats;
mod verify;
mod words;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme};
use tokio::sync::watch;

use crate::credentials::{Credentials, CredentialsError};
use crate::identity::Certified;

pub(super) use accept::{LineInfo, Patience, accept};
pub(super) use connect::Dial;
pub(super) use line::{Fault, Wire};
pub use provider::TlsError;
use provider::{ALPN, harden, provider};
pub(super) use verify::Pinned;

/// One's own side of every connection. Clones share it; certificates can be exchanged while it is
/// used ([`Tls::reload`]).
#[derive(Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

struct Shared {
    ca: Vec<u8>,
    current: Arc<Current>,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

/// The certificate that the next handshake shows.
struct Current {
    shown: RwLock<(Certified, Arc<CertifiedKey>)>,
    changed: watch::Sender<u64>,
}

impl Tls {
    /// TLS with these credentials.
    pub fn new(credentials: &Credentials) -> Result<Self, TlsError> {
        let (certified, key) = usable(credentials)?;
        let cluster = certified.cluster.clone();
        let current = Arc::new(Current {
            shown: RwLock::new((certified, key)),
            changed: watch::Sender::new(0),
        });
        let roots = Arc::new(roots(&credentials.ca)?);
        let mut client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots.clone())
            .with_client_cert_resolver(current.clone());
        harden(&mut client);
        let verifier = verify::callers(roots, &cluster)?;
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(current.clone());
        server.alpn_protocols = vec![ALPN.to_vec()];
        // Every handshake looks at the certificates: nothing is resumed.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let (client, server) = (Arc::new(client), Arc::new(server));
        let ca = credentials.ca.clone();
        Ok(Self { shared: Arc::new(Shared { ca, current, client, server }) })
    }

    /// Shows other certificates of the same identity from the next handshake on.
    pub fn reload(&self, credentials: &Credentials) -> Result<(), TlsError> {
        let (certified, key) = usable(credentials)?;
        let before = self.certified();
        let same = certified.identity == before.identity && credentials.ca == self.shared.ca;
        if !same {
            let name = |of: &Certified| format!("{} of cluster {}", of.identity, of.cluster);
            let (expected, found) = (name(&before), name(&certified));
            return Err(TlsError::Stranger { expected, found });
        }
        let current = &self.shared.current;
        *current.shown.write().unwrap_or_else(PoisonError::into_inner) = (certified, key);
        current.changed.send_modify(|generation| *generation += 1);
        Ok(())
    }

    /// What the certificate in use says.
    pub fn certified(&self) -> Certified {
        self.shared.current.read().0
    }

    /// The cluster it belongs to.
    pub fn cluster(&self) -> String {
        self.certified().cluster
    }

    /// The authority's certificate, in DER.
    pub fn ca(&self) -> &[u8] {
        &self.shared.ca
    }

    /// Grows with every [`Self::reload`].
    pub(super) fn generation(&self) -> u64 {
        *self.shared.current.changed.borrow()
    }

    fn client(&self) -> Arc<ClientConfig> {
        self.shared.client.clone()
    }

    fn server(&self) -> Arc<ServerConfig> {
        self.shared.server.clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("of", &self.certified()).finish_non_exhaustive()
    }
}

impl Current {
    fn read(&self) -> (Certified, Arc<CertifiedKey>) {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("of", &self.read().0).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.read().1)
    }
}

impl ResolvesClientCert for Current {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.read().1)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn roots(ca: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.to_vec().into())?;
    Ok(roots)
}

fn usable(credentials: &Credentials) -> Result<(Certified, Arc<CertifiedKey>), TlsError> {
    let certified = credentials.check()?;
    let chain = credentials.chain.iter().map(|der| der.clone().into()).collect();
    let key = credentials.key.clone().try_into();
    let key = key.map_err(|words: &str| CredentialsError::Key(words.to_owned()))?;
    let key = CertifiedKey::from_der(chain, key, &provider())?;
    Ok((certified, Arc::new(key)))
}
