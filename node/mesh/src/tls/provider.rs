//! What both sides of every connection have in common: who does the cryptography, which protocol is
//! spoken inside, and why it cannot be.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use thiserror::Error;

use crate::credentials::CredentialsError;

/// The one protocol spoken inside.
pub(super) const ALPN: &[u8] = b"h2";

/// Why TLS cannot be spoken with these credentials.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The credentials do not hold together.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// They are not usable.
    #[error("cannot use the certificate: {0}")]
    Rustls(#[from] rustls::Error),
    /// The authority's certificate is not usable.
    #[error("cannot use the certificate of the authority: {0}")]
    Verifier(String),
    /// They belong to somebody else.
    #[error("the new certificate is for {found} instead of {expected}")]
    Stranger {
        /// Of whom it should be.
        expected: String,
        /// Of whom it is.
        found: String,
    },
}

/// ring, whatever other provider the process knows of.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// One protocol, and a whole handshake each time.
pub(super) fn harden(client: &mut ClientConfig) {
    client.alpn_protocols = vec![ALPN.to_vec()];
    client.resumption = Resumption::disabled();
}
