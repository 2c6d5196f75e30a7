//! Who is let through a handshake: callers with a certificate of the authority or with none, and,
//! for a joiner, the one authority that its token pins.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    PeerIncompatible, RootCertStore, SignatureScheme,
};

use super::provider::{TlsError, harden, provider};
use crate::authority::{cluster_of, pin_of};
use crate::identity::{Certified, Identity};

/// Lets callers in that have a certificate of the cluster, or none.
pub(super) fn callers(
    roots: Arc<RootCertStore>,
    cluster: &str,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let chain = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .allow_unauthenticated()
        .build()
        .map_err(|error| TlsError::Verifier(error.to_string()))?;
    Ok(Arc::new(Callers { chain, cluster: cluster.to_owned() }))
}

#[derive(Debug)]
struct Callers {
    chain: Arc<dyn ClientCertVerifier>,
    cluster: String,
}

impl ClientCertVerifier for Callers {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        first: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(first, others, now)?;
        // A certificate of the authority that names nobody is nobody's.
        match Certified::read(first) {
            Ok(certified) if certified.cluster == self.cluster => Ok(verified),
            _ => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Trusts the authority whose key has a certain hash, and remembers what it found. The other side
/// must be a node of that authority, whichever.
pub(crate) struct Pinned {
    pin: [u8; 32],
    algorithms: WebPkiSupportedAlgorithms,
    found: OnceLock<Found>,
}

/// The authority behind a pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its certificate, in DER.
    pub(crate) ca: Vec<u8>,
    /// Its cluster.
    pub(crate) cluster: String,
}

impl Pinned {
    /// Trusts the authority whose key has this hash.
    pub(crate) fn new(pin: [u8; 32]) -> Arc<Self> {
        let algorithms = provider().signature_verification_algorithms;
        Arc::new(Self { pin, algorithms, found: OnceLock::new() })
    }

    /// The authority that was found by the first handshake that succeeded.
    pub(crate) fn found(&self) -> Option<&Found> {
        self.found.get()
    }

    /// How a caller without a certificate speaks to it.
    pub(crate) fn config(self: &Arc<Self>) -> Result<Arc<ClientConfig>, TlsError> {
        let mut client = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(self.clone())
            .with_no_client_auth();
        harden(&mut client);
        // There is no name to ask for yet.
        client.enable_sni = false;
        Ok(Arc::new(client))
    }
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned").field("found", &self.found.get()).finish_non_exhaustive()
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        first: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned = others.iter().find(|ca| pin_of(ca).is_ok_and(|pin| pin == self.pin));
        let ca = pinned.ok_or(CertificateError::UnknownIssuer)?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        let parsed = ParsedCertificate::try_from(first)?;
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], now, self.algorithms.all)?;
        let unfit = || Error::from(CertificateError::ApplicationVerificationFailure);
        let certified = Certified::read(first).map_err(|_| unfit())?;
        let cluster = cluster_of(ca).map_err(|_| unfit())?;
        let node = matches!(certified.identity, Identity::Node(_));
        if !node || certified.cluster != cluster {
            return Err(unfit());
        }
        self.found.get_or_init(|| Found { ca: ca.to_vec(), cluster });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(too_old())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Older versions are not offered, so this is not reached.
fn too_old() -> Error {
    PeerIncompatible::Tls13RequiredForQuic.into()
}
