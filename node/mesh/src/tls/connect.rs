//! The caller's side: TCP, then TLS, within a time-out, and the reason in words where it fails.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use fruitnode_coordinator::ids::Digest;

use super::line::{Fault, Wire};
use super::provider::{ALPN, TlsError};
use super::verify::Pinned;
use super::{Tls, words};
use crate::error::MeshError;
use crate::identity::Certified;

/// Longest time from the first packet to the end of the handshake.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Whom to call, where, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    pub(crate) address: String,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
    pinned: bool,
    /// SHA-256 of the public key that it must have, where that is known.
    key: Option<Digest>,
}

impl Dial {
    /// The one that has this name, with our own certificate.
    pub(crate) fn to(tls: &Tls, name: &str, address: &str) -> Result<Self, MeshError> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            MeshError::Invalid(format!("{name:?} is not the name of a node: check the address"))
        })?;
        let address = address.to_owned();
        Ok(Self { address, name, config: tls.client(), pinned: false, key: None })
    }

    /// And it must have this key: a name alone can be signed by whoever got at the authority's.
    pub(crate) fn of_key(self, key: Option<Digest>) -> Self {
        Self { key, ..self }
    }

    /// Any node of the authority that is pinned, without a certificate.
    pub(crate) fn pinned(pinned: &Arc<Pinned>, address: &str) -> Result<Self, TlsError> {
        // Whatever the name, it is neither sent nor checked.
        let name = ServerName::try_from("fruitnode").expect("a lower-case word is a DNS name");
        let address = address.to_owned();
        Ok(Self { address, name, config: pinned.config()?, pinned: true, key: None })
    }

    /// A connection, ready for HTTP/2.
    pub(crate) async fn connect(self, fault: Arc<Fault>) -> Result<Wire, MeshError> {
        let made = match timeout(CONNECT_LIMIT, self.handshake(&fault)).await {
            Ok(made) => made,
            Err(_) => Err(self.unreachable(&format!(
                "no answer within {} seconds: check that a node is running there and that the port \
                 is open",
                CONNECT_LIMIT.as_secs(),
            ))),
        };
        fault.set(made.as_ref().err().cloned());
        made
    }

    async fn handshake(&self, fault: &Arc<Fault>) -> Result<Wire, MeshError> {
        let tcp = TcpStream::connect(&self.address).await;
        let tcp = tcp.map_err(|error| self.unreachable(&error.to_string()))?;
        tcp.set_nodelay(true).map_err(|error| self.unreachable(&error.to_string()))?;
        let connector = TlsConnector::from(self.config.clone());
        let stream = connector.connect(self.name.clone(), tcp).await;
        let stream = stream.map_err(|error| self.failed(&error))?;
        if stream.get_ref().1.alpn_protocol() != Some(ALPN) {
            let words = "the server there does not speak HTTP/2, so it is not a node of a cluster";
            return Err(self.distrust(words.to_owned()));
        }
        let chain = stream.get_ref().1.peer_certificates();
        let shown = chain.and_then(|chain| Certified::read(chain.first()?).ok());
        if self.key.is_some_and(|key| shown.is_none_or(|shown| shown.key != key)) {
            let words = "the node there has a different key than the one with which it joined";
            return Err(self.distrust(words.to_owned()));
        }
        Ok(Wire { stream, address: self.address.clone(), fault: fault.clone() })
    }

    fn failed(&self, error: &io::Error) -> MeshError {
        match words::of(error) {
            Some(words) => self.distrust(words),
            None => {
                self.unreachable(&format!("the connection was lost during the handshake: {error}"))
            }
        }
    }

    fn distrust(&self, said: String) -> MeshError {
        let words = if self.pinned {
            // The only authority a joiner knows is that of its token.
            said.replace(words::CLUSTERS_AUTHORITY, "the authority in the token")
        } else {
            said
        };
        MeshError::Tls { address: self.address.clone(), words }
    }

    fn unreachable(&self, words: &str) -> MeshError {
        MeshError::Unreachable { address: self.address.clone(), words: words.to_owned() }
    }
}
